// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi/grpcapitest"
)

func TestSubmitTx(t *testing.T) {
	node := grpcapitest.New(4)
	c := dial(t, node, client.TrustGenesis(node.Genesis))
	signed := sampleTx(t, 1)
	for _, first := range []bool{true, false} {
		r, err := c.SubmitTx(t.Context(), signed)
		if err != nil || !r.Verified || r.First != first || r.Outcome.String() != "ok" || r.Header.Height != 1 || r.Batch != r.Header.Batches[0].Batch {
			t.Fatal(r, err)
		}
		found, err := c.Transaction(t.Context(), r.ID, true)
		if err != nil || !found.Verified || !bytes.Equal(found.Bytes, signed) {
			t.Fatal(found, err)
		}
		if tx, err := found.SignedTx(); err != nil || tx.Nonce != 1 {
			t.Error(tx, err)
		}
		if _, err := found.LegRecord(); err == nil {
			t.Error("a transaction is no leg")
		}
	}
	if _, err := c.SubmitTx(t.Context(), []byte("rubbish")); client.KindOf(err) != client.Invalid {
		t.Error(err)
	}
	found, err := c.Transaction(t.Context(), mustTxID(t, signed), false)
	if err != nil || found.Verified {
		t.Error("nothing was proved", found, err)
	}
	if _, err := c.Transaction(t.Context(), [32]byte{}, true); client.KindOf(err) != client.NotFound {
		t.Error(err)
	}
}

