// SPDX-License-Identifier: Apache-2.0

package remote

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	custodyv1 "github.com/aurigraph/aurigraph/gen/aurigraph/custody/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/custody"
	"github.com/aurigraph/aurigraph/internal/fault"
)

func TestPaymentTravels(t *testing.T) {
	d := &desk{handle: pays(9)}
	l := ledgerOf(t, Config{Key: "ak_gateway"}, d)
	a := l.Desk().PayMany(t.Context(), []custody.Payment{payment("ann\xff", "k 1")})[0]
	if want := (custody.Result{Height: 9, TimeUs: 7, First: true}); a.Err != nil || a.Result != want {
		t.Errorf("%+v", a)
	}
	q := d.calls()[0].Payments[0]
	if string(q.From) != "ann\xff" || string(q.To) != "payee" || q.Asset != "AUR" || q.Amount != "5" || q.IdempotencyKey != "k 1" || q.Caller == nil || *q.Caller != "user/ann" {
		t.Errorf("%v", q)
	}
	if strings.Join(d.keys, " ") != "ak_gateway" {
		t.Errorf("API keys %q", d.keys)
	}
	if l.seen.Load() != 9 {
		t.Errorf("seen %d", l.seen.Load())
	}
	l.Desk().PayMany(t.Context(), []custody.Payment{payment("ann", "")})
	if q := d.calls()[1].Payments[0]; q.Caller != nil || q.IdempotencyKey != "" {
		t.Errorf("a payment without a key names a caller: %v", q)
	}
	nobody := payment("ann", "k")
	nobody.Caller = ""
	l.Desk().PayMany(t.Context(), []custody.Payment{nobody})
	if q := d.calls()[2].Payments[0]; q.Caller == nil || *q.Caller != "" {
		t.Errorf("nobody's key would be the gateway's own: %v", q)
	}
}

// TestTroubles is what comes of a payment when one validator, or two, do not make it.
func TestTroubles(t *testing.T) {
	type handler = func(context.Context, *custodyv1.PayManyRequest) (*custodyv1.PayManyResponse, error)
	for _, c := range []struct {
		name          string
		first, second handler
		key           string
		want          string // reason, or ok
		calls         int    // of both
	}{
		{"lost without a key", loses(codes.Unavailable), pays(1), "", "unknown_outcome", 1},
		{"late without a key", loses(codes.DeadlineExceeded), pays(1), "", "unknown_outcome", 1},
		{"lost with a key", loses(codes.Unavailable), pays(1), "k", "ok", 2},
		{"lost with a key, and nobody else", loses(codes.Unavailable), loses(codes.Unavailable), "k", "unknown_outcome", 2},
		{"lost with a key, then refused for now", loses(codes.Unavailable), refuses(codes.ResourceExhausted, fault.TryLater, "calls_full"), "k", "unknown_outcome", 2},
		{"full", refuses(codes.ResourceExhausted, fault.TryLater, "calls_full"), pays(1), "", "ok", 2},
		{"all full", refuses(codes.ResourceExhausted, fault.TryLater, "calls_full"), refuses(codes.ResourceExhausted, fault.TryLater, "calls_full"), "", "calls_full", 2},
		{"starting", refuses(codes.Unavailable, fault.Unavailable, "starting"), pays(1), "", "ok", 2},
		{"denied", refuses(codes.PermissionDenied, fault.Denied, "role_denied"), pays(1), "k", "role_denied", 1},
		{"stopping", says(fault.Unavailable, "stopping"), pays(1), "", "ok", 2},
		{"all stopping", says(fault.Unavailable, "stopping"), says(fault.Unavailable, "stopping"), "", "stopping", wavesMax},
		{"unknown with a key", says(fault.Timeout, "unknown_outcome"), pays(1), "k", "ok", 2},
		{"unknown without a key", says(fault.Timeout, "unknown_outcome"), pays(1), "", "unknown_outcome", 1},
		{"no funds in the caps", says(fault.Denied, "over_cap"), pays(1), "", "over_cap", 1},
		{"no such payer", says(fault.NotFound, "unknown_payer"), pays(1), "k", "unknown_payer", 1},
		{"few answers", func(context.Context, *custodyv1.PayManyRequest) (*custodyv1.PayManyResponse, error) {
			return &custodyv1.PayManyResponse{}, nil
		}, pays(1), "", "unknown_outcome", 1},
		{"empty answer", func(context.Context, *custodyv1.PayManyRequest) (*custodyv1.PayManyResponse, error) {
			return &custodyv1.PayManyResponse{Answers: []*custodyv1.PayAnswer{{}}}, nil
		}, pays(1), "", "unknown_outcome", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			second, first := &desk{handle: c.second}, &desk{handle: c.first}
			l := ledgerOf(t, Config{}, second, first) // slot 0 has key 1, which falls on the second one of the list
			a := l.Desk().PayMany(t.Context(), []custody.Payment{payment("ann", c.key)})[0]
			got := "ok"
			if a.Err != nil {
				got = fault.ReasonOf(a.Err)
			}
			if calls := len(first.calls()) + len(second.calls()); got != c.want || calls != c.calls {
				t.Errorf("%s after %d calls, want %s after %d: %v", got, calls, c.want, c.calls, a.Err)
			}
			if c.want == "unknown_outcome" && !fault.Is(a.Err, fault.Timeout) {
				t.Errorf("an unknown outcome is %v", fault.KindOf(a.Err))
			}
		})
	}
}

