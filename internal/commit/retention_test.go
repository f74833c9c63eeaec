// SPDX-License-Identifier: Apache-2.0

package commit

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/exec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/pages"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/store"
)

func segments(first, last uint64) (out []Segment) {
	for n := first; n <= last; n++ {
		out = append(out, Segment{n, 10})
	}
	return out
}

func TestPlanRetention(t *testing.T) {
	for _, c := range []struct {
		name     string
		segments []Segment
		anchors  []anchor
		now      uint64
		want     retentionPlan
	}{
		{"nothing yet", nil, nil, 0, retentionPlan{}},
		{"too little for an anchor", segments(1, 3), nil, 1, retentionPlan{}},
		{"the first anchor", segments(1, 5), nil, 3, retentionPlan{anchor: true}},
		{"an anchor was written a moment ago", segments(1, 5), []anchor{{7, 3}}, 4, retentionPlan{}},
		{"the next anchor", segments(1, 6), []anchor{{7, 3}}, 5, retentionPlan{anchor: true}},
		{"too little lies behind the only anchor", segments(1, 9), []anchor{{7, 3}}, 4, retentionPlan{}},
		{"enough lies behind the only anchor", segments(1, 10), []anchor{{7, 3}}, 4, retentionPlan{keep: anchor{7, 3}}},
		{"it was recycled already", segments(3, 10), []anchor{{7, 3}}, 4, retentionPlan{keep: anchor{7, 3}}},
		{"older anchors go", segments(3, 14), []anchor{{7, 3}, {9, 5}, {11, 7}, {13, 9}}, 10,
			retentionPlan{keep: anchor{11, 7}}},
		{"a state older than the newest anchor", segments(3, 10), []anchor{{7, 9}}, 4, retentionPlan{}},
		{"a record is not executed, and all behind it fits", segments(1, 10), []anchor{{7, 3}}, 4, retentionPlan{keep: anchor{7, 3}}},
		{"a record is not executed, and holds too much", segments(1, 12), []anchor{{7, 3}}, 3, retentionPlan{anchor: false, keep: anchor{7, 3}, carry: 6}},
		{"it was the first of all", segments(1, 12), nil, 0, retentionPlan{carry: 6}},
	} {
		if got := planRetention(c.segments, c.anchors, c.now, 80); got != c.want {
			t.Errorf("%s: %+v, must be %+v", c.name, got, c.want)
		}
	}
}

func TestNextFloor(t *testing.T) {
	anchors := []anchor{{7, 3}, {9, 5}, {11, 7}}
	for _, c := range []struct {
		name     string
		now      Floor
		segments []Segment
		anchors  []anchor
		keep     anchor
		want     Floor
	}{
		{"nothing yet", Floor{}, nil, nil, anchor{}, Floor{}},
		{"all is there from genesis", Floor{}, segments(1, 9), anchors, anchor{}, Floor{}},
		{"the first", Floor{}, segments(1, 14), anchors, anchor{7, 3}, Floor{7, 3}},
		{"the next", Floor{7, 3}, segments(3, 15), anchors, anchor{9, 5}, Floor{9, 5}},
		{"more is to be retained than before", Floor{9, 5}, segments(5, 15), anchors, anchor{7, 3}, Floor{9, 5}},
		{"no anchor can be kept any more", Floor{9, 5}, segments(5, 15), anchors[1:], anchor{}, Floor{9, 5}},
		{"the checkpoints that knew it are lost", Floor{}, segments(4, 8), anchors, anchor{}, Floor{9, 5}},
		{"and the anchor is lost as well", Floor{}, segments(8, 9), anchors, anchor{}, Floor{}},
	} {
		if got := nextFloor(c.now, c.segments, c.anchors, retentionPlan{keep: c.keep}); got != c.want {
			t.Errorf("%s: %+v, must be %+v", c.name, got, c.want)
		}
	}
}

func TestBlob(t *testing.T) {
	p := lane.Position{Sequence: 1, Tip: chain.Hash{2}, Pos: seglog.Pos{Segment: 3, Offset: 4, Bytes: 5, Seq: 6}}
	f := Floor{Height: 7, Segment: 8}
	raw := AppendBlob(nil, p, f)
	if got, err := ParsePosition(raw); err != nil || got != p || len(raw) != blobBytes {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := ParseFloor(raw); err != nil || got != f {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range [][]byte{nil, raw[1:], append(raw, 0)} {
		_, errPosition := ParsePosition(bad)
		_, errFloor := ParseFloor(bad)
		if !fault.Is(errPosition, fault.Corrupt) || !fault.Is(errFloor, fault.Corrupt) {
			t.Errorf("%d bytes: %v, %v", len(bad), errPosition, errFloor)
		}
	}
}

// TestRetention works until segments go, and then executes again all that is retained, from the oldest anchor.
func TestRetention(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const retain = 8 * testSegmentBytes
		d := newDisks(t)
		s := setup{commit: Config{CheckpointInterval: 200 * time.Millisecond, RetainBytes: retain}}
		n := mustOpen(t, d, s)
		most := int64(0)
		for i := range 400 {
			n.mustSubmit(100) // 12 KiB of a segment
			pause(30 * time.Millisecond)
			if i == 200 {
				n.mustStop()
				n = mustOpen(t, d, s)
				if n.from == 0 {
					t.Fatal("no checkpoint was used")
				}
			}
			most = max(most, n.laneLog.RetainedBytes())
		}
		if most > 2*retain {
			t.Errorf("%d bytes were retained, %d are asked for", most, retain)
		}
		kept := n.laneLog.Segments()
		if kept[0].Number == 1 || n.laneLog.RetainedBytes() < retain {
			t.Errorf("segments %d..%d are retained", kept[0].Number, kept[len(kept)-1].Number)
		}
		if first := n.orderLog.Segments()[0]; first.Number == 1 {
			t.Error("the ordering log was not trimmed")
		}
		anchors, err := n.loop.anchors()
		if err != nil || len(anchors) == 0 || len(anchors) > 2*anchorsPerRetention || anchors[0].segment > kept[0].Number {
			t.Fatalf("anchors %+v, %v", anchors, err)
		}
		pause(time.Minute)
		last := n.loop.Height()
		replayFrom(t, n, d.store, anchors[0].height, last)
		n.mustStop()
	})
}

