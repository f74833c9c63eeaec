// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/commit"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/node"
	"github.com/aurigraph/aurigraph/internal/store"
	"github.com/aurigraph/aurigraph/internal/store/pebblestore"
)

// adopt lets a stopped member go on from the state of another stopped one, as a node does that is too far behind.
func (c *cluster) adopt(i, of int) {
	t, from, to := c.t, c.folders[of], c.folders[i]
	t.Helper()
	theirs, err := pebblestore.Open(from.data("blocks"), pebblestore.Options{})
	must(t, err)
	ours, err := pebblestore.Open(to.data("blocks"), pebblestore.Options{})
	must(t, err)
	must(t, store.EnsureFormat(ours))
	saved, err := checkpoint.Open(from.data("checkpoints"), checkpoint.OS{}, checkpoint.Config{Chain: testChain})
	must(t, err)
	loaded, _, err := saved.LoadVerified(func(checkpoint.Meta) bool { return true })
	must(t, err)
	state, err := node.StateAt(from.genesis, theirs, loaded)
	must(t, err)
	h := state.Height
	get := func(read func(store.Reader, chain.Height) ([]byte, error), h chain.Height) []byte {
		raw, err := read(theirs, h)
		must(t, err)
		return raw
	}
	var ahead [][]byte
	for n := h + 1; n <= h+chain.RootDelay && handoverAt(t, theirs, h) == nil; n++ {
		ahead = append(ahead, get(store.ReadHeader, n))
	}
	var changes store.Changes
	head, _, err := store.LastHeader(ours)
	if err != nil {
		head = 0 // a new folder
	}
	for below := h - 1; below > head; below-- {
		if raw, err := store.ReadAnyHeader(theirs, below); err == nil {
			store.WriteGapHeader(&changes, below, raw)
		}
	}
	must(t, store.Adopt(ours, &changes, h, get(store.ReadHeader, h), get(store.ReadCertificate, h), get(store.ReadProposal, h), ahead))
	must(t, commit.AdoptLegs(ours, &changes, h))
	rows, err := store.ReadHandovers(theirs, chain.FirstHandover)
	must(t, err)
	for i, raw := range rows {
		store.WriteHandover(&changes, chain.FirstHandover+chain.Epoch(i), raw)
	}
	must(t, ours.Apply(&changes, true))
	to.saveState(state, loaded)
	to.adopted = h
	must(t, ours.Close())
	must(t, theirs.Close())
}

// saveState writes a peer's state as an anchor and a checkpoint.
func (n *network) saveState(state *node.State, loaded *checkpoint.Loaded) {
	n.t.Helper()
	must(n.t, os.MkdirAll(n.data("checkpoints"), 0o755))
	own, err := checkpoint.Open(n.data("checkpoints"), checkpoint.OS{}, checkpoint.Config{Chain: testChain})
	must(n.t, err)
	newest, ok, _ := own.Newest(func(checkpoint.Meta) bool { return true })
	at := lane.Position{}
	if ok {
		at, err = commit.ParsePosition(newest.Meta.Blob)
		must(n.t, err)
	}
	_, at.Sequence, at.Tip = state.Ledger.Lane(n.no)
	meta := loaded.Meta
	meta.Blob = commit.AppendBlob(nil, at, commit.Floor{Height: meta.Height, Segment: at.Pos.Segment})
	sn := loaded.Space.Snapshot()
	defer sn.Release()
	must(n.t, own.WriteAnchor(n.t.Context(), sn, meta))
	_, err = own.Write(n.t.Context(), sn, meta)
	must(n.t, err)
}

