// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

// terminal is a real terminal: what is written to it, and what it shows.
func terminal(t *testing.T) (near, far *os.File) {
	t.Helper()
	far, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	t.Cleanup(func() { far.Close() })
	n, err := unix.IoctlGetInt(int(far.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(far.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		near, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	t.Cleanup(func() { near.Close() })
	return near, far
}

// A bar is for terminals only, and never with --json.
func TestBarOnTerminalsOnly(t *testing.T) {
	near, far := terminal(t)
	file, err := os.Create(t.TempDir() + "/log")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, a := range []*app{{err: near, json: true}, {err: file}, {err: null}, {err: &bytes.Buffer{}}} {
		b := a.newBar()
		b.begin = b.begin.Add(-time.Hour)
		b.spin("x")
		b.show("x", 1, 2)
		if b.out != nil || b.shown || b.stop != nil {
			t.Errorf("a bar on %T, json %v", a.err, a.json)
		}
	}
	b := (&app{err: near}).newBar()
	b.show("chain", 1, 2)
	b.begin = b.begin.Add(-barAfter)
	b.show("chain", 50, 100)
	buf := make([]byte, 200)
	n, err := far.Read(buf)
	if want := eraseLine + "chain        [" + strings.Repeat("=", 15) + strings.Repeat(" ", 15) + "]  50 %"; err != nil || string(buf[:n]) != want {
		t.Errorf("the terminal shows %q (%v), must be %q", buf[:n], err, want)
	}
	if info, err := file.Stat(); err != nil || info.Size() != 0 {
		t.Error("a bar was written to a file")
	}
}

func TestBarShow(t *testing.T) {
	var out bytes.Buffer
	b := &bar{out: &out, begin: time.Now().Add(-barAfter)}
	for _, x := range []struct {
		done, total int64
		want        string
	}{{0, 10, "  0 %"}, {10, 10, "100 %"}, {99, 10, "100 %"}, {-1, 10, "  0 %"}, {1 << 40, 1 << 41, " 50 %"}} {
		out.Reset()
		b.last = time.Time{}
		b.show("x", x.done, x.total)
		if !strings.HasSuffix(out.String(), "] "+x.want) {
			t.Errorf("%d of %d: %q", x.done, x.total, out.String())
		}
	}
	out.Reset()
	b.show("x", 1, 10) // too soon after the last
	b.last = time.Time{}
	b.show("x", 1, 0) // of nothing
	if out.Len() != 0 {
		t.Errorf("shown: %q", out.String())
	}
	b.clear()
	b.clear()
	if out.String() != eraseLine {
		t.Errorf("cleared by %q", out.String())
	}
}

// What has no known end shows its time, once it takes long; lines written meanwhile stand above it.
func TestBarSpin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		b := &bar{out: &out, begin: time.Now()}
		log := stages{above{b, &out}}
		if _, err := log.Write([]byte("opening accounts\n")); err != nil {
			t.Fatal(err)
		}
		after := func(d time.Duration) string {
			time.Sleep(d)
			synctest.Wait()
			b.mu.Lock()
			defer b.mu.Unlock()
			defer out.Reset()
			return out.String()
		}
		if got := after(barAfter - time.Millisecond); got != "opening accounts\n" {
			t.Errorf("%q", got)
		}
		if got := after(2 * time.Millisecond); got != eraseLine+"opening accounts … 2 s" {
			t.Errorf("%q", got)
		}
		if _, err := log.Write([]byte("measuring\n")); err != nil {
			t.Fatal(err)
		}
		if got := after(0); got != eraseLine+"measuring\nopening accounts … 2 s" {
			t.Errorf("%q", got)
		}
		if got := after(spinEvery); got != eraseLine+"measuring … 0 s" && got != eraseLine+"measuring … 1 s" {
			t.Errorf("%q", got)
		}
		b.clear()
		if got := after(time.Minute); got != eraseLine {
			t.Errorf("after its end it shows %q", got)
		}
	})
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if r := want(t, exitDone, "completion", shell); !strings.Contains(r.out, "aurigraph") {
			t.Errorf("%s: %.100q", shell, r.out)
		}
	}
}
