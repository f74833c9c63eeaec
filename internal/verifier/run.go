// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// Cut is one moment of both ledgers, as far as it is one: V10's rows at a checkpoint, V11's state at a height below which all that V10
// did before that checkpoint's barrier is applied, and V11's tables beyond that height.
type Cut struct {
	V10   KV
	State State // nil: none is at hand, and what it would tell is left out
	Rows  Rows
	Meta  RowsMeta // of Rows, as the cut was made
	// Lag is how far V11 was behind V10 when the cut was made.
	Lag time.Duration
	// InboxSkipped is how many of V10's changes V11 passed over because a person said so.
	InboxSkipped uint64
	// Genesis is what V11's genesis gave whom.
	Genesis []StateBalance
}

// Close releases what is open.
func (c *Cut) Close() error {
	var errs []error
	if c.V10 != nil {
		errs = append(errs, c.V10.Close())
	}
	if c.State != nil {
		errs = append(errs, c.State.Close())
	}
	if c.Rows != nil {
		errs = append(errs, c.Rows.Close())
	}
	return errors.Join(errs...)
}

// Config is what a run is told.
type Config struct {
	Dir      string // its own folder, for tables and progress
	AliasKey *keys.AliasKey
	Secret   Secret // drawn anew for each run
	// Rate bounds the rows read a second, of both sides together; 0: as fast as it goes.
	Rate int
	// Progress is told how far it is, one call at a time. It may be nil.
	Progress func(Progress)
	// Every is how many rows are read between two saves of progress; 0: SaveRowsDefault.
	Every uint64
	// From is where an earlier process stopped; nil: at the beginning.
	From *Resumed
}

// SaveRowsDefault is how many rows of transactions are read between two saves.
const SaveRowsDefault = 4 << 20

// rowsOfEach is about how many rows a transaction has: one on each side, and one of V10's for each party.
const rowsOfEach = 4

// Progress is how far a run is. Total is about what there is, by what V11's tables say that they have.
type Progress struct {
	Step  string
	Rows  uint64
	Total uint64
}

// Result is what a pass over both ledgers found.
type Result struct {
	Findings *Findings
	Pairs    Pairs
	Bounds   bounds
	Notes    []string // what could not be compared, and why
	Rows     uint64   // read
	Seconds  float64
	// Unsure: sums differ, and what they are of is gone. Only another pass can tell.
	Unsure bool
}

// Pairs is how many rows were compared, by what they are.
type Pairs struct {
	Transactions uint64 `json:"transactions"`
	Accounts     uint64 `json:"accounts"` // and assets
	Balances     uint64 `json:"balances"`
	Rounds       uint64 `json:"rounds"` // and blocks
	// Derived is rows that follow from a transaction, each with the one that it follows from: by party, and of the index by account.
	Derived uint64 `json:"derived"`
}

// Total is all of them.
func (p *Pairs) Total() uint64 {
	return p.Transactions + p.Accounts + p.Balances + p.Rounds + p.Derived
}

// pass is one pass over a cut.
type pass struct {
	cfg    *Config
	cut    *Cut
	hasher hasher
	pacer  pacer
	mu     sync.Mutex // guards told and the rows of out
	sums   *sums
	out    *Result
	who    parties
	told   Progress
	cursor txCursor
	counts v10Counts
	times  map[uint64]bool
	// lastRound is V10's.
	lastRound uint64
}

// v10Counts is what V10's transactions are counted to.
type v10Counts struct {
	Own, Applied, Refused uint64
}

// Pass compares a cut.
func Pass(ctx context.Context, cfg Config, cut *Cut) (*Result, error) {
	begin := time.Now()
	p := &pass{cfg: &cfg, cut: cut, hasher: newHasher(cfg.Secret), sums: &sums{}, out: &Result{Findings: &Findings{}}, times: map[uint64]bool{}}
	p.pacer.rate = cfg.Rate
	p.told.Total = rowsOfEach * (cut.Meta.Seq + cut.Meta.CopiedRows)
	p.bound()
	if err := p.run(ctx); err != nil {
		return nil, err
	}
	p.out.Seconds = time.Since(begin).Seconds()
	return p.out, nil
}

// run compares what is kept of its own, and beside it takes away the rows that follow from transactions: both are half of the work, and
// neither needs the other before the end.
func (p *pass) run(ctx context.Context) error {
	defer p.release()
	steps := []func(context.Context) error{p.holders, p.transactions, p.roundsAndBlocks}
	if from := p.cfg.From; from != nil {
		if err := p.restore(from); err != nil {
			return err
		}
		steps = steps[1:]
	}
	d := &derived{sets: p.sets()}
	both, reading := errgroup.WithContext(ctx)
	both.Go(func() error { return d.run(reading) })
	both.Go(func() error {
		for _, do := range steps {
			if err := do(reading); err != nil {
				return err
			}
		}
		return nil
	})
	if err := both.Wait(); err != nil {
		return err
	}
	p.out.Pairs.Derived = d.join(p.sums)
	return p.drill(ctx)
}

