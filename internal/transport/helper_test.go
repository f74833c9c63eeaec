// SPDX-License-Identifier: Apache-2.0

package transport_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/transport"
	"github.com/aurigraph/aurigraph/internal/transport/transporttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testChain chain.ChainID = 4711

// authority vouches for the validators of all tests.
var authority = sync.OnceValue(func() *transport.Authority { return newAuthority() })

func newAuthority() *transport.Authority {
	a, err := transport.NewAuthority("test", time.Hour)
	if err != nil {
		panic(err)
	}
	return a
}

func identity(t testing.TB, a *transport.Authority, id chain.ChainID, no chain.ValidatorNo) transport.Identity {
	t.Helper()
	cert, err := a.Issue(id, no, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return transport.Identity{Certificate: cert, Authority: authority().Pool()}
}

// deadAfter is short, and yet long enough for a machine that does much else.
const deadAfter = 2 * time.Second

// options are those of validator no, impatient.
func options(t testing.TB, no chain.ValidatorNo) transport.Options {
	t.Helper()
	return transport.Options{
		Chain: testChain, Self: no, Address: "127.0.0.1:0", Identity: identity(t, authority(), testChain, no),
		PingInterval: 50 * time.Millisecond, DeadAfter: deadAfter,
	}
}

func listen(t testing.TB, o transport.Options) *transport.TCP {
	t.Helper()
	n, err := transport.Listen(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

func peerOf(no chain.ValidatorNo, n *transport.TCP) transport.Peer {
	return transport.Peer{No: no, Address: n.Address()}
}

func setPeers(t testing.TB, n *transport.TCP, peers ...transport.Peer) {
	t.Helper()
	if err := n.SetPeers(1, peers); err != nil {
		t.Fatal(err)
	}
}

func start(t testing.TB, n *transport.TCP, r transport.Receiver) {
	t.Helper()
	if err := n.Start(r); err != nil {
		t.Fatal(err)
	}
}

// pair is two connected validators; change adapts the options of either.
func pair(t testing.TB, b transport.Receiver, change func(*transport.Options)) (from, to *transport.TCP) {
	t.Helper()
	nodes := make([]*transport.TCP, 2)
	for i := range nodes {
		o := options(t, chain.ValidatorNo(i))
		if change != nil {
			change(&o)
		}
		nodes[i] = listen(t, o)
	}
	for i, n := range nodes {
		setPeers(t, n, peerOf(0, nodes[0]), peerOf(1, nodes[1]))
		start(t, n, []transport.Receiver{&transporttest.Inbox{}, b}[i])
	}
	return nodes[0], nodes[1]
}

// until polls, because what it waits for happens between two processes in the product.
func until(t testing.TB, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it never came")
		}
	}
}

// metric is a metric's value, summed over the series that carry all labels, which are written name=value.
func metric(t testing.TB, r *prometheus.Registry, name string, labels ...string) float64 {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, f := range families {
		if f.GetName() != "aurigraph_transport_"+name {
			continue
		}
		for _, m := range f.GetMetric() {
			has := map[string]bool{}
			for _, l := range m.GetLabel() {
				has[l.GetName()+"="+l.GetValue()] = true
			}
			all := true
			for _, l := range labels {
				all = all && has[l]
			}
			if all {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return sum
}

// logLines is a logger whose lines can be counted.
type logLines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logLines) logger() *slog.Logger { return obs.NewLogger(l, slog.LevelInfo) }

func (l *logLines) count(word string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.text.String(), word)
}
