// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/certify"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/commit"
	"github.com/aurigraph/aurigraph/internal/exec"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/node"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/store"
	"github.com/aurigraph/aurigraph/internal/store/pebblestore"
)

// rest waits until nobody executes anything more, at one height.
func (c *cluster) rest() chain.Height {
	c.t.Helper()
	for quiet, last := 0, chain.Height(0); ; {
		same := true
		h := c.nodes[0].loop.Height()
		for _, m := range c.nodes {
			same = same && m.loop.Height() == h && m.loop.ExecutedHeight() == h
		}
		if quiet++; !same || h != last {
			quiet, last = 0, h
		}
		if quiet == 50 {
			return h
		}
		<-time.After(2 * time.Millisecond)
	}
}

// sealed is what a seal leaves in a folder.
type sealed struct {
	*network
	store *pebblestore.Store
	state *node.State
	last  seglog.Pos // newest record of the lanes
}

// openSealed executes all that a stopped validator published.
func (n *network) openSealed(upTo chain.Height) *sealed {
	t := n.t
	t.Helper()
	x := &sealed{network: n}
	var err error
	x.store, err = pebblestore.Open(n.data("blocks"), pebblestore.Options{})
	must(t, err)
	x.state, err = node.GenesisState(n.genesis)
	must(t, err)
	log, err := seglog.OpenReader(nil, n.data("lane"))
	must(t, err)
	byDigest := map[chain.Hash]exec.Payload{}
	must(t, log.Scan(t.Context(), seglog.Pos{}, func(pos seglog.Pos, rec seglog.Record) error {
		s, err := lane.ParseRecord(pos, rec)
		if err == nil {
			byDigest[s.Digest] = exec.Payload{Entry: s.Entry, Digest: s.Digest, Bytes: slices.Clone(s.Payload())}
			x.last = pos
		}
		return err
	}))
	must(t, log.Close())
	for h := chain.Height(1); h <= upTo; h++ {
		raw, err := store.ReadProposal(x.store, h)
		must(t, err)
		p, err := codec.DecodeProposal(raw)
		must(t, err)
		var payloads []exec.Payload
		for _, d := range p.Entries {
			payloads = append(payloads, byDigest[d])
		}
		ex, err := x.state.Machine.Run(p, payloads)
		must(t, err)
		if ex.RootDue {
			x.state.Machine.SetRoot(h, x.root())
		}
	}
	return x
}

func (x *sealed) root() chain.Hash {
	sn := x.state.Space.Snapshot()
	defer sn.Release()
	return x.state.Tree.Update(sn)
}

// handover is the statement that ends the epoch at a height.
func (x *sealed) handover(h chain.Height, next *chain.Membership, v chain.Verdict) *chain.ProvedHandover {
	x.t.Helper()
	raw, err := store.ReadHeader(x.store, h)
	must(x.t, err)
	must(x.t, x.state.Ledger.ApplySeal(next, v))
	return &chain.ProvedHandover{
		Handover: chain.Handover{
			Chain: testChain, Verdict: v, Height: h, Header: codec.Sum(raw), Root: x.root(), Next: *next, HomeVersion: x.state.Ledger.SealedVersion(v),
		},
		HeaderBytes: raw,
	}
}

// sealBy signs a handover.
func sealBy(t testing.TB, p *chain.ProvedHandover, by ...*network) *chain.ProvedHandover {
	t.Helper()
	p.Seal = nil
	for _, f := range by {
		sig, err := f.header.Sign(keys.SealMessage(testChain, codec.HandoverHash(&p.Handover)))
		must(t, err)
		p.Seal = append(p.Seal, chain.Approval{Validator: f.no, Signature: sig})
	}
	return p
}

// keep writes the handover and the state that the next epoch begins with. The certificates of the last heights are not there,
// and the validator signed one height more than the seal lets stand.
func (x *sealed) keep(p *chain.ProvedHandover, uncertified chain.Height) {
	t := x.t
	t.Helper()
	var changes store.Changes
	store.WriteHandover(&changes, p.Next.Epoch, codec.AppendProvedHandover(nil, p))
	for h := p.Height; h > p.Height-uncertified; h-- {
		changes.Delete(heightKey(tableCertificate, h))
	}
	must(t, x.store.Apply(&changes, true))
	must(t, x.store.Close())
	saved, err := checkpoint.Open(x.data("checkpoints"), checkpoint.OS{}, checkpoint.Config{Chain: testChain})
	must(t, err)
	_, sequence, tip := x.state.Ledger.Lane(x.no)
	blob := commit.AppendBlob(nil, lane.Position{Sequence: sequence, Tip: tip, Pos: x.last}, commit.Floor{})
	sn := x.state.Space.Snapshot()
	defer sn.Release()
	_, err = saved.Write(t.Context(), sn, checkpoint.Meta{Chain: testChain, Height: p.Height, Root: p.Root, Blob: blob})
	must(t, err)
}

