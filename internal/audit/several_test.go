// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/commit"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/store"
)

// life fills a network with all kinds of work, through each of some members.
func (c *cluster) life(which ...int) {
	n := c.folders[0]
	for _, i := range which {
		c.submit(i, n.batch(20), n.txs(&chain.OpenAccount{Slot: chain.SlotNone}, &chain.Transfer{To: 4, Asset: 1, Amount: chain.Units(5)}))
		c.submit(i, n.txs(&chain.Hold{To: 5, Asset: 3, Amount: chain.Units(2), Blocks: 3}), n.batch(30))
	}
	n.sequence-- // the same sequence again: refused as a whole
	c.submit(which[0], n.batch(2))
	c.nodes[which[0]].settle()
	c.agree()
}

// again lets entries that were executed be decided once more, and waits until they were.
func (c *cluster) again(i int, heights ...chain.Height) {
	c.t.Helper()
	m := c.nodes[i]
	for _, h := range heights {
		header := readHeader(c.t, m.store, h)
		for _, b := range header.Batches {
			must(c.t, m.raft.Offer(b.Entry))
		}
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), 20*time.Second)
	defer cancel()
	for h := m.loop.Height(); ; h++ {
		must(c.t, m.loop.Wait(ctx, h))
		raw, err := store.ReadProposal(m.store, h)
		must(c.t, err)
		p, err := codec.DecodeProposal(raw)
		must(c.t, err)
		if len(p.Entries) > len(readHeader(c.t, m.store, h).Batches) {
			return
		}
	}
}

func readHeader(t testing.TB, s store.Reader, h chain.Height) *chain.ExecutedHeader {
	t.Helper()
	raw, err := store.ReadHeader(s, h)
	must(t, err)
	header, err := codec.DecodeHeader(raw)
	must(t, err)
	return header
}

// cutOff lets a leader go on without the others: what it orders then is not decided, and is overwritten once it hears them
// again. The folder is a copy from before that.
func (c *cluster) cutOff(m *member) (killed string) {
	c.t.Helper()
	m.alone.Store(true)
	for range 3 {
		must(c.t, m.relay.Append(c.t.Context(), c.folders[0].batch(10)))
	}
	for s := m.raft.Status(); s.Role == "leader" && s.Tail == s.Height; s = m.raft.Status() {
		for _, d := range m.relay.Pending() {
			must(c.t, m.raft.Offer(d)) // as if a quorum had it
		}
		<-time.After(time.Millisecond)
	}
	<-time.After(50 * time.Millisecond) // what it can do alone is done
	must(c.t, m.store.Apply(&store.Changes{}, true))
	killed = m.killed()
	m.alone.Store(false)
	return killed
}

// TestSeveral proves each folder of a network of four in which one was away, one was cut off, and entries were decided
// twice: of those that were stopped, and of one that was killed while it was cut off.
func TestSeveral(t *testing.T) {
	c := newCluster(t, 4)
	c.recentMax = 8 // what came long before is decided again
	s := small
	s.checkpointEvery = time.Hour // none is half written when a folder is copied
	c.start(s, 0, 1, 2, 3)
	c.life(0, 1, 2, 3)
	c.halt(3)
	c.life(1, 0)
	c.again(0, 1)
	db := c.folders[0].openIndex()
	c.nodes[0].follow(db)
	must(t, db.Close())
	c.start(s, 3)
	c.agree()
	killed := c.cutOff(c.leader())
	c.life(3, 2)
	legs := c.nodes[3].loop.LegsOK()
	c.halt(0, 1, 2, 3)
	wantOK(t, verify(t, killed))
	n := c.folders[0]
	must(t, os.MkdirAll(filepath.Join(n.dir, "keys"), 0o700))
	must(t, keys.WriteFile(filepath.Join(n.dir, "keys/validator.key"), n.header, []byte("passphrase")))
	must(t, keys.WriteFile(filepath.Join(n.dir, "keys/validator-root.key"), n.root, []byte("passphrase")))
	for i, f := range c.folders {
		report, err := Run(t.Context(), f.dir, Options{heldBytesMax: int64(i)}) // all but the first read payloads again
		must(t, err)
		wantOK(t, report)
		if report.Legs < legs || report.FromHeight != 0 || len(report.Notes) > 1 {
			t.Errorf("%+v; validator 3 counted %d legs", report, legs)
		}
	}
}

