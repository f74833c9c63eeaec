// SPDX-License-Identifier: Apache-2.0

package upstream

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// never is a setting that is never reached.
const never = 1 << 30

var lost = status.Error(codes.Unavailable, "transport is closing")

// hang waits for the caller's end.
func hang(ctx context.Context) error {
	<-ctx.Done()
	return status.FromContextError(ctx.Err()).Err()
}

func answerWith(err error) func(context.Context) error {
	return func(context.Context) error { return err }
}

// TestRetry sends a call again only where that cannot do it twice.
func TestRetry(t *testing.T) {
	undone := said(codes.ResourceExhausted, fault.TryLater)
	for _, x := range []struct {
		name  string
		retry Retry
		first error
		seen  int64 // by both validators
		code  codes.Code
	}{
		{"a read that was lost", RetrySafe, lost, 2, codes.OK},
		{"a read, and the node stops", RetrySafe, said(codes.Unavailable, fault.Unavailable), 2, codes.OK},
		{"a read, and the node is full", RetrySafe, undone, 2, codes.OK},
		{"a read of what is not there", RetrySafe, said(codes.NotFound, fault.NotFound), 1, codes.NotFound},
		{"a read that meets a bug", RetrySafe, status.Error(codes.Internal, "x"), 1, codes.Internal},
		{"a write without a key that was lost", RetryUnsent, lost, 1, codes.Unavailable},
		{"a write without a key, and the node is full", RetryUnsent, undone, 2, codes.OK},
		{"a write without a key, and the node has halted", RetryUnsent, said(codes.Unavailable, fault.Halted), 1, codes.Unavailable},
		{"what is sent once", RetryNever, undone, 1, codes.ResourceExhausted},
		{"what is sent once, and lost", RetryNever, lost, 1, codes.Unavailable},
	} {
		t.Run(x.name, func(t *testing.T) {
			w := newWorld(t, 2, Config{})
			w.fakes[0].do(answerWith(x.first))
			err := w.call(t.Context(), Call{Group: GroupPay, Retry: x.retry})
			if status.Code(err) != x.code || w.seen() != x.seen || w.fakes[0].seen.Load() != 1 || Refused(err) {
				t.Errorf("%v after %d calls, of which %d at the first one", err, w.seen(), w.fakes[0].seen.Load())
			}
		})
	}
}

// TestDiesInTheMiddle stops a validator while it has a call in hand.
func TestDiesInTheMiddle(t *testing.T) {
	for _, retry := range []Retry{RetryNever, RetryUnsent, RetrySafe} {
		w := newWorld(t, 2, Config{})
		w.fakes[0].do(hang)
		ended := make(chan error, 1)
		go func() { ended <- w.call(t.Context(), Call{Group: GroupPay, Retry: retry}) }()
		eventually(t, "the call is in hand", func() bool { return w.fakes[0].now.Load() == 1 })
		w.fakes[0].stop()
		err := <-ended
		if retry == RetrySafe {
			must(t, err)
			continue
		}
		if s := status.Convert(err); s.Code() != codes.Unavailable || len(s.Details()) > 0 || Refused(err) || w.fakes[1].seen.Load() != 0 {
			t.Errorf("retry %d: %v, want that nobody knows", retry, err)
		}
	}
}

// TestSentIsNoRefusal loses the only validator with a call in hand: that nobody is left to ask does not say that nothing was done.
func TestSentIsNoRefusal(t *testing.T) {
	w := newWorld(t, 1, Config{})
	w.fakes[0].do(hang)
	ended := make(chan error, 1)
	go func() { ended <- w.call(t.Context(), Call{Group: GroupPay, Retry: RetrySafe}) }()
	eventually(t, "the call is in hand", func() bool { return w.fakes[0].now.Load() == 1 })
	w.fakes[0].stop()
	if err := <-ended; status.Code(err) != codes.Unavailable || Refused(err) {
		t.Errorf("%v, want that nobody knows", err)
	}
}