// enter says what the run is about now.
func (p *pass) enter(step string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told.Step = step
}

// holders compares who there is, and takes what each holds away from the sums.
func (p *pass) holders(ctx context.Context) error {
	p.enter("accounts")
	if p.cut.State == nil {
		return fault.New(fault.Invalid, "there is no state of V11 to compare with")
	}
	p.who = parties{kv: p.cut.V10, state: p.cut.State, alias: p.cfg.AliasKey, hasher: p.hasher, finds: p.out.Findings, dir: p.cfg.Dir, step: p.step}
	if err := p.who.run(ctx); err != nil {
		return err
	}
	p.out.Pairs.Accounts = p.who.Pairs
	p.enter("balances")
	b := balances{
		kv: p.cut.V10, state: p.cut.State, hasher: p.hasher, accounts: p.who.accounts.reader(), assets: p.who.assets.reader(),
		finds: p.out.Findings, sums: p.sums, step: p.step,
	}
	b.genesis(p.cut.Genesis)
	if err := b.run(ctx); err != nil {
		return err
	}
	p.out.Pairs.Balances = b.Rows
	return p.save(&txCursor{})
}

func (p *pass) release() {
	for _, n := range []*numbers{p.who.accounts, p.who.assets} {
		if n != nil {
			_ = n.close() // it was read
		}
	}
}

// bound says what is to be on both sides.
func (p *pass) bound() {
	b, m := &p.out.Bounds, &p.cut.Meta
	if p.cut.State == nil {
		return
	}
	in := p.cut.State.Inbox()
	b.Height = uint64(p.cut.State.Height())
	b.Compare = in.Life > 0
	b.HasCopy = m.Copied
	b.RoundSeen = in.Round > 0 || b.HasCopy
	b.Round = in.Round
	if in.Position.Copying() {
		p.note("the initial copy is under way: what came from V10 is not compared")
		b.Compare = false
	}
	p.copiedBound(b)
	p.appliedBound(b)
	if m.Gaps > 0 {
		p.note("%d ranges of V11's blocks were recycled before they were indexed: sums of V11's balances are not compared", m.Gaps)
	}
}

func (p *pass) note(format string, args ...any) {
	p.out.Notes = append(p.out.Notes, fmt.Sprintf(format, args...))
}

// copiedBound is the last round of the copied history: V10's rounds count up, from 0.
func (p *pass) copiedBound(b *bounds) {
	if b.HasCopy && p.cut.Meta.Rounds > 0 {
		b.Copied = p.cut.Meta.LastRound
		b.Round = max(b.Round, b.Copied)
	}
}

// appliedBound is which of V11's blocks V10 has as a whole.
func (p *pass) appliedBound(b *bounds) {
	it, err := p.cut.V10.Iter(Consensus, []byte{keyAppliedBlock}, []byte{keyAppliedBlock + 1})
	if err != nil {
		return
	}
	if it.Next() {
		b.From, _ = numberKey(it.Key())
	}
	_ = it.Close() // a failure shows where all are walked
	row, err := p.cut.V10.Get(Meta, []byte("inbox"))
	if err != nil || b.From == 0 {
		return
	}
	major, ok := inboxMajor(row)
	if !ok {
		return
	}
	if _, err := p.cut.V10.Get(Consensus, roundKey(keyAppliedBlock, major)); err != nil {
		major-- // it is not all there yet
	}
	b.Applied = min(major, b.Height)
}

// inboxMajor reads which block V10's inbox stands in.
func inboxMajor(row []byte) (uint64, bool) {
	position := inboxPosition.FindSubmatch(row)
	if position == nil {
		return 0, false
	}
	n, err := strconv.ParseUint(string(position[1]), 10, 64)
	return n, err == nil
}

func (p *pass) transactions(ctx context.Context) error {
	p.enter("transactions")
	r := newV11Reader(p.cut.Rows, p.cut.Meta, p.out.Bounds.Height, p.hasher, p.who.accounts, p.who.assets, p.out.Findings, p.cursor.V11)
	r.timeOf, r.times = p.blockTime, p.times
	c := &comparison{
		kv: p.cut.V10, bounds: p.out.Bounds, sums: p.sums, finds: p.out.Findings, v11: r, save: p.save, every: p.cfg.Every, counts: &p.counts,
		step: func(ctx context.Context, rows int) error { return p.step(ctx, 2*rows) },
	}
	if c.every == 0 {
		c.every = SaveRowsDefault
	}
	if err := c.run(ctx, p.hasher, p.cursor); err != nil {
		return err
	}
	p.cursor = c.at
	p.out.Pairs.Transactions = c.at.Pairs
	if r.held {
		p.note("a portable asset was put on hold on V11: the holders' sums cannot be compared")
	}
	return nil
}