// TestReplicatedOrderOfOne proves the folder of a network of one on the engine of several.
func TestReplicatedOrderOfOne(t *testing.T) {
	c := newCluster(t, 1)
	c.recentMax = 1
	c.start(small, 0)
	c.life(0)
	c.again(0, 1)
	c.halt(0)
	c.start(small, 0)
	c.life(0)
	c.halt(0)
	report := verify(t, c.folders[0].dir)
	wantOK(t, report)
	if report.Legs == 0 {
		t.Errorf("%+v", report)
	}
}

// TestSeveralLettingGo proves folders that let payloads go, and finds what would have to be there.
func TestSeveralLettingGo(t *testing.T) {
	c := newCluster(t, 4)
	c.recentMax = 8
	s := tight
	s.rowsOutlivePayloads = testWindow
	c.start(s, 0, 1, 2, 3)
	c.life(0, 1, 2, 3)
	n := c.folders[0]
	for round := range 16 {
		c.submit(round%4, n.batch(150), n.batch(150), n.batch(150))
		c.nodes[round%4].settle()
	}
	c.again(0, 1) // its payloads are gone
	c.life(1)
	c.halt(0, 1, 2, 3)
	for _, f := range c.folders {
		report, err := Run(t.Context(), f.dir, Options{RowsOutlivePayloads: testWindow})
		must(t, err)
		wantOK(t, report)
		if report.FromHeight == 0 || report.Legs == 0 {
			t.Errorf("nothing was let go: %+v", report)
		}
	}
	verifyPruned := func(dir string) *Report {
		report, err := Run(t.Context(), dir, Options{RowsOutlivePayloads: testWindow})
		must(t, err)
		return report
	}
	for _, log := range []string{"lane", "order", "votes"} {
		dir := copied(t, n.dir)
		segments, err := filepath.Glob(filepath.Join(dir, "data", log, "seg-*"))
		must(t, err)
		for _, path := range segments[:len(segments)-2] { // the oldest may be such as wait for the next checkpoint
			must(t, os.Remove(path))
		}
		if verifyPruned(dir).OK {
			t.Errorf("all but 2 of %d segments of data/%s are missing, and nothing was found", len(segments), log)
		}
	}
	dir := copied(t, n.dir)
	moveAnchor(t, dir, verifyPruned(dir).FromHeight)
	if text := fmt.Sprint(verifyPruned(dir).Problems); !strings.Contains(text, "it is not executed in the state that execution begins with") {
		t.Errorf("an anchor ahead of the lanes: %s", text)
	}
}

// moveAnchor lets an anchor say that all records are executed.
func moveAnchor(t *testing.T, dir string, h chain.Height) {
	r, err := seglog.OpenReader(nil, filepath.Join(dir, "data/lane"))
	must(t, err)
	var last seglog.Pos
	must(t, r.Scan(t.Context(), seglog.Pos{}, func(pos seglog.Pos, _ seglog.Record) error { last = pos; return nil }))
	must(t, r.Close())
	s, err := checkpoint.Open(filepath.Join(dir, "data/checkpoints"), checkpoint.OS{}, checkpoint.Config{Chain: testChain})
	must(t, err)
	loaded, _, err := s.LoadVerified(func(m checkpoint.Meta) bool { return m.Height == h })
	must(t, err)
	p, err := commit.ParsePosition(loaded.Meta.Blob)
	must(t, err)
	floor, err := commit.ParseFloor(loaded.Meta.Blob)
	must(t, err)
	p.Pos = last
	loaded.Meta.Blob = commit.AppendBlob(nil, p, floor)
	must(t, s.RemoveAnchor(h))
	sn := loaded.Space.Snapshot()
	defer sn.Release()
	must(t, s.WriteAnchor(t.Context(), sn, loaded.Meta))
}

