// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"github.com/aurigraph/aurigraph/internal/chain"
)

// KeyExpiriesPerBlockMax bounds the idempotency keys that a block gives up at its beginning because of their age. Those that
// wait for their turn live on. Whatever comes faster than this for a whole life is given up by number, not by age.
const KeyExpiriesPerBlockMax = 8192

// keyedRingMax is the largest ring: all keys that may live, and those that one batch brings before the oldest go.
const keyedRingMax = chain.IdempotencyKeysMaxMax + chain.BatchLegsMax

// keyedRecord is what became of the first leg under an idempotency key. A place of the ring without a living key is zero.
type keyedRecord struct {
	Key         chain.IdempotencyKey
	Institution chain.InstitutionNo
	Item        uint16 // place of the leg in its batch
	Index       uint8  // place of the batch in its block
	Outcome     chain.Outcome
	Height      chain.Height
	TimeUs      uint64
}

// A record has no room for larger places.
const (
	_ = uint16(chain.BatchLegsMax - 1)
	_ = uint8(chain.EntriesPerBlockMax - 1)
)

// keyedTotals is the one record of section 17. Keys are numbered from 0 in the order in which they came, and go in that order:
// those from Expired+Evicted to Recorded live.
type keyedTotals struct {
	Recorded   uint64 // keys that ever came
	Expired    uint64 // given up because of their age
	Evicted    uint64 // given up early, because as many newer ones came as may live
	Duplicates uint64 // repeats that were answered
	Max        uint32 // keys that may live; 0: chain.IdempotencyKeysDefault
	Reserved   uint32
}

func (t *keyedTotals) oldest() uint64 { return t.Expired + t.Evicted }
func (t *keyedTotals) living() uint64 { return t.Recorded - t.oldest() }

func (t *keyedTotals) max() uint64 {
	if t.Max == 0 {
		return chain.IdempotencyKeysDefault
	}
	return uint64(t.Max)
}

// ring is the number of places.
func (t *keyedTotals) ring() uint64 { return t.max() + chain.BatchLegsMax }

// place is where in the ring a key lies, by its number.
func (t *keyedTotals) place(number uint64) uint64 { return number % t.ring() }

// runKeyed executes a transfer under an idempotency key, unless that was done before.
//
// NotHome is the one outcome that says nothing of the payment: it goes to its home, and may come back when that has moved.
// Everything else the payer is told for good, refusals too, since a repeat that pays what was refused would be a surprise.
func (l *Ledger) runKeyed(leg *chain.Leg, item int, run *legRun) chain.Outcome {
	key, _ := leg.Key()
	if key.IsZero() {
		return chain.BadField
	}
	tag := l.tagOf(run, item)
	if _, found := l.findKeyed(tag, run.institution, key); found {
		l.keyedTotals.Mut(0).Duplicates++
		return chain.Duplicate
	}
	code := l.runKeyedTransfer(leg, item, run)
	if code != chain.NotHome {
		m := l.meta.Ref(0)
		l.recordKeyed(tag, keyedRecord{
			Key: key, Institution: run.institution, Item: uint16(item), Index: uint8(run.index), Outcome: code, Height: m.Height, TimeUs: m.TimeUs,
		})
	}
	return code
}

// runKeyedTransfer tries the fast path with what would be the leg without its key; what that does not do, the slow path tells.
func (l *Ledger) runKeyedTransfer(leg *chain.Leg, item int, run *legRun) chain.Outcome {
	raw := [chain.LegBytes]byte(run.records[item*chain.LegBytes:])
	raw[keyedArgAt] = 0
	if l.runPlain(raw[:], run.institution) == 1 {
		return chain.OK
	}
	return l.runMove(leg, item, run)
}

// keyedWord is the fourth word of a keyed leg, whose argument begins at byte keyedArgAt.
const (
	keyedWord  = uint32(chain.LegTransfer) | chain.LegKeyed<<8
	keyedArgAt = 13
)

