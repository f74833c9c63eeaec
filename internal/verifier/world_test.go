// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"sort"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// memKV is V10's rows in memory.
type memKV struct {
	rows [5]map[string][]byte
	keys [5][]string // sorted; nil: rows changed since
}

func (m *memKV) put(f Family, key, value []byte) {
	if m.rows[f] == nil {
		m.rows[f] = map[string][]byte{}
	}
	m.rows[f][string(key)] = bytes.Clone(value)
	m.keys[f] = nil
}

func (m *memKV) del(f Family, key []byte) { delete(m.rows[f], string(key)); m.keys[f] = nil }

func (m *memKV) seal() {
	for f := range m.rows {
		if m.keys[f] == nil {
			for k := range m.rows[f] {
				m.keys[f] = append(m.keys[f], k)
			}
			sort.Strings(m.keys[f])
		}
	}
}

func (m *memKV) Get(f Family, key []byte) ([]byte, error) {
	v, ok := m.rows[f][string(key)]
	if !ok {
		return nil, fault.New(fault.NotFound, "no row %x", key)
	}
	return v, nil
}

func (m *memKV) Iter(f Family, low, high []byte) (Walk, error) {
	all := m.keys[f]
	i := sort.SearchStrings(all, string(low))
	j := len(all)
	if high != nil {
		j = max(i, sort.SearchStrings(all, string(high)))
	}
	return &memWalk{m.rows[f], all[i:j], -1}, nil
}

func (m *memKV) Close() error { return nil }

type memWalk struct {
	rows map[string][]byte
	keys []string
	at   int
}

func (w *memWalk) Next() bool    { w.at++; return w.at < len(w.keys) }
func (w *memWalk) Key() []byte   { return []byte(w.keys[w.at]) }
func (w *memWalk) Value() []byte { return w.rows[w.keys[w.at]] }
func (w *memWalk) Err() error    { return nil }
func (w *memWalk) Close() error  { return nil }

// memRows is V11's tables in memory.
type memRows struct {
	meta      RowsMeta
	transfers []TransferRow
	blocks    []BlockRow
	listed    []ListedRow
	imported  []ImportedRow
	rounds    []RoundRow
}

func (m *memRows) Meta(context.Context) (RowsMeta, error) { return m.meta, nil }
func (m *memRows) Close() error                           { return nil }

func above[T any](all, into []T, key func(*T) bool) (int, error) {
	i := sort.Search(len(all), func(i int) bool { return key(&all[i]) })
	return copy(into, all[i:]), nil
}

func (m *memRows) Transfers(_ context.Context, after uint64, into []TransferRow) (int, error) {
	return above(m.transfers, into, func(r *TransferRow) bool { return r.Seq > after })
}

func (m *memRows) Blocks(_ context.Context, after uint64, into []BlockRow) (int, error) {
	return above(m.blocks, into, func(r *BlockRow) bool { return r.Height > after })
}

func (m *memRows) Listed(_ context.Context, after ListedRow, into []ListedRow) (int, error) {
	return above(m.listed, into, func(r *ListedRow) bool { return lessListed(after, *r) < 0 })
}

func lessListed(a, b ListedRow) int {
	for _, c := range [][2]uint64{{a.Chunk, b.Chunk}, {uint64(a.Account), uint64(b.Account)}, {a.Seq, b.Seq}} {
		if c[0] != c[1] {
			if c[0] < c[1] {
				return -1
			}
			return 1
		}
	}
	return 0
}

func (m *memRows) Imported(_ context.Context, after uint64, into []ImportedRow) (int, error) {
	return above(m.imported, into, func(r *ImportedRow) bool { return r.Seq > after })
}

func (m *memRows) ImportedRounds(_ context.Context, from uint64, into []RoundRow) (int, error) {
	return above(m.rounds, into, func(r *RoundRow) bool { return r.Number >= from })
}

// memState is V11's state in memory.
type memState struct {
	height   chain.Height
	inbox    StateInbox
	accounts []StateAccount
	assets   []StateAsset
	balances map[[2]uint32]chain.Amount
}