// TestBudget lets everything fail: the validators see a tenth more calls than there were, and the floor.
func TestBudget(t *testing.T) {
	const calls = 1000
	w := newWorld(t, 4, Config{Budget: BudgetConfig{Floor: 3}, Breaker: BreakerConfig{SamplesMin: never}})
	for _, f := range w.fakes {
		f.do(answerWith(lost))
	}
	w.load(calls, 64, Call{Group: GroupRead, Retry: RetrySafe}, func(err error, _ time.Duration) {
		if status.Code(err) != codes.Unavailable || Refused(err) {
			t.Errorf("%v", err)
		}
	})
	retries := w.seen() - calls
	if retries > calls/10+3 || retries < calls/20 {
		t.Errorf("%d retries of %d calls", retries, calls)
	}
	if counted := w.value("aurigraph_upstream_retries_total", "group", "read"); counted != float64(retries) {
		t.Errorf("%v retries are counted, %d were seen", counted, retries)
	}
	if w.value("aurigraph_upstream_not_retried_total", "reason", notRetriedBudget) == 0 {
		t.Error("nobody is told that the budget is spent")
	}
	t.Logf("%d calls, %d attempts", calls, w.seen())
}

// TestBreakerOverConnections lets a group fail everywhere: it is not called for a while, then few look whether it is back.
func TestBreakerOverConnections(t *testing.T) {
	const probes = 2
	w := newWorld(t, 3, Config{Breaker: BreakerConfig{OpenMin: 300 * time.Millisecond, OpenMax: 300 * time.Millisecond, ProbesMax: probes}})
	for _, f := range w.fakes {
		f.do(answerWith(lost))
	}
	pay := Call{Group: GroupPay, Retry: RetryNever}
	refused := 0
	w.load(500, 8, pay, func(err error, _ time.Duration) {
		if !Refused(err) {
			return
		}
		refused++
		if after := RetryAfter(err); !fault.Is(err, fault.Unavailable) || fault.ReasonOf(err) != ReasonFailing || after <= 0 || after > time.Second {
			t.Errorf("%v, after %s", err, after)
		}
	})
	if refused < 200 || w.seen() > 300 {
		t.Errorf("%d of 500 are refused, %d were sent", refused, w.seen())
	}
	gate := make(chan struct{})
	var in, most atomic.Int64
	for _, f := range w.fakes {
		f.do(func(context.Context) error {
			n := in.Add(1)
			defer in.Add(-1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			<-gate
			return nil
		})
	}
	var group sync.WaitGroup
	eventually(t, "it is tried", func() bool {
		group.Go(func() { _ = w.call(t.Context(), pay) })
		return in.Load() == probes
	})
	for range 50 {
		if err := w.call(t.Context(), pay); fault.ReasonOf(err) != ReasonFailing {
			t.Fatalf("%v while the probes are under way", err)
		}
	}
	close(gate)
	group.Wait()
	if most.Load() != probes {
		t.Errorf("%d probes in flight", most.Load())
	}
	must(t, w.call(t.Context(), pay))
	if w.value("aurigraph_upstream_breaker_open", "group", "pay") != 0 || w.value("aurigraph_upstream_breaker_opened_total", "group", "pay") == 0 {
		t.Error("the breaker is not counted")
	}
}

// TestBulkhead fills one group with calls that hang: the others go on.
func TestBulkhead(t *testing.T) {
	const places = 4
	w := newWorld(t, 1, Config{Limits: map[Group]Limits{GroupPay: {InFlightMax: places, WaitMax: -1}}})
	gate := make(chan struct{})
	w.fakes[0].do(func(context.Context) error { <-gate; return nil })
	var group sync.WaitGroup
	for range places {
		group.Go(func() {
			if err := w.call(t.Context(), Call{Group: GroupPay}); err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, "the places are taken", func() bool { return w.fakes[0].now.Load() == places })
	began := time.Now()
	err := w.call(t.Context(), Call{Group: GroupPay})
	if !fault.Is(err, fault.TryLater) || fault.ReasonOf(err) != ReasonBusy || RetryAfter(err) == 0 || time.Since(began) > time.Second {
		t.Errorf("%v after %s", err, time.Since(began))
	}
	if w.value("aurigraph_upstream_in_flight", "group", "pay") != places || w.value("aurigraph_upstream_refused_total", "reason", ReasonBusy) != 1 {
		t.Error("it is not counted")
	}
	read := make(chan error, 1)
	go func() { read <- w.call(t.Context(), Call{Group: GroupRead}) }()
	eventually(t, "a read goes on", func() bool { return w.fakes[0].now.Load() == places+1 })
	close(gate)
	must(t, <-read)
	group.Wait()
	must(t, w.call(t.Context(), Call{Group: GroupPay}))
}

// TestEnter waits a little for a place, and not more of them than there are places.
func TestEnter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{Limits: map[Group]Limits{GroupPay: {InFlightMax: 1, WaitMax: 50 * time.Millisecond}}}
		l := newLane(GroupPay, &cfg)
		must(t, l.enter(t.Context()))
		ended := make(chan error)
		began := time.Now()
		go func() { ended <- l.enter(t.Context()) }()
		synctest.Wait()
		if err := l.enter(t.Context()); fault.ReasonOf(err) != ReasonBusy || time.Since(began) != 0 {
			t.Errorf("%v: a second one waits", err)
		}
		if err := <-ended; fault.ReasonOf(err) != ReasonBusy || time.Since(began) != 50*time.Millisecond {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		go func() { ended <- l.enter(t.Context()) }()
		synctest.Wait()
		l.leave()
		must(t, <-ended)
		if l.waiting.Load() != 0 {
			t.Error("somebody waits")
		}
	})
}

// TestHungValidator lets one of four answer nothing: no read fails, few are slow, and it is left alone.
func TestHungValidator(t *testing.T) {
	const calls, atATime, attempt = 6000, 16, time.Second
	w := newWorld(t, 4, Config{Ejection: EjectionConfig{PauseMin: time.Minute}})
	w.fakes[2].do(hang)
	var took []time.Duration
	w.load(calls, atATime, Call{Group: GroupRead, Retry: RetrySafe, Attempt: attempt}, func(err error, d time.Duration) {
		if err != nil {
			t.Errorf("a read failed: %v", err)
		}
		took = append(took, d)
	})
	slices.Sort(took)
	t.Logf("p50 %s, p99 %s, most %s; %d calls at the hung one", took[calls/2], took[calls*99/100], took[calls-1], w.fakes[2].seen.Load())
	if p99 := took[calls*99/100]; p99 > attempt/2 {
		t.Errorf("p99 is %s", p99)
	}
	if seen := w.fakes[2].seen.Load(); seen > atATime+3 {
		t.Errorf("%d calls at a validator that answers nothing", seen)
	}
	if w.pool.Up() != 3 || w.value("aurigraph_upstream_left_out_total", "validator", w.fakes[2].address) != 1 {
		t.Errorf("%d are up", w.pool.Up())
	}
}

// TestOneGroupFails leaves a validator out for what it fails, and asks it all else.
func TestOneGroupFails(t *testing.T) {
	w := newWorld(t, 2, Config{Ejection: EjectionConfig{PauseMin: time.Minute}})
	w.fakes[0].do(answerWith(lost))
	for range 3 {
		_ = w.call(t.Context(), Call{Group: GroupPay})
	}
	w.fakes[0].do(answerWith(nil))
	seen := w.fakes[0].seen.Load()
	must(t, w.call(t.Context(), Call{Group: GroupPay}))
	if w.fakes[0].seen.Load() != seen {
		t.Error("it is asked what it failed")
	}
	must(t, w.call(t.Context(), Call{Group: GroupRead}))
	if w.fakes[0].seen.Load() != seen+1 {
		t.Error("it is not asked what it can do")
	}
}

// TestGoesAwayAndComesBack stops one validator and starts it again: no read fails, and it is asked again.
func TestGoesAwayAndComesBack(t *testing.T) {
	w := newWorld(t, 2, Config{Ejection: EjectionConfig{PauseMin: 50 * time.Millisecond, PauseMax: 50 * time.Millisecond}})
	read := Call{Group: GroupRead, Retry: RetrySafe}
	stop := make(chan struct{})
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if err := w.call(t.Context(), read); err != nil {
					t.Errorf("a read failed: %v", err)
				}
			}
		})
	}
	w.fakes[0].stop()
	eventually(t, "one is up", func() bool { return w.pool.Up() == 1 })
	w.fakes[0].start()
	before := w.fakes[0].seen.Load()
	eventually(t, "it is asked again", func() bool { return w.pool.Up() == 2 && w.fakes[0].seen.Load() > before+10 })
	close(stop)
	group.Wait()
}