// blockTime is the time of one of V11's blocks as V10 has it.
func (p *pass) blockTime(height uint64) (uint64, bool) {
	var r RoundRow
	row, err := p.cut.V10.Get(Consensus, roundKey(keyAppliedBlock, height))
	if err != nil || !scanRound(row, &r) {
		return 0, false
	}
	return r.Ms, true
}

// roundsAndBlocks compares rounds and blocks, and V10's totals and keys.
func (p *pass) roundsAndBlocks(ctx context.Context) error {
	p.enter("rounds and blocks")
	b := &blocks{
		kv: p.cut.V10, rows: p.cut.Rows, meta: p.cut.Meta, bounds: &p.out.Bounds, hasher: p.hasher, finds: p.out.Findings, sums: p.sums, step: p.step, times: p.times,
	}
	if err := b.run(ctx); err != nil {
		return err
	}
	p.out.Pairs.Rounds, p.lastRound = b.Pairs, b.last.Number
	return b.totals(p.who.v10Accounts, p.who.v10Assets, p.counts.Own+p.counts.Applied, p.counts.Refused, p.counts.Applied)
}

func (p *pass) sets() sets {
	return sets{kv: p.cut.V10, rows: p.cut.Rows, meta: p.cut.Meta, hasher: p.hasher, finds: p.out.Findings, step: p.step}
}

// drill counts exactly what does not add up, and tells whose rows are wrong by it.
func (p *pass) drill(ctx context.Context) error {
	p.enter("drill down")
	d := &drill{
		sets: p.sets(), sums: p.sums, state: p.cut.State, bounds: &p.out.Bounds, genesis: p.cut.Genesis, lastRound: p.lastRound,
		accounts: p.who.accounts.reader(), assets: p.who.assets.reader(),
		rowsSeen: max(p.counts.Own+p.counts.Applied, p.cut.Meta.Seq+p.cut.Meta.CopiedRows),
	}
	p.correct(d, false)
	v11 := p.sums.v11.Buckets()
	gone := p.cut.State == nil || uint64(p.cut.State.Height()) != p.out.Bounds.Height
	p.out.Unsure = gone && v11.Count > 0
	if gone || p.cut.Meta.Gaps > 0 {
		v11, d.state = &Buckets{}, nil
	}
	p.out.Findings.blame(p.sums.v10.Buckets(), v11, turn)
	p.correct(d, true)
	if err := d.run(ctx); err != nil {
		return err
	}
	if d.Left > 0 {
		p.note("sums differ in %d buckets more than were looked into: mend what was found, and run again", d.Left)
	}
	return nil
}

// correct takes what was found of rows out of the sums: what is left is wrong by itself.
func (p *pass) correct(d *drill, open bool) {
	all := p.out.Findings.corrections(open)
	for i := range all {
		all[i].correct(SideV10, &p.sums.v10)
		all[i].correct(SideV11, &p.sums.v11)
	}
	d.corrections = append(d.corrections, all...)
}

// step is told of rows that were read: it paces, and tells how far the run is.
func (p *pass) step(ctx context.Context, rows int) error {
	p.mu.Lock()
	p.out.Rows += uint64(rows)
	p.told.Rows += uint64(rows)
	if p.cfg.Progress != nil {
		p.cfg.Progress(p.told)
	}
	p.mu.Unlock()
	return p.pacer.wait(ctx, rows)
}

// pacer keeps a rate.
type pacer struct {
	rate int
	mu   sync.Mutex // guards due
	due  time.Time
}

// paceLead is how far ahead of its rate a pass may be.
const paceLead = 50 * time.Millisecond

func (p *pacer) wait(ctx context.Context, rows int) error {
	if p.rate <= 0 {
		return ctx.Err()
	}
	p.mu.Lock()
	now := time.Now()
	if p.due.Before(now) {
		p.due = now
	}
	p.due = p.due.Add(time.Duration(rows) * time.Second / time.Duration(p.rate))
	ahead := p.due.Sub(now)
	p.mu.Unlock()
	if ahead < paceLead {
		return ctx.Err()
	}
	t := time.NewTimer(ahead)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// kindsOf lists the kinds of findings, without repeats.
func kindsOf(all []Finding) (kinds []string) {
	for i := range all {
		if k := all[i].Kind(); !slices.Contains(kinds, k) {
			kinds = append(kinds, k)
		}
	}
	return kinds
}
