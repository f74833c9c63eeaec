// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy"
	"github.com/aurigraph/aurigraph/legacy/generate"
	"github.com/aurigraph/aurigraph/legacy/ledger"
)

func TestV10Generate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "v10")
	words := []string{"v10", "generate", "--dir", dir, "--accounts", "50", "--transactions", "500", "--json"}
	for _, want := range []string{`{"accounts":51,"transactions":553,`, `{"accounts":51,"transactions":553,`} {
		if r := cli(t, words...); r.code != exitDone || !strings.HasPrefix(r.out, want) {
			t.Errorf("exit %d, %s%s, want %s…", r.code, r.out, r.err, want)
		}
	}
	words[7] = "600"
	if r := cli(t, words...); r.code != exitDone || !strings.HasPrefix(r.out, `{"accounts":51,"transactions":653,`) {
		t.Errorf("exit %d, %s%s", r.code, r.out, r.err)
	}
}

func TestV10Usage(t *testing.T) {
	for _, words := range []string{
		"v10 serve", "v10 serve --dir x --store leveldb", "v10 serve --dir x --fund alice", "v10 serve --dir x --fund alice=1.123456789", "v10 serve --dir x --fund alice=1 --fund alice=2",
		"v10 generate", "v10 generate --dir x --accounts 1",
	} {
		if r := cli(t, strings.Fields(words)...); r.code != exitRefused || !strings.Contains(r.err, "--help") {
			t.Errorf("%s: exit %d, %s", words, r.code, r.err)
		}
	}
	if legacy.HasRocksDB {
		return
	}
	r := cli(t, "v10", "generate", "--dir", t.TempDir(), "--store", "rocksdb")
	if r.code != exitRefused || !strings.Contains(r.err, "built without RocksDB") {
		t.Errorf("exit %d, %s", r.code, r.err)
	}
}

// TestV10Killed kills the served ledger under load, three times: what was answered is there, and nothing was paid twice by who
// asks again under the same key.
func TestV10Killed(t *testing.T) {
	engines := []string{legacy.EnginePebble}
	if legacy.HasRocksDB {
		engines = append(engines, legacy.EngineRocksDB)
	}
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			dir, paid := filepath.Join(t.TempDir(), "v10"), 0
			for range 3 {
				paid = v10PayUntilKilled(t, dir, engine, paid)
			}
			served := startV10(t, dir, engine)
			// The last payment of each life may have been done and its answer lost: asked for again, it is done once.
			for i := range paid {
				if _, ok := served.pay(i); !ok {
					t.Errorf("payment %d of %d is refused", i, paid)
				}
			}
			want := fmt.Sprintf(`{"account":"shop","balances":[{"asset":"AUR","amount":%d}],"total":1}`, paid)
			if got := served.get("/api/v10/accounts/shop/balances"); got != want {
				t.Errorf("%s, want %s", got, want)
			}
			served.kill(t)
			checkV10Log(t, dir, engine)
		})
	}
}

// checkV10Log reads the change log of a killed ledger from its beginning: it has every round, and nothing else.
func checkV10Log(t *testing.T, dir, engine string) {
	t.Helper()
	s, err := legacy.OpenStore(engine, dir, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	l, err := ledger.Open(s, ledger.Config{})
	if err != nil {
		t.Fatal(err)
	}
	begin := s.Head()
	begin.Sequence = 0
	tail, err := s.Since(begin)
	if err != nil {
		t.Fatal(err)
	}
	defer tail.Close()
	batches := uint64(0)
	for {
		_, more, err := tail.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			break
		}
		batches++
	}
	if rounds := l.Totals().Round + 1; batches != rounds {
		t.Errorf("the change log has %d batches, the ledger %d rounds", batches, rounds)
	}
}

// TestV10GenerateKilled kills the generator again and again while it writes. In the end the ledger has the same payments in the same order
// as one that was never killed.
func TestV10GenerateKilled(t *testing.T) {
	const accounts, transactions = 400, 60_000
	dir := t.TempDir()
	words := func(name string) []string {
		return []string{"v10", "generate", "--dir", filepath.Join(dir, name), "--accounts", fmt.Sprint(accounts), "--transactions", fmt.Sprint(transactions), "--json"}
	}
	want(t, exitDone, words("whole")...)
	kills := 0
	for done := false; !done; {
		killed := program(words("killed")...)
		if err := killed.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(100+20*kills)*time.Millisecond, func() { _ = killed.Process.Kill() })
		done = killed.Wait() == nil
		timer.Stop()
		if !done {
			kills++
		}
	}
	if kills == 0 {
		t.Error("it was never killed")
	}
	t.Logf("killed %d times", kills)
	whole, parts := v10Content(t, filepath.Join(dir, "whole"), accounts), v10Content(t, filepath.Join(dir, "killed"), accounts)
	if whole.totals != parts.totals {
		t.Errorf("%s, and of the one that was killed %s", whole.totals, parts.totals)
	}
	if !slices.Equal(whole.balances, parts.balances) || whole.payments != parts.payments {
		t.Error("other balances or payments")
	}
}

