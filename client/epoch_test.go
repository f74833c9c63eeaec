// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/query"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi/grpcapitest"
)

// archivist is a node whose answers about handovers a test changes.
type archivist struct {
	*grpcapitest.Node
	change func(*query.Handovers) error
	asked  atomic.Int64
}

func (a *archivist) Handovers(ctx context.Context, from chain.Epoch, limit int) (*query.Handovers, error) {
	a.asked.Add(1)
	h, err := a.Node.Handovers(ctx, from, limit)
	if err == nil && a.change != nil {
		err = a.change(h)
	}
	return h, err
}

func (a *archivist) pay(t *testing.T, c *client.Client, nonce uint64) *client.Transaction {
	t.Helper()
	r, err := c.SubmitTx(t.Context(), sampleTx(t, nonce))
	if err != nil || !r.Verified {
		t.Fatal(r, err)
	}
	return r
}

// lifetime is a network that one joins, one leaves, one has new keys in, and that is sealed once: epoch 5 begins with members
// 0, 1, 3 and 4.
func lifetime(t *testing.T) (*archivist, *client.Client) {
	t.Helper()
	a := &archivist{Node: grpcapitest.New(4)}
	c := dial(t, a, client.TrustGenesis(a.Genesis))
	a.pay(t, c, 1)
	for i, end := range []func(){func() { a.Admit(4, 4) }, func() { a.Admit(0, 5) }, func() { a.Seal() }, func() { a.Remove(2) }} {
		end()
		for k := range uint64(5) { // a state root is among them
			a.pay(t, c, uint64(10*(i+1))+k)
		}
	}
	return a, c
}

