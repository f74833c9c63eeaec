// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/store"
)

// testWindow is for how many heights batch rows outlive payloads in these tests.
const testWindow = 5

// pruned makes the folder of a node that let payloads go, and after them batch rows. It returns the first height that
// still has rows, and the height after which payloads are retained.
func pruned(t testing.TB) (n *network, from, base chain.Height) {
	t.Helper()
	n = newNetwork(t)
	s := tight
	s.rowsOutlivePayloads = testWindow
	r := n.run(s)
	n.life(r)
	n.fill(r)
	n.life(r)
	from, err := store.ReadBatchesFrom(r.store)
	must(t, err)
	r.close()
	report, err := Run(t.Context(), n.dir, Options{RowsOutlivePayloads: testWindow})
	must(t, err)
	wantOK(t, report)
	if from < 3 || from+testWindow > report.FromHeight || !strings.Contains(fmt.Sprint(report.Notes), fmt.Sprintf("below height %d were pruned", from)) {
		t.Fatalf("rows from %d on are there: %+v", from, report)
	}
	return n, from, report.FromHeight
}

// TestPrunedFolder proves a folder that let batch rows go, and finds rows that went too early, or are there although they
// should have gone.
func TestPrunedFolder(t *testing.T) {
	n, from, base := pruned(t)
	for name, c := range map[string]struct {
		do   func(*editor)
		want string
	}{
		"nothing":                    {func(*editor) {}, ""},
		"an outcome array is back":   {func(e *editor) { store.WriteOutcome(&e.Changes, from-1, 0, []byte{0}) }, "belongs to no height"},
		"a place is back":            {func(e *editor) { e.Put(placeKey(tablePlace, from-1, 0), e.place(from)) }, "belongs to no height"},
		"an id is back":              {func(e *editor) { e.idBack(from) }, "batch index"},
		"the mark lies too high":     {func(e *editor) { store.WriteBatchesFrom(&e.Changes, e.work(from, 1)+1) }, "belongs to no height"},
		"the mark lies too low":      {func(e *editor) { store.WriteBatchesFrom(&e.Changes, e.work(from-1, -1)) }, "there is no place"},
		"the mark is gone":           {func(e *editor) { store.DeleteMeta(&e.Changes, metaBatchesFrom) }, "there is no place"},
		"the mark is damaged":        {func(e *editor) { store.WriteMeta(&e.Changes, metaBatchesFrom, []byte{1}) }, "the record has 1 bytes"},
		"rows went too early":        {func(e *editor) { store.WriteBatchesFrom(&e.Changes, base-testWindow+1) }, "must stay 5 heights longer"},
		"rows of payloads have gone": {func(e *editor) { store.WriteBatchesFrom(&e.Changes, base+1) }, "must stay 5 heights longer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := copied(t, n.dir)
			edit(t, dir, c.do)
			r, err := Run(t.Context(), dir, Options{RowsOutlivePayloads: testWindow})
			must(t, err)
			if c.want == "" {
				wantOK(t, r)
			} else if !strings.Contains(fmt.Sprint(r.Problems), c.want) {
				t.Errorf("no problem says %q: %+v", c.want, r.Problems[:min(len(r.Problems), 5)])
			}
		})
	}
	wantProblem(t, n.dir, "", "must stay 100000 heights longer") // the setting of a real node
}

// work is the first height from h on, in steps, whose header names a batch.
func (e *editor) work(h chain.Height, step int) chain.Height {
	for {
		header, err := codec.DecodeHeader(e.get(heightKey(tableHeader, h)))
		must(e.t, err)
		if len(header.Batches) > 0 {
			return h
		}
		h += chain.Height(step)
	}
}

// place is the location of the first batch from a height on.
func (e *editor) place(from chain.Height) []byte {
	return e.get(placeKey(tablePlace, e.work(from, 1), 0))
}

// idBack puts an id back that leads to a height without rows.
func (e *editor) idBack(from chain.Height) {
	l, err := codec.DecodeLocation(e.place(from))
	must(e.t, err)
	l.Height = from - 1
	store.WriteBatch(&e.Changes, chain.Hash{7}, codec.AppendLocation(nil, l))
}
