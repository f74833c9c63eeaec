// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"
)

// vector is a corner case of Ed25519: small order, torsion, encodings that are not canonical.
type vector struct {
	name          string
	key, msg, sig []byte
	valid         bool
}

func readVectors(t *testing.T, path string, into any) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zr, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.NewDecoder(zr).Decode(into); err != nil {
		t.Fatal(err)
	}
}

// zip215Vectors are Zcash's: all valid under ZIP 215, none under a rule that refuses keys of small order.
func zip215Vectors(t *testing.T) (all []vector) {
	var in [][2]string
	readVectors(t, "testdata/ed25519-zip215.json.gz", &in)
	for i, c := range in {
		all = append(all, vector{fmt.Sprint("zip215 ", i), unhex(t, c[0]), []byte("Zcash"), unhex(t, c[1]), false})
	}
	return all
}

// speccheckVectors are those of "Taming the many EdDSAs" (Chalkias, Garillot, Nikolaenko), table 5.
func speccheckVectors(t *testing.T) (all []vector) {
	var in []struct {
		Message   string
		PublicKey string `json:"pub_key"`
		Signature string
	}
	readVectors(t, "testdata/ed25519-speccheck.json.gz", &in)
	for i, c := range in {
		all = append(all, vector{fmt.Sprint("speccheck ", i), unhex(t, c.PublicKey), unhex(t, c.Message), unhex(t, c.Signature), i >= 2 && i <= 5})
	}
	return all
}

// cctvVectors are C2SP's, which combine all torsion points in A and R.
func cctvVectors(t *testing.T) (all []vector) {
	var in []struct {
		A, R, S, M string
		Flags      []string
	}
	readVectors(t, "testdata/ed25519-cctv.json.gz", &in)
	for i, c := range in {
		valid := !slices.ContainsFunc([]string{"LowOrderA", "NonCanonicalA", "NonCanonicalR"}, func(f string) bool { return slices.Contains(c.Flags, f) })
		all = append(all, vector{fmt.Sprint("cctv ", i, c.Flags), unhex(t, c.A), []byte(c.M), unhex(t, c.R+c.S), valid})
	}
	return all
}

// TestEd25519Acceptance fixes the rule, and shows that a Batch of any size and company keeps it.
func TestEd25519Acceptance(t *testing.T) {
	all := slices.Concat(zip215Vectors(t), speccheckVectors(t), cctvVectors(t))
	var known []vector // those whose key is usable
	var verifiers []*Verifier
	accepted := 0
	for _, c := range all {
		p, err := ParsePublic(append([]byte{byte(Ed25519)}, c.key...))
		if err != nil {
			if c.valid {
				t.Errorf("%s: key refused: %v", c.name, err)
			}
			continue
		}
		v := testVerifier(t, p)
		if got := v.Verify(c.msg, c.sig); got != c.valid {
			t.Errorf("%s: accepted=%v, the rule says %v", c.name, got, c.valid)
		}
		known, verifiers = append(known, c), append(verifiers, v)
		if c.valid {
			accepted++
		}
	}
	t.Logf("%d vectors, %d with a usable key, %d accepted", len(all), len(known), accepted)
	if len(all) < 900 || accepted < 100 || accepted == len(known) {
		t.Error("the vectors are not there")
	}
	good := testSigner(t, Ed25519, 1)
	goodVerifier, goodSig := testVerifier(t, good.Public()), mustSign(t, good, []byte("good"))
	b := NewBatch()
	for i, c := range known {
		for _, company := range []int{0, 1, 9} {
			b.Reset()
			for range company {
				b.Add(goodVerifier, []byte("good"), goodSig)
			}
			b.Add(verifiers[i], c.msg, c.sig)
			if got := b.Verify(); got[company] != c.valid || slices.Contains(got[:company], false) {
				t.Errorf("%s, with %d good ones: %v", c.name, company, got[company])
			}
		}
	}
	checkTogether(t, known, verifiers)
}

// checkTogether verifies all vectors in one batch, and then only those that are valid, whose equation must hold.
func checkTogether(t *testing.T, known []vector, verifiers []*Verifier) {
	b, valid := NewBatch(), NewBatch()
	for i, c := range known {
		b.Add(verifiers[i], c.msg, c.sig)
		if c.valid {
			valid.Add(verifiers[i], c.msg, c.sig)
		}
	}
	for i, ok := range b.Verify() {
		if ok != known[i].valid {
			t.Errorf("%s, among all: %v", known[i].name, ok)
		}
	}
	if slices.Contains(valid.Verify(), false) {
		t.Error("valid corner cases fail together")
	}
	for chunk := range slices.Chunk(valid.ed25519At, chunkEntriesMax) {
		if !valid.together(chunk) {
			t.Error("valid corner cases hold one by one, but their equation does not")
		}
	}
}