// A client goes on through the ends of epochs, and what is of before stays proved.
func TestEpochs(t *testing.T) {
	a, c := lifetime(t)
	if n := a.asked.Load(); n != 8 { // of each epoch once, and once whether there are more
		t.Errorf("the node was asked for handovers %d times", n)
	}
	s, err := c.Status(t.Context())
	if err != nil || s.Epoch != 5 || len(s.Validators) != 4 || s.Member(2) != nil || s.Member(4).JoinEpoch != 2 || s.Member(0).JoinEpoch != 3 {
		t.Fatalf("%+v %v", s, err)
	}
	stale := dial(t, a, client.TrustGenesis(a.Genesis)) // it knows the genesis only
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := map[client.Epoch]int{}
	err = stale.FollowBlocks(ctx, 1, func(b *client.Block) error {
		if !b.Verified {
			t.Errorf("block %d is not verified", b.Height)
		}
		if seen[b.Header.Epoch]++; b.Height == s.Height {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || len(seen) != 5 || seen[1] != 2 || seen[5] != 5 {
		t.Errorf("%v %v", seen, err)
	}
	if b, err := stale.Block(t.Context(), 1); err != nil || !b.Verified {
		t.Error(err)
	}
}

// Whoever follows the chain when an epoch ends gets each block once.
func TestEpochEndsInStream(t *testing.T) {
	a := &archivist{Node: grpcapitest.New(4)}
	c := dial(t, a, client.TrustGenesis(a.Genesis))
	batches, err := c.OpenBatchStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer batches.Close()
	txs, err := c.OpenTxStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer txs.Close()
	for i := range uint64(3) {
		if err := batches.Send(i, sampleBatch(t, 3, i+1)); err != nil {
			t.Fatal(err)
		}
		if got, err := batches.Recv(); err != nil || !got.Receipt.Verified || got.Receipt.Header.Epoch != client.Epoch(i+1) {
			t.Fatal(got, err)
		}
		a.Admit(chain.ValidatorNo(4+i), 4+i)
		if i == 2 {
			break
		}
		if err := txs.Send(i, [][]byte{sampleTx(t, i+1)}); err != nil {
			t.Fatal(err)
		}
		if got, err := txs.Recv(); err != nil || !got.Answers[0].Verified {
			t.Fatal(got, err)
		}
	}
}

// Many goroutines that meet a new epoch learn of it once.
func TestEpochsConcurrent(t *testing.T) {
	a := &archivist{Node: grpcapitest.New(4)}
	c := dial(t, a, client.TrustGenesis(a.Genesis))
	a.pay(t, c, 1)
	a.Admit(4, 4)
	a.Remove(0)
	var all sync.WaitGroup
	for i := range uint64(16) {
		all.Go(func() {
			if r, err := c.SubmitTx(t.Context(), sampleTx(t, 2+i)); err != nil || !r.Verified {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := a.asked.Load(); n != 2 {
		t.Errorf("the node was asked for handovers %d times", n)
	}
}

// What a node says of epochs is believed if it is proved, and not otherwise.
func TestLyingHandovers(t *testing.T) {
	alter := func(change func(*chain.ProvedHandover)) func(*query.Handovers) error {
		return func(h *query.Handovers) error {
			for i, raw := range h.Proved {
				p, err := codec.DecodeProvedHandover(raw)
				if err != nil {
					return err
				}
				change(p)
				h.Proved[i] = codec.AppendProvedHandover(nil, p)
			}
			return nil
		}
	}
	again := func() func(*query.Handovers) error {
		var first []byte
		return func(h *query.Handovers) error {
			if first == nil {
				first = h.Proved[0]
			}
			h.Proved = [][]byte{first}
			return nil
		}
	}
	other := grpcapitest.New(5)
	other.Admit(5, 9)
	for name, x := range map[string]struct {
		change func(*query.Handovers) error
		reason string
	}{
		"none":                      {func(h *query.Handovers) error { h.Proved = nil; return nil }, client.ReasonUnknownEpoch},
		"garbage":                   {func(h *query.Handovers) error { h.Proved = [][]byte{{1}}; return nil }, "corrupt"},
		"an epoch left out":         {func(h *query.Handovers) error { h.Proved = h.Proved[1:]; return nil }, "broken_chain"},
		"the first again and again": {again(), "broken_chain"},
		"other keys":                {alter(func(p *chain.ProvedHandover) { p.Next.Members[len(p.Next.Members)-1].Ed25519[0]++ }), "handover"},
		"no certificate":            {alter(func(p *chain.ProvedHandover) { p.Certificate = nil }), "no_quorum"},
		"a quorum less":             {alter(func(p *chain.ProvedHandover) { p.Certificate.Signatures = p.Certificate.Signatures[2:] }), "no_quorum"},
		"another root":              {alter(func(p *chain.ProvedHandover) { p.Root[0]++ }), "handover"},
		"a wrong verdict":           {alter(func(p *chain.ProvedHandover) { p.Verdict = chain.VerdictUnchanged }), "handover"},
		"certified by others": {func(h *query.Handovers) error {
			o, err := other.Handovers(context.Background(), 2, 1)
			h.Proved = o.Proved
			return err
		}, "membership"},
		"nothing at all": {func(*query.Handovers) error { return fault.New(fault.Denied, "no") }, "denied"},
	} {
		t.Run(name, func(t *testing.T) {
			a := &archivist{Node: grpcapitest.New(4), change: x.change}
			c := dial(t, a, client.TrustGenesis(a.Genesis))
			a.pay(t, c, 1)
			a.Admit(4, 4)
			a.Remove(0)
			_, err := c.SubmitTx(t.Context(), sampleTx(t, 2))
			if err == nil || client.ReasonOf(err) != x.reason {
				t.Errorf("%v (%s), must be %s", err, client.ReasonOf(err), x.reason)
			}
			a.change = nil // an honest one is asked at last
			if r, err := c.SubmitTx(t.Context(), sampleTx(t, 2)); err != nil || !r.Verified {
				t.Error(err)
			}
		})
	}
}

// Handovers gives all of them to whoever wants to hand them on, verified with Trust.
func TestHandovers(t *testing.T) {
	a, c := lifetime(t)
	for from, want := range map[client.Epoch]int{0: 4, 1: 4, 2: 4, 4: 2, 5: 1, 6: 0, 99: 0} {
		for _, trust := range []*client.Trust{nil, client.TrustGenesis(a.Genesis)} {
			list, err := dial(t, a, trust).Handovers(t.Context(), from)
			if err != nil || len(list) != want || want > 0 && list[0].Next.Epoch != max(from, 2) {
				t.Errorf("from %d: %d handovers, %v", from, len(list), err)
			}
		}
	}
	list, err := c.Handovers(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	v := verifier(t, a.Node) // that knows the genesis, and has no network
	last, err := c.Block(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Header(last.Certified); client.ReasonOf(err) != client.ReasonUnknownEpoch || client.KindOf(err) != client.Corrupt {
		t.Error(err)
	}
	if err := v.Extend(list[1]); client.ReasonOf(err) != "other_epoch" {
		t.Errorf("an epoch was left out: %v", err)
	}
	for _, p := range append(list, list...) { // the second time they are known
		if err := v.Extend(p); err != nil {
			t.Fatal(err)
		}
	}
	if h, err := v.Header(last.Certified); err != nil || h.Height != last.Height || v.Epoch() != 5 || len(v.Members().Members) != 4 {
		t.Error(h, err)
	}
	forged := *list[0]
	forged.Root[0]++
	if err := v.Extend(&forged); client.KindOf(err) != client.Corrupt {
		t.Errorf("a known epoch began otherwise: %v", err)
	}
	for _, e := range []client.Epoch{0, 1} {
		forged.Next.Epoch = e
		if err := v.Extend(&forged); client.KindOf(err) != client.Corrupt {
			t.Errorf("a handover begins epoch %d: %v", e, err)
		}
	}
	a.change = func(h *query.Handovers) error { h.Proved[0][40]++; return nil }
	if _, err := c.Handovers(t.Context(), 2); client.KindOf(err) != client.Corrupt {
		t.Error(err)
	}
}

// The last headers of a sealed epoch are proved by those above them, up to the one that the seal names.
func TestSealedTail(t *testing.T) {
	a, c := lifetime(t)
	list, err := c.Handovers(t.Context(), 2)
	if err != nil {
		t.Fatal(err)
	}
	sealed := list[2]
	var tail []*client.Block
	for h := sealed.Height - 2; h <= sealed.Height+1; h++ {
		b, err := c.Block(t.Context(), h)
		if err != nil {
			t.Fatal(err)
		}
		tail = append(tail, b)
	}
	under := func(b *client.Block, above ...*client.Block) client.Certified {
		var headers [][]byte
		for _, x := range above {
			headers = append(headers, x.Certified.Header)
		}
		return client.Certified{Header: b.Certified.Header, Certificate: codec.AppendSealedTail(nil, headers)}
	}
	v := verifier(t, a.Node)
	for i, known := range list {
		_, err := v.Header(under(tail[2]))
		if want := i > 2; (err == nil) != want || !want && client.ReasonOf(err) != client.ReasonUnknownEpoch {
			t.Errorf("with %d handovers: %v", i, err)
		}
		if err := v.Extend(known); err != nil {
			t.Fatal(err)
		}
	}
	for i, c := range []struct {
		certified client.Certified
		ok        bool
	}{
		{under(tail[0], tail[1], tail[2]), true},
		{under(tail[1], tail[2]), true},
		{under(tail[2]), true},
		{under(tail[0]), false},
		{under(tail[0], tail[2], tail[2]), false},
		{under(tail[2], tail[3]), false},
		{under(tail[3]), false},
		{client.Certified{Header: tail[2].Certified.Header, Certificate: []byte("AUS1")}, false},
	} {
		fresh := verifier(t, a.Node) // one that remembers no header
		for _, p := range list {
			if err := fresh.Extend(p); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := fresh.Header(c.certified); (err == nil) != c.ok || err != nil && client.KindOf(err) != client.Corrupt {
			t.Errorf("case %d: %v", i, err)
		}
	}
}

// Former members certify nothing above the end of their epoch, neither before a Verifier knew of the end, in its memory, nor
// after.
func TestFormerMembers(t *testing.T) {
	node := grpcapitest.New(4)
	v := verifier(t, node)
	above := &chain.ExecutedHeader{Chain: 7, Epoch: 1, Height: 2}
	certified := certify(node, above, nil)
	if _, err := v.Header(certified); err != nil {
		t.Fatal("while the epoch is not known to have ended:", err)
	}
	node.Admit(4, 4)
	h, err := node.Handovers(t.Context(), 2, 1)
	if err != nil {
		t.Fatal(err)
	}
	p, err := codec.DecodeProvedHandover(h.Proved[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Extend(p); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Header(certified); client.ReasonOf(err) != "other_epoch" {
		t.Errorf("a header of the old epoch above its end: %v", err)
	}
	early := *above
	early.Epoch, early.Height = 2, 1
	if _, err := v.Header(certify(node, &early, nil)); client.ReasonOf(err) != "other_chain" && client.ReasonOf(err) != "other_epoch" {
		t.Errorf("a header of the new epoch below its begin: %v", err)
	}
}

// A submission of which nobody can say who certified it has an unknown outcome: it was not refused.
func TestUnknownOutcomeOfUnknownEpoch(t *testing.T) {
	a := &archivist{Node: grpcapitest.New(4), change: func(*query.Handovers) error { return fault.New(fault.TryLater, "busy") }}
	c := dial(t, a, client.TrustGenesis(a.Genesis))
	a.Admit(4, 4)
	_, err := c.SubmitTx(t.Context(), sampleTx(t, 1))
	var unknown *client.UnknownOutcomeError
	if !errors.As(err, &unknown) {
		t.Error(err)
	}
}
