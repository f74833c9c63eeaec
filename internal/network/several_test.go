// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/node"
	"github.com/aurigraph/aurigraph/internal/server"
	"github.com/aurigraph/aurigraph/internal/transport"
)

func several(t *testing.T, o Options) *Network {
	t.Helper()
	o.Name = "several"
	n, err := Create(filepath.Join(t.TempDir(), "net"), o)
	must(t, err)
	return n
}

func configsOf(t *testing.T, n *Network) []config.Node {
	t.Helper()
	all := make([]config.Node, len(n.Nodes))
	for i := range all {
		var err error
		all[i], err = config.Load(n.Path(n.Nodes[i].Dir)) // which checks it
		must(t, err)
	}
	return all
}

// Each node of a network has its own keys, which the one genesis names in the nodes' order, and settings that fit the others'.
func TestSeveral(t *testing.T) {
	for _, x := range []struct {
		options Options
		nodes   int
		engine  string
	}{
		{Options{}, 4, config.EngineRaft}, {Options{Nodes: 1}, 1, config.EngineSolo}, {Options{Nodes: 1, Engine: config.EngineRaft}, 1, config.EngineRaft},
		{Options{Nodes: 7}, 7, config.EngineRaft}, {Options{Nodes: NodesMax, Engine: config.EngineRaft}, NodesMax, config.EngineRaft},
	} {
		t.Run(fmt.Sprintf("%+v", x.options), func(t *testing.T) {
			n := several(t, x.options)
			if len(n.Nodes) != x.nodes || len(n.Validators()) != x.nodes {
				t.Fatalf("%d nodes", len(n.Nodes))
			}
			taken := map[string]bool{}
			for i, c := range configsOf(t, n) {
				checkKeys(t, n, i, c)
				if c.Order.Engine != x.engine || c.Name != n.Nodes[i].ID || c.GRPC != n.Nodes[i].GRPC || c.Metrics != n.Nodes[i].Metrics || c.Validators.Listen != n.Nodes[i].Validator {
					t.Errorf("node %d: %+v, described as %+v", i, c, n.Nodes[i])
				}
				if c.Index.Enabled != (x.nodes == 1) {
					t.Errorf("node %d: index %v", i, c.Index.Enabled)
				}
				for _, a := range []string{c.GRPC, c.Metrics, c.Validators.Listen} {
					if a != "" && taken[a] {
						t.Errorf("two listen on %s", a)
					}
					taken[a] = true
				}
				checkAddresses(t, n, c)
			}
			checkGateway(t, n, taken)
		})
	}
}

func checkAddresses(t *testing.T, n *Network, c config.Node) {
	t.Helper()
	want := []string{}
	if c.Order.Engine == config.EngineRaft {
		for _, node := range n.Nodes {
			want = append(want, node.Validator)
		}
	}
	if !reflect.DeepEqual(c.Validators.Addresses, want) || slices.Contains(want, "") {
		t.Errorf("%s knows %v, the validators are at %v", c.Name, c.Validators.Addresses, want)
	}
}

func checkKeys(t *testing.T, n *Network, i int, c config.Node) {
	t.Helper()
	g, err := node.ReadGenesis(c.Path(c.Genesis))
	must(t, err)
	if len(g.Validators) != len(n.Nodes) {
		t.Fatalf("the genesis names %d validators", len(g.Validators))
	}
	v := g.Validators[i]
	for path, want := range map[string][]byte{c.Keys.Validator: v.Ed25519, c.Keys.Root: v.MLDSA65} {
		k, err := keys.ReadFile(c.Path(path), nil)
		must(t, err)
		if string(k.Public().Bytes()[1:]) != string(want) || v.Name != n.Nodes[i].ID {
			t.Errorf("%s of node %d is not the key of validator %d, %s", path, i, i, v.Name)
		}
	}
}

