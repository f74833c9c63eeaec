// SPDX-License-Identifier: Apache-2.0

package damage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// aHash names a row that the verifier names by a hash of its run.
const aHash = "#"

// asset is V10's that the bench pays in.
const asset = "AUR"

// beyond is the number of a round that no ledger of a test reaches.
const beyond = 1 << 40

func amount(change func(units string) string) func(*Planter, *found) {
	return func(_ *Planter, f *found) { f.Units = change(f.Units) }
}

// somebody is another account than those of a payment.
func (p *Planter) somebody(ctx context.Context, f *found) (string, error) {
	n, name, err := p.account(ctx)
	for err == nil && (name == f.From || name == f.To) {
		n, name, err = p.account(ctx)
	}
	_ = n
	return name, err
}

// party makes somebody else payer or payee.
func party(find finder, payer bool) plant {
	return func(ctx context.Context, p *Planter) ([]string, error) {
		f, err := find(p, ctx, settled)
		if err != nil {
			return nil, err
		}
		name, err := p.somebody(ctx, f)
		if err != nil {
			return nil, err
		}
		if payer {
			f.From = name
		} else {
			f.To = name
		}
		return f.keys(), p.change(ctx, put(transactions, f.key, encode(&f.payment)))
	}
}

// account is one that stands still, with its number, and without damage.
func (p *Planter) account(ctx context.Context) (number uint64, name string, err error) {
	all, err := p.v10.scan(ctx, accounts, []byte{'a'}, []byte{'b'})
	if err != nil {
		return 0, "", err
	}
	for range len(all) {
		row := all[p.random.IntN(len(all))]
		var a struct {
			Number uint64 `json:"number"`
		}
		name := string(row.Key[1:])
		if strings.HasPrefix(name, filler) && json.Unmarshal(row.Value, &a) == nil && p.take("account "+name) {
			return a.Number, name, nil
		}
	}
	return 0, "", nothing("account")
}

// duplicated writes the last transaction of a round again behind it.
func duplicated(ctx context.Context, p *Planter) ([]string, error) {
	f, err := p.own(ctx, func(f *found) bool { return f.paid() && f.place == v10.LegacyPlaceMin+f.roundsPlaces-1 })
	if err != nil {
		return nil, err
	}
	f.place++
	again := binary.BigEndian.AppendUint32(key('t', f.round), f.place)
	return f.keys(), p.change(ctx, put(transactions, again, f.value))
}

// withoutRound writes a transaction of a round that never was.
func withoutRound(ctx context.Context, p *Planter) ([]string, error) {
	f, err := p.own(ctx, settled)
	if err != nil {
		return nil, err
	}
	f.round, f.place = beyond, 0
	return f.keys(), p.change(ctx, put(transactions, append(key('t', beyond), 0, 0, 0, 0), f.value))
}

// appliedTwice writes one of V11's transactions again.
func appliedTwice(ctx context.Context, p *Planter) ([]string, error) {
	f, err := p.applied(ctx, settled)
	if err != nil {
		return nil, err
	}
	again := bytes.Clone(f.key)
	f.place += 4096
	binary.BigEndian.PutUint32(again[len(again)-4:], f.place)
	return f.keys(), p.change(ctx, put(transactions, again, f.value))
}

// partyRow removes a row by party of a transaction, or writes one for somebody who has no part in it.
func partyRow(find finder, kind byte, missing bool) plant {
	return func(ctx context.Context, p *Planter) ([]string, error) {
		f, err := find(p, ctx, settled)
		if err != nil {
			return nil, err
		}
		if missing {
			return f.keys(), p.change(ctx, del(transactions, within(kind, f.To, f.key[1:]...)))
		}
		name, err := p.somebody(ctx, f)
		if err != nil {
			return nil, err
		}
		return f.keys(), p.change(ctx, put(transactions, within(kind, name, f.key[1:]...), nil))
	}
}

// roundRow changes a round of V10's, or a block of V11's that V10 has. It takes the one behind it too, which names it.
func roundRow(kind byte, change func(r *round)) plant {
	return func(ctx context.Context, p *Planter) ([]string, error) {
		n, r, err := p.round(ctx, kind)
		if err != nil {
			return nil, err
		}
		keys := []string{strconv.FormatUint(n, 10), strconv.FormatUint(n+1, 10), strings.TrimPrefix(r.Hash, "0x")}
		if change == nil {
			return keys, p.change(ctx, del(consensus, key(kind, n)))
		}
		change(r)
		return append(keys, strings.TrimPrefix(r.Hash, "0x")), p.change(ctx, put(consensus, key(kind, n), encode(r)))
	}
}

func (p *Planter) round(ctx context.Context, kind byte) (uint64, *round, error) {
	place := map[byte]func(uint64) string{'r': roundPlace, 'v': blockPlace}[kind]
	numbers, rows, err := p.rounds(ctx, kind)
	if err != nil {
		return 0, nil, err
	}
	for i, n := range numbers {
		if !p.used[place(n)] && !p.used[place(n+1)] && !p.used[place(n-1)] {
			p.take(place(n))
			p.take(place(n + 1))
			return n, &rows[i], nil
		}
	}
	return 0, nil, nothing("round")
}

func randomHash(p *Planter) string {
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, p.random.Uint64()))
	return "0x" + hex.EncodeToString(sum[:])
}

// byHash removes a row by hash, or writes one of a hash that no round has.
func byHash(missing bool) plant {
	return func(ctx context.Context, p *Planter) ([]string, error) {
		n, r, err := p.round(ctx, 'r')
		if err != nil {
			return nil, err
		}
		text := r.Hash
		if !missing {
			text = randomHash(p)
		}
		hash, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
		if err != nil {
			return nil, err
		}
		at := append([]byte{'b'}, hash...)
		op := put(consensus, at, binary.BigEndian.AppendUint64(nil, n))
		if missing {
			op = del(consensus, at)
		}
		return []string{hex.EncodeToString(hash)}, p.change(ctx, op)
	}
}

