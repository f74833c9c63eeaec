// SPDX-License-Identifier: Apache-2.0

package commit

import (
	"context"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/exec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/obs"
)

// block is an executed block on its way to the persister.
type block struct {
	proposal *chain.Proposal
	followed []*lane.Stored // entries that were executed, as the header's lines
	executed *exec.Executed
	ending   *ending // of the last block of an epoch
}

// executor is the state of runExecutor. It owns the machine, the ledger and the page space.
type executor struct {
	*Loop
	at       lane.Position // how far the lanes are executed
	lastWork chain.Height  // newest height that executed entries
	brief    []*stateRoot  // let go before a block with entries once hashed, in the order of height
	unhashed int           // how many of them, the newest ones, are not hashed yet
	legs     int           // executed since a root was due
	many     bool          // of them were executed between the last two roots
	idle     *time.Timer
	ended    bool // the epoch is over: what was decided above it is void
}

// runAhead takes what was decided a little before it can be executed, so that payloads which are not here are fetched while
// older blocks execute. What waits is bounded by DepthMax.
func (l *Loop) runAhead(ctx context.Context) error {
	for {
		select {
		case p := <-l.Engine.Decided():
			l.Lane.Want(p.Entries)
			select {
			case l.ordered <- p:
			case <-ctx.Done():
				return nil
			}
		case <-ctx.Done():
			return nil
		}
	}
}

func (l *Loop) runExecutor(ctx context.Context) error {
	x := &executor{Loop: l, at: l.Start, lastWork: l.Machine.Height(), idle: time.NewTimer(l.cfg.SettleDelay)}
	defer x.end()
	for {
		select {
		case p := <-x.proposals():
			if err := x.execute(ctx, p); err != nil {
				return endOr(ctx, err)
			}
		case v := <-l.views:
			x.serve(v)
		case r := <-l.rooted:
			x.hashed(r)
		case <-x.idle.C:
			x.settle()
		case <-ctx.Done():
			return nil
		}
	}
}

// proposals gives what was decided, and nothing any more once the epoch is over.
func (x *executor) proposals() <-chan *chain.Proposal {
	if x.ended {
		return nil
	}
	return x.ordered
}

func (x *executor) end() {
	x.idle.Stop()
	for _, r := range x.brief {
		r.release()
	}
}

// settle lets the last state root appear in a header when traffic has stopped: it asks for empty blocks until the state
// after the last entry has been hashed and its root stands in a header. Then an idle network is silent. While published
// blocks are executed again it asks for none: what it waits for follows.
func (x *executor) settle() {
	if x.Machine.Height() < x.Height() || x.ended {
		return
	}
	if x.Machine.RootsPending() || x.Machine.LastRoot() < x.lastWork || x.Machine.OwesRoot() {
		x.checkpointerFree.Store(true) // it is the last state for a while
		x.Engine.Nudge()
	}
}

