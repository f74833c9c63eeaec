// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"encoding/binary"
	"testing"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/pages"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi/grpcapitest"
)

func verifier(t testing.TB, node *grpcapitest.Node) *client.Verifier {
	t.Helper()
	v, err := client.NewVerifier(client.TrustGenesis(node.Genesis))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func certify(node *grpcapitest.Node, h *chain.ExecutedHeader, change func(*chain.Certificate)) client.Certified {
	c := node.Certify(h)
	if change != nil {
		change(c)
	}
	return client.Certified{Header: codec.AppendHeader(nil, h), Certificate: codec.AppendCertificate(nil, c)}
}

func TestVerifyCertificate(t *testing.T) {
	node := grpcapitest.New(4) // three of four certify
	plain := chain.ExecutedHeader{Chain: 7, Epoch: 1, Height: 5}
	rooted := plain
	rooted.RootAt, rooted.StateRoot = 4, chain.Hash{1}
	first := plain
	first.Height = 1
	otherChain := plain
	otherChain.Chain = 8
	good := func(*chain.Certificate) {}
	for name, c := range map[string]struct {
		header chain.ExecutedHeader
		change func(*chain.Certificate)
		reason string
	}{
		"all sign":        {plain, good, ""},
		"all sign root":   {rooted, good, ""},
		"one is missing":  {plain, func(c *chain.Certificate) { c.Signatures = c.Signatures[1:] }, ""},
		"two are missing": {plain, func(c *chain.Certificate) { c.Signatures = c.Signatures[2:] }, "no_quorum"},
		"one is wrong":    {plain, func(c *chain.Certificate) { c.Signatures[0].Header[0]++ }, "bad_signature"},
		"two are wrong":   {plain, func(c *chain.Certificate) { c.Signatures[0].Header[0]++; c.Signatures[3].Header = nil }, "bad_signature"},
		"one counts once": {plain, func(c *chain.Certificate) { c.Signatures = append(c.Signatures[:2], c.Signatures[1]) }, "signed_twice"},
		"unknown":         {plain, func(c *chain.Certificate) { c.Signatures[0].Validator, c.Signatures[1].Validator = 9, 8 }, "unknown_signer"},
		"swapped":         {plain, func(c *chain.Certificate) { c.Signatures[0].Validator, c.Signatures[1].Validator = 1, 0 }, "bad_signature"},
		"root is wrong":   {rooted, func(c *chain.Certificate) { c.Signatures[0].Root[0]++ }, "bad_signature"},
		"roots are wrong": {rooted, func(c *chain.Certificate) { c.Signatures[0].Root[0]++; c.Signatures[1].Root = nil }, "bad_signature"},
		"other header":    {plain, func(c *chain.Certificate) { c.Header[0]++ }, "certificate_mismatch"},
		"other height":    {plain, func(c *chain.Certificate) { c.Height++ }, "certificate_mismatch"},
		"other epoch":     {plain, func(c *chain.Certificate) { c.Epoch++ }, "certificate_mismatch"},
		"other chain":     {otherChain, good, "other_chain"},
		"other genesis":   {first, good, "other_chain"},
	} {
		v := verifier(t, node)
		certified := certify(node, &c.header, c.change)
		for range 2 { // the second time it may be remembered, but only if it was good
			h, err := v.Header(certified)
			if c.reason == "" && (err != nil || h.Height != c.header.Height) {
				t.Errorf("%s: %v", name, err)
			}
			if c.reason != "" && (client.KindOf(err) != client.Corrupt || client.ReasonOf(err) != c.reason) {
				t.Errorf("%s: %v, want %s", name, err, c.reason)
			}
		}
	}
	v := verifier(t, node)
	certified := certify(node, &plain, nil)
	if _, err := v.Header(client.Certified{Header: certified.Header, Certificate: []byte{1}}); client.KindOf(err) != client.Corrupt {
		t.Error(err)
	}
	if _, err := v.Header(client.Certified{Certificate: certified.Certificate}); client.KindOf(err) != client.Corrupt {
		t.Error(err)
	}
}

func TestVerifyBatch(t *testing.T) {
	node := grpcapitest.New(1)
	c := dial(t, node, nil)
	batch := sampleBatch(t, 600, 1)
	send(t, c, batch)
	for name, change := range map[string]func(*client.BatchReceipt){
		"height":    func(r *client.BatchReceipt) { r.Height++ },
		"line":      func(r *client.BatchReceipt) { r.BatchIndex++ },
		"batch":     func(r *client.BatchReceipt) { r.Batch[0]++ },
		"outcome":   func(r *client.BatchReceipt) { r.Packed[8] ^= 7 },
		"outcomes":  func(r *client.BatchReceipt) { r.Packed = nil },
		"header":    func(r *client.BatchReceipt) { r.Certified.Header[40]++ },
		"no header": func(r *client.BatchReceipt) { r.Certified.Header = nil },
	} {
		r, err := c.Batch(t.Context(), batch.ID)
		if err != nil {
			t.Fatal(err)
		}
		v := verifier(t, node)
		if err := v.Batch(r, batch.ID); err != nil || !r.Verified {
			t.Fatal(err)
		}
		r.Verified = false
		change(r)
		if err := v.Batch(r, batch.ID); client.KindOf(err) != client.Corrupt || r.Verified {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, change := range map[string]func(*client.Legs){
		"record":  func(l *client.Legs) { l.Records[5]++ },
		"fewer":   func(l *client.Legs) { l.Records = l.Records[64:] },
		"none":    func(l *client.Legs) { l.Records = nil },
		"from":    func(l *client.Legs) { l.From++ },
		"end":     func(l *client.Legs) { l.From = 599 },
		"front":   func(l *client.Legs) { l.Proof.Front[20]++ },
		"item":    func(l *client.Legs) { l.Proof.Item = nil },
		"receipt": func(l *client.Legs) { l.Receipt.Height++ },
	} {
		l, err := c.Legs(t.Context(), batch.ID, 3, 4)
		if err != nil {
			t.Fatal(err)
		}
		v := verifier(t, node)
		if err := v.Legs(l, batch.ID); err != nil || !l.Verified {
			t.Fatal(err)
		}
		l.Verified = false
		change(l)
		if err := v.Legs(l, batch.ID); client.KindOf(err) == client.Internal || err == nil || l.Verified {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func send(t *testing.T, c *client.Client, b *client.SignedBatch) {
	t.Helper()
	s, err := c.OpenBatchStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Send(1, b); err != nil {
		t.Fatal(err)
	}
	if a, err := s.Recv(); err != nil || a.Refused != nil {
		t.Fatal(a, err)
	}
}

func TestVerifyTransaction(t *testing.T) {
	node := grpcapitest.New(1)
	c := dial(t, node, nil)
	batch := sampleBatch(t, 50, 1)
	send(t, c, batch)
	r, err := c.SubmitTx(t.Context(), sampleTx(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	other, err := c.SubmitTx(t.Context(), sampleTx(t, 2))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range [][32]byte{r.ID, chain.NewLegID(batch.ID, 7)} {
		for name, change := range map[string]func(*client.Transaction){
			"place":    func(x *client.Transaction) { x.BatchIndex++ },
			"batch":    func(x *client.Transaction) { x.Batch[0]++ },
			"id":       func(x *client.Transaction) { x.ID[0]++ },
			"item":     func(x *client.Transaction) { x.Item++ },
			"far item": func(x *client.Transaction) { x.Item = 1 << 31 },
			"outcome":  func(x *client.Transaction) { x.Outcome++ },
			"result":   func(x *client.Transaction) { x.Result++ },
			"bytes":    func(x *client.Transaction) { x.Bytes[0]++ },
			"kind":     func(x *client.Transaction) { x.Leg = !x.Leg },
			"no proof": func(x *client.Transaction) { x.Proof = nil },
			"front":    func(x *client.Transaction) { x.Proof.Front[9]++ },
			"item cut": func(x *client.Transaction) { x.Proof.Item = x.Proof.Item[1:] },
		} {
			x, err := c.Transaction(t.Context(), id, true)
			if err != nil {
				t.Fatal(err)
			}
			v := verifier(t, node)
			if err := v.Transaction(x, id); err != nil || !x.Verified {
				t.Fatal(err)
			}
			x.Verified = false
			change(x)
			if err := v.Transaction(x, id); err == nil || x.Verified {
				t.Errorf("%s: believed", name)
			}
		}
	}
	// A true answer about something else.
	x, err := c.Transaction(t.Context(), other.ID, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := verifier(t, node).Transaction(x, r.ID); client.ReasonOf(err) != "other_tx" {
		t.Error(err)
	}
}

func TestVerifyBlock(t *testing.T) {
	node := grpcapitest.New(1)
	c := dial(t, node, nil)
	if _, err := c.SubmitTx(t.Context(), sampleTx(t, 1)); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*client.Block){
		"time":   func(b *client.Block) { b.TimeUs++ },
		"hash":   func(b *client.Block) { b.Hash[0]++ },
		"legs":   func(b *client.Block) { b.Batches[0].Legs++ },
		"ok":     func(b *client.Block) { b.Batches[0].LegsOK = 2 },
		"fewer":  func(b *client.Block) { b.Batches = nil },
		"header": func(b *client.Block) { b.Certified.Header = nil },
	} {
		b, err := c.Block(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		v := verifier(t, node)
		if err := v.Block(b); err != nil || !b.Verified {
			t.Fatal(err)
		}
		change(b)
		if err := v.Block(b); client.KindOf(err) != client.Corrupt {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// state is a small ledger state in pages, laid out as the ledger does it.
type state struct {
	tree     *pages.Tree
	snapshot *pages.Snapshot
	root     chain.Hash
}

type record [32]byte

func newState(t testing.TB) *state {
	t.Helper()
	space := pages.NewSpace()
	le := binary.LittleEndian
	accounts, words := pages.NewColumn[record](space, 2, 1000), pages.NewColumn[uint32](space, 3, 10000)
	keys, sparse := pages.NewColumn[[8]byte](space, 15, 1000), pages.NewColumn[chain.Amount](space, 16, 1000)
	dense := pages.NewColumn[chain.Amount](space, 0x10001, 1000)
	a := accounts.Mut(600)
	a[0] = 0xAA
	le.PutUint32(a[20:], 33)
	le.PutUint16(a[28:], chain.SlotNone)
	*words.Mut(600) = 5 | 1<<21
	*dense.Mut(600) = chain.Units(77)
	k := keys.Mut(4)
	le.PutUint32(k[:], 600)
	le.PutUint32(k[4:], 2)
	*sparse.Mut(4) = chain.Amount{Lo: 1, Hi: 2}
	s := &state{tree: pages.NewTree(), snapshot: space.Snapshot()}
	t.Cleanup(s.snapshot.Release)
	s.root = s.tree.Update(s.snapshot)
	return s
}

func (s *state) page(t testing.TB, section uint32, record uint64, recordBytes int) client.PageProof {
	t.Helper()
	at := record / uint64(pages.PageBytes/recordBytes)
	path, err := s.tree.Proof(section, at).AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	v, ok := s.snapshot.Section(section)
	if !ok {
		t.Fatal("no section", section)
	}
	p, _ := v.Page(at)
	return client.PageProof{Section: section, Record: record, Page: append([]byte(nil), p.Bytes()...), Path: path}
}

func TestVerifyState(t *testing.T) {
	node, s := grpcapitest.New(1), newState(t)
	h := &chain.ExecutedHeader{Chain: 7, Epoch: 1, Height: 20, RootAt: 12, StateRoot: s.root}
	proof := func() *client.StateProof {
		return &client.StateProof{Certified: certify(node, h, nil), RootHeight: 12, Pages: []client.PageProof{
			s.page(t, 2, 600, 32), s.page(t, 3, 600, 4), s.page(t, 15, 4, 8), s.page(t, 16, 4, 16), s.page(t, 0x10001, 600, 16),
		}}
	}
	v := verifier(t, node)
	got, err := v.State(proof(), 600, 1)
	if err != nil || got.Amount != chain.Units(77) || got.Address[0] != 0xAA || got.Key != 33 || got.Institution != 5 || !got.Frozen || got.Slot != chain.SlotNone || got.RootHeight != 12 {
		t.Error(got, err)
	}
	if got, err = v.State(proof(), 600, 2); err != nil || got.Amount != (chain.Amount{Lo: 1, Hi: 2}) {
		t.Error(got, err)
	}
	if got, err = v.State(proof(), 600, 0); err != nil || !got.Amount.IsZero() {
		t.Error(got, err)
	}
	for name, change := range map[string]func(*client.StateProof){
		"page":         func(p *client.StateProof) { p.Pages[0].Page[0]++ },
		"short page":   func(p *client.StateProof) { p.Pages[0].Page = nil },
		"path":         func(p *client.StateProof) { p.Pages[1].Path = nil },
		"record":       func(p *client.StateProof) { p.Pages[0].Record++ },
		"other page":   func(p *client.StateProof) { p.Pages[0].Path = p.Pages[1].Path; p.Pages[0].Page = p.Pages[1].Page },
		"root height":  func(p *client.StateProof) { p.RootHeight++ },
		"no header":    func(p *client.StateProof) { p.Certified.Header = nil },
		"no account":   func(p *client.StateProof) { p.Pages = p.Pages[1:] },
		"sparse place": func(p *client.StateProof) { p.Pages[3].Record = 5 },
		"other holder": func(p *client.StateProof) { p.Pages[2], p.Pages[3] = s.page(t, 15, 5, 8), s.page(t, 16, 5, 16) },
		"no holding":   func(p *client.StateProof) { p.Pages = p.Pages[:2] },
	} {
		p := proof()
		change(p)
		if got, err := v.State(p, 600, 2); client.KindOf(err) != client.Corrupt || got != nil {
			t.Errorf("%s: %v %v", name, got, err)
		}
	}
}

// FuzzVerify: no bytes from a node make the verifier panic, or believe.
func FuzzVerify(f *testing.F) {
	node := grpcapitest.New(1)
	h := &chain.ExecutedHeader{Chain: 7, Epoch: 1, Height: 5}
	good := certify(node, h, nil)
	f.Add(good.Header, good.Certificate, []byte{0, 1, 0, 0, 0, 0})
	v := verifier(f, node)
	f.Fuzz(func(t *testing.T, header, certificate, rest []byte) {
		c := client.Certified{Header: header, Certificate: certificate}
		got, err := v.Header(c)
		if err == nil && codec.Sum(header) != codec.HeaderHash(h) {
			t.Errorf("a header that nobody signed: %+v", got)
		}
		if v.Batch(&client.BatchReceipt{Certified: good, Packed: rest, Place: client.Place{Height: 5}}, client.Hash{}) == nil {
			t.Error("a batch in an empty block")
		}
		for _, leg := range []bool{true, false} {
			x := &client.Transaction{Certified: c, Packed: rest, Leg: leg, Proof: &client.Proof{Front: rest, Item: rest}}
			if v.Transaction(x, [32]byte{}) == nil {
				t.Error("a transaction in an empty block")
			}
		}
		v.State(&client.StateProof{Certified: c, Pages: []client.PageProof{{Section: 2, Page: rest, Path: rest}}}, 0, 1)
	})
}
