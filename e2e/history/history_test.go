// SPDX-License-Identifier: Apache-2.0

package history

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// pay is a transfer between accounts 0 and 1 that took from sent to answered.
func pay(sent, answered time.Duration, node int, units uint64, at Place, paid bool) *Transfer {
	id := [32]byte{byte(at.Height), byte(at.Batch), byte(at.Item)}
	return &Transfer{Span: Span{sent, answered}, ID: id, Node: node, From: 0, To: 1, Units: units, Place: at, Paid: paid}
}

func look(sent, answered time.Duration, node, account int, units, height uint64) *Read {
	return &Read{Span: Span{sent, answered}, Node: node, Account: account, Units: units, Height: height}
}

func TestCheck(t *testing.T) {
	twice := pay(5, 6, 0, 60, Place{Height: 3}, false)
	twice.ID = [32]byte{2}
	for name, c := range map[string]struct {
		transfers []*Transfer
		reads     []*Read
		wrong     string // part of the error; empty: all is well
	}{
		"nothing": {},
		"one after the other": {
			transfers: []*Transfer{pay(1, 2, 0, 60, Place{Height: 2}, true), pay(3, 4, 1, 60, Place{Height: 3}, false), pay(5, 6, 0, 40, Place{Height: 4}, true)},
			reads:     []*Read{look(7, 8, 0, 0, 0, 4), look(7, 8, 0, 1, 100, 5)},
		},
		"the places of concurrent ones decide": {
			transfers: []*Transfer{pay(1, 9, 0, 60, Place{Height: 2, Batch: 1}, false), pay(1, 9, 0, 70, Place{Height: 2}, true)},
		},
		"another node is behind": {
			transfers: []*Transfer{pay(1, 2, 0, 60, Place{Height: 2}, true)},
			reads:     []*Read{look(3, 4, 1, 0, 100, 1)},
		},
		"the same node is behind": {
			transfers: []*Transfer{pay(1, 2, 0, 60, Place{Height: 2}, true)},
			reads:     []*Read{look(3, 4, 0, 0, 100, 1)},
			wrong:     "went back",
		},
		"a node goes back between reads": {
			reads: []*Read{look(1, 2, 1, 0, 100, 7), look(3, 4, 1, 0, 100, 6)},
			wrong: "went back",
		},
		"concurrent reads in any order": {
			reads: []*Read{look(1, 4, 1, 0, 100, 7), look(2, 3, 1, 0, 100, 6)},
		},
		"sent after the answer, placed before": {
			transfers: []*Transfer{pay(1, 2, 0, 10, Place{Height: 3}, true), pay(3, 4, 0, 10, Place{Height: 2}, true)},
			wrong:     "does not fit",
		},
		"paid without funds": {
			transfers: []*Transfer{pay(1, 2, 0, 60, Place{Height: 2}, true), pay(3, 4, 0, 60, Place{Height: 3}, true)},
			wrong:     "does not fit",
		},
		"refused with funds": {
			transfers: []*Transfer{pay(1, 2, 0, 60, Place{Height: 2}, false)},
			wrong:     "does not fit",
		},
		"a lost transfer": {
			transfers: []*Transfer{pay(1, 2, 0, 60, Place{Height: 2}, true)},
			reads:     []*Read{look(3, 4, 1, 0, 100, 2)},
			wrong:     "account 0 has 100 units",
		},
		"seen before it was sent": {
			transfers: []*Transfer{pay(3, 4, 0, 60, Place{Height: 2}, true)},
			reads:     []*Read{look(1, 2, 1, 0, 40, 2)},
			wrong:     "does not fit",
		},
		"a part of a height": {
			transfers: []*Transfer{pay(1, 9, 0, 10, Place{Height: 2}, true), pay(1, 9, 0, 10, Place{Height: 2, Item: 1}, true)},
			reads:     []*Read{look(1, 9, 1, 0, 90, 2)},
			wrong:     "does not fit",
		},
		"two in one place": {
			transfers: []*Transfer{pay(1, 2, 0, 10, Place{Height: 2}, true), pay(3, 4, 0, 10, Place{Height: 2}, true)},
			wrong:     "one place",
		},
		"one executed twice": {
			transfers: []*Transfer{pay(1, 2, 0, 60, Place{Height: 2}, true), twice},
			wrong:     "executed twice",
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := New([]uint64{100, 0})
			for _, x := range c.transfers {
				h.Pay(x)
			}
			for _, x := range c.reads {
				h.Look(x)
			}
			err := h.Check()
			if (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("%v, want %q", err, c.wrong)
			}
		})
	}
}

// A long run of a ledger that is well is found well in seconds, and one wrong balance in it is found.
func TestLongHistory(t *testing.T) {
	const operations = 8_000
	h := New([]uint64{1000, 1000, 1000, 1000})
	r := rand.New(rand.NewPCG(1, 2))
	s := state{units: h.opening}
	for i := range time.Duration(operations) {
		height := uint64(i/3) + 1
		if i%3 == 2 {
			account := r.IntN(4)
			h.Look(&Read{Span: Span{10 * i, 10*i + 50}, Node: int(i % 4), Account: account, Units: s.units[account], Height: height})
			continue
		}
		x := &Transfer{
			Span: Span{10 * i, 10*i + 50}, ID: [32]byte{byte(i), byte(i >> 8)}, Node: int(i % 4), From: r.IntN(4), To: r.IntN(4),
			Units: r.Uint64N(1500), Place: Place{Height: height, Item: uint32(i % 3)},
		}
		x.Paid = s.units[x.From] >= x.Units
		if ok, after := s.apply(step{rank: s.executed, transfer: x}); ok {
			s = after
		}
		h.Pay(x)
	}
	begin := time.Now()
	if err := h.Check(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d operations in %s", operations, time.Since(begin))
	h.reads[len(h.reads)/2].Units++
	if err := h.Check(); err == nil || !strings.Contains(err.Error(), "does not fit") {
		t.Errorf("a wrong balance: %v", err)
	}
}
