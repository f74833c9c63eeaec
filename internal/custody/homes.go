// SPDX-License-Identifier: Apache-2.0

package custody

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// ReasonNotHome marks the refusal of what only V10 may do: debit an account that it owns, open it, issue or redeem its assets. Nothing
// was done.
const ReasonNotHome = "not_home"

// homesFresh is how old the desk's table of homes may be. A slot that moved meanwhile does no harm: the ledger refuses what is not
// at home here, and V10's door what is not at home there.
const homesFresh = 500 * time.Millisecond

// Homes says of slots whether V10 owns them. It does not change.
type Homes interface {
	OnV10(slot uint16) bool
	// Any is false if V10 owns nothing.
	Any() bool
	// Migrating is false if V10 can never own anything again. Until then a name is a V10 name, also one that reads as an address.
	Migrating() bool
}

// homes keeps the newest table.
type homes struct {
	chain Chain
	table atomic.Pointer[datedHomes]
	ask   sync.Mutex // held by who asks for a newer one
}

type datedHomes struct {
	Homes
	at time.Time
}

// now is the table, nil if nothing is known: the ledger decides then.
func (h *homes) now(ctx context.Context) Homes {
	last := h.table.Load()
	if last != nil && time.Since(last.at) < homesFresh {
		return last.Homes
	}
	if last == nil {
		h.ask.Lock()
	} else if !h.ask.TryLock() {
		return last.Homes
	}
	defer h.ask.Unlock()
	if newer := h.table.Load(); newer != last {
		return newer.Homes
	}
	var before Homes
	if last != nil {
		before = last.Homes
	}
	begin := time.Now()
	table, err := h.chain.Homes(ctx, before)
	if err != nil {
		return before
	}
	h.table.Store(&datedHomes{table, begin})
	return table
}

// expire has the table asked for again: the ledger says otherwise.
func (h *homes) expire() {
	if last := h.table.Load(); last != nil {
		h.table.CompareAndSwap(last, &datedHomes{last.Homes, time.Time{}})
	}
}

// Home is the address of V10, empty if the desk was not told.
func (d *Desk) Home() string { return d.cfg.Home }

// Debit is a wish to debit an account in an asset, both by V10's names.
type Debit struct {
	Account, Asset string // Asset is a code; empty: DefaultAsset
}

// Away says of each debit whether only V10 may make it. A name that nobody here knows has the slot that V10 gives it, and an asset that
// nobody here knows may be V10's newest. What cannot be looked up is not away: who tries it is told why.
func (d *Desk) Away(ctx context.Context, ds []Debit) ([]bool, error) {
	if len(ds) > PaymentsMax {
		return nil, d.refuse(fault.Reasoned(fault.Invalid, "debits_count", "%d debits at once, at most %d", len(ds), PaymentsMax))
	}
	out := make([]bool, len(ds))
	table := d.homes.now(ctx)
	if table == nil || !table.Any() {
		return out, nil
	}
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	known, found := make([]entry, len(ds)), map[string]*looked{}
	for i := range ds {
		known[i] = d.directory.place(ds[i].Account, found)
	}
	d.directory.findAll(ctx, found)
	for i := range ds {
		from := party(known[i], ds[i].Account, found)
		portable, err := d.portable(ctx, ds[i].Asset)
		out[i] = err == nil && portable && d.away(&from, table, ds[i].Account)
	}
	return out, nil
}

// away reports whether a party's slot is V10's. It has no slot if it could not be looked up.
func (d *Desk) away(l *looked, table Homes, name string) bool {
	switch {
	case fault.ReasonOf(l.err) == reasonNoAccount:
		return table.OnV10(d.cfg.AliasKey.Slot(name))
	case l.err != nil:
		return false
	}
	return table.OnV10(l.slot)
}

// portable reports whether an asset may live on V10: also one of which nobody here has heard.
func (d *Desk) portable(ctx context.Context, code string) (bool, error) {
	a, err := d.Asset(ctx, code)
	if fault.ReasonOf(err) == reasonNoAsset {
		return true, nil
	}
	return a.Flags&chain.AssetPortable != 0, err
}

// atHome is why V10 must do what an account asks for in an asset, nil if it is done here.
func (d *Desk) atHome(ctx context.Context, account string, portable bool) error {
	table := d.homes.now(ctx)
	if !portable || table == nil || !table.Any() {
		return nil
	}
	var l looked
	if l.entry, _ = d.directory.known(account); l.no == 0 {
		l.entry, l.err = d.directory.find(ctx, account)
	}
	if d.away(&l, table, account) {
		return d.errNotHome()
	}
	return nil
}

// movedAway is the error for what the ledger says is not at home here. It executed nothing, and keeps no answer under a key.
func (d *Desk) movedAway() error {
	d.homes.expire()
	return d.errNotHome()
}

func (d *Desk) errNotHome() error {
	if d.cfg.Home == "" {
		return fault.Reasoned(fault.Refused, ReasonNotHome, "V10 serves this account: nothing was done, send it there")
	}
	return fault.Reasoned(fault.Refused, ReasonNotHome, "V10 serves this account: nothing was done, send it to %s", d.cfg.Home)
}
