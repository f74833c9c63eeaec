// SPDX-License-Identifier: Apache-2.0

package node

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/catchup"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/commit"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/epoch"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/intake"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/ledger"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/order"
	"github.com/aurigraph/aurigraph/internal/order/solo"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/store"
	"github.com/aurigraph/aurigraph/internal/store/pebblestore"
)

// Names of the node's components in its health.
const (
	componentState = "state"
	componentAPI   = "api"
)

// keyCacheEntries and keyCacheBytes bound the parsed public keys kept for verification.
const (
	keyCacheEntries = 8192
	keyCacheBytes   = 24 << 20
)

// Node is one opened node.
type Node struct {
	cfg     config.Node
	log     *slog.Logger
	genesis *chain.Genesis
	health  *obs.Health
	metrics *prometheus.Registry
	stages  *obs.StageTimer

	lock        *os.File
	room        *room
	self        chain.ValidatorNo
	header      keys.Signer
	root        keys.Signer
	pool        *seglog.Pool
	laneLog     *seglog.Log
	orderLog    *seglog.Log
	peers       *peers // nil in a network of one
	store       store.Store
	checkpoints *checkpoint.Store
	epochs      *epoch.History // who validates when
	epoch       chain.Epoch    // in which the state stands
	lags        bool           // the chain is in a later one: a peer's state is to be taken
	state       *State
	taken       *catchup.Taken // a peer's state that Open makes this node's
	adopted     chain.Height   // of the newest one; 0: there never was one
	engine      engine
	lane        laneParts
	certifier   commit.Certifier
	offered     []chain.Hash // entries of the lane that nobody had decided at the start
	history     *history.History
	loop        *commit.Loop
	intake      *intake.Intake
	directory   *intake.Directory
	services    *services

	diverged   atomic.Bool // a quorum certified another header than this node's
	divergence divergence
	sealing    *sealing                // nil in a network of one, and where the epoch is over
	syncing    atomic.Pointer[Syncing] // its half of a sync, while that runs
	reverse    *reversing              // nil: portable work is not bounded

	evidenceBook *evidenceBook // nil in a network of one
	drilled      drilled

	repair repair

	fatal  chan error // first error from a callback that cannot return one
	halted bool       // Run ended because the writer had to stop
	closed []func() error
}

// Open opens the node in the settings' folder and recovers its state. Close must follow.
func Open(ctx context.Context, cfg config.Node, log *slog.Logger) (*Node, error) {
	n := &Node{cfg: cfg, log: log, metrics: obs.NewRegistry(), health: obs.NewHealth(componentState, componentAPI), fatal: make(chan error, 1)}
	for _, step := range []func(context.Context) error{n.openFolder, n.readValidatorKeys, n.openEpochs, n.openRepair, n.openLogs, n.adopt, n.openState, n.finishAdoption, n.openEpoch, n.openDivergence, n.openEvidence, n.openPeers, n.openCatchUp, n.openOrder, n.openCertifier, n.openSeal, n.openLoop, n.openReverse, n.openDoor, n.openServices, n.openRest} {
		if err := step(ctx); err != nil {
			return n.openAgain(ctx, errors.Join(err, n.Close()))
		}
	}
	return n, nil
}

func (n *Node) onClose(f func() error) { n.closed = append(n.closed, f) }

// Close releases everything, in reverse. Run must have returned.
func (n *Node) Close() error {
	var errs []error
	for i := len(n.closed) - 1; i >= 0; i-- {
		errs = append(errs, n.closed[i]())
	}
	n.closed = nil
	return errors.Join(errs...)
}

func (n *Node) openFolder(context.Context) (err error) {
	if n.genesis, err = ReadGenesis(n.cfg.Path(n.cfg.Genesis)); err != nil {
		return err
	}
	if n.lock, err = lockFolder(n.cfg.Data("")); err != nil {
		return err
	}
	n.onClose(n.lock.Close)
	for _, d := range []string{"lane", "checkpoints", "index"} {
		if err := os.MkdirAll(n.cfg.Data(d), 0o755); err != nil {
			return fault.Wrap(fault.Unavailable, err, "make the data folders")
		}
	}
	if n.stages, err = obs.NewStageTimer(n.metrics); err != nil {
		return err
	}
	if n.store, err = pebblestore.Open(n.cfg.Data("blocks"), pebblestore.Options{Log: n.log}); err != nil {
		return err
	}
	n.onClose(n.closeStore)
	if err := store.EnsureFormat(n.store); err != nil {
		return err
	}
	return bindGenesis(n.store, n.genesis)
}

// closeStore closes the block store, unless the writer had to stop: then nothing more is written to a disk that may have
// failed, and the engine ends the process without a word when its last flush fails. What it holds in memory is executed
// again.
func (n *Node) closeStore() error {
	if n.halted {
		return nil
	}
	return n.store.Close()
}

