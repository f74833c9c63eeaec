// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/commit"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/node"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/spread"
	"github.com/aurigraph/aurigraph/internal/store"
)

// victim is the folder of a stopped validator of four that is damaged in copies.
type victim struct {
	*network
	head  chain.Height
	work  chain.Height // of a block with entries
	lanes []lane.Stored
	last  seglog.Pos // of the newest record of the lanes
}

func newVictim(t *testing.T) *victim {
	c := newCluster(t, 4)
	c.start(small, 0, 1, 2, 3)
	c.life(0, 1, 2, 3)
	c.halt(0, 1, 2, 3)
	v := &victim{network: c.folders[1]}
	report := verify(t, v.dir)
	wantOK(t, report)
	v.head = report.Height
	r, err := seglog.OpenReader(nil, v.data("lane"))
	must(t, err)
	must(t, r.Scan(t.Context(), seglog.Pos{}, func(pos seglog.Pos, rec seglog.Record) error {
		s, err := lane.ParseRecord(pos, rec)
		v.lanes = append(v.lanes, *bare(s))
		v.last = pos
		return err
	}))
	must(t, r.Close())
	edit(t, v.dir, func(e *editor) { v.work = e.work(v.head/2, -1) })
	return v
}

// first is the first entry of a lane.
func (v *victim) first(no chain.ValidatorNo) lane.Stored {
	return v.lanes[slices.IndexFunc(v.lanes, func(s lane.Stored) bool { return s.Entry.Validator == no })]
}

// batchOf is the newest client batch of a lane.
func (v *victim) batchOf(no chain.ValidatorNo) lane.Stored {
	for i := len(v.lanes) - 1; ; i-- {
		if s := v.lanes[i]; s.Entry.Validator == no && s.Entry.Kind == chain.PayloadBatch {
			return s
		}
	}
}

// TestSeveralDamage damages the folder of one of four.
func TestSeveralDamage(t *testing.T) {
	v := newVictim(t)
	t.Run("files", v.files)
	t.Run("edited", v.edited)
}

// files damages a bit of a file of each kind.
func (v *victim) files(t *testing.T) {
	kinds := map[string]bool{}
	for _, f := range ofEachKind(verify(t, v.dir).Files) {
		folder, name := filepath.Base(filepath.Dir(f.Path)), filepath.Base(f.Path)
		kinds[folder] = true
		dir := copied(t, v.dir)
		flip(t, filepath.Join(dir, f.Path), f.Used/2)
		wantProblem(t, dir, name, "")
	}
	for _, kind := range []string{"lane", "order", "votes", "blocks", "checkpoints"} {
		if !kinds[kind] {
			t.Errorf("no file of %s was damaged", kind)
		}
	}
}

