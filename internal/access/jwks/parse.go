// SPDX-License-Identifier: Apache-2.0

package jwks

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"slices"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Bounds of a set.
const (
	SetBytesMax = 1 << 20
	KeysMax     = 128
	rsaBitsMin  = 2048
	rsaBitsMax  = 8192
	kidBytesMax = 256
)

// Algorithms lists the algorithms that tokens may be signed with (RFC 7518, RFC 8037).
func Algorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// Set is a key set that was read. It does not change.
type Set struct {
	keys []key
}

type key struct {
	id         string
	algorithms []string // that it serves
	public     crypto.PublicKey
}

type document struct {
	Keys []json.RawMessage `json:"keys"`
}

// member is a key as RFC 7517 writes it, without what makes it private.
type member struct {
	Type      string   `json:"kty"`
	ID        string   `json:"kid"`
	Use       string   `json:"use"`
	Ops       []string `json:"key_ops"`
	Algorithm string   `json:"alg"`
	Curve     string   `json:"crv"`
	N         string   `json:"n"`
	E         string   `json:"e"`
	X         string   `json:"x"`
	Y         string   `json:"y"`
}

// Parse reads a set. Invalid: it is none, is too large, or holds no key that can be used.
func Parse(text []byte) (*Set, error) {
	if len(text) > SetBytesMax {
		return nil, fault.New(fault.Invalid, "the key set is larger than %d bytes", SetBytesMax)
	}
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the key set is not JSON")
	}
	if len(d.Keys) > KeysMax {
		return nil, fault.New(fault.Invalid, "the key set has %d keys, at most %d", len(d.Keys), KeysMax)
	}
	s := &Set{}
	for _, raw := range d.Keys {
		if k, ok := parseKey(raw); ok {
			s.keys = append(s.keys, k)
		}
	}
	if len(s.keys) == 0 {
		return nil, fault.New(fault.Invalid, "the key set has %d keys, and none that signatures can be verified with", len(d.Keys))
	}
	return s, nil
}

func parseKey(raw json.RawMessage) (k key, ok bool) {
	var m member
	if json.Unmarshal(raw, &m) != nil || len(m.ID) > kidBytesMax || (m.Use != "" && m.Use != "sig") {
		return k, false
	}
	if len(m.Ops) > 0 && !slices.Contains(m.Ops, "verify") {
		return k, false
	}
	k.id = m.ID
	switch m.Type {
	case "RSA":
		k.public, k.algorithms = parseRSA(&m)
	case "EC":
		k.public, k.algorithms = parseEC(&m)
	case "OKP":
		k.public, k.algorithms = parseEd25519(&m)
	}
	if m.Algorithm != "" {
		if !slices.Contains(k.algorithms, m.Algorithm) {
			return k, false
		}
		k.algorithms = []string{m.Algorithm}
	}
	return k, len(k.algorithms) > 0
}

func parseRSA(m *member) (crypto.PublicKey, []string) {
	n, ok1 := number(m.N)
	e, ok2 := number(m.E)
	if !ok1 || !ok2 || n.BitLen() < rsaBitsMin || n.BitLen() > rsaBitsMax || n.Bit(0) == 0 {
		return nil, nil
	}
	if !e.IsInt64() || e.Int64() < 3 || e.Int64() > 1<<31-1 || e.Bit(0) == 0 {
		return nil, nil
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}, []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}
}

var curves = map[string]struct {
	curve     elliptic.Curve
	algorithm string
}{
	"P-256": {elliptic.P256(), "ES256"},
	"P-384": {elliptic.P384(), "ES384"},
	"P-521": {elliptic.P521(), "ES512"},
}

func parseEC(m *member) (crypto.PublicKey, []string) {
	c, ok := curves[m.Curve]
	if !ok {
		return nil, nil
	}
	size := (c.curve.Params().BitSize + 7) / 8
	x, ok1 := octets(m.X)
	y, ok2 := octets(m.Y)
	if !ok1 || !ok2 || len(x) != size || len(y) != size {
		return nil, nil
	}
	// It refuses what is not on the curve.
	public, err := ecdsa.ParseUncompressedPublicKey(c.curve, slices.Concat([]byte{4}, x, y))
	if err != nil {
		return nil, nil
	}
	return public, []string{c.algorithm}
}

func parseEd25519(m *member) (crypto.PublicKey, []string) {
	x, ok := octets(m.X)
	if m.Curve != "Ed25519" || !ok || len(x) != ed25519.PublicKeySize {
		return nil, nil
	}
	return ed25519.PublicKey(x), []string{"EdDSA"}
}

func octets(text string) ([]byte, bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	return b, err == nil && len(b) > 0
}

func number(text string) (*big.Int, bool) {
	b, ok := octets(text)
	return new(big.Int).SetBytes(b), ok
}

// find is the key of an id for an algorithm. A token without an id is verified by the only key that fits, if there is one.
func (s *Set) find(kid, algorithm string) (crypto.PublicKey, bool) {
	var found []crypto.PublicKey
	for i := range s.keys {
		k := &s.keys[i]
		if (kid == "" || k.id == kid) && slices.Contains(k.algorithms, algorithm) {
			found = append(found, k.public)
		}
	}
	if len(found) != 1 {
		return nil, false
	}
	return found[0], true
}
