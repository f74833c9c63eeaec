// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"maps"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/pages"
)

// model is the ledger as its documentation says it, with maps and big integers, without any fast path. It covers what
// legs do and the transactions that move money, freeze and open accounts.
type model struct {
	height   chain.Height
	accounts map[chain.AccountNo]modelAccount
	assets   map[chain.AssetNo]modelAsset
	balances map[sparseKey]*big.Int // values are never changed, only replaced
	holds    map[chain.Hash]modelHold
	nonces   map[chain.AccountNo]map[uint64]bool
	channels map[chain.InstitutionNo]uint64
	v10      map[uint16]bool
	open     bool
	max      int
	timeUs   uint64
	keyed    modelKeys
}

// modelKeys are the living idempotency keys, the oldest first, and what happened to the others.
type modelKeys struct {
	list                         []modelKeyed // never changed in place
	expired, evicted, duplicates uint64
}

type modelKeyed struct {
	institution chain.InstitutionNo
	key         chain.IdempotencyKey
	view        KeyedView
}

func (k *modelKeys) find(institution chain.InstitutionNo, key chain.IdempotencyKey) (KeyedView, bool) {
	for _, x := range k.list {
		if x.institution == institution && x.key == key {
			return x.view, true
		}
	}
	return KeyedView{}, false
}

// modelKeysMax is how many keys live in the model, and modelDelegate the number of a delegated key of institution 1.
const (
	modelKeysMax  = 20
	modelDelegate = 5
)

// modelGenesis is smallGenesis with few idempotency keys.
func modelGenesis() *chain.Genesis {
	g := smallGenesis()
	g.IdempotencyKeysMax = modelKeysMax
	return g
}

type modelAccount struct {
	custodian chain.InstitutionNo
	key       chain.KeyNo
	portable  bool
	slot      uint16
	frozen    bool
}

type modelAsset struct {
	issuer   chain.AccountNo
	portable bool
	frozen   bool
}

type modelHold struct {
	from, to chain.AccountNo
	asset    chain.AssetNo
	amount   *big.Int
	expires  chain.Height
}

// newModel is the model of modelGenesis, at block 1, with the delegated key.
func newModel() *model {
	m := &model{
		height: 1, open: true, max: 1000, timeUs: 10,
		accounts: map[chain.AccountNo]modelAccount{
			1: {custodian: 1}, 2: {custodian: 2}, 3: {custodian: 1}, 4: {custodian: 2}, 5: {key: 4},
			6: {custodian: 1, portable: true, slot: 10}, 7: {custodian: 1, portable: true, slot: 20},
		},
		assets: map[chain.AssetNo]modelAsset{
			1: {issuer: 1}, 2: {issuer: 1}, 3: {issuer: 6, portable: true}, 4: {issuer: 4}, 5: {issuer: 7, portable: true},
		},
		balances: map[sparseKey]*big.Int{}, holds: map[chain.Hash]modelHold{}, nonces: map[chain.AccountNo]map[uint64]bool{1: {0: true}},
		channels: map[chain.InstitutionNo]uint64{}, v10: map[uint16]bool{10: true, 11: true, 12: true},
	}
	for _, h := range smallGenesis().Holdings {
		m.balances[sparseKey{h.Account, h.Asset}] = big.NewInt(1000)
	}
	return m
}

func (m *model) copy() *model {
	c := *m
	c.accounts, c.assets, c.balances, c.holds = maps.Clone(m.accounts), maps.Clone(m.assets), maps.Clone(m.balances), maps.Clone(m.holds)
	return &c
}

func toBig(a chain.Amount) *big.Int {
	n := new(big.Int).SetUint64(a.Hi)
	return n.Lsh(n, 64).Add(n, new(big.Int).SetUint64(a.Lo))
}

func (m *model) balance(account chain.AccountNo, asset chain.AssetNo) *big.Int {
	if b := m.balances[sparseKey{account, asset}]; b != nil {
		return b
	}
	return new(big.Int)
}

func (m *model) add(account chain.AccountNo, asset chain.AssetNo, amount *big.Int) {
	m.balances[sparseKey{account, asset}] = new(big.Int).Add(m.balance(account, asset), amount)
}

func (m *model) take(account chain.AccountNo, asset chain.AssetNo, amount *big.Int) {
	m.add(account, asset, new(big.Int).Neg(amount))
}

