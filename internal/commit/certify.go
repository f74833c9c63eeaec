// SPDX-License-Identifier: Apache-2.0

package commit

import (
	"context"
	"sync"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// A Certifier gathers a quorum's signatures over executed headers. Sign is called once a height, in order, when the height
// is executed and its payloads are durable here; Await once a height, in order, when all below it is published. Several
// heights may be signed and not awaited yet.
type Certifier interface {
	Sign(ctx context.Context, h *chain.ExecutedHeader, hash chain.Hash) error
	Await(ctx context.Context, height chain.Height) (*chain.Certificate, error)
}

// Self certifies a network of one validator: its own signatures are the quorum.
type Self struct {
	Validator chain.ValidatorNo
	Header    keys.Signer // Ed25519
	Root      keys.Signer // ML-DSA-65

	mu     sync.Mutex // guards signed
	signed map[chain.Height]*chain.Certificate
}

// Sign signs the header and, when it carries a state root, the root.
func (s *Self) Sign(_ context.Context, h *chain.ExecutedHeader, hash chain.Hash) error {
	sig, err := s.Header.Sign(keys.HeaderMessage(h.Chain, hash))
	if err != nil {
		return err
	}
	word := chain.ValidatorSignature{Validator: s.Validator, Header: sig}
	if h.RootAt != 0 {
		if word.Root, err = s.Root.Sign(keys.RootMessage(h.Chain, h.Epoch, h.RootAt, h.StateRoot)); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.signed == nil {
		s.signed = map[chain.Height]*chain.Certificate{}
	}
	s.signed[h.Height] = &chain.Certificate{Epoch: h.Epoch, Height: h.Height, Header: hash, Signatures: []chain.ValidatorSignature{word}}
	return nil
}

// Await hands the certificate of a signed height out, once.
func (s *Self) Await(_ context.Context, height chain.Height) (*chain.Certificate, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.signed[height]
	delete(s.signed, height)
	if c == nil {
		return nil, fault.New(fault.Internal, "height %d was not signed", height)
	}
	return c, nil
}
