// SPDX-License-Identifier: Apache-2.0

package keys

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/aurigraph/aurigraph/internal/chain"
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
	for _, d := range []string{DomainBatch, DomainTx, DomainExecutedHeader, DomainStateRoot, DomainChange, DomainSeal, DomainSealReveal, DomainSealClaim, DomainFence, domainKeyFile} {
		if seen[d] {
			t.Errorf("%q is there twice", d)
		}
		seen[d] = true
		if n := len(d); n <= 4 || n == 0x19 || n >= 0x7f {
			t.Errorf("%q: a message would begin like one of Ethereum's", d)
		}
	}
}

// TestSignedMessages spells out the bytes of what is signed: who changes one orphans every signature there is.
func TestSignedMessages(t *testing.T) {
	hash := chain.Hash{0: 1, 31: 2}
	field := func(v ...byte) string {
		return string(binary.LittleEndian.AppendUint64(nil, uint64(len(v)))) + string(v)
	}
	number := func(v byte) string { return field(v, 0, 0, 0, 0, 0, 0, 0) }
	for name, c := range map[string]struct {
		have []byte
		want string
	}{
		"batch":  {BatchMessage(9, hash), field([]byte("aurigraph/batch/v1")...) + number(9) + field(hash[:]...)},
		"tx":     {TxMessage(9, hash), field([]byte("aurigraph/tx/v1")...) + number(9) + field(hash[:]...)},
		"header": {HeaderMessage(9, hash), field([]byte("aurigraph/executed-header/v1")...) + number(9) + field(hash[:]...)},
		"change": {ChangeMessage(9, hash), field([]byte("aurigraph/validator-change/v1")...) + number(9) + field(hash[:]...)},
		"seal":   {SealMessage(9, hash), field([]byte("aurigraph/epoch-seal/v1")...) + number(9) + field(hash[:]...)},
		"fence":  {FenceMessage(9, hash), field([]byte("aurigraph/fence/v1")...) + number(9) + field(hash[:]...)},
		"reveal": {SealRevealMessage(hash[:]), field([]byte("aurigraph/seal-reveal/v1")...) + field(hash[:]...)},
		"claim":  {SealClaimMessage(hash[:]), field([]byte("aurigraph/seal-claim/v1")...) + field(hash[:]...)},
		"root":   {RootMessage(9, 3, 7, hash), field([]byte("aurigraph/state-root/v1")...) + number(9) + number(3) + number(7) + field(hash[:]...)},
	} {
		if string(c.have) != c.want {
			t.Errorf("%s: %x, want %x", name, c.have, c.want)
		}
	}
	if got := AppendTxMessage([]byte("x"), 9, hash); string(got) != "x"+string(TxMessage(9, hash)) {
		t.Errorf("appended: %x", got)
	}
}
