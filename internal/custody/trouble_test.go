// SPDX-License-Identifier: Apache-2.0

package custody

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// TestMishaps loses submissions and answers in every way: each payment is made once, and its caller is told so.
func TestMishaps(t *testing.T) {
	for name, of := range map[string][]mishap{
		"never taken": {lostBefore, lostBefore}, "answer lost": {lostAfter}, "executed late": {late}, "full": {tryLater, tryLater, tryLater},
		"stopping": {unavailable}, "hangs": {hang}, "all of it": {tryLater, lostBefore, unavailable, hang, late, tryLater},
		"taken, then refused as unavailable": {lostAfter, unavailable, tryLater, denied},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := start(t, func(c *Config) { c.PayMax, c.AttemptMax = time.Minute, time.Second })
				defer w.close()
				w.fake.trouble = func(n int, _ chain.Batch) mishap {
					if n < len(of) {
						return of[n]
					}
					return none
				}
				alice := w.fake.fund("alice", 1000)
				r, err := w.pay("alice", "bob", 7)
				if err != nil || r.Outcome != chain.OK || w.fake.balance(alice) != 993 || len(w.fake.executed) != 1 {
					t.Errorf("%+v, %v; alice has %d", r, err, w.fake.balance(alice))
				}
				time.Sleep(time.Minute)
				if w.fake.balance(alice) != 993 {
					t.Errorf("later alice has %d", w.fake.balance(alice))
				}
			})
		})
	}
}

// TestDeniedKey does not try for ever what cannot be: nothing was done, and that is not the client's fault.
func TestDeniedKey(t *testing.T) {
	for _, how := range []mishap{denied, revoked} {
		synctest.Test(t, func(t *testing.T) {
			w := start(t, nil)
			defer w.close()
			w.fake.trouble = func(int, chain.Batch) mishap { return how }
			alice := w.fake.fund("alice", 1000)
			began := time.Now()
			_, err := w.pay("alice", "bob", 7)
			if !fault.Is(err, fault.Unavailable) || fault.ReasonOf(err) != "not_done" || w.fake.balance(alice) != 1000 || time.Since(began) > 10*blockTime {
				t.Errorf("%d: %v after %v", how, err, time.Since(began))
			}
		})
	}
}

// TestUnknown tells a caller whose time is over that nobody knows, goes on with the same bytes, and lets the payer's next payment wait
// for it.
func TestUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, func(c *Config) { c.AttemptMax = time.Second })
		defer w.close()
		alice := w.fake.fund("alice", 1000)
		var ids sync.Map
		var stuck atomic.Bool
		stuck.Store(true)
		w.fake.trouble = func(_ int, b chain.Batch) mishap {
			ids.Store(string(b.Bytes()), true)
			if stuck.Load() {
				return hang
			}
			return none
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err := w.desk.Pay(ctx, Payment{From: "alice", To: "bob", Amount: chain.Units(7)})
		if !fault.Is(err, fault.Timeout) || fault.ReasonOf(err) != "unknown_outcome" {
			t.Errorf("%v", err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err = w.desk.Pay(ctx, Payment{From: "alice", To: "bob", Amount: chain.Units(20)})
		if !fault.Is(err, fault.TryLater) || fault.ReasonOf(err) != "not_sent" {
			t.Errorf("behind it: %v", err)
		}
		if w.fake.balance(alice) != 1000 {
			t.Errorf("alice has %d", w.fake.balance(alice))
		}
		stuck.Store(false)
		r, err := w.pay("alice", "bob", 100)
		if err != nil || r.Outcome != chain.OK || w.fake.balance(alice) != 893 {
			t.Errorf("%+v, %v, alice has %d: the first was unknown and may be made, the second must not", r, err, w.fake.balance(alice))
		}
		n := 0
		ids.Range(func(any, any) bool { n++; return true })
		if late := testutil.ToFloat64(w.desk.metrics.late); n != 2 || late != 1 {
			t.Errorf("%d different batches were submitted for two payments, %v fates came late", n, late)
		}
	})
}

