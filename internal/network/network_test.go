// SPDX-License-Identifier: Apache-2.0

package network

import (
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/ledger"
	"github.com/aurigraph/aurigraph/internal/node"
)

// What Create makes is a network whose genesis executes, whose keys are those it names, and which opens again equal.
func TestCreate(t *testing.T) {
	n := demo(t)
	g, err := node.ReadGenesis(n.Path("genesis.json"))
	must(t, err)
	if codec.GenesisHash(g).String() != n.GenesisHash || g.Chain != n.Chain || g.Name != "demo" || uint64(g.Chain) >= 1<<53 {
		t.Errorf("genesis %+v, network %+v", g, n)
	}
	own, err := os.ReadFile(n.Path("node0/genesis.json"))
	must(t, err)
	if shared, err := os.ReadFile(n.Path("genesis.json")); err != nil || string(shared) != string(own) {
		t.Error("the node has another genesis", err)
	}
	s, err := node.GenesisState(g)
	must(t, err)
	for i, address := range n.Accounts {
		k, err := keys.ReadFile(n.Path(n.Keys[address]), nil)
		must(t, err)
		no := chain.AccountNo(3 + i)
		if k.Public().Address().String() != address || s.Ledger.Balance(no, 1).String() == "0" {
			t.Errorf("account %d: key of %s, address %s", no, k.Public().Address(), address)
		}
	}
	for _, in := range []Institution{n.Governance, n.Institution} {
		for _, path := range []string{in.KeyFile, in.Ed25519KeyFile} {
			k, err := keys.ReadFile(n.Path(path), nil)
			must(t, err)
			if !holdsKey(s.Ledger, k.Public(), in.ID) {
				t.Errorf("%s is no key of institution %d", path, in.ID)
			}
		}
	}
	trust, err := n.Trust()
	must(t, err)
	if trust.ChainID != n.Chain || trust.GenesisHash.String() != n.GenesisHash {
		t.Errorf("trust %+v", trust)
	}
	again, err := Open(n.Dir)
	must(t, err)
	if !reflect.DeepEqual(again, n) {
		t.Errorf("%+v\nopened again: %+v", n, again)
	}
	if n.Path("") != "" || n.Path("/x") != "/x" || n.Path("x") != filepath.Join(n.Dir, "x") {
		t.Error("paths")
	}
}

func holdsKey(l *ledger.Ledger, p keys.Public, institution uint32) bool {
	for no := chain.KeyNo(1); uint32(no) <= l.Counts().Keys; no++ {
		k, ok := l.Key(no)
		if ok && k.OwnerKind == ledger.OwnedByInstitution && k.Owner == institution && string(k.Public) == string(p.Bytes()) {
			return true
		}
	}
	return false
}

func TestWithoutDemo(t *testing.T) {
	n, err := Create(filepath.Join(t.TempDir(), "net"), Options{Name: "bare", Nodes: 1, Accounts: 3})
	must(t, err)
	if len(n.Accounts) != 0 || n.Asset != "" || len(n.Endpoints()) != 1 || n.Endpoints()[0] != n.Nodes[0].GRPC {
		t.Errorf("%+v", n)
	}
}

func TestCreateRefuses(t *testing.T) {
	dir := t.TempDir()
	for name, o := range map[string]Options{
		"no such number": {Nodes: NodesMax + 1}, "less than none": {Nodes: -1}, "one engine for several": {Nodes: 2, Engine: config.EngineSolo},
		"no such engine": {Nodes: 1, Engine: "x"}, "ports beyond the last": {Nodes: 4, Port: 65_530},
	} {
		o.Name = "n"
		made := filepath.Join(dir, "made")
		if _, err := Create(made, o); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(made); err == nil {
			t.Errorf("%s: a folder was made", name)
		}
	}
	if _, err := Create(filepath.Join(dir, "long"), Options{Name: "", Nodes: 1}); !fault.Is(err, fault.Invalid) || !contains(err, "name") {
		t.Error("no name", err)
	}
	file := filepath.Join(dir, "file")
	must(t, os.WriteFile(file, nil, 0o644))
	if _, err := Create(dir, Options{Name: "n", Nodes: 1}); !fault.Is(err, fault.Conflict) || !contains(err, "--network") {
		t.Error("a folder with something else", err)
	}
	if _, err := Create(filepath.Join(file, "net"), Options{Name: "n", Nodes: 1}); !fault.Is(err, fault.Unavailable) {
		t.Error("below a file", err)
	}
}

