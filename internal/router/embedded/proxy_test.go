// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"context"
	"net"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/internal/router"
	"github.com/aurigraph/aurigraph/internal/router/routertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run serves a router until the test ends or stop is called.
func run(t testing.TB, cfg Config) (p *Proxy, address string, stop func()) {
	t.Helper()
	cfg.Metrics = prometheus.NewRegistry()
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- p.Serve(ctx, l) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return p, l.Addr().String(), stop
}

func TestSuite(t *testing.T) {
	routertest.Run(t, func(t *testing.T, v10, v11 string) *routertest.Router {
		cfg := Config{Dir: t.TempDir(), V10: "http://" + v10, V11: []string{"http://" + v11}}
		r := &routertest.Router{}
		told := make(chan router.Outcome, 1000)
		cfg.Told = func(o *router.Outcome) {
			select {
			case told <- *o:
			default: // of a play that does not ask
			}
		}
		r.Outcomes = func(_ *testing.T, atLeast int) (out []router.Outcome) {
			for len(out) < atLeast {
				out = append(out, <-told)
			}
			return out
		}
		var stop func()
		begin := func(t *testing.T) {
			var p *Proxy
			p, r.Address, stop = run(t, cfg)
			r.Driver = p
		}
		r.Restart = func(t *testing.T) { stop(); begin(t) }
		begin(t)
		return r
	})
}

func BenchmarkAdded(b *testing.B) {
	routertest.Bench(b, func(b *testing.B, v10, v11 string) *routertest.Router {
		p, address, _ := run(b, Config{Dir: b.TempDir(), V10: "http://" + v10, V11: []string{"http://" + v11}})
		return &routertest.Router{Driver: p, Address: address}
	})
}
