// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"context"
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	"github.com/aurigraph/aurigraph/legacy/store"
)

// ResolutionsMax bounds the resolutions of one call of Resolutions.
const ResolutionsMax = 100

// KindSkip is the kind of a resolution by which a record was passed over.
const KindSkip = "skip"

// Resolution is what a person decided of a record that could not be applied. It stays as a row.
type Resolution struct {
	Kind     string `json:"kind"`
	Origin   string `json:"origin"` // whose record
	Life     uint32 `json:"life"`
	Position string `json:"position"`
	Tag      string `json:"tag"` // hex
	Change   string `json:"change"`
	Reason   string `json:"reason"` // in his words
	By       string `json:"by"`     // in his words too
	Ms       uint64 `json:"ms"`     // of the clock
}

func resolutionKey(life uint32, p envelope.Position) []byte {
	return p.Append(binary.BigEndian.AppendUint32([]byte{byResolution}, life))
}

// Skip passes over the record that the inbox stands before: the position becomes the record's, as if it had been applied, and who did
// that and why stays as a row. A skip that was made already is nothing. The batch has the mark of applied records. Conflict: the inbox
// is elsewhere, or open for another ledger, or the record is not the one that follows.
func (l *Ledger) Skip(ctx context.Context, s *envelope.Skip) (Inbox, error) {
	var in Inbox
	skipped := false
	err := l.exclusively(ctx, &write{
		into: func(r *rounding) (err error) {
			if in, err = readInbox(r.view); err != nil {
				return err
			}
			key := resolutionKey(s.Source.Life, s.Position)
			made, err := r.has(store.Meta, key)
			if err != nil || made && s.Source == in.Source {
				return err
			}
			if err := follows(&in, s); err != nil {
				return err
			}
			in.Position, in.Tag, skipped = s.Position, s.Tag, true
			r.put(store.Meta, []byte(inboxKey), encodeRow(InboxRowOf(&in)))
			r.put(store.Meta, key, encodeRow(Resolution{
				Kind: KindSkip, Origin: s.Source.Origin.String(), Life: s.Source.Life, Position: s.Position.String(), Tag: s.Tag.String(),
				Change: s.Kind, Reason: s.Reason, By: s.By, Ms: uint64(l.cfg.Now().UnixMilli()),
			}))
			return nil
		},
		origin: func() []byte { return []byte(OriginPrefix + s.Source.Origin.String() + ":" + s.Position.String()) },
	})
	if err != nil {
		l.metrics.held.WithLabelValues(fault.ReasonOf(err)).Inc()
		return Inbox{}, err
	}
	if skipped {
		l.metrics.skipped.Inc()
	}
	return in, nil
}

// follows says why a skip is not of the record that an inbox stands before, or nil.
func follows(in *Inbox, s *envelope.Skip) error {
	switch {
	case s.Source != in.Source:
		return fault.Reasoned(fault.Conflict, ReasonInboxTaken, "a skip of a record of %s, and the inbox is open for %s", s.Source, in.Source)
	case !in.Position.Before(s.Position) || s.Previous != in.Position && !(in.Tag.IsZero() && s.Previous.Before(in.Position)):
		return fault.Reasoned(fault.Conflict, ReasonInboxElsewhere, "the record at %s follows %s, and the inbox stands at %s", s.Position, s.Previous, in.Position)
	case !in.Tag.IsZero() && s.PreviousTag != in.Tag:
		return fault.Reasoned(fault.Conflict, envelope.ReasonFork, "the record at %s does not continue what was applied at %s", s.Position, in.Position)
	}
	return nil
}

// Resolutions are those behind a position of a life, in order, at most ResolutionsMax; life 0 begins at the first.
func (l *Ledger) Resolutions(life uint32, after envelope.Position) (list []Resolution, err error) {
	r := store.Prefix([]byte{byResolution})
	if life > 0 {
		r.Low = append(resolutionKey(life, after), 0)
	}
	it, err := l.store.Iter(store.Meta, r)
	if err != nil {
		return nil, err
	}
	for len(list) < ResolutionsMax && it.Next() {
		var row Resolution
		if err = decodeRow(store.Meta, it.Key(), it.Value(), &row); err != nil {
			break
		}
		list = append(list, row)
	}
	if err == nil {
		err = it.Err()
	}
	if closeErr := it.Close(); err == nil {
		err = closeErr
	}
	return list, err
}
