// SPDX-License-Identifier: Apache-2.0

package damage

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// payment is a row of V10's transactions, in the order of its fields.
type payment struct {
	Ms        uint64 `json:"ms"`
	Kind      string `json:"kind"`
	From      string `json:"from,omitempty"`
	To        string `json:"to,omitempty"`
	Asset     string `json:"asset,omitempty"`
	Units     string `json:"units"`
	Outcome   uint8  `json:"outcome"`
	Reference string `json:"reference,omitempty"`
}

// round is a row of V10's rounds.
type round struct {
	Ms           uint64   `json:"ms"`
	Leader       string   `json:"leader"`
	Votes        []string `json:"votes"`
	Hash         string   `json:"block_hash"`
	Previous     string   `json:"previous_hash"`
	Transactions uint32   `json:"transactions"`
}

// filler begins the names of accounts that nobody pays while damage is planted.
const filler = "AUR0"

// paid reports whether a payment was made between accounts that stand still, of an amount that has room for changes.
func (t *payment) paid() bool {
	return t.Kind == "transfer" && t.Outcome == 0 && t.From != t.To && len(t.Units) > 1
}

// still reports whether nobody pays its parties now.
func (t *payment) still() bool {
	return strings.HasPrefix(t.From, filler) && strings.HasPrefix(t.To, filler)
}

// found is a transaction of V10's with its place.
type found struct {
	payment
	key          []byte
	value        []byte
	round        uint64
	place        uint32
	roundsPlaces uint32 // transactions of its round
}

// id is the end of its name in findings: its time may be what is damaged.
func (f *found) id() string {
	text := v10.TxIDAt(f.Ms, chain.Height(f.round), f.place).String()
	return "*" + text[strings.LastIndexByte(text, '_'):]
}

// at is its place as rows by party name it.
func (f *found) at() string { return fmt.Sprintf("* at %d.%d", f.round, f.place) }

// totals are the counts that a transaction is in.
var totals = []string{"transactions", "refused", "applied"}

func (f *found) keys() []string {
	return append([]string{f.id(), f.at(), strconv.FormatUint(f.round, 10)}, totals...)
}

func key(kind byte, numbers ...uint64) []byte {
	k := []byte{kind}
	for _, n := range numbers {
		k = binary.BigEndian.AppendUint64(k, n)
	}
	return k
}

// within is a key that begins with a text and its length.
func within(kind byte, name string, rest ...byte) []byte {
	k := binary.BigEndian.AppendUint16([]byte{kind}, uint16(len(name)))
	return append(append(k, name...), rest...)
}

func encode(row any) []byte {
	text, err := json.Marshal(row)
	fault.Invariant(err == nil, "a row does not encode: %v", err)
	return text
}

// change makes changes of V10's rows, and notes how to undo them.
func (p *Planter) change(ctx context.Context, ops ...v10Op) error {
	var before []v10Op
	p.effect = false
	for _, op := range ops {
		row, err := p.v10.get(ctx, op.Family, op.Key)
		if err != nil {
			return err
		}
		back := v10Op{Family: op.Family, Key: op.Key, Delete: row == nil}
		if row != nil {
			back.Value = row.Value
		}
		p.effect = p.effect || op.Delete != back.Delete || !bytes.Equal(op.Value, back.Value)
		before = append(before, back)
	}
	p.undo = append(p.undo, func(ctx context.Context) error { return p.v10.write(ctx, before) })
	return p.v10.write(ctx, ops)
}

func put(family int, key, value []byte) v10Op { return v10Op{Family: family, Key: key, Value: value} }
func del(family int, key []byte) v10Op        { return v10Op{Family: family, Key: key, Delete: true} }

// rounds are V10's that are settled, in random order, with their numbers.
func (p *Planter) rounds(ctx context.Context, kind byte) (numbers []uint64, rows []round, err error) {
	all, err := p.v10.scan(ctx, consensus, []byte{kind}, []byte{kind + 1})
	if err != nil {
		return nil, nil, err
	}
	p.random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	before := uint64(time.Now().Add(-SettledAfter).UnixMilli())
	for _, row := range all {
		var r round
		if n := binary.BigEndian.Uint64(row.Key[1:]); json.Unmarshal(row.Value, &r) == nil && r.Ms < before && n > 0 {
			numbers, rows = append(numbers, n), append(rows, r)
		}
	}
	return numbers, rows, nil
}