// A second Create opens what is there; ports that are taken are replaced, ports that were asked for are not.
func TestPorts(t *testing.T) {
	n := demo(t)
	again, err := Create(n.Dir, Options{Name: "other", Nodes: 1})
	must(t, err)
	if again.Chain != n.Chain || again.Name != "demo" || !reflect.DeepEqual(again.Nodes, n.Nodes) {
		t.Errorf("%+v became %+v", n, again)
	}
	l, err := net.Listen("tcp", n.Nodes[0].GRPC)
	must(t, err)
	moved, err := Create(n.Dir, Options{Nodes: 1})
	must(t, err)
	cfg, err := config.Load(n.Path("node0"))
	must(t, err)
	if moved.Nodes[0].GRPC == n.Nodes[0].GRPC || cfg.GRPC != moved.Nodes[0].GRPC || cfg.Metrics != n.Nodes[0].Metrics {
		t.Errorf("moved to %+v, the node listens on %s and %s", moved.Nodes[0], cfg.GRPC, cfg.Metrics)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if _, err := Create(n.Dir, Options{Nodes: 1, Port: port}); !fault.Is(err, fault.Unavailable) || !contains(err, strconv.Itoa(port)) {
		t.Error("a port that is taken", err)
	}
	if _, err := Create(n.Dir, Options{Nodes: 1, Port: 70_000}); !fault.Is(err, fault.Invalid) {
		t.Error("no port", err)
	}
	must(t, l.Close())
	kept, err := Create(n.Dir, Options{Nodes: 1, Port: port})
	must(t, err)
	if kept.Nodes[0].GRPC != l.Addr().String() || kept.Nodes[0].Metrics != net.JoinHostPort("127.0.0.1", strconv.Itoa(port+1)) {
		t.Errorf("%+v, port %d was asked for", kept.Nodes[0], port)
	}
}

func TestReservation(t *testing.T) {
	var r reservation
	a, err := r.take(anyAddress, false)
	must(t, err)
	if b, err := r.take(a, false); err != nil || a == b {
		t.Errorf("the same given twice: %s and %s, %v", a, b, err)
	}
	if b, err := r.take(anyAddress, true); err != nil || a == b {
		t.Errorf("%s and %s, %v", a, b, err)
	}
	if _, err := r.take(a, true); !fault.Is(err, fault.Unavailable) || !contains(err, a) {
		t.Error("kept though it is taken", err)
	}
	if b, err := r.take("", false); err != nil || b != "" {
		t.Error(b, err)
	}
	if b, err := r.take("nonsense", false); err != nil || !strings.HasPrefix(b, "127.0.0.1:") {
		t.Error(b, err)
	}
	if _, err := r.take("203.0.113.1:0", false); !fault.Is(err, fault.Unavailable) {
		t.Error("an address of another machine", err)
	}
	must(t, r.release())
	var again reservation
	if b, err := again.take(a, true); err != nil || a != b {
		t.Errorf("%s was not given back: %v", a, err)
	}
	must(t, again.release())
	all := reservation{others: []string{a}}
	if b, err := all.take(a, false); err != nil || a == b {
		t.Errorf("%s is another process's: %v", a, err)
	}
	for port := portFirst; port <= portLast; port++ { // but one
		if port != portFirst+7 {
			all.others = append(all.others, net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		}
	}
	if b, err := all.take(anyAddress, false); err != nil || slices.Contains(all.others, b) {
		t.Errorf("%s is another process's: %v", b, err)
	}
	must(t, all.release())
}

func TestBrokenDescription(t *testing.T) {
	n := demo(t)
	path := n.Path(FileName)
	whole, err := os.ReadFile(path)
	must(t, err)
	for name, text := range map[string]string{
		"empty": "", "cut": string(whole[:len(whole)/2]), "no object": "7", "another version": `{"version":2,"nodes":[{}]}`, "no nodes": `{"version":1}`,
	} {
		must(t, os.WriteFile(path, []byte(text), 0o644))
		if _, err := Open(n.Dir); !fault.Is(err, fault.Invalid) || !contains(err, path) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := Create(n.Dir, Options{Nodes: 1}); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s was taken by Create: %v", name, err)
		}
	}
	must(t, os.Remove(path))
	if _, err := Open(n.Dir); !fault.Is(err, fault.NotFound) || !contains(err, "aurigraph up") {
		t.Error(err)
	}
	must(t, os.Mkdir(path, 0o755))
	if _, err := Open(n.Dir); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
	if err := n.Save(); !fault.Is(err, fault.Unavailable) {
		t.Error("saved over a folder", err)
	}
	must(t, os.Remove(n.Path("genesis.json")))
	if _, err := n.Trust(); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
	must(t, os.Remove(n.Path("node0/config.yaml")))
	if err := n.moveTo(0); !fault.Is(err, fault.NotFound) {
		t.Error(err)
	}
}

// Whatever step of Create cannot write, it is an error, and the folder is not taken for a network afterwards.
func TestCreateCannotWrite(t *testing.T) {
	for _, path := range []string{"keys/governance.key", "keys/institution-ed25519.key", "keys/account1.key", "node0/keys/validator.key", "node1/keys/validator-root.key",
		"node0/tls", "node1/tls/validator.pem", "node1/tls/validators-ca.pem", "ca.pem", "genesis.json", "node1/genesis.json", "node1/config.yaml"} {
		o, err := Options{Name: "n", Nodes: 2, Demo: true, Accounts: 1}.complete()
		must(t, err)
		b := newBuilder(filepath.Join(t.TempDir(), "net"), o)
		must(t, os.MkdirAll(filepath.Join(b.dir, filepath.Dir(path)), 0o755))
		if path == "node0/tls" {
			must(t, os.WriteFile(filepath.Join(b.dir, path), nil, 0o644))
		} else {
			must(t, os.Mkdir(filepath.Join(b.dir, path), 0o755))
		}
		if err := b.build(); err == nil {
			t.Errorf("%s is in the way and was not missed", path)
		}
		if _, err := os.Stat(filepath.Join(b.dir, FileName)); err == nil {
			t.Errorf("%s: the folder says that it is a network", path)
		}
	}
}
