// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/query"
)

// A node whose header is another than the certified one is one of two:
//
//   - It was deceived: something else was decided for it, as a leader of raft that lies can have it. Nothing of its own is
//     wrong. It comes back by itself, from a certified state above all that it signed: what it signed it never signs again.
//   - It diverged: the same was decided, on the same history, and it came to another result. Its memory, disk or program is not
//     what the others' are, and would not be after another state. It stays halted, and names the page.
//
// The first header that differs tells which (deceived). After a restart that header is gone, and the record of the vote on it
// says what was decided. A node that is deceived too often stays halted as well: it may take damage for a lie.

// A node comes back at most comebacksMax times within comebacksWindow. Each costs it a state; after that a person is asked.
const (
	comebacksMax    = 8
	comebacksWindow = time.Hour
)

// comebacks tells how often the node came back, newest last. It is a part of the divergence's file, so that neither a restart nor
// the next divergence forgets it.
type comebacks struct {
	Times []comeback `json:"came_back,omitempty"` // comebacksMax at most
	Total uint64     `json:"came_back_total,omitempty"`
}

// comeback is one of them.
type comeback struct {
	Height chain.Height `json:"height"` // whose header was another one
	Own    string       `json:"own_header"`
	TimeUs uint64       `json:"time_us"` // when a state was begun to be taken, by this node's clock
}

// deceived reports whether what differs first is what was decided. Headers that stand on different ones below do not count: they
// are not the first that differ.
func deceived(r *query.Divergence) bool {
	return len(r.Fields) > 0 && r.Fields[0].Field == fieldProposal
}

// begin notes a comeback, and returns false if there were too many. One that was begun before and did not come to its end, for the
// node was restarted, is the same.
func (b *comebacks) begin(c comeback) bool {
	if n := len(b.Times); n > 0 && b.Times[n-1].Height == c.Height && b.Times[n-1].Own == c.Own {
		return true
	}
	if n := len(b.Times); n >= comebacksMax && b.Times[n-comebacksMax].TimeUs+uint64(comebacksWindow.Microseconds()) > c.TimeUs {
		return false
	}
	b.Times, b.Total = append(b.Times, c), b.Total+1
	b.Times = b.Times[max(0, len(b.Times)-comebacksMax):]
	return true
}

// mayComeBack makes durable that the node comes back from a divergence; false if it came back too often.
func (d *divergence) mayComeBack(r *query.Divergence, now time.Time) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.back.begin(comeback{Height: r.Height, Own: r.Own, TimeUs: uint64(now.UnixMicro())}) {
		return false, nil
	}
	return true, d.write()
}

func (d *divergence) comebacksMetric() prometheus.Collector {
	return prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "aurigraph_node_came_back_total",
		Help: "Times that this node went on from a peer's certified state because something else had been decided for it than for a quorum, in all its lives.",
	}, func() float64 {
		d.mu.Lock()
		defer d.mu.Unlock()
		return float64(d.back.Total)
	})
}

// comeBack says where a halted node left the certified history and, if it was deceived, takes a certified state above all that it
// signed: ErrRestart. Else it returns nil, at the latest when ctx ends.
func (n *Node) comeBack(ctx context.Context) error {
	r := n.explainDivergence(ctx)
	if r == nil || !deceived(r) {
		return nil
	}
	may, err := n.divergence.mayComeBack(r, time.Now())
	if err != nil {
		n.log.Error("this node stays halted: what it was told cannot be written down", obs.Err(err), obs.KeyFile, n.divergence.path)
		return nil
	}
	if !may {
		n.log.Error("this node stays halted: it came back too often lately", obs.KeyCount, comebacksMax, obs.KeySeconds, comebacksWindow.Seconds(), obs.KeyFile, n.divergence.path)
		return nil
	}
	w := want{
		least: max(r.Height+1, n.aboveSigned()), first: (n.self + 1) % chain.ValidatorNo(n.newest().Size()),
		still: func() bool { return true }, ended: make(chan struct{}),
	}
	n.log.Warn("something else was decided for this node than for a quorum; it goes on from a certified state above all that it signed", obs.KeyHeight, uint64(r.Height), obs.KeyTo, uint64(w.least))
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return n.peers.catchUp.take(ctx, w) })
	group.Go(func() error { return n.peers.handovers.run(ctx) }) // its epoch may end meanwhile
	return group.Wait()
}
