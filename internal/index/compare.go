// SPDX-License-Identifier: Apache-2.0

package index

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
)

// Contents is all that an index says. One goroutine reads it. An error ends a sequence; Corrupt tells what cannot be read.
type Contents interface {
	Position() Position
	Blocks() iter.Seq2[Block, error] // by height
	Gaps() iter.Seq2[Gap, error]     // by From
	// Transfers are in the order in which they were applied. The one that is passed is used again for the next.
	Transfers() iter.Seq2[*history.Transfer, error]
}

// Difference is something that an index says and the chain does not, or the other way round.
type Difference struct{ Where, What string }

// DifferencesMax is how many differences Compare reports before it stops.
const DifferencesMax = 100

// Compare reports where an index does not say what follows from the chain up to head: its blocks, its transfers, and its
// gaps, which may only lie where payloads were recycled. Of recycled payloads it compares what outcomes and headers tell.
// What the index has beyond head is not looked at, and what it does not have yet is no difference. It holds one payload at a
// time. seen is told each height.
func Compare(ctx context.Context, c Contents, h *history.History, head chain.Height, report func(Difference), seen func(chain.Height)) error {
	w := &comparison{history: h, report: report, position: c.Position()}
	w.blocks, w.gaps, w.rows = open(c.Blocks()), open(c.Gaps()), open(c.Transfers())
	defer w.close()
	if err := w.possible(c.Gaps()); err != nil {
		return w.end(0, err)
	}
	last := min(head, w.position.Height)
	for at := chain.Height(1); at <= last; at++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.height(at); err != nil {
			return w.end(at, err)
		}
		seen(at)
	}
	return w.end(last, w.rest(head))
}

// comparison is one Compare under way.
type comparison struct {
	history  *history.History
	report   func(Difference)
	found    int
	position Position
	blocks   *source[Block]
	gaps     *source[Gap]
	rows     *source[*history.Transfer]
	previous place // of the newest transfer that was in order
	gapDone  Gap   // the gap of which no more is asked
}

// errEnough ends a comparison that has found DifferencesMax.
var errEnough = errors.New("enough differences")

func (w *comparison) close() {
	w.blocks.stop()
	w.gaps.stop()
	w.rows.stop()
}

// end makes a difference of what the index or the chain could not tell at a height.
func (w *comparison) end(h chain.Height, err error) error {
	switch {
	case errors.Is(err, errEnough):
		return nil
	case fault.Is(err, fault.Corrupt) || fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid):
		w.report(Difference{heightName(h), fmt.Sprintf("the comparison ends here: %v", err)})
		return nil
	}
	return err
}

func (w *comparison) differ(where, format string, args ...any) error {
	if w.found++; w.found > DifferencesMax {
		return errEnough
	}
	w.report(Difference{where, fmt.Sprintf(format, args...)})
	return nil
}

func heightName(h chain.Height) string { return fmt.Sprintf("height %d", h) }

// height compares one height, of which the index has at least a part.
func (w *comparison) height(h chain.Height) error {
	header, hash, err := w.history.Header(h)
	if err != nil {
		return err
	}
	if h == w.position.Height && int(w.position.Batch) > len(header.Batches) {
		if err := w.differ(heightName(h), "the index stands at batch %d, the block has %d", w.position.Batch, len(header.Batches)); err != nil {
			return err
		}
	}
	gap, err := w.gapAt(h)
	if err != nil {
		return err
	}
	for i := range header.Batches {
		at := Position{h, uint32(i)}
		if !at.Less(w.position) {
			break
		}
		if gap.has(at) {
			err = w.recycled(gap, at)
		} else {
			err = w.batch(header, uint32(i))
		}
		if err != nil {
			return err
		}
	}
	if err := w.extraRows(place{Height: h + 1}, "no batch that it has reached holds it"); err != nil {
		return err
	}
	if h > w.position.Complete() || gap.touches(h) {
		return nil
	}
	return w.block(Block{Height: h, Hash: hash, TimeUs: header.TimeUs, Items: itemsOf(header, 0)})
}

func (g Gap) has(p Position) bool { return g.From.Height != 0 && !p.Less(g.From) && p.Height < g.To }

