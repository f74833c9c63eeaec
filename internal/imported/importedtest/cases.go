// SPDX-License-Identifier: Apache-2.0

package importedtest

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/imported"
)

// pagesMax bounds a walk through a list: a cursor that stands still is found.
const pagesMax = 100_000

func testEmpty(_ *testing.T, w *world) {
	_, err := w.engines.Read(w.Context(), w.place, identity)
	w.wantKind(err, fault.NotFound, "to read where nothing was imported")
	e := w.open()
	w.wantNext(e, 1, 0)
	w.must(e.Rows(w.Context(), nil))
	w.must(e.Rounds(w.Context(), nil))
	w.must(e.Rows(w.Context(), rowsFrom(1, 3)))
	w.must(e.Close())
	_, err = w.engines.Read(w.Context(), w.place, identity)
	w.wantKind(err, fault.NotFound, "to read what is not finished")
	e = w.open()
	w.wantNext(e, 4, 0)
	w.must(e.Close())
}

func testFinishedEmpty(_ *testing.T, w *world) {
	e := w.open()
	w.must(e.Finish(w.Context()))
	w.must(e.Close())
	w.wantAll(w.read())
}

// testFields stores the extremes of each field.
func testFields(_ *testing.T, w *world) {
	most := imported.Row{
		Seq: 2, Ms: math.MaxInt64, Round: math.MaxInt64, Place: 1<<20 - 1, Kind: imported.CreateAsset, Payer: math.MaxUint32, Payee: math.MaxUint32 - 1,
		Asset: math.MaxUint32, Amount: chain.Amount{Lo: math.MaxUint64, Hi: math.MaxUint64}, Outcome: math.MaxUint8,
	}
	least := imported.Row{Seq: 1}
	rounds := []imported.Round{{Number: 9}, {
		Number: 10, Ms: math.MaxInt64, Leader: "\x00a'\"\\ö", Votes: []string{"", "ü", "\""}, Hash: [32]byte{31: 1}, Previous: [32]byte{1}, Transactions: math.MaxUint32,
	}}
	rounds[1].Leader = rounds[1].Leader[1:] // no database keeps a zero in a text
	e := w.open()
	w.must(e.Rows(w.Context(), []imported.Row{least, most}))
	w.must(e.Rounds(w.Context(), rounds))
	w.wantNext(e, 3, 11)
	w.must(e.Finish(w.Context()))
	w.must(e.Close())
	r := w.read()
	for _, want := range []imported.Row{least, most} {
		have, err := r.ByID(w.Context(), want.Round, want.Place)
		w.must(err)
		if have != want {
			w.Errorf("it has %+v, want %+v", have, want)
		}
	}
	rows, next, err := r.List(w.Context(), math.MaxUint32, math.MaxUint32, 0, 10)
	w.must(err)
	if !slices.Equal(rows, []imported.Row{most}) || next != 0 {
		w.Errorf("the list has %+v, and goes on at %d", rows, next)
	}
	for _, want := range rounds {
		w.wantRound(r, want)
	}
}

func (w *world) wantRound(r imported.Reader, want imported.Round) {
	w.Helper()
	have, err := r.Round(w.Context(), want.Number)
	w.must(err)
	if !slices.Equal(have.Votes, want.Votes) {
		w.Errorf("round %d has votes %q, want %q", want.Number, have.Votes, want.Votes)
	}
	have.Votes, want.Votes = nil, nil
	if have.Number != want.Number || have.Ms != want.Ms || have.Leader != want.Leader || have.Hash != want.Hash || have.Previous != want.Previous || have.Transactions != want.Transactions {
		w.Errorf("it has round %+v, want %+v", have, want)
	}
}