func (m *model) beginBlock(micros uint64) {
	m.height++
	m.timeUs += micros
	for len(m.keyed.list) > 0 && m.timeUs >= m.keyed.list[0].view.TimeUs+24*3600*1_000_000 {
		m.keyed.list = m.keyed.list[1:]
		m.keyed.expired++
	}
	for id, h := range m.holds {
		if h.expires <= m.height {
			m.endHold(id, new(big.Int))
		}
	}
}

func (m *model) endHold(id chain.Hash, paid *big.Int) {
	h := m.holds[id]
	delete(m.holds, id)
	m.take(Escrow, h.asset, h.amount)
	m.add(h.to, h.asset, paid)
	m.add(h.from, h.asset, new(big.Int).Sub(h.amount, paid))
}

func (m *model) debitable(from chain.AccountNo, asset chain.AssetNo) chain.Outcome {
	a, s := m.accounts[from], m.assets[asset]
	switch {
	case a.frozen:
		return chain.FrozenAccount
	case s.frozen:
		return chain.FrozenAsset
	case a.portable && s.portable && m.v10[a.slot]:
		return chain.NotHome
	}
	return chain.OK
}

// move is a transfer or, with a lifetime, a hold.
func (m *model) move(allowed bool, id chain.Hash, from, to chain.AccountNo, asset chain.AssetNo, amount *big.Int, blocks uint32) chain.Outcome {
	_, hasFrom := m.accounts[from]
	target, hasTo := m.accounts[to]
	s, hasAsset := m.assets[asset]
	bound := m.open && s.portable
	switch {
	case amount.Sign() == 0 || from == to:
		return chain.BadField
	case !hasFrom || !hasTo:
		return chain.UnknownAccount
	case !hasAsset:
		return chain.UnknownAsset
	case !allowed:
		return chain.NotAuthorized
	case bound && (blocks > 0 || !target.portable):
		return chain.NotPortable
	}
	receiver := to
	if blocks > 0 {
		receiver = Escrow
	}
	if new(big.Int).Add(m.balance(receiver, asset), amount).BitLen() > 128 {
		return chain.Overflow
	}
	if code := m.debitable(from, asset); code != chain.OK {
		return code
	}
	if m.balance(from, asset).Cmp(amount) < 0 {
		return chain.InsufficientFunds
	}
	m.take(from, asset, amount)
	if blocks > 0 {
		m.add(Escrow, asset, amount)
		m.holds[id] = modelHold{from, to, asset, amount, m.height + chain.Height(blocks)}
		return chain.OK
	}
	m.add(to, asset, amount)
	return chain.OK
}

func (m *model) end(id chain.Hash, by chain.AccountNo, post bool, amount *big.Int) chain.Outcome {
	h, ok := m.holds[id]
	switch {
	case !ok:
		return chain.HoldUnknown
	case post && by != h.from || !post && by != h.to:
		return chain.NotAuthorized
	case post && amount.Cmp(h.amount) > 0:
		return chain.HoldAmount
	}
	if !post {
		m.endHold(id, new(big.Int))
		return chain.OK
	}
	if m.open && m.assets[h.asset].portable && !m.accounts[h.to].portable {
		return chain.NotPortable
	}
	if code := m.debitable(h.from, h.asset); code != chain.OK {
		return code
	}
	if amount.Sign() == 0 {
		amount = h.amount
	}
	m.endHold(id, amount)
	return chain.OK
}

// keyedLeg is a transfer under an idempotency key, as leg item of batch index.
func (m *model) keyedLeg(allowed bool, l chain.Leg, institution chain.InstitutionNo, index, item uint32) chain.Outcome {
	key := chain.IdempotencyKey(l.Reference[:16])
	if key == (chain.IdempotencyKey{}) {
		return chain.BadField
	}
	if _, before := m.keyed.find(institution, key); before {
		m.keyed.duplicates++
		return chain.Duplicate
	}
	code := m.move(allowed, chain.Hash{}, l.From, l.To, l.Asset, toBig(l.Amount), 0)
	if code != chain.NotHome {
		m.keyed.list = append(slices.Clone(m.keyed.list), modelKeyed{institution, key, KeyedView{m.height, index, item, code, m.timeUs}})
	}
	return code
}

