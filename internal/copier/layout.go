// SPDX-License-Identifier: Apache-2.0

package copier

import (
	"math"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// stage is a kind of change of a copy. They come in this order.
type stage int

const (
	stageAccounts stage = iota // an account opened
	stageAssets                // an asset that was made before, confirmed
	stageBalances              // what an account holds of an asset
	stageKeys                  // an idempotency key and its answer
	stageTransactions
	stageRounds
	stageEnd
	stageCount
)

// layout says which change of a copy is what: it follows from the checkpoint alone.
type layout struct {
	counts [stageCount]uint64 // of changes
}

// layoutOf lays out what a survey found, in pieces of so many rows of history.
func layoutOf(s *survey, pieceRows uint64) (l layout, err error) {
	chunks := func(rows uint64) uint64 { return (rows + pieceRows - 1) / pieceRows }
	l.counts = [stageCount]uint64{
		stageAccounts: s.accounts, stageAssets: uint64(len(s.assets)), stageBalances: s.balances, stageKeys: s.keys,
		stageTransactions: chunks(s.transactions), stageRounds: chunks(s.rounds), stageEnd: 1,
	}
	if l.total() > math.MaxUint32-2 {
		return l, fault.Reasoned(fault.Refused, "copy_too_large", "the copy would have %d changes, at most %d have a position", l.total(), uint32(math.MaxUint32-2))
	}
	return l, nil
}

func (l *layout) total() (n uint64) {
	for _, c := range l.counts {
		n += c
	}
	return n
}

// start is the number of the first change of a stage, from 0.
func (l *layout) start(s stage) (n uint64) {
	for _, c := range l.counts[:s] {
		n += c
	}
	return n
}

// at finds the change of a number: its stage, and which of that it is. The number of all changes is none: the copy has ended.
func (l *layout) at(change uint64) (s stage, index uint64) {
	for ; s < stageCount; s++ {
		if change < l.counts[s] {
			return s, change
		}
		change -= l.counts[s]
	}
	return s, 0
}

// position is that of a change.
func (l *layout) position(change, sequence uint64) chain.SyncPosition {
	if change+1 == l.total() {
		return chain.CopyEnd(sequence)
	}
	p := chain.CopyBegin()
	p.Minor += uint32(change) + 1
	return p
}

// applied is how many changes are behind a position. Refused: it is none of a copy of that sequence.
func (l *layout) applied(p chain.SyncPosition, sequence uint64) (uint64, error) {
	begin := chain.CopyBegin()
	switch {
	case !p.Before(chain.CopyEnd(sequence)): // the end, or what V10 did since
		return l.total(), nil
	case p.Major == 0 && p.Minor >= begin.Minor && uint64(p.Minor-begin.Minor) < l.total():
		return uint64(p.Minor - begin.Minor), nil
	}
	return 0, fault.Reasoned(fault.Conflict, ReasonOther, "the inbox is at %d.%d, which is no place of this copy of V10 at %d", p.Major, p.Minor, sequence)
}
