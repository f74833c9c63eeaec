// SPDX-License-Identifier: Apache-2.0

package certify

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/testkit"
)

func samples() []Message {
	plain, rooted := voteOf(2, 5, 0), voteOf(1, 8, 0)
	return []Message{{Vote: &plain}, {Vote: &rooted}, {Wanted: 258}, {Certificate: certificateOf(5, 0, 0, 1, 3)}}
}

func TestGoldenBytes(t *testing.T) {
	var b bytes.Buffer
	for i, m := range samples() {
		name := []string{"vote", "vote with a state root", "wanted", "certificate"}[i]
		fmt.Fprintf(&b, "frame: %s\n%s\n\n", name, hex.EncodeToString(AppendFrame(nil, m)))
	}
	v := voteOf(2, 8, 0)
	fmt.Fprintf(&b, "record kind %d\n%s\n", recordVote, hex.EncodeToString(appendVote(nil, &v)))
	v.Decided[0], v.Decided[31] = 0xde, 0xc1
	fmt.Fprintf(&b, "record kind %d\n%s\n", recordDecided, hex.EncodeToString(appendRecord(nil, &v)))
	fmt.Fprintf(&b, "\nevidence\n%s\n", hex.EncodeToString(AppendEvidence(nil, &Evidence{First: voteOf(2, 5, 0), Second: voteOf(2, 5, 1)})))
	testkit.Golden(t, "golden.txt", b.Bytes())
}

func TestAVoteIsAPage(t *testing.T) {
	v := voteOf(2, 8, 0)
	if n := len(appendRecord(nil, &v)); n != 3463+32 || n > seglog.MetaBytesMax {
		t.Errorf("a vote with a state root has a record of %d bytes, whose head has room for %d", n, seglog.MetaBytesMax)
	}
	v = voteOf(2, 5, 0)
	if n := len(appendVote(nil, &v)); n != 122 {
		t.Errorf("a vote has %d bytes", n)
	}
}

func TestTheLargestCertificateFits(t *testing.T) {
	var all []int
	for i := range 64 {
		all = append(all, i)
	}
	frame := AppendFrame(nil, Message{Certificate: certificateOf(8, 0, all...)})
	if _, err := ParseFrame(frame); err != nil {
		t.Errorf("%d bytes: %v", len(frame), err)
	}
}

func TestMalformedFrames(t *testing.T) {
	frames := make([][]byte, 4)
	for i, m := range samples() {
		frames[i] = AppendFrame(nil, m)
	}
	for name, frame := range map[string][]byte{
		"nothing":                {},
		"another kind":           {9, 1, 2},
		"kind 0":                 {0},
		"half a vote":            frames[0][:50],
		"more than a vote":       append(bytes.Clone(frames[0]), 0),
		"half a root signature":  frames[1][:len(frames[1])-1],
		"more than a root":       append(bytes.Clone(frames[1]), 0),
		"half a request":         frames[2][:5],
		"a request for nothing":  make([]byte, 9),
		"a wish for height 0":    {2, 0, 0, 0, 0, 0, 0, 0, 0},
		"more than a request":    append(bytes.Clone(frames[2]), 0),
		"half a certificate":     frames[3][:70],
		"more than one":          append(bytes.Clone(frames[3]), 0),
		"a frame over the bound": append([]byte{1}, make([]byte, FrameBytesMax)...),
	} {
		if m, err := ParseFrame(frame); !fault.Is(err, fault.Invalid) || fault.ReasonOf(err) != "malformed" {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

// A vote that no decoder would take back must not be written.
func TestVotesOfAWrongFormAreNotWritten(t *testing.T) {
	for name, change := range map[string]func(*Vote){
		"no signature":           func(v *Vote) { v.Signature = nil },
		"a root without height":  func(v *Vote) { v.RootAt = 0 },
		"a short root signature": func(v *Vote) { v.RootSig = v.RootSig[:9] },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("it was written")
				}
			}()
			v := voteOf(0, 8, 0)
			change(&v)
			appendVote(nil, &v)
		})
	}
}

func FuzzParseFrame(f *testing.F) {
	for _, m := range samples() {
		b := AppendFrame(nil, m)
		f.Add(b)
		f.Add(b[:len(b)-1])
		f.Add(append(bytes.Clone(b), 0))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseFrame(b)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatal(err)
			}
			return
		}
		if again := AppendFrame(nil, m); !bytes.Equal(again, b) {
			t.Fatalf("%x means %+v, which is written %x", b, m, again)
		}
	})
}
