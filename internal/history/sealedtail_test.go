// SPDX-License-Identifier: Apache-2.0

package history_test

import (
	"slices"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history/historytest"
	"github.com/aurigraph/aurigraph/internal/store"
)

// A block that has no certificate, because its epoch was sealed above it, is read with the headers that lead to the seal.
func TestSealedTail(t *testing.T) {
	inWorld(t, func(t *testing.T, w *historytest.World) {
		first := w.Batch(pay(house, alice, gold, 5))
		last := w.Batch(pay(house, bob, gold, 5))
		at, end := first.Location.Height, last.Location.Height
		ended := func(verdict chain.Verdict, height chain.Height) func(*store.Changes) {
			p := chain.ProvedHandover{Handover: chain.Handover{Verdict: verdict, Height: height, Next: chain.Membership{Epoch: 2}}, HeaderBytes: last.Header}
			return func(c *store.Changes) {
				store.DeleteCertificate(c, at)
				store.DeleteCertificate(c, end)
				store.WriteHandover(c, 2, codec.AppendProvedHandover(nil, &p))
			}
		}
		apply(t, w.Store, ended(chain.VerdictUnchanged, end))
		r, err := w.History.Receipt(first.Batch)
		if err != nil {
			t.Fatal(err)
		}
		above, err := codec.DecodeSealedTail(r.Certificate)
		if err != nil || len(above) != int(end-at) || !slices.Equal(above[len(above)-1], last.Header) {
			t.Errorf("%d headers, %v", len(above), err)
		}
		b, err := w.History.Block(end)
		if err != nil {
			t.Fatal(err)
		}
		if above, err := codec.DecodeSealedTail(b.CertBytes); err != nil || len(above) != 0 {
			t.Errorf("%d headers above the last one, %v", len(above), err)
		}
		for name, c := range map[string]struct {
			write func(*store.Changes)
			word  string
		}{
			"ended by a change": {ended(chain.VerdictNone, end), "no certificate"},
			"sealed below":      {ended(chain.VerdictUnchanged, at-1), "no certificate"},
			"sealed far above":  {ended(chain.VerdictUnchanged, at+codec.SealedTailMax+1), "no certificate"},
			"a header is gone":  {ended(chain.VerdictUnchanged, end+1), "does not stand for it"},
			"no handover":       {func(c *store.Changes) { store.WriteHandover(c, 2, []byte("rubbish")) }, "a handover"},
		} {
			apply(t, w.Store, c.write)
			_, err := w.History.Receipt(first.Batch)
			want(t, name, err, fault.Corrupt, c.word)
		}
	})
}
