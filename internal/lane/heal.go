// SPDX-License-Identifier: Apache-2.0

package lane

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/seglog/disk"
	"github.com/aurigraph/aurigraph/internal/spread"
)

// Named is an entry that somebody knows to lie in the log, or wants to have.
type Named struct {
	Pos    seglog.Pos // zero: not known
	Digest chain.Hash
	Height chain.Height // at which it was executed; 0: not known
	Index  uint32       // its line in that height's header
}

// HealConfig says what a damaged log is repaired with.
type HealConfig struct {
	FS    disk.FS
	Dir   string
	Known seglog.Known
	Peers []chain.ValidatorNo // in the order in which they are asked
	// Agree is how many peers must tell the same of an entry's key and signature, which its digest does not cover, where no
	// intact head proves them: one more than may lie.
	Agree int
	// Executed lists what the chain says to lie in some segments.
	Executed func(segments map[uint64]bool) ([]Named, error)
	// Lines finds at which lines of headers entries were executed.
	Lines func(digests map[chain.Hash]bool) (map[chain.Hash]Named, error)
	// Ask asks a peer for an entry and waits for its answer, which nobody has checked. Unavailable: it is not there. Timeout: it
	// says nothing, as who has not got it.
	Ask func(ctx context.Context, peer chain.ValidatorNo, want Named) (*spread.EntryHead, []byte, error)
	// Patience is how long nobody may answer with what was asked for until a record is given up. Default 15 s.
	Patience time.Duration
	Logger   *slog.Logger
}

// healPatience is the default of HealConfig.Patience: longer than a validator needs to connect again.
const healPatience = 15 * time.Second

// askPause is the time between two rounds of asking all peers.
const askPause = 200 * time.Millisecond

// The reasons why a segment is not repaired.
const (
	UnhealedLayout  = "layout"        // with all records it could not be made whole
	UnhealedUnnamed = "unnamed"       // nothing says which entry lay there
	UnhealedUnheld  = "nobody_has_it" // no peer that was reached answers with the entry
	UnhealedNoPeer  = "no_peer"       // no peer was reached
	UnhealedAlone   = "alone"         // there are no peers
	UnhealedHeads   = "heads_differ"  // peers differ about its key or signature
	UnhealedDisk    = "disk"          // the healed copy cannot be written
)

// Healed is what a repair did.
type Healed struct {
	Bytes    int64          // read to find damage
	Segments int            // made whole
	Records  int            // fetched and written back
	Damaged  int            // segments found damaged
	Refused  map[string]int // answers of peers that were not what was asked for, by reason
	Unhealed []Unhealed
}

// Unhealed is a segment that stays damaged.
type Unhealed struct {
	Path   string
	Offset int64
	Reason string
	Text   string
}

// Heal reads a lane's log whole, which is not open, and writes its damaged segments anew with what peers have: each record is
// at its place again, byte for byte as far as anything proves how it was. The error is about this machine; what could not be
// repaired is in the answer. Done again, it goes on where it ended.
func Heal(ctx context.Context, cfg HealConfig) (Healed, error) {
	h := healer{HealConfig: cfg, done: Healed{Refused: map[string]int{}}}
	if h.FS == nil {
		h.FS = disk.OS()
	}
	if h.Patience == 0 {
		h.Patience = healPatience
	}
	damaged, err := seglog.Survey(ctx, h.FS, h.Dir, h.Known, func(n int64) { h.done.Bytes += n })
	if err != nil || len(damaged) == 0 {
		return h.done, err
	}
	h.done.Damaged = len(damaged)
	if err := h.name(damaged); err != nil {
		return h.done, err
	}
	h.last = time.Now()
	for _, d := range damaged {
		h.Logger.Error("a segment of the lane is damaged", obs.KeyFile, d.Path, obs.KeyFrom, d.Offset, obs.KeyReason, d.Text, obs.KeyCount, len(d.Lost))
		if err := h.segment(ctx, d); err != nil {
			if ctx.Err() != nil {
				return h.done, ctx.Err()
			}
			h.giveUp(d, err)
			continue
		}
		h.done.Segments++
		h.Logger.Info("a segment of the lane is whole again", obs.KeyFile, d.Path, obs.KeyCount, len(d.Lost))
	}
	return h.done, nil
}

// healer is one Heal under way.
type healer struct {
	HealConfig
	named map[uint64]Named // by sequence in the log
	lines map[chain.Hash]Named
	last  time.Time // when a peer last told something new
	done  Healed
}

// name finds out what the lost records were: the chain knows where executed entries lie; of others their heads tell.
func (h *healer) name(damaged []*seglog.Damage) error {
	segments := map[uint64]bool{}
	for _, d := range damaged {
		segments[d.Segment] = true
	}
	executed, err := h.Executed(segments)
	if err != nil {
		return err
	}
	h.named = map[uint64]Named{}
	for _, n := range executed {
		for _, d := range damaged {
			if d.Segment == n.Pos.Segment && d.Tell(n.Pos) {
				h.named[n.Pos.Seq] = n
			}
		}
	}
	unknown := map[chain.Hash]bool{}
	for _, d := range damaged {
		d.Settle()
		for i := range d.Lost {
			if n, ok := h.want(&d.Lost[i]); ok && n.Height == 0 {
				unknown[n.Digest] = true
			}
		}
	}
	if len(unknown) > 0 {
		h.lines, err = h.Lines(unknown)
	}
	return err
}