// The file that clients trust vouches for every node's API, and for the certificate by which its peers know it. Neither
// certificate serves as the other.
func TestOneAuthority(t *testing.T) {
	n := several(t, Options{})
	roots := x509.NewCertPool()
	text, err := os.ReadFile(n.Path(n.CA))
	must(t, err)
	if !roots.AppendCertsFromPEM(text) {
		t.Fatal("no authority")
	}
	for i, c := range configsOf(t, n) {
		_, err := server.TLSFiles{Cert: c.Path(c.TLS.Cert), Key: c.Path(c.TLS.Key)}.Load()
		must(t, err)
		api := certificate(t, c.Path(c.TLS.Cert))
		for _, host := range []string{"127.0.0.1", "localhost", "::1"} {
			if _, err := api.Verify(x509.VerifyOptions{DNSName: host, Roots: roots}); err != nil {
				t.Errorf("node %d at %s: %v", i, host, err)
			}
		}
		if _, _, err := transport.CertifiedAs(api); !fault.Is(err, fault.Denied) {
			t.Error("an API's certificate names a validator", err)
		}
		v := c.Validators
		_, err = transport.LoadIdentity(c.Path(v.Cert), c.Path(v.Key), c.Path(v.CA))
		must(t, err)
		peer := certificate(t, c.Path(v.Cert))
		if id, no, err := transport.CertifiedAs(peer); err != nil || id != n.Chain || no != chain.ValidatorNo(i) {
			t.Errorf("node %d is certified as validator %d of %d, %v", i, no, id, err)
		}
		use := x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
		if _, err := peer.Verify(use); err != nil {
			t.Error(err)
		}
		if _, err := api.Verify(use); err == nil {
			t.Error("an API's certificate is good for a client")
		}
		if err := peer.VerifyHostname("127.0.0.1"); err == nil {
			t.Error("a validator's certificate is good for an API")
		}
		for _, path := range []string{c.TLS.CA, v.CA} {
			if own, err := os.ReadFile(c.Path(path)); err != nil || string(own) != string(text) {
				t.Errorf("node %d has another authority in %s (%v)", i, path, err)
			}
		}
	}
}

func certificate(t *testing.T, path string) *x509.Certificate {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	block, _ := pem.Decode(text)
	c, err := x509.ParseCertificate(block.Bytes)
	must(t, err)
	return c
}

// A port that was taken meanwhile moves one address, and every node learns of it. So does a list that a power cut left behind.
func TestMovedPorts(t *testing.T) {
	n := several(t, Options{Nodes: 4})
	for _, c := range configsOf(t, n)[:2] {
		c.Validators.Addresses[3] = "127.0.0.1:1"
		must(t, config.Replace(c.Dir, c))
	}
	l, err := net.Listen("tcp", n.Nodes[2].Validator)
	must(t, err)
	defer l.Close()
	again, err := Create(n.Dir, Options{})
	must(t, err)
	for i, node := range again.Nodes {
		moved := node
		if i == 2 {
			moved.Validator = n.Nodes[2].Validator
		}
		if moved != n.Nodes[i] || i == 2 && node == n.Nodes[2] {
			t.Errorf("node %d: %+v became %+v", i, n.Nodes[i], node)
		}
	}
	for _, c := range configsOf(t, again) {
		checkAddresses(t, again, c)
	}
	read, err := Open(n.Dir)
	must(t, err)
	if !reflect.DeepEqual(read, again) {
		t.Errorf("%+v was written, not %+v", read, again)
	}
}

// Ports that begin at one follow each other; a network is not another one of another size.
func TestGivenPorts(t *testing.T) {
	n := several(t, Options{Nodes: 4})
	for first := 20_000 + os.Getpid()%1000; ; first += 14 {
		given, err := Create(n.Dir, Options{Nodes: 4, Port: first})
		if fault.Is(err, fault.Unavailable) && first < 31_000 {
			continue // somebody listens there
		}
		must(t, err)
		port := first
		for _, node := range given.Nodes {
			for _, a := range []string{node.GRPC, node.Metrics, node.Validator} {
				if want := fmt.Sprintf("127.0.0.1:%d", port); a != want {
					t.Errorf("%s, must be %s", a, want)
				}
				port++
			}
		}
		if want := fmt.Sprintf("127.0.0.1:%d", port); given.Gateway.GRPC != want {
			t.Errorf("the gateway is at %s, must be at %s", given.Gateway.GRPC, want)
		}
		for _, c := range configsOf(t, given) {
			checkAddresses(t, given, c)
		}
		break
	}
	if _, err := Create(n.Dir, Options{Nodes: 7}); !fault.Is(err, fault.Conflict) || !contains(err, "4 validators, not 7") {
		t.Error(err)
	}
}

