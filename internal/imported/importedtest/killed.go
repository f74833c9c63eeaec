// SPDX-License-Identifier: Apache-2.0

package importedtest

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/imported"
)

const (
	killedRows   = 40_000
	killedChunk  = 1_111
	killsMax     = 40
	killPatience = 60 * time.Second
)

// Loads is what a process that Engines.Loader starts does: it goes on with the history of a place, and says whenever it has begun something.
func Loads(ctx context.Context, place string, engines Engines) error {
	w, err := engines.Open(ctx, place, identity)
	if err != nil {
		return err
	}
	seq, _, err := w.Next(ctx)
	if err != nil {
		return err
	}
	for ; seq <= killedRows; seq += killedChunk {
		fmt.Println("chunk", seq)
		if err := w.Rows(ctx, rowsFrom(seq, min(killedChunk, int(killedRows+1-seq)))); err != nil {
			return err
		}
	}
	fmt.Println("finish")
	if err := w.Finish(ctx); err != nil {
		return err
	}
	fmt.Println("done")
	return w.Close()
}

// testKilled kills who loads with -9, again and again, and wants each row once.
func testKilled(_ *testing.T, w *world) {
	rng := rand.New(rand.NewPCG(9, 9))
	kills := 0
	for done := false; !done && kills < killsMax; kills++ {
		done = w.loadAndKill(2+rng.IntN(4), time.Duration(rng.IntN(4_000))*time.Microsecond)
	}
	if kills < 3 {
		w.Errorf("it was killed %d times only", kills)
	}
	e := w.reopen()
	seq, _, err := e.Next(w.Context())
	w.must(err)
	for ; seq <= killedRows; seq += killedChunk {
		w.must(e.Rows(w.Context(), rowsFrom(seq, min(killedChunk, int(killedRows+1-seq)))))
	}
	w.must(e.Finish(w.Context()))
	w.must(e.Close())
	w.rows = killedRows
	r := w.read()
	w.wantList(r, 0, 0, imported.RowsPerAnswerMax)
	w.wantList(r, 5, 0, imported.RowsPerAnswerMax)
}

// reopen opens what a process had that was just killed: a server notices that a moment later.
func (w *world) reopen() imported.Writer {
	w.Helper()
	for deadline := time.Now().Add(killPatience); ; {
		e, err := w.engines.Open(w.Context(), w.place, identity)
		if err == nil {
			return e
		}
		if !fault.Is(err, fault.Unavailable) && !fault.Is(err, fault.TryLater) || time.Now().After(deadline) {
			w.Fatal(err)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// loadAndKill lets a process load, and kills it a while after it has begun a number of things. done: it was not fast enough.
func (w *world) loadAndKill(steps int, after time.Duration) (done bool) {
	w.Helper()
	cmd := w.engines.Loader(w.Context(), w.place)
	out, err := cmd.StdoutPipe()
	w.must(err)
	w.must(cmd.Start())
	lines := bufio.NewScanner(out)
	for i := 0; i < steps && lines.Scan(); i++ {
		done = lines.Text() == "done"
		if strings.HasPrefix(lines.Text(), "failed") {
			w.Error(lines.Text())
		}
	}
	<-time.After(after)
	w.must(cmd.Process.Kill())
	_ = cmd.Wait() // it was killed
	return done
}
