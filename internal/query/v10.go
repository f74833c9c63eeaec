// SPDX-License-Identifier: Apache-2.0

package query

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/imported"
)

// Imported is V10's history before the copy that V11 began with. An imported.Reader is one.
type Imported interface {
	// ByID finds a transaction by V10's id, or NotFound.
	ByID(ctx context.Context, round uint64, place uint32) (imported.Row, error)
	// List lists rows below a number, newest first, as imported.Reader does; NotFound where nothing was copied.
	List(ctx context.Context, account chain.AccountNo, asset chain.AssetNo, before uint64, limit int) (rows []imported.Row, next uint64, err error)
	// Round finds one of V10's rounds, or NotFound.
	Round(ctx context.Context, number uint64) (imported.Round, error)
}

// V10Transfer finds what V10 made by V10's id: what came by sync, or what V10 made before the copy, which has no place on the chain, so
// Height is 0. The time in an id is the caller's to compare, with Origin.Ms. Unavailable, reason no_index: it may be here, but only an
// index would know where.
func (q *Query) V10Transfer(ctx context.Context, round uint64, place uint32) (*Transfer, error) {
	if q.index != nil {
		t, err := q.index.ByOrigin(ctx, round, place)
		if err == nil {
			return &t, nil
		}
		if !fault.Is(err, fault.NotFound) {
			return nil, err
		}
	}
	if q.imported != nil {
		r, err := q.imported.ByID(ctx, round, place)
		if err == nil {
			t := TransferOf(&r)
			return &t, nil
		}
		if !fault.Is(err, fault.NotFound) {
			return nil, err
		}
	}
	if q.index == nil {
		return nil, errNoIndex()
	}
	return nil, fault.New(fault.NotFound, "V10 made nothing at place %d of round %d that is known here", place, round)
}

// importedKinds are the words of an imported row's kind.
var importedKinds = map[imported.Kind]string{
	imported.Transfer: history.KindTransfer, imported.Issue: history.KindIssue, imported.Redeem: history.KindRedeem,
	imported.OpenAccount: history.KindOpenAccount, imported.CreateAsset: history.KindCreateAsset,
}

// TransferOf is a row of V10's history as lists show it. It has no id and no place on the chain; its time is V10's.
func TransferOf(r *imported.Row) Transfer {
	t := Transfer{
		From: r.Payer, To: r.Payee, Asset: r.Asset, Amount: r.Amount, Kind: history.KindUnknown, Outcome: r.Outcome, TimeUs: r.Ms * 1000,
		Origin: history.Origin{Ms: r.Ms, Round: r.Round, Place: r.Place},
	}
	if word, ok := importedKinds[r.Kind]; ok {
		t.Kind = word
	}
	return t
}
