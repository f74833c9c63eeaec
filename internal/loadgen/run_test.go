// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

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

// start runs a network's nodes in this process, and returns the first.
func start(t *testing.T, cfg Config) (*Target, *node.Node) {
	t.Helper()
	n, err := network.Create(filepath.Join(t.TempDir(), "network"), network.Options{Name: "bench", Nodes: cfg.Nodes, Engine: cfg.Engine})
	must(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	target := &Target{CAFile: n.Path(n.CA), Institution: chain.InstitutionNo(n.Institution.ID)}
	var nodes []*node.Node
	var group errgroup.Group
	for _, one := range n.Nodes {
		settings, err := config.Load(n.Path(one.Dir))
		must(t, err)
		settings.Commit.SegmentBytes, settings.Commit.CheckpointInterval = 16<<20, 200*time.Millisecond
		nd, err := node.Open(context.Background(), settings, slog.New(slog.DiscardHandler))
		must(t, err)
		group.Go(func() error { return errors.Join(nd.Run(ctx), nd.Close()) })
		nodes = append(nodes, nd)
		target.Endpoints = append(target.Endpoints, nd.GRPCAddress())
		target.Nodes = append(target.Nodes, TargetNode{ID: one.ID, PID: os.Getpid(), Dir: settings.Dir, Metrics: "http://" + nd.MetricsAddress() + "/metrics"})
	}
	target.Stop = func() error {
		cancel()
		return group.Wait()
	}
	for _, nd := range nodes {
		select {
		case <-nd.Ready():
		case <-time.After(20 * time.Second):
			t.Fatalf("a node does not serve: %v", target.Stop())
		}
	}
	keyFile := n.Institution.KeyFile
	if cfg.Auth == AuthBatchEd25519 {
		keyFile = n.Institution.Ed25519KeyFile
	}
	target.Trust, err = n.Trust()
	must(t, err)
	target.Signer, err = client.ReadKeyFile(n.Path(keyFile), nil)
	must(t, err)
	return target, nodes[0]
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
		"four validators":             func(c *Config) { c.Nodes, c.Engine, c.Rate = 4, config.EngineRaft, 20_000 },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := sound()
			cfg.Rate = 50_000
			change(&cfg)
			r, err := Run(t.Context(), cfg, launch(t), io.Discard)
			must(t, err)
			if r.Committed == 0 || len(r.Refusals) > 0 || len(r.Nodes) != cfg.Nodes || len(r.Steps) != 2 || r.OfferedPerS != float64(cfg.Rate) {
				t.Errorf("%+v", r)
			}
			if (r.VoteMs != nil) != (cfg.Engine == config.EngineRaft) || r.CertificateMs == nil {
				t.Errorf("vote %+v, certificate %+v", r.VoteMs, r.CertificateMs)
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
	b.client, err = b.dial(t.Context(), 0)
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