// testRandom loads chunks of any size, some of which are there already, and opens anew in between.
func testRandom(_ *testing.T, w *world) {
	const rows, rounds = 3_000, 500
	rng := rand.New(rand.NewPCG(6, 2))
	e := w.open()
	haveRows, haveRounds := uint64(0), uint64(0)
	for haveRows < rows || haveRounds < rounds {
		from := 1 + rng.Uint64N(haveRows+1)
		n := min(1+rng.Uint64N(400), rows+1-from)
		w.must(e.Rows(w.Context(), rowsFrom(from, int(n))))
		haveRows = max(haveRows, from+n-1)
		from = 1 + rng.Uint64N(haveRounds+1)
		n = min(1+rng.Uint64N(80), rounds+1-from)
		w.must(e.Rounds(w.Context(), roundsFrom(from, int(n))))
		haveRounds = max(haveRounds, from+n-1)
		w.wantNext(e, haveRows+1, haveRounds+1)
		if rng.IntN(4) == 0 {
			w.must(e.Close())
			e = w.open()
			w.wantNext(e, haveRows+1, haveRounds+1)
		}
	}
	w.must(e.Finish(w.Context()))
	w.must(e.Finish(w.Context()))
	w.wantNext(e, rows+1, rounds+1)
	w.must(e.Close())
	w.rows = rows
	r := w.read()
	w.wantAll(r)
	for n := range uint64(rounds) {
		w.wantRound(r, roundOf(n+1))
	}
	_, err := r.Round(w.Context(), rounds+1)
	w.wantKind(err, fault.NotFound, "a round that is not there")
}

// wantAll wants each row by its place, nothing between them, and the list of all.
func (w *world) wantAll(r imported.Reader) {
	w.Helper()
	for seq := uint64(1); seq <= w.rows; seq++ {
		want := rowOf(seq)
		have, err := r.ByID(w.Context(), want.Round, want.Place)
		if err != nil || have != want {
			w.Fatalf("row %d is %+v, want %+v: %v", seq, have, want, err)
		}
	}
	last := rowOf(w.rows)
	for _, at := range []struct {
		round uint64
		place uint32
	}{{0, 0}, {1, 1}, {last.Round, last.Place + 1}, {last.Round + 1, 0}, {math.MaxUint64, math.MaxUint32}} {
		if w.rows > 0 || at.round > 1 {
			_, err := r.ByID(w.Context(), at.round, at.place)
			w.wantKind(err, fault.NotFound, "a place without a row")
		}
	}
	w.wantList(r, 0, 0, imported.RowsPerAnswerMax)
}

// wantList wants a list as a whole, page by page.
func (w *world) wantList(r imported.Reader, account chain.AccountNo, asset chain.AssetNo, limit int) {
	w.Helper()
	var have []imported.Row
	before := uint64(0)
	for range pagesMax {
		rows, next, err := r.List(w.Context(), account, asset, before, limit)
		w.must(err)
		if len(rows) > limit {
			w.Fatalf("a page of %d has %d rows", limit, len(rows))
		}
		have, before = append(have, rows...), next
		if next == 0 {
			break
		}
	}
	want := listOf(w.rows, account, asset)
	if before != 0 || !slices.Equal(have, want) {
		w.Errorf("the list of account %d and asset %d in pages of %d has %d rows, want %d", account, asset, limit, len(have), len(want))
	}
}

func testLists(_ *testing.T, w *world) {
	r := w.load(2_500, 700)
	for _, account := range []chain.AccountNo{0, 1, 17, 40, 41, crowded, math.MaxUint32} {
		for _, asset := range []chain.AssetNo{0, 1, 3, 4} {
			for _, limit := range []int{1, 7, imported.RowsPerAnswerMax} {
				if limit > 1 || account != 0 || asset > 2 {
					w.wantList(r, account, asset, limit)
				}
			}
		}
	}
	if rows, next, err := r.List(w.Context(), 0, 0, math.MaxInt64, 2); err != nil || next != 2_499 || len(rows) != 2 || rows[0].Seq != 2_500 {
		w.Errorf("a list from behind the end has %d rows, goes on at %d: %v", len(rows), next, err)
	}
}

// testCrowded has an account with more rows than anything holds at once.
func testCrowded(_ *testing.T, w *world) {
	w.wantList(w.load(9_000, 9_000), crowded, 2, 100)
}

func testGaps(_ *testing.T, w *world) {
	e := w.open()
	w.must(e.Rows(w.Context(), rowsFrom(1, 10)))
	w.must(e.Rounds(w.Context(), roundsFrom(1, 3)))
	w.wantKind(e.Rows(w.Context(), rowsFrom(12, 2)), fault.Conflict, "a chunk that leaves a gap")
	w.wantKind(e.Rounds(w.Context(), roundsFrom(5, 2)), fault.Conflict, "rounds that leave a gap")
	w.wantNext(e, 11, 4)
	w.must(e.Finish(w.Context()))
	w.must(e.Rows(w.Context(), rowsFrom(1, 10)))
	w.wantKind(e.Rows(w.Context(), rowsFrom(11, 1)), fault.Conflict, "a row behind the end")
	w.wantKind(e.Rounds(w.Context(), roundsFrom(4, 1)), fault.Conflict, "a round behind the end")
	w.must(e.Close())
	e = w.open()
	w.wantNext(e, 11, 4)
	w.wantKind(e.Rows(w.Context(), rowsFrom(11, 1)), fault.Conflict, "a row behind the end, later")
	w.must(e.Finish(w.Context()))
	w.must(e.Close())
}

