// SPDX-License-Identifier: Apache-2.0

package grpcapitest

import (
	"context"
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/query"
)

// Admit ends the membership epoch with a block that gives a number to whoever has the n-th keys: a new validator, or one that
// had others.
func (n *Node) Admit(v chain.ValidatorNo, key uint64) {
	s := signersOf(key)
	n.change(&chain.ChangeValidator{Validator: v, Name: "w", Ed25519: s.header.Public().Bytes()[1:], MLDSA65: s.root.Public().Bytes()[1:]}, s)
}

// Remove ends the membership epoch with a block that leaves a number vacant.
func (n *Node) Remove(v chain.ValidatorNo) { n.change(&chain.ChangeValidator{Validator: v}, signers{}) }

func (n *Node) change(b *chain.ChangeValidator, s signers) {
	n.mu.Lock()
	defer n.mu.Unlock()
	next := n.members.Changed(b)
	h := n.nextHeader()
	h.RootAt, h.StateRoot, h.Next = h.Height, codec.Sum([]byte("state")), codec.MembershipHash(next)
	cert := n.Certify(h)
	n.end(h, cert, chain.ProvedHandover{Handover: chain.Handover{Root: h.StateRoot, Next: *next}, Certificate: cert})
	delete(n.signers, b.Validator)
	if !b.Removes() {
		n.signers[b.Validator] = s
	}
}

// Seal ends the membership epoch with an ordinary block and the members' word.
func (n *Node) Seal() { n.seal(chain.Handover{Verdict: chain.VerdictUnchanged}) }

// SealToV10 is Seal with the verdict that all slots are V10's: it makes the next version of the home table.
func (n *Node) SealToV10() {
	n.mu.Lock()
	version := uint64(len(n.moves)) + 2
	n.mu.Unlock()
	n.seal(chain.Handover{Verdict: chain.VerdictToV10, HomeVersion: version})
	n.Moved(chain.Hash{})
}

func (n *Node) seal(p chain.Handover) {
	n.mu.Lock()
	defer n.mu.Unlock()
	next := n.members
	next.Epoch++
	h := n.nextHeader()
	p.Root, p.Next = codec.Sum([]byte("state")), next
	n.end(h, n.Certify(h), chain.ProvedHandover{Handover: p})
}

// end adds the last block of the epoch, and proves the handover: p says what is not in the block.
func (n *Node) end(h *chain.ExecutedHeader, cert *chain.Certificate, p chain.ProvedHandover) {
	raw := codec.AppendHeader(nil, h)
	p.Chain, p.Height, p.Header, p.HeaderBytes = h.Chain, h.Height, codec.Sum(raw), raw
	if p.Verdict != chain.VerdictNone {
		msg := keys.SealMessage(h.Chain, codec.HandoverHash(&p.Handover))
		for _, m := range n.members.Members {
			p.Seal = append(p.Seal, chain.Approval{Validator: m.No, Signature: sign(n.signers[m.No].header, msg)})
		}
	}
	n.handovers = append(n.handovers, codec.AppendProvedHandover(nil, &p))
	n.members = p.Next
	n.add(entry{header: h, hash: p.Header, receipt: chain.Receipt{Header: raw, Certificate: codec.AppendCertificate(nil, cert)}})
}

// Handovers lists them all.
func (n *Node) Handovers(_ context.Context, from chain.Epoch, limit int) (*query.Handovers, error) {
	if err := n.fail("Handovers"); err != nil {
		return nil, err
	}
	if limit < 1 || limit > query.HandoversMax {
		return nil, fault.New(fault.Invalid, "limit %d", limit)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	first := int(min(max(from, 2)-2, chain.Epoch(len(n.handovers))))
	return &query.Handovers{Proved: slices.Clone(n.handovers[first:min(len(n.handovers), first+limit)]), Epoch: n.members.Epoch}, nil
}
