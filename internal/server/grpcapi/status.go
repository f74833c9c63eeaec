// SPDX-License-Identifier: Apache-2.0

package grpcapi

import (
	"time"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/query"
)

func nodeStatus(s *query.Status) *ledgerv1.Status {
	out := &ledgerv1.Status{
		ChainId:             uint64(s.Chain),
		Network:             s.Network,
		GenesisHash:         s.Genesis[:],
		Node:                s.Node,
		Version:             s.Version,
		Height:              uint64(s.Height),
		ExecutedHeight:      uint64(s.Executed),
		RootHeight:          uint64(s.RootHeight),
		StateRoot:           s.StateRoot[:],
		TimeUs:              s.TimeUs,
		Accounts:            s.Accounts,
		Assets:              s.Assets,
		Legs:                s.Legs,
		IndexHeight:         uint64(s.IndexHeight),
		IndexLagRows:        s.IndexLagRows,
		OldestPayloadHeight: uint64(s.OldestPayload),
		HomeVersion:         s.HomeVersion,
		MembershipEpoch:     uint64(s.Epoch),
		IdempotencyKeys:     idempotencyKeys(s),
		Halted:              s.Halted,
		HaltedReason:        s.HaltedReason,
		Engine:              s.Engine,
		Validator:           uint32(s.Validator),
		State:               string(s.State),
		Role:                s.Order.Role,
		Term:                s.Order.Term,
		DecidedHeight:       uint64(s.Order.Decided),
		LoggedHeight:        uint64(s.Order.Logged),
		CertificatesCounted: uint32(s.CertificatesCounted),
		Peers:               each(s.Peers, peerInfo),
		Evidence:            each(s.Evidence, evidence),
		EvidenceLeftOut:     uint32(s.EvidenceLeftOut),
		Divergence:          divergence(s.Divergence),
	}
	if s.Order.HasLeader {
		leader := uint32(s.Order.Leader)
		out.Leader = &leader
	}
	out.Validators = validatorInfos(s)
	return out
}

func validatorInfos(s *query.Status) (out []*ledgerv1.ValidatorInfo) {
	for _, v := range s.Validators {
		info := &ledgerv1.ValidatorInfo{Number: uint32(v.No), Name: v.Name, Ed25519: v.Ed25519, JoinEpoch: uint64(v.JoinEpoch)}
		if int(v.No) < len(s.Signed) {
			info.Signatures, info.SignedHeight = uint32(s.Signed[v.No].Signatures), uint64(s.Signed[v.No].Height)
		}
		out = append(out, info)
	}
	return out
}

func peerInfo(p *query.Peer) *ledgerv1.PeerInfo {
	out := &ledgerv1.PeerInfo{
		Number: uint32(p.Number), Name: p.Name, Address: p.Address, Connected: p.Connected,
		RoundTripUs: us(p.RoundTrip), Classes: each(p.Classes, peerClass), LastError: p.LastError, NeedsState: p.NeedsState,
	}
	if p.Log != nil {
		height, lag := uint64(p.Log.Height), p.Log.LagHeights
		out.Height, out.LagHeights = &height, &lag
	}
	return out
}

func peerClass(c *query.PeerClass) *ledgerv1.PeerClass {
	out := &ledgerv1.PeerClass{
		Class: c.Class, Sending: c.Sending, Receiving: c.Receiving, RoundTripUs: us(c.RoundTrip),
		QueueFrames: uint32(c.QueueFrames), QueueBytes: uint64(c.QueueBytes), DroppedFrames: c.Dropped, Reconnects: c.Reconnects,
		LastError: c.LastError,
	}
	if c.Heard {
		silent := us(c.Silent)
		out.SilentUs = &silent
	}
	return out
}

func evidence(e *query.Evidence) *ledgerv1.Evidence {
	return &ledgerv1.Evidence{
		Kind: e.Kind, Validator: uint32(e.Validator), From: uint32(e.From), Height: uint64(e.Height), Sequence: e.Sequence,
		First: known(e.First), Second: known(e.Second),
	}
}

func divergence(d *query.Divergence) *ledgerv1.Divergence {
	if d == nil {
		return nil
	}
	return &ledgerv1.Divergence{
		Height: uint64(d.Height), OwnHeader: d.Own, CertifiedHeader: d.Certified, TimeUs: d.TimeUs, StateHeight: uint64(d.StateHeight),
		Unknown: d.Unknown, Summary: d.String(),
		Fields: each(d.Fields, func(f *query.FieldDifference) *ledgerv1.FieldDifference {
			return &ledgerv1.FieldDifference{Field: f.Field, Own: f.Own, Certified: f.Certified}
		}),
		Pages: each(d.Pages, func(p *query.PageDifference) *ledgerv1.PageDifference {
			return &ledgerv1.PageDifference{
				Section: p.Section, Name: p.Name, Page: p.Page, PagesThatDiffer: p.Pages, Record: p.Record,
				FirstRecord: p.FirstRecord, LastRecord: p.LastRecord,
			}
		}),
	}
}

// known is a digest's bytes, or nothing.
func known(h chain.Hash) []byte {
	if h.IsZero() {
		return nil
	}
	return h[:]
}

func us(d time.Duration) uint64 { return uint64(max(0, d.Microseconds())) }
