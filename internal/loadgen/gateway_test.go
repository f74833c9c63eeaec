// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/loadgen/rawhttp"
	"github.com/aurigraph/aurigraph/internal/loadgen/subscribers"
)

func soundGateway() GatewayConfig { return DefaultGatewayConfig() }

func TestGatewayValidate(t *testing.T) {
	for _, c := range []struct {
		change func(*GatewayConfig)
		names  string // what the refusal names; empty: it is sound
	}{
		{func(*GatewayConfig) {}, ""},
		{func(c *GatewayConfig) {
			c.Nodes, c.Duration, c.BatchPayments, c.BatchRate = 2, 10*time.Second, 8192, 8192
		}, ""},
		{func(c *GatewayConfig) { c.Nodes = 1 }, "--nodes"},
		{func(c *GatewayConfig) { c.Nodes = 17 }, "--nodes"},
		{func(c *GatewayConfig) { c.Duration = 10*time.Second - 1 }, "--duration"},
		{func(c *GatewayConfig) { c.Duration = 25 * time.Hour }, "--duration"},
		{func(c *GatewayConfig) { c.Rate = 49 }, "--rate"},
		{func(c *GatewayConfig) { c.Rate = 20_001 }, "--rate"},
		{func(c *GatewayConfig) { c.RestartRate = 0 }, "--restart-rate"},
		{func(c *GatewayConfig) { c.BatchPayments = 8193 }, "--batch-payments"},
		{func(c *GatewayConfig) { c.BatchPayments = 0 }, "--batch-payments"},
		{func(c *GatewayConfig) { c.BatchRate = 2047 }, "--batch-rate"},
		{func(c *GatewayConfig) { c.BatchRate, c.BatchPayments = 30_000, 1 }, "--batch-rate"},
		{func(c *GatewayConfig) { c.Subscribers = 20_000 }, "--subscribers"},
		{func(c *GatewayConfig) { c.Subscribers = 0 }, "--subscribers"},
	} {
		cfg := soundGateway()
		c.change(&cfg)
		err := cfg.Validate()
		if c.names == "" && err != nil || c.names != "" && (!fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), c.names)) {
			t.Errorf("%+v: %v, must name %q", cfg, err, c.names)
		}
	}
	if _, err := RunGateway(t.Context(), GatewayConfig{}, nil, nil); !fault.Is(err, fault.Invalid) {
		t.Errorf("a run without settings: %v", err)
	}
}

// TestGatewayScale: there are always twenty pairs, and slices are neither too short to have a p99 nor so long that pairs drift apart.
func TestGatewayScale(t *testing.T) {
	for _, c := range []struct {
		duration time.Duration
		arms     int
		pairs    int
		slice    time.Duration
	}{
		{10 * time.Second, 2, 20, 250 * time.Millisecond},
		{30 * time.Second, 2, 20, 300 * time.Millisecond},
		{30 * time.Second, 3, 20, 250 * time.Millisecond},
		{5 * time.Minute, 2, 30, 2 * time.Second},
		{5 * time.Minute, 3, 20, 2 * time.Second},
		{time.Hour, 3, 240, 2 * time.Second},
	} {
		cfg := soundGateway()
		cfg.Duration = c.duration
		if s := cfg.scale(c.arms); s.pairs != c.pairs || s.slice != c.slice || s.batch != c.duration*35/100 || s.restarts < 8*time.Second {
			t.Errorf("%s of %d arms: %+v", c.duration, c.arms, s)
		}
	}
}

// TestMedianOf: ranks are those of the tables for 95 % (for 20 values the 6th and the 15th).
func TestMedianOf(t *testing.T) {
	for n, low := range map[int]int{1: 1, 2: 1, 5: 1, 6: 1, 8: 1, 9: 2, 15: 4, 20: 6, 21: 6, 30: 10, 40: 14, 100: 40} {
		values := make([]float64, n)
		for i := range values {
			values[(i*7)%n] = 0 // whatever the order
		}
		for i := range values {
			values[i] = float64(n - i)
		}
		got := medianOf(values)
		if want := (Interval{Median: float64(n+1) / 2, Low: float64(low), High: float64(n + 1 - low)}); got != want {
			t.Errorf("%d values: %+v, want %+v", n, got, want)
		}
		if values[0] != float64(n) {
			t.Error("the values were moved")
		}
	}
	if got := medianOf(nil); got != (Interval{}) {
		t.Error(got)
	}
}

