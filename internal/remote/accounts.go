// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"context"
	"strings"

	"google.golang.org/grpc"

	custodyv1 "github.com/aurigraph/aurigraph/gen/aurigraph/custody/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/custody"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/upstream"
)

// Open opens an account, or finds it. Asked for again it finds what was opened, so it is safe to be sent again.
func (d *Desk) Open(ctx context.Context, name string) (out custody.Opened, err error) {
	if no, ok := d.numbers.Get(name); ok {
		return custody.Opened{Number: no}, nil
	}
	c := upstream.Call{Group: upstream.GroupManage, Retry: upstream.RetrySafe}
	err = d.ledger.call(ctx, c, func(ctx context.Context, conn grpc.ClientConnInterface) error {
		a, err := custodyv1.NewCustodyClient(conn).OpenAccount(ctx, &custodyv1.OpenAccountRequest{Name: []byte(name)})
		out = custody.Opened{Number: chain.AccountNo(a.GetNumber()), New: a.GetOpened()}
		return err
	})
	if err != nil {
		return custody.Opened{}, d.ledger.metrics.refuse(err)
	}
	d.numbers.Put(strings.Clone(name), out.Number)
	return out, nil
}

// Resolve finds an account by its name, or by its address if nobody has that name.
func (d *Desk) Resolve(ctx context.Context, name string) (no chain.AccountNo, err error) {
	if no, ok := d.numbers.Get(name); ok {
		return no, nil
	}
	err = d.ledger.read(ctx, upstream.GroupRead, 0, func(ctx context.Context, conn grpc.ClientConnInterface) error {
		a, err := custodyv1.NewCustodyClient(conn).ResolveAccount(ctx, &custodyv1.ResolveAccountRequest{Name: []byte(name)})
		no = chain.AccountNo(a.GetNumber())
		return err
	})
	if err != nil {
		return 0, err
	}
	if _, malformed := chain.ParseAddress(name); malformed != nil {
		d.numbers.Put(strings.Clone(name), no) // what reads as an address may become a name
	}
	return no, nil
}

// Names writes accounts for people.
func (d *Desk) Names(ctx context.Context, numbers []chain.AccountNo) (map[chain.AccountNo]string, error) {
	if len(numbers) == 0 {
		return map[chain.AccountNo]string{}, nil
	}
	q := &custodyv1.NameAccountsRequest{Numbers: make([]uint32, len(numbers))}
	for i, no := range numbers {
		q.Numbers[i] = uint32(no)
	}
	var out map[chain.AccountNo]string
	err := d.ledger.read(ctx, upstream.GroupRead, 0, func(ctx context.Context, conn grpc.ClientConnInterface) error {
		a, err := custodyv1.NewCustodyClient(conn).NameAccounts(ctx, q)
		out = make(map[chain.AccountNo]string, len(a.GetNames()))
		for no, name := range a.GetNames() {
			out[chain.AccountNo(no)] = string(name)
		}
		return err
	})
	return out, err
}

// Asset finds an asset by its code; "" is custody.DefaultAsset.
func (d *Desk) Asset(ctx context.Context, code string) (custody.Asset, error) {
	if code == "" {
		code = custody.DefaultAsset
	}
	if a, ok := d.assets.Get(code); ok {
		return a, nil
	}
	if len(code) > chain.CodeBytesMax || text("asset", code) != nil {
		return custody.Asset{}, errNoAsset()
	}
	found, err := d.ledger.reader.AssetByCode(ctx, code)
	switch {
	case fault.Is(err, fault.NotFound):
		return custody.Asset{}, errNoAsset()
	case err != nil:
		return custody.Asset{}, err
	}
	a := custody.Asset{Number: found.Number, Code: found.Code, Name: found.Name, Scale: found.Scale, Issuer: found.Issuer, Flags: found.Flags}
	d.assets.Put(strings.Clone(code), a)
	return a, nil
}