// own finds a transaction of V10's that passes, in a round without damage.
func (p *Planter) own(ctx context.Context, pass func(*found) bool) (*found, error) {
	numbers, rows, err := p.rounds(ctx, 'r')
	if err != nil {
		return nil, err
	}
	for i, n := range numbers {
		if p.used[roundPlace(n)] {
			continue
		}
		all, err := p.v10.scan(ctx, transactions, key('t', n), key('t', n+1))
		if err != nil {
			return nil, err
		}
		if f := p.pick(all, rows[i].Transactions, pass); f != nil {
			p.take(roundPlace(n))
			return f, nil
		}
	}
	return nil, nothing("payment of V10's")
}

func roundPlace(n uint64) string { return "round " + strconv.FormatUint(n, 10) }

// pick picks one of some rows.
func (p *Planter) pick(all []v10Row, count uint32, pass func(*found) bool) *found {
	p.random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, row := range all {
		f := found{key: row.Key, value: row.Value, roundsPlaces: count}
		end := row.Key[len(row.Key)-12:]
		f.round, f.place = binary.BigEndian.Uint64(end), binary.BigEndian.Uint32(end[8:])
		if json.Unmarshal(row.Value, &f.payment) == nil && pass(&f) {
			return &f
		}
	}
	return nil
}

// applied finds a transaction of V11's as V10 has it, in a block without damage.
func (p *Planter) applied(ctx context.Context, pass func(*found) bool) (*found, error) {
	before := uint64(time.Now().Add(-SettledAfter).UnixMilli())
	all, err := p.v10.scan(ctx, transactions, []byte{'u'}, key('u', before))
	if err != nil {
		return nil, err
	}
	f := p.pick(all, 0, func(f *found) bool { return !p.used[blockPlace(f.round)] && pass(f) })
	if f == nil {
		return nil, nothing("payment of V11's")
	}
	p.take(blockPlace(f.round))
	return f, nil
}

func blockPlace(height uint64) string { return "block " + strconv.FormatUint(height, 10) }

// finder finds a transaction.
type finder func(p *Planter, ctx context.Context, pass func(*found) bool) (*found, error)

func settled(f *found) bool { return f.paid() }

// edit changes a transaction.
func edit(find finder, change func(p *Planter, f *found)) plant {
	return func(ctx context.Context, p *Planter) ([]string, error) {
		f, err := find(p, ctx, settled)
		if err != nil {
			return nil, err
		}
		change(p, f)
		return f.keys(), p.change(ctx, put(transactions, f.key, encode(&f.payment)))
	}
}

// bytesOf changes the bytes of a transaction.
func bytesOf(find finder, change func([]byte) []byte) plant {
	return func(ctx context.Context, p *Planter) ([]string, error) {
		f, err := find(p, ctx, settled)
		if err != nil {
			return nil, err
		}
		return f.keys(), p.change(ctx, put(transactions, f.key, change(bytes.Clone(f.value))))
	}
}

// drop removes a transaction.
func drop(find finder) plant {
	return func(ctx context.Context, p *Planter) ([]string, error) {
		f, err := find(p, ctx, settled)
		if err != nil {
			return nil, err
		}
		led, err := p.ledTo(ctx, f)
		if err != nil {
			return nil, err
		}
		return append(f.keys(), led...), p.change(ctx, del(transactions, f.key))
	}
}

// ledTo names the idempotency keys that lead to one of V10's transactions.
func (p *Planter) ledTo(ctx context.Context, f *found) (names []string, err error) {
	all, err := p.v10.scan(ctx, meta, []byte{'k'}, []byte{'l'})
	for _, row := range all {
		var k struct {
			Round uint64 `json:"round"`
			Place uint32 `json:"place"`
		}
		if json.Unmarshal(row.Value, &k) == nil && k.Round == f.round && k.Place == f.place {
			names = append(names, keyName(row.Key))
		}
	}
	return names, err
}

// keyName names an idempotency key as findings do.
func keyName(key []byte) string { return hex.EncodeToString(key[1:9]) }

// plus adds to decimal text.
func plus(text string, n int64) string {
	a, _ := new(big.Int).SetString(text, 10)
	return a.Add(a, big.NewInt(n)).String()
}

func truncated(row []byte) []byte { return row[:len(row)-3] }

func replace(old, with string) func([]byte) []byte {
	return func(row []byte) []byte { return bytes.Replace(row, []byte(old), []byte(with), 1) }
}
