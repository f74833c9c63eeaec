// SPDX-License-Identifier: Apache-2.0

package certify

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

func TestEvidenceReadsBack(t *testing.T) {
	for _, h := range []int{5, 8} { // without a state root, and with one
		e := Evidence{First: voteOf(2, chain.Height(h), 0), Second: voteOf(2, chain.Height(h), 1)}
		if have, err := DecodeEvidence(AppendEvidence(nil, &e)); err != nil || !reflect.DeepEqual(*have, e) {
			t.Errorf("%+v came back as %+v, %v", e, have, err)
		}
	}
}

func TestEvidenceThatProvesNothing(t *testing.T) {
	good := Evidence{First: voteOf(2, 5, 0), Second: voteOf(2, 5, 1)}
	record := AppendEvidence(nil, &good)
	other := func(second Vote) []byte { return AppendEvidence(nil, &Evidence{First: good.First, Second: second}) }
	epoch := good.Second
	epoch.Epoch++
	for name, b := range map[string][]byte{
		"nothing":           nil,
		"another version":   append([]byte{9}, record[1:]...),
		"half of it":        record[:150],
		"one vote":          record[:125],
		"a byte less":       record[:len(record)-1],
		"a byte more":       append(bytes.Clone(record), 0),
		"one header twice":  other(good.First),
		"two heights":       other(voteOf(2, 6, 1)),
		"two validators":    other(voteOf(1, 5, 1)),
		"two epochs":        other(epoch),
		"a vote of 3 bytes": {evidenceVersion, 3, 0, 1, 2, 3, 0, 0},
	} {
		if e, err := DecodeEvidence(b); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
}

// TestVerifyEvidence wants both signatures to be the validator's.
func TestVerifyEvidence(t *testing.T) {
	members := membersOf(t, 4)
	m, err := NewMembership(testChain, testEpoch, members)
	if err != nil {
		t.Fatal(err)
	}
	signed := func(by, history int) Vote {
		v := Vote{Epoch: testEpoch, Height: 5, Validator: 2, Hash: hashOf(5, history)}
		v.Signature, err = signer(t, keys.Ed25519, by).Sign(keys.HeaderMessage(testChain, v.Hash))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	good := Evidence{First: signed(2, 0), Second: signed(2, 1)}
	if err := m.VerifyEvidence(&good); err != nil {
		t.Error(err)
	}
	for reason, e := range map[string]Evidence{
		"wrong_signature": {First: good.First, Second: signed(1, 1)},
		"malformed":       {First: good.First, Second: good.First},
		"unknown_epoch":   {First: Vote{Epoch: testEpoch + 1}},
	} {
		if err := m.VerifyEvidence(&e); !fault.Is(err, fault.Invalid) || fault.ReasonOf(err) != reason {
			t.Errorf("%s: %v", reason, err)
		}
	}
}

func FuzzDecodeEvidence(f *testing.F) {
	f.Add(AppendEvidence(nil, &Evidence{First: voteOf(2, 5, 0), Second: voteOf(2, 5, 1)}))
	f.Add(AppendEvidence(nil, &Evidence{First: voteOf(2, 8, 0), Second: voteOf(2, 8, 1)}))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := DecodeEvidence(b)
		if err == nil && !bytes.Equal(AppendEvidence(nil, e), b) || err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("%x came back as %+v, %v", b, e, err)
		}
	})
}
