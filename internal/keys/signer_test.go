// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"math/big"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/aurigraph/aurigraph/internal/fault"
)

var update = flag.Bool("update", false, "rewrite golden files")

// testSeed is a different fixed seed for each n.
func testSeed(n int) [SeedBytes]byte { return sha256.Sum256(fmt.Appendf(nil, "keys test %d", n)) }

func testSigner(t testing.TB, s Scheme, n int) Signer {
	t.Helper()
	signer, err := FromSeed(s, testSeed(n))
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func testVerifier(t testing.TB, p Public) *Verifier {
	t.Helper()
	v, err := NewVerifier(p)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func mustSign(t testing.TB, s Signer, msg []byte) []byte {
	t.Helper()
	sig, err := s.Sign(msg)
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestGolden fixes keys, addresses and signatures of fixed seeds: a change here changes the ledger.
func TestGolden(t *testing.T) {
	var out bytes.Buffer
	for _, s := range Schemes() {
		for n := range 2 {
			signer := testSigner(t, s, n)
			public, seed := signer.Public(), testSeed(n)
			fmt.Fprintf(&out, "%s seed=%x\n  public %s\n  address %s\n", s, seed, shorten(public.String()), public.Address())
			for _, msg := range [][]byte{nil, Message(DomainTx, []byte("pay"))} {
				fmt.Fprintf(&out, "  sign %x -> %s\n", msg, shorten(hex.EncodeToString(mustSign(t, signer, msg))))
			}
		}
	}
	const path = "testdata/golden.txt"
	if *update {
		if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("keys or signatures changed:\n%s", out.Bytes())
	}
}

// shorten stands a hash for what is too long to read.
func shorten(s string) string {
	if len(s) < 200 {
		return s
	}
	return fmt.Sprintf("%s… (%d characters, sha256 %x)", s[:32], len(s), sha256.Sum256([]byte(s)))
}

// TestRFC8032 holds test vectors 1 and 2 of RFC 8032 section 7.1.
func TestRFC8032(t *testing.T) {
	for _, c := range []struct{ seed, public, msg, sig string }{
		{
			"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
			"d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
			"e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
		},
		{
			"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
			"3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
			"92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
		},
	} {
		s, err := FromSeed(Ed25519, [SeedBytes]byte(unhex(t, c.seed)))
		if err != nil {
			t.Fatal(err)
		}
		msg, sig := unhex(t, c.msg), unhex(t, c.sig)
		if s.Public().String() != "ed25519:"+c.public || !bytes.Equal(mustSign(t, s, msg), sig) {
			t.Error("key or signature differs from RFC 8032")
		}
		if !testVerifier(t, s.Public()).Verify(msg, sig) {
			t.Error("RFC 8032's signature is refused")
		}
	}
}

// TestEthereumAddresses holds well-known keys: 1, the example of web3's documentation, the first Hardhat account.
func TestEthereumAddresses(t *testing.T) {
	for seed, address := range map[string]string{
		"0000000000000000000000000000000000000000000000000000000000000001": "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf",
		"4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318": "0x2c7536e3605d9c16a7a3d7b1898e529396a65c23",
		"ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80": "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266",
	} {
		s, err := FromSeed(Secp256k1, [SeedBytes]byte(unhex(t, seed)))
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Public().Address().String(); got != address {
			t.Errorf("address of %s: %s, Ethereum says %s", seed, got, address)
		}
	}
}

func TestSignVerify(t *testing.T) {
	for _, s := range Schemes() {
		signer, other := testSigner(t, s, 1), testSigner(t, s, 2)
		v := testVerifier(t, signer.Public())
		msg := []byte("pay 5 GOLD")
		sig := mustSign(t, signer, msg)
		if len(sig) != s.SignatureBytes() || len(signer.Public().Bytes()) != 1+s.PublicBytes() {
			t.Errorf("%s: sizes %d, %d", s, len(sig), len(signer.Public().Bytes()))
		}
		if !bytes.Equal(sig, mustSign(t, signer, msg)) {
			t.Errorf("%s: signing again gives other bytes", s)
		}
		if v.Scheme() != s || v.Public() != signer.Public() || v.Address() != signer.Public().Address() {
			t.Errorf("%s: the verifier is of another key", s)
		}
		if !v.Verify(msg, sig) {
			t.Errorf("%s: own signature refused", s)
		}
		if v.Verify([]byte("pay 6 GOLD"), sig) || testVerifier(t, other.Public()).Verify(msg, sig) {
			t.Errorf("%s: signature holds for another message or key", s)
		}
		for _, n := range []int{0, 1, len(sig) - 1} {
			if v.Verify(msg, sig[:n]) {
				t.Errorf("%s: %d bytes of a signature pass", s, n)
			}
		}
		if v.Verify(msg, append(bytes.Clone(sig), 0)) {
			t.Errorf("%s: a byte too many passes", s)
		}
		for at := 0; at < len(sig); at += max(1, len(sig)/64) {
			bad := bytes.Clone(sig)
			bad[at] ^= 0x10
			if v.Verify(msg, bad) {
				t.Errorf("%s: byte %d may be changed", s, at)
			}
		}
	}
}

// TestSecp256k1Malleability turns s into n-s, which the equation accepts and the rule must not.
func TestSecp256k1Malleability(t *testing.T) {
	order, _ := new(big.Int).SetString("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 16)
	signer := testSigner(t, Secp256k1, 1)
	v := testVerifier(t, signer.Public())
	for i := range 32 {
		msg := []byte{byte(i)}
		sig := mustSign(t, signer, msg)
		s := new(big.Int).SetBytes(sig[32:])
		if s.Cmp(new(big.Int).Rsh(order, 1)) > 0 || !v.Verify(msg, sig) {
			t.Fatal("a signature has high s or is refused")
		}
		new(big.Int).Sub(order, s).FillBytes(sig[32:])
		if v.Verify(msg, sig) {
			t.Fatal("high s is accepted")
		}
	}
}

func TestHedged(t *testing.T) {
	msg := []byte("m")
	signer, err := Hedged(testSigner(t, MLDSA65, 1))
	if err != nil {
		t.Fatal(err)
	}
	a, b := mustSign(t, signer, msg), mustSign(t, signer, msg)
	v := testVerifier(t, signer.Public())
	if bytes.Equal(a, b) || !v.Verify(msg, a) || !v.Verify(msg, b) {
		t.Error("hedged signatures must differ and hold")
	}
	plain := testSigner(t, Ed25519, 1)
	if same, err := Hedged(plain); err != nil || same != plain {
		t.Error("another scheme must stay as it is", err)
	}
}

func TestGenerate(t *testing.T) {
	for _, s := range Schemes() {
		seed := testSeed(7)
		got, err := Generate(s, bytes.NewReader(seed[:]))
		if err != nil || got.Public() != testSigner(t, s, 7).Public() {
			t.Errorf("%s: %v", s, err)
		}
		if _, err := Generate(s, bytes.NewReader(seed[:31])); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: short entropy: %v", s, err)
		}
	}
	if _, err := Generate(Ed25519, iotest.ErrReader(errors.New("no entropy"))); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}

func TestFromSeedRefuses(t *testing.T) {
	order := [SeedBytes]byte(unhex(t, "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"))
	for _, seed := range [][SeedBytes]byte{{}, order, [SeedBytes]byte(bytes.Repeat([]byte{255}, SeedBytes))} {
		if _, err := FromSeed(Secp256k1, seed); !fault.Is(err, fault.Invalid) {
			t.Errorf("seed %x: %v", seed, err)
		}
	}
	for _, s := range []Scheme{0, 4, 255} {
		if _, err := FromSeed(s, testSeed(1)); !fault.Is(err, fault.Invalid) {
			t.Errorf("scheme %d: %v", s, err)
		}
	}
}

func TestSignerPrintsNoSecret(t *testing.T) {
	for _, s := range Schemes() {
		signer, seed := testSigner(t, s, 1), testSeed(1)
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
			text := fmt.Sprintf(verb, signer) + fmt.Sprintf(verb, struct{ Key Signer }{signer}) + fmt.Sprintf(verb, struct{ key Signer }{signer})
			for _, secret := range []string{hex.EncodeToString(seed[:]), fmt.Sprint(seed[:8])[1:20], string(seed[:])} {
				if strings.Contains(text, secret) {
					t.Errorf("%s prints the seed: %s", verb, text)
				}
			}
			if !strings.Contains(text, "signer of "+s.String()) {
				t.Errorf("%s says nothing: %s", verb, text)
			}
		}
	}
}
