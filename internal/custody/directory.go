// SPDX-License-Identifier: Apache-2.0

package custody

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/cache"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// Bounds of what a desk keeps in memory: at most 100 MiB of names of the greatest length, usually 10.
const (
	namesCachedMax  = 262_144
	assetsCachedMax = 4096
)

// NamesMax bounds the numbers of one Names.
const NamesMax = 8192

// reasonNoAccount marks the one NotFound that says that nobody has a name, and so that it can be opened.
const reasonNoAccount = "unknown_account"

// reasonNoAsset marks the NotFound that says that no asset has a code.
const reasonNoAsset = "unknown_asset"

// directory finds accounts by their V10 names. An account's number and slot never change, so what was found once is remembered.
type directory struct {
	desk    *Desk
	entries *cache.Cache[string, entry]
}

// entry is an account as it is remembered; no 0: none.
type entry struct {
	no   chain.AccountNo
	slot uint16
}

func newDirectory(d *Desk) *directory {
	return &directory{desk: d, entries: cache.New[string, entry](namesCachedMax)}
}

// known finds a name in memory.
func (d *directory) known(name string) (entry, bool) { return d.entries.Get(name) }

// place finds a name in memory, or else makes a place for what will be found. A name that has a place keeps it: somebody else may find
// it meanwhile.
func (d *directory) place(name string, found map[string]*looked) entry {
	if _, ok := found[name]; ok {
		return entry{}
	}
	e, ok := d.known(name)
	if !ok {
		found[name] = &looked{}
	}
	return e
}

// findAll fills in the places, many at once.
func (d *directory) findAll(ctx context.Context, found map[string]*looked) {
	var all errgroup.Group
	all.SetLimit(lookupsAtOnce)
	for name, l := range found {
		all.Go(func() error {
			l.entry, l.err = d.find(ctx, name)
			return nil
		})
	}
	_ = all.Wait() // every error is in its place
}

// find asks the ledger for a name, remembers it and puts it into the vault.
func (d *directory) find(ctx context.Context, name string) (e entry, err error) {
	if err := keys.CheckAlias(name); err != nil {
		return e, err
	}
	acc, err := d.desk.chain.Account(ctx, AccountName{AliasTag: d.desk.cfg.AliasKey.Tag(name)})
	switch {
	case fault.Is(err, fault.NotFound):
		return e, fault.Reasoned(fault.NotFound, reasonNoAccount, "there is no account of this name")
	case err != nil:
		return e, err
	case acc.Number == 0 || acc.Address != keys.AliasAddress(name):
		return e, fault.Reasoned(fault.Corrupt, "other_account", "the node says that a name is account %d, but its address %s does not follow from that name", acc.Number, acc.Address)
	}
	e = entry{acc.Number, acc.Slot}
	d.remember(e, name)
	return e, nil
}

// findLiteral finds an account by the address that a name reads as (0x and 40 hex digits); unknown is the error if there is none. It is not
// remembered: a V10 name that reads alike comes first as soon as there is one.
func (d *directory) findLiteral(ctx context.Context, name string, unknown error) (entry, error) {
	address, err := chain.ParseAddress(name)
	if err != nil {
		return entry{}, unknown
	}
	acc, err := d.desk.chain.Account(ctx, AccountName{Address: address})
	switch {
	case fault.Is(err, fault.NotFound):
		return entry{}, unknown
	case err != nil:
		return entry{}, err
	}
	return entry{acc.Number, acc.Slot}, nil
}

func (d *directory) remember(e entry, name string) {
	d.entries.Put(name, e)
	d.desk.keeper.keep(e.no, name)
}

// Resolve finds an account by its V10 name, or, if nobody has that name and it reads as an address (0x and 40 hex digits), by its
// address. NotFound, reason unknown_account: there is none.
func (d *Desk) Resolve(ctx context.Context, name string) (chain.AccountNo, error) {
	if e, ok := d.directory.known(name); ok {
		return e.no, nil
	}
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	e, err := d.directory.find(ctx, name)
	if fault.ReasonOf(err) != reasonNoAccount {
		return e.no, d.refuse(err)
	}
	if e, err = d.directory.findLiteral(ctx, name, err); err != nil {
		return 0, d.refuse(err)
	}
	return e.no, nil
}

// Names writes accounts for people: by their V10 names, where the vault has those, else by their addresses. At most NamesMax numbers.
// A number that no account has is left out. What is remembered for payments is not shown, so that a forgotten name is gone at once.
func (d *Desk) Names(ctx context.Context, numbers []chain.AccountNo) (map[chain.AccountNo]string, error) {
	if len(numbers) > NamesMax {
		return nil, d.refuse(fault.Reasoned(fault.Invalid, "names_count", "%d accounts at once, at most %d", len(numbers), NamesMax))
	}
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	out := make(map[chain.AccountNo]string, len(numbers))
	d.keeper.known(numbers, out) // before the vault: what is on its way there is in one of the two
	if d.vault != nil {
		known, err := d.vault.Get(ctx, numbers)
		if err != nil {
			// A name is a courtesy: without the vault accounts have addresses.
			d.metrics.forgotten.WithLabelValues("vault_read").Inc()
			d.log.Warn("the names vault cannot be read", "error", err.Error())
		}
		for no, name := range known {
			out[no] = name
		}
	}
	if err := d.addresses(ctx, numbers, out); err != nil {
		return nil, d.refuse(err)
	}
	return out, nil
}

// addresses fills in those that have no name.
func (d *Desk) addresses(ctx context.Context, numbers []chain.AccountNo, out map[chain.AccountNo]string) error {
	missing := make([]chain.AccountNo, 0, len(numbers))
	for _, no := range numbers {
		if _, ok := out[no]; !ok {
			out[no] = ""
			missing = append(missing, no)
		}
	}
	found := make([]string, len(missing))
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(lookupsAtOnce)
	for i, no := range missing {
		all.Go(func() error {
			acc, err := d.chain.Account(ctx, AccountName{Number: no})
			if err == nil {
				found[i] = acc.Address.String()
			}
			if fault.Is(err, fault.NotFound) {
				return nil
			}
			return err
		})
	}
	if err := all.Wait(); err != nil {
		return err
	}
	for i, no := range missing {
		if out[no] = found[i]; found[i] == "" {
			delete(out, no)
		}
	}
	return nil
}

// Asset finds an asset by its code; "" is DefaultAsset. NotFound, reason unknown_asset: there is none.
func (d *Desk) Asset(ctx context.Context, code string) (Asset, error) {
	if code == "" {
		code = DefaultAsset
	}
	if a, ok := d.assets.Get(code); ok {
		return a, nil
	}
	if len(code) > chain.CodeBytesMax {
		return Asset{}, errNoAsset()
	}
	a, err := d.chain.Asset(ctx, code)
	if fault.Is(err, fault.NotFound) {
		return Asset{}, errNoAsset()
	}
	if err != nil {
		return Asset{}, err
	}
	d.assets.Put(code, *a)
	return *a, nil
}

func errNoAsset() error {
	return fault.Reasoned(fault.NotFound, reasonNoAsset, "there is no asset of this code")
}
