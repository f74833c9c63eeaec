// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/commit"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// crashing is a payload log and an ordering log that lose power while something is let go: at the given time.
type crashing struct {
	commit.Segments
	trim    func(chain.Height) error
	at      string
	lives   int // how often all goes well before
	crashed chan struct{}
}

var errPower = fault.New(fault.Halted, "the power went")

func (c *crashing) crash() error {
	close(c.crashed)
	return errPower
}

// TrimOrder is told when anchors are gone.
func (c *crashing) TrimOrder(below chain.Height) error {
	switch {
	case c.lives == 0 && c.at == "anchors removed":
		return c.crash()
	case c.lives == 0 && c.at == "order trimmed":
		if err := c.trim(below); err != nil {
			return err
		}
		return c.crash()
	}
	return c.trim(below)
}

// Recycle is told last.
func (c *crashing) Recycle(number uint64) error {
	c.lives--
	switch {
	case c.lives >= 0:
	case c.at == "some segments recycled":
		if err := c.Segments.Recycle(c.Retained()[1].Number); err != nil {
			return err
		}
		return c.crash()
	case c.at == "all segments recycled":
		if err := c.Segments.Recycle(number); err != nil {
			return err
		}
		return c.crash()
	}
	return c.Segments.Recycle(number)
}

// A crash at any point of letting go leaves a folder that verifies, and the next run finishes it.
func TestCrashWhileLettingGo(t *testing.T) {
	for _, at := range []string{"anchors removed", "order trimmed", "some segments recycled", "all segments recycled"} {
		for _, lives := range []int{0, 3} {
			t.Run(fmt.Sprintf("%s after %d", at, lives), func(t *testing.T) {
				t.Parallel()
				crashWhileLettingGo(t, at, lives)
			})
		}
	}
}

func crashWhileLettingGo(t *testing.T, at string, lives int) {
	n := newNetwork(t)
	c := &crashing{at: at, lives: lives, crashed: make(chan struct{})}
	s := tight
	s.parts = func(p *commit.Parts) {
		c.Segments, c.trim = p.Segments, p.TrimOrder
		p.Segments, p.TrimOrder = c, c.TrimOrder
	}
	r := n.run(s)
	for done := false; !done; {
		must(t, r.lane.Append(t.Context(), n.batch(150)))
		select {
		case <-r.batches:
			<-time.After(2 * time.Millisecond) // a checkpoint now and then
		case <-c.crashed:
			done = true
		}
	}
	r.stop()
	if err := <-r.ended; !fault.Is(err, fault.Halted) {
		t.Fatalf("the writer ended with %v", err)
	}
	for _, f := range r.closers {
		must(t, f())
	}
	must(t, os.WriteFile(r.data(lockName), nil, 0o644))
	wantOK(t, verify(t, n.dir))

	s.parts = nil
	r = n.run(s)
	r.submit(n.batch(150))
	r.settle()
	r.close()
	report := verify(t, n.dir)
	wantOK(t, report)
	if report.FromHeight == 0 {
		t.Error("it is executed again from genesis")
	}
}
