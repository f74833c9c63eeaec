// SPDX-License-Identifier: Apache-2.0

package payfile

import (
	"context"
	"fmt"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Bounds of an import.
const (
	WindowChunksMax  = 64 // chunks that may be sent and not answered; at the bound the oldest is awaited
	backoffMin       = 20 * time.Millisecond
	backoffMax       = 2 * time.Second
	backoffsMax      = 60 // waits in a row, 2 minutes; then the import stops
	signedAgainMax   = 16 // times that one chunk is signed again; then the import stops
	defaultWindow    = 8
	defaultValidity  = 20_000
	validityBlockMin = 100
)

// Options tune Run. The zero value is good.
type Options struct {
	WindowChunks   int                // sent and not answered, 1 to WindowChunksMax; default 8
	ValidityBlocks chain.Height       // how long signed bytes live, 100 to chain.ValidityBlocksMax; default 20,000
	Progress       func(done, of int) // lines; called in Run's goroutine after each chunk

	pause func(ctx context.Context, d time.Duration) error // waits; tests need not
}

func (o *Options) fill() error {
	if o.WindowChunks == 0 {
		o.WindowChunks = defaultWindow
	}
	if o.ValidityBlocks == 0 {
		o.ValidityBlocks = defaultValidity
	}
	if o.WindowChunks < 1 || o.WindowChunks > WindowChunksMax {
		return fault.New(fault.Invalid, "a window of %d chunks, must be 1 to %d", o.WindowChunks, WindowChunksMax)
	}
	if o.ValidityBlocks < validityBlockMin || o.ValidityBlocks > chain.ValidityBlocksMax {
		return fault.New(fault.Invalid, "a validity of %d blocks, must be %d to %d", o.ValidityBlocks, validityBlockMin, chain.ValidityBlocksMax)
	}
	if o.Progress == nil {
		o.Progress = func(int, int) {}
	}
	if o.pause == nil {
		o.pause = pause
	}
	return nil
}

// A runner drives one import. todo is in order of sending, flight in order of having been sent.
type runner struct {
	plan      *Plan
	j         *Journal
	sender    Sender
	opts      Options
	todo      []*job
	flight    []*job
	sequences map[chain.InstitutionNo]uint64 // last one signed
	nonces    map[chain.AccountNo]uint64     // last one signed
	doneLines int
	backoffs  int // in a row
	again     int // lines signed again
}

// job is a chunk on its way.
type job struct {
	group   group
	chunk   *chunk // nil until it is signed
	signed  int    // times that it was signed again
	pending []int  // transactions without a fate, by index; nil for batches
	done    done
	wait    func() (BatchFate, error)
	waitTxs func() ([]TxFate, error)
}

// Run sends what has no outcome yet, and writes name.outcomes.csv. An error of kind Timeout or Unavailable, and any other
// interruption: call it again with the same file, nothing is paid twice. A journal that is complete is reported without
// asking the sender.
func Run(ctx context.Context, plan *Plan, j *Journal, sender Sender, opts Options) (*Report, error) {
	if err := opts.fill(); err != nil {
		return nil, err
	}
	if plan.file.Hash != j.header.file {
		return nil, fault.New(fault.Invalid, "the journal is of another file than the plan")
	}
	r := &runner{plan: plan, j: j, sender: sender, opts: opts, sequences: map[chain.InstitutionNo]uint64{}, nonces: map[chain.AccountNo]uint64{}}
	r.begin()
	if err := r.work(ctx); err != nil {
		r.drain()
		return nil, r.explain(err)
	}
	if err := j.sync(); err != nil {
		return nil, err
	}
	return r.report()
}

// begin lists the work: first what was signed and may have been sent, then what no chunk has.
func (r *runner) begin() {
	for n, k := range r.j.chunks {
		r.remember(k)
		if r.j.dones[n] != nil {
			r.doneLines += len(k.lines)
			continue
		}
		r.todo = append(r.todo, &job{chunk: k, pending: everyTx(k)})
	}
	for _, g := range r.plan.groups(func(line int) bool { return r.j.taken[line] }) {
		r.todo = append(r.todo, &job{group: g})
	}
}

// remember keeps sequences and nonces from being signed twice, whatever of the journal the ledger has seen.
func (r *runner) remember(k *chunk) {
	if k.batch != nil {
		h := batchHeader(k)
		r.sequences[h.Institution] = max(r.sequences[h.Institution], h.Sequence)
		return
	}
	for _, raw := range k.txs {
		tx := decodeTx(raw)
		r.nonces[tx.Sender] = max(r.nonces[tx.Sender], tx.Nonce)
	}
}

func everyTx(k *chunk) []int {
	if k.batch != nil {
		return nil
	}
	all := make([]int, len(k.txs))
	for i := range all {
		all[i] = i
	}
	return all
}

func batchHeader(k *chunk) chain.BatchHeader { return mustBatch(k).Header() }

func mustBatch(k *chunk) chain.Batch {
	b, err := chain.ParseBatch(k.batch.Bytes)
	fault.Invariant(err == nil, "a journalled batch does not parse")
	return b
}

func decodeTx(raw []byte) *chain.SignedTx {
	tx, _, err := codec.DecodeSignedTx(raw)
	fault.Invariant(err == nil, "a journalled transaction does not decode")
	return tx
}

func (r *runner) work(ctx context.Context) error {
	signer := &signing{runner: r, asked: map[chain.InstitutionNo]bool{}, askedNonce: map[chain.AccountNo]bool{}}
	for len(r.todo)+len(r.flight) > 0 {
		if err := ctx.Err(); err != nil {
			return fault.Wrap(fault.Timeout, err, "interrupted")
		}
		if err := r.fillWindow(ctx, signer); err != nil {
			return err
		}
		oldest := r.flight[0]
		r.flight = r.flight[1:]
		if err := r.settle(ctx, signer, oldest); err != nil {
			return r.about(oldest, err)
		}
	}
	return nil
}

// fillWindow journals, syncs once, then sends as many chunks as the window has room for.
func (r *runner) fillWindow(ctx context.Context, s *signing) error {
	n := min(r.opts.WindowChunks-len(r.flight), len(r.todo))
	if n <= 0 {
		return nil
	}
	jobs := r.todo[:n]
	if err := s.signFresh(ctx, jobs); err != nil {
		return err
	}
	if err := r.j.sync(); err != nil {
		return err
	}
	r.todo = r.todo[n:]
	for _, j := range jobs {
		r.send(ctx, j)
		r.flight = append(r.flight, j)
	}
	return nil
}

// send hands a chunk over. A failure is found where its answer is awaited.
func (r *runner) send(ctx context.Context, j *job) {
	var err error
	if j.chunk.batch != nil {
		if j.wait, err = r.sender.SendBatch(ctx, j.chunk.batch); err != nil {
			j.wait = func() (BatchFate, error) { return BatchFate{}, err }
		}
		return
	}
	raw := make([][]byte, len(j.pending))
	for i, at := range j.pending {
		raw[i] = j.chunk.txs[at]
	}
	if j.waitTxs, err = r.sender.SendTxs(ctx, raw); err != nil {
		j.waitTxs = func() ([]TxFate, error) { return nil, err }
	}
}

// retry puts a chunk first in line.
func (r *runner) retry(j *job) { r.todo = append([]*job{j}, r.todo...) }

// finish records a chunk's outcomes.
func (r *runner) finish(j *job) error {
	j.done.number = j.chunk.number
	if err := r.j.finish(&j.done); err != nil {
		return err
	}
	r.doneLines += len(j.chunk.lines)
	r.backoffs = 0
	r.opts.Progress(r.doneLines, len(r.plan.file.Lines))
	return nil
}

// backOff waits, longer each time in a row.
func (r *runner) backOff(ctx context.Context, why error) error {
	if r.backoffs >= backoffsMax {
		return fault.Wrap(fault.Unavailable, why, "gave up after %d attempts", r.backoffs)
	}
	d := min(backoffMin<<min(r.backoffs, 16), backoffMax)
	r.backoffs++
	return fault.Wrap(fault.Timeout, r.opts.pause(ctx, d), "interrupted")
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// drain takes the answers that still come after a failure. What it misses, the next run is told again.
func (r *runner) drain() {
	for _, j := range r.flight {
		if j.chunk.batch == nil {
			_, _ = j.waitTxs()
			continue
		}
		f, err := j.wait()
		if err == nil && len(f.Outcomes) == len(j.chunk.lines) && !voided(f.Outcomes[0]) {
			j.done.take(f)
			_ = r.finish(j)
		}
	}
	_ = r.j.sync()
}

// about says which lines an error is about.
func (r *runner) about(j *job, err error) error {
	l := r.plan.file.Lines
	first, last := l[j.chunk.lines[0]].No, l[j.chunk.lines[len(j.chunk.lines)-1]].No
	return restate(err, fmt.Sprintf("payments of lines %d to %d", first, last))
}

// explain says what to do about an error that stopped the import.
func (r *runner) explain(err error) error {
	text := fmt.Sprintf("the import stopped, outcomes of %d of %d payments are known", r.doneLines, len(r.plan.file.Lines))
	switch fault.KindOf(err) {
	case fault.Timeout, fault.Unavailable, fault.TryLater:
		text += "; run the same command again, nothing is paid twice"
	default:
		text += "; find the cause, then run the same command again, nothing is paid twice"
	}
	return restate(err, text)
}

// restate puts a text before an error and keeps its kind and reason.
func restate(err error, text string) error {
	return &fault.Error{Kind: fault.KindOf(err), Reason: fault.ReasonOf(err), Text: text, Cause: err}
}
