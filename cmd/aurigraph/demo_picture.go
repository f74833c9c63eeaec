// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/report"
)

// pictureEntries is how many entries of the journal the picture has room for.
const pictureEntries = 16

// pictureEvery is how often it is drawn.
const pictureEvery = 250 * time.Millisecond

// picture shows a demo while it goes on: in one place on a terminal, as lines elsewhere.
type picture struct {
	demo    *demoRun
	screen  *screen // nil: lines
	chapter string
	lines   []string
	drawn   time.Time
}

func newPicture(d *demoRun) *picture {
	p := &picture{demo: d}
	if f, ok := d.app.out.(*os.File); ok && !d.app.json && isTerminal(f) {
		p.screen = newScreen(d.app.out)
	}
	return p
}

func (p *picture) seconds() float64 { return time.Since(p.demo.began).Seconds() }

// now says what happens now.
func (p *picture) now(what string) {
	p.chapter = what
	p.line(fmt.Sprintf("%5.1f s  %s", p.seconds(), what))
	p.drawn = time.Time{}
	p.draw()
}

// entry shows a line of the journal.
func (p *picture) entry(e *migration.Entry) {
	p.line(fmt.Sprintf("%5.1f s    %s: %s", float64(int64(e.AtMs)-p.demo.began.UnixMilli())/1000, e.By, report.Words(e)))
}

// line shows a line, or keeps it for the next drawing.
func (p *picture) line(text string) {
	if p.screen == nil {
		fmt.Fprintln(p.demo.app.err, text)
		return
	}
	p.lines = append(p.lines, text)
	p.lines = p.lines[max(0, len(p.lines)-pictureEntries):]
}

// draw draws it, if it is time.
func (p *picture) draw() {
	if p.screen == nil || time.Since(p.drawn) < pictureEvery {
		return
	}
	p.drawn = time.Now()
	d := p.demo
	var b strings.Builder
	fmt.Fprintf(&b, "A running V10 becomes V11 under paying clients %41.0f s\n\n", p.seconds())
	where := string(phaseOf(&d.state))
	if d.state.StepSeq > 0 {
		where += fmt.Sprintf(", step %d of %d", d.state.Step+1, len(demoSteps))
	}
	fmt.Fprintf(&b, "  phase     %s\n  weight    %s %s V11's\n", where, weightBar(d.state.ReachedBP), percent(d.state.ReachedBP))
	if d.story != nil {
		r := d.story.Now()
		fmt.Fprintf(&b, "  clients   paid %s, answered %s, slowest %.0f ms, repeated %d, reads %s\n", thousands(uint64(r.Sent)), thousands(uint64(r.Acknowledged)), r.LongestMs, r.Repeats, thousands(r.Reads))
	}
	fmt.Fprintf(&b, "  rollbacks %d by itself, %d drills\n  now       %s\n\n", d.state.AutoRollbacks, d.state.GoodDrills(), p.chapter)
	for _, line := range p.lines {
		b.WriteString("  " + line + "\n")
	}
	_ = p.screen.draw(b.String()) // a picture
}

// done leaves the last picture, or nothing.
func (p *picture) done() {
	p.drawn = time.Time{}
	p.draw()
}

// Write shows what the clients' code says.
func (p *picture) Write(text []byte) (int, error) {
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		p.line(fmt.Sprintf("%5.1f s    %s", p.seconds(), line))
	}
	return len(text), nil
}

// Show is for stages that are short here.
func (p *picture) Show(string, int64, int64) {}
