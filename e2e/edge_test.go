// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/network"
)

// edgeOf is what `status --json` says of the gateway.
func (n *net) edge() (state string, pid int, height, lag float64) {
	n.t.Helper()
	e := n.run(0, "status")["edge"].(map[string]any)
	return e["state"].(string), int(e["pid"].(float64)), e["index_height"].(float64), e["index_lag_rows"].(float64)
}

// ledgerAt connects to some endpoints of a running network.
func (n *net) ledgerAt(endpoints ...string) *client.Client {
	n.t.Helper()
	folder, err := network.Open(n.dir)
	if err != nil {
		n.t.Fatal(err)
	}
	return dialAt(n.t, folder, endpoints...)
}

// listed are the ids of an account's transfers that were executed, as the index has them.
func listed(t *testing.T, c *client.Client, account client.AccountNo) (ids [][32]byte) {
	t.Helper()
	for cursor := ""; ; {
		page, err := c.ListTransfers(t.Context(), account, 0, 50, cursor)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			if item.Outcome == chain.OK { // a copy that was sent again says that the nonce is used
				ids = append(ids, item.ID)
			}
		}
		if cursor = page.Next; cursor == "" {
			return ids
		}
	}
}

// TestEdge pays through the gateway of a network and lists what was paid; kills the gateway, and a validator: payments go on,
// the gateway comes back, and what was paid meanwhile is listed.
func TestEdge(t *testing.T) {
	if testing.Short() {
		t.Skip("runs four validators for half a minute")
	}
	n := upWith(t, filepath.Join(t.TempDir(), "net"), 4)
	if n.ready.Edge == nil || len(n.ready.GRPC) != 5 || n.ready.GRPC[0] != n.ready.Edge.GRPC {
		t.Fatalf("%+v", n.ready)
	}
	gateway := n.ledgerAt(n.ready.Edge.GRPC)
	payer := n.account(gateway, 0)
	var paid [][32]byte
	pay := func(c *client.Client, times int) {
		t.Helper()
		for range times {
			paid = append(paid, n.payBy(c, payer))
		}
	}
	caughtUp := func(within time.Duration) {
		t.Helper()
		all := n.ledgerAt(n.ready.GRPC...)
		for deadline := time.Now().Add(within); ; <-time.After(50 * time.Millisecond) {
			have := listed(t, all, payer.Number)
			missing := slices.DeleteFunc(slices.Clone(paid), func(id [32]byte) bool { return slices.Contains(have, id) })
			if len(missing) == 0 && len(have) == len(paid) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%d transfers are listed, %d were paid, %d of them are missing", len(have), len(paid), len(missing))
			}
		}
	}
	pay(gateway, 5)
	caughtUp(20 * time.Second)
	if state, pid, height, _ := n.edge(); state != "up" || pid != n.ready.Edge.PID || height == 0 {
		t.Errorf("%s, pid %d, height %v", state, pid, height)
	}
	validator := n.ledgerAt(n.ready.GRPC[1])
	if _, err := validator.ListTransfers(t.Context(), payer.Number, 0, 10, ""); client.ReasonOf(err) != "no_index" {
		t.Errorf("a validator lists transfers: %v", err)
	}

	signalTo(t, n.ready.Edge.PID, syscall.SIGKILL)
	pay(validator, 3) // the gateway is not there
	pay(n.ledgerAt(n.ready.GRPC...), 2)
	n.edgeServes(func(pid int) bool { return pid != 0 && pid != n.ready.Edge.PID })
	caughtUp(30 * time.Second)

	signalTo(t, n.ready.Nodes[0].PID, syscall.SIGKILL)
	pay(n.ledgerAt(n.ready.Edge.GRPC), 5)
	caughtUp(30 * time.Second)
	n.stop()
	for _, node := range n.ready.Nodes {
		verify(t, node.Dir, true)
	}
}

// edgeServes waits until the gateway serves in a process that will do.
func (n *net) edgeServes(as func(pid int) bool) {
	n.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-time.After(50 * time.Millisecond) {
		if state, pid, _, _ := n.edge(); state == "up" && as(pid) {
			return
		}
	}
	n.t.Fatal("the gateway does not come back")
}

// account is one of the demo's accounts.
func (n *net) account(c *client.Client, i int) *client.Account {
	n.t.Helper()
	address, err := chain.ParseAddress(n.ready.Accounts[i])
	if err != nil {
		n.t.Fatal(err)
	}
	a, err := c.Account(n.t.Context(), client.AccountName{Address: address}, 0, false)
	if err != nil {
		n.t.Fatal(err)
	}
	return a
}

// payBy makes one payment of an account, with its next nonce, until it is certified.
func (n *net) payBy(c *client.Client, from *client.Account) [32]byte {
	n.t.Helper()
	folder, err := network.Open(n.dir)
	if err != nil {
		n.t.Fatal(err)
	}
	signer, err := client.ReadKeyFile(n.ready.Keys[from.Address.String()], nil)
	if err != nil {
		n.t.Fatal(err)
	}
	from.Nonce++
	signed, err := client.SignTx(signer, client.Tx{
		Chain: folder.Chain, Sender: from.Number, Key: from.Key, Nonce: from.Nonce, ValidUntil: from.Height + payerValidity,
		Body: &client.Transfer{To: from.Number + 1, Asset: from.Holdings[0].Asset, Amount: client.Units(1)},
	})
	if err != nil {
		n.t.Fatal(err)
	}
	s := &steady{t: n.t, client: c}
	if !s.pay(signed) {
		n.t.Fatal("the payment does not come through")
	}
	if len(s.acked) != 1 {
		n.t.Fatalf("%d payments are acknowledged", len(s.acked))
	}
	return s.acked[0]
}