// TestSeveralPassedOver proves folders of a network that ordered an entry far ahead in its lane, and both branches of a lane
// that forked.
func TestSeveralPassedOver(t *testing.T) {
	c := newCluster(t, 4)
	ahead := c.folders[0].entry(2, 50, chain.Hash{1}, 3)
	branches := []appended{c.folders[0].entry(2, 1, chain.Hash{}, 2), c.folders[0].entry(2, 1, chain.Hash{}, 3)}
	for _, i := range []int{0, 1, 3} {
		f := c.folders[i]
		must(t, os.MkdirAll(f.data("lane"), 0o755))
		f.appendLane(branches[0], ahead, branches[1])
	}
	c.start(small, 0, 1, 3)
	c.life(0, 1)
	for _, x := range append(branches, ahead) {
		before := c.nodes[0].loop.Height()
		must(t, c.nodes[0].raft.Offer(x.Digest))
		c.nodes[0].raft.Nudge() // one that a quorum held was ordered before
		must(t, c.nodes[0].loop.Wait(t.Context(), before+1))
	}
	c.life(3)
	_, one := c.nodes[0].ids.Load(branches[0].Entry.Payload)
	_, other := c.nodes[0].ids.Load(branches[1].Entry.Payload)
	c.halt(0, 1, 3)
	for _, i := range []int{0, 1, 3} {
		wantOK(t, verify(t, c.folders[i].dir))
	}
	if one == other {
		t.Error("not one branch was executed, but both or neither")
	}
}

// appended is an entry with its payload.
type appended struct {
	*lane.Stored
	payload []byte
}

// entry makes an entry of a lane, with a batch of some legs.
func (n *network) entry(v chain.ValidatorNo, sequence uint64, parent chain.Hash, legs int) appended {
	it := n.batch(legs)
	defer it.Payload.Release()
	e := chain.LaneEntry{Validator: v, JoinEpoch: 1, Sequence: sequence, Parent: parent, Kind: it.Kind, Payload: it.ID, Bytes: uint32(len(it.Payload.Payload()))}
	return appended{&lane.Stored{Entry: e, Digest: codec.EntryDigest(e), Key: it.Key, Signature: it.Signature}, append([]byte(nil), it.Payload.Payload()...)}
}

// appendLane writes entries behind the log of a stopped node.
func (n *network) appendLane(entries ...appended) {
	n.t.Helper()
	l := n.log("lane", small.segmentBytes, seglog.NewPool(64<<20, 1<<20))
	for _, e := range entries {
		b := buffer(n.t, e.payload)
		must(n.t, b.SetMeta(uint8(e.Entry.Kind), laneMeta(e.Stored)))
		appendRecord(n.t, l, b)
	}
	must(n.t, l.Close())
}

func appendRecord(t testing.TB, l *seglog.Log, b *seglog.Buffer) {
	t.Helper()
	done := make(chan error, 1)
	must(t, l.Append(t.Context(), b, func(_ seglog.Pos, err error) { done <- err }))
	must(t, <-done)
}

// rewrite writes a log of a stopped node anew; edit changes a record, or returns false to leave it out. Records that keep
// their sizes keep their places.
func rewrite(t testing.TB, dir, name string, segmentBytes int64, edit func(seq uint64, meta, payload []byte) bool) {
	t.Helper()
	n := &network{t: t, dir: dir}
	old := n.data(name) + ".old"
	must(t, os.Rename(n.data(name), old))
	must(t, os.Mkdir(n.data(name), 0o755))
	r, err := seglog.OpenReader(nil, old)
	must(t, err)
	l := n.log(name, segmentBytes, seglog.NewPool(64<<20, 1<<20))
	must(t, r.Scan(t.Context(), seglog.Pos{}, func(_ seglog.Pos, rec seglog.Record) error {
		meta := append([]byte(nil), rec.Meta...)
		b := buffer(t, rec.Payload)
		if edit(rec.Seq, meta, b.Payload()) {
			must(t, b.SetMeta(rec.Kind, meta))
			appendRecord(t, l, b)
		} else {
			b.Release()
		}
		return nil
	}))
	must(t, errors.Join(r.Close(), l.Close(), os.RemoveAll(old)))
}

// laneMeta is the meta of an entry's record, as package lane writes it.
func laneMeta(s *lane.Stored) []byte {
	meta := codec.AppendLaneEntry(nil, s.Entry)
	meta = binary.LittleEndian.AppendUint32(meta, uint32(s.Key))
	meta = binary.LittleEndian.AppendUint16(meta, uint16(len(s.Signature)))
	return append(meta, s.Signature...)
}