func (m *model) leg(l chain.Leg, id chain.Hash, h *chain.BatchHeader, index, item uint32) chain.Outcome {
	institution := h.Institution
	actor, exists := m.accounts[l.From]
	allowed := exists && actor.custodian == institution
	if h.Key == modelDelegate && l.Kind >= chain.LegHold && l.Kind <= chain.LegVoid {
		return chain.NotAuthorized
	}
	switch l.Kind {
	case chain.LegTransfer, chain.LegHold:
		switch {
		case l.Kind == chain.LegTransfer && l.Arg == 1:
			return m.keyedLeg(allowed, l, institution, index, item)
		case (l.Kind == chain.LegHold) != (l.Arg > 0):
			return chain.BadField
		}
		return m.move(allowed, id, l.From, l.To, l.Asset, toBig(l.Amount), l.Arg)
	case chain.LegPost, chain.LegVoid:
		post := l.Kind == chain.LegPost
		switch {
		case l.Arg > 0 || !post && !l.Amount.IsZero():
			return chain.BadField
		case !exists:
			return chain.UnknownAccount
		case !allowed:
			return chain.NotAuthorized
		}
		h, ok := m.holds[chain.Hash(l.Reference)]
		other := h.from
		if post {
			other = h.to
		}
		if ok && (l.To != 0 && l.To != other || l.Asset != 0 && l.Asset != h.asset) {
			return chain.BadField
		}
		return m.end(chain.Hash(l.Reference), l.From, post, toBig(l.Amount))
	}
	return chain.BadKind
}

// batch returns the outcomes of a batch of an institution with the key it should have.
func (m *model) batch(h chain.BatchHeader, legs []chain.Leg, id chain.Hash, index uint32) []chain.Outcome {
	codes := make([]chain.Outcome, len(legs))
	keyOK := h.Key >= 1 && h.Key <= modelDelegate
	var whole chain.Outcome
	last := m.channels[h.Institution]
	switch {
	case h.Chain != testChain:
		whole = chain.NotAuthorized
	case h.Institution < 1 || h.Institution > 2:
		whole = chain.UnknownInstitution
	case !keyOK:
		whole = chain.UnknownKey
	case h.Key == 4 || (h.Institution == 1) != (h.Key <= 2 || h.Key == modelDelegate):
		whole = chain.NotAuthorized
	case h.ValidUntil < m.height:
		whole = chain.Expired
	case h.ValidUntil > m.height+chain.ValidityBlocksMax:
		whole = chain.BadField
	case h.Sequence <= last:
		whole = chain.Stale
	case h.Sequence > last+chain.SequenceJumpMax:
		whole = chain.FutureSequence
	}
	if whole != chain.OK {
		fill(codes, whole)
		return codes
	}
	m.channels[h.Institution] = h.Sequence
	before := m.copy()
	for i, l := range legs {
		codes[i] = m.leg(l, chain.Hash(chain.NewLegID(id, uint32(i))), &h, index, uint32(i))
		if codes[i] != chain.OK && h.Flags&chain.FlagAtomic != 0 {
			code := codes[i]
			channels, nonces := m.channels, m.nonces
			*m = *before
			m.channels, m.nonces = channels, nonces
			fill(codes, chain.BatchAborted)
			codes[i] = code
			break
		}
	}
	for len(m.keyed.list) > modelKeysMax {
		m.keyed.list = m.keyed.list[1:]
		m.keyed.evicted++
	}
	return codes
}

func (m *model) tx(t *chain.Tx, id chain.Hash) chain.Outcome {
	sender, exists := m.accounts[t.Sender]
	institution := chain.InstitutionNo(0)
	if t.Key >= 1 && t.Key <= 2 || t.Key == modelDelegate {
		institution = 1
	} else if t.Key == 3 {
		institution = 2
	}
	switch {
	case t.Chain != testChain:
		return chain.NotAuthorized
	case !exists:
		return chain.UnknownAccount
	case t.Key < 1 || t.Key > modelDelegate:
		return chain.UnknownKey
	case !(institution != 0 && sender.custodian == institution) && !(t.Key == 4 && t.Sender == 5):
		return chain.NotAuthorized
	case t.ValidUntil < m.height:
		return chain.Expired
	}
	used := m.nonces[t.Sender]
	high := uint64(0)
	for n := range used {
		high = max(high, n)
	}
	switch {
	case t.Nonce > high+chain.SequenceJumpMax:
		return chain.FutureSequence
	case used[t.Nonce] || t.Nonce+chain.NonceWindow <= high:
		return chain.NonceUsed
	}
	if used == nil {
		used = map[uint64]bool{}
		m.nonces[t.Sender] = used
	}
	used[t.Nonce] = true
	return m.body(t, id, institution)
}

