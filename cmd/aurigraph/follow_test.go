// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/node"
)

// describe changes the network's description, as `aurigraph validators` does.
func (f *fleet) describe(t *testing.T, change func(n *network.Network)) {
	t.Helper()
	n, err := network.Open(f.network.Dir)
	if err != nil {
		t.Fatal(err)
	}
	change(n)
	if err := n.Save(); err != nil {
		t.Fatal(err)
	}
}

func (f *fleet) node(t *testing.T, i int) network.RunNode {
	t.Helper()
	r, err := network.ReadRun(f.network.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if i >= len(r.Nodes) {
		return network.RunNode{}
	}
	return r.Nodes[i]
}

// What the description says of a validator while the network runs, happens: it joins, is held, starts anew and leaves, and the
// others run on.
func TestFollowsTheDescription(t *testing.T) {
	for _, asJSON := range []bool{false, true} {
		f := newFleet(t, asJSON, "")
		f.awaitReady(t)
		first, _ := f.pids(t)
		if err := os.MkdirAll(filepath.Join(f.network.Dir, "node4"), 0o755); err != nil {
			t.Fatal(err)
		}
		f.describe(t, func(n *network.Network) {
			n.Nodes = append(n.Nodes, network.Node{ID: "late", Dir: "node4", GRPC: "127.0.0.1:1", JoinEpoch: 2})
		})
		eventually(t, "the newcomer serves", func() bool { x := f.node(t, 4); return x.ID == "late" && x.Ready && x.PID != 0 })
		f.describe(t, func(n *network.Network) { n.Nodes[1].Held = true })
		eventually(t, "node1 is held", func() bool { x := f.node(t, 1); return x.Held && x.PID == 0 })
		if syscall.Kill(first[1], 0) == nil {
			t.Error("node1 is held and runs")
		}
		f.describe(t, func(n *network.Network) { n.Nodes[1].Held, n.Nodes[1].JoinEpoch = false, 3 })
		eventually(t, "node1 serves under its new keys", func() bool { x := f.node(t, 1); return x.Ready && !x.Held && x.PID != first[1] })
		f.describe(t, func(n *network.Network) { n.Nodes[2] = network.Node{ID: "node2", Dir: "node2", LeftEpoch: 4} })
		eventually(t, "node2 is stopped", func() bool { x := f.node(t, 2); return x.Left && x.PID == 0 })
		if r, err := network.ReadRun(f.network.Dir); err != nil || r.PID != os.Getpid() || r.Nodes[0].PID != first[0] || r.Nodes[3].PID != first[3] {
			t.Errorf("%+v, %v; the processes were %v", r, err, first)
		}
		if err := f.end(t); err != nil {
			t.Error(err)
		}
		checkSaid(t, f.logs.String(), asJSON, "validator late joins the network with epoch 2: it is started", "validator node1 is stopped for a change of its keys",
			"validator node1 is started with its new keys", "validator node2 left the network with epoch 4: it is stopped, and not started again")
	}
}

// A validator that says that it left is not started again, whether it served before or not, and the others run on. A
// description that cannot be read changes nothing.
func TestOneThatLeft(t *testing.T) {
	says := fmt.Sprintf(`echo '{"error":{"kind":"conflict","reason":"%s","text":"I left"}}'; exit 2`, node.ReasonLeft)
	f := newFleet(t, false, `case $dir in */node3) echo x >>$dir/tries; `+says+`;; */node2) [ ! -e $dir/left ] || { `+says+`; };; esac`)
	f.awaitReady(t)
	if err := os.WriteFile(filepath.Join(f.network.Dir, "node2", "left"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	killNow(t, f.node(t, 2).PID)
	eventually(t, "node2 is left alone", func() bool { return strings.Count(f.logs.String(), "I left; it is not started again") == 2 })
	path := filepath.Join(f.network.Dir, network.FileName)
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the missing description is missed", func() bool { return strings.Contains(f.logs.String(), "the validators run on as they are") })
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	if tries, err := os.ReadFile(filepath.Join(f.network.Dir, "node3", "tries")); err != nil || string(tries) != "x\n" {
		t.Errorf("tried %q, %v", tries, err)
	}
	if err := f.end(t); err != nil {
		t.Error(err)
	}
}

// A newcomer whose folder will not do ends nothing but itself; a held validator is not started.
func TestLateRefusal(t *testing.T) {
	f := newFleet(t, false, `case $dir in */node4) echo '{"error":{"kind":"invalid","reason":"r","text":"not so"}}'; exit 2;; esac`)
	f.awaitReady(t)
	if err := os.MkdirAll(filepath.Join(f.network.Dir, "node4"), 0o755); err != nil {
		t.Fatal(err)
	}
	f.describe(t, func(n *network.Network) {
		n.Nodes = append(n.Nodes, network.Node{ID: "node4", Dir: "node4", GRPC: "127.0.0.1:1", JoinEpoch: 2})
	})
	eventually(t, "it is left alone", func() bool { return strings.Contains(f.logs.String(), "validator node4 is left as it is") })
	if _, ready := f.pids4(t); !ready {
		t.Error("the others do not run on")
	}
	if err := f.end(t); err != nil {
		t.Error(err)
	}
	f.describe(t, func(n *network.Network) { n.Nodes[0].Held, n.Nodes[4].LeftEpoch = true, 3 })
	n, err := network.Open(f.network.Dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := newSupervisor(f.app, n, f.bar)
	if err != nil {
		t.Fatal(err)
	}
	again.program = f.program
	err = again.run(t.Context(), func(context.Context) error { return errStop })
	if nodes := again.file.Nodes(); err == nil || !nodes[0].Held || !nodes[4].Left || nodes[4].PID != 0 {
		t.Errorf("%+v, %v", nodes, err)
	}
	checkSaid(t, f.logs.String(), false, "validator node0 is held: `aurigraph validators rekey node0` has begun")
}

var errStop = fmt.Errorf("the test has seen enough")

// pids4 is pids of a fleet that has more than four validators now.
func (f *fleet) pids4(t *testing.T) (pids [4]int, ready bool) {
	t.Helper()
	ready = true
	for i := range pids {
		x := f.node(t, i)
		pids[i], ready = x.PID, ready && x.Ready
	}
	return pids, ready
}