func (n *Node) openLogs(context.Context) (err error) {
	buffers := []string{n.cfg.Data("checkpoints/a.ckpt"), n.cfg.Data("checkpoints/b.ckpt")}
	n.room = newRoom(n.cfg.Data(""), n.cfg.Commit.ReserveBytes, buffers, n.log)
	if err := n.room.register(n.metrics); err != nil {
		return err
	}
	doors := n.cfg.Memory.PayloadBytes
	if n.several() {
		doors /= 2 // the others' entries have the rest
	}
	n.pool = seglog.NewPool(doors, doors/2)
	if n.laneLog, err = n.openLog("lane", n.cfg.Commit.SegmentBytes, 2, n.cfg.Commit.PrepareByWriting); err != nil {
		return err
	}
	n.onClose(n.laneLog.Close)
	n.checkpoints, err = checkpoint.Open(n.cfg.Data("checkpoints"), checkpoint.OS{}, checkpoint.Config{Chain: n.genesis.Chain, NewSpace: newSpace, BytesPerSecond: n.cfg.Commit.CheckpointBytesPerSecond})
	return err
}

// orderSegmentBytes holds 4,095 proposals. A test that wants to see them recycled makes it less.
var orderSegmentBytes int64 = 16 << 20

func (n *Node) openLog(name string, segmentBytes int64, ready int, byWriting bool) (*seglog.Log, error) {
	return seglog.Open(n.cfg.Data(name), seglog.Options{
		Name: name, Identity: n.logIdentity(name), WrittenSeq: n.writtenSeq(name), SegmentBytes: segmentBytes, ReadyMin: ready, PrepareByWriting: byWriting,
		Pool: n.pool, QueueBytesMax: n.cfg.Memory.PayloadBytes, Metrics: n.metrics, Reserve: true, Room: n.room.segment,
	})
}

func (n *Node) openState(context.Context) (err error) {
	begin := time.Now()
	if n.state, err = recoverState(n.genesis, n.store, n.checkpoints); err != nil {
		return err
	}
	for _, skipped := range n.state.Skipped {
		n.log.Warn("a checkpoint was skipped", obs.KeyErr, skipped.Error())
	}
	n.log.Info("state loaded", obs.KeyHeight, n.state.Height, obs.KeySeconds, time.Since(begin).Seconds())
	return nil
}

// engine is an ordering engine over a log of its own.
type engine interface {
	order.Engine
	Replayed() map[chain.Hash]bool
	ReplayedTo() chain.Height
	Trim(below chain.Height) error
}

// laneParts is the lane as the node's other parts use it: a lane.Lane alone, or a lane.Relay among several.
type laneParts interface {
	commit.Lane
	intake.Lane
	Pending() []chain.Hash
	Holds(digest chain.Hash) bool
	ReadPayload(at seglog.Pos) ([]byte, error)
}

// openOrder opens the ordering log and the lane, and finds what the lane has to offer again.
func (n *Node) openOrder(ctx context.Context) (err error) {
	if n.engine, err = n.openEngine(ctx); err != nil {
		return err
	}
	head, _, err := store.LastHeader(n.store)
	if err != nil && !fault.Is(err, fault.NotFound) {
		return err
	}
	if n.engine.ReplayedTo() < head && n.adopted < head && !n.lags {
		return fault.New(fault.Corrupt, "the ordering log ends at height %d, but height %d was published: restore the data folder from a copy", n.engine.ReplayedTo(), head)
	}
	if n.several() {
		return n.openRelay(ctx)
	}
	alone, err := lane.Open(ctx, n.laneLog, lane.Config{
		JoinEpoch: n.members().Find(n.self).JoinEpoch,
		OnDurable: n.onDurable,
		OnFailed:  n.fail,
	}, n.state.Lane)
	if err != nil {
		return err
	}
	n.lane = alone
	n.noteOffered()
	for _, d := range n.offered {
		if err := n.engine.Offer(d); err != nil {
			return err
		}
	}
	return nil
}

func (n *Node) openEngine(ctx context.Context) (engine, error) {
	if n.lags {
		return away{}, nil
	}
	if n.cfg.Order.Engine == config.EngineRaft {
		return n.openRaft(ctx)
	}
	return solo.Open(ctx, n.orderLog, n.state.Height, n.genesis.TimeUs, solo.Config{IntervalMin: n.cfg.Order.IntervalMin, WindowMax: n.cfg.Order.WindowMax})
}

// noteOffered finds the own entries that nobody has decided: they will be offered again.
func (n *Node) noteOffered() {
	decided := n.engine.Replayed()
	for _, d := range n.lane.Pending() {
		if !decided[d] {
			n.offered = append(n.offered, d)
		}
	}
}

