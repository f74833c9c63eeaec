// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"fmt"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

func limitedCaller(l *limiter, name string, limits Limits) *Caller {
	return &Caller{kind: kindKey, name: name, limiter: l, permit: &permit{limits: limits.over(DefaultLimits())}}
}

func testLimiter() *limiter { return newLimiter(newMetrics(prometheus.NewRegistry())) }

func TestRequestsASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := testLimiter()
		c := limitedCaller(l, "a", Limits{Requests: 0.5, Burst: 3})
		for i := range 3 {
			end, err := l.begin(c)
			if err != nil {
				t.Fatal(i, err)
			}
			end()
			end() // once more takes nothing back
		}
		_, err := l.begin(c)
		mustBe(t, err, fault.TryLater, v10.ReasonRate)
		if RetryAfter(err) != 2 || RetryAfter(nil) != 0 {
			t.Fatal(RetryAfter(err))
		}
		if p := v10.ProblemOf(err); p.Code != 429 {
			t.Error(p)
		}
		if _, err := l.begin(limitedCaller(l, "b", Limits{Requests: 0.5, Burst: 3})); err != nil {
			t.Error("another caller has a bucket of its own:", err)
		}
		<-time.After(2*time.Second - time.Millisecond)
		if _, err = l.begin(c); err == nil {
			t.Error("too early")
		}
		<-time.After(time.Millisecond)
		if _, err = l.begin(c); err != nil {
			t.Error(err)
		}
		if got := testutil.ToFloat64(l.metrics.limited.WithLabelValues("requests")); got != 2 {
			t.Error("counted", got)
		}
	})
}

// A batch above the burst passes a full bucket and leaves a debt, so the rate holds.
func TestPaymentsASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := testLimiter()
		c := limitedCaller(l, "a", Limits{Payments: 100, PaymentsBurst: 200})
		if err := c.Pay(1000); err != nil {
			t.Fatal(err)
		}
		err := c.Pay(1)
		mustBe(t, err, fault.TryLater, v10.ReasonRate)
		if RetryAfter(err) != 9 { // 801 / 100
			t.Error(RetryAfter(err))
		}
		<-time.After(8010 * time.Millisecond)
		if err := c.Pay(1); err != nil {
			t.Error(err)
		}
		if err := c.Pay(0); err != nil {
			t.Error(err)
		}
	})
}

func TestInFlightEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		_, text := r.key(t, Grant{Roles: []string{"reader"}, Limits: &Limits{InFlight: 1}})
		ctx, cancel := context.WithCancel(t.Context())
		if _, err := r.EnterBy(ctx, bearer(text)); err != nil {
			t.Fatal(err)
		}
		_, err := r.EnterBy(t.Context(), bearer(text))
		mustBe(t, err, fault.TryLater, v10.ReasonRate)
		cancel()
		synctest.Wait()
		if _, err := r.EnterBy(t.Context(), bearer(text)); err != nil {
			t.Fatal(err)
		}
	})
}

// At the bound new callers wait until others have rested; who is in debt or has requests under way is not forgotten.
func TestMetersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := testLimiter()
		busy, debtor := limitedCaller(l, "busy", Limits{}), limitedCaller(l, "debtor", Limits{Payments: 1, PaymentsBurst: 1})
		if _, err := l.begin(busy); err != nil {
			t.Fatal(err)
		}
		if err := debtor.Pay(1000); err != nil {
			t.Fatal(err)
		}
		for i := range metersMax - 2 {
			if err := limitedCaller(l, fmt.Sprint(i), Limits{Payments: 1, PaymentsBurst: 1}).Pay(1); err != nil {
				t.Fatal(err)
			}
		}
		late := limitedCaller(l, "late", Limits{})
		mustBe(t, late.Pay(1), fault.TryLater, v10.ReasonRate)
		<-time.After(2 * time.Second)
		if err := late.Pay(1); err != nil {
			t.Fatal(err)
		}
		if l.size() != 3 || l.by["key/busy"] == nil || debtor.Pay(1) == nil {
			t.Error("left:", l.size())
		}
	})
}

func TestLimitsRange(t *testing.T) {
	for _, bad := range []Limits{{Requests: -1}, {Burst: math.NaN()}, {Payments: math.Inf(1)}, {PaymentsBurst: 1e-9}, {InFlight: -1}} {
		g := Grant{Roles: []string{"reader"}, Limits: &bad}
		if _, err := g.compile(DefaultLimits()); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}
