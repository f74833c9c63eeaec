// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/testkit"
)

// form is one kind of message: how it is written, and read and written again.
type form struct {
	name  string
	bytes []byte
	again func([]byte) ([]byte, error)
}

func forms(t testing.TB) []form {
	e := epochOf(t, 4)
	reveal := revealOf(t, 1, knownTo(t, e, 1, 42, 44, 0))
	h := &chain.Handover{Chain: testChain, Verdict: chain.VerdictUnchanged, Height: 44, Header: pointAt(44, 0).Header, Root: chain.Hash{7}, Next: *e.Without([]chain.ValidatorNo{3})}
	signed := revealOf(t, 0, &Known{})
	signed.Signed, signed.Next = statementOf(h), &h.Next
	if err := signed.Sign(headerKey(t, 0)); err != nil {
		t.Fatal(err)
	}
	bare := *signed
	bare.Next = nil
	plan := &Plan{Next: h.Next, Verdict: chain.VerdictUnchanged, Reveals: []*Reveal{&bare, reveal}}
	d := &Decision{Choice: &Choice{Point: pointAt(44, 0)}, Verdict: chain.VerdictUnchanged, Next: codec.MembershipHash(&h.Next)}
	d.Digest = d.Choice.digest()
	claim := claimOf(t, 1, d, h.Root)
	toV10 := *h
	toV10.Verdict, toV10.HomeVersion = chain.VerdictToV10, 9
	returned := revealOf(t, 0, &Known{})
	returned.Signed, returned.Next = statementOf(&toV10), &h.Next
	if err := returned.Sign(headerKey(t, 0)); err != nil {
		t.Fatal(err)
	}
	kept := &record{chain: testChain, epoch: testEpoch, validator: 2}
	full := *kept
	full.handover, full.signature = h, mustSign(t, 2, []byte("any"))
	return []form{
		{"reveal", AppendReveal(nil, reveal), again(DecodeReveal, AppendReveal)},
		{"reveal of a signer", AppendReveal(nil, signed), again(DecodeReveal, AppendReveal)},
		{"reveal of a signer, to V10", AppendReveal(nil, returned), again(DecodeReveal, AppendReveal)},
		{"claim", AppendClaim(nil, claim), again(DecodeClaim, AppendClaim)},
		{"plan", AppendPlan(nil, plan), again(DecodePlan, AppendPlan)},
		{"request to sign", AppendAsk(nil, plan, []*Claim{claim}), func(b []byte) ([]byte, error) {
			p, claims, err := DecodeAsk(b)
			if err != nil {
				return nil, err
			}
			return AppendAsk(nil, p, claims), nil
		}},
		{"place", AppendWhere(nil, &Where{Chain: testChain, Validator: 1, Refused: true, Base: testBase, Membership: e.Membership()}), again(DecodeWhere, AppendWhere)},
		{"record", appendRecord(nil, kept), again(decodeRecord, appendRecord)},
		{"record of a signer", appendRecord(nil, &full), again(decodeRecord, appendRecord)},
	}
}

func again[T any](decode func([]byte) (*T, error), encode func([]byte, *T) []byte) func([]byte) ([]byte, error) {
	return func(b []byte) ([]byte, error) {
		x, err := decode(b)
		if err != nil {
			return nil, err
		}
		return encode(nil, x), nil
	}
}

func TestGoldenBytes(t *testing.T) {
	var out strings.Builder
	for _, f := range forms(t) {
		fmt.Fprintf(&out, "%s, %d bytes, %s\n%s\n", f.name, len(f.bytes), codec.Sum(f.bytes), hex.EncodeToString(f.bytes[:min(len(f.bytes), 512)]))
	}
	testkit.Golden(t, "golden.txt", []byte(out.String()))
}

func TestFormsRoundTrip(t *testing.T) {
	for _, f := range forms(t) {
		got, err := f.again(f.bytes)
		if err != nil || !bytes.Equal(got, f.bytes) {
			t.Errorf("%s: %v", f.name, err)
		}
		for n := range f.bytes {
			if _, err := f.again(f.bytes[:n]); !fault.Is(err, fault.Invalid) {
				t.Fatalf("%s cut at %d: %v", f.name, n, err)
			}
		}
		if _, err := f.again(append(bytes.Clone(f.bytes), 0)); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s with a byte more: %v", f.name, err)
		}
	}
}

