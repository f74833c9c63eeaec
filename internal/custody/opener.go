// SPDX-License-Identifier: Apache-2.0

package custody

import (
	"context"
	"math/rand/v2"
	"sync/atomic"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// Bounds of opening accounts. At the bound a name is told to try later.
const (
	opensWaitingMax = 16_384
	opensPerRound   = 1024 // accounts opened in one submission
	openTriesMax    = 8    // rounds that one name takes part in
	nonceStepMax    = 16   // a random step ahead lets several desks act for one account
)

// opener opens accounts for V10 names: one submission at a time, and what queues behind it shares the next. So its transactions
// keep the order of their nonces, of which the ledger looks back on only so many.
type opener struct {
	desk    *Desk
	queue   chan []*opening // the names of one call each, so that they travel together; never full, for waiting bounds it
	waiting atomic.Int64    // names in the queue, at most opensWaitingMax

	// Owned by run.
	rest   []*opening // taken from the queue, for the next rounds
	sender chain.AccountNo
	nonce  uint64 // highest used, as far as is known; 0: ask
}

// opening is a name that is to be opened.
type opening struct {
	name string
	done chan looked // of one place
}

func newOpener(d *Desk) *opener {
	return &opener{desk: d, queue: make(chan []*opening, opensWaitingMax), sender: d.cfg.Opener}
}

// open opens accounts for names and returns their numbers, in order. A name that somebody else opened meanwhile is found.
func (o *opener) open(ctx context.Context, names []string) []looked {
	out := make([]looked, len(names))
	waits := make([]*opening, len(names))
	room := o.reserve(len(names))
	for i, name := range names {
		waits[i] = &opening{name: name, done: make(chan looked, 1)}
		if i >= room {
			waits[i].done <- looked{err: fault.Reasoned(fault.TryLater, "opens_full", "%d accounts wait to be opened: nothing was done, send it again in a moment", opensWaitingMax)}
		}
	}
	if room > 0 {
		o.queue <- waits[:room]
	}
	for i, w := range waits {
		select {
		case out[i] = <-w.done:
		case <-ctx.Done():
			out[i].err = fault.Reasoned(fault.Timeout, "open_unknown", "the account may have been opened or not: ask again")
		case <-o.desk.stopped:
			out[i].err = errStopping()
		}
	}
	return out
}

// reserve takes room in the queue for up to n names, and says for how many there is.
func (o *opener) reserve(n int) int {
	over := max(0, o.waiting.Add(int64(n))-opensWaitingMax)
	over = min(over, int64(n))
	o.waiting.Add(-over)
	return n - int(over)
}

// run opens until the desk stops. Who still waits then is told by open itself.
func (o *opener) run(ctx context.Context) {
	for {
		if len(o.rest) == 0 {
			select {
			case o.rest = <-o.queue:
			case <-o.desk.stopped:
				return
			}
		}
		o.round(ctx, o.gather())
		select {
		case <-o.desk.stopped:
			return
		default:
		}
	}
}

// gather takes what waits, each name once.
func (o *opener) gather() map[string][]*opening {
	names := map[string][]*opening{}
	for len(names) < opensPerRound {
		if len(o.rest) == 0 {
			if len(o.queue) == 0 {
				break
			}
			o.rest = <-o.queue
		}
		next := o.rest[0]
		o.rest = o.rest[1:]
		o.waiting.Add(-1)
		names[next.name] = append(names[next.name], next)
	}
	return names
}

// round opens names, and puts those that another round may help back in line.
func (o *opener) round(ctx context.Context, names map[string][]*opening) {
	for try := 0; len(names) > 0 && try < openTriesMax; try++ {
		if try > 0 && pause(ctx, try) != nil {
			break
		}
		o.once(ctx, names)
	}
	for _, waits := range names {
		tell(waits, looked{err: fault.Reasoned(fault.Timeout, "open_unknown", "the account may have been opened or not: ask again")})
	}
}

// tell answers all who wait for a name. It was opened for the first of them.
func tell(waits []*opening, l looked) {
	for _, w := range waits {
		w.done <- l
		l.fresh = false
	}
}

// once submits a transaction for each name, and takes those out whose end is known.
func (o *opener) once(ctx context.Context, names map[string][]*opening) {
	list := make([]string, 0, len(names))
	for name := range names {
		list = append(list, name)
	}
	signed, err := o.sign(ctx, list)
	if err != nil {
		if final(err) {
			o.end(names, list, looked{err: err})
		}
		return
	}
	attempt, cancel := context.WithTimeout(ctx, o.desk.cfg.AttemptMax)
	defer cancel()
	for i, a := range o.desk.chain.SubmitTxs(attempt, signed) {
		o.settle(ctx, names, list[i], a)
	}
}

func (o *opener) end(names map[string][]*opening, list []string, l looked) {
	for _, name := range list {
		tell(names[name], l)
		delete(names, name)
	}
}

func (o *opener) settle(ctx context.Context, names map[string][]*opening, name string, a TxAnswer) {
	d := o.desk
	switch {
	case a.Err == nil && a.Outcome == chain.OK && a.Result != 0:
		e := entry{chain.AccountNo(a.Result), d.cfg.AliasKey.Slot(name)}
		d.metrics.opened.Inc()
		d.directory.remember(e, name)
		o.end(names, []string{name}, looked{entry: e, fresh: true})
	case a.Err == nil && a.Outcome == chain.NonceUsed:
		o.nonce = 0 // another desk acts for the same account
	case a.Err == nil && a.Outcome != chain.AliasTaken && a.Outcome != chain.AddressTaken:
		o.end(names, []string{name}, looked{err: fault.Reasoned(fault.Refused, a.Outcome.String(), "the account cannot be opened: %s", a.Outcome)})
	case a.Err != nil && final(a.Err):
		o.end(names, []string{name}, looked{err: a.Err})
	default:
		// Somebody has it by now, or the answer was lost: the name itself says what became of it.
		o.nonce = 0
		if e, err := d.directory.find(ctx, name); err == nil {
			o.end(names, []string{name}, looked{entry: e})
		}
	}
}

// sign signs a transaction for each name, with ascending nonces.
func (o *opener) sign(ctx context.Context, names []string) ([][]byte, error) {
	d := o.desk
	height, err := d.chain.Height(ctx)
	if err != nil {
		return nil, err
	}
	if err := o.learn(ctx); err != nil {
		return nil, err
	}
	signed := make([][]byte, len(names))
	for i, name := range names {
		o.nonce++
		if signed[i], err = d.signTx(o.sender, o.nonce, height, &chain.OpenAccount{
			AliasTag: d.cfg.AliasKey.Tag(name), Address: keys.AliasAddress(name), Slot: d.cfg.AliasKey.Slot(name),
		}); err != nil {
			return nil, err
		}
	}
	return signed, nil
}

// learn asks for the sender and its nonce, where they are not known.
func (o *opener) learn(ctx context.Context) error {
	if o.sender == 0 {
		in, err := o.desk.chain.Institution(ctx, o.desk.cfg.Institution, o.desk.cfg.ChannelFirst)
		if err != nil {
			return err
		}
		o.sender = in.House
	}
	if o.nonce != 0 {
		return nil
	}
	acc, err := o.desk.chain.Account(ctx, AccountName{Number: o.sender})
	if err == nil {
		o.nonce = acc.Nonce + rand.Uint64N(nonceStepMax)
	}
	return err
}

// signTx signs a transaction of an account in the institution's custody.
func (d *Desk) signTx(sender chain.AccountNo, nonce uint64, height chain.Height, body chain.Body) ([]byte, error) {
	tx := chain.Tx{Chain: d.cfg.Chain, Sender: sender, Key: d.cfg.Key, Nonce: nonce, ValidUntil: height + d.cfg.ValidityBlocks, Body: body}
	if err := tx.Validate(); err != nil {
		return nil, err
	}
	sig, err := d.cfg.Signer.Sign(keys.TxMessage(tx.Chain, codec.TxID(&tx)))
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "sign a transaction")
	}
	return codec.AppendSignedTx(nil, &chain.SignedTx{Tx: tx, Signature: sig}), nil
}