func (m *memState) Height() chain.Height { return m.height }
func (m *memState) TimeUs() uint64       { return 0 }
func (m *memState) Inbox() StateInbox    { return m.inbox }
func (m *memState) Close() error         { return nil }
func (m *memState) Accounts(_ context.Context, each func(*StateAccount) error) error {
	for i := range m.accounts {
		if err := each(&m.accounts[i]); err != nil {
			return err
		}
	}
	return nil
}

func (m *memState) Assets(_ context.Context, each func(*StateAsset) error) error {
	for i := range m.assets {
		if err := each(&m.assets[i]); err != nil {
			return err
		}
	}
	return nil
}

func (m *memState) Balances(_ context.Context, each func(StateBalance) error) error {
	for k, a := range m.balances {
		if a.IsZero() {
			continue
		}
		if err := each(StateBalance{chain.AccountNo(k[0]), chain.AssetNo(k[1]), a}); err != nil {
			return err
		}
	}
	return nil
}

// world is a V10 and a V11 that agree, made by a few hundred payments both ways.
type world struct {
	kv      *memKV
	rows    *memRows
	state   *memState
	genesis []StateBalance
	random  *rand.Rand
	alias   keys.AliasKey

	names    map[string]uint64 // V10's numbers
	numbers  map[string]uint32 // V11's
	codes    map[string]uint32 // V11's
	holdings map[[2]string]chain.Amount
	assets   map[string]*wireAsset
	round    uint64
	previous [32]byte
	place    uint32
	pending  [][]byte // rows of the round in the making
	own      uint64
	applied  uint64
	refused  uint64
	copied   bool
	height   uint64
	lastHash [32]byte
}

type wireAsset struct {
	Number    uint64 `json:"number"`
	Name      string `json:"name"`
	Scale     uint8  `json:"scale"`
	Issuer    string `json:"issuer"`
	Supply    string `json:"supply"`
	CreatedMs uint64 `json:"created_ms"`
	supply    chain.Amount
}

type wireRound struct {
	Ms           uint64   `json:"ms"`
	Leader       string   `json:"leader"`
	Votes        []string `json:"votes"`
	Hash         string   `json:"block_hash"`
	Previous     string   `json:"previous_hash"`
	Transactions uint32   `json:"transactions"`
}

const worldMs = 1_700_000_000_000

func (w *world) ms() uint64 { return worldMs + 1000*w.round }

func js(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}

// newWorld makes a world of some rounds, of which the copy has the first half, and of blocks with V11's own payments.
func newWorld(seed uint64, rounds int) *world {
	w := &world{
		alias: keys.AliasKey{Named: keys.Named{"acc-3": chain.SlotsMax, "treasury": chain.SlotsMax + 1}},
		kv:    &memKV{}, rows: &memRows{}, state: &memState{balances: map[[2]uint32]chain.Amount{}}, random: rand.New(rand.NewPCG(seed, 1)),
		names: map[string]uint64{}, numbers: map[string]uint32{}, codes: map[string]uint32{}, holdings: map[[2]string]chain.Amount{}, assets: map[string]*wireAsset{},
		place: v10.LegacyPlaceMin,
	}
	w.state.accounts = []StateAccount{{Number: 1, Slot: chain.SlotNone}} // a house account
	w.state.assets = []StateAsset{{Number: 1, Code: "EUR", Issuer: 1, Supply: chain.Units(500)}}
	w.state.balances[[2]uint32{1, 1}] = chain.Units(500)
	w.genesis = []StateBalance{{1, 1, chain.Units(500)}}
	w.v10(wireTransaction{Kind: "account", To: "treasury"})
	w.v10(wireTransaction{Kind: "asset", From: "treasury", Asset: "AUR"})
	w.v10(wireTransaction{Kind: "issue", From: "treasury", To: "treasury", Asset: "AUR", Units: "1000000000"})
	w.endRound()
	for i := range rounds {
		if i == rounds/2 {
			w.copyNow()
		}
		for range 1 + w.random.IntN(5) {
			w.someV10()
		}
		w.endRound()
		if w.copied {
			w.someBlock()
		}
	}
	w.finish()
	return w
}

