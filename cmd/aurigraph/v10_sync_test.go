// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/custody"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	"github.com/aurigraph/aurigraph/internal/sync/v10port"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy"
	"github.com/aurigraph/aurigraph/legacy/ledger"
)

// v11Records are payments of 1 AUR of the treasury's to shop, and every tenth is followed by a block.
type v11Records struct {
	t      *testing.T
	key    envelope.Key
	shared custody.SharedKeys
	source envelope.Source
	all    []*envelope.Record
	from   envelope.Position
}

const v11Payments = 3000

func (v *v11Records) make() {
	v.t.Helper()
	last := &envelope.Record{Position: envelope.EndOf(1)}
	add := func(c envelope.Change) {
		p := envelope.Position{Major: last.Position.Major + 1}
		r := &envelope.Record{
			Source: v.source, Position: p, Previous: last.Position, PreviousTag: last.Tag, Since: p.Major - 1, End: true, HomeVersion: 1, Change: c,
		}
		if _, err := envelope.Seal(&v.key, r); err != nil {
			v.t.Fatal(err)
		}
		v.all, last = append(v.all, r), r
	}
	one := chain.Units(100_000_000)
	now := uint64(time.Now().UnixMilli())
	for i := range uint64(v11Payments) {
		d := envelope.Deed{ID: v10.TxIDAt(now+i, chain.Height(100+i), 0), Request: &envelope.Request{
			Key:  v.shared.Key("", fmt.Sprint("payment-", i)),
			Body: v.shared.Body(ledger.Treasury, "shop", v10.DefaultAsset, one),
		}}
		add(&envelope.Transfer{Deed: d, From: ledger.Treasury, To: "shop", Asset: v10.DefaultAsset, Amount: one})
		add(&envelope.Block{Height: chain.Height(100 + i), TimeMs: now + i, Hash: chain.Hash{byte(i), 1}, Transactions: 1})
	}
}

// Next implements v10port.Records, in pieces of 40.
func (v *v11Records) Next(_ context.Context, _ int) ([]*envelope.Record, error) {
	var out []*envelope.Record
	for _, r := range v.all {
		if v.from.Before(r.Position) && len(out) < 40 {
			out = append(out, r)
		}
	}
	if len(out) == 0 {
		return nil, fault.Reasoned(fault.NotFound, "end", "all is read")
	}
	v.from = out[len(out)-1].Position
	return out, nil
}

// TestV10AppliesKilled kills a V10 that applies V11's records, again and again. Each is applied once; a client that asks again under a key that
// it used at V11 gets V11's answer; and V11's payments are seen under their ids.
func TestV10AppliesKilled(t *testing.T) {
	engines := []string{legacy.EnginePebble}
	if legacy.HasRocksDB {
		engines = append(engines, legacy.EngineRocksDB)
	}
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) { v10AppliesKilled(t, engine) })
	}
}

func v10AppliesKilled(t *testing.T, engine string) {
	dir := t.TempDir()
	syncFile, aliasFile := filepath.Join(dir, "sync.key"), filepath.Join(dir, "alias.key")
	if err := os.WriteFile(syncFile, []byte(hex.EncodeToString([]byte(strings.Repeat("k", 32)))+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := keys.WriteAliasKey(aliasFile, rand.Reader); err != nil {
		t.Fatal(err)
	}
	alias, err := keys.ReadAliasKey(aliasFile)
	if err != nil {
		t.Fatal(err)
	}
	key, err := envelope.NewKey([]byte(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	records := &v11Records{t: t, key: key, shared: custody.SharedKeys{Alias: alias},
		source: envelope.Source{Ledger: envelope.LedgerID{1}, Origin: envelope.V11, Life: 1, Incarnation: envelope.Incarnation{2}}}
	records.make()
	start := func() *servedV10 {
		return startV10(t, filepath.Join(dir, "v10"), engine, "--changes", "127.0.0.1:0", "--sync-key", syncFile, "--alias-key", aliasFile)
	}
	served := start()
	client := v10port.NewClient(served.changes, nil)
	if _, err := client.OpenInbox(t.Context(), envelope.Start{Source: records.source, Position: envelope.EndOf(1)}); err != nil {
		t.Fatal(err)
	}
	served.post(t, "/homes", `[{"version":1,"from":0,"to":9999,"other":true}]`)
	kills := 0
	for done := false; !done; {
		in, err := client.Inbox(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		records.from = in.Position
		ctx, cancel := context.WithCancel(t.Context())
		timer := time.AfterFunc(time.Duration(60+30*kills)*time.Millisecond, func() { _ = served.cmd.Process.Kill(); cancel() })
		err = v10port.Apply(ctx, v10port.ApplyConfig{Client: client, Records: records, Keys: []envelope.Key{key}})
		timer.Stop()
		cancel()
		client.Close()
		if done = fault.ReasonOf(err) == "end"; done {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		kills++
		served.kill(t)
		served = start()
		client = v10port.NewClient(served.changes, nil)
	}
	t.Logf("killed %d times", kills)
	if kills < 2 {
		t.Error("it was hardly killed")
	}
	want := fmt.Sprintf(`{"account":"shop","balances":[{"asset":"AUR","amount":%d}],"total":1}`, v11Payments)
	for i := range v11Payments {
		id := records.all[2*i].Change.(*envelope.Transfer).ID.String()
		if i%500 != 0 {
			continue
		}
		if answer, ok := served.pay(i); !ok || !strings.Contains(answer, id) {
			t.Errorf("asked again, payment %d of V11 is %s, not %s", i, answer, id)
		}
		if got := served.get("/api/v10/transactions/" + id); !strings.Contains(got, `"to":"shop"`) || !strings.Contains(got, id) {
			t.Errorf("payment %d of V11 is %s", i, got)
		}
		hash := fmt.Sprintf(`"0x%02x01`, byte(i))
		if got := served.get("/api/v10/transactions/" + id + "/receipt"); !strings.Contains(got, hash) {
			t.Errorf("its receipt is %s, of a block %s", got, hash)
		}
	}
	if got := served.get("/api/v10/accounts/shop/balances"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	served.kill(t)
}

func (s *servedV10) post(t *testing.T, path, body string) {
	t.Helper()
	answer, err := http.Post(s.changes+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, err := io.ReadAll(answer.Body); err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %s %v", path, answer.Status, text, err)
	}
}