// v10Held is what a ledger holds, but for when it was written.
type v10Held struct {
	totals   string
	balances []string
	payments [sha256.Size]byte // of all, in order
}

func v10Content(t *testing.T, dir string, accounts uint64) (held v10Held) {
	t.Helper()
	s, err := legacy.OpenStore(legacy.EnginePebble, dir, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	l, err := ledger.Open(s, ledger.Config{})
	if err != nil {
		t.Fatal(err)
	}
	totals := l.Totals()
	held.totals = fmt.Sprint(totals.Accounts, " accounts, ", totals.Transactions, " transactions, ", totals.Refused, " refused")
	for i := range accounts {
		units, err := l.Balance(generate.Account(i), v10.DefaultAsset)
		if err != nil {
			t.Fatal(err)
		}
		held.balances = append(held.balances, units.String())
	}
	all := sha256.New()
	for q := (ledger.Query{Limit: ledger.ListMax}); ; {
		found, next, err := l.Transactions(q)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range found {
			fmt.Fprintln(all, p.Kind, p.From, p.To, p.Asset, p.Units, p.Outcome)
		}
		if next == nil {
			break
		}
		q.Before = next
	}
	all.Sum(held.payments[:0])
	return held
}

// v10PayUntilKilled pays one by one, each twice, and kills the ledger while it does. It returns how many were asked for.
func v10PayUntilKilled(t *testing.T, dir, engine string, from int) int {
	t.Helper()
	served := startV10(t, dir, engine)
	for i := from; ; i++ {
		if i == from+50 {
			go served.cmd.Process.Kill()
		}
		first, ok := served.pay(i)
		if ok {
			var again string
			if again, ok = served.pay(i); ok && again != first {
				t.Errorf("payment %d: %s, again %s", i, first, again)
			}
		}
		if !ok {
			served.kill(t)
			return i + 1
		}
	}
}

// servedV10 is a ledger in a process of its own.
type servedV10 struct {
	cmd          *exec.Cmd
	url, changes string
	client       http.Client
}

func startV10(t *testing.T, dir, engine string, more ...string) *servedV10 {
	t.Helper()
	words := append([]string{"v10", "serve", "--dir", dir, "--store", engine, "--listen", "127.0.0.1:0", "--json"}, more...)
	s := &servedV10{cmd: program(words...)}
	out, err := s.cmd.StdoutPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	var ready v10Ready
	if err == nil {
		err = json.Unmarshal(line, &ready)
	}
	if err != nil || !ready.Ready {
		t.Fatalf("%s %v", line, err)
	}
	s.url, s.changes, s.client.Timeout = ready.V10, ready.Changes, waitMax
	return s
}

func (s *servedV10) kill(t *testing.T) {
	t.Helper()
	s.client.CloseIdleConnections()
	_ = s.cmd.Process.Kill() // it may be dead already
	if err := s.cmd.Wait(); err == nil {
		t.Error("a killed ledger ended well")
	}
}

// pay pays 1 AUR to shop under a key of its own; ok is whether that was answered with 200.
func (s *servedV10) pay(i int) (answer string, ok bool) {
	body := strings.NewReader(`{"from":"` + ledger.Treasury + `","to":"shop","amount":1}`)
	r, err := http.NewRequest(http.MethodPost, s.url+"/api/v10/transactions", body)
	if err != nil {
		return "", false
	}
	r.Header.Set("Idempotency-Key", fmt.Sprint("payment-", i))
	got, err := s.client.Do(r)
	if err != nil {
		return "", false
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	return string(text), err == nil && got.StatusCode == http.StatusOK
}

func (s *servedV10) get(path string) string {
	got, err := s.client.Get(s.url + path)
	if err != nil {
		return err.Error()
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		return err.Error()
	}
	return string(text)
}
