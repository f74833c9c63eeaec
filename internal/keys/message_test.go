// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"encoding/hex"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestMessageForm(t *testing.T) {
	got := hex.EncodeToString(Message("dom", []byte{1, 2}, nil))
	if want := "0300000000000000646f6d020000000000000001020000000000000000"; got != want {
		t.Errorf("%s, must be %s", got, want)
	}
	if got := AppendMessage([]byte{9}, "dom", []byte{1, 2}, nil); got[0] != 9 || !bytes.Equal(got[1:], Message("dom", []byte{1, 2}, nil)) {
		t.Error("AppendMessage is not Message")
	}
}

func TestMessageInjective(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		domain := rapid.StringN(0, 4, 8)
		parts := rapid.SliceOfN(rapid.SliceOfN(rapid.ByteRange(0, 2), 0, 9), 0, 4)
		d1, d2 := domain.Draw(t, "d1"), domain.Draw(t, "d2")
		p1, p2 := parts.Draw(t, "p1"), parts.Draw(t, "p2")
		same := d1 == d2 && slices.EqualFunc(p1, p2, bytes.Equal)
		if bytes.Equal(Message(d1, p1...), Message(d2, p2...)) != same {
			t.Fatalf("%q %x and %q %x collide", d1, p1, d2, p2)
		}
	})
}

func TestDomains(t *testing.T) {
	seen := map[string]bool{}
	for _, d := range []string{DomainBatch, DomainTx, DomainExecutedHeader, DomainStateRoot, domainKeyFile} {
		if seen[d] {
			t.Errorf("%q is there twice", d)
		}
		seen[d] = true
		if n := len(d); n <= 4 || n == 0x19 || n >= 0x7f {
			t.Errorf("%q: a message would begin like one of Ethereum's", d)
		}
	}
}
