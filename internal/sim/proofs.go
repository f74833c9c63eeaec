// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/epoch"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// proofs makes and verifies what an epoch's end is proved by, with real signatures and package epoch. What takes long is done
// once: it comes out the same, whoever does it.
type proofs struct {
	macs   macs
	first  *epoch.Set
	sets   map[chain.Hash]*epoch.Set // by the handover that began their epoch
	made   map[chain.Hash][]byte     // by key and message
	stood  map[string][]byte         // the macs for which real signatures stand, by those
	proved map[chain.Hash]error      // by handover and proof, and by whom it was compared with
}

func newProofs(m macs, g *chain.Genesis) *proofs {
	p := &proofs{macs: m, sets: map[chain.Hash]*epoch.Set{}, made: map[chain.Hash][]byte{}, stood: map[string][]byte{}, proved: map[chain.Hash]error{}}
	set, err := epoch.NewSet(g.Chain, g.Membership())
	fault.Invariant(err == nil, "the first members of the simulation: %v", err)
	p.first = set
	return p
}

// setAfter is the members whose epoch a handover began, with their verifiers; nil begins the first one.
func (p *proofs) setAfter(begin *chain.ProvedHandover) *epoch.Set {
	if begin == nil {
		return p.first
	}
	hash := codec.HandoverHash(&begin.Handover)
	if p.sets[hash] == nil {
		set, err := epoch.NewSetAfter(&begin.Handover)
		fault.Invariant(err == nil, "members of the simulation: %v", err)
		p.sets[hash] = set
	}
	return p.sets[hash]
}

// verify says why a handover does not end the epoch of a set.
func (p *proofs) verify(set *epoch.Set, h *chain.ProvedHandover) error {
	id := codec.AppendProvedHandover(codec.AppendMembership(nil, set.Membership()), h)
	at := codec.Sum(id)
	err, known := p.proved[at]
	if !known {
		err = set.VerifyHandover(h)
		p.proved[at] = err
	}
	return err
}

// signed is the real signature for which a mac of a key's owner stands. A mac that is not valid stands for none.
func (p *proofs) signed(owner chain.HexBytes, message, mac []byte, by func(*validatorKey) keys.Signer) []byte {
	no := keyNumber(owner)
	if no < 0 || !p.macs.verify(owner, message, mac) {
		return mac
	}
	signer := by(&validatorKeys()[no])
	public := signer.Public()
	at := codec.Sum(append(append([]byte(nil), public.Bytes()...), message...))
	if p.made[at] == nil {
		signature, err := signer.Sign(message)
		fault.Invariant(err == nil, "a key in memory does not sign: %v", err)
		p.made[at], p.stood[string(signature)] = signature, mac
	}
	return p.made[at]
}

func headerKey(k *validatorKey) keys.Signer { return k.header }
func rootKey(k *validatorKey) keys.Signer   { return k.root }

// signedHeader is the real signature of a member over a header.
func (p *proofs) signedHeader(m *chain.Member, header chain.Hash, mac []byte) []byte {
	if m == nil {
		return mac
	}
	return p.signed(m.Ed25519, keys.HeaderMessage(simChain, header), mac, headerKey)
}

// certificate is one with real signatures: of its header and, if h is that header, of the root in it.
func (p *proofs) certificate(members *chain.Membership, c *chain.Certificate, h *chain.ExecutedHeader) *chain.Certificate {
	certificate := *c
	certificate.Signatures = slices.Clone(c.Signatures)
	for i := range certificate.Signatures {
		s := &certificate.Signatures[i]
		m := members.Find(s.Validator)
		s.Header = p.signedHeader(m, c.Header, s.Header)
		if m != nil && h != nil && h.RootAt != 0 {
			s.Root = p.signed(m.Ed25519, keys.RootMessage(simChain, h.Epoch, h.RootAt, h.StateRoot), s.Root, rootKey)
		}
	}
	return &certificate
}

// macsOf is a certificate with the macs for which its real signatures stand.
func (p *proofs) macsOf(c *chain.Certificate) *chain.Certificate {
	certificate := *c
	certificate.Signatures = slices.Clone(c.Signatures)
	for i := range certificate.Signatures {
		for _, signature := range []*[]byte{&certificate.Signatures[i].Header, &certificate.Signatures[i].Root} {
			if mac := p.stood[string(*signature)]; mac != nil {
				*signature = mac
			}
		}
	}
	return &certificate
}

// keyNumber finds the pair with an Ed25519 key, -1 if there is none.
func keyNumber(ed25519 []byte) int {
	return slices.IndexFunc(validatorKeys(), func(k validatorKey) bool { return slices.Equal(k.ed25519, ed25519) })
}
