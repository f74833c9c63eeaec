// SPDX-License-Identifier: Apache-2.0

package spread

import (
	"encoding/binary"
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
)

// EvidenceKind says what somebody did that an honest validator does not.
type EvidenceKind uint8

// The kinds of evidence.
const (
	EvidenceFork    EvidenceKind = iota + 1 // two entries have one place: the lane's owner forked it
	EvidenceParent                          // the owner's entry names another parent than the owner's entry before it
	EvidenceAck                             // an acknowledgement names another entry than the one here: of its owner or the acker, one lies
	EvidenceAhead                           // an acknowledgement names an own entry that this node does not have: the acker lies, or the own lane lost its end
	EvidenceDecided                         // ordering decided another entry than one that q validators hold, or than the one here
)

var evidenceNames = map[EvidenceKind]string{
	EvidenceFork: "fork", EvidenceParent: "parent", EvidenceAck: "ack", EvidenceAhead: "ahead", EvidenceDecided: "decided",
}

// String is the kind's word in logs and answers.
func (k EvidenceKind) String() string { return evidenceNames[k] }

// Evidence is what contradicts what. There is at most one of each kind and sender for a lane.
type Evidence struct {
	Kind     EvidenceKind
	Lane     chain.ValidatorNo
	Epoch    chain.Epoch
	Sequence uint64
	From     chain.ValidatorNo // who said so
	Ours     chain.LaneEntry   // what was here; of Parent: the entry before; zero if it is no longer remembered
	Theirs   chain.LaneEntry   // what arrived, zero if only its digest did
	Digest   chain.Hash        // of Theirs
}

// report keeps and says evidence of a kind and sender once.
func (c *Core) report(l *lane, e Evidence, out *Output) {
	e.Lane, e.Epoch = l.no, l.epoch
	if e.Ours.Kind == 0 { // of an entry that was leapt to, the digest alone is known
		e.Ours = chain.LaneEntry{}
	}
	kept := c.evidence[l.no]
	if slices.ContainsFunc(kept, func(k Evidence) bool { return k.Kind == e.Kind && k.From == e.From && k.Epoch == e.Epoch }) {
		return
	}
	if len(kept) > 0 && kept[0].Epoch != e.Epoch {
		kept = nil
	}
	c.evidence[l.no] = append(kept, e)
	out.Evidence = append(out.Evidence, e)
}

// Evidence returns what was found about the present lane of a validator since this core began.
func (c *Core) Evidence(v chain.ValidatorNo) []Evidence { return slices.Clone(c.evidence[v]) }

// A record of evidence, by which a host keeps it. FORMAT.md draws it.
const (
	evidenceVersion   = 1
	evidenceHeadBytes = 1 + 1 + 2 + 2 + 8 + 8 + 32 + 1
	hasOurs           = 1
	hasTheirs         = 2
)

// AppendEvidence appends e's record.
func AppendEvidence(dst []byte, e *Evidence) []byte {
	dst = append(dst, evidenceVersion, byte(e.Kind))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(e.Lane))
	dst = binary.LittleEndian.AppendUint16(dst, uint16(e.From))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(e.Epoch))
	dst = binary.LittleEndian.AppendUint64(dst, e.Sequence)
	dst = append(dst, e.Digest[:]...)
	flagsAt := len(dst)
	dst = append(dst, 0)
	if e.Ours != (chain.LaneEntry{}) {
		dst[flagsAt] |= hasOurs
		dst = codec.AppendLaneEntry(dst, e.Ours)
	}
	if e.Theirs != (chain.LaneEntry{}) {
		dst[flagsAt] |= hasTheirs
		dst = codec.AppendLaneEntry(dst, e.Theirs)
	}
	return dst
}

// DecodeEvidence reads a record, all of b, and looks that what it says contradicts itself as its kind says. Lanes are not
// signed, so that is all there is to verify: who found it took it from an authenticated peer. Every error is Invalid.
func DecodeEvidence(b []byte) (*Evidence, error) {
	if len(b) < evidenceHeadBytes || b[0] != evidenceVersion {
		return nil, malformed("evidence of %d bytes, or of another version", len(b))
	}
	le := binary.LittleEndian
	e := &Evidence{
		Kind: EvidenceKind(b[1]), Lane: chain.ValidatorNo(le.Uint16(b[2:])), From: chain.ValidatorNo(le.Uint16(b[4:])),
		Epoch: chain.Epoch(le.Uint64(b[6:])), Sequence: le.Uint64(b[14:]), Digest: chain.Hash(b[22:54]),
	}
	flags := b[54]
	b = b[evidenceHeadBytes:]
	for _, part := range []struct {
		flag  byte
		entry *chain.LaneEntry
	}{{hasOurs, &e.Ours}, {hasTheirs, &e.Theirs}} {
		if flags&part.flag == 0 {
			continue
		}
		if len(b) < codec.LaneEntryBytes {
			return nil, malformed("evidence that ends within an entry")
		}
		var err error
		if *part.entry, err = codec.DecodeLaneEntry(b[:codec.LaneEntryBytes]); err != nil {
			return nil, err
		}
		b = b[codec.LaneEntryBytes:]
	}
	if flags > hasOurs|hasTheirs || len(b) > 0 || !e.contradicts() {
		return nil, malformed("evidence that contradicts nothing, or %d bytes too long", len(b))
	}
	return e, nil
}

// contradicts reports whether e is what its kind says.
func (e *Evidence) contradicts() bool {
	ours, theirs := e.Ours != (chain.LaneEntry{}), e.Theirs != (chain.LaneEntry{})
	if evidenceNames[e.Kind] == "" || e.Sequence == 0 || theirs && (codec.EntryDigest(e.Theirs) != e.Digest || !e.in(&e.Theirs)) || ours && !e.in(&e.Ours) {
		return false
	}
	switch e.Kind {
	case EvidenceFork:
		return theirs && e.Theirs.Sequence == e.Sequence && (!ours || e.Ours.Sequence == e.Sequence && e.Ours != e.Theirs)
	case EvidenceParent:
		return theirs && (!ours || codec.EntryDigest(e.Ours) != e.Theirs.Parent)
	case EvidenceAhead:
		return !ours && !theirs
	}
	return !ours || codec.EntryDigest(e.Ours) != e.Digest
}

// in reports whether an entry is of the lane that e is about.
func (e *Evidence) in(x *chain.LaneEntry) bool {
	return x.Validator == e.Lane && x.JoinEpoch == e.Epoch
}
