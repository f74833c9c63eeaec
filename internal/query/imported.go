// SPDX-License-Identifier: Apache-2.0

package query

import (
	"context"
	"encoding/base64"
	"math"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/imported"
)

// ofImported says that a cursor goes on in V10's history before the copy.
const ofImported = 'i'

// importedLook is how many rows are looked at for a page at once: its filter may want few of them.
const importedLook = 256

// OfImported reports whether a cursor that a list gave goes on in V10's history before the copy.
func OfImported(cursor string) bool {
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	return err == nil && len(raw) == cursorBytes && raw[0] == ofImported
}

// StartOfImported is the cursor of the newest of V10's rows before the copy, in a list of an account and an asset (0: any).
func StartOfImported(account chain.AccountNo, asset chain.AssetNo) string {
	return place{list: ofImported, a: uint32(account), b: uint32(asset), before: math.MaxInt64}.cursor()
}

// FindTransfers lists transfers that pass a filter, newest first: those of this ledger, and behind them what V10 made before the copy, if
// that is kept here. A page may be short, or empty, although there is more.
func (q *Query) FindTransfers(ctx context.Context, f TransferFilter, limit int, cursor string) (Page[Transfer], error) {
	if OfImported(cursor) {
		return q.findImported(ctx, f, limit, cursor)
	}
	page, err := q.findOwn(ctx, f, limit, cursor)
	if err != nil {
		return Page[Transfer]{}, err
	}
	return q.Behind(ctx, f, limit, page)
}

// Behind puts V10's history before the copy behind a page that the same filter and limit gave, if that was the last one.
func (q *Query) Behind(ctx context.Context, f TransferFilter, limit int, page Page[Transfer]) (Page[Transfer], error) {
	if page.Next != "" || q.imported == nil {
		return page, nil
	}
	room := limit - len(page.Items)
	old, err := q.findImported(ctx, f, max(room, 1), "")
	if err != nil {
		return Page[Transfer]{}, err
	}
	if room > 0 {
		page.Items, page.Next = append(page.Items, old.Items...), old.Next
	} else if len(old.Items) > 0 || old.Next != "" {
		page.Next = StartOfImported(f.Account, f.Asset)
	}
	return page, nil
}

// findImported lists what V10 made before the copy. Where nothing was copied the list is empty.
func (q *Query) findImported(ctx context.Context, f TransferFilter, limit int, cursor string) (p Page[Transfer], err error) {
	at, err := place{list: ofImported, a: uint32(f.Account), b: uint32(f.Asset)}.goOn(cursor, limit)
	if err != nil || q.imported == nil {
		return p, err
	}
	for range findPagesMax {
		rows, next, err := q.imported.List(ctx, f.Account, f.Asset, at.before, max(limit, importedLook))
		if fault.Is(err, fault.NotFound) {
			return p, nil
		}
		if err != nil {
			return Page[Transfer]{}, err
		}
		at.before = f.takeImported(rows, next, limit, &p)
		if at.before == 0 || len(p.Items) == limit {
			break
		}
	}
	p.Next = at.cursor()
	return p, nil
}

// takeImported takes what is wanted of rows, and says before which row to go on, 0 at the end.
func (f *TransferFilter) takeImported(rows []imported.Row, next uint64, limit int, p *Page[Transfer]) (before uint64) {
	for i := range rows {
		t := TransferOf(&rows[i])
		if t.TimeUs < f.SinceUs {
			return 0
		}
		if !f.wants(&t) {
			continue
		}
		p.Items = append(p.Items, t)
		if len(p.Items) < limit {
			continue
		}
		if before = rows[i].Seq; before == 1 || i == len(rows)-1 && next == 0 {
			before = 0 // none is older
		}
		return before
	}
	return next
}

// V10Round finds one of V10's rounds of before the copy. NotFound: there is none of this number, or nothing was copied.
func (q *Query) V10Round(ctx context.Context, number uint64) (*imported.Round, error) {
	if q.imported == nil {
		return nil, fault.New(fault.NotFound, "no history of V10 is kept here")
	}
	r, err := q.imported.Round(ctx, number)
	if err != nil {
		return nil, err
	}
	return &r, nil
}