// edited changes what the folder says, with checksums as they should be.
func (v *victim) edited(t *testing.T) {
	undecided, forked := v.network.entry(2, 1000, chain.Hash{1}, 2), v.network.entry(2, 2, chain.Hash{1}, 2)
	unsigned := v.network.entry(2, 1000, chain.Hash{1}, 2)
	unsigned.Signature[5] ^= 1
	for _, c := range []struct {
		name, text string // no text: nothing is wrong
		edit       func(t *testing.T, dir string)
	}{
		{"certificate of two", "a quorum is 3", v.certificate(func(c *chain.Certificate) { c.Signatures = c.Signatures[:2] })},
		{"one signed twice", "who cannot sign", v.certificate(func(c *chain.Certificate) { c.Signatures[1] = c.Signatures[0] })},
		{"a stranger signed", "who cannot sign", v.certificate(func(c *chain.Certificate) { c.Signatures[0].Validator = 4 })},
		{"signed in another's name", "is not valid", v.certificate(func(c *chain.Certificate) {
			c.Signatures[0].Header, c.Signatures[1].Header = c.Signatures[1].Header, c.Signatures[0].Header
		})},
		{"a root not signed", "state root of height", v.rows(func(e *editor) { e.rootSignature(func([]byte) []byte { return nil }) })},
		{"blocks swapped", "the header is that of height", v.rows(func(e *editor) {
			for _, table := range []byte{tableHeader, tableCertificate, tableProposal} {
				e.swap(heightKey(table, v.work), heightKey(table, v.work+1))
			}
		})},
		{"proposals swapped", "the proposal has hash", v.rows(func(e *editor) { e.swap(heightKey(tableProposal, v.work), heightKey(tableProposal, v.work+1)) })},
		{"place of another", "places: a row is not", v.rows(func(e *editor) {
			e.location(e.first(tablePlace, v.work), func(l *chain.Location) {
				l.Segment, l.Offset, l.Bytes, l.Seq = v.last.Segment, v.last.Offset, v.last.Bytes, v.last.Seq
			})
		})},

		{"vote on another header", "this node signed header", v.vote(v.work, func(m []byte) {
			m[18] ^= 1
			copy(m[50:], v.sign(t, keys.HeaderMessage(testChain, chain.Hash(m[18:50]))))
		})},
		{"evidence that is none", "evidence", v.rows(func(e *editor) {
			store.WriteEvidence(&e.Changes, store.EvidenceKey{Kind: store.EvidenceHeaders, Validator: 2}, []byte("x"))
		})},
		{"evidence", "", v.rows(func(e *editor) {
			x := spread.Evidence{Kind: spread.EvidenceAhead, Lane: 1, Epoch: 1, Sequence: 9, From: 2, Digest: chain.Hash{1}}
			store.WriteEvidence(&e.Changes, store.EvidenceKey{Kind: uint8(x.Kind), Validator: 1, From: 2, Epoch: 1, Place: 9}, spread.AppendEvidence(nil, &x))
		})},
		{"what a divergence was", "", func(t *testing.T, dir string) {
			must(t, os.WriteFile(filepath.Join(dir, "data", node.DivergenceFile), []byte("{}"), 0o644))
		}},
		{"vote not signed", "the signature of the vote", v.vote(v.work, func(m []byte) { m[60] ^= 1 })},
		{"vote of another", "is of validator 2, the folder", v.vote(v.work, func(m []byte) { m[16] = 2 })},
		{"vote twice", "was signed after", v.vote(v.work, func(m []byte) { m[8]-- })},
		{"vote of another epoch", "who was no member in epoch 2", v.vote(v.work, func(m []byte) { m[0] = 2 })},
		{"root vote not signed", "the signature for the state root", v.vote(0, func(m []byte) { m[len(m)-41] ^= 1 })},
		{"what was decided", "the vote says that proposal", v.vote(v.work, func(m []byte) { m[len(m)-9] ^= 1 })},
		{"vote missing", "there is no vote of this node on it", v.record("votes", func(seq uint64, _, _ []byte) bool { return seq != uint64(v.work) })},
		{"last vote missing", "the votes end here", v.record("votes", func(seq uint64, _, _ []byte) bool { return seq < uint64(v.head) })},
		{"no votes", "the votes end here", v.record("votes", func(uint64, []byte, []byte) bool { return false })},

		{"order cut off", "the ordering log ends at height", v.record("order", func(seq uint64, _, _ []byte) bool { return seq < uint64(v.work) })},
		{"order with a gap", "ordering log", v.record("order", func(seq uint64, _, _ []byte) bool { return seq != uint64(v.work) })},
		{"another entry ordered", "is not the one in the block store", v.record("order", func(_ uint64, m, _ []byte) bool {
			if s := v.batchOf(2); bytes.Contains(m, s.Digest[:]) {
				m[bytes.Index(m, s.Digest[:])] ^= 1
			}
			return true
		})},

		{"payload changed", "the payload's hash", v.entry(v.batchOf(2), func(_, p []byte) bool { p[len(p)-1] ^= 1; return true })},
		{"client's signature changed", "the signature of batch", v.entry(v.batchOf(2), func(m, _ []byte) bool { m[len(m)-1] ^= 1; return true })},
		{"payload missing", "is not on the lane", v.entry(v.batchOf(2), func(_, _ []byte) bool { return false })},
		{"own entry missing", "it does not follow entry", v.entry(v.first(1), func(_, _ []byte) bool { return false })},
		{"own lane forked", "it does not follow entry", v.appended(v.network.entry(1, 3, chain.Hash{1}, 2))},
		{"lane of nobody", "whom nobody knows", v.appended(v.network.entry(4, 1, chain.Hash{}, 2))},
		{"undecided and not signed", "the signature of batch", v.appended(unsigned)},
		{"undecided", "", v.appended(undecided)},
		{"another's lane forked", "", v.appended(forked)},
		{"fetched again", "", v.appended(v.copyOf(t, v.batchOf(2)))},
		{"executed from a copy", "", v.fromCopy(v.batchOf(2))},

		{"checkpoint ahead of the lanes", "it says that all is executed up to", func(t *testing.T, dir string) {
			v.appended(undecided)(t, dir)
			v.position(func(p *lane.Position) {
				p.Pos = seglog.Pos{Segment: v.last.Segment, Offset: v.last.Offset + v.last.Bytes, Bytes: 2 * seglog.PageBytes, Seq: v.last.Seq + 1}
			})(t, dir)
		}},
		{"checkpoint behind the lanes", "it says that all is executed up to", v.position(func(p *lane.Position) { p.Pos = seglog.Pos{} })},
		{"checkpoint beyond the lanes", "it says that all is executed up to", v.position(func(p *lane.Position) { p.Pos.Seq += 1000 })},
		{"checkpoint of another lane", "it names entry", v.position(func(p *lane.Position) { p.Sequence++ })},

		{"keys of nobody", "the key files are not those", func(t *testing.T, dir string) {
			must(t, os.MkdirAll(filepath.Join(dir, "keys"), 0o700))
			must(t, keys.WriteFile(filepath.Join(dir, "keys/validator.key"), signer(t, keys.Ed25519, 99), nil))
			must(t, keys.WriteFile(filepath.Join(dir, "keys/validator-root.key"), signer(t, keys.MLDSA65, 99), nil))
		}},
		{"nobody's folder", "the votes end here", func(t *testing.T, dir string) {
			cfg, err := config.Load(dir)
			must(t, err)
			cfg.Validators.Listen = "0.0.0.0:1"
			must(t, os.Remove(filepath.Join(dir, config.FileName)))
			must(t, config.Write(dir, cfg))
			v.record("votes", func(uint64, []byte, []byte) bool { return false })(t, dir)
			wantNote(t, verify(t, dir), "nothing says which of the 4")
		}},
		{"another engine", "solo orders for one validator", func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, config.FileName)))
			must(t, config.Write(dir, config.Default()))
		}},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			dir := copied(t, v.dir)
			c.edit(t, dir)
			if c.text == "" {
				wantOK(t, verify(t, dir))
			} else {
				wantProblem(t, dir, "", c.text)
			}
		})
	}
}

