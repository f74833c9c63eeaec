// SPDX-License-Identifier: Apache-2.0

package applier

import (
	"cmp"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// Need is what has to be known or made before records can be sent. Each step may bring forth the next; empty: none is left.
type Need struct {
	Names  []string // to be looked up
	Codes  []string // to be looked up
	Open   []string // accounts to be opened, in V10's order
	Create []*envelope.AssetCreated
}

// Empty reports whether nothing is needed.
func (n *Need) Empty() bool { return len(n.Names)+len(n.Codes)+len(n.Open)+len(n.Create) == 0 }

// NeedOf lists what records need beyond what is known: every account that an executed change names, opened if nobody has it, as V10
// opens who is paid; and every asset that V10 made. Who is named by what V10 refused is looked up only. Looking up comes before making.
func NeedOf(records []*envelope.Record, k *Known) Need {
	w := need{known: k, looked: map[string]bool{}, opened: map[string]bool{}, lookedCodes: map[string]bool{}}
	for _, r := range records {
		switch c := r.Change.(type) {
		case *envelope.Transfer:
			w.names(&c.Deed, c.From, c.To)
			w.code(c.Asset)
		case *envelope.AccountOpened:
			w.names(&c.Deed, c.Alias)
		case *envelope.Issued:
			w.names(&c.Deed, c.Issuer, c.To)
			w.code(c.Asset)
		case *envelope.Redeemed:
			w.names(&c.Deed, c.Issuer)
			w.code(c.Asset)
		case *envelope.AssetCreated:
			w.names(&c.Deed, c.Issuer)
			w.code(c.Code)
			w.create(c)
		}
	}
	if len(w.Names)+len(w.Codes) > 0 {
		w.Open, w.Create = nil, nil
	}
	return w.Need
}

type need struct {
	Need
	known                       *Known
	looked, opened, lookedCodes map[string]bool
}

// names asks for accounts; only who executed something has them opened.
func (w *need) names(d *envelope.Deed, names ...string) {
	for _, name := range names {
		no, asked := w.known.Accounts[name]
		_, refused := w.known.RefusedAccounts[name]
		switch {
		case !asked && !w.looked[name]:
			w.looked[name], w.Names = true, append(w.Names, name)
		case asked && no == 0 && !refused && !w.opened[name] && d.Outcome == chain.OK:
			w.opened[name], w.Open = true, append(w.Open, name)
		}
	}
}

func (w *need) code(code string) {
	if _, asked := w.known.Assets[code]; !asked && !w.lookedCodes[code] {
		w.lookedCodes[code], w.Codes = true, append(w.Codes, code)
	}
}

// create asks for an asset once its issuer is there.
func (w *need) create(c *envelope.AssetCreated) {
	no, asked := w.known.Assets[c.Code]
	_, refused := w.known.RefusedAssets[c.Code]
	if c.Outcome == chain.OK && asked && no == 0 && !refused && w.known.Accounts[c.Issuer] != 0 {
		w.Create = append(w.Create, c)
	}
}

// Batch is what goes out together.
type Batch struct {
	Legs        []chain.Leg
	Records     []*envelope.Record // SyncRecordLegs legs each
	HomeVersion uint64
}

// Last is the position of the batch's last change.
func (b *Batch) Last() chain.SyncPosition {
	return chain.SyncPosition(b.Records[len(b.Records)-1].Position)
}

// Cut takes records from the front for one batch, up to most, a change of the home table, or one that cannot be made, which is
// then records[taken] and stop says why. What changes nothing here is taken and not sent.
func Cut(records []*envelope.Record, k *Known, most int) (b Batch, taken int, stop *Stop) {
	most = min(cmp.Or(most, chain.SyncRecordsMax), chain.SyncRecordsMax)
	for ; taken < len(records) && len(b.Records) < most; taken++ {
		r := records[taken]
		if len(b.Records) > 0 && r.HomeVersion != b.HomeVersion {
			break
		}
		m := changeOf(r, k)
		if m.stop != nil {
			return b, taken, m.stop
		}
		if len(m.legs) > 0 {
			b.Legs, b.Records, b.HomeVersion = append(b.Legs, m.legs...), append(b.Records, r), r.HomeVersion
		}
	}
	return b, taken, nil
}
