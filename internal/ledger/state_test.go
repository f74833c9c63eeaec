// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/pages"
)

// grown is a ledger with something in every section.
func grown(t testing.TB) *Ledger {
	t.Helper()
	l := start(t, smallGenesis())
	gov, bank, _ := clients(l)
	code, _, _ := gov.tx(3, &chain.Hold{To: 5, Asset: 1, Amount: units(100), Blocks: 30})
	want(t, code, chain.OK)
	code, _, _ = gov.tx(3, &chain.Hold{To: 5, Asset: 2, Amount: units(100), Blocks: 20})
	want(t, code, chain.OK)
	want(t, bank.run(t, 0, chain.Leg{From: 4, To: 1, Asset: 1, Amount: units(1)})[0], chain.OK)
	want(t, gov.run(t, 0, keyedLeg(1, 1), keyedLeg(2, 1))[1], chain.OK)
	e := chain.LaneEntry{Validator: 1, JoinEpoch: 1, Sequence: 1}
	l.AdvanceLane(e, chain.Hash{1})
	next(l)
	return l
}

// columns are all columns of a ledger as (section, pointer to a record) by name.
func columns(l *Ledger) map[string]func(record uint64) any {
	return map[string]func(uint64) any{
		"meta":         func(i uint64) any { return l.meta.Mut(i) },
		"accounts":     func(i uint64) any { return l.accounts.Mut(i) },
		"words":        func(i uint64) any { return l.words.Mut(i) },
		"aliases":      func(i uint64) any { return l.aliases.Mut(i) },
		"keys":         func(i uint64) any { return l.keys.Mut(i) },
		"largeKeys":    func(i uint64) any { return l.largeKeys.Mut(i) },
		"institutions": func(i uint64) any { return l.institutions.Mut(i) },
		"channels":     func(i uint64) any { return l.channels.Mut(i) },
		"nonces":       func(i uint64) any { return l.nonces.Mut(i) },
		"assets":       func(i uint64) any { return l.assets.Mut(i) },
		"homes":        func(i uint64) any { return l.homes.Mut(i) },
		"holds":        func(i uint64) any { return l.holds.Mut(i) },
		"lanes":        func(i uint64) any { return l.lanes.Mut(i) },
		"validators":   func(i uint64) any { return l.validators.Mut(i) },
		"sparseKeys":   func(i uint64) any { return l.sparseKeys.Mut(i) },
		"sparse":       func(i uint64) any { return l.sparse.Mut(i) },
		"keyedTotals":  func(i uint64) any { return l.keyedTotals.Mut(i) },
		"keyed":        func(i uint64) any { return l.keyed.Mut(i) },
		"inbox":        func(i uint64) any { return l.inbox.Mut(i) },
		"frozenSlots":  func(i uint64) any { return l.frozenSlots.Mut(i) },
		"mover":        func(i uint64) any { return l.mover.Mut(i) },
		"homeMoves":    func(i uint64) any { return l.homeMoves.Mut(i) },
		"slotSince":    func(i uint64) any { return l.slotSince.Mut(i) },
		"dense":        func(i uint64) any { return l.hot[1].column.Mut(i) },
	}
}

// leaves visits every integer of a record.
func leaves(v reflect.Value, path string, visit func(string, reflect.Value)) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			leaves(v.Field(i), path+"."+v.Type().Field(i).Name, visit)
		}
	case reflect.Array:
		for i := range v.Len() {
			leaves(v.Index(i), fmt.Sprintf("%s[%d]", path, i), visit)
		}
	default:
		visit(path, v)
	}
}

// Every field of every column is executed state: changing any must change the state root. And every field of Ledger
// that holds state is among the columns that are tried.
func TestRootCoversEveryField(t *testing.T) {
	l := grown(t)
	tried := columns(l)
	typ := reflect.TypeFor[Ledger]()
	for i := range typ.NumField() {
		f := typ.Field(i)
		if f.Type.Kind() == reflect.Pointer && f.Name != "space" && tried[f.Name] == nil {
			t.Errorf("column %s is not tried", f.Name)
		}
	}
	tree := pages.NewTree()
	hash := func() chain.Hash {
		sn := l.space.Snapshot()
		defer sn.Release()
		return tree.Update(sn)
	}
	before := hash()
	for name, column := range tried {
		record := uint64(1)
		if name == "meta" || name == "keyedTotals" || name == "inbox" || name == "mover" {
			record = 0
		}
		paths := 0
		leaves(reflect.ValueOf(column(record)).Elem(), name, func(path string, _ reflect.Value) {
			if paths++; paths > 120 && paths%37 != 0 {
				return // large keys: some bytes stand for all
			}
			// The snapshot taken by hash made the page read-only: find the field again.
			change(column(record), path, name)
			if hash() == before {
				t.Errorf("%s changes and the root does not", path)
			}
			change(column(record), path, name)
			if hash() != before {
				t.Errorf("%s: the root does not come back", path)
			}
		})
	}
}

