// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"time"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/query"
)

// statusOf reads how a validator is: all that the dialect of V10 shows of it. Evidence, divergence and the queues of its peers are for
// whoever looks after validators, at the validators.
func statusOf(a *ledgerv1.Status) (*query.Status, error) {
	out := &query.Status{
		Chain: chain.ChainID(a.ChainId), Network: a.Network, Node: a.Node, Version: a.Version,
		Height: chain.Height(a.Height), Executed: chain.Height(a.ExecutedHeight), RootHeight: chain.Height(a.RootHeight), TimeUs: a.TimeUs,
		Accounts: a.Accounts, Assets: a.Assets, Legs: a.Legs, IndexHeight: chain.Height(a.IndexHeight), IndexLagRows: a.IndexLagRows,
		OldestPayload: chain.Height(a.OldestPayloadHeight), HomeVersion: a.HomeVersion, Epoch: chain.Epoch(a.MembershipEpoch),
		Halted: a.Halted, HaltedReason: a.HaltedReason, Engine: a.Engine, Validator: chain.ValidatorNo(a.Validator), State: query.NodeState(a.State),
		CertificatesCounted: int(a.CertificatesCounted),
	}
	out.Order = query.OrderStatus{
		Role: a.Role, Term: a.Term, Leader: chain.ValidatorNo(a.GetLeader()), HasLeader: a.Leader != nil,
		Decided: chain.Height(a.DecidedHeight), Logged: chain.Height(a.LoggedHeight),
	}
	k := a.IdempotencyKeys
	out.Keyed.Living, out.Keyed.Max, out.Keyed.Expired, out.Keyed.Evicted, out.Keyed.Duplicates = k.GetLiving(), k.GetLivingMax(), k.GetExpired(), k.GetEvicted(), k.GetDuplicates()
	var err error
	if out.Genesis, err = hashOf(a.GenesisHash); err != nil {
		return nil, err
	}
	if out.StateRoot, err = hashOf(a.StateRoot); err != nil {
		return nil, err
	}
	if err := putMembers(out, a.Validators); err != nil {
		return nil, err
	}
	out.Peers, err = each(a.Peers, peerOf)
	return out, err
}

func putMembers(to *query.Status, list []*ledgerv1.ValidatorInfo) error {
	for _, v := range list {
		if v.GetNumber() >= chain.ValidatorsMax {
			return malformed("there is no validator %d", v.GetNumber())
		}
		to.Validators = append(to.Validators, chain.Member{No: chain.ValidatorNo(v.Number), Name: v.Name, Ed25519: v.Ed25519, JoinEpoch: chain.Epoch(v.JoinEpoch)})
		for len(to.Signed) <= int(v.Number) {
			to.Signed = append(to.Signed, query.Signed{})
		}
		to.Signed[v.Number] = query.Signed{Signatures: int(v.Signatures), Height: chain.Height(v.SignedHeight)}
	}
	return nil
}

func peerOf(p *ledgerv1.PeerInfo) (*query.Peer, error) {
	out := &query.Peer{
		Number: chain.ValidatorNo(p.GetNumber()), Name: p.GetName(), Address: p.GetAddress(), Connected: p.GetConnected(),
		RoundTrip: time.Duration(p.GetRoundTripUs()) * time.Microsecond, LastError: p.GetLastError(), NeedsState: p.GetNeedsState(),
	}
	if p.Height != nil {
		out.Log = &query.PeerLog{Height: chain.Height(p.GetHeight()), LagHeights: p.GetLagHeights()}
	}
	return out, nil
}