// TestSlowValidator answers in time for those who wait: a slow validator is no fault.
func TestSlowValidator(t *testing.T) {
	w := newWorld(t, 2, Config{})
	w.fakes[0].do(func(ctx context.Context) error {
		select {
		case <-time.After(300 * time.Millisecond):
		case <-ctx.Done():
		}
		return nil
	})
	for range 4 {
		must(t, w.call(t.Context(), Call{Group: GroupRead, Retry: RetrySafe}))
	}
	if w.fakes[0].seen.Load() != 4 || w.pool.Up() != 2 {
		t.Errorf("%d calls, %d are up", w.fakes[0].seen.Load(), w.pool.Up())
	}
}

// TestDeadline sees at the validator how long the caller has, and no longer.
func TestDeadline(t *testing.T) {
	for _, x := range []struct {
		name       string
		floor      int // of the budget
		call       Call
		patience   time.Duration // of the caller; 0: it brought no deadline
		min, limit time.Duration // what the validator sees
	}{
		{"sent once: all of it", 0, Call{Group: GroupPay}, 20 * time.Second, 15 * time.Second, 20 * time.Second},
		{"a third", 0, Call{Group: GroupList, Retry: RetrySafe}, 12 * time.Second, 3 * time.Second, 4 * time.Second},
		{"at most the group's", 0, Call{Group: GroupRead, Retry: RetrySafe}, 5 * time.Minute, 2 * time.Second, 3 * time.Second},
		{"the call's own", 0, Call{Group: GroupRead, Retry: RetrySafe, Attempt: 7 * time.Second}, time.Minute, 6 * time.Second, 7 * time.Second},
		{"at least AttemptMin", 0, Call{Group: GroupRead, Retry: RetrySafe}, 900 * time.Millisecond, 300 * time.Millisecond, 500 * time.Millisecond},
		{"not more than there is", 0, Call{Group: GroupRead, Retry: RetrySafe}, 400 * time.Millisecond, 100 * time.Millisecond, 400 * time.Millisecond},
		{"the only attempt: all of it", 0, Call{Group: GroupRead, Retry: RetrySafe, Attempts: 1}, 20 * time.Second, 15 * time.Second, 20 * time.Second},
		{"no retry is left: all of it", -1, Call{Group: GroupRead, Retry: RetrySafe}, 20 * time.Second, 15 * time.Second, 20 * time.Second},
		{"the group's default", 0, Call{Group: GroupPay}, 0, 50 * time.Second, time.Minute},
	} {
		w := newWorld(t, 1, Config{Budget: BudgetConfig{Floor: x.floor}})
		saw := make(chan time.Duration, AttemptsMax)
		w.fakes[0].do(func(ctx context.Context) error {
			end, _ := ctx.Deadline()
			saw <- time.Until(end)
			return nil
		})
		ctx := t.Context()
		if x.patience > 0 {
			c, cancel := context.WithTimeout(ctx, x.patience)
			defer cancel()
			ctx = c
		}
		must(t, w.call(ctx, x.call))
		if d := <-saw; d < x.min || d > x.limit {
			t.Errorf("%s: %s, want %s to %s", x.name, d, x.min, x.limit)
		}
	}
}

