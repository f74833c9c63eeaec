// SPDX-License-Identifier: Apache-2.0

package cometbft

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aurigraph/aurigraph/bench/peer"
)

const configText = `log_level = "info"

[rpc]
laddr = "tcp://127.0.0.1:26657" # here

[p2p]
laddr = "tcp://0.0.0.0:26656"
# pex = true
pex = true
`

func TestEdit(t *testing.T) {
	got, err := edit(configText, []setting{{"", "log_level", `"error"`}, {"p2p", "laddr", `"tcp://x"`}, {"p2p", "pex", "false"}})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer(`"info"`, `"error"`, `"tcp://0.0.0.0:26656"`, `"tcp://x"`, "\npex = true", "\npex = false").Replace(configText)
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for _, missing := range []setting{{"", "laddr", "x"}, {"rpc", "pex", "x"}, {"mempool", "size", "1"}} {
		if _, err := edit(configText, []setting{missing}); err == nil {
			t.Errorf("%v was set where it is not", missing)
		}
	}
}

func TestEnlargeBlocks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "genesis.json")
	text := `{"chain_id": "c", "consensus_params": {"block": {"max_bytes": "4194304", "max_gas": "-1"}, "abci": {}}}`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := enlargeBlocks(path, 16<<20); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{`"max_bytes": "16777216"`, `"max_gas": "-1"`, `"chain_id": "c"`, `"abci": {}`} {
		if !strings.Contains(string(got), part) {
			t.Errorf("no %s in\n%s", part, got)
		}
	}
}

func TestRefusal(t *testing.T) {
	for text, want := range map[string]string{
		`{"result":{"code":0,"hash":"AB"}}`:                               "",
		`{"result":{"code":2,"log":"bad"}}`:                               "code 2 bad",
		`{"error":{"message":"Internal error","data":"mempool is full"}}`: "Internal error mempool is full",
		`{}`: "answer not understood",
	} {
		var a answer
		if err := json.Unmarshal([]byte(text), &a); err != nil {
			t.Fatal(err)
		}
		if got := a.refusal(); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// fakeChain answers status and blockchain for a chain of blocks, each with as many transactions as its height.
func fakeChain(t *testing.T, height string, blocks string) rpc {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var c call
		if err := json.NewDecoder(r.Body).Decode(&c); err != nil {
			t.Error(err)
		}
		result := `{"sync_info":{"latest_block_height":"` + height + `"}}`
		if c.Method == "blockchain" {
			result = `{"block_metas":[` + blocks + `]}`
		}
		if _, err := w.Write([]byte(`{"result":` + result + `}`)); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	return rpc{s.URL, s.Client()}
}

func TestCommitted(t *testing.T) {
	const block2, block3 = `{"header":{"height":"2"},"num_txs":"20"}`, `{"header":{"height":"3"},"num_txs":"30"}`
	for name, c := range map[string]struct {
		height, blocks string
		txs            int
		newest         int64
		bad            bool
	}{
		"none new":            {"1", "", 0, 1, false},
		"one":                 {"2", block2, 20, 2, false},
		"two, newest first":   {"3", block3 + "," + block2, 50, 3, false},
		"one is missing":      {"3", block3, 0, 3, true},
		"in the wrong order":  {"3", block2 + "," + block3, 0, 3, true},
		"height not a number": {"x", "", 0, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			txs, newest, err := fakeChain(t, c.height, c.blocks).committed(t.Context(), 1)
			if (err != nil) != c.bad || !c.bad && (txs != c.txs || newest != c.newest) {
				t.Errorf("got %d txs up to %d, error %v", txs, newest, err)
			}
		})
	}
}

func TestFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFlight(3)
		first := time.Now()
		if !f.take(t.Context(), 3) {
			t.Fatal("no room at the start")
		}
		full, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if f.take(full, 1) {
			t.Error("a fourth transaction is under way, the window is 3")
		}
		if early := f.accepted(2, first); early != 0 {
			t.Errorf("%d were early", early)
		}
		// Three are in a block, but only two were known to be accepted: the third is paired when its answer comes.
		if got := f.committed(3); len(got) != 2 || !got[0].Equal(first) {
			t.Errorf("committed %v", got)
		}
		if early := f.accepted(1, first); early != 1 {
			t.Errorf("%d were early, want 1", early)
		}
		f.give(3)
		if !f.take(t.Context(), 3) {
			t.Error("room did not come back")
		}
	})
}

func TestTransactionsAreWhatKvstoreTakes(t *testing.T) {
	seen := map[string]bool{}
	for no := range 2 {
		s := newSender(no, Tuned)
		for range 1000 {
			key, value, ok := strings.Cut(string(s.tx()), "=")
			if !ok || len(value) != recordBytes || strings.ContainsAny(key+value, "=:") {
				t.Fatalf("transaction %q=%q", key, value)
			}
			if seen[key] {
				t.Fatalf("key %s twice", key)
			}
			seen[key] = true
		}
	}
}

var _ peer.Peer = (*Peer)(nil)
