// SPDX-License-Identifier: Apache-2.0

package damage

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Command is what a planter in a process of its own is told, one line of JSON each.
type Command struct {
	Plant []string `json:"plant,omitempty"`
	Undo  bool     `json:"undo,omitempty"`
	// Pass makes it plant and take back all the time, until the next command.
	Pass bool `json:"pass,omitempty"`
}

// Answer is what it says, one line each.
type Answer struct {
	Planted []Planted `json:"planted,omitempty"`
	Passed  int       `json:"passed,omitempty"` // damages that were there for a moment
	Error   string    `json:"error,omitempty"`
}

// passEvery is how long damage that passes is there.
const passEvery = 150 * time.Millisecond

// Serve does what it is told until in ends.
func Serve(ctx context.Context, p *Planter, in io.Reader, out io.Writer) error {
	commands := make(chan Command)
	ended := make(chan error, 1)
	go func() { ended <- readCommands(ctx, in, commands) }()
	tick := time.NewTicker(passEvery)
	defer tick.Stop()
	passed, passing := 0, false
	for {
		select {
		case err := <-ended:
			return err
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if passing {
				if err := p.Pass(ctx); err != nil {
					return err
				}
				passed++
			}
		case c := <-commands:
			a := p.obey(ctx, c)
			if passing = c.Pass; !passing {
				a.Passed, passed = passed, 0
			}
			text, err := json.Marshal(a)
			if err != nil {
				return fault.Wrap(fault.Internal, err, "encode an answer")
			}
			if _, err := out.Write(append(text, '\n')); err != nil {
				return fault.Wrap(fault.Unavailable, err, "answer")
			}
		}
	}
}

func readCommands(ctx context.Context, in io.Reader, to chan<- Command) error {
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var c Command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			return fault.Wrap(fault.Invalid, err, "read a command")
		}
		select {
		case to <- c:
		case <-ctx.Done():
			return nil
		}
	}
	return fault.Wrap(fault.Unavailable, lines.Err(), "read commands")
}

func (p *Planter) obey(ctx context.Context, c Command) (a Answer) {
	fail := func(err error) Answer { return Answer{Planted: a.Planted, Error: err.Error()} }
	if c.Undo {
		if err := p.Undo(ctx); err != nil {
			return fail(err)
		}
	}
	for _, id := range c.Plant {
		d, err := p.Plant(ctx, id)
		if err != nil {
			return fail(err)
		}
		a.Planted = append(a.Planted, *d)
	}
	return a
}
