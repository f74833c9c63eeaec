// SPDX-License-Identifier: Apache-2.0

package imported

import (
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
)

func rowsFrom(seq uint64, n int) []Row {
	rows := make([]Row, n)
	for i := range rows {
		at := seq + uint64(i)
		rows[i] = Row{Seq: at, Ms: at, Round: at / 4, Place: uint32(at % 4)}
	}
	return rows
}

// TestTake takes chunks that fit, overlap, leave gaps and are out of order.
func TestTake(t *testing.T) {
	swapped := rowsFrom(11, 3)
	swapped[1].Round, swapped[2].Round = swapped[2].Round+1, swapped[1].Round
	far := rowsFrom(11, 1)
	far[0].Place = 1 << 20
	jump := append(rowsFrom(11, 1), rowsFrom(13, 1)...)
	for _, c := range []struct {
		name string
		rows []Row
		rest int
		kind fault.Kind
		bad  bool
	}{
		{name: "nothing"},
		{name: "the next ones", rows: rowsFrom(11, 5), rest: 5},
		{name: "some are there", rows: rowsFrom(8, 5), rest: 2},
		{name: "all are there", rows: rowsFrom(3, 5)},
		{name: "a gap", rows: rowsFrom(12, 1), bad: true, kind: fault.Conflict},
		{name: "row 0", rows: rowsFrom(0, 20), bad: true, kind: fault.Invalid},
		{name: "a gap within", rows: jump, bad: true, kind: fault.Invalid},
		{name: "out of order", rows: swapped, bad: true, kind: fault.Invalid},
		{name: "a place that no id names", rows: far, bad: true, kind: fault.Invalid},
		{name: "too many", rows: rowsFrom(11, RowsPerChunkMax+1), bad: true, kind: fault.Invalid},
	} {
		e := Extent{Rows: 10, Round: 2, Place: 2}
		rest, after, err := e.Take(c.rows)
		if c.bad != (err != nil) || c.bad && !fault.Is(err, c.kind) || len(rest) != c.rest {
			t.Errorf("%s: %d rows are left, %v", c.name, len(rest), err)
		}
		if want := e.Rows + uint64(c.rest); after.Rows != want {
			t.Errorf("%s: it ends with row %d, want %d", c.name, after.Rows, want)
		}
		e.Finished = true
		if _, _, err := e.Take(c.rows); c.rest > 0 && !fault.Is(err, fault.Conflict) || c.rest == 0 && c.bad != (err != nil) {
			t.Errorf("%s, finished: %v", c.name, err)
		}
	}
}

func roundsFrom(number uint64, n int) []Round {
	rounds := make([]Round, n)
	for i := range rounds {
		rounds[i].Number = number + uint64(i)
	}
	return rounds
}

// TestTakeRounds does the same for rounds, the first of which may have any number.
func TestTakeRounds(t *testing.T) {
	long := roundsFrom(8, 1)
	long[0].Leader = strings.Repeat("x", leaderBytesMax+1)
	for _, c := range []struct {
		name   string
		extent Extent
		rounds []Round
		rest   int
		bad    bool
	}{
		{name: "the first ones", rounds: roundsFrom(5, 3), rest: 3},
		{name: "the next ones", extent: Extent{Rounds: 3, Newest: 7}, rounds: roundsFrom(8, 2), rest: 2},
		{name: "some are there", extent: Extent{Rounds: 3, Newest: 7}, rounds: roundsFrom(6, 4), rest: 2},
		{name: "all are there", extent: Extent{Rounds: 3, Newest: 7}, rounds: roundsFrom(5, 3)},
		{name: "a gap", extent: Extent{Rounds: 3, Newest: 7}, rounds: roundsFrom(9, 1), bad: true},
		{name: "finished", extent: Extent{Rounds: 3, Newest: 7, Finished: true}, rounds: roundsFrom(8, 1), bad: true},
		{name: "a long name", extent: Extent{Rounds: 3, Newest: 7}, rounds: long, bad: true},
	} {
		rest, after, err := c.extent.TakeRounds(c.rounds)
		if c.bad != (err != nil) || len(rest) != c.rest || after.Rounds != c.extent.Rounds+uint64(c.rest) {
			t.Errorf("%s: %d rounds are left, %d then, %v", c.name, len(rest), after.Rounds, err)
		}
	}
}
