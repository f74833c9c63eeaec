// SPDX-License-Identifier: Apache-2.0

package query

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Bounds of what one answer has of the chain. A header and a batch are answered whatever they take, so that who asks gets on;
// a batch has at most chain.BatchBytesMax, or as much as lanes take at once of single transactions (4 MiB).
const (
	ContentsBytesMax  = 2 << 20
	ContentsBlocksMax = 4096
)

// ContentsRequest says what is asked of the chain.
type ContentsRequest struct {
	From        chain.Height // at least 1
	Batch       uint32       // of that block, the first that is wanted
	BytesMax    int          // 1 to ContentsBytesMax
	HeadersOnly bool
}

// Contents is certified blocks of consecutive heights with what they were made of, as far as one answer holds.
type Contents struct {
	Blocks      []BlockContents
	Certificate []byte       // of the last block, or the sealed tail that stands for it
	Height      chain.Height // the newest certified
	// RetainedFrom is set if what lies at the beginning was let go: from there on nothing is missing here.
	RetainedFrom chain.Height
}

// BlockContents is a block, or those of its batches that one answer has.
type BlockContents struct {
	Header  []byte
	Batches []BatchContents
}

// BatchContents is a batch's payload and its packed outcomes.
type BatchContents struct{ Payload, Outcomes []byte }

// contentsReader gathers one answer.
type contentsReader struct {
	query *Query
	ask   ContentsRequest
	out   Contents
	bytes int
}

// Contents reads the chain from a place on, in order. An answer without blocks and RetainedFrom says that the place is not
// certified yet. A request out of bounds is Invalid.
func (q *Query) Contents(ctx context.Context, ask ContentsRequest) (*Contents, error) {
	switch {
	case ask.From == 0:
		return nil, fault.New(fault.Invalid, "from_height: is 0, the first block has height 1")
	case ask.BytesMax < 1 || ask.BytesMax > ContentsBytesMax:
		return nil, fault.New(fault.Invalid, "bytes_max: is %d, must be 1 to %d", ask.BytesMax, ContentsBytesMax)
	}
	r := contentsReader{query: q, ask: ask, out: Contents{Height: q.feed.Height()}}
	for h := ask.From; h <= r.out.Height && len(r.out.Blocks) < ContentsBlocksMax; h++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		goesOn, err := r.block(h)
		if fault.Is(err, fault.Pruned) {
			return r.pruned(h)
		}
		if err != nil {
			return nil, err
		}
		if !goesOn {
			break
		}
	}
	return r.done()
}

// block adds a block, and reports whether there is room for the next.
func (r *contentsReader) block(h chain.Height) (goesOn bool, err error) {
	header, raw, err := r.query.history.HeaderBytes(h)
	if err != nil || len(r.out.Blocks) > 0 && !r.fits(len(raw)) {
		return false, err
	}
	first := uint32(0)
	if h == r.ask.From {
		first = r.ask.Batch
	}
	r.bytes += len(raw)
	r.out.Blocks = append(r.out.Blocks, BlockContents{Header: raw})
	to := &r.out.Blocks[len(r.out.Blocks)-1]
	for i := first; !r.ask.HeadersOnly && int(i) < len(header.Batches); i++ {
		payload, outcomes, err := r.query.history.Contents(h, i)
		if err != nil {
			return false, err
		}
		n := len(payload) + len(outcomes)
		if r.has() && !r.fits(n) {
			return false, nil
		}
		r.bytes += n
		to.Batches = append(to.Batches, BatchContents{payload, outcomes})
	}
	return true, nil
}

func (r *contentsReader) fits(n int) bool { return r.bytes+n <= r.ask.BytesMax }

// has reports whether an answer has a batch, or blocks that have none: it takes the asker on.
func (r *contentsReader) has() bool {
	return len(r.out.Blocks) > 1 || len(r.out.Blocks[0].Batches) > 0
}

// pruned ends an answer at what was let go: with what lies before, else with where to go on.
func (r *contentsReader) pruned(h chain.Height) (*Contents, error) {
	if last := len(r.out.Blocks) - 1; last >= 0 && len(r.out.Blocks[last].Batches) == 0 && !r.ask.HeadersOnly && r.endsAt(h) {
		r.out.Blocks = r.out.Blocks[:last]
	}
	if len(r.out.Blocks) > 0 {
		return r.done()
	}
	var err error
	if r.ask.HeadersOnly {
		r.out.RetainedFrom, err = r.query.history.HeadersFrom(h)
	} else {
		r.out.RetainedFrom, err = r.query.history.Retained(h, r.out.Height)
	}
	r.out.RetainedFrom = max(r.out.RetainedFrom, h+1) // what was gone a moment ago stays gone
	return &r.out, err
}

// endsAt reports whether the answer's last block is of a height.
func (r *contentsReader) endsAt(h chain.Height) bool {
	return r.ask.From+chain.Height(len(r.out.Blocks)) == h+1
}

func (r *contentsReader) done() (*Contents, error) {
	if len(r.out.Blocks) == 0 {
		return &r.out, nil
	}
	var err error
	r.out.Certificate, err = r.query.history.Certificate(r.ask.From + chain.Height(len(r.out.Blocks)) - 1)
	return &r.out, err
}
