// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// damage is something that goes wrong in a world, and the kind that it must be found as.
type damage struct {
	kind string
	do   func(w *world) bool // false: this world has nothing of that sort
}

// firstKey is a key of V10's that begins so, and passes.
func (w *world) firstKey(f Family, kind byte, pass func(key, row []byte) bool) []byte {
	w.kv.seal()
	for _, k := range w.kv.keys[f] {
		if k[0] == kind && (pass == nil || pass([]byte(k), w.kv.rows[f][k])) {
			return []byte(k)
		}
	}
	return nil
}

// edit changes a row of V10's transactions.
func edit(kind byte, pass func(t *wireTransaction) bool, change func(t *wireTransaction)) func(*world) bool {
	return func(w *world) bool {
		key := w.firstKey(Transactions, kind, func(_, row []byte) bool {
			var t wireTransaction
			return json.Unmarshal(row, &t) == nil && pass(&t)
		})
		if key == nil {
			return false
		}
		var t wireTransaction
		_ = json.Unmarshal(w.kv.rows[Transactions][string(key)], &t)
		change(&t)
		w.kv.put(Transactions, key, js(t))
		return true
	}
}

func paid(t *wireTransaction) bool {
	return t.Kind == "transfer" && t.Outcome == 0 && t.From != t.To && len(t.Units) > 1
}

// raw changes the bytes of a row of V10's.
func raw(f Family, kind byte, change func(row []byte) []byte) func(*world) bool {
	return func(w *world) bool {
		key := w.firstKey(f, kind, func(_, row []byte) bool {
			return len(change(bytes.Clone(row))) != len(row) || !bytes.Equal(change(bytes.Clone(row)), row)
		})
		if key == nil {
			return false
		}
		w.kv.put(f, key, change(bytes.Clone(w.kv.rows[f][string(key)])))
		return true
	}
}

// gone removes a row of V10's; the last one if there are several, or the first.
func gone(f Family, kind byte) func(*world) bool {
	return func(w *world) bool {
		key := w.firstKey(f, kind, nil)
		if key != nil {
			w.kv.del(f, key)
		}
		return key != nil
	}
}

// imported changes a row of the copied history.
func imported(change func(r *ImportedRow)) func(*world) bool {
	return func(w *world) bool {
		for i := range w.rows.imported {
			if r := &w.rows.imported[i]; r.Kind == kindTransfer && r.Outcome == 0 && r.Payer != r.Payee && chain.Units(9).Less(r.Amount) {
				change(r)
				return true
			}
		}
		return false
	}
}

// indexed changes a row of the index, that came from V10 or not.
func indexed(fromV10 bool, change func(r *TransferRow)) func(*world) bool {
	return func(w *world) bool {
		for i := range w.rows.transfers {
			if r := &w.rows.transfers[i]; r.FromV10 == fromV10 && r.Kind == kindTransfer && r.Outcome == 0 && r.Payer != r.Payee && chain.Units(9).Less(r.Amount) {
				change(r)
				return true
			}
		}
		return false
	}
}

// in changes the tables.
func in(change func(m *memRows) bool) func(*world) bool {
	return func(w *world) bool { return change(w.rows) }
}

func setText(old, new string) func([]byte) []byte {
	return func(row []byte) []byte { return bytes.Replace(row, []byte(old), []byte(new), 1) }
}

func plus(a *chain.Amount, n uint64) { *a = wrapAdd(*a, chain.Units(n)) }

