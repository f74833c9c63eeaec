// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"context"
	"strconv"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// lookingBack bounds the rows without a counterpart that a pairing remembers, to tell what was moved from what is missing. Beyond it a
// row that was moved is one that is missing and one too many.
const lookingBack = 4096

// stream is V10's rows in order.
type stream struct {
	batches
	batch *txBatch
	at    int
	bad   map[uint64]bool // rounds
	each  func(*Tx)       // called once for every row, in order
	count uint64
}

func newStream(b batches, each func(*Tx)) *stream {
	return &stream{batches: b, bad: map[uint64]bool{}, each: each}
}

// peek is the next row, nil at the end.
func (s *stream) peek(ctx context.Context) (*Tx, error) {
	for s.batch == nil || s.at == len(s.batch.rows) {
		if s.batch != nil {
			s.empty <- s.batch
			s.batch = nil
		}
		select {
		case batch, more := <-s.full:
			if !more {
				return nil, ctx.Err()
			}
			s.batch, s.at = batch, 0
			for _, round := range batch.bad {
				if len(s.bad) < lookingBack {
					s.bad[round] = true
				}
			}
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return &s.batch.rows[s.at], nil
}

func (s *stream) pop() *Tx {
	t := &s.batch.rows[s.at]
	s.at++
	s.count++
	s.each(t)
	return t
}

// place is where a row lies.
type place struct {
	round uint64
	place uint32
}

func placeOf(t *Tx) place { return place{t.Round, t.Place} }

// pairing walks two orders of the same transactions at once: V10's rows, and V11's. What is on either side only it remembers for a while,
// because it may come later on the other.
type pairing struct {
	v10    *stream
	finds  *Findings
	until  func(*Tx) bool          // it is to be on both sides
	wanted func(*Tx) bool          // a row of V10's that V11 is to have
	where  func(*Tx) string        // the table of V11's that is to have it
	there  func(*Tx) (bool, error) // V10 has a row at the place of this one, whatever is in it
	table  string                  // of a row of V10's
	unread func(y *Tx)             // is told what one of V10's rows is to be that cannot be read
	apply  bool                    // these are V11's own

	last    *Tx // of V11's
	lastRow Tx
	lacking map[place]lack // of V10's, without a row of V11's
	strays  map[place]lack // of V11's
	Pairs   uint64
}

// lack is a row that waits for its counterpart.
type lack struct {
	tx    Tx
	table string // of V11
}

// feed takes the next row of V11's, of a table, and is told the one behind it, nil: that is not known.
func (p *pairing) feed(ctx context.Context, y, next *Tx, table string) error {
	if !p.until(y) {
		return nil
	}
	if p.last != nil && !p.last.before(y) || p.early(y, next) {
		return p.stray(y, table)
	}
	x, err := p.v10.peek(ctx)
	for ; err == nil && x != nil && x.before(y); x, err = p.v10.peek(ctx) {
		if err := p.alone(p.v10.pop()); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	p.lastRow = *y
	p.last = &p.lastRow
	if x == nil || !x.at(y) {
		return p.stray(y, table)
	}
	p.compare(p.v10.pop(), y, table)
	return nil
}

// early reports whether a row of V11's stands before one that comes first, and would leave that out.
func (p *pairing) early(y, next *Tx) bool {
	return next != nil && next.before(y) && (p.last == nil || p.last.before(next))
}

// alone takes a row of V10's that V11 has not, so far.
func (p *pairing) alone(x *Tx) error {
	switch y, moved := p.strays[placeOf(x)]; {
	case moved:
		delete(p.strays, placeOf(x))
		p.moved(x, &y.tx, y.table)
		return nil
	case !p.until(x) || !p.wanted(x):
		return nil
	}
	if p.lacking == nil {
		p.lacking = map[place]lack{}
	}
	if len(p.lacking) >= lookingBack {
		p.lost(x)
		return nil
	}
	p.lacking[placeOf(x)] = lack{tx: *x}
	return nil
}

// stray takes a row of V11's that stands where V10 has none.
func (p *pairing) stray(y *Tx, table string) error {
	if x, moved := p.lacking[placeOf(y)]; moved {
		delete(p.lacking, placeOf(y))
		p.moved(&x.tx, y, table)
		return nil
	}
	if p.strays == nil {
		p.strays = map[place]lack{}
	}
	if _, again := p.strays[placeOf(y)]; again || len(p.strays) >= lookingBack {
		return p.left(y, table)
	}
	p.strays[placeOf(y)] = lack{*y, table}
	return nil
}

func (p *pairing) moved(x, y *Tx, table string) {
	p.finds.Add(Finding{Class: classReordered, Side: SideV11, Table: table, Key: y.key()})
	p.compare(x, y, table)
}

// drain takes what is left of V10's, and says what of both waits in vain. Again it does nothing.
func (p *pairing) drain(ctx context.Context) error {
	for {
		x, err := p.v10.peek(ctx)
		if err != nil {
			return err
		}
		if x == nil {
			return p.settle()
		}
		if err := p.alone(p.v10.pop()); err != nil {
			return err
		}
	}
}

// settle says of what waits that it waits in vain.
func (p *pairing) settle() error {
	for _, x := range p.lacking {
		p.lost(&x.tx)
	}
	for _, y := range p.strays {
		if err := p.left(&y.tx, y.table); err != nil {
			return err
		}
	}
	clear(p.lacking)
	clear(p.strays)
	return nil
}

// lost is a row of V10's that V11 has not.
func (p *pairing) lost(x *Tx) {
	f := Finding{Class: classMissing, Side: SideV11, Table: p.where(x), Key: x.key(), rows: pairOf(x, nil, p.apply)}
	switch {
	case p.apply: // or V10's is one too many: its sums tell
	case x.Stray:
		return // that it lies in no round was said
	case !x.Sound && x.Dup:
		f.Class, f.Side, f.Table = classDuplicated, SideV10, p.table
	case !x.Sound:
		f.Class, f.Side, f.Table = classExtra, SideV10, p.table
	}
	p.finds.Add(f)
}

// left is a row of V11's that V10 has not at that place, or has and it was compared.
func (p *pairing) left(y *Tx, table string) error {
	there, err := p.there(y)
	if err != nil {
		return err
	}
	f := Finding{Class: classExtra, Side: SideV11, Table: table, Key: y.key(), rows: pairOf(nil, y, p.apply && !there)}
	switch {
	case there:
		f.Class = classDuplicated
	case p.apply: // or V11's is one too many
		f.Class, f.Side, f.Table = classMissing, SideV10, p.table
	case p.v10.bad[y.Round]:
		f.Class, f.Side, f.Table = classMissing, SideV10, p.table
	}
	p.finds.Add(f)
	return nil
}

// compare compares two rows of one transaction.
func (p *pairing) compare(x, y *Tx, table string) {
	p.Pairs++
	switch { // that it cannot be read was said
	case x.Unread && !y.Unread:
		p.unread(y)
		p.finds.mend(SideV10, y)
		return
	case y.Unread:
		p.finds.mend(SideV11, x)
		return
	}
	for _, d := range differences(x, y, p.apply) {
		f := Finding{Class: d.class, Side: SideV11, Table: table, Key: x.key(), Expected: d.v10, Found: d.v11, rows: pairOf(x, y, p.apply)}
		if p.apply || !x.Sound {
			f.Side, f.Table, f.Expected, f.Found = SideV10, p.table, d.v11, d.v10
		}
		p.finds.Add(f)
	}
}

// difference is a field that two rows have otherwise.
type difference struct{ class, v10, v11 string }

// differences compares two rows. A refusal of V10's that is not of a payment has nothing but its outcome on V11, and one of a payment only
// the parties that V11 knows.
func differences(x, y *Tx, own bool) (all []difference) {
	add := func(class, v10, v11 string) { all = append(all, difference{class, v10, v11}) }
	refused := x.Outcome != uint8(chain.OK) && !own
	if x.Outcome != y.Outcome {
		add(classOutcome, outcomeText(x.Outcome), outcomeText(y.Outcome))
	}
	if x.Kind != y.Kind && !(refused && y.Kind == kindTransfer) {
		add(classKind, strconv.Itoa(int(x.Kind)), strconv.Itoa(int(y.Kind)))
	}
	if x.Ms != y.Ms {
		add(timeClass(x.Ms, y.Ms), strconv.FormatUint(x.Ms, 10), strconv.FormatUint(y.Ms, 10))
	}
	if x.From == y.To && x.To == y.From && x.From != x.To && x.From != 0 && x.To != 0 {
		add(classSwapped, partyText(x.From)+" "+partyText(x.To), partyText(y.From)+" "+partyText(y.To))
	} else {
		if x.From != y.From && !(refused && y.From == 0) {
			add(classPayer, partyText(x.From), partyText(y.From))
		}
		if x.To != y.To && !(refused && y.To == 0) {
			add(classPayee, partyText(x.To), partyText(y.To))
		}
	}
	if x.Asset != y.Asset && !(refused && y.Asset == 0) {
		add(classAsset, partyText(x.Asset), partyText(y.Asset))
	}
	if x.Amount != y.Amount && !(refused && x.Kind != kindTransfer && y.Amount.IsZero()) {
		add(amountClass(x.Amount, y.Amount), x.Amount.String(), y.Amount.String())
	}
	if own && x.Reference != ([32]byte{}) && x.Reference != y.Reference {
		add(classReference, hex32(x.Reference), hex32(y.Reference))
	}
	return all
}

func outcomeText(o uint8) string {
	if !chain.Outcome(o).Known() {
		return strconv.Itoa(int(o))
	}
	return chain.Outcome(o).String()
}

// partyText names an account or asset by its hash, which is of this run only.
func partyText(h uint64) string {
	if h == 0 {
		return "none"
	}
	return strconv.FormatUint(h, 16)
}

const quarterMs = 15 * 60 * 1000

func timeClass(a, b uint64) string {
	if d := max(a, b) - min(a, b); d%quarterMs == 0 && d <= 26*4*quarterMs/2 {
		return classZone
	}
	return classTime
}

// amountClass says how an amount is wrong.
func amountClass(want, got chain.Amount) string {
	large, small := want, got
	if large.Less(small) {
		large, small = small, large
	}
	if d, _ := large.Sub(small); d == chain.Units(1) {
		return classOffByOne
	}
	for range 38 {
		var over bool
		if small, over = timesTen(small); over || small.IsZero() {
			break
		}
		if small == large {
			return classTimesTen
		}
	}
	return classAmount
}

func timesTen(a chain.Amount) (chain.Amount, bool) {
	sum := chain.Amount{}
	for range 10 {
		var ok bool
		if sum, ok = sum.Add(a); !ok {
			return sum, true
		}
	}
	return sum, false
}

// thereIn asks V10's rows for a place.
func thereIn(kv KV, key func(*Tx) []byte) func(*Tx) (bool, error) {
	return func(t *Tx) (bool, error) {
		_, err := kv.Get(Transactions, key(t))
		if fault.Is(err, fault.NotFound) {
			return false, nil
		}
		return err == nil, err
	}
}

// turn makes a finding about two rows of V11's transaction one of the side whose sums are wrong, if only one side's are.
func turn(f *Finding, v10Wrong, v11Wrong bool) {
	switch {
	case v10Wrong == v11Wrong:
	case v11Wrong && f.Side == SideV10:
		f.Side, f.Table, f.Expected, f.Found = SideV11, TableIndex, f.Found, f.Expected
		if f.Class == classMissing {
			f.Class = classExtra
		}
	case v10Wrong && f.Side == SideV11:
		f.Side, f.Table, f.Expected, f.Found = SideV10, TableApplied, f.Found, f.Expected
		if f.Class == classMissing {
			f.Class = classExtra
		}
	}
}
