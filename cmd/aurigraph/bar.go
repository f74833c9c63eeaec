// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// bar shows how far something is, on a terminal only, once it takes longer than barAfter.
type bar struct {
	out   io.Writer
	begin time.Time
	last  time.Time
	shown bool
}

const (
	barAfter = 2 * time.Second
	barEvery = 100 * time.Millisecond
	barWidth = 30
)

func newBar(out io.Writer) *bar {
	b := &bar{out: out, begin: time.Now()}
	if f, ok := out.(*os.File); !ok || !isTerminal(f) {
		b.out = nil
	}
	return b
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

func (b *bar) show(stage string, done, total int64) {
	now := time.Now()
	if b.out == nil || total <= 0 || now.Sub(b.begin) < barAfter || now.Sub(b.last) < barEvery {
		return
	}
	b.last, b.shown = now, true
	full := int(barWidth * min(done, total) / total)
	fmt.Fprintf(b.out, "\r\x1b[K%-12s [%s%s] %3d %%", stage, strings.Repeat("=", full), strings.Repeat(" ", barWidth-full), 100*min(done, total)/total)
}

func (b *bar) clear() {
	if b.shown {
		fmt.Fprint(b.out, "\r\x1b[K")
	}
}