var damages = []damage{
	// V10's own transactions.
	{"v10/transactions/missing", gone(Transactions, 't')},
	{"v10/transactions/amount_off_by_one", edit('t', paid, func(t *wireTransaction) { a := units(t.Units); plus(&a, 1); t.Units = a.String() })},
	{"v10/transactions/amount_power_of_ten", edit('t', paid, func(t *wireTransaction) { t.Units += "0" })},
	{"v10/transactions/amount", edit('t', paid, func(t *wireTransaction) { a := units(t.Units); plus(&a, 12345); t.Units = a.String() })},
	{"v10/transactions/payer", edit('t', paid, func(t *wireTransaction) { t.From = "somebody" })},
	{"v10/transactions/payee", edit('t', paid, func(t *wireTransaction) { t.To = "somebody" })},
	{"v10/transactions/payer_and_payee_swapped", edit('t', paid, func(t *wireTransaction) { t.From, t.To = t.To, t.From })},
	{"v10/transactions/asset", edit('t', paid, func(t *wireTransaction) { t.Asset = "XYZ" })},
	{"v10/transactions/kind", edit('t', paid, func(t *wireTransaction) { t.Kind = "issue" })},
	{"v10/transactions/outcome", edit('t', paid, func(t *wireTransaction) { t.Outcome = 8 })},
	{"v10/transactions/time", edit('t', paid, func(t *wireTransaction) { t.Ms += 7 })},
	{"v10/transactions/time_zone", edit('t', paid, func(t *wireTransaction) { t.Ms += 3600_000 })},
	{"v10/transactions/cut_off", raw(Transactions, 't', func(r []byte) []byte { return r[:len(r)-3] })},
	{"v10/transactions/zero_byte", raw(Transactions, 't', setText(`"units"`, "\x00units\""))},
	{"v10/transactions/spelling", raw(Transactions, 't', setText(`,"units"`, `, "units"`))},
	{"v10/transactions/unreadable", raw(Transactions, 't', setText(`{`, `[`))},
	{"v10/transactions/duplicated", func(w *world) bool {
		last := w.firstKey(Consensus, 'r', func(key, _ []byte) bool { return be64(key[1:]) == w.round-2 })
		var r wireRound
		_ = json.Unmarshal(w.kv.rows[Consensus][string(last)], &r)
		key := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64([]byte{'t'}, w.round-2), v10.LegacyPlaceMin+r.Transactions-1)
		w.kv.put(Transactions, binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64([]byte{'t'}, w.round-2), v10.LegacyPlaceMin+r.Transactions), w.kv.rows[Transactions][string(key)])
		return true
	}},
	{"v10/transactions/extra", func(w *world) bool {
		w.kv.put(Transactions, binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64([]byte{'t'}, 1), v10.LegacyPlaceMin+99),
			js(wireTransaction{Ms: worldMs + 1000, Kind: "transfer", From: "treasury", To: "acc-1", Asset: "AUR", Units: "4"}))
		return true
	}},
	{"v10/transactions/without_round", func(w *world) bool {
		w.kv.put(Transactions, binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64([]byte{'t'}, 1_000_000), 0),
			js(wireTransaction{Ms: worldMs, Kind: "transfer", From: "treasury", To: "acc-1", Asset: "AUR", Units: "4"}))
		return true
	}},
	// Rows that follow from them.
	{"v10/parties/missing", gone(Transactions, 'p')},
	{"v10/parties/extra", func(w *world) bool {
		w.kv.put(Transactions, append(within('p', []byte("ghost")), make([]byte, 12)...), nil)
		return true
	}},
	{"v10/applied_parties/missing", gone(Transactions, 'q')},
	{"v10/applied_parties/extra", func(w *world) bool {
		w.kv.put(Transactions, append(within('q', []byte("ghost")), make([]byte, 20)...), nil)
		return true
	}},
	// V11's, as V10 has them.
	{"v10/applied_transactions/missing", gone(Transactions, 'u')},
	{"v10/applied_transactions/amount", edit('u', paid, func(t *wireTransaction) { a := units(t.Units); plus(&a, 12345); t.Units = a.String() })},
	{"v10/applied_transactions/amount_off_by_one", edit('u', paid, func(t *wireTransaction) { a := units(t.Units); plus(&a, 1); t.Units = a.String() })},
	{"v10/applied_transactions/payee", edit('u', paid, func(t *wireTransaction) { t.To = "somebody" })},
	{"v10/applied_transactions/outcome", edit('u', paid, func(t *wireTransaction) { t.Outcome = 8 })},
	{"v10/applied_transactions/time", edit('u', paid, func(t *wireTransaction) { t.Ms += 7 })},
	{"v10/applied_transactions/reference", edit('u', paid, func(t *wireTransaction) { t.Reference = strings.Repeat("ee", 32) })},
	{"v10/applied_transactions/cut_off", raw(Transactions, 'u', func(r []byte) []byte { return r[:len(r)-3] })},
	{"v10/applied_transactions/extra", func(w *world) bool {
		key := w.firstKey(Transactions, 'u', nil)
		again := bytes.Clone(key)
		again[len(again)-1] += 200
		w.kv.put(Transactions, again, w.kv.rows[Transactions][string(key)])
		return true
	}},
	// Rounds.
	{"v10/rounds/missing", func(w *world) bool { w.kv.del(Consensus, roundKey('r', 3)); return true }},
	{"v10/rounds/hash", func(w *world) bool {
		key := roundKey('r', 4)
		var r wireRound
		_ = json.Unmarshal(w.kv.rows[Consensus][string(key)], &r)
		r.Hash = "0x" + strings.Repeat("ab", 32)
		w.kv.put(Consensus, key, js(r))
		return true
	}},
	{"v10/rounds/count", raw(Consensus, 'r', setText(`"transactions":3}`, `"transactions":4}`))},
	{"v10/rounds/previous_hash", func(w *world) bool {
		key := roundKey('r', 4)
		var r wireRound
		_ = json.Unmarshal(w.kv.rows[Consensus][string(key)], &r)
		r.Previous = "0x" + strings.Repeat("ab", 32)
		w.kv.put(Consensus, key, js(r))
		return true
	}},
	{"v10/rounds/cut_off", raw(Consensus, 'r', func(r []byte) []byte { return r[:len(r)-2] })},
	{"v10/round_hashes/missing", gone(Consensus, 'b')},
	{"v10/round_hashes/extra", func(w *world) bool {
		w.kv.put(Consensus, append([]byte{'b'}, make([]byte, 32)...), make([]byte, 8))
		return true
	}},
	{"v10/applied_blocks/missing", func(w *world) bool { w.kv.del(Consensus, roundKey('v', w.height/2)); return true }},
	{"v10/applied_blocks/hash", func(w *world) bool {
		key := roundKey('v', w.height/2)
		var r wireRound
		_ = json.Unmarshal(w.kv.rows[Consensus][string(key)], &r)
		r.Hash = "0x" + strings.Repeat("ab", 32)
		w.kv.put(Consensus, key, js(r))
		return true
	}},
	{"v10/applied_blocks/time", func(w *world) bool {
		key := roundKey('v', w.height/2)
		var r wireRound
		_ = json.Unmarshal(w.kv.rows[Consensus][string(key)], &r)
		r.Ms++
		w.kv.put(Consensus, key, js(r))
		return true
	}},
	// Who there is, and what.
	{"v10/accounts/missing", gone(Accounts, 'a')},
	{"v10/accounts/number", func(w *world) bool {
		a, b := w.firstKey(Accounts, 'a', nil), []byte("atreasury")
		x, y := w.kv.rows[Accounts][string(a)], w.kv.rows[Accounts][string(b)]
		w.kv.put(Accounts, a, y)
		w.kv.put(Accounts, b, x)
		return true
	}},
	{"v10/accounts/cut_off", raw(Accounts, 'a', func(r []byte) []byte { return r[:len(r)-2] })},
	{"v10/account_numbers/gap", gone(Accounts, 'n')},
	{"v10/held_assets/missing", gone(Accounts, 'h')},
	{"v10/held_assets/extra", func(w *world) bool {
		w.kv.put(Accounts, append(within('h', []byte("acc-1")), "ZZZ"...), nil)
		return true
	}},
	{"v10/assets/missing", gone(Assets, 'a')},
	{"v10/assets/supply", raw(Assets, 'a', setText(`"supply":"1`, `"supply":"2`))},
	{"v11/assets/scale", raw(Assets, 'a', setText(`"scale":2`, `"scale":3`))},
	{"v11/assets/name", raw(Assets, 'a', setText(`the AUR`, `the RUA`))},
	{"v10/assets/issuer", raw(Assets, 'a', setText(`"issuer":"treasury"`, `"issuer":"nobody"`))},
	{"v10/asset_numbers/missing", gone(Assets, 'n')},
	{"v10/balances/missing", func(w *world) bool {
		key := w.firstKey(Assets, 'h', func(_, row []byte) bool { return string(row) != "0" })
		w.kv.del(Assets, key)
		return true
	}},
	{"v10/balances/amount_off_by_one", balance(func(a chain.Amount) string { plus(&a, 1); return a.String() })},
	{"v10/balances/sum", balance(func(a chain.Amount) string { plus(&a, 1_000_003); return a.String() })},
	{"v10/balances/amount_negative", balance(func(chain.Amount) string { return "-5" })},
	{"v10/balances/amount_too_large", balance(func(chain.Amount) string { return strings.Repeat("9", 40) })},
	{"v10/balances/unreadable", balance(func(chain.Amount) string { return "5e3" })},
	{"v10/balances/spelling", balance(func(a chain.Amount) string { return "0" + a.String() })},
	{"v10/balances/cancelling", func(w *world) bool {
		n := 0
		for _, name := range []string{"treasury", "acc-1", "acc-2", "acc-3", "acc-4", "acc-5"} {
			key := append(within('h', []byte("AUR")), name...)
			row, ok := w.kv.rows[Assets][string(key)]
			if a := units(string(row)); ok && n < 2 && chain.Units(100).Less(a) {
				if n++; n == 1 {
					a = wrapSub(a, chain.Units(77))
				} else {
					plus(&a, 77)
				}
				w.kv.put(Assets, key, []byte(a.String()))
			}
		}
		return n == 2
	}},
	{"v10/balances/applied_twice", again(true)},
	{"v10/balances/never_applied", again(false)},
	{"v10/totals/count", raw(Meta, 't', setText(`"accounts":`, `"accounts":1`))},
	{"v10/totals/missing", gone(Meta, 't')},
	{"v10/totals/hash", raw(Meta, 't', setText(`"block_hash":"0x`, `"block_hash":"0xff`))},
	{"v10/idempotency_keys/leads_nowhere", raw(Meta, 'k', setText(`"place":524288`, `"place":77`))},
	{"v10/idempotency_keys/without_age", gone(Meta, 'e')},
	// The copied history.
	{"v11/imported_transactions/missing", in(func(m *memRows) bool { m.imported = slices.Delete(m.imported, 4, 5); return true })},
	{"v11/imported_transactions/gap", in(func(m *memRows) bool { m.imported = slices.Delete(m.imported, 4, 5); return true })},
	{"v11/imported_meta/count", in(func(m *memRows) bool { m.imported = m.imported[:len(m.imported)-1]; return true })},
	{"v11/imported_meta/incomplete", in(func(m *memRows) bool { m.meta.Finished = false; return true })},
	{"v11/imported_transactions/duplicated", in(func(m *memRows) bool {
		r := m.imported[3]
		r.Seq = uint64(len(m.imported) + 1)
		m.imported = append(m.imported, r)
		m.meta.CopiedRows++
		return true
	})},
	{"v11/imported_transactions/reordered", in(func(m *memRows) bool {
		a, b := &m.imported[4], &m.imported[7]
		*a, *b = *b, *a
		a.Seq, b.Seq = b.Seq, a.Seq
		return true
	})},
	{"v11/imported_transactions/extra", in(func(m *memRows) bool {
		m.imported = append(m.imported, ImportedRow{Seq: uint64(len(m.imported) + 1), Ms: worldMs, Round: 2, Place: 5000, Kind: kindTransfer, Payer: 2, Payee: 3, Asset: 2, Amount: chain.Units(5)})
		m.meta.CopiedRows++
		return true
	})},
	{"v11/imported_transactions/amount_off_by_one", imported(func(r *ImportedRow) { plus(&r.Amount, 1) })},
	{"v11/imported_transactions/amount", imported(func(r *ImportedRow) { plus(&r.Amount, 12347) })},
	{"v11/imported_transactions/amount_power_of_ten", imported(func(r *ImportedRow) { r.Amount, _ = timesTen(r.Amount) })},
	{"v11/imported_transactions/payer", imported(func(r *ImportedRow) { r.Payer = 9999 })},
	{"v11/imported_transactions/payee", imported(func(r *ImportedRow) { r.Payee = 1 })},
	{"v11/imported_transactions/payer_and_payee_swapped", imported(func(r *ImportedRow) { r.Payer, r.Payee = r.Payee, r.Payer })},
	{"v11/imported_transactions/asset", imported(func(r *ImportedRow) { r.Asset = 1 })},
	{"v11/imported_transactions/kind", imported(func(r *ImportedRow) { r.Kind = kindIssue })},
	{"v11/imported_transactions/outcome", imported(func(r *ImportedRow) { r.Outcome = 8 })},
	{"v11/imported_transactions/time", imported(func(r *ImportedRow) { r.Ms++ })},
	{"v11/imported_transactions/time_zone", imported(func(r *ImportedRow) { r.Ms += 2 * 3600_000 })},
	{"v11/imported_transactions/unreadable", imported(func(r *ImportedRow) { r.Damaged = "an amount of no digits" })},
	{"v11/imported_rounds/missing", in(func(m *memRows) bool { m.rounds = slices.Delete(m.rounds, 2, 3); return true })},
	{"v11/imported_rounds/extra", in(func(m *memRows) bool { m.rounds = append(m.rounds, RoundRow{Number: 1 << 40}); return true })},
	{"v11/imported_rounds/hash", in(func(m *memRows) bool { m.rounds[2].Hash[0]++; return true })},
	{"v11/imported_rounds/previous_hash", in(func(m *memRows) bool { m.rounds[2].Previous[0]++; return true })},
	{"v11/imported_rounds/time", in(func(m *memRows) bool { m.rounds[2].Ms++; return true })},
	{"v11/imported_rounds/count", in(func(m *memRows) bool { m.rounds[2].Transactions++; return true })},
	{"v11/imported_rounds/leader", in(func(m *memRows) bool { m.rounds[2].Leader += "x"; return true })},
	{"v11/imported_rounds/votes", in(func(m *memRows) bool { m.rounds[2].Votes = nil; return true })},
	// The index.
	{"v11/index_transfers/missing", dropIndexed(true)},
	{"v11/index_transfers/gap", dropIndexed(true)},
	{"v11/index_transfers/missing", dropIndexed(false)},
	{"v11/index_transfers/amount_off_by_one", indexed(true, func(r *TransferRow) { plus(&r.Amount, 1) })},
	{"v11/index_transfers/amount_power_of_ten", indexed(true, func(r *TransferRow) { r.Amount, _ = timesTen(r.Amount) })},
	{"v11/index_transfers/amount", indexed(false, func(r *TransferRow) { plus(&r.Amount, 12347) })},
	{"v11/index_transfers/payee", indexed(false, func(r *TransferRow) { r.Payee = 1 })},
	{"v11/index_transfers/payer", indexed(true, func(r *TransferRow) { r.Payer = 1 })},
	{"v11/index_transfers/payer_and_payee_swapped", indexed(true, func(r *TransferRow) { r.Payer, r.Payee = r.Payee, r.Payer })},
	{"v11/index_transfers/asset", indexed(true, func(r *TransferRow) { r.Asset = 1 })},
	{"v11/index_transfers/kind", indexed(true, func(r *TransferRow) { r.Kind = kindIssue })},
	{"v11/index_transfers/outcome", indexed(true, func(r *TransferRow) { r.Outcome = 8 })},
	{"v11/index_transfers/time", indexed(true, func(r *TransferRow) { r.Ms++ })},
	{"v11/index_transfers/time", indexed(false, func(r *TransferRow) { r.TimeUs += 5000 })},
	{"v11/index_transfers/time_zone", indexed(false, func(r *TransferRow) { r.TimeUs += 3600_000_000 })},
	{"v11/index_transfers/duplicated", in(func(m *memRows) bool {
		i := slices.IndexFunc(m.transfers, func(r TransferRow) bool { return r.FromV10 && r.Outcome == 0 })
		r := m.transfers[i]
		r.Seq = uint64(len(m.transfers) + 1)
		m.transfers = append(m.transfers, r)
		m.meta.Seq++
		return true
	})},
	{"v11/index_transfers/reordered", in(func(m *memRows) bool {
		a, b := &m.transfers[3], &m.transfers[6]
		*a, *b = *b, *a
		a.Seq, b.Seq = b.Seq, a.Seq
		return true
	})},
	{"v11/index_transfers/height", in(func(m *memRows) bool {
		m.blocks = slices.Delete(m.blocks, 2, 3)
		return true
	})},
	{"v11/index_blocks/gap", in(func(m *memRows) bool { m.blocks = slices.Delete(m.blocks, 2, 3); return true })},
	{"v11/index_blocks/hash", in(func(m *memRows) bool { m.blocks[2].Hash[0]++; return true })},
	{"v11/index_blocks/time", indexedBlock(func(b *BlockRow) { b.TimeUs += 4000 })},
	{"v11/index_blocks/items", indexedBlock(func(b *BlockRow) { b.Items = 0 })},
	{"v11/index_by_account/missing", in(func(m *memRows) bool { m.listed = m.listed[1:]; return true })},
	{"v11/index_by_account/extra", in(func(m *memRows) bool { m.listed = append(m.listed, ListedRow{0, 4711, 1}); return true })},
	{"v11/index_by_account/number", in(func(m *memRows) bool { m.listed[0].Chunk = 7; return true })},
	{"v11/index_meta/count", in(func(m *memRows) bool { m.transfers = m.transfers[:len(m.transfers)-1]; return true })},
	// V11's state.
	{"v11/accounts/missing", func(w *world) bool {
		w.state.accounts = slices.DeleteFunc(w.state.accounts, func(a StateAccount) bool { return uint32(a.Number) == w.numbers["treasury"] })
		return true
	}},
	{"v11/accounts/extra", func(w *world) bool { w.number("a stranger"); return true }},
	{"v11/accounts/slot", func(w *world) bool { w.state.accounts[3].Slot ^= 1; return true }},
	{"v11/accounts/address", func(w *world) bool { w.state.accounts[3].Address[0]++; return true }},
	{"v11/accounts/custody", func(w *world) bool { w.state.accounts[3].Custodian = 0; return true }},
	{"v11/assets/missing", func(w *world) bool { w.state.assets = w.state.assets[:len(w.state.assets)-1]; return true }},
	{"v11/assets/flags", func(w *world) bool { w.state.assets[1].Flags = 0; return true }},
	{"v11/assets/issuer", func(w *world) bool { w.state.assets[1].Issuer = 1; return true }},
	{"v11/assets/supply", func(w *world) bool { plus(&w.state.assets[1].Supply, 9); return true }},
	{"v11/balances/sum", stateBalance(1_000_003)},
	{"v11/balances/amount_off_by_one", stateBalance(1)},
	{"v11/balances/cancelling", func(w *world) bool {
		a, b := [2]uint32{w.numbers["treasury"], w.codes["AUR"]}, [2]uint32{w.number("acc-1"), w.codes["AUR"]}
		w.state.balances[a] = wrapSub(w.state.balances[a], chain.Units(5))
		w.state.balances[b] = wrapAdd(w.state.balances[b], chain.Units(5))
		return true
	}},
}

