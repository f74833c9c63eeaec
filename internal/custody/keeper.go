// SPDX-License-Identifier: Apache-2.0

package custody

import (
	"context"
	"sync"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// Bounds of what waits for the vault. At the bound a name is not kept, and comes back when it is used.
const (
	keepWaitingMax = 16_384
	putMax         = 1024 // names of one Put
)

// keeper puts names into the vault. No payment waits for it; a name that is on its way there is known here.
type keeper struct {
	desk  *Desk
	queue chan kept

	mu    sync.Mutex
	onWay map[chain.AccountNo]string // guarded by mu; as many as are in the queue, and in one Put
}

type kept struct {
	no   chain.AccountNo
	name string
}

func newKeeper(d *Desk) *keeper {
	return &keeper{desk: d, queue: make(chan kept, keepWaitingMax), onWay: map[chain.AccountNo]string{}}
}

func (k *keeper) keep(no chain.AccountNo, name string) {
	if k.desk.vault == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	select {
	case k.queue <- kept{no, name}:
		k.onWay[no] = name
	default:
		k.desk.metrics.forgotten.WithLabelValues("queue_full").Inc()
	}
}

// known adds the names that are on their way to the vault.
func (k *keeper) known(numbers []chain.AccountNo, to map[chain.AccountNo]string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, no := range numbers {
		if name, ok := k.onWay[no]; ok {
			to[no] = name
		}
	}
}

// run puts names until the desk has stopped, and then those that are left.
func (k *keeper) run(ctx context.Context) {
	for {
		select {
		case first := <-k.queue:
			k.put(ctx, first)
		case <-k.desk.stopped:
			for len(k.queue) > 0 && ctx.Err() == nil {
				k.put(ctx, <-k.queue)
			}
			return
		}
	}
}

func (k *keeper) put(ctx context.Context, first kept) {
	names := map[chain.AccountNo]string{first.no: first.name}
	for len(names) < putMax && len(k.queue) > 0 {
		next := <-k.queue
		names[next.no] = next.name
	}
	if err := k.desk.vault.Put(ctx, names); err != nil {
		k.desk.metrics.forgotten.WithLabelValues("vault_write").Add(float64(len(names)))
		k.desk.log.Warn("names did not reach the vault", "names", len(names), "error", err.Error())
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for no := range names {
		delete(k.onWay, no)
	}
}
