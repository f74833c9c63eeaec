// SPDX-License-Identifier: Apache-2.0

package client_test

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/server/grpcapi/grpcapitest"
)

// TestListsFindTheIndex has a network of which one endpoint has the index: lists find it, wherever it is, also when it moves,
// while other calls go round among all.
func TestListsFindTheIndex(t *testing.T) {
	const nodes = 5
	var has, asked atomic.Int32
	var endpoints []string
	var stops []func()
	authorities := filepath.Join(t.TempDir(), "ca.pem")
	var all []byte
	for i := range int32(nodes) {
		node := grpcapitest.New(1)
		node.Fail = func(method string) error {
			if method == "ListTransfers" {
				if asked.Add(1); has.Load() != i {
					return fault.Reasoned(fault.Unavailable, "no_index", "this validator keeps no query index")
				}
			}
			return nil
		}
		address, ca, stop := serve(t, node)
		text, err := os.ReadFile(ca)
		if err != nil {
			t.Fatal(err)
		}
		endpoints, stops, all = append(endpoints, address), append(stops, stop), append(all, text...)
	}
	if err := os.WriteFile(authorities, all, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := client.Dial(t.Context(), client.Config{Endpoints: endpoints, CAFile: authorities, Timeout: 10 * time.Second, RetriesMax: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	list := func(calls int32) {
		t.Helper()
		asked.Store(0)
		if p, err := c.ListTransfers(t.Context(), 4, 0, 0, ""); err != nil || len(p.Items) != 1 || asked.Load() != calls {
			t.Errorf("%v after %d calls, want %d", err, asked.Load(), calls)
		}
	}
	list(1)
	has.Store(3)
	list(4)
	list(1)
	has.Store(nodes) // nobody
	if _, err := c.ListTransfers(t.Context(), 4, 0, 0, ""); client.KindOf(err) != client.Unavailable || client.ReasonOf(err) != "no_index" {
		t.Error(err)
	}
	has.Store(1)
	stops[3]()
	list(2) // the one that is gone answers nothing, the first one has none
	for _, stop := range stops {
		stop()
	}
	if _, err := c.ListTransfers(t.Context(), 4, 0, 0, ""); client.KindOf(err) != client.Unavailable || client.ReasonOf(err) == "no_index" {
		t.Error(err)
	}
}