// balance changes one of V10's.
func balance(change func(chain.Amount) string) func(*world) bool {
	return func(w *world) bool {
		key := append(within('h', []byte("AUR")), "treasury"...)
		w.kv.put(Assets, key, []byte(change(units(string(w.kv.rows[Assets][string(key)])))))
		return true
	}
}

// again makes a balance one in which an entry counts twice, or not at all.
func again(twice bool) func(*world) bool {
	return func(w *world) bool {
		var t wireTransaction
		key := w.firstKey(Transactions, 't', func(_, row []byte) bool {
			return json.Unmarshal(row, &t) == nil && paid(&t) && t.To != "treasury"
		})
		if key == nil {
			return false
		}
		_ = json.Unmarshal(w.kv.rows[Transactions][string(key)], &t)
		at := append(within('h', []byte(t.Asset)), t.To...)
		a := units(string(w.kv.rows[Assets][string(at)]))
		if twice {
			a = wrapAdd(a, units(t.Units))
		} else {
			var ok bool
			if a, ok = a.Sub(units(t.Units)); !ok {
				return false
			}
		}
		w.kv.put(Assets, at, []byte(a.String()))
		return true
	}
}

func stateBalance(n uint64) func(*world) bool {
	return func(w *world) bool {
		k := [2]uint32{w.numbers["treasury"], w.codes["AUR"]}
		w.state.balances[k] = wrapAdd(w.state.balances[k], chain.Units(n))
		return true
	}
}

