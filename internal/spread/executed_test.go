// SPDX-License-Identifier: Apache-2.0

package spread

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/testkit"
)

var testAskExecuted = AskExecuted{Height: 7, Index: 2, Digest: chain.Hash{1, 2}}

// TestGoldenAskExecuted pins the frame that FORMAT.md draws.
func TestGoldenAskExecuted(t *testing.T) {
	var out bytes.Buffer
	fmt.Fprintf(&out, "kind %d, ask for an executed entry\n%x\n", KindAskExecuted, AppendAskExecuted(nil, testAskExecuted))
	testkit.Golden(t, "executed.txt", out.Bytes())
}

// FuzzAskExecuted wants a decoder that never panics, and one form for each value.
func FuzzAskExecuted(f *testing.F) {
	good := AppendAskExecuted(nil, testAskExecuted)
	for _, b := range [][]byte{good, nil, good[1:], append(bytes.Clone(good), 0), make([]byte, len(good))} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := DecodeAskExecuted(b)
		if err == nil && (a.Height == 0 || !bytes.Equal(AppendAskExecuted(nil, a), b)) || err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("%x came back as %+v, %v", b, a, err)
		}
	})
}

// TestAskedExecuted answers a peer's asks for what its share of a tick pays, and nobody else's.
func TestAskedExecuted(t *testing.T) {
	c := testCore(t, 4, func(b *Bounds) { b.ServeBytes = chain.BatchBytesMax + 1 })
	ask := func(from chain.ValidatorNo) Output { return c.Step(AskedExecuted{from, testAskExecuted}) }
	want := []SendExecuted{{1, testAskExecuted}}
	for range 2 { // the second passes the share
		out := ask(1)
		equal(t, "answers", out.SendExecuted, want)
		equal(t, "refused", out.Refused, nil)
	}
	equal(t, "a third", ask(1).Refused, []string{RefusedFlood})
	equal(t, "another peer", ask(2).SendExecuted, []SendExecuted{{2, testAskExecuted}})
	equal(t, "in the next tick", c.Step(Tick{}, AskedExecuted{1, testAskExecuted}).SendExecuted, want)
	for _, nobody := range []chain.ValidatorNo{0, 4, 9} {
		out := ask(nobody)
		equal(t, "from nobody", out.Refused, []string{RefusedSender})
		equal(t, "to nobody", out.SendExecuted, nil)
	}
}
