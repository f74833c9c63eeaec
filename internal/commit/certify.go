// SPDX-License-Identifier: Apache-2.0

package commit

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// A Certifier gathers a quorum's signatures over an executed header. It is called once a height, in order.
type Certifier interface {
	Certify(ctx context.Context, h *chain.ExecutedHeader, hash chain.Hash) (*chain.Certificate, error)
}

// Self certifies a network of one validator: its own signatures are the quorum.
type Self struct {
	Validator chain.ValidatorNo
	Header    keys.Signer // Ed25519
	Root      keys.Signer // ML-DSA-65
}

// Certify signs the header and, when it carries a state root, the root.
func (s Self) Certify(_ context.Context, h *chain.ExecutedHeader, hash chain.Hash) (*chain.Certificate, error) {
	sig, err := s.Header.Sign(keys.HeaderMessage(h.Chain, hash))
	if err != nil {
		return nil, err
	}
	word := chain.ValidatorSignature{Validator: s.Validator, Header: sig}
	if h.RootAt != 0 {
		if word.Root, err = s.Root.Sign(keys.RootMessage(h.Chain, h.Epoch, h.RootAt, h.StateRoot)); err != nil {
			return nil, err
		}
	}
	return &chain.Certificate{Epoch: h.Epoch, Height: h.Height, Header: hash, Signatures: []chain.ValidatorSignature{word}}, nil
}