func (w *world) name() string { return fmt.Sprintf("acc-%d", w.random.IntN(12)) }

func (w *world) someV10() {
	code := "AUR"
	if w.random.IntN(4) == 0 && w.assets["GOLD"] != nil {
		code = "GOLD"
	}
	switch w.random.IntN(12) {
	case 0:
		w.v10(wireTransaction{Kind: "account", To: w.name()})
	case 1:
		w.v10(wireTransaction{Kind: "asset", From: "treasury", Asset: "GOLD"})
	case 2:
		w.v10(wireTransaction{Kind: "issue", From: "treasury", To: w.name(), Asset: code, Units: "777"})
	case 3:
		w.v10(wireTransaction{Kind: "redeem", From: "treasury", Asset: code, Units: "5"})
	case 4:
		w.v10(wireTransaction{Kind: "transfer", From: "treasury", To: w.name(), Asset: "AUR", Units: "99999999999"})
	case 5, 6:
		w.v10(wireTransaction{Kind: "transfer", From: w.someHolder(), To: w.name(), Asset: "AUR", Units: fmt.Sprint(1 + w.random.IntN(50))})
	default:
		w.v10(wireTransaction{Kind: "transfer", From: "treasury", To: w.name(), Asset: "AUR", Units: fmt.Sprint(100 + w.random.IntN(9000))})
	}
}

func (w *world) someHolder() string {
	n := w.name()
	if w.names[n] == 0 {
		return "treasury"
	}
	return n
}

// openV10 opens an account of V10's.
func (w *world) openV10(name string) {
	if w.names[name] != 0 {
		return
	}
	no := uint64(len(w.names) + 1)
	w.names[name] = no
	w.kv.put(Accounts, append([]byte{'a'}, name...), js(map[string]uint64{"number": no, "created_ms": worldMs}))
	w.kv.put(Accounts, append([]byte{'a'}, name...), []byte(fmt.Sprintf(`{"number":%d,"created_ms":%d}`, no, worldMs)))
	w.kv.put(Accounts, binary.BigEndian.AppendUint64([]byte{'n'}, no), []byte(name))
}

func (w *world) number(name string) uint32 {
	if name == "" {
		return 0
	}
	if n := w.numbers[name]; n != 0 {
		return n
	}
	n := uint32(len(w.state.accounts) + 1)
	w.numbers[name] = n
	w.state.accounts = append(w.state.accounts, StateAccount{
		Number: chain.AccountNo(n), Alias: w.alias.Tag(name), Address: keys.AliasAddress(name), Slot: w.alias.Slot(name), Custodian: 2, Portable: true,
	})
	return n
}

func (w *world) code(code string) uint32 {
	if code == "" {
		return 0
	}
	if n := w.codes[code]; n != 0 {
		return n
	}
	n := uint32(len(w.state.assets) + 1)
	w.codes[code] = n
	w.state.assets = append(w.state.assets, StateAsset{
		Number: chain.AssetNo(n), Code: code, Name: w.assets[code].Name, Scale: w.assets[code].Scale, Flags: chain.AssetPortable,
		Issuer: chain.AccountNo(w.number(w.assets[code].Issuer)),
	})
	return n
}

func (w *world) setBalance(name, code string, a chain.Amount) {
	w.holdings[[2]string{name, code}] = a
	w.kv.put(Assets, append(within('h', []byte(code)), name...), []byte(a.String()))
	w.kv.put(Accounts, append(within('h', []byte(name)), code...), nil)
}

func (w *world) setAsset(code string, a *wireAsset) {
	a.Supply = a.supply.String()
	w.assets[code] = a
	w.kv.put(Assets, append([]byte{'a'}, code...), js(a))
	w.kv.put(Assets, binary.BigEndian.AppendUint64([]byte{'n'}, a.Number), []byte(code))
}

func units(s string) chain.Amount {
	if s == "" {
		return chain.Amount{}
	}
	a, err := chain.ParseAmount(s, 0)
	if err != nil {
		panic(err)
	}
	return a
}