// TestUnreachable tells within the deadline that nothing was done, and does nothing afterwards.
func TestUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, func(c *Config) { c.PayMax = 2 * time.Second })
		defer w.close()
		alice := w.fake.fund("alice", 1000)
		w.fake.fund("bob", 0)
		_, err := w.pay("alice", "bob", 1)
		must(t, err)
		for name, trouble := range map[string]func(){
			"every call fails":          func() { w.fake.down = true },
			"submissions are not taken": func() { w.fake.trouble = func(int, chain.Batch) mishap { return unavailable } },
		} {
			w.fake.mu.Lock()
			trouble()
			w.fake.mu.Unlock()
			_, err := w.pay("alice", "bob", 7)
			if !fault.Is(err, fault.TryLater) || fault.ReasonOf(err) != "not_sent" {
				t.Errorf("%s: %v", name, err)
			}
			w.fake.mu.Lock()
			w.fake.down, w.fake.trouble = false, func(int, chain.Batch) mishap { return none }
			w.fake.mu.Unlock()
			time.Sleep(10 * time.Second)
			if have := w.fake.balance(alice); have != 999 {
				t.Errorf("%s: alice has %d afterwards", name, have)
			}
		}
	})
}

// TestStaleBeforeItIs is told at a door that a batch is stale, while its first copy still waits to be executed: to sign again then
// would pay twice.
func TestStaleBeforeItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, nil)
		defer w.close()
		alice := w.fake.fund("alice", 1000)
		w.fake.trouble = func(n int, _ chain.Batch) mishap { return []mishap{late, queueAhead, none}[min(n, 2)] }
		r, err := w.pay("alice", "bob", 7)
		time.Sleep(time.Minute)
		if err != nil || r.Outcome != chain.OK || w.fake.balance(alice) != 993 {
			t.Errorf("%+v, %v, alice has %d", r, err, w.fake.balance(alice))
		}
	})
}

// TestGoneBeforeItWasSent lets a caller leave while the carrier prepares his payment: it is not made.
func TestGoneBeforeItWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, func(c *Config) { c.PayMax = time.Second })
		defer w.close()
		alice := w.fake.fund("alice", 1000)
		w.fake.fund("bob", 0)
		w.fake.slow = 2 * time.Second
		_, err := w.pay("alice", "bob", 7)
		time.Sleep(time.Minute)
		if fault.ReasonOf(err) != "not_sent" || w.fake.balance(alice) != 1000 || w.fake.submitted != 0 {
			t.Errorf("%v, alice has %d, %d submissions", err, w.fake.balance(alice), w.fake.submitted)
		}
	})
}

// TestStolenChannel has somebody else use the desk's channels: it notes that by stale, takes others, and pays once.
func TestStolenChannel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, func(c *Config) { c.PayMax = time.Minute })
		defer w.close()
		alice := w.fake.fund("alice", 1000)
		synctest.Wait()
		w.fake.mu.Lock()
		w.fake.channels[10], w.fake.channels[11] = 50, 50
		w.fake.mu.Unlock()
		for range 3 {
			if r, err := w.pay("alice", "bob", 7); err != nil || r.Outcome != chain.OK {
				t.Errorf("%+v, %v", r, err)
			}
		}
		again := testutil.ToFloat64(w.desk.metrics.again.WithLabelValues("stale"))
		if w.fake.balance(alice) != 979 || again != 1 || w.fake.channels[10] != 50 && w.fake.channels[11] != 50 {
			t.Errorf("alice has %d, %v signed again, channels %v", w.fake.balance(alice), again, w.fake.channels)
		}
	})
}

// TestOnlyChannelStolen goes on with the same channel where there is no other.
func TestOnlyChannelStolen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, func(c *Config) { c.Carriers, c.ChannelFirst, c.ChannelLast = 1, 10, 10 })
		defer w.close()
		w.fake.fund("alice", 1000)
		synctest.Wait()
		w.fake.mu.Lock()
		w.fake.channels[10] = 50
		w.fake.mu.Unlock()
		if r, err := w.pay("alice", "bob", 7); err != nil || r.Outcome != chain.OK || w.fake.channels[10] != 52 {
			t.Errorf("%+v, %v, sequence %d", r, err, w.fake.channels[10])
		}
	})
}

