// SPDX-License-Identifier: Apache-2.0

package lane

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"testing"
	"testing/synctest"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/seglog/faultfs"
	"github.com/aurigraph/aurigraph/internal/spread"
)

// patient is a lane's log that is not open, and those who have what lies in it.
type patient struct {
	t       *testing.T
	fs      *faultfs.FS
	entries []*Stored // in the log's order, with payloads
	files   map[uint64][]byte
	cfg     HealConfig
	asked   map[chain.ValidatorNo]int
	// answer, if not nil, replaces what a peer answers with.
	answer func(peer chain.ValidatorNo, s *Stored) (*Stored, error)
}

func newPatient(t *testing.T) *patient {
	p := &patient{t: t, fs: faultfs.New(), files: map[uint64][]byte{}, asked: map[chain.ValidatorNo]int{}}
	w := open(t, p.fs, Position{})
	for n := range 40 {
		w.append(n * 1000)
	}
	w.settle(40)
	w.close()
	r, err := seglog.OpenReader(p.fs, "/lane")
	if err != nil {
		t.Fatal(err)
	}
	last := map[uint64]uint64{}
	err = r.Scan(context.Background(), seglog.Pos{}, func(pos seglog.Pos, rec seglog.Record) error {
		rec.Payload = bytes.Clone(rec.Payload)
		s, err := ParseRecord(pos, rec)
		p.entries = append(p.entries, s)
		last[pos.Segment] = pos.Seq
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range r.Segments() {
		p.files[s.Number] = bytes.Clone(p.fs.Bytes(s.Path))
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	newest := p.entries[len(p.entries)-1].Pos.Segment
	p.cfg = HealConfig{
		FS: p.fs, Dir: "/lane", Peers: []chain.ValidatorNo{1, 2, 4}, Agree: 2, Logger: slog.New(slog.DiscardHandler),
		Known: seglog.Known{SegmentBytes: testSegmentBytes, Oldest: 1, Newest: newest, LastSeq: func(s uint64) uint64 { return last[s] }},
		Executed: func(segments map[uint64]bool) (list []Named, err error) {
			for i, s := range p.entries {
				if segments[s.Pos.Segment] {
					list = append(list, Named{Pos: s.Pos, Digest: s.Digest, Height: chain.Height(i + 1)})
				}
			}
			return list, nil
		},
		Lines: func(map[chain.Hash]bool) (map[chain.Hash]Named, error) { return nil, nil },
		Ask:   p.ask,
	}
	return p
}

func (p *patient) ask(_ context.Context, peer chain.ValidatorNo, want Named) (*spread.EntryHead, []byte, error) {
	p.asked[peer]++
	for _, s := range p.entries {
		if s.Digest != want.Digest {
			continue
		}
		var err error
		if p.answer != nil {
			if s, err = p.answer(peer, s); err != nil {
				return nil, nil, err
			}
		}
		return &spread.EntryHead{Entry: s.Entry, Key: s.Key, Signature: s.Signature}, s.bytes, nil
	}
	return nil, nil, fault.New(fault.Timeout, "says nothing")
}

func (p *patient) path(segment uint64) string { return fmt.Sprintf("/lane/seg-%012d.log", segment) }

// flip damages the byte at off of a record.
func (p *patient) flip(record int, off int64) {
	at := p.entries[record].Pos
	p.fs.Flip(p.path(at.Segment), int64(at.Offset)+off, 1)
}

func (p *patient) heal() Healed {
	p.t.Helper()
	done, err := Heal(context.Background(), p.cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	return done
}

// same wants every file as it was.
func (p *patient) same() {
	p.t.Helper()
	for number, want := range p.files {
		if !bytes.Equal(p.fs.Bytes(p.path(number)), want) {
			p.t.Errorf("segment %d is not as it was", number)
		}
	}
}

const (
	inHead    = 30
	inMeta    = 80
	inPayload = seglog.PageBytes + 5
)

// TestHeal damages a log in many ways: it is again as it was, whoever lies.
func TestHeal(t *testing.T) {
	lie := func(change func(s *Stored)) func(chain.ValidatorNo, *Stored) (*Stored, error) {
		return func(peer chain.ValidatorNo, s *Stored) (*Stored, error) {
			if peer != 1 {
				return s, nil
			}
			other := *s
			change(&other)
			return &other, nil
		}
	}
	for name, c := range map[string]struct {
		harm    func(p *patient)
		answer  func(chain.ValidatorNo, *Stored) (*Stored, error)
		records int
		refused map[string]int
	}{
		"nothing":              {func(*patient) {}, nil, 0, nil},
		"a head":               {func(p *patient) { p.flip(3, inHead) }, nil, 1, nil},
		"a meta":               {func(p *patient) { p.flip(3, inMeta) }, nil, 1, nil},
		"a payload":            {func(p *patient) { p.flip(3, inPayload) }, nil, 1, nil},
		"padding":              {func(p *patient) { p.flip(3, int64(p.entries[3].Pos.Bytes)-1) }, nil, 1, nil},
		"two records":          {func(p *patient) { p.flip(3, inHead); p.flip(9, inPayload) }, nil, 2, nil},
		"two records in a row": {func(p *patient) { p.flip(3, inHead); p.flip(4, inHead) }, nil, 2, nil},
		"the newest record":    {func(p *patient) { p.flip(39, inPayload) }, nil, 1, nil},
		"not executed":         {func(p *patient) { p.flip(3, inPayload); p.cfg.Executed = nobody }, nil, 1, nil},
		"not executed, a head": {func(p *patient) { p.flip(3, 9); p.cfg.Executed = nobody }, nil, 1, nil},
		"another entry":        {func(p *patient) { p.flip(3, inPayload) }, lie(func(s *Stored) { s.Entry.Sequence++ }), 1, map[string]int{"other_entry": 1}},
		"another payload":      {func(p *patient) { p.flip(3, inPayload) }, lie(func(s *Stored) { s.bytes = make([]byte, len(s.bytes)) }), 1, map[string]int{"payload": 1}},
		"another signature":    {func(p *patient) { p.flip(3, inPayload) }, lie(func(s *Stored) { s.Signature = []byte("forged") }), 1, map[string]int{"other_head": 1}},
		"another signature where no head proves it": {func(p *patient) { p.flip(3, inMeta) }, lie(func(s *Stored) { s.Signature = []byte("forged") }), 1, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPatient(t)
				c.harm(p)
				p.answer = c.answer
				done := p.heal()
				if done.Records != c.records || len(done.Unhealed) > 0 || !maps.Equal(done.Refused, c.refused) {
					t.Errorf("%+v", done)
				}
				p.same()
				if again := p.heal(); again.Damaged != 0 {
					t.Errorf("afterwards %+v", again)
				}
			})
		})
	}
}

func nobody(map[uint64]bool) ([]Named, error) { return nil, nil }

// TestHealMissingFile fetches a whole segment. Its salt is another one, its records are the same at the same places.
func TestHealMissingFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPatient(t)
		if err := p.fs.Remove(p.path(2)); err != nil {
			t.Fatal(err)
		}
		if done := p.heal(); done.Segments != 1 || len(done.Unhealed) > 0 {
			t.Fatalf("%+v", done)
		}
		w := open(t, p.fs, Position{})
		defer w.close()
		for _, s := range p.entries {
			if back, err := w.lane.readBack(s.Pos); err != nil || back.Digest != s.Digest || !bytes.Equal(back.bytes, s.bytes) || !bytes.Equal(back.Signature, s.Signature) {
				t.Errorf("record %d: %+v, %v", s.Pos.Seq, back, err)
			}
		}
	})
}

