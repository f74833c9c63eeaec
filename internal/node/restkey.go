// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bytes"
	"context"
	"log/slog"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/query"
)

const (
	// custodyKeyEvery is how often the ledger is asked for the custodian's key while it is not there.
	custodyKeyEvery = time.Second
	// custodyKeyToldEvery is how many of these pass before the log is told again.
	custodyKeyToldEvery = 60
)

// serves reports whether the dialect answers: the node has let clients in, and the custodian's key has its number.
func (r *rest) serves() bool {
	select {
	case <-r.keyed:
		return true
	default:
		return false
	}
}

// findKey waits until clients are let in, and then until the ledger has the custodian's key: one that was added after the newest
// checkpoint is there only when the node has caught up, and one that is on its way comes later. It reports false if ctx ended first.
func (r *rest) findKey(ctx context.Context) bool {
	select {
	case <-r.node.services.ready:
	case <-ctx.Done():
		return false
	}
	ticks := time.NewTicker(custodyKeyEvery)
	defer ticks.Stop()
	for asked := 0; !r.serves(); asked++ {
		if err := r.askKey(ctx); err != nil && ctx.Err() == nil && asked%custodyKeyToldEvery == 0 {
			r.node.log.Error("the V10 dialect does not serve yet", obs.Err(err), slog.Uint64(obs.KeyInst, uint64(r.custody.Institution)))
		}
		select {
		case <-r.keyed:
		case <-ticks.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// askKeyOnce asks before clients are let in, so that they find the dialect serving where nothing is in its way.
func (r *rest) askKeyOnce(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, custodyKeyEvery)
	defer cancel()
	_ = r.askKey(ctx) // findKey asks again, and tells
}

// askKey asks the ledger for the number of the custodian's key. From then on the dialect serves. One goroutine at a time may ask.
func (r *rest) askKey(ctx context.Context) error {
	in, err := r.node.services.query.Institution(ctx, r.custody.Institution, r.custody.ChannelFirst)
	if err != nil {
		return err
	}
	no, err := keyNumber(in.Keys, r.custody.Signer.Public().Bytes())
	if err != nil {
		return err
	}
	r.desk.UseKey(no)
	close(r.keyed)
	return nil
}

// keyNumber finds a public key that may sign.
func keyNumber(all []query.Key, public []byte) (chain.KeyNo, error) {
	for _, k := range all {
		if k.Active && bytes.Equal(k.Public, public) {
			return k.Number, nil
		}
	}
	return 0, fault.Reasoned(fault.Unavailable, "custody_key", "the key of rest.custody_key is not one of the institution, or was revoked: add it to the institution")
}
