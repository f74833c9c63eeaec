// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strconv"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy/store"
)

// SharedKeys are the names under which both ledgers know a client's idempotency key and what it asked for: V11's custody desk makes
// them under the network's alias key.
type SharedKeys interface {
	Key(caller, key string) chain.IdempotencyKey
	Body(from, to, asset string, units chain.Amount) [16]byte
}

// SharedName is how both sides write a key: that of one of several orders with its number in the request, from 0.
func SharedName(key string, item uint32) string {
	if item == 0 {
		return key
	}
	return key + " " + strconv.FormatUint(uint64(item)-1, 10) // no key has a space
}

// appliedKeyRow is the answer that the other ledger gave under a key.
type appliedKeyRow struct {
	Body    []byte        `json:"body"` // of what was asked for
	Caller  string        `json:"caller,omitempty"`
	ID      string        `json:"request_id,omitempty"`
	Ms      uint64        `json:"ms"`
	Height  uint64        `json:"height,omitempty"`
	Place   uint32        `json:"place,omitempty"`
	Outcome chain.Outcome `json:"outcome"`
	Refusal bool          `json:"refusal,omitempty"` // it left no transaction
	Reason  string        `json:"reason,omitempty"`
	EndMs   uint64        `json:"end_ms"` // as the other ledger promised
}

func sharedKey(k chain.IdempotencyKey) []byte { return append([]byte{byAppliedKey}, k[:]...) }

// replayApplied returns what the other ledger answered under an order's key.
func (r *rounding) replayApplied(o *Order) (Result, bool, error) {
	if r.shared == nil || r.totals.AppliedKeys == 0 {
		return Result{}, false, nil
	}
	var row appliedKeyRow
	err := r.read(store.Meta, sharedKey(r.shared.Key(o.Key.Caller, SharedName(o.Key.Key, o.Key.Item))), &row)
	switch {
	case fault.Is(err, fault.NotFound):
		return Result{}, false, nil
	case err != nil:
		return Result{}, false, err
	case row.EndMs < r.totals.Ms:
		return Result{}, false, nil // it has to go, and only nobody came by yet
	}
	body := r.shared.Body(o.From, o.To, o.Asset, o.Units)
	if !bytes.Equal(row.Body, body[:]) {
		return Result{Err: fault.Reasoned(fault.Conflict, v10.ReasonKeyReused, v10.TextKeyReused)}, true, nil
	}
	result := Result{Outcome: row.Outcome, Replayed: true}
	if !row.Refusal {
		result.ID = v10.TxIDAt(row.Ms, chain.Height(row.Height), row.Place)
	}
	return result, true, nil
}

// keepKey notes an answer of the other ledger for what is left of its life. The newest under a key counts, as it does there: a key that
// was crowded out of its table may be used anew.
func (r *rounding) keepKey(q *envelope.Request, row appliedKeyRow, nowMs uint64) error {
	row.Body, row.Caller, row.ID, row.EndMs = q.Body[:], q.Caller, q.ID, row.Ms+KeyLifeMs
	if row.EndMs < nowMs {
		return nil
	}
	key := sharedKey(q.Key)
	var old appliedKeyRow
	err := r.read(store.Meta, key, &old)
	switch {
	case err == nil:
		r.delete(store.Meta, agedKey(old.EndMs, key[1:]))
		r.totals.AppliedKeys--
	case !fault.Is(err, fault.NotFound):
		return err
	}
	r.put(store.Meta, key, encodeRow(row))
	r.put(store.Meta, agedKey(row.EndMs, key[1:]), []byte{})
	r.totals.AppliedKeys++
	return nil
}

func agedKey(endMs uint64, key []byte) []byte { return append(numbered(byAppliedAge, endMs), key...) }

// expireApplied lets the keys go that end first: those whose time is over, and those beyond the bound; some more than were added.
func (r *rounding) expireApplied(added int, nowMs uint64) error {
	it, err := r.base.Iter(store.Meta, store.Prefix([]byte{byAppliedAge}))
	if err != nil {
		return err
	}
	for left := expiredAtLeast + 2*added; left > 0 && it.Next(); left-- {
		age := bytes.Clone(it.Key())
		if r.totals.AppliedKeys <= r.keysMax && binary.BigEndian.Uint64(age[1:]) >= nowMs {
			break
		}
		if there, err := r.has(store.Meta, age); err != nil || !there {
			if err != nil {
				return errors.Join(err, it.Close())
			}
			continue // its key was used anew in this batch
		}
		r.delete(store.Meta, age)
		r.delete(store.Meta, append([]byte{byAppliedKey}, age[9:]...))
		r.totals.AppliedKeys--
	}
	return errors.Join(it.Err(), it.Close())
}