// want tells which entry a lost record was.
func (h *healer) want(l *seglog.Lost) (Named, bool) {
	if n, ok := h.named[l.Pos.Seq]; ok {
		return n, true
	}
	s, err := parseRecord(l.Kind, l.Meta, l.Pos)
	if err != nil {
		return Named{}, false
	}
	if n, ok := h.lines[s.Digest]; ok {
		return n, true
	}
	return Named{Digest: s.Digest}, true
}

// segment writes one damaged segment anew.
func (h *healer) segment(ctx context.Context, d *seglog.Damage) error {
	if d.Hopeless != "" {
		return unhealed(UnhealedLayout, "%s", d.Hopeless)
	}
	m, err := seglog.Mend(h.FS, h.Dir, d)
	if err != nil {
		return err
	}
	for i := range d.Lost {
		l := &d.Lost[i]
		if err := h.record(ctx, m, l); err != nil {
			return errors.Join(err, m.Abort())
		}
		h.done.Records++
		d.Settle()
	}
	return m.Finish()
}

// record fetches a lost record and writes it to its place.
func (h *healer) record(ctx context.Context, m *seglog.Mender, l *seglog.Lost) error {
	want, ok := h.want(l)
	if !ok {
		return unhealed(UnhealedUnnamed, "nothing says which entry record %d was: no block names it and its head is lost", l.Pos.Seq)
	}
	s, err := h.fetch(ctx, want, l)
	if err != nil {
		return err
	}
	if l.Pos.Bytes == 0 {
		l.Pos.Bytes = uint32(seglog.RecordBytes(len(s.bytes)))
	}
	err = m.Put(l, uint8(s.Entry.Kind), appendMeta(nil, s), s.bytes)
	if fault.Is(err, fault.Conflict) {
		err = unhealed(UnhealedLayout, "%v", err)
	}
	return err
}

// fetch asks one peer after the other until enough of them agree.
func (h *healer) fetch(ctx context.Context, want Named, l *seglog.Lost) (*Stored, error) {
	agree, heads, reached := h.Agree, map[chain.ValidatorNo]string{}, false
	if l.Sure {
		agree = 1
	}
	if len(h.Peers) == 0 {
		return nil, unhealed(UnhealedAlone, "a validator alone has nobody to get record %d from: restore the node's folder from a copy", l.Pos.Seq)
	}
	for {
		for _, peer := range h.Peers {
			head, payload, err := h.Ask(ctx, peer, want)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			reached = reached || !fault.Is(err, fault.Unavailable)
			if err != nil {
				continue
			}
			s := &Stored{Entry: head.Entry, Digest: codec.EntryDigest(head.Entry), Key: head.Key, Signature: head.Signature, bytes: payload}
			meta := appendMeta(nil, s)
			if word := h.wrong(s, want, l, meta); word != "" {
				h.done.Refused[word]++
				continue
			}
			if _, told := heads[peer]; !told {
				h.last = time.Now()
			}
			heads[peer] = string(meta)
			if same(heads, string(meta)) >= agree {
				return s, nil
			}
		}
		if time.Since(h.last) >= h.Patience {
			return nil, missing(want, l, reached, len(heads))
		}
		select {
		case <-time.After(askPause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// same counts the peers that tell of the same head. Each has one voice.
func same(heads map[chain.ValidatorNo]string, meta string) (n int) {
	for _, told := range heads {
		if told == meta {
			n++
		}
	}
	return n
}

// wrong says why an answer is not what lay there, or nothing.
func (h *healer) wrong(s *Stored, want Named, l *seglog.Lost, meta []byte) string {
	switch {
	case s.Digest != want.Digest:
		return "other_entry"
	case int(s.Entry.Bytes) != len(s.bytes) || codec.Sum(s.bytes) != s.Entry.Payload:
		return "payload"
	case l.Sure && !bytes.Equal(meta, l.Meta):
		return "other_head"
	}
	return ""
}

// missing says why a record cannot be had, and what is to be done.
func missing(want Named, l *seglog.Lost, reached bool, heads int) error {
	const restore = "restore the node's folder from a copy, or remove its data and let it join again"
	switch {
	case !reached:
		return unhealed(UnhealedNoPeer, "no other validator was reached: start them, and this node again")
	case heads > 1:
		return unhealed(UnhealedHeads, "the others differ about key or signature of entry %s of record %d: %s", want.Digest, l.Pos.Seq, restore)
	case heads == 1:
		return unhealed(UnhealedHeads, "too few others have entry %s of record %d to prove its key and signature: start them, and this node again", want.Digest, l.Pos.Seq)
	}
	return unhealed(UnhealedUnheld, "no validator that was reached has entry %s of record %d: if all run, %s", want.Digest, l.Pos.Seq, restore)
}

func unhealed(reason, format string, args ...any) error {
	return fault.Reasoned(fault.Corrupt, reason, format, args...)
}

// giveUp notes that a segment stays as it is.
func (h *healer) giveUp(d *seglog.Damage, err error) {
	reason := fault.ReasonOf(err)
	switch reason {
	case UnhealedLayout, UnhealedUnnamed, UnhealedUnheld, UnhealedNoPeer, UnhealedAlone, UnhealedHeads:
	default:
		reason = UnhealedDisk
		if seglog.DamagedFile(err) != "" {
			reason = UnhealedLayout
		}
	}
	h.done.Unhealed = append(h.done.Unhealed, Unhealed{Path: d.Path, Offset: d.Offset, Reason: reason, Text: err.Error()})
	h.Logger.Error("a damaged segment of the lane cannot be repaired", obs.KeyFile, d.Path, obs.KeyFrom, d.Offset, obs.KeyReason, reason, obs.Err(err))
}