// onDurable offers a durable entry to ordering. The pool bounds what the lane holds far below what ordering takes.
func (n *Node) onDurable(s *lane.Stored) { n.offer(s.Digest) }

func (n *Node) offer(digest chain.Hash) {
	if err := n.engine.Offer(digest); err != nil {
		n.fail(err)
	}
}

// fail stops the node from a callback.
func (n *Node) fail(err error) {
	select {
	case n.fatal <- err:
	default:
	}
}

func (n *Node) openLoop(context.Context) (err error) {
	n.history = history.New(n.store, n.payload)
	n.directory = intake.NewDirectory(keys.NewCache(keyCacheEntries, keyCacheBytes))
	n.loadKeys()
	n.loop, err = commit.New(commit.Parts{
		Chain: n.genesis.Chain, Space: n.state.Space, Tree: n.state.Tree, Ledger: n.state.Ledger, Machine: n.state.Machine,
		Lane: n.lane, Start: n.state.Lane, StartRoot: n.state.Height, Engine: n.engine, Store: n.store, Checkpoints: n.checkpoints,
		Certifier:   n.certifier,
		Segments:    laneSegments{n.laneLog},
		TrimOrder:   n.trimOrder,
		Metrics:     commit.NewMetrics(n.metrics, n.stages),
		OnKeys:      n.setKeys,
		OnPublished: n.onPublished,
	}, commit.Config{CheckpointInterval: n.cfg.Commit.CheckpointInterval, RetainBytes: n.cfg.Commit.RetainBytes, KeepLeaves: n.several(), EntriesFollow: n.cfg.Order.Engine == config.EngineSolo})
	return err
}

// trimOrder lets go of proposals below a height, and of the votes on them.
func (n *Node) trimOrder(below chain.Height) error {
	if err := n.engine.Trim(below); err != nil || n.peers == nil {
		return err
	}
	return n.peers.certifier.Trim(below)
}

func (n *Node) payload(l chain.Location) ([]byte, error) {
	return n.sound(n.lane.ReadPayload(posOf(l)))
}

// loadKeys fills the door's directory with the keys of the recovered state.
func (n *Node) loadKeys() {
	l := n.state.Ledger
	for no := chain.KeyNo(1); uint32(no) <= l.Counts().Keys; no++ {
		if k, ok := l.Key(no); ok {
			n.setKeys([]ledger.KeyChange{k})
		}
	}
}

func (n *Node) setKeys(changes []ledger.KeyChange) {
	for _, c := range changes {
		r := intake.KeyRecord{No: c.No, Public: c.Public, Active: c.Active}
		if c.OwnerKind == ledger.OwnedByInstitution {
			r.Institution = chain.InstitutionNo(c.Owner)
		}
		n.directory.Set(r)
	}
}

func (n *Node) onPublished(p *commit.Published) {
	outcomes := make([]codec.Outcomes, len(p.Executed.Batches))
	for i := range outcomes {
		outcomes[i] = p.Executed.Batches[i].Outcomes
	}
	n.services.onPublished(p) // first: who has a receipt finds its block
	n.intake.OnPublished(&p.Certified, outcomes)
}

func (n *Node) openDoor(context.Context) error {
	n.intake = intake.New(intake.Parts{
		Chain: n.genesis.Chain, Pool: n.pool, Keys: n.directory, Lane: roomyLane{n.lane, n.room}, History: n.history, Stages: n.stages, Metrics: n.metrics,
		Height:          n.loop.Height,
		ChannelSequence: n.channelSequence,
		Portable:        n.portableOf(),
	}, intake.Config{AdmitWaitMax: n.cfg.Intake.AdmitWaitMax, CutDelay: n.cfg.Intake.CutDelay, Alone: !n.several()})
	return nil
}

func (n *Node) channelSequence(ctx context.Context, institution chain.InstitutionNo, channel uint8) (last uint64, err error) {
	_, err = n.loop.View(ctx, func(l *ledger.Ledger) { last = l.Channel(institution, channel) })
	return last, err
}

// Run runs the node until ctx ends (nil) or it must stop. ErrRestart says to open the folder again. After Halted the process
// must end: Close leaves the block store as it is. A node that a quorum contradicts writes no more, and answers readers until
// ctx ends.
func (n *Node) Run(ctx context.Context) error {
	err := n.ended(n.services.withRest(ctx, n.run))
	if errors.Is(err, commit.ErrEpochEnded) {
		n.log.Info("the membership epoch has ended; the node goes on with the next members", obs.KeyEpoch, uint64(n.epoch), obs.KeyHeight, uint64(n.loop.Height()))
		err = ErrRestart
	}
	n.halted = fault.Is(err, fault.Halted)
	return err
}

