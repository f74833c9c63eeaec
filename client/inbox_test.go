// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"testing"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi/grpcapitest"
)

// TestInbox: every field of an inbox arrives.
func TestInbox(t *testing.T) {
	backend := grpcapitest.New(1)
	want, err := backend.Inbox(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	in, err := dial(t, backend, nil).Inbox(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	expected := client.Inbox{
		Height: want.Height, HomeVersion: want.HomeVersion, Life: want.Life, Ledger: want.Ledger, Incarnation: want.Incarnation, Institution: want.Institution,
		Key: want.Key, Position: want.Position, Tag: want.Tag, Applied: want.Applied, Skipped: want.Skipped, Barrier: want.Barrier, Round: want.Round,
	}
	if *in != expected || in.Life == 0 {
		t.Errorf("%+v, want %+v", in, expected)
	}
}
