// SPDX-License-Identifier: Apache-2.0

package payfile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// mixed pays from two institutions' accounts and from own keys, in turn.
func mixed(i int) int { return [...]int{2, 3, 1000, 4, 1001 + i%5}[i%5] }

func TestRun(t *testing.T) {
	const n = 3000
	p, d, w := planOf(t, manyLines(n, mixed)), newDisk(), newWorld()
	last := 0
	r, err := importOnce(t.Context(), p, d, newLink(t, w), Options{Progress: func(done, of int) {
		if done <= last || of != n {
			t.Errorf("progress %d of %d after %d", done, of, last)
		}
		last = done
	}})
	if err != nil {
		t.Fatal(err)
	}
	w.paidOnce(t, n)
	if r.Lines != n || r.OK != n || r.Resumed || r.SignedAgain != 0 || last != n || r.Path != "f.csv.outcomes.csv" {
		t.Errorf("report %+v, progress %d", r, last)
	}
	first := string(d.files[r.Path].durable)
	rows := strings.Split(first, "\n")
	if len(rows) != n+2 || rows[0] != "line,outcome,height,id" || !strings.HasPrefix(rows[1], "1,ok,") || !strings.HasPrefix(rows[n], "3000,ok,") {
		t.Errorf("outcomes file: %d rows, %q, %q", len(rows), rows[0], rows[1])
	}

	// Once more: the recorded outcomes, and the ledger is not asked.
	again := newLink(t, w)
	d.files[r.Path].durable = nil
	r, err = importOnce(t.Context(), p, d, again, Options{})
	if err != nil || !r.Resumed || r.OK != n || again.calls != 0 || string(d.files[r.Path].durable) != first {
		t.Errorf("again: %+v, %v, %d calls", r, err, again.calls)
	}
	w.paidOnce(t, n)
}

func TestRunRecordsRefusedLegs(t *testing.T) {
	p, d, w := planOf(t, "2,4,1,AUR,r0\n2,4,6.66,AUR,bad\n2,4,1,AUR,r1\n"), newDisk(), newWorld()
	r, err := importOnce(t.Context(), p, d, newLink(t, w), Options{})
	if err != nil {
		t.Fatal(err)
	}
	w.paidOnce(t, 2)
	if r.OK != 2 || len(r.Outcomes) != 2 || r.Outcomes[1] != (Count{chain.InsufficientFunds, 1}) {
		t.Errorf("%+v", r)
	}
	if rows := strings.Split(string(d.files[r.Path].durable), "\n"); !strings.HasPrefix(rows[2], "2,insufficient_funds,") {
		t.Error(rows)
	}
}

// TestCrashAtEveryCall stops the process at the n-th call of the disk, then at the n-th of the ledger, with four ways for
// the unsynced tail to survive, and runs again.
func TestCrashAtEveryCall(t *testing.T) {
	for _, c := range []struct {
		name   string
		lines  int // 60: a chunk for each institution, one of transactions; 900: two of transactions
		keep   float64
		damage bool
	}{{"lost", 60, 0, false}, {"half", 900, 0.5, false}, {"whole", 60, 1, false}, {"damaged", 60, 1, true}} {
		lines := c.lines
		p := planOf(t, manyLines(lines, func(i int) int { return [...]int{2, 3, 1000 + i%7, 1000, 1001}[i%5] }))
		for _, where := range []string{"disk", "ledger"} {
			t.Run(c.name+" "+where, func(t *testing.T) {
				for at := 1; ; at++ {
					d, w := newDisk(), newWorld()
					s := newLink(t, w)
					if where == "disk" {
						d.crasher.at = at
					} else {
						s.crasher.at = at
					}
					_, first := importOnce(t.Context(), p, d, s, Options{WindowChunks: 2})
					d.crash(c.keep, c.damage)
					r, err := importOnce(t.Context(), p, d, newLink(t, w), Options{})
					if err != nil {
						t.Fatalf("call %d: %v", at, err)
					}
					w.paidOnce(t, lines)
					if r.OK != lines {
						t.Fatalf("call %d: %+v", at, r)
					}
					if first == nil {
						break
					}
					if !errors.Is(first, errCrash) {
						t.Fatalf("call %d: %v", at, first)
					}
				}
			})
		}
	}
}