// TestUnhealed leaves a segment as it is, and says why.
func TestUnhealed(t *testing.T) {
	for name, c := range map[string]struct {
		harm   func(p *patient)
		answer func(chain.ValidatorNo, *Stored) (*Stored, error)
		reason string
	}{
		"nobody has it": {func(p *patient) { p.flip(3, inPayload) }, func(chain.ValidatorNo, *Stored) (*Stored, error) {
			return nil, fault.New(fault.Timeout, "says nothing")
		}, UnhealedUnheld},
		"nobody is there": {func(p *patient) { p.flip(3, inPayload) }, func(chain.ValidatorNo, *Stored) (*Stored, error) {
			return nil, fault.New(fault.Unavailable, "not connected")
		}, UnhealedNoPeer},
		"there is nobody": {func(p *patient) { p.flip(3, inPayload); p.cfg.Peers = nil }, nil, UnhealedAlone},
		"all lie": {func(p *patient) { p.flip(3, inPayload) }, func(_ chain.ValidatorNo, s *Stored) (*Stored, error) {
			other := *s
			other.bytes = bytes.ToUpper(s.bytes)
			return &other, nil
		}, UnhealedUnheld},
		"each tells another signature": {func(p *patient) { p.flip(3, inMeta) }, func(peer chain.ValidatorNo, s *Stored) (*Stored, error) {
			other := *s
			other.Signature = []byte{byte(peer)}
			return &other, nil
		}, UnhealedHeads},
		"one alone tells of its signature": {func(p *patient) { p.flip(3, inMeta) }, func(peer chain.ValidatorNo, s *Stored) (*Stored, error) {
			if peer != 1 {
				return nil, fault.New(fault.Timeout, "says nothing")
			}
			return s, nil
		}, UnhealedHeads},
		"nobody knows what it was": {func(p *patient) { p.flip(3, inMeta); p.flip(3, 64); p.cfg.Executed = nobody }, nil, UnhealedUnnamed},
		"the oldest file": {func(p *patient) {
			p.cfg.Known.Oldest = 0
			_ = p.fs.Remove(p.path(1))
			p.fs.Put(p.path(2), make([]byte, testSegmentBytes))
		}, nil, UnhealedLayout},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPatient(t)
				c.harm(p)
				before := bytes.Clone(p.fs.Bytes(p.path(p.entries[3].Pos.Segment)))
				p.answer = c.answer
				done := p.heal()
				if len(done.Unhealed) != 1 || done.Unhealed[0].Reason != c.reason || done.Segments != 0 || done.Unhealed[0].Text == "" {
					t.Errorf("%+v", done)
				}
				if !bytes.Equal(p.fs.Bytes(p.path(p.entries[3].Pos.Segment)), before) {
					t.Error("the damaged file was changed")
				}
				p.answer = nil
			})
		})
	}
}