func testForeign(_ *testing.T, w *world) {
	e := w.open()
	w.must(e.Rows(w.Context(), rowsFrom(1, 10)))
	w.must(e.Close())
	wrong := map[string]func(*imported.Identity){
		"chain":    func(id *imported.Identity) { id.Chain++ },
		"genesis":  func(id *imported.Identity) { id.Genesis[0]++ },
		"sequence": func(id *imported.Identity) { id.Sequence++ },
	}
	refused := func(when string) {
		for what, change := range wrong {
			id := identity
			change(&id)
			_, err := w.engines.Open(w.Context(), w.place, id)
			w.wantKind(err, fault.Conflict, "to load with another "+what+" "+when)
			if when == "before the end" {
				continue
			}
			_, err = w.engines.Read(w.Context(), w.place, id)
			w.wantKind(err, fault.Conflict, "to read with another "+what)
		}
	}
	refused("before the end")
	w.load(10, 10)
	refused("behind it")
	id := identity
	id.Sequence = 0
	r, err := w.engines.Read(w.Context(), w.place, id)
	w.must(err)
	w.must(r.Close())
}

func testCancelled(_ *testing.T, w *world) {
	e := w.open()
	w.must(e.Rows(w.Context(), rowsFrom(1, 10)))
	gone, cancel := context.WithCancel(w.Context())
	cancel()
	for what, do := range map[string]func() error{
		"rows":   func() error { return e.Rows(gone, rowsFrom(11, 10)) },
		"rounds": func() error { return e.Rounds(gone, roundsFrom(1, 1)) },
		"finish": func() error { return e.Finish(gone) },
	} {
		if do() == nil {
			w.Errorf("%s of nobody who waits was done", what)
		}
	}
	w.wantNext(e, 11, 0)
	w.must(e.Close())
	r := w.load(20, 4)
	if _, err := r.ByID(gone, 1, 0); err == nil {
		w.Error("nobody waits, and is answered")
	}
	if _, _, err := r.List(gone, 0, 0, 0, 1); err == nil {
		w.Error("nobody waits, and has a list")
	}
	w.wantAll(r)
}

func testBounds(_ *testing.T, w *world) {
	e := w.open()
	w.wantKind(e.Rows(w.Context(), rowsFrom(1, imported.RowsPerChunkMax+1)), fault.Invalid, "a chunk that is too large")
	w.must(e.Rows(w.Context(), rowsFrom(1, 10)))
	swapped := rowsFrom(11, 2)
	swapped[0].Round, swapped[1].Round = 4, 3
	w.wantKind(e.Rows(w.Context(), swapped), fault.Invalid, "rows out of V10's order")
	w.wantNext(e, 11, 0)
	w.must(e.Close())
	r := w.load(10, 10)
	for _, limit := range []int{-1, 0, imported.RowsPerAnswerMax + 1} {
		_, _, err := r.List(w.Context(), 0, 0, 0, limit)
		w.wantKind(err, fault.Invalid, "a limit beyond its bounds")
	}
	_, _, err := r.List(w.Context(), 0, 0, math.MaxUint64, 1)
	w.wantKind(err, fault.Invalid, "a place that no answer gave")
}

func testReaders(_ *testing.T, w *world) {
	r := w.load(600, 100)
	var group sync.WaitGroup
	for g := range uint64(8) {
		group.Go(func() {
			for i := range uint64(60) {
				want := rowOf(1 + (i*7+g)%600)
				if have, err := r.ByID(w.Context(), want.Round, want.Place); err != nil || have != want {
					w.Errorf("beside others row %d is %+v: %v", want.Seq, have, err)
				}
				if _, _, err := r.List(w.Context(), want.Payer, 0, 0, 10); err != nil {
					w.Error(err)
				}
			}
		})
	}
	group.Wait()
}
