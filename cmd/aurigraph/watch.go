// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// watchEvery is how often a watched answer is drawn.
const watchEvery = time.Second

// What a terminal understands.
const (
	clearScreen = "\x1b[2J"
	home        = "\x1b[H"
	eraseRest   = "\x1b[K"
	eraseBelow  = "\x1b[J"
)

func watchFlag(c *cobra.Command, watch *bool) {
	c.Flags().BoolVarP(watch, "watch", "w", false, "show it again every second until Ctrl-C; with --json a line each time")
}

// once or more shows something once, or with watch again and again until ctx ends.
func (a *app) onceOrWatch(ctx context.Context, watch bool, show func(*app) error) error {
	if !watch {
		return show(a)
	}
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	s := newScreen(a.out)
	for {
		var b bytes.Buffer
		frame := *a
		frame.out, frame.err = &b, &b
		err := show(&frame)
		switch {
		case ctx.Err() != nil:
			return nil
		case fault.Is(err, fault.Unavailable) || fault.Is(err, fault.Timeout): // it may come back while one watches
			frame.printError(err)
		case err != nil:
			return err
		}
		if err := s.draw(b.String()); err != nil {
			return fault.Wrap(fault.Unavailable, err, "write to the terminal")
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// screen shows one text after the other in the same place, if it is a terminal.
type screen struct {
	out   io.Writer
	size  func() (rows, columns int, ok bool)
	drawn bool
}

func newScreen(out io.Writer) *screen {
	return &screen{out: out, size: func() (int, int, bool) {
		f, ok := out.(*os.File)
		if !ok {
			return 0, 0, false
		}
		w, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ)
		if err != nil {
			return 0, 0, false
		}
		return int(w.Row), int(w.Col), true
	}}
}

// draw shows a text. What a terminal has no room for is left out, and said.
func (s *screen) draw(text string) error {
	rows, columns, terminal := s.size()
	if !terminal {
		_, err := io.WriteString(s.out, text)
		return err
	}
	var b strings.Builder
	if !s.drawn {
		b.WriteString(clearScreen)
	}
	s.drawn = true
	b.WriteString(home)
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if room := rows - 1; rows > 1 && len(lines) > room {
		left := len(lines) - room + 1
		lines = append(lines[:room-1:room-1], fmt.Sprintf("… %d more lines: make the window taller", left))
	}
	for _, line := range lines {
		if r := []rune(line); columns > 0 && len(r) > columns {
			line = string(r[:columns-1]) + "…"
		}
		b.WriteString(line + eraseRest + "\n")
	}
	b.WriteString(eraseBelow)
	_, err := io.WriteString(s.out, b.String())
	return err
}
