// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"encoding/json"
	"testing"
)

func FuzzParsePublic(f *testing.F) {
	for _, s := range Schemes() {
		f.Add(testSigner(f, s, 1).Public().Bytes())
	}
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePublic(b)
		if err != nil {
			if !p.IsZero() {
				t.Fatal("a key and an error")
			}
			return
		}
		if !bytes.Equal(p.Bytes(), b) || p.Address().IsZero() || len(b) > PublicBytesMax {
			t.Fatal("not canonical, or no address")
		}
		if again, err := ParsePublicText(p.String()); again != p || err != nil {
			t.Fatal(err)
		}
		if _, err := NewVerifier(p); err != nil {
			t.Fatal("a parsed key is not usable:", err)
		}
	})
}

func FuzzParsePublicText(f *testing.F) {
	f.Add(testSigner(f, Ed25519, 1).Public().String())
	f.Add("ml-dsa-65:")
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := ParsePublicText(text); err == nil && p.IsZero() {
			t.Fatal("neither key nor error")
		}
	})
}

func FuzzKeyFile(f *testing.F) {
	for _, s := range Schemes() {
		m := testSigner(f, s, 1).(*memorySigner)
		sealed, err := sealedDocument(m, []byte("pass"), cheap(), bytes.NewReader(make([]byte, 64)))
		if err != nil {
			f.Fatal(err)
		}
		for _, d := range []*document{plainDocument(m), sealed} {
			text, err := json.Marshal(d)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, passphrase := range [][]byte{nil, []byte("pass")} {
			if s, err := openText(text, passphrase); err == nil {
				if _, err := s.Sign(text); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// FuzzVerify gives every scheme arbitrary signatures: no panic, and batch and single agree.
func FuzzVerify(f *testing.F) {
	var verifiers []*Verifier
	for _, s := range Schemes() {
		signer := testSigner(f, s, 1)
		verifiers = append(verifiers, testVerifier(f, signer.Public()))
		f.Add([]byte("msg"), mustSign(f, signer, []byte("msg")))
	}
	f.Add([]byte{}, make([]byte, 64))
	b := NewBatch()
	f.Fuzz(func(t *testing.T, msg, sig []byte) {
		b.Reset()
		for _, v := range verifiers {
			b.Add(v, msg, sig)
			b.Add(v, msg, sig)
		}
		for i, ok := range b.Verify() {
			if ok != verifiers[i/2].Verify(msg, sig) {
				t.Fatal("batch and single disagree")
			}
		}
	})
}