// execute is what V10 does with an order.
func (w *world) execute(t *wireTransaction) chain.Outcome {
	a := units(t.Units)
	debit := func() bool {
		has := w.holdings[[2]string{t.From, t.Asset}]
		left, ok := has.Sub(a)
		if ok {
			w.setBalance(t.From, t.Asset, left)
		}
		return ok
	}
	credit := func() {
		sum, _ := w.holdings[[2]string{t.To, t.Asset}].Add(a)
		w.setBalance(t.To, t.Asset, sum)
	}
	switch t.Kind {
	case "account":
		if w.names[t.To] != 0 {
			return chain.AliasTaken
		}
		w.openV10(t.To)
	case "asset":
		if w.assets[t.Asset] != nil {
			return chain.CodeTaken
		}
		w.setAsset(t.Asset, &wireAsset{Number: uint64(len(w.assets) + 1), Name: "the " + t.Asset, Scale: 2, Issuer: t.From, CreatedMs: worldMs})
	case "issue":
		w.openV10(t.To)
		s := w.assets[t.Asset]
		s.supply, _ = s.supply.Add(a)
		w.setAsset(t.Asset, s)
		credit()
	case "redeem":
		if !debit() {
			return chain.InsufficientFunds
		}
		s := w.assets[t.Asset]
		s.supply, _ = s.supply.Sub(a)
		w.setAsset(t.Asset, s)
	default:
		w.openV10(t.To)
		if !debit() {
			return chain.InsufficientFunds
		}
		credit()
	}
	return chain.OK
}

// v10 has V10 execute an order, and V11 hear of it, if the copy is done.
func (w *world) v10(t wireTransaction) {
	if t.Asset != "" && t.Kind != "asset" && w.assets[t.Asset] == nil {
		return
	}
	if t.Units == "" {
		t.Units = "0"
	}
	t.Ms = w.ms()
	t.Outcome = uint8(w.execute(&t))
	row := js(t)
	w.kv.put(Transactions, binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64([]byte{'t'}, w.round), w.place), row)
	for i, name := range []string{t.From, t.To} {
		if name != "" && (i == 0 || name != t.From) {
			k := binary.BigEndian.AppendUint64(within('p', []byte(name)), w.round)
			w.kv.put(Transactions, binary.BigEndian.AppendUint32(k, w.place), nil)
		}
	}
	w.pending = append(w.pending, row)
	w.own++
	if t.Outcome != 0 {
		w.refused++
	}
	if w.copied {
		w.replicate(&t)
	}
	w.place++
}

// v11Kind is the number of a kind in V11's tables.
func v11Kind(word string) uint8 {
	for _, k := range v10Kinds {
		if k.word == word {
			return k.kind
		}
	}
	panic(word)
}

func (w *world) replicate(t *wireTransaction) {
	w.height++
	row := TransferRow{Height: w.height, FromV10: true, Ms: t.Ms, Round: w.round, Place: w.place, Outcome: t.Outcome, Kind: v11Kind(t.Kind), Amount: units(t.Units)}
	switch {
	case t.Outcome != 0 && t.Kind != "transfer":
		row.Kind, row.Amount = kindTransfer, chain.Amount{}
	case t.Outcome != 0:
		row.Payer, row.Payee, row.Asset = w.numbers[t.From], w.numbers[t.To], w.codes[t.Asset]
	default:
		row.Payer, row.Payee, row.Asset = w.number(t.From), w.number(t.To), w.code(t.Asset)
		w.move(t.Kind, row.Payer, row.Payee, row.Asset, row.Amount)
		if row.Kind > kindRedeem {
			w.endBlock(0)
			return
		}
	}
	w.index(row)
	w.endBlock(1)
}

