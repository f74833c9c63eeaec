// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"errors"
	"unicode/utf8"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

func malformed(format string, args ...any) error {
	return fault.Reasoned(fault.Invalid, ReasonMalformed, format, args...)
}

// unless returns the text as a malformed record unless ok.
func unless(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return malformed(format, args...)
}

func checkText(what, s string, bytesMax int) error {
	return unless(len(s) <= bytesMax && utf8.ValidString(s), "%s has at most %d bytes of UTF-8", what, bytesMax)
}

// named puts the reason of a record over that of the dialect, so that a record is counted as one.
func named(err error) error {
	if err == nil {
		return nil
	}
	return &fault.Error{Kind: fault.Invalid, Reason: ReasonMalformed, Text: "a record does not keep V10's bounds", Cause: err}
}

func (r *Request) check() error {
	if r == nil {
		return nil
	}
	return errors.Join(
		unless(!r.Key.IsZero(), "a request has a key"),
		checkText("caller", r.Caller, CallerBytesMax),
		checkText("request id", r.ID, IDBytesMax))
}

func checkOutcome(o chain.Outcome) error {
	if o.Known() {
		return nil
	}
	return fault.Reasoned(fault.Unavailable, ReasonUnknownSchema, "a record with outcome %d, which this program does not know: upgrade it", o)
}

func (d *Deed) deed() *Deed { return d }

func (d *Deed) check() error {
	if place := d.ID.Place(); place >= v10.PlacesPerBlockMax || v10.TxIDAt(d.ID.Ms, d.ID.Height, place) != d.ID {
		return malformed("place %d.%d: a block has %d", d.ID.Batch, d.ID.Item, v10.PlacesPerBlockMax)
	}
	if err := checkOutcome(d.Outcome); err != nil {
		return err
	}
	return d.Request.check()
}

func (t *Transfer) check() error {
	return errors.Join(t.Deed.check(), named(v10.CheckName("from", t.From)), named(v10.CheckName("to", t.To)), named(v10.CheckCode("asset", t.Asset)))
}

func (a *AccountOpened) check() error {
	return errors.Join(a.Deed.check(), named(v10.CheckName("alias", a.Alias)))
}

func (a *AssetCreated) check() error {
	return errors.Join(a.Deed.check(), named(v10.CheckCode("code", a.Code)), named(v10.CheckName("issuer", a.Issuer)),
		checkText("name", a.Name, chain.NameBytesMax), unless(a.Scale <= chain.ScaleMax, "scale %d, at most %d", a.Scale, chain.ScaleMax))
}

func (i *Issued) check() error {
	return errors.Join(i.Deed.check(), named(v10.CheckCode("asset", i.Asset)), named(v10.CheckName("issuer", i.Issuer)), named(v10.CheckName("to", i.To)))
}

func (r *Redeemed) check() error {
	return errors.Join(r.Deed.check(), named(v10.CheckCode("asset", r.Asset)), named(v10.CheckName("issuer", r.Issuer)))
}

func (r *Refusal) check() error {
	if err := checkOutcome(r.Outcome); err != nil {
		return err
	}
	return errors.Join(r.Request.check(), checkText("reason", r.Reason, ReasonBytesMax),
		unless(r.Outcome != chain.OK, "outcome %d is no refusal", r.Outcome))
}

func (r *Round) check() error {
	if len(r.Votes) > VotesMax {
		return malformed("%d votes, at most %d", len(r.Votes), VotesMax)
	}
	err := checkText("leader", r.Leader, v10.NameBytesMax)
	for _, vote := range r.Votes {
		err = errors.Join(err, checkText("vote", vote, v10.NameBytesMax))
	}
	return err
}

func (b *Block) check() error {
	for i := 1; i < len(b.Signers); i++ {
		if b.Signers[i-1] >= b.Signers[i] {
			return malformed("signers of a block ascend")
		}
	}
	return unless(len(b.Signers) <= VotesMax, "%d signers, at most %d", len(b.Signers), VotesMax)
}

func (b *Barrier) check() error {
	return unless(b.Generation > 0, "generations count from 1")
}

func (*Heartbeat) check() error { return nil }
