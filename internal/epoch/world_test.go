// SPDX-License-Identifier: Apache-2.0

package epoch

import (
	"crypto/sha256"
	"fmt"
	"sync"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

const testChain chain.ChainID = 9

// pair is a validator's keys.
type pair struct{ header, root keys.Signer }

func (p pair) ed25519() chain.HexBytes { return p.header.Public().Bytes()[1:] }
func (p pair) mldsa65() chain.HexBytes { return p.root.Public().Bytes()[1:] }

// pairs are fixed; making one takes a while.
var pairs = sync.OnceValue(func() (list [8]pair) {
	for i := range list {
		for _, k := range []struct {
			scheme keys.Scheme
			into   *keys.Signer
		}{{keys.Ed25519, &list[i].header}, {keys.MLDSA65, &list[i].root}} {
			s, err := keys.FromSeed(k.scheme, sha256.Sum256(fmt.Appendf(nil, "%s %d", k.scheme, i)))
			fault.Invariant(err == nil, "%v", err)
			*k.into = s
		}
	}
	return list
})

func testGenesis(n int) *chain.Genesis {
	g := &chain.Genesis{Chain: testChain, Name: "test"}
	for v := range n {
		g.Validators = append(g.Validators, chain.GenesisValidator{Name: fmt.Sprint("v", v), Ed25519: pairs()[v].ed25519(), MLDSA65: pairs()[v].mldsa65()})
	}
	return g
}

func sign(t testing.TB, s keys.Signer, msg []byte) []byte {
	t.Helper()
	sig, err := s.Sign(msg)
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

// network is validators by number, who sign what a test makes them sign.
type network struct {
	t       testing.TB
	members *chain.Membership
	keys    map[chain.ValidatorNo]pair
}

func newNetwork(t testing.TB, n int) *network {
	w := &network{t: t, members: testGenesis(n).Membership(), keys: map[chain.ValidatorNo]pair{}}
	for v := range n {
		w.keys[chain.ValidatorNo(v)] = pairs()[v]
	}
	return w
}

// admits is the next membership, with a validator more under pair number key.
func (w *network) admits(v chain.ValidatorNo, key int) *chain.Membership {
	return w.members.Changed(&chain.ChangeValidator{
		Epoch: w.members.Epoch, Validator: v, Name: fmt.Sprint("v", key), Ed25519: pairs()[key].ed25519(), MLDSA65: pairs()[key].mldsa65(),
	})
}

func (w *network) header(height chain.Height) *chain.ExecutedHeader {
	return &chain.ExecutedHeader{Chain: testChain, Epoch: w.members.Epoch, Height: height, TimeUs: uint64(height)}
}

// last is the header at which a change of the membership ends the epoch.
func (w *network) last(height chain.Height, next *chain.Membership) *chain.ExecutedHeader {
	h := w.header(height)
	h.RootAt, h.StateRoot, h.Next = height, chain.Hash{7}, codec.MembershipHash(next)
	return h
}

func (w *network) certify(h *chain.ExecutedHeader, by ...chain.ValidatorNo) *chain.Certificate {
	c := &chain.Certificate{Epoch: h.Epoch, Height: h.Height, Header: codec.HeaderHash(h)}
	for _, v := range by {
		s := chain.ValidatorSignature{Validator: v, Header: sign(w.t, w.keys[v].header, keys.HeaderMessage(testChain, c.Header))}
		if h.RootAt != 0 {
			s.Root = sign(w.t, w.keys[v].root, keys.RootMessage(testChain, h.Epoch, h.RootAt, h.StateRoot))
		}
		c.Signatures = append(c.Signatures, s)
	}
	return c
}

func (w *network) approve(msg []byte, by ...chain.ValidatorNo) (list []chain.Approval) {
	for _, v := range by {
		list = append(list, chain.Approval{Validator: v, Signature: sign(w.t, w.keys[v].header, msg)})
	}
	return list
}

// changed is a handover by a governance transaction, certified by some.
func (w *network) changed(height chain.Height, next *chain.Membership, by ...chain.ValidatorNo) *chain.ProvedHandover {
	h := w.last(height, next)
	return &chain.ProvedHandover{
		Handover:    chain.Handover{Chain: testChain, Height: height, Header: codec.HeaderHash(h), Root: h.StateRoot, Next: *next},
		HeaderBytes: codec.AppendHeader(nil, h), Certificate: w.certify(h, by...),
	}
}

// sealed is a handover that some sealed.
func (w *network) sealed(height chain.Height, next *chain.Membership, by ...chain.ValidatorNo) *chain.ProvedHandover {
	h := w.header(height)
	p := &chain.ProvedHandover{
		Handover: chain.Handover{
			Chain: testChain, Verdict: chain.VerdictUnchanged, Height: height, Header: codec.HeaderHash(h), Root: chain.Hash{8}, Next: *next,
		},
		HeaderBytes: codec.AppendHeader(nil, h),
	}
	w.reseal(p, by...)
	return p
}

func (w *network) reseal(p *chain.ProvedHandover, by ...chain.ValidatorNo) {
	p.Seal = w.approve(keys.SealMessage(testChain, codec.HandoverHash(&p.Handover)), by...)
}

// goesTo makes the network that of the next membership; its new members have the keys of the given pair.
func (w *network) goesTo(next *chain.Membership, key int) {
	for _, x := range next.Members {
		if x.JoinEpoch == next.Epoch {
			w.keys[x.No] = pairs()[key]
		}
	}
	w.members = next
}