func (m *model) body(t *chain.Tx, id chain.Hash, institution chain.InstitutionNo) chain.Outcome {
	if kind := t.Body.Kind(); t.Key == modelDelegate && kind != chain.TxIssue && kind != chain.TxRedeem && kind != chain.TxOpenAccounts {
		return chain.NotAuthorized
	}
	switch b := t.Body.(type) {
	case *chain.Transfer:
		return m.move(true, id, t.Sender, b.To, b.Asset, toBig(b.Amount), 0)
	case *chain.Hold:
		if b.Blocks == 0 {
			return chain.BadField
		}
		return m.move(true, id, t.Sender, b.To, b.Asset, toBig(b.Amount), b.Blocks)
	case *chain.Post:
		return m.end(b.Hold, t.Sender, true, toBig(b.Amount))
	case *chain.Void:
		return m.end(b.Hold, t.Sender, false, nil)
	case *chain.Issue:
		return m.issue(t.Sender, b)
	case *chain.Redeem:
		return m.redeem(t.Sender, b)
	case *chain.Freeze:
		return m.freeze(t.Sender, institution, b)
	case *chain.OpenAccounts:
		switch {
		case b.Count == 0:
			return chain.BadField
		case institution == 0:
			return chain.NotAuthorized
		case len(m.accounts)+int(b.Count) > m.max:
			return chain.LimitReached
		}
		for range b.Count {
			m.accounts[chain.AccountNo(len(m.accounts)+1)] = modelAccount{custodian: institution}
		}
		return chain.OK
	}
	return chain.BadKind
}

func (m *model) issue(sender chain.AccountNo, b *chain.Issue) chain.Outcome {
	to, hasTo := m.accounts[b.To]
	s, hasAsset := m.assets[b.Asset]
	issuer := m.accounts[sender]
	switch {
	case b.Amount.IsZero():
		return chain.BadField
	case !hasTo:
		return chain.UnknownAccount
	case !hasAsset:
		return chain.UnknownAsset
	case s.issuer != sender:
		return chain.NotAuthorized
	case s.portable && issuer.portable && m.v10[issuer.slot]:
		return chain.NotHome
	}
	supply := toBig(b.Amount)
	for k, v := range m.balances {
		if k.Asset == b.Asset {
			supply.Add(supply, v)
		}
	}
	switch {
	case supply.BitLen() > 128:
		return chain.Overflow
	case m.open && s.portable && !to.portable:
		return chain.NotPortable
	}
	m.add(b.To, b.Asset, toBig(b.Amount))
	return chain.OK
}

func (m *model) redeem(sender chain.AccountNo, b *chain.Redeem) chain.Outcome {
	s, hasAsset := m.assets[b.Asset]
	switch {
	case b.Amount.IsZero():
		return chain.BadField
	case !hasAsset:
		return chain.UnknownAsset
	case s.issuer != sender:
		return chain.NotAuthorized
	}
	if code := m.debitable(sender, b.Asset); code != chain.OK {
		return code
	}
	if m.balance(sender, b.Asset).Cmp(toBig(b.Amount)) < 0 {
		return chain.InsufficientFunds
	}
	m.take(sender, b.Asset, toBig(b.Amount))
	return chain.OK
}

func (m *model) freeze(sender chain.AccountNo, institution chain.InstitutionNo, b *chain.Freeze) chain.Outcome {
	a, hasAccount := m.accounts[b.Account]
	s, hasAsset := m.assets[b.Asset]
	switch {
	case (b.Account == 0) == (b.Asset == 0):
		return chain.BadField
	case b.Account != 0 && !hasAccount:
		return chain.UnknownAccount
	case b.Account != 0 && institution != 1 && (institution == 0 || institution != a.custodian):
		return chain.NotAuthorized
	case b.Asset != 0 && !hasAsset:
		return chain.UnknownAsset
	case b.Asset != 0 && institution != 1 && s.issuer != sender:
		return chain.NotAuthorized
	}
	if b.Account != 0 {
		a.frozen = b.Frozen
		m.accounts[b.Account] = a
	} else {
		s.frozen = b.Frozen
		m.assets[b.Asset] = s
	}
	return chain.OK
}