// move is what V11 does with a change.
func (w *world) move(kind string, from, to, asset uint32, a chain.Amount) {
	if kind == "transfer" || kind == "redeem" {
		k := [2]uint32{from, asset}
		w.state.balances[k] = wrapSub(w.state.balances[k], a)
	}
	if kind == "transfer" || kind == "issue" {
		k := [2]uint32{to, asset}
		w.state.balances[k] = wrapAdd(w.state.balances[k], a)
	}
	for i := range w.state.assets {
		if s := &w.state.assets[i]; uint32(s.Number) == asset {
			switch kind {
			case "issue":
				s.Supply = wrapAdd(s.Supply, a)
			case "redeem":
				s.Supply = wrapSub(s.Supply, a)
			}
		}
	}
}

func (w *world) index(row TransferRow) {
	row.Seq = uint64(len(w.rows.transfers) + 1)
	row.TimeUs = w.blockUs()
	w.rows.transfers = append(w.rows.transfers, row)
	for i, a := range []uint32{row.Payer, row.Payee} {
		if a != 0 && (i == 0 || a != row.Payer) {
			w.rows.listed = append(w.rows.listed, ListedRow{row.Seq >> 16, a, row.Seq})
		}
	}
}

func (w *world) blockUs() uint64 { return (worldMs + 100*w.height) * 1000 }

// endBlock writes a block of V11's, which V10 hears of.
func (w *world) endBlock(items uint64) {
	hash := sha256.Sum256(binary.BigEndian.AppendUint64(nil, w.height))
	w.rows.blocks = append(w.rows.blocks, BlockRow{Height: w.height, TimeUs: w.blockUs(), Items: items, Hash: hash})
	w.kv.put(Consensus, binary.BigEndian.AppendUint64([]byte{'v'}, w.height), js(wireRound{
		Ms: w.blockUs() / 1000, Votes: []string{}, Hash: "0x" + hex.EncodeToString(hash[:]), Previous: "0x" + hex.EncodeToString(w.lastHash[:]), Transactions: uint32(items),
	}))
	w.lastHash = hash
}

// someBlock has V11 execute payments of its own, and V10 apply them.
func (w *world) someBlock() {
	w.height++
	n := uint32(1 + w.random.IntN(3))
	for i := range n {
		t := wireTransaction{Ms: w.blockUs() / 1000, Kind: "transfer", From: "treasury", To: w.name(), Asset: "AUR", Units: fmt.Sprint(1 + w.random.IntN(99))}
		ref := sha256.Sum256([]byte{byte(w.height), byte(i)})
		t.Reference = hex.EncodeToString(ref[:])
		w.openV10(t.To)
		row := TransferRow{Height: w.height, Batch: 1, Item: i, Payer: w.number(t.From), Payee: w.number(t.To), Asset: w.code(t.Asset), Amount: units(t.Units), Reference: ref}
		w.move("transfer", row.Payer, row.Payee, row.Asset, row.Amount)
		w.index(row)
		w.execute(&t)
		id := v10.TxID{Ms: t.Ms, Height: chain.Height(w.height), Batch: 1, Item: i}
		key := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, t.Ms), w.height)
		key = binary.BigEndian.AppendUint32(key, id.Place())
		w.kv.put(Transactions, append([]byte{'u'}, key...), js(t))
		for _, name := range []string{t.From, t.To} {
			w.kv.put(Transactions, append(within('q', []byte(name)), key...), nil)
		}
		w.applied++
	}
	w.endBlock(uint64(n))
}

func (w *world) endRound() {
	if len(w.pending) == 0 {
		return
	}
	h := sha256.New()
	h.Write([]byte("aurigraph/v10-reference/round"))
	h.Write(binary.BigEndian.AppendUint64(nil, w.round))
	h.Write(binary.BigEndian.AppendUint64(nil, w.ms()))
	h.Write(w.previous[:])
	h.Write(binary.BigEndian.AppendUint32(nil, 11))
	h.Write([]byte("validator-1"))
	for _, row := range w.pending {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(row))))
		h.Write(row)
	}
	hash := [32]byte(h.Sum(nil))
	w.kv.put(Consensus, binary.BigEndian.AppendUint64([]byte{'r'}, w.round), js(wireRound{
		Ms: w.ms(), Leader: "validator-1", Votes: []string{"validator-1"}, Hash: "0x" + hex.EncodeToString(hash[:]),
		Previous: "0x" + hex.EncodeToString(w.previous[:]), Transactions: uint32(len(w.pending)),
	}))
	w.kv.put(Consensus, append([]byte{'b'}, hash[:]...), binary.BigEndian.AppendUint64(nil, w.round))
	w.previous, w.pending, w.place = hash, nil, v10.LegacyPlaceMin
	w.round++
}