// TestArrivals: the same seed draws the same, the gaps are an exponential's, and all lie within the time.
func TestArrivals(t *testing.T) {
	const rate, span = 1000, 20 * time.Second
	due := arrivals(3, rate, span)
	if !slices.IsSorted(due) || due[len(due)-1] >= span || !reflect.DeepEqual(due, arrivals(3, rate, span)) || reflect.DeepEqual(due, arrivals(4, rate, span)) {
		t.Error("not the arrivals of the seed")
	}
	var squares float64
	for i := 1; i < len(due); i++ {
		gap := (due[i] - due[i-1]).Seconds() * rate
		squares += gap * gap
	}
	n := float64(len(due))
	if math.Abs(n/(rate*span.Seconds())-1) > 0.03 || math.Abs(squares/n/2-1) > 0.1 { // the second moment of an exponential is 2
		t.Errorf("%v arrivals, second moment %v", n, squares/n)
	}
	if got := steps(4, time.Second); !reflect.DeepEqual(got, []time.Duration{0, time.Second / 4, time.Second / 2, 3 * time.Second / 4}) {
		t.Error(got)
	}
}

// TestOrders: every pair has each arm once, orders differ, and the seed decides.
func TestOrders(t *testing.T) {
	all := orders(1, 40, 3)
	firsts := map[int]int{}
	for _, order := range all {
		firsts[order[0]]++
		if sorted := slices.Sorted(slices.Values(order)); !reflect.DeepEqual(sorted, []int{0, 1, 2}) {
			t.Error(order)
		}
	}
	if len(firsts) != 3 || !reflect.DeepEqual(all, orders(1, 40, 3)) {
		t.Error(firsts)
	}
	for n := range 50 {
		for from, to := range payees(uint64(n), 3) {
			if from == to || to < 0 || to > 2 {
				t.Error(from, to)
			}
		}
	}
}

// TestPace: a request is sent when it is due though others hang, latency counts from then, and what fails is counted by its reason.
func TestPace(t *testing.T) {
	release := make(chan struct{})
	due := []time.Duration{0, 5 * time.Millisecond, 10 * time.Millisecond, 40 * time.Millisecond}
	begun := time.Now()
	p, err := pace(t.Context(), due, func(i int) (int, error) {
		switch i {
		case 0: // it hangs until the last one is sent
			<-release
			return 1, nil
		case 1:
			return 0, fault.Reasoned(fault.Refused, "poor", "no money")
		case 3:
			close(release)
		}
		return i, nil
	}, func(int) {})
	if err != nil || p.paid != 1+2+3 || len(p.took) != 3 || p.failed() != 1 || p.lost["poor"] != 1 || p.requests() != 4 {
		t.Errorf("%+v, %v", p, err)
	}
	if longest := slices.Max(p.took); longest < 40*time.Millisecond || p.elapsed < longest || time.Since(begun) < p.elapsed {
		t.Errorf("the one that hung took %s of %s", longest, p.elapsed)
	}
	gone, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("over"))
	if _, err := pace(gone, []time.Duration{0, time.Hour}, func(int) (int, error) { return 0, nil }, func(int) {}); err == nil || err.Error() != "over" {
		t.Error(err)
	}
}

// TestLateness: a head is not late before there is a newer one, nor before the half second that two heads are apart.
func TestLateness(t *testing.T) {
	certified := map[uint64]time.Time{8: at(10), 9: at(10.1), 12: at(10.7)}
	for _, c := range []struct {
		before uint64
		since  float64
		came   float64
		late   time.Duration
		known  bool
	}{
		{7, 9, 10.02, 20 * time.Millisecond, true},   // idle before: from the certificate
		{7, 9.8, 10.35, 50 * time.Millisecond, true}, // conflated: from the half second
		{7, 9.8, 10.25, 0, true},                     // sooner than it had to
		{11, 10.6, 11.1, 0, true},                    // on time
		{20, 10, 11, 0, false},                       // a block that nobody saw
	} {
		f := subscribers.Frame{int64(c.before), at(c.since).UnixNano(), int64(c.before) + 1, at(c.came).UnixNano()}
		if late, ok := lateness(f, certified); late.Round(time.Millisecond) != c.late || ok != c.known {
			t.Errorf("%+v: %s, %v", c, late, ok)
		}
	}
}

