// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/config"
)

// slowLink is the delay of each direction between two validators: farther apart than one network should be.
const slowLink = 50 * time.Millisecond

// lines puts a relay between each validator and each of its peers. It returns those from a validator to another.
func (f *fleet) lines() (between [fleetSize][fleetSize]*relay) {
	f.t.Helper()
	for i := range fleetSize {
		f.reconfigure(i, func(cfg *config.Node) {
			for _, j := range f.others(i) {
				between[i][j] = newRelay(f.t, cfg.Validators.Addresses[j])
				cfg.Validators.Addresses[j] = between[i][j].address()
			}
		})
	}
	return between
}

// TestSlowLinks moves the validators of a running network apart, the leader from the others and then all from each other, and
// together again. The network goes on throughout, and all clients were told one history.
func TestSlowLinks(t *testing.T) {
	if testing.Short() {
		t.Skip("runs four validators for some seconds")
	}
	f := newFleet(t)
	between := f.lines()
	f.startAll()
	c := newClients(f)
	c.begin()
	c.progress(answersWant, healedMax)
	far := func(delay time.Duration, is func(i, j int) bool) {
		for i := range fleetSize {
			for _, j := range f.others(i) {
				if is(i, j) {
					between[i][j].delay.Store(int64(delay))
				}
			}
		}
	}
	for _, step := range []struct {
		name  string
		delay time.Duration
		is    func(leader int) func(i, j int) bool
	}{
		{"the leader is far away", slowLink, func(leader int) func(i, j int) bool { return func(i, j int) bool { return i == leader || j == leader } }},
		{"all are far away", slowLink, func(int) func(i, j int) bool { return func(i, j int) bool { return true } }},
		{"all are near", 0, func(int) func(i, j int) bool { return func(i, j int) bool { return true } }},
	} {
		begun, want := time.Now(), 4*answersWant*max(1, *faultRounds)
		far(step.delay, step.is(f.settled()))
		for range want / answersWant {
			c.progress(answersWant, healedMax)
		}
		t.Logf("%s: %d answers in %s", step.name, want, time.Since(begun).Round(time.Millisecond))
	}
	f.settled()
	c.stop()
	f.rest()
	f.stop(c.prove())
}
