// SPDX-License-Identifier: Apache-2.0

package transporttest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/transport"
)

func TestConformance(t *testing.T) {
	Conformance(t, func(t *testing.T, n int) Cluster { c, _ := cluster(n, 1); return c })
}

func cluster(n int, seed uint64) (Cluster, *Network) {
	net := New(seed)
	c := Cluster{Until: func(t testing.TB, cond func() bool) { t.Helper(); pump(t, net, cond) }}
	for i := range n {
		c.Nodes = append(c.Nodes, net.Node(chain.ValidatorNo(i)))
		c.Peers = append(c.Peers, transport.Peer{No: chain.ValidatorNo(i), Address: fmt.Sprintf("node%d", i)})
	}
	return c, net
}

// pump delivers and lets time pass until cond holds, for a minute of the network's time at most.
func pump(t testing.TB, net *Network, cond func() bool) {
	t.Helper()
	for start := net.Now(); !cond(); {
		if net.Step() {
			continue
		}
		if net.Advance(10 * time.Millisecond); net.Now()-start > time.Minute {
			t.Fatal("it never came")
		}
	}
}

// drain delivers all that can be delivered.
func drain(net *Network) {
	for {
		for net.Step() {
		}
		due, ok := net.NextDue()
		if !ok {
			return
		}
		net.Advance(due - net.Now())
	}
}

func bodies(b *Inbox) string {
	var text []string
	for _, f := range b.All() {
		text = append(text, string(f.Body))
	}
	return strings.Join(text, " ")
}

func numbers(n int) string {
	var text []string
	for i := range n {
		text = append(text, fmt.Sprint(i))
	}
	return strings.Join(text, " ")
}

func sendNumbers(t testing.TB, c Cluster, n int) {
	for i := range n {
		mustSend(t, c.Nodes[0], 1, transport.Consensus, 1, fmt.Append(nil, i))
	}
}

func TestFaults(t *testing.T) {
	const n = 1000
	for _, f := range []struct {
		name   string
		faults Faults
		check  func(got []string) bool
	}{
		{"none", Faults{}, func(got []string) bool { return strings.Join(got, " ") == numbers(n) }},
		{"drop", Faults{Drop: 0.1}, func(got []string) bool { return len(got) > 850 && len(got) < 950 }},
		{"drop all", Faults{Drop: 1}, func(got []string) bool { return got[0] == "" }},
		{"duplicate", Faults{Duplicate: 0.1}, func(got []string) bool { return len(got) > 1050 && len(got) < 1150 }},
		{"delay keeps order", Faults{DelayMin: time.Millisecond, DelayMax: time.Second}, func(got []string) bool { return strings.Join(got, " ") == numbers(n) }},
		{"reorder", Faults{DelayMax: time.Second, Reorder: true}, func(got []string) bool { return len(got) == n && strings.Join(got, " ") != numbers(n) }},
	} {
		t.Run(f.name, func(t *testing.T) {
			run := func(seed uint64) string {
				c, net := cluster(2, seed)
				boxes := c.start(t)
				net.SetFaults(f.faults)
				sendNumbers(t, c, n)
				drain(net)
				return bodies(boxes[1])
			}
			got := run(1)
			if !f.check(strings.Split(got, " ")) {
				t.Errorf("%.200s", got)
			}
			if run(1) != got {
				t.Error("one seed gave two runs")
			}
			if f.name == "drop" && run(2) == got {
				t.Error("two seeds gave one run")
			}
		})
	}
}

func TestDelay(t *testing.T) {
	c, net := cluster(2, 1)
	boxes := c.start(t)
	net.SetFaults(Faults{DelayMin: 5 * time.Millisecond})
	sendNumbers(t, c, 1)
	if due, ok := net.NextDue(); net.Step() || !ok || due != 5*time.Millisecond {
		t.Fatal("it came too early", due)
	}
	net.Advance(5 * time.Millisecond)
	if !net.Step() || net.Step() || bodies(boxes[1]) != "0" {
		t.Fatal(bodies(boxes[1]))
	}
}

func TestCut(t *testing.T) {
	c, net := cluster(3, 1)
	boxes := c.start(t)
	sendNumbers(t, c, 1)
	net.Cut(0, 1, true)
	mustSend(t, c.Nodes[0], 1, transport.Consensus, 1, []byte("kept"))
	mustSend(t, c.Nodes[1], 0, transport.Consensus, 1, []byte("other way"))
	drain(net)
	if bodies(boxes[1]) != "" || bodies(boxes[0]) != "other way" {
		t.Fatal(bodies(boxes[1]), bodies(boxes[0]))
	}
	net.Cut(0, 1, false)
	drain(net)
	s := c.Nodes[0].Status()[0].Classes[transport.Consensus]
	if bodies(boxes[1]) != "kept" || s.Dropped != 1 || s.Reconnects != 1 {
		t.Fatal(bodies(boxes[1]), s)
	}
	net.Partition([]chain.ValidatorNo{0, 2})
	net.Advance(transport.DefaultDeadAfter)
	wantKind(t, c.Nodes[0].Send(1, transport.Consensus, 1), fault.TryLater, "disconnected")
	mustSend(t, c.Nodes[0], 2, transport.Consensus, 1, []byte("same side"))
	drain(net)
	net.Partition()
	mustSend(t, c.Nodes[0], 1, transport.Consensus, 1, []byte("healed"))
	drain(net)
	if bodies(boxes[2]) != "same side" || bodies(boxes[1]) != "kept healed" {
		t.Fatal(bodies(boxes[2]), bodies(boxes[1]))
	}
}

func TestStallAndRestart(t *testing.T) {
	c, net := cluster(2, 1)
	boxes := c.start(t)
	limits := [transport.ClassCount]transport.Limits{{Bytes: 1 << 20, Frames: 4}, {Bytes: 1 << 20, Frames: 4}, {Bytes: 1 << 20, Frames: 4}}
	net.SetLimits(limits)
	net.Stall(1, transport.Batches, true)
	for range 4 {
		mustSend(t, c.Nodes[0], 1, transport.Batches, 1, []byte("b"))
	}
	wantKind(t, c.Nodes[0].Send(1, transport.Batches, 1), fault.TryLater, "queue_full")
	sendNumbers(t, c, 1)
	net.Advance(time.Hour)
	drain(net)
	if bodies(boxes[1]) != "0" {
		t.Fatal(bodies(boxes[1]))
	}
	net.Stall(1, transport.Batches, false)
	drain(net)
	if bodies(boxes[1]) != "0 b b b b" {
		t.Fatal(bodies(boxes[1]))
	}

	sendNumbers(t, c, 1)
	c.Nodes[1].Close()
	c.Nodes[1] = net.Node(1)
	sendNumbers(t, c, 2)
	boxes[1] = &Inbox{}
	c.meet(t, 1)
	c.startOne(t, 1, boxes[1])
	drain(net)
	if bodies(boxes[1]) != "0 1" {
		t.Fatal(bodies(boxes[1]))
	}
}
