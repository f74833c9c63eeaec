// SPDX-License-Identifier: Apache-2.0

package commit

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/exec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/ledger"
	"github.com/aurigraph/aurigraph/internal/order"
	"github.com/aurigraph/aurigraph/internal/pages"
	"github.com/aurigraph/aurigraph/internal/store"
)

// Config sets the loop's bounds. Zero values mean the defaults.
type Config struct {
	// DepthMax is how many blocks may be executed and not yet published. Default 16.
	DepthMax int
	// ViewsMax is how many readers may wait for the executor. More are told to try later. Default 1024.
	ViewsMax int
	// SettleDelay is how long the network must be idle before empty blocks let the last state root appear. Default 100 ms.
	SettleDelay time.Duration
	// CheckpointInterval is the least time between two durable checkpoints. Default 3 s.
	CheckpointInterval time.Duration
	// RetainBytes is how many bytes of payload segments are kept at least. Default 4 GiB.
	RetainBytes int64
	// RowsOutlivePayloads is for how many heights the rows by which a batch and its outcomes are found stay after its
	// payload was recycled. Default chain.ValidityBlocksMax; less breaks the answer to repeated batches.
	RowsOutlivePayloads chain.Height
	// BriefPagesMin is how many written pages make a root's snapshot brief. Below, copying some of them later costs less than
	// waiting. Default 256.
	BriefPagesMin int
	// WaitLegsMin is how many legs between two roots make execution wait until a brief state is hashed. Below, copying what is
	// written meanwhile costs less than the latency. Default 24,576.
	WaitLegsMin int
	// KeepLeaves says that there are peers with whom the pages behind a state root may have to be compared.
	KeepLeaves bool
	// EntriesFollow says that the engine decides each entry once, in its lane's order: then one that does not follow is
	// damage, and the writer halts.
	EntriesFollow bool
}

func (c *Config) setDefaults() {
	if c.DepthMax == 0 {
		c.DepthMax = 16
	}
	if c.ViewsMax == 0 {
		c.ViewsMax = 1024
	}
	if c.SettleDelay == 0 {
		c.SettleDelay = 100 * time.Millisecond
	}
	if c.CheckpointInterval == 0 {
		c.CheckpointInterval = 3 * time.Second
	}
	if c.RetainBytes == 0 {
		c.RetainBytes = 4 << 30
	}
	if c.BriefPagesMin == 0 {
		c.BriefPagesMin = 256
	}
	if c.WaitLegsMin == 0 {
		c.WaitLegsMin = 24_576
	}
	if c.RowsOutlivePayloads == 0 {
		c.RowsOutlivePayloads = chain.ValidityBlocksMax
	}
}

// Lane is where the payloads of ordered entries are.
type Lane interface {
	// Want says that entries were ordered and will be fetched soon.
	Want(digests []chain.Hash)
	// Fetch returns an entry that is on this node's disk, and waits for one that is not.
	Fetch(ctx context.Context, digest chain.Hash) (*lane.Stored, error)
	// Executed says that entries were executed, and returns how far the lanes are then.
	Executed(entries []*lane.Stored) lane.Position
	// Forget gives the memory of a published entry back.
	Forget(digest chain.Hash)
	// Carry writes what is not executed and lies in segments before a number once more at the log's end.
	Carry(ctx context.Context, before uint64) error
}

// Segments is what retention needs of the payload log.
type Segments interface {
	// Retained lists the segments that hold records, ascending, with their sizes in bytes.
	Retained() []Segment
	// Recycle gives segments below number back.
	Recycle(number uint64) error
}

// Segment is one segment of the payload log.
type Segment struct {
	Number uint64
	Bytes  int64
}

// Parts is what the loop works on. All fields are needed.
type Parts struct {
	Chain       chain.ChainID
	Space       *pages.Space
	Tree        *pages.Tree // up to date with Space
	Ledger      *ledger.Ledger
	Machine     *exec.Machine
	Lane        Lane
	Start       lane.Position // own lane's position in the state that Machine starts from
	StartRoot   chain.Height  // height of that state, whose root Tree has; 0 = genesis, which has none
	Engine      order.Engine
	Store       store.Store
	Certifier   Certifier
	Checkpoints *checkpoint.Store
	Segments    Segments
	TrimOrder   func(below chain.Height) error // lets the ordering log forget proposals below a height
	Metrics     *Metrics
	// OnKeys is told of changed keys before any block that could use them is published.
	OnKeys func([]ledger.KeyChange)
	// OnPublished is told of every published block, in height order. It must be quick.
	OnPublished func(*Published)
}

