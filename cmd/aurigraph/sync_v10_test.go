// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/node"
	"github.com/aurigraph/aurigraph/internal/sync/bus"
	"github.com/aurigraph/aurigraph/internal/sync/devbroker"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	"github.com/aurigraph/aurigraph/internal/sync/v10port"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy"
)

// syncedPayments are made on each side.
const syncedPayments = 60

// v10Half is a V10 with its half of a sync, as processes, and what V11's side has in common with it.
type v10Half struct {
	t       *testing.T
	v10     *servedV10
	bus     bus.Config
	other   envelope.Source
	words   []string // that start the half
	process *exec.Cmd
}

func newV10Half(t *testing.T) *v10Half {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	n, err := network.Create(path("net"), network.Options{Name: "synced"})
	if err != nil {
		t.Fatal(err)
	}
	genesis, err := node.ReadGenesis(n.Path("genesis.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.WriteAliasKey(path("alias.key"), rand.Reader); err != nil {
		t.Fatal(err)
	}
	broker, err := devbroker.Start(devbroker.Config{Dir: path("broker"), Unsynced: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	id := envelope.LedgerID(codec.GenesisHash(genesis))
	h := &v10Half{
		t: t, bus: bus.Config{Brokers: []string{broker.Address()}, KeyFiles: []string{write(t, path("sync.key"), strings.Repeat("5a", 32)+"\n")}},
		other: envelope.Source{Ledger: id, Origin: envelope.V11, Incarnation: envelope.V11Incarnation(id)},
	}
	h.v10 = startV10(t, path("v10"), legacy.EnginePebble, "--changes", "127.0.0.1:0", "--fund", "carol=1000",
		"--sync-key", path("sync.key"), "--alias-key", path("alias.key"))
	h.words = []string{"sync", "v10", "--brokers", broker.Address(), "--port", h.v10.changes, "--ledger", "old", "--sync-key", path("sync.key"),
		"--alias-key", path("alias.key"), "--genesis", n.Path("genesis.json")}
	return h
}

func (h *v10Half) start() {
	h.t.Helper()
	h.process = program(h.words...)
	if err := h.process.Start(); err != nil {
		h.t.Fatal(err)
	}
}

// kill ends the half as a power cut does.
func (h *v10Half) kill() {
	_ = h.process.Process.Kill() // it may be dead already
	_ = h.process.Wait()
}

// heard reads V10's payments from the topics until there are n, and then waits for no more.
func (h *v10Half) heard(n int) (ids []string) {
	h.t.Helper()
	client := v10port.NewClient(h.v10.changes, nil)
	defer client.Close()
	life, _, err := client.Head(h.t.Context())
	if err != nil {
		h.t.Fatal(err)
	}
	r, err := bus.OpenReader(h.t.Context(), bus.ReaderConfig{Config: h.bus, Start: envelope.Start{
		Source: envelope.Source{Ledger: envelope.V10Ledger("old"), Origin: envelope.V10, Life: 1, Incarnation: life},
	}})
	if err != nil {
		h.t.Fatal(err)
	}
	defer r.Close()
	ctx, cancel := context.WithTimeout(h.t.Context(), waitMax)
	defer cancel()
	for len(ids) < n {
		records, err := r.Next(ctx, 100)
		if err != nil {
			h.t.Fatalf("%d of %d payments: %v", len(ids), n, err)
		}
		for _, record := range records {
			if pay, ok := record.Change.(*envelope.Transfer); ok {
				ids = append(ids, pay.ID.String())
			}
		}
	}
	return ids
}

// tell publishes V11's payments of carol, whose home V11 is.
func (h *v10Half) tell() {
	h.t.Helper()
	p, err := bus.OpenPublisher(h.t.Context(), bus.PublisherConfig{Config: h.bus, Source: h.other})
	if err != nil {
		h.t.Fatal(err)
	}
	defer p.Close()
	now := uint64(time.Now().UnixMilli())
	for i := range uint64(syncedPayments) {
		err := p.Publish(h.t.Context(), bus.Draft{Position: envelope.Position{Major: i + 1}, End: true, HomeVersion: 1, Change: &envelope.Transfer{
			Deed: envelope.Deed{ID: v10.TxIDAt(now+i, chain.Height(i+1), 0)}, From: "carol", To: "dave", Asset: v10.DefaultAsset, Amount: chain.Units(100_000_000),
		}})
		if err != nil {
			h.t.Fatal(err)
		}
	}
	if err := p.Flush(h.t.Context()); err != nil {
		h.t.Fatal(err)
	}
}

// TestSyncV10 runs V10's half as a process that is killed again and again: each payment of V10 is on the topics once, each of V11 is in V10
// once, and what V10 took from V11 is not sent back.
func TestSyncV10(t *testing.T) {
	h := newV10Half(t)
	for range 2 {
		cmd := program("sync", "init", "--brokers", h.bus.Brokers[0], "--json")
		out, err := cmd.Output()
		var made topicsJSON
		if err != nil || json.Unmarshal(out, &made) != nil || len(made.Topics) != 8 {
			t.Fatalf("%s %v", out, err)
		}
	}
	slot := keys.AliasSlot("carol")
	h.v10.post(t, "/homes", fmt.Sprintf(`[{"version":1,"from":%d,"to":%d,"other":true}]`, slot, slot))
	h.tell()
	for i := range syncedPayments {
		if i%20 == 0 {
			if h.process != nil {
				h.heard(i / 2)
				h.kill()
			}
			h.start()
		}
		if answer, ok := h.v10.pay(i); !ok {
			t.Fatal(answer)
		}
	}
	seen := map[string]bool{}
	for _, id := range h.heard(syncedPayments) {
		if seen[id] {
			t.Errorf("%s came twice", id)
		}
		seen[id] = true
	}
	want := fmt.Sprintf(`{"account":"dave","balances":[{"asset":"AUR","amount":%d}],"total":1}`, syncedPayments)
	got := ""
	for end := time.Now().Add(waitMax); got != want && time.Now().Before(end); <-time.After(20 * time.Millisecond) {
		got = h.v10.get("/api/v10/accounts/dave/balances")
	}
	if got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if _, ok := h.v10.pay(syncedPayments); !ok {
		t.Error("V10 does not pay")
	}
	fresh := 0
	for _, id := range h.heard(syncedPayments + 1) { // had V11's come back, they would be before the last one
		if !seen[id] {
			fresh++
		}
	}
	if fresh != 1 {
		t.Errorf("%d payments came after those that were made on V10, which made one", fresh)
	}
	h.stops()
	h.v10.kill(t)
}

// stops wants the half to end well when it is told to.
func (h *v10Half) stops() {
	h.t.Helper()
	if err := h.process.Process.Signal(syscall.SIGTERM); err != nil {
		h.t.Fatal(err)
	}
	if err := h.process.Wait(); err != nil {
		h.t.Error(err)
	}
}

// TestSyncUsage: what is missing or wrong is said before anything is reached.
func TestSyncUsage(t *testing.T) {
	for _, words := range [][]string{
		{"sync", "init"},
		{"sync", "v10", "--brokers", "127.0.0.1:1"},
		{"sync", "v10", "--brokers", "127.0.0.1:1", "--port", "http://127.0.0.1:1", "--ledger", "x", "--sync-key", "none", "--alias-key", "none", "--genesis", "none"},
		{"sync", "v10", "--brokers", "127.0.0.1:1", "--port", "http://127.0.0.1:1", "--ledger", "x", "--sync-key", "none", "--alias-key", "none", "--genesis", "none", "--from", "here"},
	} {
		cmd := program(words...)
		if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() != 2 {
			t.Errorf("%v: %v", words, err)
		}
	}
}
