// SPDX-License-Identifier: Apache-2.0

package legacy

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/v10/contracttest"
	"github.com/aurigraph/aurigraph/legacy/changefeed"
	"github.com/aurigraph/aurigraph/legacy/ledger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var funded = [3]string{"Alice Smith", "bob/42", "0xCafe"}

// engines are those that this test was built with.
func engines() []string {
	if HasRocksDB {
		return []string{EnginePebble, EngineRocksDB}
	}
	return []string{EnginePebble}
}

func eachEngine(t *testing.T, test func(t *testing.T, engine string)) {
	for _, engine := range engines() {
		t.Run(engine, func(t *testing.T) { test(t, engine) })
	}
}

// running is a served ledger.
type running struct {
	Addresses
	t      *testing.T
	client *http.Client
	cancel context.CancelFunc
	ended  chan error
}

func run(t *testing.T, dir, engine string) *running {
	t.Helper()
	cfg := Config{Dir: dir, Engine: engine, Listen: "127.0.0.1:0", Changes: "127.0.0.1:0", Version: "test"}
	for _, name := range funded {
		cfg.Fund = append(cfg.Fund, Fund{Account: name, Units: chain.Units(100_000_00000000)})
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{t: t, client: &http.Client{Transport: &http.Transport{}}, cancel: cancel, ended: make(chan error, 1)}
	ready := make(chan Addresses, 1)
	go func() { r.ended <- Run(ctx, cfg, func(at Addresses) { ready <- at }) }()
	select {
	case r.Addresses = <-ready:
	case err := <-r.ended:
		t.Fatal(err)
	}
	return r
}

func (r *running) stop() {
	r.t.Helper()
	r.client.CloseIdleConnections()
	r.cancel()
	if err := <-r.ended; err != nil {
		r.t.Error(err)
	}
}

func (r *running) do(method, url, text string) string {
	r.t.Helper()
	request, err := http.NewRequest(method, url, strings.NewReader(text))
	if err != nil {
		r.t.Fatal(err)
	}
	answer, err := r.client.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return string(body)
}

// TestContract plays the contract on every engine.
func TestContract(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		r := run(t, t.TempDir(), engine)
		defer r.stop()
		contracttest.Run(t, contracttest.World{URL: "http://" + r.Rest, Accounts: funded})
	})
}

// TestLife pays, follows the change log, restarts and copies: what was answered is there, in the copy too, and nobody is
// funded twice.
func TestLife(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		dir := t.TempDir()
		r := run(t, dir, engine)
		var head changefeed.Line
		if err := json.Unmarshal([]byte(r.do("GET", "http://"+r.Changes+"/head", "")), &head); err != nil {
			t.Fatal(err)
		}
		const pay = `{"from":"Alice Smith","to":"carol","amount":99999.5}`
		paid := r.do("POST", "http://"+r.Rest+"/api/v10/transactions", pay)
		if !strings.Contains(paid, `"status":"submitted"`) {
			t.Fatal(paid)
		}
		line := r.firstChange(head.Position)
		families := map[string]bool{}
		for _, op := range line.Ops {
			families[op.Family] = true
		}
		if len(families) != 5 {
			t.Errorf("a payment to a new account changes %v", families)
		}
		copied := filepath.Join(t.TempDir(), "copy")
		if got := r.do("POST", "http://"+r.Changes+"/checkpoint?dir="+copied, ""); !strings.Contains(got, line.Position) {
			t.Error(got)
		}
		r.stop()
		for _, dir := range []string{dir, copied} {
			r := run(t, dir, engine)
			if got := r.do("GET", "http://"+r.Rest+"/api/v10/accounts/Alice%20Smith/balances", ""); !strings.Contains(got, `"amount":0.5}`) {
				t.Error(got)
			}
			r.stop()
		}
	})
}

func (r *running) firstChange(since string) (l changefeed.Line) {
	r.t.Helper()
	answer, err := r.client.Get("http://" + r.Changes + "/changes?since=" + since)
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	in := bufio.NewReader(answer.Body)
	text, err := in.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(text, &l)
	}
	if err != nil || len(l.Ops) == 0 {
		r.t.Fatalf("%s: %v", text, err)
	}
	return l
}

func TestEngines(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenStore("leveldb", dir, 0, nil); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	if !HasRocksDB {
		if _, err := OpenStore(EngineRocksDB, dir, 0, nil); !fault.Is(err, fault.Refused) || !strings.Contains(err.Error(), "make deps") {
			t.Error(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, engineFile), []byte("rocksdb 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenStore(EnginePebble, dir, 0, nil); !fault.Is(err, fault.Conflict) {
		t.Error("a folder of RocksDB was opened by Pebble:", err)
	}
}

// TestAddressInUse fails to start, and leaves the folder free.
func TestAddressInUse(t *testing.T) {
	r := run(t, t.TempDir(), EnginePebble)
	defer r.stop()
	dir := t.TempDir()
	err := Run(context.Background(), Config{Dir: dir, Engine: EnginePebble, Listen: r.Rest}, func(Addresses) { t.Error("it serves") })
	if !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
	err = With(context.Background(), Config{Dir: dir, Engine: EnginePebble}, func(_ context.Context, l *ledger.Ledger) error {
		_, err := l.Asset("AUR")
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