// TestCancelDoesNotCount lets callers leave while a validator hangs.
func TestCancelDoesNotCount(t *testing.T) {
	const calls = 60
	w := newWorld(t, 2, Config{})
	w.fakes[0].do(hang)
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for range calls {
		group.Go(func() {
			if err := w.call(ctx, Call{Group: GroupRead, Retry: RetrySafe, Attempt: time.Minute}); status.Code(err) != codes.Canceled {
				t.Error(err)
			}
		})
	}
	eventually(t, "the calls are in hand", func() bool { return w.fakes[0].now.Load() == calls })
	cancel()
	group.Wait()
	if w.pool.Up() != 2 || w.value("aurigraph_upstream_attempts_total", "result", "left") != calls || w.value("aurigraph_upstream_attempts_total", "result", "fault") != 0 {
		t.Errorf("%d are up", w.pool.Up())
	}
	if err := w.call(ctx, Call{Group: GroupRead}); !fault.Is(err, fault.TryLater) || fault.ReasonOf(err) != ReasonLate {
		t.Errorf("%v: a call that is over before it begins", err)
	}
}

// TestNobodyIsReached answers soon, whatever the caller's patience.
func TestNobodyIsReached(t *testing.T) {
	w := newWorld(t, 2, Config{})
	w.fakes[0].stop()
	w.fakes[1].stop()
	eventually(t, "nobody is reached", func() bool { return !w.pool.Connected() })
	for _, retry := range []Retry{RetryNever, RetryUnsent, RetrySafe} {
		began := time.Now()
		err := w.call(t.Context(), Call{Group: GroupPay, Retry: retry})
		if !fault.Is(err, fault.Unavailable) || fault.ReasonOf(err) != ReasonNoValidator || RetryAfter(err) == 0 {
			t.Error(err)
		}
		if took := time.Since(began); took > 2*time.Second || retry == RetryNever && took > time.Second/2 {
			t.Errorf("retry %d: after %s", retry, took)
		}
	}
	// One that comes while a call waits is asked.
	ended := make(chan error, 1)
	w.fakes[1].start()
	go func() {
		for {
			if err := w.call(t.Context(), Call{Group: GroupPay, Retry: RetryUnsent}); !Refused(err) {
				ended <- err
				return
			}
		}
	}()
	must(t, <-ended)
}