// compare fails if the ledger and the model disagree about anything that both know.
func (m *model) compare(t *rapid.T, l *Ledger) {
	for account := chain.AccountNo(0); int(account) <= len(m.accounts); account++ {
		for asset := range m.assets {
			if got, want := l.Balance(account, asset), m.balance(account, asset); toBig(got).Cmp(want) != 0 {
				t.Fatalf("account %d, asset %d: %v, the model has %v", account, asset, got, want)
			}
		}
	}
	if int(l.Counts().HoldsPending) != len(m.holds) {
		t.Fatalf("%d holds, the model has %d", l.Counts().HoldsPending, len(m.holds))
	}
	for id, h := range m.holds {
		v, ok := l.HoldByID(id)
		if !ok || v.From != h.from || v.To != h.to || v.Asset != h.asset || toBig(v.Amount).Cmp(h.amount) != 0 || v.Expires != h.expires {
			t.Fatalf("hold %v: %v, the model has %v", id, v, h)
		}
	}
	for institution, sequence := range m.channels {
		if got := l.Channel(institution, 0); got != sequence {
			t.Fatalf("channel of %d: %d, the model has %d", institution, got, sequence)
		}
	}
	counts := KeyedCounts{Living: uint64(len(m.keyed.list)), Max: modelKeysMax, Expired: m.keyed.expired, Evicted: m.keyed.evicted, Duplicates: m.keyed.duplicates}
	if got := l.KeyedCounts(); got != counts {
		t.Fatalf("idempotency keys: %+v, the model has %+v", got, counts)
	}
	for institution := range chain.InstitutionNo(3) {
		for n := range byte(keysDrawn) {
			key := chain.IdempotencyKey{15: n}
			want, lives := m.keyed.find(institution, key)
			if got, ok := l.Keyed(institution, key); ok != lives || got != want {
				t.Fatalf("key %d of %d: %+v %v, the model has %+v %v", n, institution, got, ok, want, lives)
			}
		}
	}
	if err := l.Recount(); err != nil {
		t.Fatal(err)
	}
}

// keysDrawn is how many idempotency keys are drawn from, the one that is none included.
const keysDrawn = 40

// draw makes the inputs of a run: mostly such as can succeed. rapid gives the seed alone, because its own numbers lean
// so far to the small ones that hardly anything would succeed.
type draw struct {
	t   *rapid.T
	r   *rand.Rand
	m   *model
	ids []chain.Hash // of holds made
	tx  uint64       // spreads nonces
}

// n draws from low to high.
func (d *draw) n(low, high int) int { return low + d.r.IntN(high-low+1) }

// one says true once in n times.
func (d *draw) one(n int) bool { return d.r.IntN(n) == 0 }

func (d *draw) account() chain.AccountNo {
	if d.one(30) {
		return chain.AccountNo(d.n(0, 20))
	}
	return chain.AccountNo(d.n(1, 7))
}

// of draws an account of an institution.
func (d *draw) of(institution chain.InstitutionNo) chain.AccountNo {
	for {
		a := d.account()
		if d.m.accounts[a].custodian == institution || d.one(40) {
			return a
		}
	}
}

func (d *draw) asset() chain.AssetNo {
	if d.one(30) {
		return chain.AssetNo(d.n(0, 9))
	}
	return []chain.AssetNo{1, 1, 2, 2, 4, 3, 5}[d.n(0, 6)]
}

func (d *draw) amount() chain.Amount {
	switch d.n(0, 40) {
	case 0:
		return chain.Amount{}
	case 1:
		return chain.Amount{Hi: ^uint64(0), Lo: ^uint64(0) - 500}
	case 2:
		return chain.Units(1001)
	}
	return chain.Units(uint64(d.n(1, 30)))
}

func (d *draw) blocks() uint32 {
	if d.one(20) {
		return 0
	}
	return uint32(d.n(1, 6))
}

func (d *draw) hold() chain.Hash {
	if len(d.ids) == 0 || d.one(20) {
		return chain.Hash{}
	}
	return d.ids[len(d.ids)-1-d.n(0, min(9, len(d.ids)-1))]
}

