// SPDX-License-Identifier: Apache-2.0

package orderbench

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/order"
	"github.com/aurigraph/aurigraph/internal/order/raft"
	"github.com/aurigraph/aurigraph/internal/order/solo"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/seglog/disk"
	"github.com/aurigraph/aurigraph/internal/transport"
)

const (
	benchChain chain.ChainID = 1
	// kindOrder is the kind of the engine's frames.
	kindOrder = 1
	// segmentBytes is that of a node's ordering log.
	segmentBytes = 16 << 20
)

// engine is what both engines can do.
type engine interface {
	order.Engine
	Trim(below chain.Height) error
}

// node is what orders in a member: disk, peers and engine.
type node struct {
	setup     *setup
	fs        *countingFS
	log       *seglog.Log
	transport *transport.TCP // nil for one node
	engine    engine
	raft      *raft.Engine // nil for solo
	frames    [nodesMax][]byte
}

func openNode(ctx context.Context, s *setup) (*node, error) {
	n := &node{setup: s, fs: &countingFS{FS: disk.OS(), flush: s.Config.Fsync}}
	if err := n.open(ctx); err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

func (n *node) open(ctx context.Context) (err error) {
	var id seglog.Identity
	binary.LittleEndian.PutUint64(id[:], uint64(benchChain))
	n.log, err = seglog.Open(filepath.Join(n.setup.Dir, "order"), seglog.Options{
		Name: "order", Identity: id, SegmentBytes: segmentBytes, ReadyMin: 1, PrepareByWriting: true, Reserve: true, FS: n.fs,
	})
	if err != nil {
		return err
	}
	if n.setup.Config.Nodes > 1 {
		if err := n.listen(); err != nil {
			return err
		}
	}
	return n.openEngine(ctx)
}

func (n *node) listen() error {
	identity, err := transport.LoadIdentity(n.file(certFile), n.file(keyFile), n.file(authorityFile))
	if err != nil {
		return err
	}
	n.transport, err = transport.Listen(transport.Options{
		Chain: benchChain, Self: n.setup.Self, Address: "127.0.0.1:0", Identity: identity, Log: warnings(),
	})
	return err
}

// warnings go where the process that started this one sees them.
func warnings() *slog.Logger { return obs.NewLogger(os.Stderr, slog.LevelWarn) }

// openEngine opens the engine with the least pause between proposals that it takes, so that the load sets the pace.
func (n *node) openEngine(ctx context.Context) (err error) {
	cfg := n.setup.Config
	if cfg.Engine == EngineSolo {
		n.engine, err = solo.Open(ctx, n.log, 0, 0, solo.Config{WindowMax: cfg.Window, PendingMax: cfg.onTheirWay(), IntervalMin: time.Nanosecond})
		return err
	}
	n.raft, err = raft.Open(ctx, n.log, 0, raft.Config{
		Self: n.setup.Self, Genesis: raft.Genesis{Voters: cfg.voters()}, Peers: n,
		WindowMax: cfg.Window, PendingMax: cfg.onTheirWay(), EntriesMax: 1, IntervalMin: time.Nanosecond, Logger: warnings(),
	})
	n.engine = n.raft
	return err
}

func (n *node) file(name string) string { return filepath.Join(n.setup.Dir, name) }

// address is where peers reach the node; empty for one node.
func (n *node) address() string {
	if n.transport == nil {
		return ""
	}
	return n.transport.Address()
}

func (n *node) connect(peers []transport.Peer) error {
	if n.transport == nil {
		return nil
	}
	if err := n.transport.SetPeers(1, peers); err != nil {
		return err
	}
	return n.transport.Start(n)
}

// Send implements raft.Peers.
func (n *node) Send(to chain.ValidatorNo, frame []byte) {
	_ = n.transport.Send(to, transport.Consensus, kindOrder, frame) // counted there; the engine sends again what matters
}

// Frame implements transport.Receiver.
func (n *node) Frame(from chain.ValidatorNo, _ transport.Class, _ uint8, bytes int, r io.Reader) error {
	if bytes > raft.FrameBytesMax || int(from) >= len(n.frames) {
		return fault.New(fault.Invalid, "a frame of %d bytes from validator %d", bytes, from)
	}
	if cap(n.frames[from]) < bytes {
		n.frames[from] = make([]byte, bytes)
	}
	frame := n.frames[from][:bytes]
	if _, err := io.ReadFull(r, frame); err != nil {
		return err
	}
	if err := n.raft.Receive(from, frame); !fault.Is(err, fault.TryLater) {
		return err
	}
	return nil // too many wait: the peer sends again
}

// links counts the peers that are connected both ways.
func (n *node) links() (count int) {
	if n.transport == nil {
		return 0
	}
	for _, p := range n.transport.Status() {
		c := p.Classes[transport.Consensus]
		if !c.SendingSince.IsZero() && !c.ReceivingSince.IsZero() {
			count++
		}
	}
	return count
}

// reign writes into a mark who leads, as the node knows.
func (n *node) reign(to *mark) {
	if n.raft == nil {
		to.HasLeader, to.Leader, to.Term = true, n.setup.Self, 1
		return
	}
	s := n.raft.Status()
	to.HasLeader, to.Leader, to.Term = s.HasLeader, s.Leader, s.Term
}

// close gives disk and network up. The engine runs no more.
func (n *node) close() error {
	var errs []error
	if n.transport != nil {
		errs = append(errs, n.transport.Close())
	}
	if n.log != nil {
		errs = append(errs, n.log.Close())
	}
	return errors.Join(errs...)
}