// TestAdoptedState proves the folder of a node that was away and went on from a peer's state, and finds what the record of
// it cannot say.
func TestAdoptedState(t *testing.T) {
	c := newCluster(t, 4)
	c.start(small, 0, 1, 2, 3)
	c.life(3, 2)
	c.halt(3)
	away := c.folders[3].headOf()
	c.life(0, 1)
	c.life(2)
	c.halt(0, 1, 2)
	c.adopt(3, 0)
	adopted := verify(t, c.folders[3].dir)
	wantOK(t, adopted)
	wantNote(t, adopted, "the node went on from a peer's state")
	c.start(small, 0, 1, 2, 3)
	c.life(3, 0)
	c.halt(0, 1, 2, 3)
	n := c.folders[3]
	for _, f := range c.folders {
		report := verify(t, f.dir)
		wantOK(t, report)
		if f == n && (report.FromHeight != n.adopted || report.Legs == 0 || report.Height <= adopted.Height) {
			t.Errorf("%+v; adopted was height %d", report, n.adopted)
		}
	}
	for name, e := range map[string]struct {
		text string
		edit func(*editor)
	}{
		"nothing is missing":        {"there is no header", func(e *editor) { e.remove([]byte("m" + metaAdopted)) }},
		"too much is missing":       {"belongs to no height", func(e *editor) { e.hole(func(h []byte) { h[0]-- }) }},
		"less is missing":           {"there is no header", func(e *editor) { e.hole(func(h []byte) { h[0]++ }) }},
		"backwards":                 {"cannot be", func(e *editor) { e.hole(func(h []byte) { copy(h[8:16], make([]byte, 8)) }) }},
		"another header":            {"is not that of the chain", func(e *editor) { e.hole(func(h []byte) { h[len(h)-40] ^= 1 }) }},
		"a height of the future":    {"cannot be", func(e *editor) { e.flip([]byte("m"+metaAdopted), 6) }},
		"cut off":                   {"cannot be", func(e *editor) { e.Put([]byte("m"+metaAdopted), []byte("x")) }},
		"a header in the gap":       {"the one above names", func(e *editor) { e.flip(heightKey(tableGap, away+2), 30) }},
		"another's place":           {"of no height that is not here", func(e *editor) { e.Put(heightKey(tableGap, away+2), e.get(heightKey(tableGap, away+1))) }},
		"a gap where none is":       {"of no height that is not here", func(e *editor) { e.Put(heightKey(tableGap, away), e.get(heightKey(tableHeader, away))) }},
		"a gap's key":               {"is malformed", func(e *editor) { e.Put([]byte("gap"), []byte("x")) }},
		"the header before the gap": {"belongs to no height", func(e *editor) { e.Put(heightKey(tableHeader, away+1), e.get(heightKey(tableHeader, away))) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := copied(t, n.dir)
			edit(t, dir, e.edit)
			wantProblem(t, dir, "", e.text)
		})
	}
}

// hole changes the record of adopted states from its first hole on.
func (e *editor) hole(change func([]byte)) {
	v := e.get([]byte("m" + metaAdopted))
	change(v[12:])
	e.Put([]byte("m"+metaAdopted), v)
}

// headOf is the newest height of a stopped node.
func (n *network) headOf() chain.Height {
	n.t.Helper()
	s, err := pebblestore.Open(filepath.Join(n.dir, "data/blocks"), pebblestore.Options{})
	must(n.t, err)
	h, _, err := store.LastHeader(s)
	must(n.t, err)
	must(n.t, s.Close())
	return h
}

// TestParseAdopted reads records that end anywhere.
func TestParseAdopted(t *testing.T) {
	le := binary.LittleEndian
	b := le.AppendUint32(le.AppendUint64(nil, 9), 1)
	b = le.AppendUint64(le.AppendUint64(b, 3), 8)
	b = append(le.AppendUint32(le.AppendUint32(b, 1), 3), "abc"...)
	a, ok := parseAdopted(b)
	if !ok || a.height != 9 || len(a.holes) != 1 || a.holes[0] != (hole{3, 8}) || len(a.ahead) != 1 || string(a.ahead[0]) != "abc" {
		t.Errorf("%+v %v", a, ok)
	}
	for n := range b {
		if _, ok := parseAdopted(b[:n]); ok {
			t.Errorf("%d bytes are a record", n)
		}
	}
	if _, ok := parseAdopted(append(b, 0)); ok {
		t.Error("a byte too many")
	}
}