// tagOf returns the tag of a keyed leg's key. Once in touchLegs legs it makes those of the next ones too and looks where they
// lead, so that the processor waits for many of them at a time.
func (l *Ledger) tagOf(run *legRun, item int) uint32 {
	if item >= run.tagged+touchLegs {
		run.tagged = item
		tags := run.tags[:min(touchLegs, len(run.records)/chain.LegBytes-item)]
		for i := range tags {
			raw := (*[chain.LegBytes]byte)(run.records[(item+i)*chain.LegBytes:])
			if tags[i] = 0; wordAt(raw, 12) == keyedWord {
				tags[i] = l.keyedTable.tag(run.institution, chain.IdempotencyKey(raw[32:48]))
			}
		}
		l.touched += l.keyedTable.peek(tags)
	}
	return run.tags[item-run.tagged]
}

// findKeyed returns the place of a living key.
func (l *Ledger) findKeyed(tag uint32, institution chain.InstitutionNo, key chain.IdempotencyKey) (place uint32, found bool) {
	return l.keyedTable.find(tag, func(place uint32) bool {
		r := l.keyed.Ref(uint64(place))
		return r.Key == key && r.Institution == institution
	})
}

// recordKeyed makes a key that is not there the newest. The ring has room: trimKeyed comes after each batch.
func (l *Ledger) recordKeyed(tag uint32, r keyedRecord) {
	t := l.keyedTotals.Mut(0)
	place := t.place(t.Recorded)
	t.Recorded++
	*l.keyed.Mut(place) = r
	l.keyedTable.add(tag, uint32(place))
}

// forgetKeyed takes the key at a place out; the totals are the caller's.
func (l *Ledger) forgetKeyed(place uint64, tag uint32) {
	l.keyedTable.remove(tag, uint32(place))
	*l.keyed.Mut(place) = keyedRecord{}
}

func (l *Ledger) tagAt(place uint64) uint32 {
	r := l.keyed.Ref(place)
	return l.keyedTable.tag(r.Institution, r.Key)
}

// forgetOldest takes the n oldest keys out, at most touchLegs; the totals are the caller's. As tagOf does, it looks first where
// all of them lead.
func (l *Ledger) forgetOldest(n int) {
	var places [touchLegs]uint64
	var tags [touchLegs]uint32
	t := l.keyedTotals.Ref(0)
	place, ring := t.place(t.oldest()), t.ring()
	for i := range n {
		places[i], tags[i] = place, l.tagAt(place)
		if place++; place == ring {
			place = 0
		}
	}
	l.touched += l.keyedTable.peek(tags[:n])
	for i := range n {
		l.forgetKeyed(places[i], tags[i])
	}
}

// trimKeyed gives up the oldest keys beyond those that may live: at most as many as the batch brought.
func (l *Ledger) trimKeyed() {
	for t := l.keyedTotals.Ref(0); t.living() > t.max(); t = l.keyedTotals.Ref(0) {
		n := min(t.living()-t.max(), touchLegs)
		l.forgetOldest(int(n))
		l.keyedTotals.Mut(0).Evicted += n
	}
}

// expireKeyed gives up the keys whose life is over, at most KeyExpiriesPerBlockMax.
func (l *Ledger) expireKeyed(timeUs uint64) {
	for range KeyExpiriesPerBlockMax / touchLegs {
		n := l.keysDue(timeUs)
		if n == 0 {
			return
		}
		l.forgetOldest(n)
		l.keyedTotals.Mut(0).Expired += uint64(n)
	}
}

// keysDue counts the oldest keys whose life is over, up to touchLegs.
func (l *Ledger) keysDue(timeUs uint64) (n int) {
	t := l.keyedTotals.Ref(0)
	for most := int(min(t.living(), touchLegs)); n < most; n++ {
		since := l.keyed.Ref(t.place(t.oldest() + uint64(n))).TimeUs
		if timeUs < since || timeUs-since < chain.IdempotencyLifeMicros {
			break
		}
	}
	return n
}

