// SPDX-License-Identifier: Apache-2.0

package syncload

import (
	"slices"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/keys"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// TestSwitchAccounts has payers in the slots that move, and payees that are not.
func TestSwitchAccounts(t *testing.T) {
	cfg := SwitchConfig{Cycles: 1, Slots: chain.SlotRange{From: 100, To: 199}, Payers: 20}
	a := switchAccounts(&cfg, "treasury")
	for i, name := range a.names[:40] {
		slot := keys.AliasSlot(name)
		if moves := slot >= 100 && slot <= 199; moves != (i < 20) {
			t.Errorf("account %d, %s, has slot %d", i, name, slot)
		}
	}
	if len(a.names) != 41 || a.funder() != 40 || len(a.number) != 41 {
		t.Errorf("%d accounts, the funder is %d", len(a.names), a.funder())
	}
}

// TestSwitchReport counts what was made twice, is missing, or was never answered, and nothing else.
func TestSwitchReport(t *testing.T) {
	id := func(n uint64) v10.TxID { return v10.TxIDAt(n, 1, v10.LegacyPlaceMin) }
	pay := func(n uint32) Payment { return Payment{From: 0, To: 1, Units: n} }
	made := func(v10s, v11s []uint64) *execution {
		x := &execution{{}, {}}
		for _, n := range v10s {
			x[V10][id(n)] = V10
		}
		for _, n := range v11s {
			x[V11][id(n)] = V10
		}
		return x
	}
	cfg := SwitchConfig{Cycles: 1, Slots: chain.SlotRange{From: 0, To: 9}, Payers: 2}
	s := &switching{cfg: cfg, kills: map[string]int{"v10": 2, Controller: 1}}
	s.accounts = switchAccounts(&cfg, "treasury")
	s.payers = newPayers(s.accounts, "", 1, func() time.Duration { return 0 })
	for n := uint32(1); n <= 4; n++ {
		s.payers.note(answered{Payment: pay(n), begin: time.Duration(n) * time.Second, end: time.Duration(n)*time.Second + 50*time.Millisecond})
	}
	s.payers.miss(pay(9), "no answer")
	s.windows = []window{{begin: 900 * time.Millisecond, end: 2020 * time.Millisecond}, {begin: 3 * time.Second, end: 4 * time.Second, killed: true}}
	r := s.report(map[Payment]*execution{
		pay(1): made([]uint64{1}, []uint64{1}),       // as it should be
		pay(2): made([]uint64{2, 3}, []uint64{2, 3}), // a repeat was paid
		pay(3): made([]uint64{4}, nil),               // on one ledger only
		pay(7): made([]uint64{5}, []uint64{5}),       // not answered, and made once: nothing is wrong with that
		pay(8): made([]uint64{6}, []uint64{6, 7, 8}), // on V11 three times
	})
	if r.DoubleDebits != 3 || r.Missing != 2 || r.Lost != 1 || r.Acknowledged != 4 || r.Kills != 3 {
		t.Errorf("%+v", r)
	}
	if r.HoldMs.Samples != 1 || r.HoldMs.Max != 50 || r.HoldKilledMs.Samples != 1 || r.MoveMs.Samples != 1 || r.Failed() == "" {
		t.Errorf("%+v", r)
	}
	if !s.payers.served(1, 3*time.Second) || s.payers.served(1, 4*time.Second) || s.payers.served(2, 0) {
		t.Error("who was served since when")
	}
}

// TestHoldOf takes percentiles of what it is given.
func TestHoldOf(t *testing.T) {
	var all []time.Duration
	for i := range 200 {
		all = append(all, time.Duration(200-i)*time.Millisecond)
	}
	if h := holdOf(slices.Clone(all)); h.P50 != 101 || h.P99 != 199 || h.Max != 200 || h.Samples != 200 {
		t.Errorf("%+v", h)
	}
	if h := holdOf(nil); h != (HoldMs{}) {
		t.Errorf("of nothing: %+v", h)
	}
}