// change inverts the field of a record.
func change(record any, path, name string) {
	leaves(reflect.ValueOf(record).Elem(), name, func(p string, field reflect.Value) {
		if p == path {
			field.SetUint(field.Uint() ^ 1)
		}
	})
}

// Damage that a root would not excuse (a wrong loader, a bug) is found by Attach.
func TestAttachFindsDamage(t *testing.T) {
	for name, damage := range map[string]func(l *Ledger){
		"no chain":               func(l *Ledger) { l.meta.Mut(0).Chain = 0 },
		"V10's slots after all":  func(l *Ledger) { l.meta.Mut(0).MigrationOpen = 0 },
		"accounts above limit":   func(l *Ledger) { l.meta.Mut(0).Accounts = 1001 },
		"limit too high":         func(l *Ledger) { l.meta.Mut(0).AccountsMax = chain.AccountsMaxMax + 1 },
		"too many assets":        func(l *Ledger) { l.meta.Mut(0).Assets = AssetsMax + 1 },
		"more large keys":        func(l *Ledger) { l.meta.Mut(0).LargeKeys = 100 },
		"another large key":      func(l *Ledger) { l.meta.Mut(0).LargeKeys = 2 },
		"more aliases":           func(l *Ledger) { l.meta.Mut(0).Aliases = 3 },
		"aliases above accounts": func(l *Ledger) { l.meta.Mut(0).Aliases = 1001 },
		"more accounts":          func(l *Ledger) { l.meta.Mut(0).Accounts++ },
		"more keys":              func(l *Ledger) { l.meta.Mut(0).Keys++ },
		"more institutions":      func(l *Ledger) { l.meta.Mut(0).Institutions++ },
		"more assets":            func(l *Ledger) { l.meta.Mut(0).Assets++ },
		"more sparse holdings":   func(l *Ledger) { l.meta.Mut(0).Sparse++ },
		"fewer sparse holdings":  func(l *Ledger) { l.meta.Mut(0).Sparse-- },
		"fewer holds":            func(l *Ledger) { l.meta.Mut(0).HoldsPending-- },
		"fewer slots":            func(l *Ledger) { l.meta.Mut(0).HoldSlots-- },
		"alias to another":       func(l *Ledger) { l.aliases.Mut(1).Account = 7 },
		"alias twice":            func(l *Ledger) { l.aliases.Mut(2).Tag = l.aliases.Ref(1).Tag },
		"key scheme":             func(l *Ledger) { l.keys.Mut(1).Scheme = 9 },
		"key state":              func(l *Ledger) { l.keys.Mut(1).State = 0 },
		"key owner":              func(l *Ledger) { l.keys.Mut(4).Owner = 1 },
		"key owner kind":         func(l *Ledger) { l.keys.Mut(4).Kind = 3 },
		"large key number":       func(l *Ledger) { l.keys.Mut(2).Large = 2 },
		"revoked unnoticed":      func(l *Ledger) { l.keys.Mut(1).State = keyRevoked },
		"house of nobody":        func(l *Ledger) { l.institutions.Mut(2).House = 3 },
		"word bits":              func(l *Ledger) { *l.words.Mut(1) |= 1 << 30 },
		"word without owner":     func(l *Ledger) { *l.words.Mut(1) = 0 },
		"word own key":           func(l *Ledger) { *l.words.Mut(1) |= wordOwnKey },
		"word portable":          func(l *Ledger) { *l.words.Mut(1) |= wordPortable },
		"custodian":              func(l *Ledger) { *l.words.Mut(1) = 3 },
		"account key":            func(l *Ledger) { l.accounts.Mut(5).Key = 3 },
		"account slot":           func(l *Ledger) { l.accounts.Mut(3).Slot = 3 },
		"account flags":          func(l *Ledger) { l.accounts.Mut(3).Flags = 2 },
		"address twice":          func(l *Ledger) { l.accounts.Mut(3).Address = l.accounts.Ref(1).Address },
		"no address":             func(l *Ledger) { l.accounts.Mut(3).Address = chain.Address{} },
		"asset code":             func(l *Ledger) { l.assets.Mut(1).Code[0] = 'g' },
		"asset code length":      func(l *Ledger) { l.assets.Mut(1).CodeBytes = 99 },
		"asset code twice":       func(l *Ledger) { l.assets.Mut(2).Code = l.assets.Ref(1).Code; l.assets.Mut(2).CodeBytes = 4 },
		"asset issuer":           func(l *Ledger) { l.assets.Mut(1).Issuer = 0 },
		"asset flags":            func(l *Ledger) { l.assets.Mut(2).Flags |= 1 << 9 },
		"dense turned sparse":    func(l *Ledger) { l.assets.Mut(1).Flags = 0 },
		"sparse turned dense":    func(l *Ledger) { l.assets.Mut(2).Flags = chain.AssetDense },
		"epoch 0":                func(l *Ledger) { l.meta.Mut(0).Epoch = 0 },
		"no validators":          func(l *Ledger) { l.meta.Mut(0).Validators = 0 },
		"a validator too many":   func(l *Ledger) { l.meta.Mut(0).Validators++ },
		"highest number vacant":  func(l *Ledger) { *l.lanes.Mut(1) = laneRecord{} },
		"vacant with keys":       func(l *Ledger) { *l.lanes.Mut(0) = laneRecord{} },
		"vacant with a lane":     func(l *Ledger) { *l.validators.Mut(0) = validatorRecord{}; *l.lanes.Mut(0) = laneRecord{Sequence: 1} },
		"validator of tomorrow":  func(l *Ledger) { l.lanes.Mut(0).JoinEpoch = 2 },
		"validator without name": func(l *Ledger) { l.validators.Mut(0).NameBytes = 0 },
		"validator's long name":  func(l *Ledger) { l.validators.Mut(0).NameBytes = chain.NameBytesMax + 1 },
		"supply":                 func(l *Ledger) { l.assets.Mut(1).Supply.Lo++ },
		"sparse key account":     func(l *Ledger) { l.sparseKeys.Mut(1).Account = 99 },
		"sparse key twice":       func(l *Ledger) { *l.sparseKeys.Mut(2) = *l.sparseKeys.Ref(1) },
		"balance":                func(l *Ledger) { l.hot[1].column.Mut(3).Lo++ },
		"balances wrap":          func(l *Ledger) { l.hot[1].column.Mut(3).Hi = ^uint64(0); l.hot[1].column.Mut(4).Hi = ^uint64(0) },
		"sparse balance":         func(l *Ledger) { l.sparse.Mut(1).Lo++ },
		"hold amount":            func(l *Ledger) { l.holds.Mut(0).Amount.Lo++ },
		"hold without amount":    func(l *Ledger) { l.holds.Mut(0).Amount.Lo = 0 },
		"hold state":             func(l *Ledger) { l.holds.Mut(0).State = 2 },
		"hold twice":             func(l *Ledger) { l.holds.Mut(1).ID = l.holds.Ref(0).ID },
		"hold gone":              func(l *Ledger) { *l.holds.Mut(0) = holdRecord{} },
		"more keys than came":    func(l *Ledger) { l.keyedTotals.Mut(0).Expired = 3 },
		"keys evicted unseen":    func(l *Ledger) { l.keyedTotals.Mut(0).Evicted = 3 },
		"more keys than may":     func(l *Ledger) { l.keyedTotals.Mut(0).Max = 1 },
		"too many keys may":      func(l *Ledger) { l.keyedTotals.Mut(0).Max = chain.IdempotencyKeysMaxMax + 1 },
		"keys' reserved field":   func(l *Ledger) { l.keyedTotals.Mut(0).Reserved = 1 },
		"a key that never came":  func(l *Ledger) { l.keyedTotals.Mut(0).Recorded++ },
		"a key that should live": func(l *Ledger) { *l.keyed.Mut(1) = keyedRecord{} },
		"a key that is gone":     func(l *Ledger) { l.keyedTotals.Mut(0).Recorded-- },
		"a key expired unseen":   func(l *Ledger) { l.keyedTotals.Mut(0).Expired = 1 },
		"a key outside the ring": func(l *Ledger) { l.keyed.Mut(keyedRingMax - 1).Height = 1 },
		"a key twice":            func(l *Ledger) { l.keyed.Mut(1).Key = l.keyed.Ref(0).Key },
		"a key of nobody":        func(l *Ledger) { l.keyed.Mut(1).Institution = 3 },
		"a key of tomorrow":      func(l *Ledger) { l.keyed.Mut(1).Height = l.Height() + 1 },
		"a key of before":        func(l *Ledger) { l.keyed.Mut(1).Height = 0 },
		"a key of later":         func(l *Ledger) { l.keyed.Mut(1).TimeUs = l.TimeUs() + 1 },
		"a key out of turn":      func(l *Ledger) { l.keyed.Mut(0).TimeUs++ },
		"a key's outcome":        func(l *Ledger) { l.keyed.Mut(1).Outcome = 200 },
		"a key of elsewhere":     func(l *Ledger) { l.keyed.Mut(1).Outcome = chain.NotHome },
		"a key's item":           func(l *Ledger) { l.keyed.Mut(1).Item = chain.BatchLegsMax },
		"a key's batch":          func(l *Ledger) { l.keyed.Mut(1).Index = chain.EntriesPerBlockMax },
		"delegated keys":         func(l *Ledger) { l.institutions.Mut(1).DelegatedKeys++ },
		"a key delegated":        func(l *Ledger) { l.keys.Mut(1).Kind = ownedByDelegate },
		"stray section":          func(l *Ledger) { pages.NewColumn[uint64](l.space, 99, 1) },
		"stray dense section":    func(l *Ledger) { pages.NewColumn[chain.Amount](l.space, sectionDense+2, 1) },
		"stray asset section":    func(l *Ledger) { pages.NewColumn[chain.Amount](l.space, sectionDense+999, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			l := grown(t)
			damage(l)
			if err := attach(copyPages(t, l.space)); !fault.Is(err, fault.Corrupt) {
				t.Fatal("found nothing:", err)
			}
		})
	}
	odd := copyPages(t, grown(t).space)
	if err := odd.LoadSection(sectionDense+3, 8); err != nil {
		t.Fatal(err)
	}
	if err := attach(odd); !fault.Is(err, fault.Corrupt) {
		t.Fatal(err)
	}
	if err := attach(pages.NewSpace()); !fault.Is(err, fault.Corrupt) {
		t.Fatal(err)
	}
}