func (d *draw) leg(institution chain.InstitutionNo) chain.Leg {
	l := chain.Leg{From: d.of(institution), To: d.account(), Asset: d.asset(), Amount: d.amount()}
	if l.From == l.To && !d.one(20) {
		l.To = l.To%7 + 1
	}
	switch d.n(0, 24) {
	case 0, 1, 2, 3:
		l.Kind, l.Arg = chain.LegHold, d.blocks()
		l.Asset = []chain.AssetNo{1, 2, 4}[d.n(0, 2)]
	case 4, 5, 6, 7:
		l.Kind, l.Reference = chain.LegPost, d.hold()
		d.aim(&l)
	case 8, 9:
		l.Kind, l.Reference, l.Amount = chain.LegVoid, d.hold(), chain.Amount{}
		d.aim(&l)
	case 10:
		l.Kind, l.Arg = chain.LegKind(d.n(0, 5)), d.blocks()
	case 11, 12, 13, 14:
		l.Arg = chain.LegKeyed
		l.Reference = chain.KeyedReference(chain.IdempotencyKey{15: byte(d.n(0, keysDrawn-1))}, [16]byte{byte(d.n(0, 1))})
	}
	return l
}

// aim mostly makes a post or void name its hold rightly.
func (d *draw) aim(l *chain.Leg) {
	h, ok := d.m.holds[chain.Hash(l.Reference)]
	if !ok || d.n(0, 4) == 0 {
		return
	}
	l.From, l.To, l.Asset = h.from, h.to, h.asset
	if l.Kind == chain.LegVoid {
		l.From, l.To = h.to, h.from
	}
	if d.one(2) {
		l.To, l.Asset = 0, 0
	}
}

func (d *draw) body() chain.Body {
	switch d.n(0, 8) {
	case 0, 1:
		return &chain.Transfer{To: d.account(), Asset: d.asset(), Amount: d.amount()}
	case 2:
		return &chain.Hold{To: d.account(), Asset: d.asset(), Amount: d.amount(), Blocks: d.blocks()}
	case 3:
		return &chain.Post{Hold: d.hold(), Amount: d.amount()}
	case 4:
		return &chain.Void{Hold: d.hold()}
	case 5:
		return &chain.Issue{To: d.account(), Asset: d.asset(), Amount: d.amount()}
	case 6:
		return &chain.Redeem{Asset: d.asset(), Amount: d.amount()}
	case 7:
		f := &chain.Freeze{Frozen: d.one(3)}
		if d.one(2) {
			f.Account = d.account()
		} else {
			f.Asset = d.asset()
		}
		return f
	}
	return &chain.OpenAccounts{Count: uint32(d.n(0, 2))}
}

func (d *draw) runBatch(l, twin *Ledger) {
	institution := chain.InstitutionNo(d.n(1, 2))
	h := chain.BatchHeader{
		Flags: chain.BatchFlags(d.n(0, 1)), Chain: testChain, Institution: institution,
		Key: chain.KeyNo(2*institution - 1), Sequence: d.m.channels[institution] + 1, ValidUntil: d.m.height,
	}
	if institution == 1 && d.one(6) {
		h.Key = modelDelegate
	}
	switch d.n(0, 20) {
	case 0:
		h.Chain++
	case 1:
		h.Institution += 2
	case 2:
		h.Key += chain.KeyNo(d.n(1, 3))
	case 3:
		h.ValidUntil--
	case 4:
		h.Sequence--
	case 5:
		h.Sequence += chain.SequenceJumpMax - uint64(d.n(0, 1))
	case 6:
		h.ValidUntil += chain.ValidityBlocksMax + 1
	}
	legs := make([]chain.Leg, d.n(1, 5))
	if h.Flags&chain.FlagAtomic == 0 {
		legs = make([]chain.Leg, d.n(1, 80))
	}
	for i := range legs {
		legs[i] = d.leg(institution)
	}
	b, err := chain.NewBatch(h, legs)
	if err != nil {
		d.t.Fatal(err)
	}
	id := codec.Sum(b.Bytes())
	got := make([]chain.Outcome, len(legs))
	index := uint32(d.n(0, chain.EntriesPerBlockMax-1))
	l.RunBatch(b, id, index, got)
	twin.RunBatch(b, id, index, slices.Clone(got))
	want := d.m.batch(h, legs, id, index)
	for i := range legs {
		if got[i] != want[i] {
			d.t.Fatalf("leg %d %+v: %v, the model says %v", i, legs[i], got[i], want[i])
		}
		if legs[i].Kind == chain.LegHold && got[i] == chain.OK {
			d.ids = append(d.ids, chain.Hash(chain.NewLegID(id, uint32(i))))
		}
	}
}

