// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"bytes"
	"encoding/binary"
	"math"

	syncv1 "github.com/aurigraph/aurigraph/gen/aurigraph/sync/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

func toWire(r *Record) *syncv1.Body {
	b := &syncv1.Body{
		Schema: Schema(), Ledger: r.Ledger[:], Origin: syncv1.Origin(r.Origin), Incarnation: r.Incarnation[:], Life: r.Life,
		Position: positionToWire(r.Position), Previous: positionToWire(r.Previous), PreviousTag: nonzero(r.PreviousTag),
		Since: r.Since, End: r.End, HomeVersion: r.HomeVersion,
	}
	switch c := r.Change.(type) {
	case *Transfer:
		b.Change = &syncv1.Body_Transfer{Transfer: &syncv1.Transfer{Deed: deedToWire(&c.Deed), From: c.From, To: c.To, Asset: c.Asset,
			Amount: amountToWire(c.Amount), Fee: amountToWire(c.Fee), Reference: nonzero(c.Reference)}}
	case *AccountOpened:
		b.Change = &syncv1.Body_AccountOpened{AccountOpened: &syncv1.AccountOpened{Deed: deedToWire(&c.Deed), Alias: c.Alias}}
	case *AssetCreated:
		b.Change = &syncv1.Body_AssetCreated{AssetCreated: &syncv1.AssetCreated{Deed: deedToWire(&c.Deed), Code: c.Code, Name: c.Name,
			Scale: uint32(c.Scale), Issuer: c.Issuer}}
	case *Issued:
		b.Change = &syncv1.Body_Issued{Issued: &syncv1.Issued{Deed: deedToWire(&c.Deed), Asset: c.Asset, Issuer: c.Issuer, To: c.To,
			Amount: amountToWire(c.Amount), Reference: nonzero(c.Reference)}}
	case *Redeemed:
		b.Change = &syncv1.Body_Redeemed{Redeemed: &syncv1.Redeemed{Deed: deedToWire(&c.Deed), Asset: c.Asset, Issuer: c.Issuer,
			Amount: amountToWire(c.Amount), Reference: nonzero(c.Reference)}}
	case *Refusal:
		b.Change = &syncv1.Body_Refusal{Refusal: &syncv1.Refusal{TimeMs: c.TimeMs, Request: requestToWire(&c.Request),
			Outcome: uint32(c.Outcome), Reason: c.Reason}}
	case *Round:
		b.Change = &syncv1.Body_Round{Round: &syncv1.Round{Number: c.Number, TimeMs: c.TimeMs, Leader: c.Leader, Votes: c.Votes,
			Hash: c.Hash[:], Previous: c.Previous[:], Transactions: c.Transactions}}
	case *Block:
		b.Change = &syncv1.Body_Block{Block: blockToWire(c)}
	case *Barrier:
		b.Change = &syncv1.Body_Barrier{Barrier: &syncv1.Barrier{Generation: c.Generation, TimeMs: c.TimeMs}}
	case *Heartbeat:
		b.Change = &syncv1.Body_Heartbeat{Heartbeat: &syncv1.Heartbeat{TimeMs: c.TimeMs}}
	}
	return b
}

func fromWire(b *syncv1.Body) (*Record, error) {
	d := &decoder{}
	r := &Record{
		Source: Source{Origin: Origin(uint8(min(max(b.Origin, 0), math.MaxUint8))), Life: b.Life},
		Since:  b.Since, End: b.End, HomeVersion: b.HomeVersion,
		Position: positionFromWire(b.Position), Previous: positionFromWire(b.Previous),
	}
	d.bytes(r.Ledger[:], b.Ledger, "ledger")
	d.bytes(r.Incarnation[:], b.Incarnation, "incarnation")
	d.optional(r.PreviousTag[:], b.PreviousTag, "previous tag")
	r.Change = d.change(b)
	return r, d.err
}

// decoder collects the first thing that is wrong.
type decoder struct{ err error }

func (d *decoder) fail(format string, args ...any) {
	if d.err == nil {
		d.err = malformed(format, args...)
	}
}

func (d *decoder) change(b *syncv1.Body) Change {
	switch c := b.Change.(type) {
	case *syncv1.Body_Transfer:
		t := &Transfer{Deed: d.deed(c.Transfer.GetDeed()), From: c.Transfer.GetFrom(), To: c.Transfer.GetTo(), Asset: c.Transfer.GetAsset(),
			Amount: d.amount(c.Transfer.GetAmount()), Fee: d.amount(c.Transfer.GetFee())}
		d.optional(t.Reference[:], c.Transfer.GetReference(), "reference")
		return t
	case *syncv1.Body_AccountOpened:
		return &AccountOpened{Deed: d.deed(c.AccountOpened.GetDeed()), Alias: c.AccountOpened.GetAlias()}
	case *syncv1.Body_AssetCreated:
		a := c.AssetCreated
		return &AssetCreated{Deed: d.deed(a.GetDeed()), Code: a.GetCode(), Name: a.GetName(), Scale: uint8(min(a.GetScale(), math.MaxUint8)), Issuer: a.GetIssuer()}
	case *syncv1.Body_Issued:
		i := &Issued{Deed: d.deed(c.Issued.GetDeed()), Asset: c.Issued.GetAsset(), Issuer: c.Issued.GetIssuer(), To: c.Issued.GetTo(), Amount: d.amount(c.Issued.GetAmount())}
		d.optional(i.Reference[:], c.Issued.GetReference(), "reference")
		return i
	case *syncv1.Body_Redeemed:
		r := &Redeemed{Deed: d.deed(c.Redeemed.GetDeed()), Asset: c.Redeemed.GetAsset(), Issuer: c.Redeemed.GetIssuer(), Amount: d.amount(c.Redeemed.GetAmount())}
		d.optional(r.Reference[:], c.Redeemed.GetReference(), "reference")
		return r
	case *syncv1.Body_Refusal:
		return &Refusal{TimeMs: c.Refusal.GetTimeMs(), Request: d.request(c.Refusal.GetRequest()), Outcome: outcome(c.Refusal.GetOutcome()), Reason: c.Refusal.GetReason()}
	case *syncv1.Body_Round:
		r := &Round{Number: c.Round.GetNumber(), TimeMs: c.Round.GetTimeMs(), Leader: c.Round.GetLeader(), Votes: c.Round.GetVotes(), Transactions: c.Round.GetTransactions()}
		d.bytes(r.Hash[:], c.Round.GetHash(), "hash")
		d.bytes(r.Previous[:], c.Round.GetPrevious(), "previous hash")
		return r
	case *syncv1.Body_Block:
		return d.block(c.Block)
	case *syncv1.Body_Barrier:
		return &Barrier{Generation: c.Barrier.GetGeneration(), TimeMs: c.Barrier.GetTimeMs()}
	case *syncv1.Body_Heartbeat:
		return &Heartbeat{TimeMs: c.Heartbeat.GetTimeMs()}
	}
	d.fail("a record without a change")
	return nil
}

