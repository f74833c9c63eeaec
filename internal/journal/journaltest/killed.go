// SPDX-License-Identifier: Apache-2.0

package journaltest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/journal"
	"github.com/aurigraph/aurigraph/internal/migration"
)

// Writes is what a process that Engines.Writer starts does: it appends for ever, and says the number of each entry that it has made.
func Writes(ctx context.Context, place, name string, engines Engines) error {
	j, err := engines.Open(ctx, place)
	for fault.Is(err, fault.TryLater) { // another process holds it, on a machine that is busy
		j, err = engines.Open(ctx, place)
	}
	if err != nil {
		return err
	}
	for seq := uint64(0); ; {
		e, err := j.Append(ctx, seq, journal.NoTerm, migration.Entry{By: name, Kind: migration.KindPause, Why: "it goes on"})
		switch {
		case err == nil:
			fmt.Println(e.Seq)
			seq = e.Seq
			continue
		case fault.ReasonOf(err) != journal.ReasonBehind && !fault.Is(err, fault.TryLater):
			return err
		}
		newer, err := j.Read(ctx, seq)
		if err != nil && !fault.Is(err, fault.TryLater) {
			return err
		}
		seq += uint64(len(newer))
	}
}

// testKilled has two processes write at once, and kills them with -9: what they said is there, and nothing else of it is broken.
func testKilled(w *world) {
	if w.engines.Writer == nil {
		w.Skip("this engine is not for several processes")
	}
	const rounds, said = 3, 15
	made := map[uint64]string{}
	for round := range rounds {
		names := []string{fmt.Sprint("x", round), fmt.Sprint("y", round)}
		numbers := make([][]uint64, len(names))
		var writers []*writer
		for _, name := range names {
			writers = append(writers, w.start(name))
		}
		for i, p := range writers {
			numbers[i] = p.said(said + 7*i)
		}
		for i, p := range writers {
			for _, seq := range append(numbers[i], p.kill()...) {
				if who, twice := made[seq]; twice {
					w.Errorf("entry %d was made by %s and %s", seq, who, names[i])
				}
				made[seq] = names[i]
			}
		}
	}
	all := w.read(w.open(), 0)
	for i, e := range all {
		if e.Seq != uint64(i)+1 || e.Why != "it goes on" {
			w.Fatalf("entry %d is %+v", i+1, e)
		}
	}
	for seq, name := range made {
		if seq > uint64(len(all)) || all[seq-1].By != name {
			w.Errorf("entry %d, which %s has made, is not there", seq, name)
		}
	}
	w.append(w.open(), uint64(len(all)), "after all")
}

// writer is a process that calls Writes.
type writer struct {
	w   *world
	cmd *exec.Cmd
	out *bufio.Reader
}

func (w *world) start(name string) *writer {
	w.Helper()
	cmd := w.engines.Writer(w.Context(), w.place, name)
	out, err := cmd.StdoutPipe()
	w.must(err)
	w.must(cmd.Start())
	return &writer{w: w, cmd: cmd, out: bufio.NewReader(out)}
}

// said reads n numbers.
func (p *writer) said(n int) (numbers []uint64) {
	p.w.Helper()
	for range n {
		line, err := p.out.ReadString('\n')
		if err != nil {
			p.w.Fatalf("a writer ended: %v", err)
		}
		numbers = append(numbers, p.number(line))
	}
	return numbers
}

func (p *writer) number(line string) (seq uint64) {
	p.w.Helper()
	if _, err := fmt.Sscan(line, &seq); err != nil {
		p.w.Fatalf("a writer says %q", line)
	}
	return seq
}

// kill kills it, and returns the numbers that it said before.
func (p *writer) kill() (numbers []uint64) {
	p.w.Helper()
	p.w.must(p.cmd.Process.Kill())
	rest, err := io.ReadAll(p.out)
	p.w.must(err)
	for line := range strings.Lines(string(rest)) {
		if strings.HasSuffix(line, "\n") { // what it was saying when it died it may have made or not
			numbers = append(numbers, p.number(line))
		}
	}
	if err := p.cmd.Wait(); err == nil {
		p.w.Error("a writer ended by itself")
	}
	return numbers
}