// TestRetentionFails ends the node when what is to be let go cannot be.
func TestRetentionFails(t *testing.T) {
	failed := fault.New(fault.Halted, "the disk is gone")
	for name, s := range map[string]setup{
		"trim":    {parts: func(p *Parts) { p.TrimOrder = func(chain.Height) error { return failed } }},
		"recycle": {parts: func(p *Parts) { p.Segments = brokenSegments{p.Segments, failed} }},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s.commit = Config{CheckpointInterval: 200 * time.Millisecond, RetainBytes: 4 * testSegmentBytes}
				n := mustOpen(t, newDisks(t), s)
				for {
					if n.submit(500) != nil {
						break
					}
					pause(50 * time.Millisecond)
					select {
					case err := <-n.end:
						n.end <- err
					default:
						continue
					}
					break
				}
				if err := n.died(); !errors.Is(err, failed) {
					t.Errorf("it ended with %v", err)
				}
			})
		})
	}
}

type brokenSegments struct {
	Segments
	err error
}

func (s brokenSegments) Recycle(uint64) error { return s.err }

// TestForeignAnchor finds an anchor whose blob is not ours.
func TestForeignAnchor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		n, err := open(t, newDisks(t), setup{})
		if err != nil {
			t.Fatal(err)
		}
		sn := n.loop.Space.Snapshot()
		root := n.loop.Tree.Update(sn)
		if err := n.checkpoints.WriteAnchor(t.Context(), sn, checkpoint.Meta{Chain: testChain, Height: 1, Root: root, Blob: []byte("?")}); err != nil {
			t.Fatal(err)
		}
		sn.Release()
		n.run()
		n.mustSubmit(1)
		select {
		case err := <-n.end:
			if !fault.Is(err, fault.Corrupt) {
				t.Errorf("it ended with %v", err)
			}
		case <-time.After(time.Hour):
			t.Error("the node goes on")
		}
		n.cancel()
		n.closeLogs()
	})
}

// replayFrom executes heights after an anchor up to last from what the logs retain, and compares headers.
func replayFrom(t *testing.T, n *node, s store.Reader, anchor, last chain.Height) {
	t.Helper()
	st := loadAnchor(t, n, s, anchor)
	entries := map[chain.Hash]exec.Payload{}
	err := n.laneLog.Scan(context.Background(), seglog.Pos{Segment: st.lane.Pos.Segment}, func(pos seglog.Pos, rec seglog.Record) error {
		x, err := lane.ParseRecord(pos, rec)
		if err != nil {
			return err
		}
		entries[x.Digest] = exec.Payload{Entry: x.Entry, Digest: x.Digest, Bytes: append([]byte(nil), x.Payload()...)}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	tree := st.tree
	for h := anchor + 1; h <= last; h++ {
		p := readProposal(t, s, h)
		payloads := make([]exec.Payload, len(p.Entries))
		for i, e := range p.Entries {
			payloads[i] = entries[e]
		}
		ex, err := st.machine.Run(p, payloads)
		if err != nil {
			t.Fatalf("height %d of the retained: %v", h, err)
		}
		if want, err := store.ReadHeader(s, h); err != nil || string(want) != string(ex.HeaderBytes) {
			t.Fatalf("height %d of the retained diverges: %v", h, err)
		}
		if ex.RootDue {
			sn := st.space.Snapshot()
			st.machine.SetRoot(h, tree.Update(sn))
			sn.Release()
		}
	}
}

func loadAnchor(t *testing.T, n *node, s store.Reader, at chain.Height) *state {
	t.Helper()
	candidates, _ := n.checkpoints.Candidates()
	for _, c := range candidates {
		if c.Meta.Height != at {
			continue
		}
		space := pages.NewSpace()
		if _, err := n.checkpoints.Load(c.Name, space); err != nil {
			t.Fatal(err)
		}
		tree := pages.NewTree()
		sn := space.Snapshot()
		root := tree.Update(sn)
		sn.Release()
		if root != c.Meta.Root {
			t.Fatal("the anchor has another root")
		}
		st, err := stateAt(s, space, tree, c.Meta)
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	t.Fatalf("there is no anchor of height %d", at)
	return nil
}

func readProposal(t *testing.T, s store.Reader, h chain.Height) *chain.Proposal {
	t.Helper()
	raw, err := store.ReadProposal(s, h)
	if err != nil {
		t.Fatal(err)
	}
	p, err := codec.DecodeProposal(raw)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