// execute takes one decided proposal through fetch and execute, and hands it to the persister.
func (x *executor) execute(ctx context.Context, p *chain.Proposal) error {
	select {
	case x.depth <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	begin := time.Now()
	entries, payloads, err := x.fetch(ctx, p)
	if err != nil {
		return err
	}
	if err := x.awaitRoot(ctx); err != nil {
		return err
	}
	fetched := time.Now()
	if len(p.Entries) > 0 {
		if err := x.letBriefGo(ctx); err != nil {
			return err
		}
	}
	b := &block{proposal: p}
	if b.executed, err = x.Machine.Run(p, payloads); err != nil {
		return fault.Halt(err, "execute height %d", p.Height)
	}
	if err := x.passed(b, entries); err != nil {
		return err
	}
	x.OnKeys(b.executed.Keys)
	x.executedHeight.Store(uint64(p.Height))
	if len(b.executed.Batches) > 0 {
		x.lastWork = p.Height
	}
	x.legs += int(b.executed.LegsOK)
	if b.executed.Ends {
		if err := x.endEpoch(ctx, b); err != nil {
			return err
		}
	}
	if b.executed.RootDue {
		if err := x.rootDue(ctx, p.Height); err != nil {
			return err
		}
	}
	x.Metrics.stages.Observe(obs.StageFetch, fetched.Sub(begin))
	x.Metrics.stages.Observe(obs.StageExecute, time.Since(fetched))
	if len(p.Entries) > 0 {
		x.idle.Reset(x.cfg.SettleDelay)
	} else {
		x.settle()
	}
	x.executed <- b // never blocks: b has its token of depth
	return nil
}

// fetch finds the payloads that p names.
func (x *executor) fetch(ctx context.Context, p *chain.Proposal) ([]*lane.Stored, []exec.Payload, error) {
	entries := make([]*lane.Stored, len(p.Entries))
	payloads := make([]exec.Payload, len(p.Entries))
	for i, digest := range p.Entries {
		s, err := x.Lane.Fetch(ctx, digest)
		if err != nil && ctx.Err() != nil {
			return nil, nil, ctx.Err()
		}
		if err != nil {
			return nil, nil, fault.Halt(err, "fetch the payload of entry %d of height %d", i, p.Height)
		}
		entries[i] = s
		payloads[i] = exec.Payload{Entry: s.Entry, Digest: s.Digest, Bytes: s.Payload(), Executed: s.Executed}
	}
	return entries, payloads, nil
}

// passed tells the lanes which of the block's entries were executed. One that was passed over keeps its place: it may be
// decided again when it follows.
func (x *executor) passed(b *block, entries []*lane.Stored) error {
	if n := b.executed.PassedOver; n > 0 {
		x.Metrics.passedOver.Add(float64(n))
		if x.cfg.EntriesFollow {
			return fault.Halt(fault.New(fault.Corrupt, "%d entries do not follow in their lane", n), "execute height %d", b.proposal.Height)
		}
	}
	for i := range b.executed.Batches {
		b.followed = append(b.followed, entries[b.executed.Batches[i].Place])
	}
	x.at = x.Lane.Executed(b.followed)
	return nil
}

// awaitRoot waits until the state root that the next header must carry has been hashed.
func (x *executor) awaitRoot(ctx context.Context) error {
	for {
		if _, missing := x.Machine.NeedsRoot(); !missing {
			return nil
		}
		select {
		case r := <-x.rooted:
			x.hashed(r)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// hashed takes a state's root from the rooter, which hashes them in order.
func (x *executor) hashed(r *stateRoot) {
	x.Machine.SetRoot(r.at, r.root)
	if n := len(x.brief) - x.unhashed; x.unhashed > 0 && x.brief[n] == r {
		x.unhashed--
	}
}

// rootDue freezes the state after height and gives it to the rooter. If much was written the state is brief: pages written
// next would else be copied first, all of them ten times a second.
func (x *executor) rootDue(ctx context.Context, height chain.Height) error {
	brief := x.Space.Owned() >= x.cfg.BriefPagesMin
	job := newStateRoot(height, x.at, x.Space.Snapshot())
	if brief {
		x.brief = append(x.brief, job)
		x.unhashed++
		job.retain()
	}
	x.many, x.legs = x.legs >= x.cfg.WaitLegsMin, 0
	for {
		select {
		case x.rootJobs <- job:
			return nil
		case r := <-x.rooted: // the rooter may be waiting to hand an older root over
			x.hashed(r)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// letBriefGo takes brief states away from the rooter and the board, if nobody wants to read them. After many legs it waits
// until the newest is hashed; else what is written while it is hashed is copied, and it goes before a later block.
func (x *executor) letBriefGo(ctx context.Context) error {
	for x.many && x.unhashed > 0 {
		select {
		case r := <-x.rooted:
			x.hashed(r)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for len(x.brief) > x.unhashed {
		if err := x.letGo(ctx, x.brief[0]); err != nil {
			return err
		}
		x.brief[0].release()
		x.brief = x.brief[1:]
	}
	return nil
}

func (x *executor) letGo(ctx context.Context, job *stateRoot) error {
	if x.wantsState() {
		return nil
	}
	x.board.drop(job)
	for {
		select {
		case x.drops <- job:
			return nil
		case r := <-x.rooted:
			x.hashed(r)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// endOr hides an error that only says that ctx ended.
func endOr(ctx context.Context, err error) error {
	if ctx.Err() != nil && !fault.Is(err, fault.Halted) {
		return nil
	}
	return err
}