// vote adds a vote to the log of a stopped validator.
func (n *network) vote(e chain.Epoch, h chain.Height, header chain.Hash) {
	n.t.Helper()
	sig, err := n.header.Sign(keys.HeaderMessage(testChain, header))
	must(n.t, err)
	frame := certify.AppendFrame(nil, certify.Message{Vote: &certify.Vote{Epoch: e, Height: h, Validator: n.no, Hash: header, Signature: sig}})
	l := n.log("votes", 64<<10, seglog.NewPool(64<<20, 1<<20))
	b := buffer(n.t, nil)
	must(n.t, b.SetMeta(frame[0], frame[1:]))
	appendRecord(n.t, l, b)
	must(n.t, l.Close())
}

// TestSealed proves the folders of a network whose first epoch was sealed, of which no height is certified at its end and a
// header above it was signed; and finds a seal that is not one.
func TestSealed(t *testing.T) {
	for _, v := range []chain.Verdict{chain.VerdictUnchanged, chain.VerdictToV10} {
		t.Run(v.String(), func(t *testing.T) { provesSealed(t, v) })
	}
}

func provesSealed(t *testing.T, verdict chain.Verdict) {
	c := newCluster(t, 4)
	c.start(small, 0, 1, 2, 3)
	c.life(0, 1, 2, 3)
	h := c.rest()
	c.halt(0, 1, 2, 3)
	next := *c.folders[0].genesis.Membership()
	next.Epoch = 2
	for i, f := range c.folders {
		x := f.openSealed(h)
		p := sealBy(t, x.handover(h, &next, verdict), c.folders[:3]...)
		x.keep(p, chain.Height(i))
		if i == 3 { // it signed none of the tail
			rewrite(t, f.dir, "votes", 64<<10, func(_ uint64, m, _ []byte) bool {
				return chain.Height(binary.LittleEndian.Uint64(m[8:])) <= h-3
			})
		}
		if i == 0 || i == 2 {
			f.vote(1, h+1, chain.Hash{byte(i)}) // it came to nothing
		}
		report := verify(t, f.dir)
		wantOK(t, report)
	}
	c.start(small, 0, 1, 2, 3)
	c.life(2, 0)
	c.halt(0, 1, 2, 3)
	for _, f := range c.folders {
		report := verify(t, f.dir)
		wantOK(t, report)
		if report.FromHeight != 0 || report.Height <= h {
			t.Errorf("%+v", report)
		}
	}
	v := c.folders[3]
	var before []byte
	edit(t, v.dir, func(e *editor) { before = e.get(heightKey(tableHeader, h-1)) })
	handover := func(change func(p *chain.ProvedHandover)) func(*editor) {
		return func(e *editor) {
			p, err := codec.DecodeProvedHandover(e.get(handoverKey(2)))
			must(t, err)
			change(p)
			e.Put(handoverKey(2), codec.AppendProvedHandover(nil, p))
		}
	}
	for _, x := range []struct {
		name, text string
		edit       func(*editor)
	}{
		{"too few", "a quorum is 3", handover(func(p *chain.ProvedHandover) { p.Seal = p.Seal[1:] })},
		{"another root", "begins with a state of root", handover(func(p *chain.ProvedHandover) {
			p.Root[0]++
			sealBy(t, p, c.folders[:3]...)
		})},
		{"another member", "begins with a state of root", handover(func(p *chain.ProvedHandover) {
			p.Next = *p.Next.Changed(&chain.ChangeValidator{Validator: 0})
			p.Next.Epoch = 2
			sealBy(t, p, c.folders[:3]...)
		})},
		{"another height", "by the handovers the height is of epoch", handover(func(p *chain.ProvedHandover) {
			p.Height--
			p.HeaderBytes, p.Header = before, codec.Sum(before)
			sealBy(t, p, c.folders[:3]...)
		})},
		{"no handover", "by the handovers the height is of epoch 1", func(e *editor) { e.remove(handoverKey(2)) }},
		{"a certificate missing before the tail", "there is no certificate", func(e *editor) { e.remove(heightKey(tableCertificate, h-5)) }},
		{"a certificate missing behind it", "there is no certificate", func(e *editor) { e.remove(heightKey(tableCertificate, h+1)) }},
		{"a header missing in it", "there is no header", func(e *editor) { e.remove(heightKey(tableHeader, h-1)) }},
		{"a header of it changed", "the header follows", func(e *editor) { e.flip(heightKey(tableHeader, h-1), 100) }},
		{"another verdict", "begins with a state of root", handover(func(p *chain.ProvedHandover) {
			if p.Verdict = chain.VerdictUnchanged; verdict == chain.VerdictUnchanged {
				p.Verdict = chain.VerdictToV10
			}
			p.HomeVersion = 2 * uint64(p.Verdict-chain.VerdictUnchanged)
			sealBy(t, p, c.folders[:3]...)
		})},
	} {
		t.Run(x.name, func(t *testing.T) {
			dir := copied(t, v.dir)
			edit(t, dir, x.edit)
			wantProblem(t, dir, "", x.text)
		})
	}
	if verdict == chain.VerdictToV10 {
		dir := copied(t, v.dir)
		edit(t, dir, handover(func(p *chain.ProvedHandover) {
			p.HomeVersion++
			sealBy(t, p, c.folders[:3]...)
		}))
		wantProblem(t, dir, "", "makes version 2 of the home table, the handover says 3")
	}
}