// TestStolenWhileUnknown has a batch executed whose answer is lost, and the channel stolen before it is sent again: it was executed,
// and must not be signed again.
func TestStolenWhileUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, nil)
		defer w.close()
		alice := w.fake.fund("alice", 1000)
		w.fake.trouble = func(n int, b chain.Batch) mishap {
			if n == 0 {
				return lostAfter
			}
			w.fake.mu.Lock()
			w.fake.channels[b.Header().Channel] = 900
			w.fake.mu.Unlock()
			return none
		}
		r, err := w.pay("alice", "bob", 7)
		if err != nil || r.Outcome != chain.OK || w.fake.balance(alice) != 993 {
			t.Errorf("%+v, %v, alice has %d", r, err, w.fake.balance(alice))
		}
	})
}

// TestExpired signs again what came too late.
func TestExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, func(c *Config) { c.ValidityBlocks = 100 })
		defer w.close()
		alice := w.fake.fund("alice", 1000)
		w.fake.trouble = func(n int, _ chain.Batch) mishap {
			if n == 0 {
				w.fake.mu.Lock()
				w.fake.height += 1000
				w.fake.mu.Unlock()
				return lostBefore
			}
			return none
		}
		r, err := w.pay("alice", "bob", 7)
		if err != nil || r.Outcome != chain.OK || w.fake.balance(alice) != 993 || testutil.ToFloat64(w.desk.metrics.again.WithLabelValues("expired")) != 1 {
			t.Errorf("%+v, %v, alice has %d", r, err, w.fake.balance(alice))
		}
	})
}

// TestRestart never uses a sequence of the process before for another batch, though that one's last batch comes after our first.
func TestRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, func(c *Config) { c.Carriers, c.DrainMax = 1, 10*time.Millisecond })
		alice := w.fake.fund("alice", 1000)
		w.fake.fund("bob", 0)
		w.fake.trouble = func(n int, _ chain.Batch) mishap { return late }
		go func() {
			if _, err := w.pay("alice", "bob", 7); !fault.Is(err, fault.Timeout) {
				t.Errorf("its desk stopped meanwhile: %v", err)
			}
		}()
		synctest.Wait()
		w.close()
		w.fake.trouble = func(int, chain.Batch) mishap { return none }
		w.open(func(c *Config) { c.Carriers = 1 })
		defer w.close()
		r, err := w.pay("alice", "bob", 100)
		must(t, err)
		time.Sleep(5 * time.Second) // the old batch arrives, and is stale
		if r.Outcome != chain.OK || w.fake.balance(alice) != 900 || testutil.ToFloat64(w.desk.metrics.again.WithLabelValues("stale")) != 0 {
			t.Errorf("%+v, alice has %d", r, w.fake.balance(alice))
		}
	})
}

// TestHurry: a desk whose ledger has ended lets go of what is under way, and does not wait for it.
func TestHurry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, func(c *Config) { c.Carriers, c.DrainMax = 1, time.Hour })
		w.fake.fund("alice", 1000)
		w.fake.fund("bob", 0)
		w.fake.trouble = func(int, chain.Batch) mishap { return hang }
		paid := make(chan error, 1)
		go func() {
			_, err := w.pay("alice", "bob", 7)
			paid <- err
		}()
		synctest.Wait()
		began := time.Now()
		w.desk.Hurry()
		<-w.ended
		if err := <-paid; !fault.Is(err, fault.Timeout) || time.Since(began) != 0 {
			t.Errorf("%v, after %s", err, time.Since(began))
		}
		w.stop()
	})
}

// TestStop answers everybody.
func TestStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := start(t, func(c *Config) { c.Carriers, c.ChannelLast, c.AttemptMax = 1, 10, time.Second })
		w.fake.fund("alice", 1000)
		w.fake.fund("carol", 1000)
		w.fake.fund("bob", 0)
		w.fake.trouble = func(int, chain.Batch) mishap { return hang }
		answers := make(chan error, 2)
		go func() {
			_, err := w.pay("alice", "bob", 1)
			answers <- err
		}()
		synctest.Wait()
		go func() {
			_, err := w.pay("carol", "bob", 1)
			answers <- err
		}()
		synctest.Wait()
		began := time.Now()
		w.close()
		if d := time.Since(began); d != 2*time.Second {
			t.Errorf("draining took %v", d)
		}
		if err := <-answers; fault.ReasonOf(err) != "stopping" || !fault.Is(err, fault.Unavailable) {
			t.Errorf("who waited: %v", err)
		}
		if err := <-answers; !fault.Is(err, fault.Timeout) {
			t.Errorf("who was under way: %v", err)
		}
		if _, err := w.pay("carol", "bob", 1); fault.ReasonOf(err) != "stopping" {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// TestRandomTrouble pays from many callers while anything happens to submissions and channels are stolen: what was answered as made
// was made once, what was answered as not done was not made, and each payer's payments keep their order.
func TestRandomTrouble(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { randomTrouble(t, seed) })
		})
	}
}