// accountRow changes the row of an account.
func accountRow(change func([]byte) []byte) plant {
	return func(ctx context.Context, p *Planter) ([]string, error) {
		n, name, err := p.account(ctx)
		if err != nil {
			return nil, err
		}
		at := append([]byte{'a'}, name...)
		row, err := p.v10.get(ctx, accounts, at)
		if err != nil {
			return nil, err
		}
		return []string{aHash, strconv.FormatUint(n, 10)}, p.change(ctx, put(accounts, at, change(row.Value)))
	}
}

// numberRow removes the row by number of an account.
func numberRow(ctx context.Context, p *Planter) ([]string, error) {
	n, _, err := p.account(ctx)
	if err != nil {
		return nil, err
	}
	return []string{strconv.FormatUint(n, 10)}, p.change(ctx, del(accounts, key('n', n)))
}

// heldRow removes the row of what an account held, or writes one of what it never held.
func heldRow(missing bool) plant {
	return func(ctx context.Context, p *Planter) ([]string, error) {
		n, name, err := p.account(ctx)
		if err != nil {
			return nil, err
		}
		if missing {
			return []string{fmt.Sprintf("account %d %s", n, asset)}, p.change(ctx, del(accounts, within('h', name, []byte(asset)...)))
		}
		return []string{fmt.Sprintf("account %d XYZ", n)}, p.change(ctx, put(accounts, within('h', name, []byte("XYZ")...), nil))
	}
}

// assetRow changes the row of the asset.
func assetRow(change func([]byte) []byte) plant {
	return func(ctx context.Context, p *Planter) ([]string, error) {
		at := append([]byte{'a'}, asset...)
		row, err := p.v10.get(ctx, assets, at)
		if err != nil {
			return nil, err
		}
		return []string{asset, "supply " + asset}, p.change(ctx, put(assets, at, change(row.Value)))
	}
}

// balance changes what an account holds.
func balance(change func(units string) string) plant {
	return func(ctx context.Context, p *Planter) ([]string, error) {
		keys, _, err := p.rebalance(ctx, change)
		return keys, err
	}
}

func (p *Planter) rebalance(ctx context.Context, change func(units string) string) ([]string, string, error) {
	n, name, err := p.account(ctx)
	if err != nil {
		return nil, "", err
	}
	return p.setBalance(ctx, n, name, change)
}

func (p *Planter) setBalance(ctx context.Context, n uint64, name string, change func(units string) string) ([]string, string, error) {
	at := within('h', asset, []byte(name)...)
	row, err := p.v10.get(ctx, assets, at)
	if err != nil || row == nil {
		return nil, name, nothing("balance")
	}
	keys := []string{fmt.Sprintf("account %d %s", n, asset), aHash + " " + asset, asset}
	if change == nil {
		return keys, name, p.change(ctx, del(assets, at))
	}
	return keys, name, p.change(ctx, put(assets, at, []byte(change(string(row.Value)))))
}

// cancelling moves money from one balance to another.
func cancelling(ctx context.Context, p *Planter) (keys []string, err error) {
	for _, by := range []int64{77_777, -77_777} {
		for {
			some, _, err := p.rebalance(ctx, func(units string) string {
				if moved := plus(units, by); !strings.HasPrefix(moved, "-") {
					return moved
				}
				return units
			})
			if err != nil {
				return nil, err
			}
			if p.changed() {
				keys = append(keys, some...)
				break
			}
		}
	}
	return keys, nil
}

// changed reports whether the newest change changed anything: a balance may be too small.
func (p *Planter) changed() bool { return p.effect }

// counted lets an entry count twice in a balance, or not at all.
func counted(twice bool) plant {
	return func(ctx context.Context, p *Planter) ([]string, error) {
		f, err := p.own(ctx, func(f *found) bool { return f.paid() && f.still() && !p.used["account "+f.To] })
		if err != nil {
			return nil, err
		}
		p.take("account " + f.To)
		var a struct {
			Number uint64 `json:"number"`
		}
		row, err := p.v10.get(ctx, accounts, append([]byte{'a'}, f.To...))
		if err == nil && row != nil {
			err = json.Unmarshal(row.Value, &a)
		}
		if err != nil {
			return nil, err
		}
		by, err := strconv.ParseInt(f.Units, 10, 64)
		if err != nil {
			return nil, err
		}
		if !twice {
			by = -by
		}
		keys, _, err := p.setBalance(ctx, a.Number, f.To, func(units string) string { return plus(units, by) })
		return keys, err
	}
}

// usedKey changes an idempotency key, or removes its row by age.
func usedKey(missingAge bool) plant {
	return func(ctx context.Context, p *Planter) ([]string, error) {
		all, err := p.v10.scan(ctx, meta, []byte{'k'}, []byte{'l'})
		if err != nil {
			return nil, err
		}
		for range len(all) {
			row := all[p.random.IntN(len(all))]
			var k map[string]any
			if json.Unmarshal(row.Value, &k) != nil || !p.take("key "+string(row.Key)) {
				continue
			}
			keys := []string{keyName(row.Key)}
			if !missingAge {
				n := fmt.Sprintf(`"place":%.0f`, k["place"])
				return keys, p.change(ctx, put(meta, row.Key, replace(n, `"place":77777`)(row.Value)))
			}
			ms, _ := k["ms"].(float64)
			number, _ := k["round"].(float64)
			return keys, p.change(ctx, del(meta, append(key('e', uint64(ms), uint64(number)), row.Key[1:]...)))
		}
		return nil, nothing("idempotency key")
	}
}
