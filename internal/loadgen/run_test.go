// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/node"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// launch runs networks in this process.
func launch(t *testing.T) Launcher {
	return func(_ context.Context, cfg Config) (*Target, error) {
		target, _ := start(t, cfg)
		return target, nil
	}
}

// start runs a network's node in this process.
func start(t *testing.T, cfg Config) (*Target, *node.Node) {
	t.Helper()
	n, err := network.Create(filepath.Join(t.TempDir(), "network"), network.Options{Name: "bench", Nodes: cfg.Nodes})
	must(t, err)
	dir := n.Path(n.Nodes[0].Dir)
	settings, err := config.Load(dir)
	must(t, err)
	settings.Commit.SegmentBytes, settings.Commit.CheckpointInterval = 16<<20, 200*time.Millisecond
	nd, err := node.Open(context.Background(), settings, slog.New(slog.DiscardHandler))
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- nd.Run(ctx) }()
	select {
	case <-nd.Ready():
	case err := <-ended:
		t.Fatalf("the node ended: %v", err)
	}
	keyFile := n.Institution.KeyFile
	if cfg.Auth == AuthBatchEd25519 {
		keyFile = n.Institution.Ed25519KeyFile
	}
	target := &Target{
		Endpoints: []string{nd.GRPCAddress()}, CAFile: n.Path(n.CA), Institution: chain.InstitutionNo(n.Institution.ID),
		Nodes: []TargetNode{{ID: "node0", PID: os.Getpid(), Dir: dir}},
		Stop: func() error {
			cancel()
			must(t, <-ended)
			return nd.Close()
		},
	}
	target.Trust, err = n.Trust()
	must(t, err)
	target.Signer, err = client.ReadKeyFile(n.Path(keyFile), nil)
	must(t, err)
	return target, nd
}

// TestRun carries whole runs out against a node: with batches under several loads, and with single transactions.
func TestRun(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a node for some seconds")
	}
	for name, change := range map[string]func(*Config){
		"batches of many assets":      func(c *Config) { c.Assets = 16 },
		"batches, zipf, post-quantum": func(c *Config) { c.Auth, c.Load, c.Rate = AuthBatchMLDSA, LoadZipf, 100_000 },
		"single transactions":         func(c *Config) { c.Auth, c.Rate = AuthSingle, 3_000 },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := sound()
			cfg.Rate = 50_000
			change(&cfg)
			r, err := Run(t.Context(), cfg, launch(t), io.Discard)
			must(t, err)
			if r.Committed == 0 || len(r.Refusals) > 0 || len(r.Nodes) != 1 || len(r.Steps) != 1 || r.OfferedPerS != float64(cfg.Rate) {
				t.Errorf("%+v", r)
			}
			if !r.RootsEqual || !r.Conserved {
				t.Errorf("roots equal %v, money conserved %v", r.RootsEqual, r.Conserved)
			}
			if r.FinalityMs.P50 <= 0 || r.FinalityMs.P999 < r.FinalityMs.P99 || r.CPUUsPerTransferPerNode <= 0 || r.ReceiptsChecked == 0 {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestReadBack finds out that a node's disk does not hold what the bench issued.
func TestReadBack(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a node for some seconds")
	}
	target, nd := start(t, sound())
	b := &bench{cfg: sound(), target: target, out: io.Discard, world: &world{chain: target.Trust.ChainID}}
	var err error
	b.client, err = b.dial(t.Context())
	must(t, err)
	must(t, b.prepare(t.Context(), target.Institution, target.Signer))
	_, err = b.submit(t.Context(), &chain.Issue{To: b.house, Asset: chain.AssetNo(b.world.firstAsset), Amount: chain.Amount{}})
	if err == nil {
		t.Error("an issue of nothing was no error")
	}
	stranger, err := keys.FromSeed(keys.Ed25519, [keys.SeedBytes]byte{1})
	must(t, err)
	other := &bench{cfg: sound(), client: b.client, out: io.Discard, world: &world{chain: target.Trust.ChainID}}
	if err := other.prepare(t.Context(), target.Institution, stranger); !fault.Is(err, fault.NotFound) {
		t.Errorf("with a key that is not the institution's: %v", err)
	}
	for checkpointed(t, nd) < b.issued.by {
		_, err := b.submit(t.Context(), &chain.OpenAccounts{Count: 1})
		must(t, err)
	}
	b.client.Close()
	must(t, target.Stop())
	d, err := readBack(target.Nodes[0].Dir, b.issued)
	if err != nil || !d.rootEqual || !d.conserved || d.height < b.issued.by {
		t.Errorf("%+v, issued by height %d, %v", d, b.issued.by, err)
	}
	for asset := range b.issued.units {
		b.issued.units[asset]++
	}
	if d, err = readBack(target.Nodes[0].Dir, b.issued); err != nil || d.conserved || !d.rootEqual {
		t.Errorf("with a unit more: %+v, %v", d, err)
	}
	if _, err := readBack(t.TempDir(), b.issued); !fault.Is(err, fault.NotFound) {
		t.Errorf("of no node: %v", err)
	}
}

// checkpointed is the height of a node's newest checkpoint.
func checkpointed(t *testing.T, nd *node.Node) chain.Height {
	t.Helper()
	got, err := http.Get("http://" + nd.MetricsAddress() + "/metrics")
	must(t, err)
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	must(t, err)
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "aurigraph_commit_checkpoint_height "); ok {
			h, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			must(t, err)
			return chain.Height(h)
		}
	}
	t.Fatalf("no checkpoint height among the metrics:\n%s", text)
	return 0
}
