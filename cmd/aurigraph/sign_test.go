// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// The fate of signed bytes is that of their first execution, however often they are sent; of others under the same nonce it
// is that the nonce is used.
func TestSettled(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "net")
	up(t, dir)
	a := &app{network: dir, out: io.Discard, err: io.Discard}
	s, err := a.dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p, err := s.payment(t.Context(), "3", "4", "5", payFlags{})
	if err != nil {
		t.Fatal(err)
	}
	sign := func(amount uint64) []byte {
		signed, err := client.SignTx(p.by.signer, chain.Tx{Chain: s.trust.ChainID, Sender: 3, Key: p.by.key, Nonce: 1, ValidUntil: 10_000, Body: &chain.Transfer{To: 4, Asset: 1, Amount: chain.Units(amount)}})
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	signed := sign(5)
	var copies sync.WaitGroup
	for range 40 {
		copies.Go(func() {
			if got, err := s.settled(t.Context(), signed); err != nil || got.Outcome != chain.OK || !got.Verified {
				t.Error(got, err)
			}
		})
	}
	copies.Wait()
	if n := transfers(t, dir); n != 1 {
		t.Errorf("%d transfers", n)
	}
	if got, err := s.settled(t.Context(), sign(6)); err != nil || got.Outcome != chain.NonceUsed {
		t.Error(got, err)
	}
}

// Several command lines act for one account at the same time.
func TestPayAtTheSameTime(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "net")
	up(t, dir)
	var payers sync.WaitGroup
	for range 12 {
		payers.Go(func() {
			if r := cli(t, "pay", "3", "4", "1", "--network", dir); r.code != exitDone {
				t.Error(r)
			}
		})
	}
	payers.Wait()
	if n := transfers(t, dir); n != 12 {
		t.Errorf("%d transfers", n)
	}
}

// An answer that proves nothing may stand for a payment that was made: its error says which.
func TestUnverified(t *testing.T) {
	signer, err := keys.Generate(keys.Ed25519, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := client.SignTx(signer, chain.Tx{Chain: 1, Sender: 3, Key: 1, Nonce: 1, ValidUntil: 9, Body: &chain.Transfer{To: 4, Asset: 1, Amount: chain.Units(1)}})
	if err != nil {
		t.Fatal(err)
	}
	id, err := client.TxID(signed)
	if err != nil {
		t.Fatal(err)
	}
	err = unverified(signed, fault.Reasoned(fault.Corrupt, "no_quorum", "too few signatures"))
	if fault.ReasonOf(err) != "no_quorum" || exitCode(err) != exitFailed || !strings.Contains(err.Error(), id.String()) {
		t.Error(err)
	}
}
