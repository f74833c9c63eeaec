// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/commit"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/node"
	"github.com/aurigraph/aurigraph/internal/store"
)

// change lets a folder's validator be admitted or have its keys, or, with removes, leave; approved by some. It returns when
// all who run have come to the end of the epoch, and stopped.
func (c *cluster) change(who int, removes bool, approvers ...int) {
	c.t.Helper()
	f, via := c.folders[who], c.nodes[approvers[0]]
	ch := &chain.ChangeValidator{Epoch: via.certifierEpoch(), Validator: f.no}
	if !removes {
		ch.Name, ch.Ed25519, ch.MLDSA65 = fmt.Sprintf("v%d", f.no), f.header.Public().Bytes()[1:], f.root.Public().Bytes()[1:]
	}
	msg := keys.ChangeMessage(testChain, codec.ChangeHash(ch))
	for _, a := range approvers {
		sig, err := c.folders[a].header.Sign(msg)
		must(c.t, err)
		ch.Approvals = append(ch.Approvals, chain.Approval{Validator: c.folders[a].no, Signature: sig})
	}
	must(c.t, via.lane.Append(c.t.Context(), c.folders[0].txs(ch)))
	for i, m := range c.nodes {
		if m == nil {
			continue
		}
		select {
		case err := <-m.ended:
			if !errors.Is(err, commit.ErrEpochEnded) {
				c.t.Fatalf("validator %d: %v", i, err)
			}
			m.ended <- err
		case <-time.After(20 * time.Second):
			c.t.Fatalf("validator %d stands at height %d and does not come to the end of its epoch", i, m.loop.Height())
		}
	}
	c.halt(c.running()...)
}

func (m *member) certifierEpoch() chain.Epoch {
	e := chain.Epoch(1)
	rows, err := store.ReadHandovers(m.store, chain.FirstHandover)
	must(m.t, err)
	return e + chain.Epoch(len(rows))
}

func (c *cluster) running() (list []int) {
	for i, m := range c.nodes {
		if m != nil {
			list = append(list, i)
		}
	}
	return list
}

// rekey gives a folder's validator other keys, with which it is opened again.
func (n *network) rekey() {
	n.header, n.root = signer(n.t, keys.Ed25519, 50+byte(n.no)), signer(n.t, keys.MLDSA65, 70+byte(n.no))
}

// epochsOfLife makes the folders of a network that one joined, in which one got new keys, and that one left. An entry of that
// one is never executed.
func epochsOfLife(t *testing.T) *cluster {
	t.Helper()
	c := newClusterOf(t, 5, 4)
	s := small
	s.checkpointEvery = 20 * time.Millisecond
	c.start(s, 0, 1, 2, 3)
	c.life(0, 1, 2, 3)
	c.change(4, false, 0, 1, 2)
	for _, i := range []int{0, 1} {
		wantOK(t, verify(t, c.folders[i].dir)) // stopped between the epochs
	}
	c.adopt(4, 0)
	c.start(s, 0, 1, 2, 3, 4)
	c.rootSoon()
	c.life(0, 4, 3)
	c.folders[3].rekey()
	c.change(3, false, 0, 1, 2, 4)
	c.start(s, 0, 1, 2, 3, 4)
	c.life(3, 1)
	c.change(2, true, 0, 1, 3, 4)
	c.start(s, 0, 1, 3, 4)
	c.life(0, 3, 4)
	c.halt(0, 1, 3, 4)
	return c
}

// rootSoon waits until a root of the new epoch is certified, which comes although nothing is executed.
func (c *cluster) rootSoon() {
	c.t.Helper()
	m := c.nodes[0]
	begin := m.loop.Height()
	for end := time.Now().Add(20 * time.Second); ; <-time.After(time.Millisecond) {
		if at, _ := m.loop.Root(); at > begin {
			return
		}
		if time.Now().After(end) {
			c.t.Fatalf("at height %d there is no root above height %d", m.loop.Height(), begin)
		}
	}
}

