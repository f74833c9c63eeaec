// SPDX-License-Identifier: Apache-2.0

package access

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

const (
	// metersMax bounds the callers that are metered at once: 8 MiB. One that is idle until its buckets are full is forgotten.
	metersMax = 65_536
	// sweepEvery is how often, at the most, idle meters are looked for at the bound.
	sweepEvery = time.Second
	// rateMax bounds a rate and a burst: a float64 counts these exactly.
	rateMax = 1 << 40
)

// Limits bounds what one caller may ask for. A zero is the default.
type Limits struct {
	Requests      float64 `json:"requests_per_second,omitempty"` // on the average
	Burst         float64 `json:"burst,omitempty"`               // at once, after a rest
	Payments      float64 `json:"payments_per_second,omitempty"`
	PaymentsBurst float64 `json:"payments_burst,omitempty"`
	InFlight      int     `json:"in_flight,omitempty"` // requests and streams under way
}

// DefaultLimits are the bounds of a caller for whom nothing else is said.
func DefaultLimits() Limits {
	return Limits{Requests: 1000, Burst: 2000, Payments: 20_000, PaymentsBurst: 40_000, InFlight: 512}
}

func (l *Limits) check() error {
	for _, rate := range [...]float64{l.Requests, l.Burst, l.Payments, l.PaymentsBurst} {
		if math.IsNaN(rate) || rate < 0 || rate > rateMax || (rate > 0 && rate < 0.001) {
			return fault.Reasoned(fault.Invalid, "limit_range", "a limit of %v: use 0.001 to %d, or 0 for the default", rate, int64(rateMax))
		}
	}
	if l.InFlight < 0 {
		return fault.Reasoned(fault.Invalid, "limit_range", "%d requests in flight: use 1 or more, or 0 for the default", l.InFlight)
	}
	return nil
}

// over fills in what l leaves open.
func (l *Limits) over(otherwise Limits) Limits {
	pick := func(mine, other float64) float64 {
		if mine == 0 {
			return other
		}
		return mine
	}
	out := Limits{
		Requests: pick(l.Requests, otherwise.Requests), Burst: pick(l.Burst, otherwise.Burst),
		Payments: pick(l.Payments, otherwise.Payments), PaymentsBurst: pick(l.PaymentsBurst, otherwise.PaymentsBurst),
		InFlight: otherwise.InFlight,
	}
	if l.InFlight != 0 {
		out.InFlight = l.InFlight
	}
	return out
}

// A bucket fills with a rate up to a burst, and is full at first.
type bucket struct {
	level float64
	at    time.Time
}

func (b *bucket) fill(rate, burst float64, now time.Time) {
	switch {
	case b.at.IsZero():
		b.level = burst
	case now.After(b.at):
		b.level = min(burst, b.level+rate*now.Sub(b.at).Seconds())
	}
	b.at = now
}

// take takes n, or says after which time it could. What is more than the burst needs a full bucket, and leaves a debt.
func (b *bucket) take(n, rate, burst float64, now time.Time) (wait time.Duration, ok bool) {
	b.fill(rate, burst, now)
	if needed := min(n, burst) - b.level; needed > 0 {
		return seconds(needed / rate), false
	}
	b.level -= n
	return 0, true
}

// seconds is a duration, also where that is too long for one.
func seconds(s float64) time.Duration {
	return time.Duration(min(s, (24*time.Hour).Seconds()) * float64(time.Second))
}

// limiter meters callers.
type limiter struct {
	metrics *metrics

	mu    sync.Mutex // guards all below
	by    map[string]*meter
	swept time.Time
}

// meter is what one caller has left.
type meter struct {
	limits             Limits // as they were when it came last
	requests, payments bucket
	inFlight           int
}

func (m *meter) fill(now time.Time) {
	m.requests.fill(m.limits.Requests, m.limits.Burst, now)
	m.payments.fill(m.limits.Payments, m.limits.PaymentsBurst, now)
}

func newLimiter(m *metrics) *limiter { return &limiter{metrics: m, by: map[string]*meter{}} }

// begin counts a request that is under way until the returned function is called.
func (l *limiter) begin(c *Caller) (end func(), err error) {
	if c.kind == kindOpen {
		return func() {}, nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	m, err := l.meter(c, now)
	if err != nil {
		return nil, err
	}
	limits := &m.limits
	if m.inFlight >= limits.InFlight {
		l.metrics.limited.WithLabelValues("in_flight").Inc()
		return nil, limited(time.Second, "At most %d requests of this caller may be under way", limits.InFlight)
	}
	if wait, ok := m.requests.take(1, limits.Requests, limits.Burst, now); !ok {
		l.metrics.limited.WithLabelValues("requests").Inc()
		return nil, limited(wait, "At most %v requests a second", limits.Requests)
	}
	m.inFlight++
	return sync.OnceFunc(func() { l.end(m) }), nil
}

func (l *limiter) end(m *meter) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m.inFlight--
}

func (l *limiter) pay(c *Caller, n int) error {
	if c.kind == kindOpen || n <= 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	m, err := l.meter(c, now)
	if err != nil {
		return err
	}
	limits := &m.limits
	if wait, ok := m.payments.take(float64(n), limits.Payments, limits.PaymentsBurst, now); !ok {
		l.metrics.limited.WithLabelValues("payments").Inc()
		return limited(wait, "At most %v payments a second", limits.Payments)
	}
	return nil
}

func (l *limiter) meter(c *Caller, now time.Time) (*meter, error) {
	id := c.ID()
	if m, ok := l.by[id]; ok {
		m.fill(now)
		m.limits = c.permit.limits
		return m, nil
	}
	if len(l.by) >= metersMax && now.Sub(l.swept) >= sweepEvery {
		l.sweep(now)
	}
	if len(l.by) >= metersMax {
		l.metrics.limited.WithLabelValues("callers").Inc()
		return nil, limited(sweepEvery, "More than %d callers at once", metersMax)
	}
	m := &meter{limits: c.permit.limits}
	l.by[id] = m
	return m, nil
}

// sweep forgets who has rested until both buckets are full: a new meter is the same.
func (l *limiter) sweep(now time.Time) {
	l.swept = now
	for id, m := range l.by {
		m.fill(now)
		if m.inFlight == 0 && m.requests.level >= m.limits.Burst && m.payments.level >= m.limits.PaymentsBurst {
			delete(l.by, id)
		}
	}
}

func (l *limiter) size() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return float64(len(l.by))
}

// wait is the cause of an error that ends by itself.
type wait time.Duration

func (w wait) Error() string { return fmt.Sprintf("again in %v", time.Duration(w)) }

func limited(after time.Duration, format string, args ...any) error {
	return &fault.Error{Kind: fault.TryLater, Reason: v10.ReasonRate, Text: fmt.Sprintf(format, args...), Cause: wait(after)}
}

// RetryAfter is when a request that was told v10.ReasonRate may come again, in whole seconds, rounded up, at least 1; else 0.
func RetryAfter(err error) int {
	var w wait
	if !errors.As(err, &w) {
		return 0
	}
	return max(1, int(math.Ceil(time.Duration(w).Seconds())))
}
