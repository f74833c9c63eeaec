// SPDX-License-Identifier: Apache-2.0

package ordertest

import (
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// failoverMax is the time in which a new leader must decide after the old one is gone. Elections wait 100 to 200 ms.
const failoverMax = time.Second

// firstLeaderMax is the time in which a network that comes up finds its leader.
const firstLeaderMax = 2 * time.Second

// offerAll offers n digests on each node that is up, a few at a time.
func (g *crew) offerAll(first, n int) {
	g.Helper()
	for k := range n {
		for i, node := range g.nodes {
			if node.up() {
				g.offer(i, digests(1_000_000*i+first+k, 1)...)
			}
		}
		if k%5 == 0 {
			pause(time.Duration(k%4) * time.Millisecond)
		}
	}
}

func allDecideTheSame(g *crew) {
	g.offerAll(0, 60) // before anybody leads
	g.settled(firstLeaderMax)
	g.offerAll(60, 200)
	g.settled(time.Second)
	total, history := 0, g.nodes[0].decided
	for _, p := range history {
		total += len(p.Entries)
	}
	if total != 260*g.Size {
		g.Errorf("%d digests were decided, %d were offered, under one leader", total, 260*g.Size)
	}
}

func leaderLossIsBridged(g *crew) {
	old := g.led(firstLeaderMax)
	g.offerAll(0, 50)
	g.crash(old)
	began := time.Now()
	next := (old + 1) % g.Size
	g.offer(next, digests(900, 1)...)
	g.settled(failoverMax)
	g.Logf("a new leader decided %v after the old one was gone", time.Since(began))
	g.offerAll(100, 50)
	g.settled(failoverMax)
	g.start(old)
	g.offerAgain(old)
	g.settled(failoverMax)
}

func minorityWaits(g *crew) {
	old := g.led(firstLeaderMax)
	g.offerAll(0, 20)
	g.settled(time.Second)
	var rest []int
	for i := range g.nodes {
		if i != old {
			rest = append(rest, i)
		}
	}
	g.Part([]int{old}, rest)
	height := g.nodes[old].height()
	g.offer(old, digests(500, 30)...) // a leader that does not know yet
	for _, i := range rest {
		g.offer(i, digests(1000*(i+1), 30)...)
	}
	g.await("the majority goes on", failoverMax, func() bool { return g.nodes[rest[0]].height() > height })
	pause(5 * time.Second)
	if h := g.nodes[old].height(); h != height {
		g.Errorf("a node alone went on from height %d to %d", height, h)
	}
	g.Part()
	g.settled(failoverMax)
}

func stormyNetwork(g *crew) {
	g.Weather(0.2, 20*time.Millisecond)
	for round := range 5 {
		g.offerAll(round*30, 30)
		pause(200 * time.Millisecond)
	}
	g.settled(time.Minute)
	g.Weather(0, 0)
	g.offerAll(500, 5)
	g.settled(5 * time.Second)
}

func crashesInTurn(g *crew) {
	g.led(firstLeaderMax)
	for i := range g.nodes {
		g.offerAll(i*40, 30)
		g.crash(i)
		g.offerAll(i*40+30, 10)
		g.settled(5 * time.Second)
		g.start(i)
		g.offerAgain(i)
	}
	g.settled(5 * time.Second)
}

func allLosePower(g *crew) {
	for round := range 4 {
		g.led(firstLeaderMax)
		g.offerAll(round*50, 50) // some of it is still on its way
		for i := range g.nodes {
			g.crash(i)
		}
		for i := range g.nodes {
			g.start(i)
		}
		for i := range g.nodes {
			g.offerAgain(i)
		}
		g.settled(firstLeaderMax)
	}
}

func clusterIdleIsSilent(g *crew) {
	g.led(firstLeaderMax)
	g.offerAll(0, 10)
	g.settled(time.Second)
	pause(10 * time.Second) // disks get ready
	height := g.nodes[0].height()
	var before []int
	for i := range g.nodes {
		before = append(before, g.Writes(i))
	}
	pause(time.Minute)
	for i, n := range g.nodes {
		if w := g.Writes(i) - before[i]; w != 0 || n.height() != height {
			g.Errorf("node %d: %d writes and %d heights while idle", i, w, n.height()-height)
		}
	}
}

func nudgesOfAllGiveOne(g *crew) {
	g.led(firstLeaderMax)
	pause(time.Second)
	for height := range 4 {
		for _, n := range g.nodes {
			n.engine.Nudge()
		}
		pause(3 * time.Second)
		for i, n := range g.nodes {
			if n.height() != height+1 {
				g.Errorf("node %d is at height %d after %d nudges", i, n.height(), height+1)
			}
		}
	}
	last := g.Size - 1
	g.nodes[last].engine.Nudge() // a follower alone, or the leader
	g.await("a height that one node asked for", time.Second, func() bool { return g.nodes[0].height() == 5 })
}

func slowFollower(g *crew) {
	slow := (g.led(firstLeaderMax) + 1) % g.Size
	g.offerAll(0, 5)
	g.settled(time.Second)
	g.nodes[slow].pause(true)
	pause(5 * time.Millisecond)
	at, leader := g.nodes[slow].height(), g.led(0)
	for k := range 100 {
		g.offer(leader, digests(5000+k, 1)...)
		pause(5 * time.Millisecond)
	}
	g.await("the others go on", time.Second, func() bool { return g.nodes[leader].height() >= at+90 })
	if h := g.nodes[slow].height(); h > at+1 {
		g.Errorf("a reader that reads nothing went from height %d to %d", at, h)
	}
	g.nodes[slow].pause(false)
	g.settled(time.Second)
}

func offeredEverywhere(g *crew) {
	g.led(firstLeaderMax)
	want := digests(0, 100)
	for _, d := range want {
		for i := range g.nodes {
			g.offer(i, d)
		}
		pause(time.Millisecond)
	}
	g.settled(time.Second)
	count := map[chain.Hash]int{}
	for _, p := range g.nodes[0].decided {
		for _, d := range p.Entries {
			count[d]++
		}
	}
	for _, d := range want {
		if count[d] != 1 {
			g.Errorf("%v was decided %d times", d, count[d])
		}
	}
}