// TestAllPaid: an answer counts only when every payment of its batch is certified.
func TestAllPaid(t *testing.T) {
	item, refused := `{"transaction_id":"tx_1_abc","status":"submitted"}`, `{"status":"refused","error":"insufficient funds"}`
	for _, c := range []struct {
		status int
		body   string
		paid   int
		reason string
	}{
		{200, `{"results":[` + item + `,` + item + `],"accepted":2,"refused":0,"total":2}`, 2, ""},
		{200, `{"results":[` + item + `,` + refused + `],"accepted":1,"refused":1,"total":2}`, 1, "items_refused"},
		{200, `{"results":[` + item + `],"accepted":1,"refused":0,"total":1}`, 1, "items_refused"},
		{200, `{}`, 0, "items_refused"},
		{503, `{"error":"busy"}`, 0, "http_503"},
	} {
		paid, err := allPaid(&rawhttp.Response{Status: c.status, Body: []byte(c.body)}, 2)
		if paid != c.paid || (err == nil) != (c.reason == "") || err != nil && fault.ReasonOf(err) != c.reason {
			t.Errorf("%s: %d, %v", c.body, paid, err)
		}
	}
	for body, id := range map[string]string{`{"transaction_id":"tx_1_abc","status":"submitted"}`: "tx_1_abc", `{"transaction_id":"tx`: "", `{}`: ""} {
		if got, err := paidBy(&rawhttp.Response{Status: 200, Body: []byte(body)}); got != id || (err == nil) != (id != "") {
			t.Errorf("%s: %q, %v", body, got, err)
		}
	}
	if _, err := paidBy(&rawhttp.Response{Status: 504}); fault.ReasonOf(err) != "http_504" {
		t.Error(err)
	}
}

// TestBatcher: the bodies that follow each other at one validator have different payers, and so have those at all of them at a time.
func TestBatcher(t *testing.T) {
	g := &gatewayRun{cfg: GatewayConfig{BatchPayments: 4}, accounts: make([]string, 32), target: &GatewayTarget{REST: []string{"a", "b", "c", "d"}}}
	for i := range g.accounts {
		g.accounts[i] = fmt.Sprintf("P%02d", i)
	}
	b := g.newBatcher()
	payers := func(i int) (out []string) {
		for part := range bytes.SplitSeq(b.bodies[i], []byte(`{"from":"`)) {
			if name, _, ok := bytes.Cut(part, []byte(`","to`)); ok {
				out = append(out, string(name))
			}
		}
		return out
	}
	if len(b.bodies) != 32 {
		t.Fatal(len(b.bodies))
	}
	for first := range len(b.bodies) - 4 {
		seen := map[string]bool{}
		for i := first; i < first+4; i++ { // one at each validator
			for _, p := range payers(i) {
				if seen[p] {
					t.Fatalf("%s pays twice in bodies %d to %d", p, first, first+3)
				}
				seen[p] = true
			}
		}
		if len(seen) != 16 || reflect.DeepEqual(payers(first), payers(first+4)) {
			t.Fatal(first, seen)
		}
	}
}

// TestCompare: ratios are of slices of one pair, percentiles of all, and CPU is divided by the requests.
func TestCompare(t *testing.T) {
	made := func(ms ...int) slice {
		p := &paced{lost: map[string]int{}}
		for _, n := range ms {
			p.took = append(p.took, time.Duration(n)*time.Millisecond)
		}
		return slice{load: p, cpu: 3 * time.Millisecond, edge: time.Millisecond, blocks: 6}
	}
	g := &gatewayRun{report: &GatewayReport{}}
	g.compare([][]slice{{made(1, 2, 3), made(10, 20, 30)}, {made(2, 4, 6), made(10, 20, 30)}, {made(3, 6, 9), made(30, 60, 90)}})
	r := g.report
	if r.RatioP50 != (Interval{Median: 1.5, Low: 1, High: 2}) || r.RatioP99 != (Interval{Median: 1.5, Low: 1, High: 2}) || r.GatewayRatioP50.Median != 3 {
		t.Errorf("%+v", r)
	}
	if r.Direct.Requests != 6 || r.Direct.P50Us != 10_000 || r.Direct.P99Us != 30_000 || r.Direct.CPUUs != 1000 || r.Direct.EdgeCPUUs-333 > 1 || r.Direct.Blocks != 2 {
		t.Errorf("%+v", r.Direct)
	}
}