func (v *victim) rows(change func(*editor)) func(*testing.T, string) {
	return func(t *testing.T, dir string) { edit(t, dir, change) }
}

func (v *victim) certificate(change func(*chain.Certificate)) func(*testing.T, string) {
	return v.rows(func(e *editor) { e.certificate(v.work, change) })
}

func (v *victim) record(log string, change func(seq uint64, meta, payload []byte) bool) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		segmentBytes := int64(64 << 10)
		if log == "lane" {
			segmentBytes = small.segmentBytes
		}
		rewrite(t, dir, log, segmentBytes, change)
	}
}

// vote changes the vote on a height; 0: the first one with a state root.
func (v *victim) vote(h chain.Height, change func(meta []byte)) func(*testing.T, string) {
	done := false
	return v.record("votes", func(_ uint64, m, _ []byte) bool {
		if at := chain.Height(binary.LittleEndian.Uint64(m[8:])); !done && (at == h || h == 0 && len(m) > 200) {
			done = true
			change(m)
		}
		return true
	})
}

func (v *victim) sign(t *testing.T, message []byte) []byte {
	s, err := v.header.Sign(message)
	must(t, err)
	return s
}

func (v *victim) entry(s lane.Stored, change func(meta, payload []byte) bool) func(*testing.T, string) {
	return v.record("lane", func(seq uint64, m, p []byte) bool { return seq != s.Pos.Seq || change(m, p) })
}

func (v *victim) appended(e appended) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		n := &network{t: t, dir: dir}
		n.appendLane(e)
	}
}

func (v *victim) copyOf(t *testing.T, s lane.Stored) appended {
	r, err := seglog.OpenReader(nil, v.data("lane"))
	must(t, err)
	rec, err := r.Read(s.Pos)
	must(t, err)
	must(t, r.Close())
	return appended{&s, rec.Payload}
}

// fromCopy lets the block store name a copy of an entry at the end of the log as the place from which it was executed.
func (v *victim) fromCopy(s lane.Stored) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		n := &network{t: t, dir: dir}
		n.appendLane(v.copyOf(t, s))
		moved := func(l *chain.Location) {
			l.Offset, l.Seq = v.last.Offset+v.last.Bytes, v.last.Seq+1
			l.Segment = v.last.Segment
		}
		edit(t, dir, func(e *editor) {
			l, err := codec.DecodeLocation(e.get(batchKey(s.Entry.Payload)))
			must(t, err)
			e.location(batchKey(s.Entry.Payload), moved)
			e.location(placeKey(tablePlace, l.Height, l.Index), moved)
		})
	}
}

// position changes where the newest checkpoint says that the lanes are.
func (v *victim) position(change func(*lane.Position)) func(*testing.T, string) {
	return func(t *testing.T, dir string) {
		s, err := checkpoint.Open(filepath.Join(dir, "data/checkpoints"), checkpoint.OS{}, checkpoint.Config{Chain: testChain})
		must(t, err)
		loaded, _, err := s.LoadVerified(func(checkpoint.Meta) bool { return true })
		must(t, err)
		p, err := commit.ParsePosition(loaded.Meta.Blob)
		must(t, err)
		floor, err := commit.ParseFloor(loaded.Meta.Blob)
		must(t, err)
		change(&p)
		loaded.Meta.Blob = commit.AppendBlob(nil, p, floor)
		sn := loaded.Space.Snapshot()
		defer sn.Release()
		_, err = s.Write(t.Context(), sn, loaded.Meta)
		must(t, err)
	}
}
