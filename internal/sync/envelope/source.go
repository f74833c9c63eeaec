// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"encoding/hex"
	"strconv"

	"github.com/zeebo/blake3"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Origin says from which of the two ledgers a direction comes.
type Origin uint8

// The origins. The numbers are those of the wire.
const (
	V10 Origin = 1
	V11 Origin = 2
)

// String returns v10 or v11, the beginning of the topics' names.
func (o Origin) String() string {
	switch o {
	case V10:
		return "v10"
	case V11:
		return "v11"
	}
	return "unknown"
}

// Topic is one of the three topics of a direction.
type Topic uint8

// The topics.
const (
	Transactions Topic = iota // payments, accounts, refusals
	Consensus                 // rounds, blocks, barriers
	Assets                    // assets made, issued, redeemed
	TopicCount
)

var topicNames = [TopicCount]string{"transactions", "consensus", "assets"}

// String returns the topic's name without its direction.
func (t Topic) String() string {
	if t >= TopicCount {
		return "unknown"
	}
	return topicNames[t]
}

// Name returns the name by which the broker knows the topic, as in "v10.transactions".
func (t Topic) Name(o Origin) string { return o.String() + "." + t.String() }

// Topics lists the topics in order.
func Topics() [TopicCount]Topic { return [TopicCount]Topic{Transactions, Consensus, Assets} }

// LedgerID names a ledger for ever: V11's is the hash of its genesis, V10's is made by V10Ledger.
type LedgerID [32]byte

// String returns 64 hex digits.
func (l LedgerID) String() string { return hex.EncodeToString(l[:]) }

// Incarnation is one life of a ledger, drawn anew when it is restored from a copy. V11 has one for ever: see V11Incarnation.
type Incarnation [16]byte

// String returns 32 hex digits.
func (i Incarnation) String() string { return hex.EncodeToString(i[:]) }

// V11Incarnation is the incarnation of a V11 ledger, which has one life only: a height that was published is never taken back.
func V11Incarnation(genesis LedgerID) Incarnation { return Incarnation(genesis[:16]) }

// Source is where the records of a direction come from. Life counts the incarnations from 1, so that an earlier one is told from a
// later one.
type Source struct {
	Ledger      LedgerID
	Origin      Origin
	Life        uint32
	Incarnation Incarnation
}

// String names the source in errors and logs.
func (s Source) String() string {
	return s.Origin.String() + " ledger " + s.Ledger.String()[:16] + " life " + strconv.FormatUint(uint64(s.Life), 10) + " (" + s.Incarnation.String() + ")"
}

// Check returns why s is no source; it is Invalid.
func (s *Source) Check() error {
	switch {
	case s.Origin != V10 && s.Origin != V11:
		return fault.Reasoned(fault.Invalid, ReasonMalformed, "origin %d: it is 1 (v10) or 2 (v11)", s.Origin)
	case s.Life == 0:
		return fault.Reasoned(fault.Invalid, ReasonMalformed, "lives of a ledger count from 1")
	case s.Ledger == LedgerID{} || s.Incarnation == Incarnation{}:
		return fault.Reasoned(fault.Invalid, ReasonMalformed, "a source has a ledger and an incarnation")
	}
	return nil
}

// V10Ledger is the id of a V10 ledger: of the name that its operator gives it, and for ever. Both sides' configurations have it.
func V10Ledger(name string) LedgerID {
	var id LedgerID
	blake3.DeriveKey("aurigraph 2026 v10 ledger id v1", []byte(name), id[:])
	return id
}