// TestEpochs proves the folders of a network through four membership epochs, also of one that joined and of one that left, and
// finds what is not as it was.
func TestEpochs(t *testing.T) {
	c := epochsOfLife(t)
	for i, f := range c.folders {
		report := verify(t, f.dir)
		wantOK(t, report)
		if i < 2 && (report.FromHeight != 0 || report.Legs == 0) {
			t.Errorf("%+v", report)
		}
	}
	v := c.folders[1]
	var ends []chain.Height
	edit(t, v.dir, func(e *editor) {
		for n := chain.FirstHandover; n <= 4; n++ {
			p, err := codec.DecodeProvedHandover(e.get(handoverKey(n)))
			must(t, err)
			ends = append(ends, p.Height)
		}
	})
	handover := func(n chain.Epoch, change func(p *chain.ProvedHandover)) func(*editor) {
		return func(e *editor) {
			p, err := codec.DecodeProvedHandover(e.get(handoverKey(n)))
			must(t, err)
			change(p)
			e.Put(handoverKey(n), codec.AppendProvedHandover(nil, p))
		}
	}
	for _, x := range []struct {
		name, text string
		edit       func(*editor)
	}{
		{"handover missing", "it is missing", func(e *editor) { e.remove(handoverKey(2)) }},
		{"last handover missing", "there is no handover to the next one", func(e *editor) { e.remove(handoverKey(4)) }},
		{"handover garbage", "it proves nothing", func(e *editor) { e.Put(handoverKey(3), []byte("x")) }},
		{"handovers swapped", "it proves nothing", func(e *editor) { e.swap(handoverKey(2), handoverKey(3)) }},
		{"handover of the future", "it proves nothing", func(e *editor) { e.Put(handoverKey(5), e.get(handoverKey(4))) }},
		{"handover with another member", "names another next membership", handover(2, func(p *chain.ProvedHandover) { p.Next.Members[4].Ed25519 = c.folders[3].header.Public().Bytes()[1:] })},
		{"handover with another root", "the handover says", handover(3, func(p *chain.ProvedHandover) { p.Root[0]++ })},
		{"handover of too few", "a quorum is 4", handover(3, func(p *chain.ProvedHandover) { p.Certificate.Signatures = p.Certificate.Signatures[:3] })},
		{"handover forged", "is not valid", handover(4, func(p *chain.ProvedHandover) { p.Certificate.Signatures[0].Header[5]++ })},
		{"strange key", "it is missing", func(e *editor) { e.Put(append(handoverKey(4), 0), []byte("x")) }},
		{"header of the epoch before", "by the handovers the height is of epoch 2", func(e *editor) {
			h, err := codec.DecodeHeader(e.get(heightKey(tableHeader, ends[0]+2)))
			must(t, err)
			h.Epoch = 1
			e.Put(heightKey(tableHeader, ends[0]+2), codec.AppendHeader(nil, h))
		}},
		{"another last header", "the handover that ends epoch 2 here names", func(e *editor) { e.flip(heightKey(tableHeader, ends[1]), 100) }},
		{"certified by who left", "who cannot sign it", func(e *editor) {
			e.certificate(ends[2]+1, func(x *chain.Certificate) { x.Signatures[0].Validator = 2 })
		}},
		{"certified with old keys", "is not valid", func(e *editor) {
			e.certificate(ends[1]+1, func(x *chain.Certificate) {
				i := slices.IndexFunc(x.Signatures, func(s chain.ValidatorSignature) bool { return s.Validator == 3 })
				if i < 0 {
					i = 0
					x.Signatures[0].Validator = 3
				}
				sig, err := signer(t, keys.Ed25519, 13).Sign(keys.HeaderMessage(testChain, x.Header))
				must(t, err)
				x.Signatures[i].Header = sig
				slices.SortFunc(x.Signatures, func(a, b chain.ValidatorSignature) int { return int(a.Validator) - int(b.Validator) })
			})
		}},
	} {
		t.Run(strings.ReplaceAll(x.name, " ", "_"), func(t *testing.T) {
			dir := copied(t, v.dir)
			edit(t, dir, x.edit)
			wantProblem(t, dir, "", x.text)
		})
	}
	epochFolders(t, v)
	epochFiles(t, v)
	c.void(t)
	c.goesOnFrom(t, ends[2])
}

// void adds entries that nobody executes any more: late ones of who left, and of a lane that began anew. They harm nobody, but in
// the own lane they are out of place.
func (c *cluster) void(t *testing.T) {
	for _, x := range []struct {
		folder int
		of     chain.ValidatorNo
		text   string
	}{{1, 2, ""}, {1, 3, ""}, {3, 3, "it is of the lane that began in epoch 1"}, {1, 5, "whom nobody knows"}} {
		dir := copied(t, c.folders[x.folder].dir)
		late := c.folders[0].entry(x.of, 90, chain.Hash{1}, 2)
		(&network{t: t, dir: dir}).appendLane(late)
		if x.text == "" {
			wantOK(t, verify(t, dir))
		} else {
			wantProblem(t, dir, "lane", x.text)
		}
	}
}

