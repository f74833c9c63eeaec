// SPDX-License-Identifier: Apache-2.0

package vouch

import (
	"bytes"
	"crypto/rand"
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

type report struct {
	N int `json:"n"`
}

const domain = "aurigraph/test/report"

func TestSigned(t *testing.T) {
	for _, scheme := range keys.Schemes() {
		signer, err := keys.Generate(scheme, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		text, err := Sign(domain, report{7}, signer)
		if err != nil {
			t.Fatal(err)
		}
		var r report
		d, err := Open(domain, text, &r)
		if err != nil || r.N != 7 || d.Signer != signer.Public().String() {
			t.Errorf("%s: %+v, %+v, %v", scheme, r, d, err)
		}
		if _, err := Open("aurigraph/test/plan", text, &r); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%s: in another domain: %v", scheme, err)
		}
	}
}

func TestUnsigned(t *testing.T) {
	text, err := Sign(domain, report{7}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var r report
	if d, err := Open(domain, text, &r); err != nil || d.Signer != "" || r.N != 7 {
		t.Errorf("%+v, %v", d, err)
	}
}

// TestChanged flips each bit of a document: it is never taken with another value or signer.
func TestChanged(t *testing.T) {
	signer, err := keys.Generate(keys.Ed25519, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text, err := Sign(domain, report{7}, signer)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range 8 * len(text) {
		changed := bytes.Clone(text)
		changed[bit/8] ^= 1 << (bit % 8)
		var r report
		if d, err := Open(domain, changed, &r); err == nil && d.Signer != "" && (r.N != 7 || d.Signer != signer.Public().String()) {
			t.Errorf("bit %d: %+v by %s", bit, r, d.Signer)
		}
	}
}

func FuzzOpen(f *testing.F) {
	text, err := Sign(domain, report{7}, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"document":{},"hash":"","signer":"ed25519:","signature":"zz"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var r report
		if d, err := Open(domain, text, &r); err != nil && !fault.Is(err, fault.Corrupt) {
			t.Errorf("%+v: %v", d, err)
		}
	})
}