func (d *draw) runTx(l, twin *Ledger) {
	d.tx++
	t := &chain.Tx{
		Chain: testChain, Sender: d.account(), Nonce: d.tx + uint64(d.n(0, 270)), ValidUntil: d.m.height, Body: d.body(),
	}
	t.Key = map[chain.AccountNo]chain.KeyNo{2: 3, 4: 3, 5: 4}[t.Sender]
	if t.Key == 0 {
		t.Key = 1
	}
	switch d.n(0, 20) {
	case 0:
		t.Chain++
	case 1:
		t.Key = chain.KeyNo(d.n(0, 6))
	case 2:
		t.ValidUntil--
	case 3:
		t.Nonce += chain.SequenceJumpMax
	}
	id := codec.TxID(t)
	got, _, final := l.RunTx(t, id)
	twin.RunTx(t, id)
	if want := d.m.tx(t, id); got != want {
		d.t.Fatalf("%+v %+v: %v, the model says %v", t, t.Body, got, want)
	}
	if again, _, _ := l.RunTx(t, id); final && again != chain.NonceUsed {
		d.t.Fatalf("a final transaction ran again: %v", again)
	}
	if _, ok := t.Body.(*chain.Hold); ok && got == chain.OK {
		d.ids = append(d.ids, id)
	}
}

// clone attaches a ledger to a copy of another's pages.
func clone(t interface{ Fatal(...any) }, l *Ledger) *Ledger {
	c := New(copyPages(t, l.space), testAddress)
	if err := c.Attach(); err != nil {
		t.Fatal(err)
	}
	return c
}

// copyPages loads the pages of a space into a new one, as a node that starts does.
func copyPages(t interface{ Fatal(...any) }, from *pages.Space) *pages.Space {
	space := pages.NewSpace()
	sn := from.Snapshot()
	defer sn.Release()
	for _, v := range sn.Sections() {
		if err := space.LoadSection(v.Section, v.RecordBytes); err != nil {
			t.Fatal(err)
		}
		for p := range v.Pages() {
			if page, born := v.Page(p); born != 0 {
				if err := space.LoadPage(v.Section, p, page.Bytes()); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	return space
}

func root(l *Ledger) chain.Hash {
	sn := l.space.Snapshot()
	defer sn.Release()
	return pages.NewTree().Update(sn)
}

// The ledger and the model see the same random history; now and then the ledger is replaced by one attached to a copy of
// its pages. A twin that is never replaced must end with the same root: what is derived decides nothing. In half of the histories the
// migration was closed before.
func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := &draw{t: t, m: newModel(), r: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))}
		closed := rapid.Bool().Draw(t, "closed")
		l, twin := startRapid(t, closed), startRapid(t, closed)
		if closed {
			d.m.open, d.m.v10 = false, map[uint16]bool{}
		}
		for range d.n(1, 80) {
			switch d.n(0, 9) {
			case 0, 1:
				micros := uint64(1)
				if d.one(4) {
					micros = uint64(d.n(0, 13)) * 3600 * 1_000_000
				}
				later(l, micros)
				later(twin, micros)
				d.m.beginBlock(micros)
			case 2:
				if l.sums == (Sums{}) { // the sums of a block are no state: a copy is made between blocks
					l = clone(t, l)
				}
			case 3, 4, 5:
				d.runTx(l, twin)
			default:
				d.runBatch(l, twin)
			}
			d.m.compare(t, l)
		}
		l.EndBlock()
		twin.EndBlock()
		if root(l) != root(twin) {
			t.Fatal("a ledger attached to copies of its pages went another way")
		}
	})
}

func startRapid(t *rapid.T, closed bool) *Ledger {
	l := New(pages.NewSpace(), testAddress)
	if err := l.InitGenesis(modelGenesis()); err != nil {
		t.Fatal(err)
	}
	l.BeginBlock(1, 10)
	add := &chain.Tx{Chain: testChain, Sender: 1, Key: 1, ValidUntil: 1, Body: &chain.AddDelegate{PublicKey: publicKey(1, 9)}}
	if code, no, _ := l.RunTx(add, chain.Hash{}); code != chain.OK || no != modelDelegate {
		t.Fatal(code, no)
	}
	if closed {
		for slot := uint16(10); slot <= 12; slot++ {
			l.setHome(slot, false)
		}
		if code := l.runCloseMigration(actor{institution: Governance}, &chain.CloseMigration{HomeVersion: genesisHomeVersion}, chain.Hash{}); code != chain.OK {
			t.Fatal(code)
		}
	}
	return l
}