func attach(space *pages.Space) error { return New(space, testAddress).Attach() }

func TestConservationIsAsserted(t *testing.T) {
	l := start(t, smallGenesis())
	l.credit(1, 1, units(1))
	breaks(t, func() { l.EndBlock() })
	l = start(t, smallGenesis())
	breaks(t, func() { l.BeginBlock(3, 0) })
	l.hot[1].column.Mut(1).Hi = ^uint64(0)
	breaks(t, func() { l.credit(1, 1, chain.Amount{Hi: ^uint64(0)}) })
	l = grown(t)
	*l.hot[1].column.Mut(uint64(Escrow)) = chain.Amount{}
	breaks(t, func() {
		for range 40 {
			l.BeginBlock(l.Height()+1, 0)
		}
	})
}

func TestLanes(t *testing.T) {
	l := start(t, smallGenesis())
	if epoch, sequence, tip := l.Lane(1); epoch != 1 || sequence != 0 || !tip.IsZero() {
		t.Fatal(epoch, sequence, tip)
	}
	if epoch, _, _ := l.Lane(2); epoch != 0 {
		t.Fatal("a lane of nobody")
	}
	e := chain.LaneEntry{Validator: 1, JoinEpoch: 1, Sequence: 1}
	l.AdvanceLane(e, chain.Hash{7})
	if _, sequence, tip := l.Lane(1); sequence != 1 || tip != (chain.Hash{7}) {
		t.Fatal(sequence, tip)
	}
	for _, bad := range []chain.LaneEntry{
		e, {Validator: 2, JoinEpoch: 1, Sequence: 1}, {Validator: 1, JoinEpoch: 2, Sequence: 2, Parent: chain.Hash{7}},
		{Validator: 1, JoinEpoch: 1, Sequence: 2}, {Validator: 1, JoinEpoch: 1, Sequence: 3, Parent: chain.Hash{7}},
	} {
		breaks(t, func() { l.AdvanceLane(bad, chain.Hash{8}) })
	}
	if m, want := l.Membership(), smallGenesis().Membership(); !reflect.DeepEqual(m, want) {
		t.Fatalf("%+v, want %+v", m, want)
	}
}