// What signatures cover is all of a reveal and all of a claim but what the hashes in them cover.
func TestSignaturesCoverAll(t *testing.T) {
	e := epochOf(t, 4)
	r := revealOf(t, 1, knownTo(t, e, 1, 42, 44, 0))
	body := appendRevealBody(nil, r)
	for i, f := range []func(r *Reveal){
		func(r *Reveal) { r.Chain++ }, func(r *Reveal) { r.Epoch++ }, func(r *Reveal) { r.Validator++ },
		func(r *Reveal) { r.Certificate = nil }, func(r *Reveal) { r.Header = nil }, func(r *Reveal) { r.Votes = nil },
		func(r *Reveal) { r.Signed = &Statement{} },
	} {
		x := *r
		if f(&x); bytes.Equal(appendRevealBody(nil, &x), body) {
			t.Errorf("change %d is not covered", i)
		}
	}
	if n := reflect.TypeFor[Reveal]().NumField(); n != 9 {
		t.Errorf("a reveal has %d fields: is the new one signed?", n)
	}
	if n := reflect.TypeFor[Claim]().NumField(); n != 9 {
		t.Errorf("a claim has %d fields: is the new one signed?", n)
	}
}

// The largest network's messages fit their bounds.
func TestBoundsHold(t *testing.T) {
	m := &chain.Membership{Epoch: 1}
	for v := range chain.ValidatorNo(chain.ValidatorsMax) {
		m.Members = append(m.Members, chain.Member{No: v, JoinEpoch: 1, Name: strings.Repeat("n", chain.NameBytesMax), Ed25519: make([]byte, 32), MLDSA65: make([]byte, 1952)})
	}
	r := &Reveal{
		Certificate: &chain.Certificate{}, Header: make([]byte, codec.HeaderBytesMax), Signed: &Statement{}, Signature: make([]byte, 64), Next: m,
	}
	for range chain.ValidatorsMax {
		r.Certificate.Signatures = append(r.Certificate.Signatures, chain.ValidatorSignature{Header: make([]byte, 64)})
	}
	for range VotesMax {
		r.Votes = append(r.Votes, Vote{Signature: make([]byte, 64)})
	}
	c := &Claim{Signature: make([]byte, 64), Header: make([]byte, codec.HeaderBytesMax)}
	p := &Plan{Next: *m}
	var claims []*Claim
	for range chain.ValidatorsMax {
		p.Reveals, claims = append(p.Reveals, r), append(claims, c)
	}
	if n := len(AppendAsk(nil, p, claims)); n > RequestBytesMax {
		t.Errorf("a request has %d bytes", n)
	}
	if n := len(AppendReveal(nil, r)); n > AnswerBytesMax {
		t.Errorf("a reveal has %d bytes", n)
	}
	if codec.ProvedHandoverBytesMax > RequestBytesMax {
		t.Errorf("a handover with its proof has up to %d bytes", codec.ProvedHandoverBytesMax)
	}
	if n := len(appendRecord(nil, &record{handover: &chain.Handover{Next: *m}, signature: make([]byte, 64)})); n > recordBytesMax {
		t.Errorf("a record has %d bytes", n)
	}
}

// Any bytes are read or refused as Invalid; what is read is written back as it was, and can be checked.
func FuzzForms(f *testing.F) {
	all := forms(f)
	for i := range all {
		f.Add(i, all[i].bytes)
	}
	e := epochOf(f, 4)
	f.Fuzz(func(t *testing.T, kind int, b []byte) {
		if kind < 0 || kind >= len(all) {
			return
		}
		got, err := all[kind].again(b)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(got, b) && !(all[kind].name == "plan" || all[kind].name == "request to sign") { // these leave parts behind
			t.Fatalf("%s is written otherwise", all[kind].name)
		}
		if r, err := DecodeReveal(b); err == nil {
			_ = e.CheckReveal(r)
		}
		if p, claims, err := DecodeAsk(b); err == nil {
			if d, err := e.Check(p); err == nil {
				_, _ = e.Agree(d, &p.Next, claims)
			}
		}
	})
}
