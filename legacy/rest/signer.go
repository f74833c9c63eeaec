// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"sync/atomic"

	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// The server's signature scheme. The key is drawn at each start: what it signed is verified by the public key in the answer.
const (
	schemeName = "ed25519"
	signDomain = "aurigraph/v10-reference/sign\x00"
)

type signer struct {
	private                ed25519.PrivateKey
	id                     string
	made, checked, refused *atomic.Uint64
}

func newSigner() (signer, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return signer{}, fault.Wrap(fault.Unavailable, err, "draw a key")
	}
	return signer{private, "server-" + hex.EncodeToString(public[:4]), new(atomic.Uint64), new(atomic.Uint64), new(atomic.Uint64)}, nil
}

func (k *signer) public() string { return hex.EncodeToString(k.private.Public().(ed25519.PublicKey)) }

func (s *Server) algorithms(*call) (any, error) {
	return v10.AlgorithmList{Algorithms: []v10.Algorithm{{Name: schemeName, Usage: "sign, verify"}}, Total: 1}, nil
}

func (s *Server) keys(*call) (any, error) {
	return v10.KeyList{Keys: []v10.Key{{ID: s.signer.id, Algorithm: schemeName, PublicKey: s.signer.public(), Usage: "sign"}}, Total: 1}, nil
}

// dataOf is base64 of a request, under the domain.
func dataOf(text string) ([]byte, error) {
	data, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil, fault.Reasoned(fault.Invalid, "data_malformed", "data must be base64")
	}
	return append([]byte(signDomain), data...), nil
}

func (s *Server) sign(c *call) (any, error) {
	var r v10.Sign
	if err := v10.Decode(c.bytes, &r); err != nil {
		return nil, err
	}
	if r.KeyID != "" && r.KeyID != s.signer.id {
		return nil, fault.New(fault.NotFound, v10.TextNoKey)
	}
	data, err := dataOf(r.Data)
	if err != nil {
		return nil, err
	}
	s.signer.made.Add(1)
	return v10.Signed{
		Signature: hex.EncodeToString(ed25519.Sign(s.signer.private, data)), Algorithm: schemeName, KeyID: s.signer.id,
		PublicKey: s.signer.public(), Timestamp: s.now(),
	}, nil
}

func (s *Server) verify(c *call) (any, error) {
	var r v10.Verify
	if err := v10.Decode(c.bytes, &r); err != nil {
		return nil, err
	}
	if r.Algorithm != schemeName {
		return nil, fault.Reasoned(fault.Invalid, "algorithm", "algorithm must be %s", schemeName)
	}
	data, err := dataOf(r.Data)
	if err != nil {
		return nil, err
	}
	signature, err1 := hex.DecodeString(r.Signature)
	public, err2 := hex.DecodeString(r.PublicKey)
	if err1 != nil || err2 != nil || len(signature) != ed25519.SignatureSize || len(public) != ed25519.PublicKeySize {
		return nil, fault.Reasoned(fault.Invalid, "signature_malformed", "signature and public_key must be hex of %d and %d bytes", ed25519.SignatureSize, ed25519.PublicKeySize)
	}
	valid := ed25519.Verify(public, data, signature)
	s.signer.checked.Add(1)
	if !valid {
		s.signer.refused.Add(1)
	}
	return v10.Verified{Valid: valid, Algorithm: schemeName}, nil
}

func (s *Server) cryptoStatus(*call) (any, error) {
	return v10.CryptoStatus{Version: "2.0", Algorithms: []string{schemeName}, Metrics: v10.CryptoMetrics{
		SignaturesVerified: s.signer.checked.Load(), SignaturesMade: s.signer.made.Load(), Failures: s.signer.refused.Load(),
	}}, nil
}
