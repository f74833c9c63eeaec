// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/query"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi/grpcapitest"
)

// A repeat is answered from what the first leg under its key came to, and that is proved by its place.
func TestKeyed(t *testing.T) {
	node := grpcapitest.New(4)
	c := dial(t, node, client.TrustGenesis(node.Genesis))
	ctx, key, request := t.Context(), client.IdempotencyKey{15: 1}, [16]byte{7}
	if _, err := c.SubmitTx(ctx, sampleTx(t, 1)); err != nil {
		t.Fatal(err)
	}
	leg := client.Leg{From: 1, To: 2, Asset: 1, Arg: client.LegKeyed, Reference: client.KeyedReference(key, request), Amount: client.Units(5)}
	b, err := client.SignBatch(grpcapitest.Signer(keys.MLDSA65, 99), client.BatchHeader{Chain: 7, Institution: 1, Key: 1, Sequence: 1, ValidUntil: 100}, []client.Leg{{}, leg})
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.OpenBatchStream(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Send(1, b); err != nil {
		t.Fatal(err)
	}
	if a, err := s.Recv(); err != nil || a.Receipt.Height != 2 {
		t.Fatal(a, err)
	}

	k, err := c.Keyed(ctx, 1, key)
	at := client.ItemPlace{Place: client.Place{Height: 2}, Item: 1}
	if want := (client.Keyed{Height: 2, Found: true, At: at, TimeUs: 2000}); err != nil || *k != want {
		t.Fatalf("%+v %v", k, err)
	}
	found, err := c.TransactionAt(ctx, k.At, true)
	if err != nil || !found.Verified || !found.Leg || found.ID != client.LegID(chain.NewLegID(b.ID, 1)) {
		t.Fatal(found, err)
	}
	if record, err := found.LegRecord(); err != nil || [16]byte(record.Reference[16:]) != request {
		t.Error(record, err)
	}
	if found, err = c.TransactionAt(ctx, client.ItemPlace{Place: client.Place{Height: 1}}, true); err != nil || !found.Verified || !bytes.Equal(found.Bytes, sampleTx(t, 1)) {
		t.Error(found, err)
	}
	if found, err = c.TransactionAt(ctx, at, false); err != nil || found.Verified {
		t.Error(found, err)
	}
	for _, institution := range []client.InstitutionNo{0, 2} {
		if k, err = c.Keyed(ctx, institution, key); err != nil || *k != (client.Keyed{Height: 2}) {
			t.Error(k, err)
		}
	}
	if _, err = c.Keyed(ctx, 1, client.IdempotencyKey{}); client.KindOf(err) != client.Invalid {
		t.Error(err)
	}
	if _, err = c.TransactionAt(ctx, client.ItemPlace{Place: client.Place{Height: 9}}, true); client.KindOf(err) != client.NotFound {
		t.Error(err)
	}
}

// elsewhere answers for another place than it was asked for.
type elsewhere struct{ *grpcapitest.Node }

func (n elsewhere) TransactionAt(ctx context.Context, at query.Place, proof bool) (*query.Transaction, error) {
	at.Item++
	return n.Node.TransactionAt(ctx, at, proof)
}

func TestAnswerForAnotherPlace(t *testing.T) {
	node := grpcapitest.New(1)
	c := dial(t, elsewhere{node}, client.TrustGenesis(node.Genesis))
	s, err := c.OpenBatchStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Send(1, sampleBatch(t, 3, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recv(); err != nil {
		t.Fatal(err)
	}
	for _, proof := range []bool{false, true} {
		if _, err := c.TransactionAt(t.Context(), client.ItemPlace{Place: client.Place{Height: 1}}, proof); client.ReasonOf(err) != "other_place" {
			t.Error(err)
		}
	}
}
