// SPDX-License-Identifier: Apache-2.0

package custody

import (
	"context"
	"math/rand/v2"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// signTriesMax bounds the signatures that one act takes when others use up the account's nonces.
const signTriesMax = 8

// Opened is an account as Open answers.
type Opened struct {
	Number chain.AccountNo
	New    bool // false: somebody had opened it before
}

// Open opens an account for a V10 name in the institution's custody, or finds it. Refused, reason not_home: it would be V10's.
func (d *Desk) Open(ctx context.Context, name string) (Opened, error) {
	return d.open(ctx, name, func(ctx context.Context) error {
		if table := d.homes.now(ctx); table != nil && table.OnV10(d.cfg.AliasKey.Slot(name)) {
			return d.errNotHome()
		}
		return nil
	})
}

// open is Open for a name that may be opened if may does not say why not.
func (d *Desk) open(ctx context.Context, name string, may func(context.Context) error) (Opened, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	if e, ok := d.directory.known(name); ok {
		return Opened{Number: e.no}, nil
	}
	e, err := d.directory.find(ctx, name)
	if fault.ReasonOf(err) != reasonNoAccount {
		return Opened{Number: e.no}, d.refuse(err)
	}
	if err := may(ctx); err != nil {
		return Opened{}, d.refuse(err)
	}
	l := d.opener.open(ctx, []string{name})[0]
	return Opened{Number: l.no, New: l.fresh}, d.refuse(l.err)
}

// mayOpen is for who is paid: his account is opened wherever its home is.
func mayOpen(context.Context) error { return nil }

// NewAsset is an asset to be made.
type NewAsset struct {
	Code, Name string
	Scale      uint8
	Flags      chain.AssetFlags
}

// CreateAsset makes an asset whose issuer is an account of a V10 name, and returns its number with the certified fate.
func (d *Desk) CreateAsset(ctx context.Context, issuer string, a NewAsset) (chain.AssetNo, Result, error) {
	if err := d.atHome(ctx, issuer, a.Flags&chain.AssetPortable != 0); err != nil {
		return 0, Result{}, d.refuse(err)
	}
	f, err := d.act(ctx, issuer, &chain.CreateAsset{Code: a.Code, Name: a.Name, Scale: a.Scale, Flags: a.Flags})
	return chain.AssetNo(f.Result), f.result(), err
}

// Issue makes new units of an asset in an account's holding, which is opened if nobody knows it. The issuer signs.
func (d *Desk) Issue(ctx context.Context, issuer, to, asset string, amount chain.Amount) (Result, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	a, err := d.assetAtHome(ctx, issuer, asset)
	if err != nil {
		return Result{}, d.refuse(err)
	}
	payee, err := d.open(ctx, to, mayOpen)
	if err != nil {
		return Result{}, err
	}
	f, err := d.act(ctx, issuer, &chain.Issue{To: payee.Number, Asset: a.Number, Amount: amount})
	return f.result(), err
}

// Redeem takes units of an asset out of circulation, from its issuer's own holding.
func (d *Desk) Redeem(ctx context.Context, issuer, asset string, amount chain.Amount) (Result, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	a, err := d.assetAtHome(ctx, issuer, asset)
	if err != nil {
		return Result{}, d.refuse(err)
	}
	f, err := d.act(ctx, issuer, &chain.Redeem{Asset: a.Number, Amount: amount})
	return f.result(), err
}

// assetAtHome finds an asset which its issuer may issue and redeem here.
func (d *Desk) assetAtHome(ctx context.Context, issuer, code string) (Asset, error) {
	portable, err := d.portable(ctx, code)
	if err == nil {
		err = d.atHome(ctx, issuer, portable)
	}
	if err != nil {
		return Asset{}, err
	}
	return d.Asset(ctx, code)
}

func (f *TxFate) result() Result {
	return Result{Height: f.Height, TimeUs: f.TimeUs, Batch: f.Index, Item: f.Item, Outcome: f.Outcome, First: true}
}

// act submits a single transaction of an account of a V10 name, and waits for its certificate. Errors are as of Pay.
func (d *Desk) act(ctx context.Context, name string, body chain.Body) (TxFate, error) {
	ctx, cancel := d.bounded(ctx)
	defer cancel()
	e, ok := d.directory.known(name)
	if !ok {
		var err error
		if e, err = d.directory.find(ctx, name); err != nil {
			return TxFate{}, d.refuse(notSent(err))
		}
	}
	f, err := d.signed(ctx, e.no, body)
	if err == nil && f.Outcome == chain.NotHome {
		err = d.movedAway()
	}
	if err != nil {
		return TxFate{}, d.refuse(err)
	}
	return f, nil
}

// signed signs a body until a nonce is free for it. A nonce that was used means that this transaction never executes.
func (d *Desk) signed(ctx context.Context, sender chain.AccountNo, body chain.Body) (f TxFate, err error) {
	for range signTriesMax {
		height, err := d.chain.Height(ctx)
		if err != nil {
			return f, notSent(err)
		}
		acc, err := d.chain.Account(ctx, AccountName{Number: sender})
		if err != nil {
			return f, notSent(err)
		}
		raw, err := d.signTx(sender, acc.Nonce+1+rand.Uint64N(nonceStepMax), height, body)
		if err != nil {
			return f, err
		}
		if f, err = d.submit(ctx, raw); err != nil || f.Outcome != chain.NonceUsed {
			return f, err
		}
	}
	return f, fault.Reasoned(fault.TryLater, "nonces_busy", "others act for this account at the same time: nothing was done, send it again in a moment")
}

// submit submits a transaction, again and again as it is, until its fate is known or ctx ends.
func (d *Desk) submit(ctx context.Context, raw []byte) (TxFate, error) {
	taken := false // some attempt may have been
	for try := 0; ; try++ {
		a := d.chain.SubmitTxs(ctx, [][]byte{raw})[0]
		if a.Err == nil {
			return a.TxFate, nil
		}
		if fault.Is(a.Err, fault.Timeout) {
			taken = true
		} else if !taken && final(a.Err) {
			return TxFate{}, a.Err
		} else if !taken && lapsed(a.Err) {
			return TxFate{}, notDone(a.Err)
		}
		if pause(ctx, try) != nil {
			if taken {
				return TxFate{}, errUnknown()
			}
			return TxFate{}, notDone(a.Err)
		}
		d.metrics.resent.Inc()
	}
}
