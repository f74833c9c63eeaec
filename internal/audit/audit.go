// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/epoch"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/store"
)

// Options are what Run may be told.
type Options struct {
	// Progress, if not nil, is told how far a stage is. A stage may be left out, and one after the other runs.
	Progress func(stage string, done, total int64)
	// RowsOutlivePayloads is for how many heights the node was told to keep batch rows after their payloads. Default
	// chain.ValidityBlocksMax, as in commit.Config.
	RowsOutlivePayloads chain.Height

	heldBytesMax int64 // for tests; default heldBytesMax
}

// The stages that Progress is told of, in this order.
const (
	StageBlocks      = "blocks"      // bytes of the block store
	StageCheckpoints = "checkpoints" // files
	StageLane        = "lane"        // bytes
	StageOrder       = "order"       // bytes
	StageVotes       = "votes"       // bytes
	StageChain       = "chain"       // heights
	StageExecute     = "execute"     // heights
	StageRows        = "rows"        // tables
	StageIndex       = "index"       // bytes, or heights
)

// audit is one Run under way.
type audit struct {
	*findings
	cfg      config.Node
	progress func(stage string, done, total int64)

	rowsOutlivePayloads chain.Height
	heldBytesMax        int64

	genesis     *chain.Genesis               // nil if the file cannot be used
	self        chain.ValidatorNo            // whose folder it is; nobody if that is not known
	epochs      *epoch.History               // who validated when
	endTimes    []uint64                     // of the last block of each epoch that ended, in microseconds
	certifiedTo map[chain.Epoch]chain.Height // what lastCertified found
	lanes       int                          // one more than the highest number that any validator had
	sealed      bool                         // the node was stopped cleanly
	indexSealed bool                         // the index was closed cleanly
	store       store.Reader                 // nil if the block store cannot be used
	head        chain.Height                 // newest height with a header
	orders      []orderFolder                // ordering logs, ascending; the last one is the present epoch's, or becomes so
	order       *orderLog                    // nil if it cannot be used
	decided     chain.Height                 // newest in the ordering log; 0 while it was not read
	adopted     adopted
	batchesFrom chain.Height // first height whose batch rows were not pruned
	bound       legsBound    // of the heights before re-execution
	checkpoints []held       // sound checkpoint files
	rows        *rowSums
}

// Run proves the folder of a stopped node. A running node is fault.Conflict, a folder without settings fault.NotFound. An
// error says that the folder could not be examined; what is wrong with it is in the report.
func Run(ctx context.Context, dir string, opts Options) (report *Report, err error) {
	begin := time.Now()
	cfg, err := config.Load(dir)
	if err != nil {
		return nil, err
	}
	unlock, err := lockFolder(cfg.Data(""))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	a := &audit{
		findings: newFindings(dir), cfg: cfg, progress: opts.Progress,
		rowsOutlivePayloads: cmp.Or(opts.RowsOutlivePayloads, chain.ValidityBlocksMax),
		heldBytesMax:        cmp.Or(opts.heldBytesMax, heldBytesMax),
	}
	if a.progress == nil {
		a.progress = func(string, int64, int64) {}
	}
	if err := a.run(ctx); err != nil {
		if ctx.Err() != nil {
			err = fault.Wrap(fault.Timeout, ctx.Err(), "the verification was stopped")
		}
		return nil, err
	}
	a.report.OK = len(a.report.Problems) == 0
	a.report.Seconds = time.Since(begin).Seconds()
	return &a.report, nil
}

// run goes through the stages. A store or log whose bytes are damaged is not interpreted: the finding is named already,
// and what its content seems to say would only hide it.
func (a *audit) run(ctx context.Context) error {
	a.checkGenesis()
	if err := a.checkFolder(); err != nil {
		return err
	}
	sound, err := a.checkBytes(ctx)
	if err != nil {
		return err
	}
	if !sound.blocks {
		a.note("the chain was not examined and nothing was executed again, because the block store is damaged")
		return ctx.Err()
	}
	closeStore, err := a.openStore(ctx)
	if err != nil || a.store == nil {
		return err
	}
	return errors.Join(a.examine(ctx, sound), closeStore())
}

// examine checks what the bytes mean.
func (a *audit) examine(ctx context.Context, sound soundness) error {
	if !a.checkBinding() {
		a.note("the chain was not examined and nothing was executed again, because the genesis is not this chain's")
		return nil
	}
	if err := a.readHead(); err != nil {
		return err
	}
	a.readAdopted()
	proved, err := a.readEpochs()
	if err != nil || !proved {
		return err
	}
	if err := a.checkHandoversFile(); err != nil {
		return err
	}
	if err := a.findSelf(ctx, sound); err != nil {
		return err
	}
	start, err := a.findStart(ctx, sound)
	defer a.closeOrder()
	if err != nil {
		return err
	}
	a.rows = newRowSums(start.base, a.head)
	a.readBatchesFrom(start.base)
	for _, check := range []func() error{
		func() error { return a.checkChain(ctx, start.base) },
		func() error { return a.checkVotes(ctx, sound, start.base) },
		func() error { return a.executeAgain(ctx, start) },
		func() error { return a.checkIndex(ctx, sound) },
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

// executeAgain executes what is retained, and compares what it leaves behind.
func (a *audit) executeAgain(ctx context.Context, start start) error {
	if start.state == nil {
		a.note("nothing was executed again")
		return nil
	}
	reached, err := a.replay(ctx, start)
	if err != nil {
		return err
	}
	return a.checkRows(ctx, reached)
}