func dropIndexed(fromV10 bool) func(*world) bool {
	return in(func(m *memRows) bool {
		i := slices.IndexFunc(m.transfers, func(r TransferRow) bool {
			return r.FromV10 == fromV10 && r.Kind == kindTransfer && r.Outcome == 0 && r.Seq > 2
		})
		if i >= 0 {
			m.transfers = slices.Delete(m.transfers, i, i+1)
		}
		return i >= 0
	})
}

func indexedBlock(change func(*BlockRow)) func(*world) bool {
	return in(func(m *memRows) bool {
		i := slices.IndexFunc(m.transfers, func(r TransferRow) bool { return !r.FromV10 })
		change(&m.blocks[m.transfers[i].Height-1])
		return true
	})
}

// movesMoney are the damages that make sums wrong by themselves.
var movesMoney = map[string]bool{"v11/accounts/missing": true, "v11/assets/missing": true, "v11/assets/flags": true, "v10/assets/missing": true}

// Each damage is found, by a name of its own.
func TestDamage(t *testing.T) {
	for i, d := range damages {
		t.Run(fmt.Sprintf("%03d %s", i, d.kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(uint64(i), 40)
			if !d.do(w) {
				t.Fatal("the world has nothing to damage")
			}
			kept := w.scrub(t).Findings.Kept()
			kinds := kindsOf(kept)
			if !slices.Contains(kinds, d.kind) {
				t.Errorf("found %v", kept)
			}
			for _, k := range kinds {
				if strings.Contains(k, "/balances/") && !strings.Contains(d.kind, "/balances/") && !movesMoney[d.kind] {
					t.Errorf("sums are said to be wrong, which follows from the row: %v", kept)
				}
			}
		})
	}
}