// TestNeverTwice interrupts, delays, refuses and reroutes at random, and then lets the import finish.
func TestNeverTwice(t *testing.T) {
	plans := map[int]*Plan{}
	for _, n := range []int{1, 40, 1600} {
		plans[n] = planOf(t, manyLines(n, mixed))
	}
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.SampledFrom([]int{1, 40, 1600}).Draw(rt, "lines")
		p, d, w := plans[n], newDisk(), newWorld()
		o := Options{WindowChunks: rapid.IntRange(1, 4).Draw(rt, "window"), ValidityBlocks: 100, pause: func(context.Context, time.Duration) error { return nil }}
		for range rapid.IntRange(1, 5).Draw(rt, "processes") {
			s := newLink(t, w)
			s.lane = rapid.IntRange(0, 1).Draw(rt, "lane")
			s.fail = func(call string) error {
				if call == "tx" {
					return rapid.SampledFrom([]error{nil, nil, nil, nil, nil, nil, nil, fault.New(fault.TryLater, "busy")}).Draw(rt, call)
				}
				switch rapid.IntRange(0, 11).Draw(rt, call) {
				case 0:
					return fault.New(fault.Timeout, "no answer")
				case 1:
					s.lane = 1 - s.lane
				case 2:
					w.height += 101
				case 3:
					w.sequences[channelOf{2, 7}] += 2 // another import on the channel
				case 4:
					w.runLane(1 - s.lane)
				case 5:
					if call == "send" {
						return fault.New(fault.TryLater, "busy")
					}
				}
				return nil
			}
			if _, err := importOnce(t.Context(), p, d, s, o); err != nil && !fault.Is(err, fault.Timeout) && !fault.Is(err, fault.Unavailable) {
				rt.Fatal(err)
			}
			d.crash(rapid.Float64Range(0, 1).Draw(rt, "keep"), false)
		}
		r, err := importOnce(t.Context(), p, d, newLink(t, w), o)
		if err != nil || r.OK != n {
			rt.Fatalf("%+v %v", r, err)
		}
		w.runLane(0)
		w.runLane(1)
		for i := range n {
			if c := w.paid[fmt.Sprintf("r%d", i)]; c != 1 {
				rt.Fatalf("line %d was paid %d times", i+1, c)
			}
		}
	})
}

func TestStaleIsSignedAgain(t *testing.T) {
	p, d, w := planOf(t, manyLines(10, func(int) int { return 2 })), newDisk(), newWorld()
	s := newLink(t, w)
	s.fail = func(call string) error {
		if call == "send" {
			return fault.New(fault.Timeout, "cut off")
		}
		return nil
	}
	_, err := importOnce(t.Context(), p, d, s, Options{})
	if !fault.Is(err, fault.Timeout) || !strings.Contains(err.Error(), "run the same command again") || !strings.Contains(err.Error(), "lines 1 to 10") {
		t.Fatal(err)
	}
	w.sequences[channelOf{2, 7}] = 40
	s = newLink(t, w)
	r, err := importOnce(t.Context(), p, d, s, Options{})
	if err != nil || r.SignedAgain != 10 || !r.Resumed {
		t.Fatalf("%+v %v", r, err)
	}
	w.paidOnce(t, 10)
	b, err := chain.ParseBatch(s.sent[len(s.sent)-1])
	if err != nil || b.Header().Sequence != 41 {
		t.Errorf("sent %+v", b.Header())
	}
}

// TestStaleAtTheDoorOnly refuses a batch while an older copy of it still waits elsewhere: it must not be signed again.
func TestStaleAtTheDoorOnly(t *testing.T) {
	p, d, w := planOf(t, manyLines(10, func(int) int { return 2 })), newDisk(), newWorld()
	s := newLink(t, w)
	s.fail = func(call string) error {
		if call == "answer" {
			return fault.New(fault.Timeout, "cut off")
		}
		return nil
	}
	if _, err := importOnce(t.Context(), p, d, s, Options{}); !fault.Is(err, fault.Timeout) {
		t.Fatal(err)
	}
	w.doors[1][channelOf{2, 7}] = 9 // the other node has admitted more of the channel, and executed nothing
	s = newLink(t, w)
	s.lane = 1
	r, err := importOnce(t.Context(), p, d, s, Options{})
	if err != nil || r.SignedAgain != 0 {
		t.Fatalf("%+v %v", r, err)
	}
	w.paidOnce(t, 10)
}

func TestExpired(t *testing.T) {
	for _, from := range []int{2, 1000} {
		p, d, w := planOf(t, manyLines(10, func(int) int { return from })), newDisk(), newWorld()
		s := newLink(t, w)
		s.fail = func(call string) error {
			if call == "send" {
				return fault.New(fault.Unavailable, "down")
			}
			return nil
		}
		if _, err := importOnce(t.Context(), p, d, s, Options{}); !fault.Is(err, fault.Unavailable) {
			t.Fatal(err)
		}
		w.height += 30_000
		r, err := importOnce(t.Context(), p, d, newLink(t, w), Options{})
		if err != nil || r.SignedAgain != 10 {
			t.Fatalf("%+v %v", r, err)
		}
		w.paidOnce(t, 10)
	}
}

func TestTryLaterSendsTheSameBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, d, w := planOf(t, manyLines(10, func(i int) int { return 2 + i%2*998 })), newDisk(), newWorld()
		s := newLink(t, w)
		busy := 0
		s.fail = func(call string) error {
			if busy++; call == "answer" && busy < 40 {
				return fault.New(fault.TryLater, "full")
			}
			return nil
		}
		begin := time.Now()
		r, err := importOnce(t.Context(), p, d, s, Options{})
		if err != nil || r.OK != 10 || r.SignedAgain != 0 {
			t.Fatalf("%+v %v", r, err)
		}
		w.paidOnce(t, 10)
		if time.Since(begin) < time.Second {
			t.Error("it did not wait")
		}
		for _, b := range s.sent {
			if string(b) != string(s.sent[0]) {
				t.Error("other bytes were sent")
			}
		}
	})
}

func TestGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, from := range []int{2, 1000} {
			p := planOf(t, manyLines(10, func(int) int { return from }))
			for _, c := range []struct {
				call string
				err  error
				kind fault.Kind
			}{
				{"answer", fault.New(fault.TryLater, "full"), fault.Unavailable},
				{"answer", fault.New(fault.Denied, "bad signature"), fault.Denied},
				{"answer", fault.Reasoned(fault.Refused, "future_sequence", "ahead"), fault.Refused},
				{"height", fault.New(fault.Unavailable, "down"), fault.Unavailable},
				{"sequence", fault.New(fault.Unavailable, "down"), fault.Unavailable},
				{"nonce", fault.New(fault.Unavailable, "down"), fault.Unavailable},
				{"tx", fault.New(fault.Denied, "bad signature"), fault.Denied},
				{"tx", fault.New(fault.TryLater, "full"), fault.Unavailable},
			} {
				s := newLink(t, newWorld())
				s.fail = func(call string) error {
					if call == c.call {
						return c.err
					}
					return nil
				}
				_, err := importOnce(t.Context(), p, newDisk(), s, Options{})
				otherWay := (c.call == "sequence" && from == 1000) || ((c.call == "nonce" || c.call == "tx") && from == 2)
				if otherWay != (err == nil) || (err != nil && fault.KindOf(err) != c.kind) {
					t.Errorf("%s from %d: %v", c.call, from, err)
				}
			}
		}
	})
}

// TestOvertaken has another import jump over each sequence.
func TestOvertaken(t *testing.T) {
	for _, from := range []int{2, 1000} {
		p, w := planOf(t, manyLines(3, func(int) int { return from })), newWorld()
		s := newLink(t, w)
		s.fail = func(call string) error {
			if call == "send" {
				w.sequences[channelOf{2, 7}] += 5
				w.highest[1000] += 300
			}
			return nil
		}
		_, err := importOnce(t.Context(), p, newDisk(), s, Options{})
		if !fault.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "overtaken") || w.executed != 0 {
			t.Errorf("%v, %d executed", err, w.executed)
		}
	}
}

func TestCancelled(t *testing.T) {
	p, d, w := planOf(t, manyLines(3000, func(int) int { return 1000 })), newDisk(), newWorld()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := importOnce(ctx, p, d, newLink(t, w), Options{WindowChunks: 1, Progress: func(int, int) { cancel() }})
	if !fault.Is(err, fault.Timeout) {
		t.Fatal(err)
	}
	if _, err := importOnce(t.Context(), p, d, newLink(t, w), Options{}); err != nil {
		t.Fatal(err)
	}
	w.paidOnce(t, 3000)
}

func TestOptions(t *testing.T) {
	p := planOf(t, "2,4,1\n")
	for _, o := range []Options{{WindowChunks: -1}, {WindowChunks: 65}, {ValidityBlocks: 1}, {ValidityBlocks: 100_001}} {
		if _, err := importOnce(t.Context(), p, newDisk(), newLink(t, newWorld()), o); !fault.Is(err, fault.Invalid) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	other := planOf(t, "2,4,2\n")
	j, err := OpenJournal(newDisk(), "f.csv", other.file, testChain, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Run(t.Context(), p, j, newLink(t, newWorld()), Options{}); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}

// TestHundredThousandLines measures the import on a real disk, without the ledger's own time.
func TestHundredThousandLines(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second")
	}
	text := manyLines(100_000, func(int) int { return 2 })
	begin := time.Now()
	p := planOf(t, text)
	planned := time.Since(begin)
	name, w := t.TempDir()+"/f.csv", newWorld()
	j, err := OpenJournal(OSDisk{}, name, p.file, testChain, 3)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Run(t.Context(), p, j, newLink(t, w), Options{})
	if err != nil || r.OK != 100_000 {
		t.Fatalf("%+v %v", r, err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	w.paidOnce(t, 100_000)
	t.Logf("100,000 lines: planned in %v, all in %v", planned, time.Since(begin))
}