// copyNow makes V11 what V10 is now.
func (w *world) copyNow() {
	w.kv.seal()
	w.copied = true
	m := &w.rows.meta
	m.Copied, m.Finished, m.LastRound = true, true, w.round-1
	for name := range w.names {
		w.number(name)
	}
	for code := range w.assets {
		w.code(code)
	}
	for _, key := range w.kv.keys[Transactions] {
		if key[0] != 't' {
			continue
		}
		var t wireTransaction
		if err := json.Unmarshal(w.kv.rows[Transactions][key], &t); err != nil {
			panic(err)
		}
		round, place, _ := placeKey([]byte(key))
		row := ImportedRow{
			Seq: uint64(len(w.rows.imported) + 1), Ms: t.Ms, Round: round, Place: place, Kind: v11Kind(t.Kind), Outcome: t.Outcome,
			Payer: w.numbers[t.From], Payee: w.numbers[t.To], Asset: w.codes[t.Asset], Amount: units(t.Units),
		}
		w.rows.imported = append(w.rows.imported, row)
		if t.Outcome == 0 {
			w.move(t.Kind, row.Payer, row.Payee, row.Asset, row.Amount)
		}
	}
	for _, key := range w.kv.keys[Consensus] {
		if key[0] == 'r' {
			r := RoundRow{Number: be64([]byte(key)[1:])}
			if !scanRound(w.kv.rows[Consensus][key], &r) {
				panic("a round is not read")
			}
			w.rows.rounds = append(w.rows.rounds, r)
		}
	}
	m.CopiedRows, m.Rounds = uint64(len(w.rows.imported)), uint64(len(w.rows.rounds))
}

func (w *world) finish() {
	w.kv.put(Meta, []byte("inbox"), []byte(fmt.Sprintf(`{"ledger":"00","origin":2,"position":"%d.0","tag":""}`, w.height)))
	h := binary.BigEndian.AppendUint64(nil, 7)
	key := sha256.Sum256(h)
	w.kv.put(Meta, append([]byte{'k'}, key[:]...), []byte(fmt.Sprintf(`{"caller":"c","key":"k","request":"AQ==","round":1,"place":524288,"ms":%d,"outcome":0}`, worldMs+1000)))
	age := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64([]byte{'e'}, worldMs+1000), 1)
	w.kv.put(Meta, append(age, key[:]...), nil)
	w.totals()
	m := &w.rows.meta
	m.Height, m.Seq, m.First, m.HasListed = chain.Height(w.height), uint64(len(w.rows.transfers)+1), 1, true
	slices.SortFunc(w.rows.listed, lessListed)
	w.state.height = chain.Height(w.height)
	w.state.inbox = StateInbox{Life: 1, Position: chain.SyncPosition{Major: 99}, Round: w.round - 1}
	w.kv.seal()
}

func (w *world) totals() {
	w.kv.put(Meta, []byte("totals"), js(map[string]any{
		"round": w.round - 1, "block_hash": "0x" + hex.EncodeToString(w.previous[:]), "accounts": len(w.names), "assets": len(w.assets),
		"transactions": w.own + w.applied, "refused": w.refused, "applied": w.applied,
	}))
}

// scrub makes one pass over the world.
func (w *world) scrub(t testing.TB) *Result {
	t.Helper()
	w.kv.seal()
	slices.SortFunc(w.rows.listed, lessListed)
	r, err := Pass(context.Background(), Config{Dir: t.TempDir(), AliasKey: &w.alias, Secret: Secret{1, 2, 3}}, w.cut())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (w *world) cut() *Cut {
	return &Cut{V10: w.kv, State: w.state, Rows: w.rows, Meta: w.rows.meta, Genesis: w.genesis}
}
