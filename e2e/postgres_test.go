// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/testkit/pgserver"
)

// pages are what lists of everything, and of the demo's accounts, answer, page by page.
func (n *net) pages() (all []client.Page[*client.Transferred]) {
	n.t.Helper()
	c := n.ledgerAt(n.ready.GRPC...)
	accounts := []client.AccountNo{0}
	for i := range n.ready.Accounts {
		accounts = append(accounts, n.account(c, i).Number)
	}
	for _, account := range accounts {
		for cursor := ""; ; {
			page, err := c.ListTransfers(n.t.Context(), account, 0, 7, cursor)
			if err != nil {
				n.t.Fatal(err)
			}
			all = append(all, page)
			if cursor = page.Next; cursor == "" {
				break
			}
		}
	}
	return all
}

// indexed waits until the index of a network in which nobody pays has all.
func (n *net) indexed(within time.Duration) {
	n.t.Helper()
	for deadline := time.Now().Add(within); ; <-time.After(100 * time.Millisecond) {
		state, _, height, lag := n.edge()
		if heights := n.status().Validators; state == "up" && lag == 0 && height > 0 && height >= float64(heights[0].Height) {
			return
		}
		if time.Now().After(deadline) {
			n.t.Fatalf("the index is at %v and lags by %v rows", height, lag)
		}
	}
}

// TestPostgres keeps the index of a network in PostgreSQL; kills the gateway, and the server, with -9 while payments go on; and wants
// all lists to be, page by page, what SQLite answers that was built from the same chain.
func TestPostgres(t *testing.T) {
	if testing.Short() {
		t.Skip("runs four validators and PostgreSQL for a minute")
	}
	s := pgserver.Start(t, pgserver.Options{})
	dir := filepath.Join(t.TempDir(), "net")
	n := upWith(t, dir, 4, "--index", s.Database(t))
	p := n.payers(2)
	p.progress(5, 60*time.Second)
	signalTo(t, n.ready.Edge.PID, syscall.SIGKILL)
	p.progress(5, 60*time.Second)
	n.edgeServes(func(pid int) bool { return pid != 0 && pid != n.ready.Edge.PID })
	s.Kill()
	p.progress(5, 60*time.Second) // without a database
	s.Restart()
	p.progress(5, 60*time.Second)
	p.stop()
	n.indexed(60 * time.Second)
	have := n.pages()
	n.stop()

	n = upWith(t, dir, 4, "--index", "sqlite")
	n.indexed(60 * time.Second)
	want := n.pages()
	if len(have) == 0 || len(have) != len(want) {
		t.Fatalf("%d pages, SQLite answers %d", len(have), len(want))
	}
	for i := range want {
		if want[i].IndexHeight = have[i].IndexHeight; !reflect.DeepEqual(have[i], want[i]) { // empty blocks come by themselves
			t.Errorf("page %d is\n%+v\nSQLite answers\n%+v", i, have[i], want[i])
		}
	}
	rows := 0
	for _, page := range have {
		rows += len(page.Items)
	}
	t.Logf("%d payments were acknowledged; %d pages of %d transfers are the same", p.count(), len(have), rows)
	if rows < 2*p.count() {
		t.Errorf("%d transfers are listed, %d payments were acknowledged", rows, p.count())
	}
}

// TestPostgresRefuses wants no password in an argument.
func TestPostgresRefuses(t *testing.T) {
	out, code := runIn(t, "up", "--network", filepath.Join(t.TempDir(), "net"), "--index", "postgres://u:"+pgserver.Password+"@127.0.0.1/d")
	if code != 2 || strings.Contains(out, pgserver.Password) {
		t.Errorf("exit %d: %s", code, out)
	}
}
