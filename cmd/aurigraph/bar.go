// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// bar shows how far something is, on a terminal only, once it takes longer than barAfter. It is safe for concurrent use.
type bar struct {
	out   io.Writer // nil: shows nothing
	begin time.Time

	mu    sync.Mutex // guards what follows, and the terminal's line
	last  time.Time
	shown bool
	line  string
	stage string // of spin
	since time.Time
	stop  chan struct{} // ends spin
}

const (
	barAfter  = 2 * time.Second
	barEvery  = 100 * time.Millisecond
	spinEvery = 500 * time.Millisecond
	barWidth  = 30
	eraseLine = "\r\x1b[K"
)

// newBar makes the bar of a command. With --json, or when standard error is no terminal, it shows nothing.
func (a *app) newBar() *bar {
	b := &bar{begin: time.Now()}
	if f, ok := a.err.(*os.File); ok && !a.json && isTerminal(f) {
		b.out = a.err
	}
	return b
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
	return err == nil
}

// show draws how far a stage is.
func (b *bar) show(stage string, done, total int64) { b.showNoted(stage, done, total, "") }

// showNoted is show with a note behind it, which may be empty.
func (b *bar) showNoted(stage string, done, total int64, note string) {
	now := time.Now()
	if b.out == nil || total <= 0 || now.Sub(b.begin) < barAfter {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.last) < barEvery {
		return
	}
	b.last = now
	done = max(0, min(done, total))
	if note != "" {
		note = "  " + note
	}
	full := int(barWidth * done / total)
	b.draw(fmt.Sprintf("%-12s [%s%s] %3d %%%s", stage, strings.Repeat("=", full), strings.Repeat(" ", barWidth-full), 100*done/total, note))
}

// spin shows how long a stage takes whose end is not known, until clear or the next spin.
func (b *bar) spin(stage string) {
	if b.out == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stage, b.since = stage, time.Now()
	if b.stop != nil {
		return
	}
	b.stop = make(chan struct{})
	go b.tick(b.stop)
}

func (b *bar) tick(stop <-chan struct{}) {
	t := time.NewTicker(spinEvery)
	defer t.Stop()
	for {
		select {
		case <-stop:
			return
		case <-t.C:
		}
		b.mu.Lock()
		if b.stop == stop && time.Since(b.begin) >= barAfter {
			b.draw(fmt.Sprintf("%s … %.0f s", b.stage, time.Since(b.since).Seconds()))
		}
		b.mu.Unlock()
	}
}

func (b *bar) draw(line string) {
	b.shown, b.line = true, line
	fmt.Fprint(b.out, eraseLine+line)
}

// clear takes the bar away.
func (b *bar) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stop != nil {
		close(b.stop)
		b.stop = nil
	}
	if b.shown {
		fmt.Fprint(b.out, eraseLine)
		b.shown = false
	}
}

// above writes lines above the bar, which would otherwise run into them.
type above struct {
	bar *bar
	out io.Writer
}

// Write writes p, and the bar again below it.
func (w above) Write(p []byte) (int, error) {
	w.bar.mu.Lock()
	defer w.bar.mu.Unlock()
	if !w.bar.shown {
		return w.out.Write(p)
	}
	fmt.Fprint(w.bar.out, eraseLine)
	n, err := w.out.Write(p)
	fmt.Fprint(w.bar.out, w.bar.line)
	return n, err
}

// stages is above for a text whose last line says what is done now: the bar says how long that takes.
type stages struct{ above }

// Write writes p, and shows its last line as the stage.
func (w stages) Write(p []byte) (int, error) {
	n, err := w.above.Write(p)
	lines := strings.Split(strings.TrimRight(string(p), "\n"), "\n")
	w.bar.spin(lines[len(lines)-1])
	return n, err
}