func positionToWire(p Position) *syncv1.Position {
	return &syncv1.Position{Major: p.Major, Minor: p.Minor}
}

func positionFromWire(p *syncv1.Position) Position {
	return Position{Major: p.GetMajor(), Minor: p.GetMinor()}
}

// nonzero is the bytes of b, none if all are zero: there is one way to write each value.
func nonzero[T ~[32]byte](b T) []byte {
	if b == (T{}) {
		return nil
	}
	return b[:]
}

func amountToWire(a chain.Amount) []byte {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:], a.Hi)
	binary.BigEndian.PutUint64(b[8:], a.Lo)
	return bytes.TrimLeft(b[:], "\x00")
}

func deedToWire(d *Deed) *syncv1.Deed {
	out := &syncv1.Deed{TimeMs: d.ID.Ms, Height: uint64(d.ID.Height), Place: d.ID.Place(), Outcome: uint32(d.Outcome)}
	if d.Request != nil {
		out.Request = requestToWire(d.Request)
	}
	return out
}

func requestToWire(r *Request) *syncv1.Request {
	return &syncv1.Request{Key: r.Key[:], Body: r.Body[:], Caller: r.Caller, Id: r.ID}
}

func blockToWire(b *Block) *syncv1.Block {
	out := &syncv1.Block{Height: uint64(b.Height), TimeMs: b.TimeMs, Hash: b.Hash[:], Previous: b.Previous[:], Transactions: b.Transactions}
	for _, s := range b.Signers {
		out.Signers = append(out.Signers, uint32(s))
	}
	return out
}

// bytes fills dst, which must have just that size.
func (d *decoder) bytes(dst, src []byte, what string) {
	if len(dst) != len(src) {
		d.fail("%s has %d bytes, not %d", what, len(src), len(dst))
		return
	}
	copy(dst, src)
}

// optional is bytes for what is left out where all are zero.
func (d *decoder) optional(dst, src []byte, what string) {
	if len(src) == 0 {
		return
	}
	d.bytes(dst, src, what)
	if len(bytes.TrimLeft(src, "\x00")) == 0 {
		d.fail("%s is written although it is zero", what)
	}
}

func (d *decoder) amount(src []byte) chain.Amount {
	if len(src) > 16 || len(src) > 0 && src[0] == 0 {
		d.fail("an amount has at most 16 bytes and no leading zeros")
		return chain.Amount{}
	}
	var b [16]byte
	copy(b[16-len(src):], src)
	return chain.Amount{Hi: binary.BigEndian.Uint64(b[:]), Lo: binary.BigEndian.Uint64(b[8:])}
}

func (d *decoder) deed(in *syncv1.Deed) Deed {
	if in.GetPlace() >= v10.PlacesPerBlockMax {
		d.fail("place %d: a block has %d", in.GetPlace(), v10.PlacesPerBlockMax)
		return Deed{}
	}
	out := Deed{ID: v10.TxIDAt(in.GetTimeMs(), chain.Height(in.GetHeight()), in.GetPlace()), Outcome: outcome(in.GetOutcome())}
	if in.GetRequest() != nil {
		r := d.request(in.Request)
		out.Request = &r
	}
	return out
}

// outcome keeps what is no outcome one that is unknown.
func outcome(n uint32) chain.Outcome { return chain.Outcome(min(n, math.MaxUint8)) }

func (d *decoder) request(in *syncv1.Request) (out Request) {
	out.Caller, out.ID = in.GetCaller(), in.GetId()
	d.bytes(out.Key[:], in.GetKey(), "key")
	d.bytes(out.Body[:], in.GetBody(), "request body")
	return out
}

func (d *decoder) block(in *syncv1.Block) *Block {
	out := &Block{Height: chain.Height(in.GetHeight()), TimeMs: in.GetTimeMs(), Transactions: in.GetTransactions()}
	d.bytes(out.Hash[:], in.GetHash(), "hash")
	d.bytes(out.Previous[:], in.GetPrevious(), "previous hash")
	for _, s := range in.GetSigners() {
		if s > math.MaxUint16 || len(out.Signers) == VotesMax {
			d.fail("signer %d of %d: a number of 16 bits, at most %d of them", s, len(in.GetSigners()), VotesMax)
			break
		}
		out.Signers = append(out.Signers, chain.ValidatorNo(s))
	}
	return out
}
