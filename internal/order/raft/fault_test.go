// SPDX-License-Identifier: Apache-2.0

package raft

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog/disk"
	"github.com/aurigraph/aurigraph/internal/seglog/faultfs"
)

// TestCrashAtEveryWrite takes the power of one of three nodes at each operation of its disk. The others go on; it comes
// back with all it ever delivered, and decides the same.
func TestCrashAtEveryWrite(t *testing.T) {
	for _, victim := range []int{0, 1} {
		n := 0
		for finished := false; !finished; n++ {
			synctest.Test(t, func(t *testing.T) { finished = crashAt(t, victim, n) })
			if t.Failed() {
				t.Fatalf("node %d, operation %d", victim, n)
			}
		}
		if n < 20 {
			t.Errorf("node %d did %d operations", victim, n)
		}
	}
}

func crashAt(t *testing.T, victim, n int) (finished bool) {
	disks := []*faultfs.FS{faultfs.New(), faultfs.New(), faultfs.New()}
	c := cluster(t, 3, func(i int) (disk.FS, string) { return disks[i], "/order" }, nil)
	var hosts [3]*host
	for i := range hosts {
		hosts[i] = bring(t, c, i, 0)
	}
	disks[victim].StopAfter(n)
	for k := range 6 {
		for i := range hosts {
			_ = hosts[i].Offer(digest(100*i + k)) // the victim may be dead
		}
		<-time.After(time.Duration(k) * 20 * time.Millisecond)
	}
	await(t, "the others decide", func() bool {
		total := 0
		for i := range hosts {
			if i != victim && hosts[i].Status().Pending > 0 {
				return false
			}
			total += int(hosts[i].height())
		}
		return total > 0
	})
	before := hosts[victim]
	before.cancel()
	err := <-before.end
	<-before.read
	if err != nil && !fault.Is(err, fault.Halted) {
		t.Errorf("Run ended with %v", err)
	}
	finished = err == nil && disks[victim].Ops() < n
	c.Crash(t, victim)
	hosts[victim] = bring(t, c, victim, before.height())
	seen := before.digests()
	for k := range 6 { // as the lane does
		if d := digest(100*victim + k); !seen[d] {
			if err := hosts[victim].Offer(d); err != nil {
				t.Error(err)
			}
		}
	}
	await(t, "all decide all", func() bool {
		return hosts[0].height() == hosts[1].height() && hosts[1].height() == hosts[2].height() && hosts[victim].Status().Pending == 0
	})
	for i, h := range hosts {
		h.halt(t)
		c.Close(t, i)
	}
	agree(t, append(hosts[:], before)...)
	return finished
}

// TestBrokenInvariantHalts lets the core panic: the engine stops, the process does not.
func TestBrokenInvariantHalts(t *testing.T) {
	log := openLog(t, faultfs.New(), "/order")
	defer log.Close()
	e, err := Open(t.Context(), log, 0, Config{Genesis: Genesis{Voters: voters(1)}})
	if err != nil {
		t.Fatal(err)
	}
	e.box.put(Appended{}) // nothing was handed out
	if err := e.Run(t.Context()); !fault.Is(err, fault.Halted) {
		t.Errorf("Run ended with %v", err)
	}
	if err := e.Offer(digest(1)); !fault.Is(err, fault.Halted) {
		t.Errorf("an offer is answered %v", err)
	}
}

// TestFullDisk lets the disk run full: the engine halts, and after it the log has no gap, also when there is room again
// before the engine has ended.
func TestFullDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := faultfs.New()
		c := cluster(t, 1, func(int) (disk.FS, string) { return fs, "/order" }, nil)
		h := bring(t, c, 0, 0)
		<-time.After(time.Minute)
		fs.SetSpace(0)
		var err error
		for k := 0; err == nil; k++ {
			_ = h.Offer(digest(k)) // Halted at the end
			select {
			case err = <-h.end:
			case <-time.After(10 * time.Millisecond):
			}
		}
		if !fault.Is(err, fault.Halted) {
			t.Errorf("Run ended with %v", err)
		}
		h.cancel()
		<-h.read
		fs.SetSpace(-1)
		<-time.After(time.Minute)
		if n := h.pool.LentBytes(); n != 0 {
			t.Errorf("%d bytes of buffers are still lent", n)
		}
		c.Close(t, 0)
		again := bring(t, c, 0, 0)
		await(t, "what was decided is decided again", func() bool { return again.height() >= h.height() })
		if h.height() < 10 {
			t.Errorf("the disk was full at height %d", h.height())
		}
		again.halt(t)
		c.Close(t, 0)
		agree(t, h, again)
	})
}

func TestLoggerPassesWarningsOn(t *testing.T) {
	var out bytes.Buffer
	l := logger{slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	l.Debug(1)
	l.Debugf("%d", 2)
	l.Info(3)
	l.Infof("%d", 4)
	if out.Len() > 0 {
		t.Errorf("information is passed on: %s", out.String())
	}
	l.Warning("w", 1)
	l.Warningf("w%d", 2)
	l.Error("e", 1)
	l.Errorf("e%d", 2)
	for _, want := range []string{"WARN msg=w1", "WARN msg=w2", "ERROR msg=e1", "ERROR msg=e2"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is missing in %s", want, out.String())
		}
	}
	for i, end := range []func(){func() { l.Fatal(1) }, func() { l.Fatalf("1") }, func() { l.Panic(1) }, func() { l.Panicf("1") }} {
		func() {
			defer func() {
				if _, ok := recover().(*fault.Violation); !ok {
					t.Errorf("call %d goes on", i)
				}
			}()
			end()
		}()
	}
}
