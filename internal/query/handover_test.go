// SPDX-License-Identifier: Apache-2.0

package query_test

import (
	"bytes"
	"context"
	"math"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/query"
	"github.com/aurigraph/aurigraph/internal/store"
	"github.com/aurigraph/aurigraph/internal/store/memstore"
)

// Handovers come in order, a bounded number at a time, and none is left out.
func TestHandovers(t *testing.T) {
	s := memstore.New()
	var changes store.Changes
	for e := chain.Epoch(2); e <= 41; e++ {
		store.WriteHandover(&changes, e, []byte{byte(e)})
	}
	if err := s.Apply(&changes, true); err != nil {
		t.Fatal(err)
	}
	present := chain.Epoch(40) // the node knows of one that it is not in yet
	q := query.New(query.Parts{History: history.New(s, nil), Status: func() query.Status { return query.Status{Epoch: present} }})
	for from, x := range map[chain.Epoch]struct {
		limit int
		want  []byte
	}{
		0: {3, []byte{2, 3, 4}}, 1: {1, []byte{2}}, 2: {2, []byte{2, 3}}, 30: {query.HandoversMax, []byte{30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41}},
		41: {9, []byte{41}}, 42: {9, nil}, math.MaxUint64: {9, nil},
	} {
		h, err := q.Handovers(t.Context(), from, x.limit)
		if err != nil || !bytes.Equal(bytes.Join(h.Proved, nil), x.want) || h.Epoch != present {
			t.Errorf("from %d: %+v, %v", from, h, err)
		}
	}
	for _, limit := range []int{-1, 0, query.HandoversMax + 1} {
		_, err := q.Handovers(t.Context(), 2, limit)
		want(t, "limit", err, fault.Invalid, "limit")
	}
	present = 43
	_, err := q.Handovers(t.Context(), 30, query.HandoversMax)
	want(t, "a handover that is not there", err, fault.Corrupt, "handover to epoch 42 is missing")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := q.Handovers(ctx, 2, 1); err == nil {
		t.Error("it answers whom nobody listens to")
	}
}