// TestEachForItself keeps the answers of those that one validator made, and puts only the others to the next one.
func TestEachForItself(t *testing.T) {
	half := &desk{handle: func(_ context.Context, q *custodyv1.PayManyRequest) (*custodyv1.PayManyResponse, error) {
		a, _ := pays(3)(nil, q)
		b, _ := says(fault.Unavailable, "stopping")(nil, q)
		for i := range a.Answers {
			if i%2 == 1 {
				a.Answers[i] = b.Answers[i]
			}
		}
		return a, nil
	}}
	whole := &desk{handle: pays(4)}
	l := ledgerOf(t, Config{}, whole, half)
	ps := []custody.Payment{payment("a", ""), payment("b", ""), payment("c", ""), payment("d", "")}
	for i, a := range l.Desk().PayMany(t.Context(), ps) {
		if a.Err != nil || a.Height != chain.Height(3+i%2) {
			t.Errorf("payment %d: %+v", i, a)
		}
	}
	if q := whole.calls(); len(q) != 1 || len(q[0].Payments) != 2 || string(q[0].Payments[0].From) != "b" {
		t.Errorf("%v", q)
	}
}

// TestPoolRefuses: what was never sent is refused in the pool's words, never unknown.
func TestPoolRefuses(t *testing.T) {
	l := newTestLedger(t, Config{}, &pool{refuses: fault.Reasoned(fault.Unavailable, "no_validator", "…")})
	for _, key := range []string{"", "k"} {
		if a := l.Desk().PayMany(t.Context(), []custody.Payment{payment("ann", key)})[0]; !fault.Is(a.Err, fault.Unavailable) || fault.ReasonOf(a.Err) != "no_validator" {
			t.Errorf("key %q: %v", key, a.Err)
		}
	}
	if _, err := l.Desk().Open(t.Context(), "bob"); fault.ReasonOf(err) != "no_validator" {
		t.Error(err)
	}
	if _, err := l.Desk().Issue(t.Context(), "a", "b", "X", chain.Units(1)); fault.ReasonOf(err) != "no_validator" {
		t.Error(err)
	}
	if _, err := l.Reader().Status(t.Context()); fault.ReasonOf(err) != "no_validator" {
		t.Error(err)
	}
}

// TestCoalescing holds the calls under way: what comes meanwhile shares the next one, and an idle one goes at once.
func TestCoalescing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		d := &desk{handle: func(ctx context.Context, q *custodyv1.PayManyRequest) (*custodyv1.PayManyResponse, error) {
			<-hold
			return pays(1)(ctx, q)
		}}
		l := ledgerOf(t, Config{Calls: 2}, d)
		answers := make(chan custody.Answer, 100)
		payOne := func(from, key string) {
			go func() { answers <- l.Desk().PayMany(t.Context(), []custody.Payment{payment(from, key)})[0] }()
			synctest.Wait()
		}
		payOne("a", "")
		payOne("b", "")
		if len(d.calls()) != 2 {
			t.Fatalf("%d calls for two idle payments", len(d.calls()))
		}
		for _, from := range strings.Split("c d e f a a", " ") {
			payOne(from, "")
		}
		payOne("g", "k")
		if len(d.calls()) != 2 || l.Desk().waiting() != 7 {
			t.Fatalf("%d calls, %v wait", len(d.calls()), l.Desk().waiting())
		}
		close(hold)
		for range 9 {
			if a := <-answers; a.Err != nil {
				t.Error(a.Err)
			}
		}
		total := 0
		for _, q := range d.calls() {
			total += len(q.Payments)
		}
		if len(d.calls()) > 6 || total != 9 {
			t.Errorf("%d calls with %d payments", len(d.calls()), total)
		}
	})
}

