// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// validators is what `status --json` says of a network of several.
type validators struct {
	Leader     string `json:"leader"`
	Term       uint64 `json:"term"`
	Validators []struct {
		ID     string `json:"id"`
		PID    int    `json:"pid"`
		Height uint64 `json:"height"`
		State  string `json:"state"`
	} `json:"validators"`
}

func (n *net) status() (v validators) {
	n.t.Helper()
	out, err := exec.Command(program, "status", "--network", n.dir, "--json").Output()
	if err != nil {
		n.t.Fatalf("status: %v %s", err, out)
	}
	if err := json.Unmarshal(out, &v); err != nil {
		n.t.Fatal(err)
	}
	return v
}

// leader is the number and the process of the one that leads; it waits until there is one.
func (n *net) leader() (no, pid int) {
	n.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-time.After(50 * time.Millisecond) {
		v := n.status()
		for i, one := range v.Validators {
			if one.ID == v.Leader && one.State == "leader" && one.PID != 0 {
				return i, one.PID
			}
		}
	}
	n.t.Fatalf("nobody leads: %+v", n.status())
	return 0, 0
}

// payers pay at random until stop is called.
type payers struct {
	acknowledged
	net  *net
	stop func()
}

func (n *net) payers(workers int) *payers {
	p := &payers{net: n}
	done := make(chan struct{})
	var group sync.WaitGroup
	for i := range workers {
		group.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					n.pay(i, &p.acknowledged)
				}
			}
		})
	}
	p.stop = func() {
		close(done)
		group.Wait()
	}
	return p
}

func (p *payers) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.ids)
}

// progress waits until n more payments are acknowledged.
func (p *payers) progress(n int, within time.Duration) {
	p.net.t.Helper()
	from := p.count()
	for deadline := time.Now().Add(within); p.count() < from+n; <-time.After(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.net.t.Fatalf("%d payments within %s after %d", p.count()-from, within, from)
		}
	}
}

// TestValidatorsDie ends and freezes validators of a running network, the leader first; payments go on, none that was
// acknowledged is lost, and each node's own disk proves the same history.
func TestValidatorsDie(t *testing.T) {
	if testing.Short() {
		t.Skip("runs four validators for half a minute")
	}
	n := upWith(t, filepath.Join(t.TempDir(), "net"), 4)
	if len(n.ready.Nodes) != 4 || len(n.ready.GRPC) != 5 || n.ready.Edge == nil || n.ready.GRPC[0] != n.ready.Edge.GRPC {
		t.Fatalf("%+v", n.ready)
	}
	p := n.payers(3)
	p.progress(5, 20*time.Second)
	for round := range 3 {
		_, pid := n.leader()
		signalTo(t, pid, syscall.SIGKILL)
		p.progress(3, 15*time.Second)
		v := n.status().Validators
		if other := v[rand.IntN(4)]; round == 1 && other.PID != 0 && other.PID != pid {
			_ = syscall.Kill(other.PID, syscall.SIGKILL)
			p.progress(3, 30*time.Second)
		}
	}
	_, frozen := n.leader()
	signalTo(t, frozen, syscall.SIGSTOP)
	p.progress(3, 20*time.Second)
	signalTo(t, frozen, syscall.SIGCONT)
	p.progress(3, 20*time.Second)
	p.stop()
	n.allThere(&p.acknowledged)
	n.stop()
	for _, node := range n.ready.Nodes {
		if report := verify(t, node.Dir, true); int(report["legs"].(float64)) < len(p.ids) {
			t.Errorf("%s: %v legs proved, %d acknowledged", node.ID, report["legs"], len(p.ids))
		}
	}
}
