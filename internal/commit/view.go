// SPDX-License-Identifier: Apache-2.0

package commit

import (
	"context"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/ledger"
)

// viewRequest is a reader waiting for the executor. reply has room for one answer.
type viewRequest struct {
	read  func(*ledger.Ledger)
	reply chan chain.Height
}

// View runs read on the executor's goroutine between two blocks, and returns once the height that read saw is certified.
// read must be short and must not keep anything of the ledger. Too many waiting readers are told to try later.
func (l *Loop) View(ctx context.Context, read func(*ledger.Ledger)) (chain.Height, error) {
	v := viewRequest{read: read, reply: make(chan chain.Height, 1)}
	select {
	case l.views <- v:
	default:
		l.Metrics.viewsRefused.Inc()
		return 0, fault.Reasoned(fault.TryLater, "readers_full", "%d readers wait already", l.cfg.ViewsMax)
	}
	select {
	case h := <-v.reply:
		return h, l.Wait(ctx, h)
	case <-l.ended:
		return 0, errEnded()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (x *executor) serve(v viewRequest) {
	v.read(x.Ledger)
	v.reply <- x.Machine.Height()
}
