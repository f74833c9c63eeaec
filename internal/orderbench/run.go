// SPDX-License-Identifier: Apache-2.0

package orderbench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/transport"
)

// Times of a run.
const (
	settleTime = 500 * time.Millisecond // all agree on a leader for so long
	settleMax  = 30 * time.Second       // or give up
	warmupTime = time.Second
	agreeMax   = 20 * time.Second // for all to decide what the leader decided
	lookEvery  = 20 * time.Millisecond
	// certificateLife outlasts every run.
	certificateLife = 24 * time.Hour
)

// Files of a member's folder.
const (
	certFile      = "node.crt"
	keyFile       = "node.key"
	authorityFile = "ca.crt"
)

// bench is a run.
type bench struct {
	cfg       Config
	processes []*process
	out       io.Writer
}

// Run carries a bench out in cfg.Dir. progress gets a line when a stage begins. The processes have ended when it returns.
func Run(ctx context.Context, cfg Config, command Command, progress io.Writer) (*Report, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	b := &bench{cfg: cfg, out: progress}
	report, err := b.run(ctx, command)
	for _, p := range b.processes {
		_ = p.in.Close() // all at once; stop waits for each
	}
	for _, p := range b.processes {
		err = errors.Join(err, p.stop())
	}
	if err != nil {
		return nil, err
	}
	return report, nil
}

func (b *bench) say(format string, args ...any) { fmt.Fprintf(b.out, format+"\n", args...) }

func (b *bench) run(ctx context.Context, command Command) (*Report, error) {
	b.say("starting %d nodes", b.cfg.Nodes)
	if err := b.start(ctx, command); err != nil {
		return nil, err
	}
	b.say("waiting for a leader")
	leader, err := b.settle(ctx)
	if err != nil {
		return nil, err
	}
	b.say("warming up for %s", warmupTime)
	if _, err := b.processes[leader].ask(ctx, request{Do: doLoad}); err != nil {
		return nil, err
	}
	if err := pause(ctx, warmupTime); err != nil {
		return nil, err
	}
	r := &Report{Engine: b.cfg.Engine, Nodes: b.cfg.Nodes, Window: b.cfg.Window, Fsync: b.cfg.Fsync, Rate: b.cfg.Rate}
	if err := b.measure(ctx, leader, r); err != nil {
		return nil, err
	}
	b.say("comparing what was decided")
	drained, err := b.processes[leader].ask(ctx, request{Do: doDrain})
	if err != nil {
		return nil, err
	}
	r.Undecided = drained.Undecided
	r.Agreed, err = b.agree(ctx)
	return r, err
}

func (b *bench) measure(ctx context.Context, leader int, r *Report) error {
	b.say("measuring for %s", b.cfg.Duration)
	begin, err := b.marks(ctx, doMark)
	if err != nil {
		return err
	}
	if err := pause(ctx, b.cfg.Duration); err != nil {
		return err
	}
	end, err := b.marks(ctx, doMark)
	if err == nil {
		r.fill(leader, begin, end)
	}
	return err
}

// start starts the members and tells each where the others are.
func (b *bench) start(ctx context.Context, command Command) error {
	authority, err := transport.NewAuthority("aurigraph bench", certificateLife)
	if err != nil {
		return err
	}
	for i := range b.cfg.Nodes {
		if err := b.prepare(i, authority); err != nil {
			return err
		}
		p, err := start(i, command)
		if err != nil {
			return err
		}
		b.processes = append(b.processes, p)
	}
	opened, err := b.askAll(ctx, func(i int) request {
		return request{Do: doOpen, Open: &setup{Config: b.cfg, Self: chain.ValidatorNo(i), Dir: b.folder(i)}}
	})
	if err != nil {
		return err
	}
	var peers []transport.Peer
	for i, o := range opened {
		peers = append(peers, transport.Peer{No: chain.ValidatorNo(i), Address: o.Address})
	}
	_, err = b.askAll(ctx, func(int) request { return request{Do: doJoin, Peers: peers} })
	return err
}

func (b *bench) folder(i int) string { return filepath.Join(b.cfg.Dir, fmt.Sprintf("node%d", i)) }

// prepare makes a member's folder and identity.
func (b *bench) prepare(i int, authority *transport.Authority) error {
	dir := b.folder(i)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fault.Wrap(fault.Unavailable, err, "make a folder for node %d", i)
	}
	if b.cfg.Nodes == 1 {
		return nil
	}
	cert, err := authority.Issue(benchChain, chain.ValidatorNo(i), certificateLife)
	if err != nil {
		return err
	}
	if err := transport.WriteCertificate(filepath.Join(dir, certFile), filepath.Join(dir, keyFile), cert); err != nil {
		return err
	}
	return transport.WriteAuthority(filepath.Join(dir, authorityFile), authority)
}

// askAll asks all members at once.
func (b *bench) askAll(ctx context.Context, ask func(i int) request) ([]reply, error) {
	replies := make([]reply, len(b.processes))
	group, ctx := errgroup.WithContext(ctx)
	for i, p := range b.processes {
		group.Go(func() (err error) {
			replies[i], err = p.ask(ctx, ask(i))
			return err
		})
	}
	return replies, group.Wait()
}

func (b *bench) marks(ctx context.Context, do string) ([]mark, error) {
	replies, err := b.askAll(ctx, func(int) request { return request{Do: do} })
	if err != nil {
		return nil, err
	}
	marks := make([]mark, len(replies))
	for i, r := range replies {
		if r.Mark == nil {
			return nil, fault.New(fault.Internal, "node %d does not say how it stands", i)
		}
		marks[i] = *r.Mark
	}
	return marks, nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