func randomTrouble(t *testing.T, seed uint64) {
	const payers, each = 8, 40
	w := start(t, func(c *Config) {
		c.PayMax, c.AttemptMax, c.LegsMax, c.ValidityBlocks = 4*time.Second, time.Second, 5, 150
	})
	defer w.close()
	dice := newDice(seed)
	w.fake.trouble = func(_ int, b chain.Batch) mishap {
		if dice.n(40) == 0 {
			w.fake.mu.Lock()
			w.fake.channels[b.Header().Channel] += uint64(dice.n(4))
			w.fake.mu.Unlock()
		}
		if dice.n(60) == 0 {
			w.fake.mu.Lock()
			w.fake.height += 200
			w.fake.mu.Unlock()
		}
		if dice.n(3) > 0 {
			return none
		}
		return mishap(dice.n(int(hang) + 1))
	}
	w.fake.fund("shop", 0)
	for p := range payers {
		w.fake.fund(fmt.Sprint("payer", p), 1<<40)
	}
	var wg sync.WaitGroup
	answers := make([][]Answer, payers)
	for p := range payers {
		answers[p] = make([]Answer, each)
		for i := range each {
			amount := chain.Units(uint64(p*each + i + 1))
			wg.Go(func() {
				<-time.After(time.Duration(i) * 20 * time.Millisecond) // one after the other: the order of arrival
				answers[p][i].Result, answers[p][i].Err = w.desk.Pay(t.Context(), Payment{From: fmt.Sprint("payer", p), To: "shop", Amount: amount})
			})
		}
	}
	wg.Wait()
	w.fake.mu.Lock()
	w.fake.trouble = func(int, chain.Batch) mishap { return none }
	w.fake.mu.Unlock()
	<-time.After(time.Minute)
	check(t, w.fake, answers, each)
}

func check(t *testing.T, f *fake, answers [][]Answer, each int) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	times := map[uint64]int{}
	last := map[chain.AccountNo]uint64{}
	for _, leg := range f.executed {
		times[leg.Amount.Lo]++
		if leg.Amount.Lo <= last[leg.From] {
			t.Errorf("payment %d of %d was made after %d", leg.Amount.Lo, leg.From, last[leg.From])
		}
		last[leg.From] = leg.Amount.Lo
	}
	count := map[string]int{}
	for p, of := range answers {
		for i, a := range of {
			made := times[uint64(p*each+i+1)]
			if a.Err == nil {
				count["made"]++
			} else {
				count[fault.KindOf(a.Err).String()]++
			}
			switch {
			case made > 1:
				t.Errorf("payment %d was made %d times", p*each+i+1, made)
			case a.Err == nil && (a.Outcome != chain.OK || made != 1):
				t.Errorf("answered %v, made %d times", a.Outcome, made)
			case a.Err != nil && !fault.Is(a.Err, fault.Timeout) && made != 0:
				t.Errorf("answered %v, and made", a.Err)
			}
		}
	}
	t.Log(count)
}

// TestLocks keeps two desks of one machine off each other's channels, and gives them free when one stops.
func TestLocks(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := start(t, func(c *Config) { c.LockDir, c.Carriers, c.ChannelLast = dir, 2, 11 })
		synctest.Wait()
		second := &world{t: t, fake: w.fake, vault: w.vault}
		second.open(func(c *Config) { c.LockDir, c.Carriers, c.ChannelLast, c.PayMax = dir, 2, 11, time.Minute })
		defer second.close()
		w.fake.fund("alice", 10)
		synctest.Wait()
		if have := testutil.ToFloat64(second.desk.metrics.leases); have != 0 {
			t.Errorf("the second has %v leases", have)
		}
		paid := make(chan error, 1)
		go func() {
			_, err := second.pay("alice", "bob", 1)
			paid <- err
		}()
		time.Sleep(5 * time.Second)
		w.close()
		must(t, <-paid)
	})
}