// goesOnFrom lets the folders forget all epochs but the last: execution begins within it.
func (c *cluster) goesOnFrom(t *testing.T, end chain.Height) {
	n := c.folders[0]
	c.folders[4].appendLane(n.entry(2, 91, chain.Hash{1}, 2)) // of who left; it will lie before the start of execution
	c.start(tight, 0, 1, 3, 4)
	for round := range 12 {
		i := []int{0, 1, 3, 4}[round%4]
		c.submit(i, n.batch(150), n.batch(150), n.batch(150))
		c.nodes[i].settle()
	}
	c.agree()
	c.halt(0, 1, 3, 4)
	for _, i := range []int{0, 1, 3, 4} {
		report := verify(t, c.folders[i].dir)
		wantOK(t, report)
		if report.FromHeight <= end || report.Legs == 0 {
			t.Errorf("validator %d: execution begins at height %d, the last epoch behind %d", i, report.FromHeight, end)
		}
	}
}

func handoverKey(e chain.Epoch) []byte {
	return binary.BigEndian.AppendUint64([]byte{tableHandover}, uint64(e))
}

// epochFolders changes the folders of ordering logs.
func epochFolders(t *testing.T, v *network) {
	data := func(dir, name string) string { return filepath.Join(dir, "data", name) }
	dir := copied(t, v.dir)
	must(t, os.Mkdir(data(dir, "order-3"), 0o755)) // a part of an older one, which the node removes
	must(t, os.WriteFile(filepath.Join(data(dir, "order-3"), "seg-x"), []byte("x"), 0o644))
	wantOK(t, verify(t, dir))
	for _, name := range []string{"order-5", "order", "order-3"} {
		dir := copied(t, v.dir)
		must(t, os.Rename(data(dir, "order-4"), data(dir, name)))
		wantProblem(t, dir, "", "")
	}
	for _, name := range []string{"order-1", "order-04", "order-x", "order-"} {
		dir := copied(t, v.dir)
		must(t, os.Mkdir(data(dir, name), 0o755))
		wantProblem(t, dir, name, "no part of the node knows")
	}
	dir = copied(t, v.dir)
	must(t, os.RemoveAll(data(dir, "order-4")))
	wantProblem(t, dir, orderName, "the folder is missing")
}

// epochFiles changes the file that tells a newcomer of the epochs.
func epochFiles(t *testing.T, v *network) {
	var all []byte
	edit(t, v.dir, func(e *editor) {
		for n := chain.FirstHandover; n <= 4; n++ {
			raw := e.get(handoverKey(n))
			all = append(binary.LittleEndian.AppendUint32(all, uint32(len(raw))), raw...)
		}
	})
	for name, x := range map[string]struct {
		file []byte
		text string
	}{
		"as it was":            {all, ""},
		"cut":                  {all[:len(all)-1], "ends within a handover"},
		"garbage":              {[]byte{1, 0, 0, 0, 7}, "handover"},
		"a bit":                {append(append(slices.Clone(all[:len(all)-20]), all[len(all)-20]^1), all[len(all)-19:]...), ""},
		"three bytes too many": {append(slices.Clone(all), 0, 0, 0), "ends within a handover"},
	} {
		dir := copied(t, v.dir)
		must(t, os.WriteFile(filepath.Join(dir, "data", handoversName), x.file, 0o600))
		if bytes.Equal(x.file, all) {
			wantOK(t, verify(t, dir))
		} else {
			t.Log(name)
			wantProblem(t, dir, handoversName, x.text)
		}
	}
}

// TestExecuted: an entry of an epoch of its owner's that is over will never be executed, and nobody waits for it.
func TestExecuted(t *testing.T) {
	c := newCluster(t, 4)
	state, err := node.GenesisState(c.folders[0].genesis)
	must(t, err)
	next := c.folders[0].genesis.Membership().Changed(&chain.ChangeValidator{Validator: 2})
	c.folders[3].rekey()
	m := &next.Members[2]
	m.JoinEpoch, m.Ed25519, m.MLDSA65 = 2, c.folders[3].header.Public().Bytes()[1:], c.folders[3].root.Public().Bytes()[1:]
	must(t, state.Ledger.ApplySeal(next, chain.VerdictUnchanged))
	r := &replayer{audit: &audit{lanes: 4}, state: state, epoch: 2}
	for _, x := range []struct {
		of   chain.ValidatorNo
		in   chain.Epoch
		want bool
	}{{1, 1, false}, {2, 1, true}, {2, 2, true}, {2, 3, false}, {3, 1, true}, {3, 2, false}, {4, 1, false}} {
		if got := r.executed(&chain.LaneEntry{Validator: x.of, JoinEpoch: x.in, Sequence: 1}); got != x.want {
			t.Errorf("validator %d, joined in epoch %d: %v", x.of, x.in, got)
		}
	}
}
