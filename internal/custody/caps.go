// SPDX-License-Identifier: Apache-2.0

package custody

import (
	"sync"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// capEntriesMax bounds the payers whose payments of a day are counted: 64 MiB. At the bound those who have not paid yet today are
// told to try later.
const capEntriesMax = 1 << 20

// caps counts what is paid by day, asset and payer. Time comes from outside.
type caps struct {
	by map[string]Cap

	mu    sync.Mutex // guards all below
	day   int64      // since 1970, UTC
	spent map[capKey]chain.Amount
}

type capKey struct {
	payer chain.AccountNo
	asset chain.AssetNo
}

func newCaps(by map[string]Cap) *caps { return &caps{by: by, spent: map[capKey]chain.Amount{}} }

func (c *caps) of(code string) Cap {
	if at, ok := c.by[code]; ok {
		return at
	}
	return c.by[""]
}

// byDay reports whether payments of an asset are counted by day.
func (c *caps) byDay(a *Asset) bool { return !c.of(a.Code).Day.IsZero() }

// reserve counts a payment on a day, or refuses it.
func (c *caps) reserve(a *Asset, payer chain.AccountNo, amount chain.Amount, day int64) error {
	limit := c.of(a.Code)
	if !limit.Payment.IsZero() && limit.Payment.Less(amount) {
		return overCap("a payment of %s is at most %s", a.Code, limit.Payment.Decimal(a.Scale))
	}
	if limit.Day.IsZero() {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.day != day {
		c.day = day
		clear(c.spent)
	}
	key := capKey{payer, a.Number}
	before, known := c.spent[key]
	total, ok := before.Add(amount)
	switch {
	case !ok || limit.Day.Less(total):
		return overCap("an account pays at most %s %s a day", limit.Day.Decimal(a.Scale), a.Code)
	case !known && len(c.spent) >= capEntriesMax:
		return fault.Reasoned(fault.TryLater, "caps_full", "%d accounts have paid today, and the desk counts no more", capEntriesMax)
	}
	c.spent[key] = total
	return nil
}

// release takes back what was reserved on a day for a payment that was not made.
func (c *caps) release(a *Asset, payer chain.AccountNo, amount chain.Amount, day int64) {
	if !c.byDay(a) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	key := capKey{payer, a.Number}
	if rest, ok := c.spent[key].Sub(amount); ok && c.day == day {
		c.spent[key] = rest
	}
}

// reasonOverCap marks a payment that a cap does not let pass.
const reasonOverCap = "over_cap"

func overCap(format string, args ...any) error {
	return fault.Reasoned(fault.Denied, reasonOverCap, format, args...)
}