// TestStream picks a connection, and counts how the stream ended.
func TestStream(t *testing.T) {
	w := newWorld(t, 2, Config{})
	for i := range 3 {
		conn, done, err := w.pool.Stream(t.Context(), Call{Group: GroupPay})
		must(t, err)
		if AddressOf(conn) != w.fakes[0].address {
			t.Fatalf("stream %d is at %s", i, AddressOf(conn))
		}
		must(t, check(t.Context(), conn))
		done(lost)
	}
	conn, done, err := w.pool.Stream(t.Context(), Call{Group: GroupPay})
	must(t, err)
	if AddressOf(conn) != w.fakes[1].address || w.pool.Up() != 1 {
		t.Error("it is asked although it fails")
	}
	done(nil)
	must(t, w.pool.Follow(nil))
	if _, _, err := w.pool.Stream(t.Context(), Call{Group: GroupPay}); fault.ReasonOf(err) != ReasonNoValidator || !Refused(err) {
		t.Error(err)
	}
}

// TestNotServing asks nothing of a validator that lets nobody in, until it does again.
func TestNotServing(t *testing.T) {
	w := newWorld(t, 2, Config{})
	w.fakes[0].serve(grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	eventually(t, "the pool knows", func() bool { return w.pool.Up() == 1 })
	for key := range uint32(8) {
		must(t, w.call(t.Context(), Call{Group: GroupPay, Key: key}))
	}
	if n := w.fakes[0].seen.Load(); n != 0 {
		t.Errorf("it was asked %d times", n)
	}
	w.fakes[0].serve(grpc_health_v1.HealthCheckResponse_SERVING)
	eventually(t, "it is asked again", func() bool {
		must(t, w.call(t.Context(), Call{Group: GroupPay}))
		return w.fakes[0].seen.Load() > 0
	})
}

// TestFollow takes validators off the list and puts others on it.
func TestFollow(t *testing.T) {
	w := newWorld(t, 2, Config{})
	w.fakes[0].do(hang)
	ended := make(chan error, 1)
	go func() { ended <- w.call(t.Context(), Call{Group: GroupPay}) }()
	eventually(t, "the call is in hand", func() bool { return w.fakes[0].now.Load() == 1 })
	must(t, w.pool.Follow([]string{w.fakes[1].address}))
	if err := <-ended; status.Code(err) != codes.Unavailable || Refused(err) {
		t.Errorf("%v, want that nobody knows", err)
	}
	for key := range uint32(4) {
		must(t, w.call(t.Context(), Call{Group: GroupPay, Key: key}))
	}
	if w.pool.Up() != 1 || len(w.pool.Reached()) != 1 || w.pool.Reached()[0].Address() != w.fakes[1].address {
		t.Error("the old one is there")
	}
	w.pool.Note(t.Context(), w.pool.Reached()[0], GroupChain, time.Second, lost)
	if w.value("aurigraph_upstream_attempts_total", "group", string(GroupChain)) != 1 {
		t.Error("what is noted is not counted")
	}
}

// TestPanicGivesBack lets do panic: its place and its permit are free again.
func TestPanicGivesBack(t *testing.T) {
	w := newWorld(t, 1, Config{Limits: map[Group]Limits{GroupPay: {InFlightMax: 1, WaitMax: -1}}})
	for range 2 {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic is gone")
				}
			}()
			_ = w.pool.Do(t.Context(), Call{Group: GroupPay}, func(context.Context, grpc.ClientConnInterface) error { panic("x") })
		}()
	}
	own := errors.New("do's own")
	if err := w.pool.Do(t.Context(), Call{Group: GroupPay}, func(context.Context, grpc.ClientConnInterface) error { return own }); err != own {
		t.Error(err)
	}
}

// BenchmarkDo is what a call costs beside the call itself.
func BenchmarkDo(b *testing.B) {
	w := newWorld(b, 4, Config{})
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	for name, retry := range map[string]Retry{"once": RetryNever, "safe": RetrySafe} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := range b.N {
				_ = w.pool.Do(ctx, Call{Group: GroupPay, Retry: retry, Key: uint32(i)}, func(context.Context, grpc.ClientConnInterface) error { return nil })
			}
		})
	}
}