// TestHungValidator: one of four that hangs holds its own share of the calls, and who pays through the others goes on.
func TestHungValidator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := func(ctx context.Context, _ *custodyv1.PayManyRequest) (*custodyv1.PayManyResponse, error) {
			<-ctx.Done()
			return nil, status.Error(codes.DeadlineExceeded, "")
		}
		slow := func(ctx context.Context, q *custodyv1.PayManyRequest) (*custodyv1.PayManyResponse, error) {
			<-time.After(10 * time.Millisecond)
			return pays(1)(ctx, q)
		}
		hung := &desk{handle: hangs}
		l := ledgerOf(t, Config{}, &desk{handle: slow}, hung, &desk{handle: slow}, &desk{handle: slow})
		paid, lost := 0, 0
		answers := make(chan custody.Answer, 1000)
		for i := range 1000 {
			go func() { answers <- l.Desk().PayMany(t.Context(), []custody.Payment{payment(fmt.Sprint(i), "")})[0] }()
			<-time.After(time.Millisecond)
		}
		for range 1000 {
			if a := <-answers; a.Err == nil {
				paid++
			} else {
				lost++
			}
		}
		if calls := len(hung.calls()); calls > 3 || lost > 100 {
			t.Errorf("%d calls hang, and %d payments with them; %d were made", calls, lost, paid)
		}
	})
}

// TestCallersLeave: when a caller's time is over, what waits was not done, and of what travels nobody knows.
func TestCallersLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		d := &desk{handle: func(ctx context.Context, q *custodyv1.PayManyRequest) (*custodyv1.PayManyResponse, error) {
			<-hold
			return pays(1)(ctx, q)
		}}
		l := ledgerOf(t, Config{Calls: 1, WaitingMax: 2}, d)
		ctx, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		travels, waits := make(chan error, 1), make(chan error, 1)
		go func() { travels <- l.Desk().PayMany(ctx, []custody.Payment{payment("a", "")})[0].Err }()
		synctest.Wait()
		go func() { waits <- l.Desk().PayMany(ctx, []custody.Payment{payment("a", "")})[0].Err }()
		synctest.Wait()
		full := l.Desk().PayMany(ctx, []custody.Payment{payment("b", ""), payment("c", "")})
		if fault.ReasonOf(full[1].Err) != "waiting_full" || !fault.Is(full[1].Err, fault.TryLater) {
			t.Errorf("beyond the bound: %v", full[1].Err)
		}
		if err := <-travels; fault.ReasonOf(err) != "unknown_outcome" {
			t.Error(err)
		}
		if err := <-waits; fault.ReasonOf(err) != "not_sent" || !fault.Is(err, fault.TryLater) {
			t.Error(err)
		}
		close(hold)
		synctest.Wait()
		if len(d.calls()) != 1 || l.Desk().waiting() != 0 {
			t.Errorf("%d calls, %v wait: what was withdrawn travelled", len(d.calls()), l.Desk().waiting())
		}
	})
}

// TestPayMaxBounds: a call that hangs ends with PayMax, for callers who brought no time of their own.
func TestPayMaxBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &desk{handle: func(ctx context.Context, _ *custodyv1.PayManyRequest) (*custodyv1.PayManyResponse, error) {
			<-ctx.Done()
			return nil, errors.New("cut")
		}}
		l := ledgerOf(t, Config{PayMax: 3 * time.Second}, d)
		began := time.Now()
		a := l.Desk().PayMany(t.Context(), []custody.Payment{payment("a", "k")})[0]
		if took := time.Since(began); !fault.Is(a.Err, fault.Timeout) || took > 3*time.Second {
			t.Errorf("%v after %v", a.Err, took)
		}
		synctest.Wait()
	})
}

func TestConfigRefuses(t *testing.T) {
	ok := Parts{Validators: &pool{}}
	for name, c := range map[string]struct {
		cfg   Config
		parts Parts
	}{
		"validators": {Config{}, Parts{}}, "calls": {Config{Calls: CallsMax + 1}, ok}, "negative calls": {Config{Calls: -1}, ok},
		"waiting": {Config{WaitingMax: -1}, ok}, "time": {Config{PayMax: -1}, ok},
	} {
		if _, err := New(c.cfg, c.parts); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	many := make([]custody.Payment, PaymentsMax+1)
	for _, a := range ledgerOf(t, Config{}, &desk{}).Desk().PayMany(t.Context(), many) {
		if !fault.Is(a.Err, fault.Invalid) {
			t.Fatal(a.Err)
		}
	}
	if a := ledgerOf(t, Config{}, &desk{}).Desk().PayMany(t.Context(), nil); len(a) != 0 {
		t.Error(a)
	}
}
