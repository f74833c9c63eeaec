// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy/store"
)

// Bounds of idempotency keys; see the package's fourth invariant.
const (
	KeyLifeMs      = 24 * 60 * 60 * 1000
	KeysMax        = 10_000_000
	expiredAtLeast = 64 // a round lets at least so many go, if there are, and twice what it adds
)

// rounding is a round in the making.
type rounding struct {
	*view
	base    store.Reader
	number  uint64
	totals  Totals // as they will be
	leader  string
	keysMax uint64
	shared  SharedKeys
	named   map[string]uint16
	rows    [][]byte // of its transactions, in order
	keys    int      // added
}

// newRounding begins the round after totals.
func (l *Ledger) newRounding(totals Totals) *rounding {
	r := &rounding{view: newViewOver(l.store, l.rows), base: l.store, totals: totals, leader: l.cfg.Leader, keysMax: l.cfg.KeysMax, shared: l.cfg.Shared, named: l.cfg.Named}
	r.number = totals.Round + 1
	r.totals.Ms = max(totals.Ms, l.nowMs()) // a clock that was set back does not set the ledger back
	return r
}

// add executes one order, or finds what its key led to. An error is the store's; the round is void then.
func (r *rounding) add(o *Order) (Result, error) {
	if o.Generation < r.totals.Guard {
		return Result{Err: errOldGeneration}, nil
	}
	if err := o.Check(); err != nil {
		return Result{Err: err}, nil
	}
	if o.Key != nil {
		if first, found, err := r.replay(o.Key); found || err != nil {
			return first, err
		}
		if first, found, err := r.replayApplied(o); found || err != nil {
			return first, err
		}
	}
	outcome, err := r.execute(o)
	if errors.Is(err, errNoAccount) || errors.Is(err, errNoAsset) {
		return Result{Err: err}, nil
	}
	if err != nil {
		return Result{}, err
	}
	id := v10.TxIDAt(r.totals.Ms, chain.Height(r.number), v10.LegacyPlaceMin+uint32(len(r.rows)))
	r.record(id, o, outcome)
	return Result{ID: id, Outcome: outcome}, nil
}

// replay returns the first result of a key that was used.
func (r *rounding) replay(k *Key) (Result, bool, error) {
	h := k.hash()
	var row keyRow
	err := r.read(store.Meta, append([]byte{byKey}, h[:]...), &row)
	switch {
	case fault.Is(err, fault.NotFound):
		return Result{}, false, nil
	case err != nil:
		return Result{}, false, err
	case row.Ms+KeyLifeMs < r.totals.Ms:
		return Result{}, false, nil // it has to go, and only nobody came by yet
	case !bytes.Equal(row.Request, k.Request[:]):
		return Result{Err: fault.Reasoned(fault.Conflict, v10.ReasonKeyReused, v10.TextKeyReused)}, true, nil
	}
	id := v10.TxIDAt(row.Ms, chain.Height(row.Round), row.Place)
	return Result{ID: id, Outcome: row.Outcome, Replayed: true}, true, nil
}

func (r *rounding) record(id v10.TxID, o *Order, outcome chain.Outcome) {
	t := Transaction{Ms: id.Ms, Kind: o.Kind, From: o.From, To: o.To, Asset: o.Asset, Units: Units{o.Units}, Outcome: outcome}
	text := encodeRow(t)
	r.rows = append(r.rows, text)
	r.put(store.Transactions, txKey(id), text)
	for i, name := range []string{o.From, o.To} {
		if name != "" && (i == 0 || name != o.From) {
			r.put(store.Transactions, appendPlace(within(byParty, name), r.number, id.Place()), []byte{})
		}
	}
	r.totals.Transactions++
	if outcome != chain.OK {
		r.totals.Refused++
	}
	if o.Key != nil {
		r.recordKey(id, o.Key, outcome)
	}
}

func (r *rounding) recordKey(id v10.TxID, k *Key, outcome chain.Outcome) {
	h := k.hash()
	key := append([]byte{byKey}, h[:]...)
	row := keyRow{
		Caller: k.Caller, Key: k.Key, Item: k.Item, Request: k.Request[:],
		Round: r.number, Place: id.Place(), Ms: id.Ms, Outcome: outcome,
	}
	r.put(store.Meta, key, encodeRow(row))
	r.put(store.Meta, append(numbered(byAge, id.Ms, r.number), h[:]...), []byte{})
	r.keys++
	r.totals.Keys++
}

// expire lets the oldest keys go whose time is over or that are too many, a bounded number of them.
func (r *rounding) expire() error {
	it, err := r.base.Iter(store.Meta, store.Prefix([]byte{byAge}))
	if err != nil {
		return err
	}
	for left := expiredAtLeast + 2*r.keys; left > 0 && it.Next(); left-- {
		age := it.Key()
		ms := binary.BigEndian.Uint64(age[1:])
		aged := ms+KeyLifeMs < r.totals.Ms
		if !aged && r.totals.Keys <= r.keysMax {
			break
		}
		if err := r.forget(age, ms, aged); err != nil {
			return errors.Join(err, it.Close())
		}
	}
	return errors.Join(it.Err(), it.Close())
}

// forget removes a key by its row of age. The key may have been used anew since; then only its age goes.
func (r *rounding) forget(age []byte, ms uint64, aged bool) error {
	key := append([]byte{byKey}, age[17:]...)
	var row keyRow
	if err := r.read(store.Meta, key, &row); err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	if row.Ms == ms && row.Round == binary.BigEndian.Uint64(age[9:]) {
		r.delete(store.Meta, key)
	}
	r.delete(store.Meta, append([]byte(nil), age...))
	r.totals.Keys--
	if aged {
		r.totals.KeysAged++
	} else {
		r.totals.KeysCrowded++
	}
	return nil
}

// seal completes the round: its row, the totals. It reports whether there is anything to write.
func (r *rounding) seal() (Round, bool, error) {
	if len(r.rows) == 0 {
		return Round{}, false, nil
	}
	if err := r.expire(); err != nil {
		return Round{}, false, err
	}
	round := Round{
		Number: r.number, Ms: r.totals.Ms, Leader: r.leader, Votes: []string{r.leader},
		Previous: r.totals.Hash, Transactions: uint32(len(r.rows)),
	}
	round.Hash = hashRound(&round, r.rows)
	r.totals.Round, r.totals.Hash = r.number, round.Hash
	r.put(store.Consensus, numbered(byRound, r.number), encodeRow(round))
	r.put(store.Consensus, append([]byte{byHash}, round.Hash[:]...), numbered(byRound, r.number)[1:])
	r.put(store.Meta, []byte(totalsKey), encodeRow(r.totals))
	return round, true, nil
}