func (g Gap) touches(h chain.Height) bool {
	return g.From.Height != 0 && h >= g.From.Height && h < g.To
}

// gapAt is the gap that a height lies in, or begins in; the zero Gap if there is none.
func (w *comparison) gapAt(h chain.Height) (Gap, error) {
	for w.gaps.ok() && w.gaps.value.To <= h {
		w.gaps.advance()
	}
	if g := w.gaps.value; w.gaps.ok() && g.touches(h) {
		return g, nil
	}
	return Gap{}, w.gaps.err
}

// possible wants gaps that end behind their beginning, do not overlap, and lie before the position.
func (w *comparison) possible(gaps iter.Seq2[Gap, error]) error {
	end := Start()
	for g, err := range gaps {
		if err != nil {
			return err
		}
		to := Position{Height: g.To}
		if g.From.Less(end) || !g.From.Less(to) || w.position.Less(to) {
			if err := w.differ(gapName(g), "there can be no such gap"); err != nil {
				return err
			}
		}
		end = to
	}
	return nil
}

func gapName(g Gap) string {
	return fmt.Sprintf("gap from height %d, batch %d, to height %d", g.From.Height, g.From.Batch, g.To)
}

// recycled wants a gap to lie where payloads are gone: the oldest batch of each block in it must be.
func (w *comparison) recycled(gap Gap, at Position) error {
	if at != gap.From && at.Batch != 0 || w.gapDone == gap {
		return nil
	}
	loc, err := w.history.Place(at.Height, at.Batch)
	if err == nil {
		_, err = w.history.Payload(loc)
	}
	if fault.Is(err, fault.Pruned) {
		return nil
	}
	w.gapDone = gap
	if err != nil {
		return err
	}
	return w.differ(gapName(gap), "batch %d of block %d is retained, so there can be no gap", at.Batch, at.Height)
}

// block wants the next row of blocks to be that of a height.
func (w *comparison) block(want Block) error {
	for ; w.blocks.ok() && w.blocks.value.Height < want.Height; w.blocks.advance() {
		if err := w.differ(heightName(w.blocks.value.Height), "the index has a block here that it cannot have"); err != nil {
			return err
		}
	}
	have := w.blocks.value
	switch {
	case w.blocks.err != nil:
		return w.blocks.err
	case !w.blocks.ok() || have.Height > want.Height:
		return w.differ(heightName(want.Height), "the index does not have the block")
	}
	w.blocks.advance()
	switch {
	case have.Hash != want.Hash:
		return w.differ(heightName(want.Height), "the index has block %s, the chain %s", have.Hash, want.Hash)
	case have != want:
		return w.differ(heightName(want.Height), "the index has the block with %d items at time %d, the chain with %d at %d", have.Items, have.TimeUs, want.Items, want.TimeUs)
	}
	return nil
}

// rest looks at what the index has behind the heights that were compared. What lies before its position is of heights that
// the chain has lost for now; behind it nothing may be.
func (w *comparison) rest(head chain.Height) error {
	for ; w.rows.ok(); w.rows.advance() {
		t := w.rows.value
		if t.Height > head && (Position{t.Height, t.Index}).Less(w.position) {
			continue
		}
		if err := w.differ(placeOf(t).String(), "the transfer lies behind what the index says it has"); err != nil {
			return err
		}
	}
	for ; w.blocks.ok(); w.blocks.advance() {
		h := w.blocks.value.Height
		if h > head && h <= w.position.Complete() {
			continue
		}
		if err := w.differ(heightName(h), "the index has a block here that it cannot have"); err != nil {
			return err
		}
	}
	return errors.Join(w.rows.err, w.blocks.err)
}

// source is a sequence that is read beside others: value is the next that was not taken.
type source[T any] struct {
	value T
	err   error
	has   bool
	next  func() (T, error, bool)
	stop  func()
}

func open[T any](seq iter.Seq2[T, error]) *source[T] {
	s := &source[T]{}
	s.next, s.stop = iter.Pull2(seq)
	s.advance()
	return s
}

// ok reports whether there is a value.
func (s *source[T]) ok() bool { return s.has }

func (s *source[T]) advance() {
	s.value, s.err, s.has = s.next()
	s.has = s.has && s.err == nil
}
