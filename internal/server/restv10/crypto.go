// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"sync/atomic"

	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// signDomain keeps what clients have signed apart from everything of the ledger: such a signature is good for nothing else.
const signDomain = "aurigraph/v10/sign/v1"

// cryptoVersion is what server C said of its own.
const cryptoVersion = "2.0"

// signer signs data of clients with a key of this process alone.
type signer struct {
	keys.Signer
	id string

	made, verified, failed atomic.Uint64
}

func newSigner() (*signer, error) {
	k, err := keys.Generate(keys.Ed25519, rand.Reader)
	if err != nil {
		return nil, err
	}
	sum := codec.Sum(k.Public().Bytes())
	return &signer{Signer: k, id: "sign-" + hex.EncodeToString(sum[:6])}, nil
}

// schemes are what the node signs and verifies with, and what for.
var schemes = []v10.Algorithm{
	{Name: keys.Ed25519.String(), Usage: "votes, batches, transactions, sign and verify"},
	{Name: keys.Secp256k1.String(), Usage: "transactions, verify"},
	{Name: keys.MLDSA65.String(), PostQuantum: true, Level: quantumLevel, Usage: "state roots, batches, transactions, verify"},
}

func (s *Server) algorithms(context.Context, *request) (any, error) {
	return v10.AlgorithmList{Algorithms: schemes, Total: len(schemes)}, nil
}

// publicHex is a key without the byte that says its scheme.
func publicHex(p keys.Public) string { return hex.EncodeToString(p.Bytes()[1:]) }

func (s *Server) publicKeys(ctx context.Context, _ *request) (any, error) {
	st, err := s.parts.Reader.Status(ctx)
	if err != nil {
		return nil, err
	}
	list := v10.KeyList{Keys: []v10.Key{{ID: s.signer.id, Algorithm: keys.Ed25519.String(), PublicKey: publicHex(s.signer.Public()), Usage: "sign"}}}
	for i := range st.Validators {
		m := &st.Validators[i]
		list.Keys = append(list.Keys,
			v10.Key{ID: m.Name + "-votes", Algorithm: keys.Ed25519.String(), PublicKey: hex.EncodeToString(m.Ed25519), Usage: "validator"},
			v10.Key{ID: m.Name + "-roots", Algorithm: keys.MLDSA65.String(), PublicKey: hex.EncodeToString(m.MLDSA65), Usage: "validator"})
	}
	list.Total = len(list.Keys)
	return list, nil
}

func (s *Server) sign(_ context.Context, q *request) (any, error) {
	var r v10.Sign
	if err := q.decode(&r); err != nil {
		return nil, err
	}
	if r.KeyID != "" && r.KeyID != s.signer.id {
		return nil, notFound(v10.TextNoKey)
	}
	data, err := dataOf(r.Data)
	if err != nil {
		return nil, err
	}
	sig, err := s.signer.Sign(keys.Message(signDomain, data))
	if err != nil {
		return nil, err
	}
	s.signer.made.Add(1)
	return v10.Signed{
		Signature: hex.EncodeToString(sig), Algorithm: keys.Ed25519.String(), KeyID: s.signer.id, PublicKey: publicHex(s.signer.Public()), Timestamp: s.now(),
	}, nil
}

func dataOf(text string) ([]byte, error) {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, fault.Reasoned(fault.Invalid, "data_malformed", "data must be base64")
	}
	return data, nil
}

func (s *Server) verify(_ context.Context, q *request) (any, error) {
	var r v10.Verify
	if err := q.decode(&r); err != nil {
		return nil, err
	}
	data, err := dataOf(r.Data)
	if err != nil {
		return nil, err
	}
	scheme, err := keys.ParseScheme(r.Algorithm)
	if err != nil {
		return nil, fault.Reasoned(fault.Invalid, "algorithm", "algorithm is not known: /api/v10/crypto/algorithms lists them")
	}
	sig, err := hex.DecodeString(r.Signature)
	if err != nil || len(sig) != scheme.SignatureBytes() {
		return nil, fault.Reasoned(fault.Invalid, "signature_malformed", "signature must be %d bytes in hex", scheme.SignatureBytes())
	}
	key, err := verifierOf(scheme, r.PublicKey)
	if err != nil {
		return nil, err
	}
	valid := key.Verify(keys.Message(signDomain, data), sig)
	if s.signer.verified.Add(1); !valid {
		s.signer.failed.Add(1)
	}
	return v10.Verified{Valid: valid, Algorithm: strings.Clone(r.Algorithm)}, nil
}

func verifierOf(scheme keys.Scheme, text string) (*keys.Verifier, error) {
	malformed := fault.Reasoned(fault.Invalid, "public_key_malformed", "public_key must be a key of %s in hex", scheme)
	key, err := hex.DecodeString(text)
	if err != nil {
		return nil, malformed
	}
	public, err := keys.ParsePublic(append([]byte{byte(scheme)}, key...))
	if err != nil {
		return nil, malformed
	}
	return keys.NewVerifier(public)
}

func (s *Server) cryptoStatus(context.Context, *request) (any, error) {
	out := v10.CryptoStatus{Version: cryptoVersion, SecurityLevel: quantumLevel, QuantumReady: true, Metrics: v10.CryptoMetrics{
		SignaturesVerified: s.signer.verified.Load(), SignaturesMade: s.signer.made.Load(), Failures: s.signer.failed.Load(),
	}}
	for _, a := range schemes {
		out.Algorithms = append(out.Algorithms, a.Name)
	}
	return out, nil
}
