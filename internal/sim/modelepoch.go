// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"bytes"
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
)

// enter makes the members of an epoch the present ones. A lane goes on if its owner keeps number and keys; each other begins anew.
func (m *model) enter(members *chain.Membership) {
	m.members, m.next = members, nil
	for v := range m.lanes {
		since := chain.Epoch(0)
		if x := members.Find(chain.ValidatorNo(v)); x != nil {
			since = x.JoinEpoch
		}
		if m.lanes[v].since != since {
			m.lanes[v] = laneEnd{since: since}
		}
	}
}

// endBlock ends the epoch with a block that changed the membership, or with which a seal says that it ended.
func (m *model) endBlock(h chain.Height) {
	if next := m.sealed[h]; next != nil && m.next == nil {
		m.next = next
	}
	if m.next != nil {
		m.ends = append(m.ends, modelEnd{h, m.next})
		m.enter(m.next)
	}
}

// seal says with which height the present epoch ends, and who goes on.
func (m *model) seal(h chain.Height, next *chain.Membership) {
	if m.sealed[h] = next; m.height() == h {
		m.endBlock(h)
	}
}

// runTxs executes what governance sent.
func (m *model) runTxs(h chain.Height, digest chain.Hash, t *truth) chain.BatchResult {
	list, err := codec.SplitTxBatch(t.payload)
	if err != nil {
		return chain.BatchResult{Entry: digest}
	}
	out, final := codec.Outcomes{Codes: make([]chain.Outcome, len(list)), Results: make([]uint32, len(list))}, false
	for i, raw := range list {
		code, used := m.runChange(h, raw)
		out.Codes[i], final = code, final || used
	}
	hash := out.Hash()
	if final {
		m.places[t.entry.Payload] = place{h, hash}
	}
	return chain.BatchResult{Entry: digest, Batch: t.entry.Payload, Legs: uint32(len(list)), Outcomes: hash}
}

// runChange changes the membership behind the present block, once an epoch. It reports whether the nonce was used up.
func (m *model) runChange(h chain.Height, raw []byte) (chain.Outcome, bool) {
	tx, _, err := codec.DecodeSignedTx(raw)
	if err != nil {
		return chain.BadField, false
	}
	b, ok := tx.Body.(*chain.ChangeValidator)
	switch {
	case !ok:
		return chain.BadKind, false
	case tx.ValidUntil < h:
		return chain.Expired, false
	case m.nonces[tx.Nonce]:
		return chain.NonceUsed, false
	}
	m.nonces[tx.Nonce] = true
	switch {
	case m.next != nil:
		return chain.EpochEnding, true
	case b.Epoch != m.members.Epoch:
		return chain.WrongEpoch, true
	}
	m.next = m.changed(b)
	return chain.OK, true
}

// changed is who goes on after a change: all others as they are, and whom it names as a new one.
func (m *model) changed(b *chain.ChangeValidator) *chain.Membership {
	next := &chain.Membership{Epoch: m.members.Epoch + 1}
	next.Members = slices.DeleteFunc(slices.Clone(m.members.Members), func(x chain.Member) bool { return x.No == b.Validator })
	if len(b.Ed25519) > 0 {
		next.Members = append(next.Members, chain.Member{No: b.Validator, JoinEpoch: next.Epoch, Name: b.Name, Ed25519: bytes.Clone(b.Ed25519), MLDSA65: bytes.Clone(b.MLDSA65)})
	}
	slices.SortFunc(next.Members, func(a, b chain.Member) int { return int(a.No) - int(b.No) })
	return next
}