func mustTxID(t *testing.T, signed []byte) client.Hash {
	t.Helper()
	id, err := client.TxID(signed)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func TestWithoutTrust(t *testing.T) {
	node := grpcapitest.New(1)
	c := dial(t, node, nil)
	r, err := c.SubmitTx(t.Context(), sampleTx(t, 1))
	if err != nil || r.Verified || r.Header != nil {
		t.Error(r, err)
	}
	s, err := c.OpenTxStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Send(1, [][]byte{sampleTx(t, 2)}); err != nil {
		t.Fatal(err)
	}
	a, err := s.Recv()
	if err != nil || a.Answers[0].Verified || a.Answers[0].Height != 2 {
		t.Error(a, err)
	}
	if b, err := c.Block(t.Context(), 0); err != nil || b.Verified || b.Height != 2 {
		t.Error(b, err)
	}
}

func TestBatchStream(t *testing.T) {
	node := grpcapitest.New(4)
	c := dial(t, node, client.TrustGenesis(node.Genesis))
	s, err := c.OpenBatchStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	one, two := sampleBatch(t, 600, 1), sampleBatch(t, 3, 2)
	unsigned := &client.SignedBatch{ID: two.ID, Bytes: two.Bytes}
	for i, b := range []*client.SignedBatch{one, unsigned, two} {
		if err := s.Send(uint64(i), b); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	a, err := s.Recv()
	if err != nil || a.Tag != 0 || !a.Receipt.Verified || a.Receipt.Batch != one.ID {
		t.Fatal(a, err)
	}
	o, err := a.Receipt.Outcomes()
	if err != nil || len(o.Codes) != 600 || o.Codes[0].String() != "bad_field" || o.Codes[1].String() != "ok" {
		t.Error(o, err)
	}
	if a, err = s.Recv(); err != nil || client.KindOf(a.Refused) != client.Denied || client.ReasonOf(a.Refused) != "bad_signature" || a.ID != two.ID {
		t.Error(a, err)
	}
	if a, err = s.Recv(); err != nil || a.Receipt.Height != 2 {
		t.Error(a, err)
	}
	if _, err = s.Recv(); err != io.EOF {
		t.Error(err)
	}

	r, err := c.Batch(t.Context(), one.ID)
	if err != nil || !r.Verified {
		t.Error(r, err)
	}
	l, err := c.Legs(t.Context(), one.ID, 100, 500)
	if err != nil || !l.Verified || !bytes.Equal(l.Records, one.Bytes[1024+100*64:]) {
		t.Error(err)
	}
	leg := client.LegID(one.ID)
	copy(leg[28:], []byte{77, 0, 0, 0})
	found, err := c.Transaction(t.Context(), leg, true)
	if err != nil || !found.Verified || !found.Leg || found.Item != 77 {
		t.Fatal(found, err)
	}
	if record, err := found.LegRecord(); err != nil || record.From != 78 {
		t.Error(record, err)
	}
}

func TestBatchStreamBreaks(t *testing.T) {
	node := grpcapitest.New(1)
	c := dial(t, node, client.TrustGenesis(node.Genesis))
	s, err := c.OpenBatchStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wrong := *sampleBatch(t, 1, 1)
	wrong.ID[0]++ // what the node answers is then about another batch
	if err := s.Send(1, &wrong); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recv(); client.KindOf(err) != client.Corrupt || client.ReasonOf(err) != "other_batch" {
		t.Error(err)
	}
	for err == nil || err == io.EOF {
		err = s.Send(2, &wrong)
		if err == io.EOF {
			_, err = s.Recv()
		}
	}
	if client.KindOf(err) != client.Timeout {
		t.Error(err)
	}
}

func TestTxStream(t *testing.T) {
	node := grpcapitest.New(4)
	c := dial(t, node, client.TrustGenesis(node.Genesis))
	s, err := c.OpenTxStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i, q := range [][][]byte{{sampleTx(t, 1), sampleTx(t, 2)}, {sampleTx(t, 2), []byte("rubbish"), sampleTx(t, 3)}} {
		if err := s.Send(uint64(i), q); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.CloseSend(); err != nil {
		t.Fatal(err)
	}
	a, err := s.Recv()
	if err != nil || a.Tag != 0 || !a.Answers[1].Verified || a.Answers[1].Result != 1 || a.Answers[1].ID != mustTxID(t, sampleTx(t, 2)) {
		t.Fatal(a, err)
	}
	a, err = s.Recv()
	if err != nil || a.Answers[0].Height != 1 || client.KindOf(a.Answers[1].Refused) != client.Invalid || !a.Answers[1].ID.IsZero() || a.Answers[2].Height != 2 {
		t.Fatal(a, err)
	}
	if _, err := s.Recv(); err != io.EOF {
		t.Error(err)
	}
}

// A stream that was broken off takes nothing more, however much waits for an answer.
func TestTxStreamBrokenOff(t *testing.T) {
	node := grpcapitest.New(1)
	node.Hold = make(chan struct{})
	c := dial(t, node, client.TrustGenesis(node.Genesis))
	s, err := c.OpenTxStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(1, [][]byte{sampleTx(t, 1)}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	for err == nil {
		err = s.Send(2, [][]byte{sampleTx(t, 2)})
	}
	if err == io.EOF {
		_, err = s.Recv()
	}
	if client.KindOf(err) != client.Timeout {
		t.Error(err)
	}
}

func TestReads(t *testing.T) {
	node := grpcapitest.New(1)
	c := dial(t, node, client.TrustGenesis(node.Genesis))
	ctx := t.Context()
	for i := range uint64(3) {
		if _, err := c.SubmitTx(ctx, sampleTx(t, i)); err != nil {
			t.Fatal(err)
		}
	}
	b, err := c.Block(ctx, 2)
	if err != nil || !b.Verified || b.Header.Height != 2 || b.Batches[0].Client {
		t.Error(b, err)
	}
	p, err := c.ListBlocks(ctx, 2, "")
	if err != nil || len(p.Items) != 2 || !p.Items[0].Verified || p.Items[0].Height != 3 || p.IndexHeight != 3 {
		t.Fatal(p, err)
	}
	if p, err = c.ListBlocks(ctx, 2, p.Next); err != nil || len(p.Items) != 1 || p.Next != "" {
		t.Error(p, err)
	}
	a, err := c.Account(ctx, client.AccountName{Number: 5}, 0, false)
	if err != nil || !a.Frozen || a.Holdings[0].Amount.String() != "18446744073709551617" || a.Holdings[0].Code != "EUR" {
		t.Error(a, err)
	}
	if _, err := c.Account(ctx, client.AccountName{Address: a.Address}, 1, true); client.KindOf(err) != client.Corrupt {
		t.Error("a proof that proves nothing was believed", err)
	}
	if _, err := c.Account(ctx, client.AccountName{AliasTag: client.Hash{1}}, 1, false); client.KindOf(err) != client.NotFound {
		t.Error(err)
	}
	if x, err := c.Asset(ctx, 1); err != nil || x.Name != "Euro" || x.Supply != client.Units(100) {
		t.Error(x, err)
	}
	if x, err := c.AssetByCode(ctx, "EUR"); err != nil || !x.Dense {
		t.Error(x, err)
	}
	if _, err := c.AssetByCode(ctx, "USD"); client.KindOf(err) != client.NotFound {
		t.Error(err)
	}
	if x, err := c.Institution(ctx, 3, 7); err != nil || x.ChannelSequence != 7 || !x.Keys[0].Active {
		t.Error(x, err)
	}
	if x, err := c.Status(ctx); err != nil || x.Height != 3 || x.OldestPayload != 1 || x.Network != "fake" || len(x.Validators) != 1 {
		t.Error(x, err)
	}
	if x, err := c.ListTransfers(ctx, 4, 1, 0, ""); err != nil || x.Items[0].From != 4 || x.Items[0].Amount != client.Units(5) ||
		*x.Items[0].Origin != (client.Origin{TimeMs: 7, Round: 8, Place: 9, Outcome: chain.FrozenSlot}) {
		t.Error(x, err)
	}
	if x, err := c.ListAccounts(ctx, 1, 0, ""); err != nil || x.Items[0].Number != 5 {
		t.Error(x, err)
	}
	if x, err := c.ListAssets(ctx, 0, ""); err != nil || x.Items[0].Code != "EUR" {
		t.Error(x, err)
	}
}

func TestReadsFail(t *testing.T) {
	node := grpcapitest.New(1)
	node.Fail = func(string) error { return fault.Reasoned(fault.Pruned, "gone", "it is gone") }
	c := dial(t, node, nil)
	ctx := t.Context()
	fails := func(_ any, err error) error { return err }
	for name, err := range map[string]error{
		"Batch": fails(c.Batch(ctx, client.Hash{})), "Legs": fails(c.Legs(ctx, client.Hash{}, 0, 1)), "Block": fails(c.Block(ctx, 1)),
		"Account": fails(c.Account(ctx, client.AccountName{Number: 5}, 0, true)), "Asset": fails(c.Asset(ctx, 1)),
		"Institution": fails(c.Institution(ctx, 1, 0)), "Status": fails(c.Status(ctx)), "SubmitTx": fails(c.SubmitTx(ctx, sampleTx(t, 1))),
		"ListBlocks": fails(c.ListBlocks(ctx, 0, "")), "ListTransfers": fails(c.ListTransfers(ctx, 0, 0, 0, "")),
		"ListAccounts": fails(c.ListAccounts(ctx, 0, 0, "")), "ListAssets": fails(c.ListAssets(ctx, 0, "")),
		"FollowBlocks": c.FollowBlocks(ctx, 0, nil), "FollowEvents": c.FollowEvents(ctx, 1, 0, 0, nil),
	} {
		if client.KindOf(err) != client.Pruned || client.ReasonOf(err) != "gone" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDialRefuses(t *testing.T) {
	node, other := grpcapitest.New(1), grpcapitest.New(4)
	address, ca, _ := serve(t, node)
	rubbish := filepath.Join(t.TempDir(), "rubbish")
	if err := os.WriteFile(rubbish, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, otherCA, _ := serve(t, other)
	trust := client.TrustGenesis(node.Genesis)
	nobody := &client.Trust{ChainID: 7}
	twice := &client.Trust{Validators: []client.Validator{trust.Validators[0], trust.Validators[0]}}
	badKey := &client.Trust{Validators: []client.Validator{{Ed25519: []byte{1}}}}
	badRootKey := &client.Trust{Validators: []client.Validator{{Ed25519: trust.Validators[0].Ed25519}}}
	for name, c := range map[string]struct {
		cfg  client.Config
		kind client.Kind
	}{
		"no endpoint":  {client.Config{}, client.Invalid},
		"bad endpoint": {client.Config{Endpoints: []string{"nowhere"}}, client.Invalid},
		"no CA":        {client.Config{Endpoints: []string{address}, CAFile: rubbish + "x"}, client.Invalid},
		"bad CA":       {client.Config{Endpoints: []string{address}, CAFile: rubbish}, client.Invalid},
		"no validator": {client.Config{Endpoints: []string{address}, Trust: nobody}, client.Invalid},
		"twice":        {client.Config{Endpoints: []string{address}, Trust: twice}, client.Invalid},
		"bad key":      {client.Config{Endpoints: []string{address}, Trust: badKey}, client.Invalid},
		"bad root key": {client.Config{Endpoints: []string{address}, Trust: badRootKey}, client.Invalid},
		"other chain":  {client.Config{Endpoints: []string{address}, CAFile: ca, Trust: client.TrustGenesis(other.Genesis)}, client.Conflict},
		"other CA":     {client.Config{Endpoints: []string{address}, CAFile: otherCA, Trust: trust, RetriesMax: -1}, client.Unavailable},
		"plain":        {client.Config{Endpoints: []string{address}, Insecure: true, Trust: trust, RetriesMax: -1}, client.Unavailable},
	} {
		dialed, err := client.Dial(t.Context(), c.cfg)
		if client.KindOf(err) != c.kind || err == nil {
			t.Errorf("%s: %v", name, err)
		}
		if dialed != nil {
			dialed.Close()
		}
	}
}

func TestTrust(t *testing.T) {
	node := grpcapitest.New(4)
	text, err := json.Marshal(node.Genesis)
	if err != nil {
		t.Fatal(err)
	}
	trust, err := client.ReadTrust(text)
	if err != nil || len(trust.Validators) != 4 || trust.GenesisHash != client.TrustGenesis(node.Genesis).GenesisHash {
		t.Error(trust, err)
	}
	for _, bad := range []string{"{", "{}"} {
		if _, err := client.ReadTrust([]byte(bad)); client.KindOf(err) != client.Invalid {
			t.Error(bad, err)
		}
	}
}

// A call goes to a node that lives, and is repeated where the fault passes.
func TestRetryAndFailover(t *testing.T) {
	node := grpcapitest.New(1)
	times := 0
	node.Fail = func(method string) error {
		if times++; method == "Asset" && times <= 2 {
			return fault.Reasoned(fault.TryLater, "buffers_full", "later")
		}
		return nil
	}
	dead, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead.Close()
	address, ca, _ := serve(t, node)
	c, err := client.Dial(t.Context(), client.Config{Endpoints: []string{dead.Addr().String(), address}, CAFile: ca})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Asset(t.Context(), 1); err != nil || times != 3 {
		t.Errorf("%v after %d calls", err, times)
	}
	for range 4 {
		if _, err := c.Status(t.Context()); err != nil {
			t.Error(err)
		}
	}
	node.Fail = func(string) error { return fault.New(fault.TryLater, "never") }
	once, err := client.Dial(t.Context(), client.Config{Endpoints: []string{address}, CAFile: ca, RetriesMax: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer once.Close()
	if _, err := once.SubmitTx(t.Context(), sampleTx(t, 1)); client.KindOf(err) != client.TryLater {
		t.Error("the node said no each time, so the outcome is known:", err)
	}
}

func TestUnknownOutcome(t *testing.T) {
	node := grpcapitest.New(1)
	node.Hold = make(chan struct{})
	taken := make(chan struct{}, 16)
	node.Fail = func(method string) error {
		if method == "SubmitTxs" {
			taken <- struct{}{}
		}
		return nil
	}
	address, ca, stop := serve(t, node)
	c, err := client.Dial(t.Context(), client.Config{Endpoints: []string{address}, CAFile: ca, RetriesMax: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	signed := sampleTx(t, 1)
	unknown := func(err error) {
		t.Helper()
		var u *client.UnknownOutcomeError
		if !errors.As(err, &u) || u.ID != mustTxID(t, signed) || client.KindOf(err) != client.Timeout || client.ReasonOf(err) != "unknown_outcome" || u.Error() == "" {
			t.Errorf("%v should be an unknown outcome", err)
		}
	}
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err = c.SubmitTx(short, signed)
	unknown(err)
	<-taken
	// The same with a node that dies after it took the transaction.
	ended := make(chan error, 1)
	go func() {
		_, err := c.SubmitTx(t.Context(), signed)
		ended <- err
	}()
	<-taken
	stop()
	unknown(<-ended)
	// And a node that was never reached has certainly done nothing.
	if _, err = c.SubmitTx(t.Context(), signed); client.KindOf(err) != client.Unavailable {
		t.Error(err)
	}
}

func TestFollow(t *testing.T) {
	node := grpcapitest.New(1)
	address, ca, stop := serve(t, node)
	second, secondCA, _ := serve(t, node)
	both := filepath.Join(t.TempDir(), "ca.pem")
	var text []byte
	for _, f := range []string{ca, secondCA} {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, b...)
	}
	if err := os.WriteFile(both, text, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := client.Dial(t.Context(), client.Config{Endpoints: []string{address, second}, CAFile: both, Trust: client.TrustGenesis(node.Genesis)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	submit := func(nonce uint64) {
		t.Helper()
		if _, err := c.SubmitTx(t.Context(), sampleTx(t, nonce)); err != nil {
			t.Fatal(err)
		}
	}
	submit(1)
	submit(2)
	heights, ended := make(chan client.Height), make(chan error, 1)
	enough := errors.New("enough")
	go func() {
		ended <- c.FollowBlocks(t.Context(), 1, func(b *client.Block) error {
			heights <- b.Height
			if b.Height == 4 {
				return enough
			}
			return nil
		})
	}()
	for want := client.Height(1); want <= 4; want++ {
		if want == 3 {
			stop() // whichever node the stream is on, it goes on at one that lives
			submit(3)
			submit(4)
		}
		if got := <-heights; got != want {
			t.Fatalf("block %d came where %d was due", got, want)
		}
	}
	if err := <-ended; err != enough {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	err = c.FollowEvents(ctx, 2, 9, 1, func(e *client.Events) error {
		if e.Height == 4 && e.Transfers[0].From == 9 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestSign(t *testing.T) {
	signer := grpcapitest.Signer(keys.Ed25519, 1)
	if _, err := client.SignTx(signer, client.Tx{}); client.KindOf(err) != client.Invalid {
		t.Error(err)
	}
	if _, err := client.SignBatch(signer, client.BatchHeader{}, nil); client.KindOf(err) != client.Invalid {
		t.Error(err)
	}
	broken := brokenSigner{signer}
	if _, err := client.SignTx(broken, client.Tx{Body: &client.Void{}}); client.KindOf(err) != client.Internal {
		t.Error(err)
	}
	if _, err := client.SignBatch(broken, client.BatchHeader{}, make([]client.Leg, 1)); client.KindOf(err) != client.Internal {
		t.Error(err)
	}
	path := filepath.Join(t.TempDir(), "key")
	if err := keys.WriteFile(path, signer, nil); err != nil {
		t.Fatal(err)
	}
	if s, err := client.ReadKeyFile(path, nil); err != nil || s.Public() != signer.Public() {
		t.Error(err)
	}
	if a, err := client.ParseAmount("1.5", 2); err != nil || a != client.Units(150) {
		t.Error(a, err)
	}
}

type brokenSigner struct{ client.Signer }

func (brokenSigner) Sign([]byte) ([]byte, error) { return nil, errors.New("the device is gone") }
