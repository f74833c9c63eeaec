// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"cmp"
	"errors"
	"flag"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/testkit/kafkaserver"
	"github.com/aurigraph/aurigraph/internal/testkit/pgserver"
)

// syncKills is how often something of a pair is killed; 0 is a bounded slice.
var syncKills = flag.Int("sync.kills", 0, "kill something of a network in step with a V10 so many times; 0 = a bounded slice")

// Bounds of the kills.
const (
	killsSlice   = 12
	payersASide  = 2
	paceOfPayers = 40 * time.Millisecond
	betweenKills = 1500 * time.Millisecond // at most; half of the kills do not wait until the last one is got over
	progressMax  = 90 * time.Second        // both sides' payments go on
	progressWant = 3
)

// brokers are Kafka, or a development broker in a process of its own where Kafka is not installed.
type brokers struct {
	address string
	kill    func()
	restart func()
}

func someBrokers(t *testing.T) *brokers {
	t.Helper()
	if kafkaThere() {
		s := kafkaserver.Start(t)
		return &brokers{s.Address(), s.Kill, func() { s.Restart(t) }}
	}
	t.Log("*** THERE IS NO KAFKA HERE (scripts/real fetch): a development broker is killed instead ***")
	b := newBroker(t)
	return &brokers{b.address(), b.kill, func() { b.kill(); b.start() }}
}

// payers pay on both sides until stop is called: from accounts of each side at its own door, and from V10's at V11's.
func (p *pair) payers() (stop func()) {
	done := make(chan struct{})
	var group sync.WaitGroup
	pays := func(at, of int) {
		pace := time.NewTicker(paceOfPayers)
		defer pace.Stop()
		for {
			select {
			case <-done:
				return
			case <-pace.C:
			}
			if !p.onePaymentAt(at, of) {
				return
			}
		}
	}
	for range payersASide {
		group.Go(func() { pays(ofV10, ofV10) })
		group.Go(func() { pays(ofV11, ofV11) })
	}
	group.Go(func() { pays(ofV11, ofV10) })
	return sync.OnceFunc(func() { close(done); group.Wait() })
}

// counts are how many payments from accounts of each side were answered.
func (p *pair) counts() (n [2]int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.answered
}

// progress waits until payments of both sides go on.
func (p *pair) progress(after string) {
	p.t.Helper()
	from := p.counts()
	for end := time.Now().Add(progressMax); ; <-time.After(pollEvery) {
		now := p.counts()
		if now[ofV10] >= from[ofV10]+progressWant && now[ofV11] >= from[ofV11]+progressWant {
			return
		}
		if time.Now().After(end) || p.t.Failed() {
			p.t.Fatalf("after %s: %v payments were answered, %v before; %s", after, now, from, p.pictureText())
		}
	}
}

// role is a process that is killed.
type role struct {
	name string
	kill func()
}

// roles are all that a pair consists of. What is not started again by `up` is by the test.
func (p *pair) roles(kafka *brokers, pg *pgserver.Server) []role {
	kills := func(pid func(*network.Run) int) func() {
		return func() { _ = syscall.Kill(p.process(pid), syscall.SIGKILL) } // it may have ended a moment ago
	}
	all := []role{
		{"V10", kills(besideIt("v10"))},
		{"V10's half of the sync", kills(besideIt("v10-sync"))},
		{"the validator that syncs", kills(nodeAt(0))},
		{"another validator", func() { kills(nodeAt(1 + rand.IntN(len(p.ready.Nodes)-1)))() }},
		{"the gateway with the index", kills(func(r *network.Run) int { return r.Edge.PID })},
		{"the broker", kafka.restart},
	}
	if pg != nil {
		all = append(all, role{"PostgreSQL", func() { pg.Kill(); pg.Restart() }})
	}
	return all
}

// TestSyncKills kills everything that a network in step with a V10 consists of, again and again, while clients pay on both sides. At rest
// every payment that was answered is on both ledgers once, and all balances are what the answers make them.
func TestSyncKills(t *testing.T) {
	if testing.Short() {
		t.Skip("runs four validators, V10 and Kafka for a minute or more")
	}
	kafka := someBrokers(t)
	pg := pgserver.Start(t, pgserver.Options{})
	p := newPair(t, network.Options{Nodes: 4, Index: pg.Database(t), Sync: &network.SyncOptions{Kafka: kafka.address}})
	stop := p.payers()
	defer stop()
	p.progress("the start")
	roles := p.roles(kafka, pg)
	var order []int
	for i := range cmp.Or(*syncKills, killsSlice) {
		if len(order) == 0 {
			order = rand.Perm(len(roles))
		}
		next := roles[order[0]]
		order = order[1:]
		<-time.After(rand.N(betweenKills))
		t.Logf("kill %d: %s, after %v answers", i+1, next.name, p.counts())
		next.kill()
		if i%2 == 1 {
			p.progress(next.name)
		}
	}
	p.progress("the last kill")
	stop()
	p.inStep()
	p.allThereOnce()
	n := p.counts()
	t.Logf("%d payments of V10's accounts and %d of V11's were answered: all are on both ledgers, once", n[ofV10], n[ofV11])
}

// kafkaThere reports whether Kafka can be run: where it cannot, kafkaserver skips the test.
func kafkaThere() bool {
	_, err := exec.LookPath("java")
	jars, err2 := kafkaserver.Jars()
	found, err3 := filepath.Glob(filepath.Join(jars, "kafka_*"+kafkaserver.Version+".jar"))
	return errors.Join(err, err2, err3) == nil && len(found) > 0
}