func TestGatewayFailed(t *testing.T) {
	good := func() *GatewayReport {
		return &GatewayReport{RootsEqual: true, Conserved: true, Paid: 10, Counted: 10, Pairs: 20, Refusals: map[string]int{}, Batch: &BatchReport{}, Restart: &RestartReport{}}
	}
	for _, c := range []struct {
		change func(*GatewayReport)
		says   string
	}{
		{func(*GatewayReport) {}, ""},
		{func(r *GatewayReport) { r.RootsEqual = false }, "differ"},
		{func(r *GatewayReport) { r.Conserved = false }, "money"},
		{func(r *GatewayReport) { r.Counted = 9 }, "10 payments were answered"},
		{func(r *GatewayReport) { r.Counted = 11 }, "was not asked for"},
		{func(r *GatewayReport) { r.Pairs = 19 }, "19 pairs"},
		{func(r *GatewayReport) { r.Refusals["http_503"] = 1 }, "http_503"},
		{func(r *GatewayReport) { r.Batch.Refused = 1 }, "batches"},
		{func(r *GatewayReport) { r.Batch = nil }, "batches"},
		{func(r *GatewayReport) { r.Restart, r.Note = nil, "nginx is not installed" }, "nginx is not installed"},
		{func(r *GatewayReport) { r.Restart.Lost = 1 }, "lost"},
		{func(r *GatewayReport) { r.Restart.Doubled, r.Counted = 1, 11 }, "twice"},
	} {
		r := good()
		c.change(r)
		if why := r.Failed(); (c.says == "") != (why == "") || !strings.Contains(why, c.says) {
			t.Errorf("%q, must say %q", why, c.says)
		}
	}
}

// TestMissing: an acknowledged payment that the ledger does not know is lost, and so is one whose id another one has.
func TestMissing(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/gone"):
			w.WriteHeader(http.StatusNotFound)
		case strings.HasSuffix(r.URL.Path, "/broken"):
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer s.Close()
	g := &gatewayRun{target: &GatewayTarget{REST: []string{s.Listener.Addr().String()}}}
	for _, c := range []struct {
		ids     []string
		missing int
		fine    bool
	}{{nil, 0, true}, {[]string{"a", "b"}, 0, true}, {[]string{"a", "gone", "a"}, 2, true}, {[]string{"broken"}, 0, false}} {
		if n, err := g.missing(t.Context(), c.ids); n != c.missing || (err == nil) != c.fine {
			t.Errorf("%v: %d, %v", c.ids, n, err)
		}
	}
}

// TestRestArm: what a server cuts off is lost, not sent again.
func TestRestArm(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	taken := make(chan int)
	go func() {
		n := 0
		for {
			c, err := l.Accept()
			if err != nil {
				taken <- n
				return
			}
			n++
			_, _ = c.Read(make([]byte, 1024))
			_ = c.Close()
		}
	}()
	g := &gatewayRun{accounts: []string{"A", "B", "C"}}
	a := g.restArm("cut", l.Addr().String(), nil, 0)
	var numbers counter
	p, err := pace(t.Context(), steps(1000, 10*time.Millisecond), numbers.requests(a), func(int) {})
	must(t, err)
	must(t, l.Close())
	if n := <-taken; n != 10 || p.failed() != 10 || p.paid != 0 {
		t.Errorf("%d came, %+v", n, p)
	}
}

// TestCPUOf: a process's time grows as it works, and a process that is gone is an error.
func TestCPUOf(t *testing.T) {
	before, err := cpuOf(os.Getpid())
	must(t, err)
	const work = 5 * time.Millisecond
	after := before
	for begin := time.Now(); after-before < work; { // others may have the machine meanwhile
		if _ = payees(1, 100); time.Since(begin) > 20*time.Second {
			t.Fatal(before, after)
		}
		after, err = cpuOf(os.Getpid())
		must(t, err)
	}
	gone := exec.Command("true")
	must(t, gone.Run())
	if _, err := cpuOfAll([]int{os.Getpid(), gone.Process.Pid}); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}

// TestGrowth takes what the load alone makes a validator hold away from what the sockets made it hold.
func TestGrowth(t *testing.T) {
	before := []memory{{100, 50}, {100, 50}, {100, 50}, {100, 50}}
	after := []memory{{900, 900}, {120, 60}, {140, 60}, {1130, 560}}
	if got := growth(before, after); got != (memory{1000, 500}) {
		t.Error(got)
	}
	if got := growth(before[:2], []memory{{0, 0}, {150, 70}}); got != (memory{50, 20}) {
		t.Errorf("of two: %v", got)
	}
}
