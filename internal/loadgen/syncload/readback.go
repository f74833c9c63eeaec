// SPDX-License-Identifier: Apache-2.0

package syncload

import (
	"context"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// readBack reads what both ledgers did since the measurement began, and compares it with what clients were told.
func (r *run) readBack(ctx context.Context) error {
	r.say("reading both ledgers back")
	if err := r.inStep(ctx); err != nil {
		return err
	}
	if err := r.readV10(ctx, r.saw); err != nil {
		return err
	}
	heights, err := r.readV11(ctx, r.saw)
	if err != nil {
		return err
	}
	for s, way := range r.report.ways {
		if way != nil {
			side := Side(s)
			r.report.topics(side, r.book.latencies(side, way.begin, way.end, func(id v10.TxID) (time.Duration, bool) {
				at, known := way.topics[arrival{side, id}]
				return at, known
			}))
			r.report.all(side, r.through(side, side.Other(), way, heights), r.through(side, side, way, heights))
		}
	}
	v := r.book.Verdict()
	v.Examples = append(r.report.Examples, v.Examples...)
	r.report.Verdict = v
	return nil
}

// readV10 reads V10's log up to where it is now, and calls saw for each payment.
func (r *run) readV10(ctx context.Context, saw func(Side, *made)) error {
	end, err := r.port.head(ctx)
	if err != nil {
		return err
	}
	return readLog(ctx, r.target.Changes, r.from.v10, func(l *logLine, at position) (bool, error) {
		if at.life != end.life {
			return false, fault.New(fault.Corrupt, "V10 lives as %s, and lived as %s: it was made anew while it was measured", at.life, end.life)
		}
		r.progress.Show("V10's log", int64(at.sequence-r.from.v10.sequence), int64(end.sequence-r.from.v10.sequence))
		err := l.payments(func(m made) {
			saw(V10, &m)
			r.rows[arrival{m.origin, m.id}] = at.sequence
		})
		return at.sequence < end.sequence, err
	})
}

// readV11 reads V11's chain up to where it is now, calls saw for each payment, and says in which blocks V10's are.
func (r *run) readV11(ctx context.Context, saw func(Side, *made)) (map[v10.TxID]chain.Height, error) {
	s, err := r.v11.client.Status(ctx)
	if err != nil {
		return nil, err
	}
	aur, err := r.v11.client.AssetByCode(ctx, v10.DefaultAsset)
	if err != nil {
		return nil, err
	}
	var all []leg
	named := map[chain.AccountNo]bool{}
	var numbers []chain.AccountNo
	err = r.v11.read(ctx, r.from.v11, s.Height, func(l *leg) {
		for _, no := range [...]chain.AccountNo{l.from, l.to} {
			if !named[no] {
				named[no], numbers = true, append(numbers, no)
			}
		}
		all = append(all, *l)
		r.progress.Show("V11's chain", int64(l.height-r.from.v11), int64(s.Height-r.from.v11))
	})
	if err != nil {
		return nil, err
	}
	names, err := r.v11.names(ctx, numbers)
	if err != nil {
		return nil, err
	}
	heights := make(map[v10.TxID]chain.Height, len(all)/2)
	for i := range all {
		l := &all[i]
		l.made.from, l.made.to = names[l.from], names[l.to]
		if l.asset == aur.Number {
			l.made.asset = v10.DefaultAsset
		}
		saw(V11, &l.made)
		if l.origin == V10 {
			heights[l.id] = l.height
		}
	}
	return heights, nil
}

// saw notes a payment that a ledger has. One that is not between the bench's accounts was made by somebody else.
func (r *run) saw(on Side, m *made) {
	from, known := r.accounts.number[m.from]
	to, known2 := r.accounts.number[m.to]
	if !known || !known2 || m.asset != v10.DefaultAsset || m.units.Hi > 0 || m.units.Lo > unitsMax {
		r.report.foreign(on, m)
		return
	}
	r.book.Saw(m.origin, on, m.id, Payment{From: from, To: to, Units: uint32(m.units.Lo)})
}

// compareBalances reads all balances on both sides, and compares them with each other and with what the payments make of those before.
func (r *run) compareBalances(ctx context.Context) error {
	r.say("comparing the balances of %d accounts", len(r.from.balances))
	want := make([]uint64, len(r.from.balances))
	for i, by := range r.book.moved(len(r.accounts.names))[:len(want)] {
		want[i] = uint64(int64(r.from.balances[i]) + by)
	}
	for _, side := range []Side{V10, V11} {
		got, err := r.balances(ctx, side)
		if err != nil {
			return err
		}
		r.report.BalancesDiffer += differing(want, got)
	}
	r.report.Accounts = len(want)
	return nil
}