// Away says of each debit whether only V10 may make it.
func (d *Desk) Away(ctx context.Context, ds []custody.Debit) ([]bool, error) {
	q := &custodyv1.FindHomesRequest{Debits: make([]*custodyv1.Debit, len(ds))}
	for i, one := range ds {
		if err := text("asset", one.Asset); err != nil {
			return nil, d.ledger.metrics.refuse(err)
		}
		q.Debits[i] = &custodyv1.Debit{Account: []byte(one.Account), Asset: one.Asset}
	}
	var away []bool
	err := d.ledger.read(ctx, upstream.GroupRead, 0, func(ctx context.Context, conn grpc.ClientConnInterface) error {
		a, err := custodyv1.NewCustodyClient(conn).FindHomes(ctx, q)
		away = a.GetOnV10()
		return err
	})
	if err == nil && len(away) != len(ds) {
		err = d.ledger.metrics.refuse(malformed("%d answers for %d debits", len(away), len(ds)))
	}
	if err != nil {
		return nil, err
	}
	return away, nil
}

func errNoAsset() error {
	return fault.Reasoned(fault.NotFound, "unknown_asset", "there is no asset of this code")
}

// CreateAsset makes an asset.
func (d *Desk) CreateAsset(ctx context.Context, issuer string, a custody.NewAsset) (no chain.AssetNo, r custody.Result, err error) {
	if err := text("asset", a.Code, a.Name); err != nil {
		return 0, r, d.ledger.metrics.refuse(err)
	}
	q := &custodyv1.CreateAssetRequest{Issuer: []byte(issuer), Code: a.Code, Name: a.Name, Scale: uint32(a.Scale), Portable: a.Flags&chain.AssetPortable != 0}
	err = d.act(ctx, func(ctx context.Context, c custodyv1.CustodyClient) (*custodyv1.Fate, error) {
		a, err := c.CreateAsset(ctx, q)
		no = chain.AssetNo(a.GetNumber())
		return a.GetFate(), err
	}, &r)
	return no, r, err
}

// Issue makes new units.
func (d *Desk) Issue(ctx context.Context, issuer, to, asset string, amount chain.Amount) (r custody.Result, err error) {
	if text("asset", asset) != nil {
		return r, d.ledger.metrics.refuse(errNoAsset())
	}
	q := &custodyv1.IssueRequest{Issuer: []byte(issuer), To: []byte(to), Asset: asset, Amount: amount.String()}
	err = d.act(ctx, func(ctx context.Context, c custodyv1.CustodyClient) (*custodyv1.Fate, error) { return c.Issue(ctx, q) }, &r)
	return r, err
}

// Redeem takes units out of circulation.
func (d *Desk) Redeem(ctx context.Context, issuer, asset string, amount chain.Amount) (r custody.Result, err error) {
	if text("asset", asset) != nil {
		return r, d.ledger.metrics.refuse(errNoAsset())
	}
	q := &custodyv1.RedeemRequest{Issuer: []byte(issuer), Asset: asset, Amount: amount.String()}
	err = d.act(ctx, func(ctx context.Context, c custodyv1.CustodyClient) (*custodyv1.Fate, error) { return c.Redeem(ctx, q) }, &r)
	return r, err
}

// act has one thing done that must not be done twice. Once it was sent and nobody said anything, nobody knows what became of it.
func (d *Desk) act(ctx context.Context, do func(context.Context, custodyv1.CustodyClient) (*custodyv1.Fate, error), r *custody.Result) error {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	unknown := false
	c := upstream.Call{Group: upstream.GroupManage, Retry: upstream.RetryUnsent}
	err := d.ledger.call(ctx, c, func(ctx context.Context, conn grpc.ClientConnInterface) error {
		f, err := do(ctx, custodyv1.NewCustodyClient(conn))
		if err != nil && spoken(err) == nil {
			unknown = true
		}
		*r = fateOf(f)
		return err
	})
	switch {
	case err == nil:
		d.ledger.saw(r.Height)
		return nil
	case unknown:
		err = errUnknown()
	case fault.Is(err, fault.Timeout) && fault.ReasonOf(err) != "unknown_outcome":
		err = errNotSent()
	}
	return d.ledger.metrics.refuse(err)
}
