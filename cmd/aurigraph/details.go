// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// details are what a transaction asks for, in order, as people read them.
type details []detail

type detail struct {
	name  string
	value any
}

func (d *details) add(name string, value any) { *d = append(*d, detail{name, value}) }

// MarshalJSON writes an object, in order.
func (d details) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, f := range d {
		if i > 0 {
			b.WriteByte(',')
		}
		for j, v := range []any{f.name, f.value} {
			text, err := json.Marshal(v)
			if err != nil {
				return nil, err
			}
			if j > 0 {
				b.WriteByte(':')
			}
			b.Write(text)
		}
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// money adds an amount of an asset, in its scale.
func (s *session) money(ctx context.Context, d *details, no chain.AssetNo, amount chain.Amount) error {
	asset, err := s.Asset(ctx, no)
	switch {
	case fault.Is(err, fault.NotFound):
		d.add("asset", no) // so it was refused for that
		d.add("amount", amount.String())
		return nil
	case err != nil:
		return err
	}
	d.add("asset", asset.Code)
	d.add("amount", amount.Decimal(asset.Scale))
	return nil
}

// reference adds a reference: as text where it is text, else as hex.
func (d *details) reference(r [32]byte) {
	if r == ([32]byte{}) {
		return
	}
	d.add("reference", referenceText(r))
}

func referenceText(r [32]byte) string {
	text := strings.TrimRight(string(r[:]), "\x00")
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(c rune) bool { return !unicode.IsPrint(c) }) {
		return hex.EncodeToString(r[:])
	}
	return text
}

var legNames = map[chain.LegKind]string{
	chain.LegTransfer: "transfer", chain.LegHold: "hold", chain.LegPost: "post", chain.LegVoid: "void",
	chain.LegIssue: "issue", chain.LegRedeem: "redeem", chain.LegRefused: "refused", chain.LegOpened: "opened", chain.LegAsset: "asset", chain.LegRound: "round",
	chain.LegBarrier: "barrier", chain.LegOrigin: "origin", chain.LegOpen: "open", chain.LegChunk: "chunk", chain.LegNoted: "noted",
}

func positionText(p chain.SyncPosition) string { return fmt.Sprintf("%d.%d", p.Major, p.Minor) }

func (s *session) legDetails(ctx context.Context, l chain.Leg) (d details, err error) {
	d.add("does", legNames[l.Kind])
	d.add("from", l.From)
	d.add("to", l.To)
	err = s.money(ctx, &d, l.Asset, l.Amount)
	switch l.Kind {
	case chain.LegHold:
		d.add("blocks", l.Arg)
		d.reference(l.Reference)
	case chain.LegPost, chain.LegVoid:
		d.add("hold", chain.Hash(l.Reference).String())
	default:
		d.reference(l.Reference)
	}
	return d, err
}

func (s *session) txDetails(ctx context.Context, tx *chain.SignedTx) (d details, err error) {
	d.add("sender", tx.Sender)
	d.add("nonce", tx.Nonce)
	d.add("valid_until", tx.ValidUntil)
	switch b := tx.Body.(type) {
	case *chain.Transfer:
		d.add("to", b.To)
		err = s.money(ctx, &d, b.Asset, b.Amount)
		d.reference(b.Reference)
	case *chain.Hold:
		d.add("to", b.To)
		err = s.money(ctx, &d, b.Asset, b.Amount)
		d.add("blocks", b.Blocks)
		d.reference(b.Reference)
	case *chain.Post:
		d.add("hold", b.Hold.String())
		d.add("units", b.Amount.String())
	case *chain.Void:
		d.add("hold", b.Hold.String())
	case *chain.Issue:
		d.add("to", b.To)
		err = s.money(ctx, &d, b.Asset, b.Amount)
		d.reference(b.Reference)
	case *chain.Redeem:
		err = s.money(ctx, &d, b.Asset, b.Amount)
		d.reference(b.Reference)
	default:
		d.rest(b)
	}
	return d, err
}

// rest adds what moves no money.
func (d *details) rest(body chain.Body) {
	switch b := body.(type) {
	case *chain.CreateAsset:
		d.add("code", b.Code)
		d.add("name", b.Name)
		d.add("scale", b.Scale)
	case *chain.OpenAccount:
		if !b.Address.IsZero() {
			d.add("address", b.Address.String())
			d.add("slot", b.Slot)
		}
		if len(b.PublicKey) > 0 {
			d.add("public_key", hex.EncodeToString(b.PublicKey))
		}
	case *chain.OpenAccounts:
		d.add("count", b.Count)
	case *chain.Freeze:
		d.add("account", b.Account)
		d.add("asset", b.Asset)
		d.add("frozen", b.Frozen)
	case *chain.RegisterInstitution:
		d.add("name", b.Name)
		d.add("public_key", hex.EncodeToString(b.PublicKey))
	case *chain.AddKey:
		d.add("account", b.Account)
		d.add("public_key", hex.EncodeToString(b.PublicKey))
	case *chain.AddDelegate:
		d.add("public_key", hex.EncodeToString(b.PublicKey))
	case *chain.RevokeKey:
		d.add("key", b.Key)
	case *chain.ChangeValidator:
		d.add("epoch", b.Epoch)
		d.add("validator", b.Validator)
		d.add("removed", b.Removes())
		d.add("name", b.Name)
		d.add("ed25519", hex.EncodeToString(b.Ed25519))
		d.add("approvals", len(b.Approvals))
	case *chain.OpenInbox:
		d.add("ledger", b.Ledger.String())
		d.add("incarnation", hex.EncodeToString(b.Incarnation[:]))
		d.add("life", b.Life)
		d.add("institution", b.Institution)
		d.add("key", b.Key)
		d.add("position", positionText(b.Position))
	case *chain.SkipSync:
		d.add("life", b.Life)
		d.add("position", positionText(b.Position))
		d.add("slot", b.Slot)
		d.add("reason", b.Reason.String())
	case *chain.FreezeSlot:
		d.add("slot", b.Slot)
		d.add("frozen", b.Frozen)
	case *chain.SetMover:
		d.add("mover", b.Mover)
		d.add("guard", hex.EncodeToString(b.Guard[:]))
	case *chain.MoveSlots:
		d.add("to_v11", b.ToV11)
		d.add("home_version", b.HomeVersion)
		d.add("slots", b.Slots)
		d.add("position", positionText(b.Position))
	case *chain.AbortMove:
		d.add("home_version", b.HomeVersion)
		d.add("slots", b.Slots)
	case *chain.CloseMigration:
		d.add("home_version", b.HomeVersion)
		d.add("life", b.Life)
		d.add("position", positionText(b.Position))
	}
}