// Published is a block that is certified and stored, and whose payloads and proposal are durable.
type Published struct {
	chain.Certified
	Executed *exec.Executed
	LegsOK   uint64 // since genesis
}

// Loop is the writer.
type Loop struct {
	cfg Config
	Parts

	views    chan viewRequest
	ordered  chan *chain.Proposal
	depth    chan struct{} // a token for each block executed, or being executed, and not yet published
	executed chan *block   // never fuller than depth
	signed   chan *block   // the same
	rootJobs chan *stateRoot
	rooted   chan *stateRoot
	drops    chan *stateRoot // states that the rooter shall not read any more
	proofs   chan proofRequest
	durable  chan *stateRoot
	last     chan *stateRoot // the state that the next epoch begins with
	board    rootBoard
	start    *stateRoot // the state that the loop starts from; nil at genesis

	ended chan struct{} // closed when Run returns: readers who wait get an answer

	startedAt        chain.Height // the published height when the loop was made
	checkpointerFree atomic.Bool  // takes a state if there is one
	checkpointDue    atomic.Bool  // waits for a state
	proofsWaiting    atomic.Int32

	cuts           cuts
	payloadsAfter  atomic.Uint64 // height behind which all payloads are retained: the floor
	executedHeight atomic.Uint64
	legsOK         atomic.Uint64

	// mu guards published and newBlock, which is closed and replaced at each block.
	mu        sync.Mutex
	published chain.Height
	newBlock  chan struct{}
}

// New makes a loop that goes on after the published height of its store.
func New(p Parts, cfg Config) (*Loop, error) {
	cfg.setDefaults()
	l := &Loop{
		cfg: cfg, Parts: p,
		views:    make(chan viewRequest, cfg.ViewsMax),
		ordered:  make(chan *chain.Proposal, cfg.DepthMax),
		depth:    make(chan struct{}, cfg.DepthMax),
		executed: make(chan *block, cfg.DepthMax),
		signed:   make(chan *block, cfg.DepthMax),
		rootJobs: make(chan *stateRoot, chain.RootDelay),
		rooted:   make(chan *stateRoot, chain.RootDelay),
		drops:    make(chan *stateRoot),
		proofs:   make(chan proofRequest),
		durable:  make(chan *stateRoot, 1),
		last:     make(chan *stateRoot),
		newBlock: make(chan struct{}),
		ended:    make(chan struct{}),
		board:    rootBoard{changed: make(chan struct{})},
	}
	if err := l.readHead(); err != nil {
		return nil, err
	}
	l.Segments = recycler{p.Segments, l}
	l.notePayloads()
	l.executedHeight.Store(uint64(p.Machine.Height()))
	if p.StartRoot != 0 {
		l.start = newStateRoot(p.StartRoot, p.Start, p.Space.Snapshot())
		l.start.root = p.Tree.Root()
	}
	return l, nil
}

// Run works until ctx ends (nil), the epoch ends (ErrEpochEnded), or the writer must stop for good (Halted, Corrupt). It is
// called once.
func (l *Loop) Run(ctx context.Context) error {
	defer close(l.ended)
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return l.runAhead(ctx) })
	group.Go(func() error { return l.runExecutor(ctx) })
	group.Go(func() error { return l.runSigner(ctx) })
	group.Go(func() error { return l.runPersister(ctx) })
	group.Go(func() error { return l.runRooter(ctx) })
	group.Go(func() error { return l.runCheckpointer(ctx) })
	return group.Wait()
}

// Height is the newest published height.
func (l *Loop) Height() chain.Height {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.published
}

// ExecutedHeight is the newest executed height; it may not be certified yet.
func (l *Loop) ExecutedHeight() chain.Height { return chain.Height(l.executedHeight.Load()) }

// LegsOK is the number of transfers executed with outcome ok since genesis, up to the published height.
func (l *Loop) LegsOK() uint64 { return l.legsOK.Load() }

// Wait returns once a height is published: nil, else ctx's error, or Unavailable when the writer ended before.
func (l *Loop) Wait(ctx context.Context, h chain.Height) error {
	for {
		l.mu.Lock()
		done, next := l.published >= h, l.newBlock
		l.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-next:
		case <-l.ended:
			return errEnded()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func errEnded() error {
	return fault.Reasoned(fault.Unavailable, "stopping", "the writer of this node has stopped")
}

func (l *Loop) publish(h chain.Height) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.published = h
	close(l.newBlock)
	l.newBlock = make(chan struct{})
}
