// SPDX-License-Identifier: Apache-2.0

package imported

import (
	"math"

	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// Bounds of one call.
const (
	RowsPerChunkMax   = 1 << 17
	RoundsPerChunkMax = 1 << 14
	RowsPerAnswerMax  = 1000
)

// Bounds of a round.
const (
	leaderBytesMax = 256
	votesMax       = 1024
)

// Extent is how far a history reaches.
type Extent struct {
	Rows     uint64 // their count, and so the number of the newest one
	Round    uint64 // place of the newest row
	Place    uint32
	Rounds   uint64 // their count
	Newest   uint64 // the newest round's number, if there is one
	Finished bool
}

// NextRound is the round after the newest, 0 while there is none.
func (e *Extent) NextRound() uint64 {
	if e.Rounds == 0 {
		return 0
	}
	return e.Newest + 1
}

// Take passes over the rows that are there already, and says how far the history reaches with the rest.
func (e *Extent) Take(rows []Row) (rest []Row, after Extent, err error) {
	after = *e
	if len(rows) == 0 {
		return nil, after, nil
	}
	if len(rows) > RowsPerChunkMax {
		return nil, after, fault.New(fault.Invalid, "a chunk has %d rows, at most %d", len(rows), RowsPerChunkMax)
	}
	first := rows[0].Seq
	if first > e.Rows+1 {
		return nil, after, fault.New(fault.Conflict, "the history ends with row %d, the chunk begins with %d: go on where Next says", e.Rows, first)
	}
	if first == 0 {
		return nil, after, fault.New(fault.Invalid, "rows have numbers from 1 on")
	}
	rest = rows[min(e.Rows+1-first, uint64(len(rows))):]
	if len(rest) > 0 && e.Finished {
		return nil, after, fault.New(fault.Conflict, "the history is finished with row %d: nothing is added", e.Rows)
	}
	for i := range rest {
		if err := after.follow(&rest[i]); err != nil {
			return nil, *e, err
		}
	}
	return rest, after, nil
}

// follow adds a row to what a history reaches.
func (e *Extent) follow(r *Row) error {
	switch {
	case r.Seq != e.Rows+1:
		return fault.New(fault.Invalid, "row %d follows row %d", r.Seq, e.Rows)
	case e.Rows > 0 && (r.Round < e.Round || r.Round == e.Round && r.Place <= e.Place):
		return fault.New(fault.Invalid, "row %d has place %d of round %d, the one before it place %d of round %d", r.Seq, r.Place, r.Round, e.Place, e.Round)
	case r.Ms > math.MaxInt64 || r.Round > math.MaxInt64 || r.Seq > math.MaxInt64 || r.Place >= v10.PlacesPerBlockMax:
		return fault.New(fault.Invalid, "row %d has a number beyond its bounds", r.Seq)
	}
	e.Rows, e.Round, e.Place = r.Seq, r.Round, r.Place
	return nil
}

// TakeRounds is Take for rounds.
func (e *Extent) TakeRounds(rounds []Round) (rest []Round, after Extent, err error) {
	after = *e
	if len(rounds) > RoundsPerChunkMax {
		return nil, after, fault.New(fault.Invalid, "a chunk has %d rounds, at most %d", len(rounds), RoundsPerChunkMax)
	}
	rest = rounds
	for len(rest) > 0 && e.Rounds > 0 && rest[0].Number <= e.Newest {
		rest = rest[1:]
	}
	if len(rest) == 0 {
		return nil, after, nil
	}
	if e.Finished {
		return nil, after, fault.New(fault.Conflict, "the history is finished with round %d: nothing is added", e.Newest)
	}
	for i := range rest {
		if err := after.followRound(&rest[i]); err != nil {
			return nil, *e, err
		}
	}
	return rest, after, nil
}

func (e *Extent) followRound(r *Round) error {
	if e.Rounds > 0 && r.Number != e.Newest+1 {
		return fault.New(fault.Conflict, "round %d follows round %d: go on where Next says", r.Number, e.Newest)
	}
	if r.Number > math.MaxInt64 || r.Ms > math.MaxInt64 || len(r.Leader) > leaderBytesMax || len(r.Votes) > votesMax {
		return fault.New(fault.Invalid, "round %d has a number, a leader or votes beyond their bounds", r.Number)
	}
	for _, v := range r.Votes {
		if len(v) > leaderBytesMax {
			return fault.New(fault.Invalid, "round %d has a vote of %d bytes", r.Number, len(v))
		}
	}
	e.Newest, e.Rounds = r.Number, e.Rounds+1
	return nil
}

// CheckList refuses what List cannot answer.
func CheckList(before uint64, limit int) error {
	if limit < 1 || limit > RowsPerAnswerMax || before > math.MaxInt64 {
		return fault.New(fault.Invalid, "ask for 1 to %d rows, from a place that an answer gave", RowsPerAnswerMax)
	}
	return nil
}

// Progress says how far Finish has come, in rows.
type Progress struct{ Done, Total uint64 }
