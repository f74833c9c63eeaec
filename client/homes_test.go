// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"reflect"
	"testing"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi/grpcapitest"
)

// TestHomes: every field of a home table arrives.
func TestHomes(t *testing.T) {
	backend := grpcapitest.New(1)
	want, err := backend.HomeTable(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h, err := dial(t, backend, nil).Homes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if expected := (client.Homes{Height: want.Height, Version: want.Version, V10: want.V10, Mover: want.Mover, Guard: want.Guard, Closed: want.Closed}); !reflect.DeepEqual(*h, expected) {
		t.Errorf("%+v, want %+v", h, expected)
	}
}

// TestHomeMove believes what a certified transaction did, and nothing that a node merely says.
func TestHomeMove(t *testing.T) {
	backend := grpcapitest.New(4)
	c := dial(t, backend, client.TrustGenesis(backend.Genesis))
	slots := []client.SlotRange{{From: 1, To: 99}, {From: 10_007, To: 10_007}}
	done := func(body client.Body) {
		t.Helper()
		signed, err := client.SignTx(grpcapitest.Signer(keys.Ed25519, 99), client.Tx{Chain: 7, Sender: 1, Key: 1, Nonce: 1, ValidUntil: 100, Body: body})
		if err != nil {
			t.Fatal(err)
		}
		r, err := c.SubmitTx(t.Context(), signed)
		if err != nil {
			t.Fatal(err)
		}
		backend.Moved(r.ID)
	}
	is := func(version uint64, want client.HomeMove) {
		t.Helper()
		got, err := c.HomeMove(t.Context(), version)
		if err != nil {
			t.Fatal(err)
		}
		if want.Height = got.Height; got.Height == 0 || !reflect.DeepEqual(*got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	fails := func(version uint64, want client.Kind) {
		t.Helper()
		if m, err := c.HomeMove(t.Context(), version); client.KindOf(err) != want {
			t.Errorf("version %d: %+v, %v, want %v", version, m, err, want)
		}
	}
	fails(2, client.NotFound)
	done(&client.MoveSlots{ToV11: true, HomeVersion: 1, Slots: slots, Position: client.SyncPosition{Major: 3}, Fence: make([]byte, 64)})
	is(2, client.HomeMove{Version: 2, ToV11: true, Slots: slots})
	done(&client.AbortMove{HomeVersion: 2, Slots: slots})
	is(3, client.HomeMove{Version: 3, Aborted: true, Slots: slots})
	done(&client.CloseMigration{HomeVersion: 3, Life: 1, Position: client.SyncPosition{Major: 9}})
	is(4, client.HomeMove{Version: 4, Closed: true})
	done(&client.MoveSlots{HomeVersion: 2, Slots: slots}) // a node that names another version's
	fails(5, client.Corrupt)
	done(&client.Freeze{Account: 1})
	fails(6, client.Corrupt)
	backend.SealToV10()
	sealed := client.HomeMove{Version: 7, Sealed: true, Slots: []client.SlotRange{{From: 0, To: 65_534}}}
	is(7, sealed) // the client learns of the epoch for it
	backend.SealToV10()
	backend.Seal()
	sealed.Version = 8
	is(8, sealed)
	backend.Moved(client.Hash{}) // that no seal made
	fails(9, client.Corrupt)
	if _, err := dial(t, backend, nil).HomeMove(t.Context(), 2); client.KindOf(err) != client.Denied {
		t.Errorf("without a trust: %v", err)
	}
}
