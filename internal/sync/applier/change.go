// SPDX-License-Identifier: Apache-2.0

package applier

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// Known is what is known of V10's names and codes, for as long as a session runs. A name that is not there was not asked for.
type Known struct {
	AliasKey *keys.AliasKey
	Accounts map[string]chain.AccountNo // 0: nobody has the name
	Assets   map[string]chain.AssetNo   // 0: there is none
	// Refused says why a name's account or a code's asset could not be made: the record that needs it is held with that outcome.
	RefusedAccounts map[string]chain.Outcome
	RefusedAssets   map[string]chain.Outcome
}

// Stop is a change that cannot be made as it is.
type Stop struct {
	Outcome chain.Outcome
	Text    string // names nothing of V10's
}

// made is what a record becomes. Neither a leg nor a stop: it changes nothing here and is passed over.
type made struct {
	legs []chain.Leg
	stop *Stop
}

func stopped(o chain.Outcome, text string) made { return made{stop: &Stop{o, text}} }

// changeOf makes the two legs of a record whose names are known.
func changeOf(r *envelope.Record, k *Known) made {
	if r.HomeVersion == 0 {
		return stopped(chain.BadOrigin, "the record does not say under which home table V10 executed it")
	}
	origin := chain.SyncOrigin{Position: chain.SyncPosition(r.Position), Tag: chain.Hash(r.Tag)}
	m := made{}
	switch c := r.Change.(type) {
	case *envelope.Transfer:
		m = paymentOf(&origin, c, k)
	case *envelope.AccountOpened:
		m = deedOf(&origin, &c.Deed, func() made { return openedOf(c, k) })
	case *envelope.AssetCreated:
		m = deedOf(&origin, &c.Deed, func() made { return assetOf(c, k) })
	case *envelope.Issued:
		m = deedOf(&origin, &c.Deed, func() made { return issueOf(c, k) })
	case *envelope.Redeemed:
		m = deedOf(&origin, &c.Deed, func() made { return redeemOf(c, k) })
	case *envelope.Refusal:
		origin.TimeMs = c.TimeMs
		m = refusalOf(&origin, c.Outcome, &c.Request, chain.Leg{})
	case *envelope.Round:
		origin.TimeMs, origin.Height = c.TimeMs, c.Number
		m = one(chain.Leg{Kind: chain.LegRound, Amount: chain.Units(c.Number), Reference: c.Hash})
	case *envelope.Barrier:
		origin.TimeMs = c.TimeMs
		m = one(chain.Leg{Kind: chain.LegBarrier, Amount: chain.Units(c.Generation)})
	default:
		return stopped(chain.BadKind, "V10 does not make changes of this kind")
	}
	if len(m.legs) > 0 {
		m.legs = append(m.legs, origin.Leg())
	}
	return m
}

func one(l chain.Leg) made { return made{legs: []chain.Leg{l}} }

// deedOf fills in where V10 executed an order. One that it refused is noted as a refusal, whatever it asked for.
func deedOf(o *chain.SyncOrigin, d *envelope.Deed, executed func() made) made {
	o.TimeMs, o.Height, o.Place, o.Outcome = d.ID.Ms, uint64(d.ID.Height), d.ID.Place(), d.Outcome
	if d.Outcome == chain.OK {
		return executed()
	}
	return refusalOf(o, d.Outcome, d.Request, chain.Leg{})
}

// paymentOf is a payment, executed or refused. One that was refused names whom this ledger knows.
func paymentOf(o *chain.SyncOrigin, c *envelope.Transfer, k *Known) made {
	if c.Outcome == chain.OK {
		return deedOf(o, &c.Deed, func() made { return transferOf(c, k) })
	}
	o.TimeMs, o.Height, o.Place = c.ID.Ms, uint64(c.ID.Height), c.ID.Place()
	return refusalOf(o, c.Outcome, c.Request, chain.Leg{From: k.Accounts[c.From], To: k.Accounts[c.To], Asset: k.Assets[c.Asset], Amount: c.Amount})
}

// refusalOf is a refusal of what a leg says, under the key of its request. What V10 sent to its home, and what it answered as a repeat,
// was no last word of it.
func refusalOf(o *chain.SyncOrigin, outcome chain.Outcome, r *envelope.Request, l chain.Leg) made {
	if outcome == chain.NotHome || outcome == chain.Duplicate {
		return made{}
	}
	o.Outcome, l.Kind = outcome, chain.LegRefused
	sign(&l, r)
	return one(l)
}

// sign puts a request's key and what it asked for into a leg.
func sign(l *chain.Leg, r *envelope.Request) {
	if r != nil {
		l.Arg, l.Reference = chain.LegKeyed, chain.KeyedReference(r.Key, r.Body)
	}
}

func transferOf(c *envelope.Transfer, k *Known) made {
	if !c.Fee.IsZero() {
		return stopped(chain.Diverged, "V10 charged a fee, which this ledger does not have")
	}
	if s := k.refusal([]string{c.From, c.To}, []string{c.Asset}); s != nil {
		return made{stop: s}
	}
	l := chain.Leg{Kind: chain.LegTransfer, From: k.Accounts[c.From], To: k.Accounts[c.To], Asset: k.Assets[c.Asset], Amount: c.Amount, Reference: c.Reference}
	sign(&l, c.Request)
	return one(l)
}

func openedOf(c *envelope.AccountOpened, k *Known) made {
	if s := k.refusal([]string{c.Alias}, nil); s != nil {
		return made{stop: s}
	}
	return one(chain.Leg{Kind: chain.LegOpened, Reference: k.AliasKey.Tag(c.Alias)})
}

func assetOf(c *envelope.AssetCreated, k *Known) made {
	if s := k.refusal([]string{c.Issuer}, []string{c.Code}); s != nil {
		return made{stop: s}
	}
	return one(chain.Leg{Kind: chain.LegAsset, From: k.Accounts[c.Issuer], Asset: k.Assets[c.Code], Arg: uint32(c.Scale)})
}

func issueOf(c *envelope.Issued, k *Known) made {
	if s := k.refusal([]string{c.Issuer, c.To}, []string{c.Asset}); s != nil {
		return made{stop: s}
	}
	return one(chain.Leg{Kind: chain.LegIssue, From: k.Accounts[c.Issuer], To: k.Accounts[c.To], Asset: k.Assets[c.Asset], Amount: c.Amount, Reference: c.Reference})
}

func redeemOf(c *envelope.Redeemed, k *Known) made {
	if s := k.refusal([]string{c.Issuer}, []string{c.Asset}); s != nil {
		return made{stop: s}
	}
	return one(chain.Leg{Kind: chain.LegRedeem, From: k.Accounts[c.Issuer], Asset: k.Assets[c.Asset], Amount: c.Amount, Reference: c.Reference})
}

// refusal says which account or asset of a record is not here, nil: all are.
func (k *Known) refusal(names, codes []string) *Stop {
	for _, name := range names {
		if k.Accounts[name] == 0 {
			return &Stop{otherwise(k.RefusedAccounts[name], chain.UnknownAccount), "an account of the record cannot be opened here"}
		}
	}
	for _, code := range codes {
		if k.Assets[code] == 0 {
			return &Stop{otherwise(k.RefusedAssets[code], chain.UnknownAsset), "the record's asset is not here and cannot be made"}
		}
	}
	return nil
}

func otherwise(o, instead chain.Outcome) chain.Outcome {
	if o == chain.OK {
		return instead
	}
	return o
}