func (n *Node) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return n.services.run(ctx) })
	if n.reverse != nil {
		group.Go(func() error { return n.reverse.run(ctx) })
	}
	if n.sealing != nil || n.cfg.Sync.Ledger != "" {
		group.Go(func() error { return n.serveAdmin(ctx) })
	}
	group.Go(func() error {
		err := n.write(ctx)
		n.services.halted.note(err)
		if n.diverged.Load() && ctx.Err() == nil {
			n.log.Error("the writer halted: a quorum certified another history; readers are answered from this node's", obs.Err(err))
			n.health.NotReady(componentState, "the writer halted")
			n.services.api.SetServing(false)
			return cmp.Or(n.standHalted(ctx), err)
		}
		return err
	})
	return group.Wait()
}

// standHalted lets a node that a quorum contradicts find out where, until ctx ends (nil), or until its folder is to be opened
// anew (ErrRestart): it comes back from a peer's state, or a seal needs it, for what a handover names is decided by more than
// this node's history.
func (n *Node) standHalted(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	back := make(chan error, 1)
	var explaining sync.WaitGroup
	defer explaining.Wait()
	defer cancel()
	explaining.Go(func() { back <- n.comeBack(ctx) })
	for {
		select {
		case err := <-back:
			if err != nil {
				return err
			}
			back = nil // it stays halted
		case err := <-n.fatal:
			if errors.Is(err, ErrRestart) {
				return err
			}
		case <-ctx.Done():
			return nil
		}
	}
}

// write runs all that makes history.
func (n *Node) write(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	if n.peers != nil {
		group.Go(func() error { return n.peers.run(ctx) })
	}
	if n.sealing != nil && n.sealing.target != nil {
		n.health.NotReady(componentState, "the epoch is being sealed")
		group.Go(func() error { return n.sealing.reach(ctx) })
	} else {
		group.Go(func() error { return n.engine.Run(ctx) })
		group.Go(func() error { return n.loop.Run(ctx) })
		group.Go(func() error { return n.intake.Run(ctx) })
		group.Go(func() error { return n.becomeReady(ctx) })
	}
	group.Go(func() error {
		select {
		case err := <-n.fatal:
			return err
		case <-ctx.Done():
			return nil
		}
	})
	group.Go(func() error { return n.scrub(ctx) })
	return group.Wait()
}

// replayLook is how often becomeReady looks how far the execution is.
const replayLook = time.Millisecond

// becomeReady opens the API once everything that was decided before the start is executed again, and what the lane held
// beyond that is executed too. That a height is published is not enough: it was before the start, and a reader would see
// balances of a height below it. And whoever asks for a payment whose answer was lost must not hear that it never was, while
// it waits to be ordered: he would pay again.
func (n *Node) becomeReady(ctx context.Context) error {
	if n.lags {
		n.health.NotReady(componentState, "the membership changed while this node was away")
		return nil
	}
	begin := time.Now()
	n.health.NotReady(componentState, "executing again what was decided before the start")
	if n.awaitExecuted(ctx, n.engine.ReplayedTo()) != nil || n.awaitOffered(ctx) != nil {
		return nil
	}
	n.health.Ready(componentState)
	n.log.Info("state is up to date", obs.KeyHeight, n.loop.Height(), obs.KeySeconds, time.Since(begin).Seconds())
	n.services.open(ctx)
	if n.peers != nil {
		n.peers.catchUp.opened()
	}
	n.health.Ready(componentAPI)
	return nil
}

func (n *Node) awaitExecuted(ctx context.Context, h chain.Height) error {
	look := time.NewTicker(replayLook)
	defer look.Stop()
	for n.loop.ExecutedHeight() < h {
		select {
		case <-look.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return n.loop.Wait(ctx, h)
}

// awaitOffered waits until the lane let go of the entries that were offered again at the start: they are published.
func (n *Node) awaitOffered(ctx context.Context) error {
	look := time.NewTicker(replayLook)
	defer look.Stop()
	for ; len(n.offered) > 0; n.offered = n.offered[1:] {
		for n.lane.Holds(n.offered[0]) {
			select {
			case <-look.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// laneSegments is what retention sees of the lane's log.
type laneSegments struct{ log *seglog.Log }

// Retained lists the segments that hold records.
func (s laneSegments) Retained() []commit.Segment {
	infos := s.log.Segments()
	out := make([]commit.Segment, len(infos))
	for i, in := range infos {
		out[i] = commit.Segment{Number: in.Number, Bytes: in.Bytes}
	}
	return out
}

// Recycle gives segments below number back.
func (s laneSegments) Recycle(number uint64) error {
	_, err := s.log.Recycle(number)
	return err
}