// What listens on all addresses is reached on this machine.
func TestReachable(t *testing.T) {
	for listen, want := range map[string]string{
		"[::]:7": "127.0.0.1:7", "0.0.0.0:7": "127.0.0.1:7", ":7": "127.0.0.1:7", "10.0.0.1:7": "10.0.0.1:7", "localhost:7": "localhost:7", "x": "x",
	} {
		if got := reachable(listen); got != want {
			t.Errorf("%s is reached at %s, must be %s", listen, got, want)
		}
	}
}

// fakeNode is a program that serves as soon as all nodes of its network have been started, and stops when told to.
const fakeNode = `trap 'exit 0' TERM
for w in "$@"; do case $w in */node*) dir=$w; esac; done
touch $dir/started
for i in 0 1 2 3; do while ! [ -e $dir/../node$i/started ]; do sleep 0.02; done; done
if [ -e $dir/refuse ]; then echo '{"error":{"kind":"denied","reason":"r","text":"not me"}}'; exit 2; fi
echo '{"ready":true}'
while :; do sleep 0.02; done >/dev/null`

// All nodes start at once: one that waits for the others would wait for ever if they were started one by one.
func TestStartAll(t *testing.T) {
	n := several(t, Options{Nodes: 4})
	logs := func(int) (io.Writer, error) { return io.Discard, nil }
	all, err := n.StartAll(t.Context(), script(t, fakeNode), logs)
	must(t, err)
	for i, p := range all {
		if p.Node != n.Nodes[i] || !p.Ready.Ready {
			t.Errorf("%+v", p)
		}
	}
	must(t, StopAll(append(all, nil)))
	must(t, os.WriteFile(n.Path("node2/refuse"), nil, 0o644))
	if all, err = n.StartAll(t.Context(), script(t, fakeNode), logs); !fault.Is(err, fault.Denied) || !contains(err, "not me") || all != nil {
		t.Errorf("%v, %v", all, err)
	}
	none := fault.New(fault.Unavailable, "no log")
	if _, err = n.StartAll(t.Context(), script(t, fakeNode), func(int) (io.Writer, error) { return nil, none }); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
	must(t, os.Remove(n.Path("node1/started")))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = n.StartAll(ctx, script(t, fakeNode), logs); !contains(err, context.Canceled.Error()) {
		t.Error(err)
	}
}

// run.json says what runs, and not what is gone.
func TestRunFile(t *testing.T) {
	n := several(t, Options{Nodes: 4})
	if _, err := ReadRun(n.Dir); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
	f := n.NewRunFile()
	must(t, f.Remove()) // nothing runs yet
	must(t, f.Set(0, os.Getpid(), true))
	p, err := n.Launch(1, script(t, "echo; exec sleep 60"), io.Discard)
	must(t, err)
	must(t, f.Set(1, p.PID(), true))
	r, err := ReadRun(n.Dir)
	must(t, err)
	want := []RunNode{{"node0", os.Getpid(), n.Nodes[0].GRPC, true, false, false}, {"node1", p.PID(), n.Nodes[1].GRPC, true, false, false}, {ID: "node2", GRPC: n.Nodes[2].GRPC}, {ID: "node3", GRPC: n.Nodes[3].GRPC}}
	if r.PID != os.Getpid() || !slices.Equal(r.Nodes, want) || !slices.Equal(f.Nodes(), want) {
		t.Errorf("%+v, must be %+v", r.Nodes, want)
	}
	must(t, syscall.Kill(p.PID(), syscall.SIGKILL))
	<-p.Ended()
	if !strings.Contains(p.How(), "killed") {
		t.Error(p.How())
	}
	want[1].PID, want[1].Ready = 0, false
	if r, err = ReadRun(n.Dir); err != nil || !slices.Equal(r.Nodes, want) {
		t.Errorf("%+v, must be %+v (%v)", r, want, err)
	}
	must(t, f.Remove())
	path := n.Path(runName)
	for _, text := range []string{"", "{", `{"version":2}`} {
		must(t, os.WriteFile(path, []byte(text), 0o644))
		if _, err := ReadRun(n.Dir); !fault.Is(err, fault.Invalid) || !contains(err, path) {
			t.Errorf("%q: %v", text, err)
		}
	}
	must(t, os.Remove(path))
	must(t, os.MkdirAll(filepath.Join(path, "x"), 0o755))
	if err := f.Set(0, 1, true); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
	if err := f.Remove(); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
	if _, err := ReadRun(n.Dir); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}