// rollBackKeyed undoes what happened to the keys since the totals were before: nothing was given up meanwhile.
func (l *Ledger) rollBackKeyed(before *keyedTotals) {
	t := l.keyedTotals.Ref(0)
	if *t == *before {
		return
	}
	for number := t.Recorded; number > before.Recorded; number-- {
		place := before.place(number - 1)
		l.forgetKeyed(place, l.tagAt(place))
	}
	*l.keyedTotals.Mut(0) = *before
}

// KeyedView says what became of the first leg under an idempotency key, and where: batch Index of block Height, leg Item.
type KeyedView struct {
	Height  chain.Height
	Index   uint32
	Item    uint32
	Outcome chain.Outcome
	TimeUs  uint64 // of the block, in microseconds since 1970
}

// Keyed finds a living idempotency key of an institution.
func (l *Ledger) Keyed(institution chain.InstitutionNo, key chain.IdempotencyKey) (KeyedView, bool) {
	place, found := l.findKeyed(l.keyedTable.tag(institution, key), institution, key)
	if !found {
		return KeyedView{}, false
	}
	r := l.keyed.Ref(uint64(place))
	return KeyedView{Height: r.Height, Index: uint32(r.Index), Item: uint32(r.Item), Outcome: r.Outcome, TimeUs: r.TimeUs}, true
}

// KeyedCounts tells of idempotency keys: how many live, and what happened since genesis.
type KeyedCounts struct {
	Living, Max uint64
	Expired     uint64 // given up because of their age
	Evicted     uint64 // given up early, for newer ones
	Duplicates  uint64 // repeats that were answered Duplicate
}

// KeyedCounts returns the present counts.
func (l *Ledger) KeyedCounts() KeyedCounts {
	t := l.keyedTotals.Ref(0)
	return KeyedCounts{Living: t.living(), Max: t.max(), Expired: t.Expired, Evicted: t.Evicted, Duplicates: t.Duplicates}
}

// attachKeyed rebuilds the table of living keys, and checks that the ring holds these and nothing else.
func (l *Ledger) attachKeyed() error {
	t := *l.keyedTotals.Ref(0)
	if t.Max > chain.IdempotencyKeysMaxMax || t.Reserved != 0 || t.Expired > t.Recorded || t.Evicted > t.Recorded-t.Expired || t.living() > t.max() {
		return corrupt("of %d idempotency keys %d expired and %d were evicted, %d may live", t.Recorded, t.Expired, t.Evicted, t.max())
	}
	m := l.meta.Ref(0)
	before := keyedRecord{Height: 1}
	for number := t.oldest(); number < t.Recorded; number++ {
		r := *l.keyed.Ref(t.place(number))
		tag := l.keyedTable.tag(r.Institution, r.Key)
		_, twice := l.findKeyed(tag, r.Institution, r.Key)
		switch {
		case r.Key.IsZero(), twice, !l.institutionExists(r.Institution), r.Height < before.Height, r.Height > m.Height, r.TimeUs < before.TimeUs, r.TimeUs > m.TimeUs,
			!r.Outcome.Known(), r.Outcome == chain.NotHome, r.Outcome == chain.Duplicate, r.Item >= chain.BatchLegsMax, r.Index >= chain.EntriesPerBlockMax:
			return corrupt("idempotency key %d is %x of institution %d at height %d", number, r.Key, r.Institution, r.Height)
		}
		l.keyedTable.add(tag, uint32(t.place(number)))
		before = r
	}
	return l.checkKeyedGone(&t)
}

// checkKeyedGone checks that keys which went left nothing.
func (l *Ledger) checkKeyedGone(t *keyedTotals) error {
	ring, first := t.ring(), t.place(t.oldest())
	for place := range l.keyed.Len() {
		lives := place < ring && (place+ring-first)%ring < t.living()
		if !lives && *l.keyed.Ref(place) != (keyedRecord{}) {
			return corrupt("place %d of the idempotency keys has one that does not live", place)
		}
	}
	return nil
}
