// SPDX-License-Identifier: Apache-2.0

package network

import (
	"io"
	"os"
	"slices"
	"syscall"
	"testing"

	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// checkGateway wants a gateway in front of several validators, with addresses of its own.
func checkGateway(t *testing.T, n *Network, taken map[string]bool) {
	t.Helper()
	if len(n.Nodes) == 1 {
		if n.Gateway != nil || !slices.Equal(n.Endpoints(), n.Validators()) {
			t.Errorf("a network of one has a gateway: %+v", n.Gateway)
		}
		return
	}
	cfg, err := config.LoadGateway(n.Path(n.Gateway.Dir))
	must(t, err)
	if cfg.GRPC != n.Gateway.GRPC || cfg.Metrics != n.Gateway.Metrics || taken[cfg.GRPC] || taken[cfg.Metrics] || !cfg.Index.Enabled {
		t.Errorf("%+v, described as %+v", cfg, n.Gateway)
	}
	if !slices.Equal(cfg.Validators, n.Validators()) || !slices.Equal(n.Endpoints(), append([]string{n.Gateway.GRPC}, n.Validators()...)) {
		t.Errorf("it stands before %v; clients find the network at %v", cfg.Validators, n.Endpoints())
	}
	if (n.V10 == nil) != (cfg.Rest.Listen == "") || cfg.Rest.Listen != n.Gateway.REST || taken[cfg.Rest.Listen] && n.V10 != nil {
		t.Errorf("it serves V10 at %q, described as %q", cfg.Rest.Listen, n.Gateway.REST)
	}
	if info, err := os.Stat(cfg.Path(cfg.TLS.Key)); err != nil || info.Mode().Perm() != 0o600 {
		t.Error("its key must be private", err)
	}
}

// TestGatewayOfOldFolder opens a network from before there were gateways: it gets one, and no validator keeps an index any more.
func TestGatewayOfOldFolder(t *testing.T) {
	n := several(t, Options{Nodes: 4})
	n.Gateway = nil
	must(t, n.Save())
	must(t, os.RemoveAll(n.Path(gatewayName)))
	cfg, err := config.Load(n.Path("node0"))
	must(t, err)
	cfg.Index.Enabled = true
	must(t, config.Replace(cfg.Dir, cfg))
	again, err := Create(n.Dir, Options{})
	must(t, err)
	checkGateway(t, again, map[string]bool{})
	for i, c := range configsOf(t, again) {
		if c.Index.Enabled {
			t.Errorf("node %d has an index", i)
		}
	}
	read, err := Open(n.Dir)
	if err != nil || *read.Gateway != *again.Gateway {
		t.Errorf("%+v, %v", read.Gateway, err)
	}
	// Whose authority's key was taken away goes on as it was.
	read.Gateway = nil
	must(t, read.Save())
	must(t, os.Remove(read.Path(authorityKeyName)))
	if bare, err := Create(n.Dir, Options{}); err != nil || bare.Gateway != nil || !slices.Equal(bare.Endpoints(), bare.Validators()) {
		t.Errorf("%+v, %v", bare.Gateway, err)
	}
}

// TestAddGateway makes further gateways of a network that serves V10; the description does not change.
func TestAddGateway(t *testing.T) {
	n := several(t, Options{Nodes: 4, Demo: true, Accounts: 2, V10: true})
	before, err := os.ReadFile(n.Path(FileName))
	must(t, err)
	taken := map[string]bool{}
	for _, g := range []*Gateway{n.Gateway, made(n.AddGateway("gateway-a")), made(n.AddGateway("gateway-b"))} {
		cfg, err := config.LoadGateway(n.Path(g.Dir))
		must(t, err)
		for _, a := range []string{g.GRPC, g.Metrics, g.REST} {
			if a == "" || a == anyAddress || taken[a] {
				t.Errorf("%s has address %q", g.Dir, a)
			}
			taken[a] = true
		}
		if cfg.Rest.Listen != g.REST || g.URL() != "http://"+g.REST || cfg.Rest.Auth != config.AuthOpen || cfg.Rest.Connections != 10 || cfg.Rest.Example != n.V10.Accounts[0] || !slices.Equal(cfg.Validators, n.Validators()) {
			t.Errorf("%+v", cfg)
		}
		if _, err := os.Stat(cfg.Path(cfg.Rest.AuditKey)); err != nil {
			t.Error(err)
		}
	}
	if after, err := os.ReadFile(n.Path(FileName)); err != nil || string(after) != string(before) {
		t.Error("network.json has changed", err)
	}
	// One from before gateways served V10 gets an address at the next start.
	n.Gateway.REST = ""
	must(t, n.Save())
	again, err := Create(n.Dir, Options{})
	must(t, err)
	checkGateway(t, again, map[string]bool{})
	if f := again.NewRunFile().Edge(); again.Gateway.REST == "" || f.REST != again.Gateway.URL() {
		t.Errorf("%+v", f)
	}
}

func made(g *Gateway, err error) *Gateway {
	if err != nil {
		panic(err)
	}
	return g
}

// TestRunGateway says in run.json what runs of the gateway.
func TestRunGateway(t *testing.T) {
	n := several(t, Options{Nodes: 4})
	f := n.NewRunFile()
	p, err := n.LaunchGateway(script(t, `echo '{"ready":true}'; exec sleep 60`), io.Discard)
	must(t, err)
	must(t, p.AwaitReady(t.Context()))
	must(t, f.SetEdge(p.PID(), true))
	want := RunEdge{PID: p.PID(), Dir: gatewayName, GRPC: n.Gateway.GRPC, Ready: true}
	if r, err := ReadRun(n.Dir); err != nil || *r.Edge != want || *f.Edge() != want {
		t.Errorf("%+v, %v, must be %+v", r.Edge, err, want)
	}
	must(t, syscall.Kill(p.PID(), syscall.SIGKILL))
	<-p.Ended()
	want.PID, want.Ready = 0, false
	if r, err := ReadRun(n.Dir); err != nil || *r.Edge != want {
		t.Errorf("%+v, %v, must be %+v", r.Edge, err, want)
	}
	must(t, f.Remove())
	one := several(t, Options{Nodes: 1})
	if _, err := one.LaunchGateway("/bin/true", io.Discard); !fault.Is(err, fault.NotFound) || one.NewRunFile().Edge() != nil {
		t.Error(err)
	}
}
