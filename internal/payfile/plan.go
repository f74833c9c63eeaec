// SPDX-License-Identifier: Apache-2.0

package payfile

import (
	"context"
	"sync"

	"github.com/zeebo/blake3"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// TxsPerMessage is how many single transactions go in one message and one journal entry.
const TxsPerMessage = 512

// resolversMax bounds the look-ups of a plan under way at once.
const resolversMax = 64

// Payer is an account that pays, and who signs for it.
type Payer struct {
	No          chain.AccountNo
	Institution chain.InstitutionNo // its custodian, who signs; 0: it signs with its own key
	Key         chain.KeyNo         // the key that signs
}

// Asset is an asset that is paid in.
type Asset struct {
	No    chain.AssetNo
	Scale uint8
}

// Resolver finds what a file names. Its methods are called by many goroutines, once for each name. Errors of kind Invalid,
// NotFound, Denied and Refused are reported with the lines that have the name; any other stops the planning.
type Resolver interface {
	// Payer finds a paying account, by address or number, and the key at hand that signs for it.
	Payer(ctx context.Context, name string) (Payer, error)
	// Payee finds a paid account, by address or number.
	Payee(ctx context.Context, name string) (chain.AccountNo, error)
	// Asset finds an asset by code; the empty code is the network's usual asset.
	Asset(ctx context.Context, code string) (Asset, error)
}

// Plan is a file whose every line can be signed.
type Plan struct {
	file     *File
	payments []payment // one for each line
}

type payment struct {
	leg         chain.Leg
	institution chain.InstitutionNo
	key         chain.KeyNo
}

// NewPlan resolves a file. All that is wrong with lines is in one Invalid error.
func NewPlan(ctx context.Context, f *File, r Resolver) (*Plan, error) {
	payers, payees, assets := newNames[Payer](), newNames[chain.AccountNo](), newNames[Asset]()
	for i := range f.Lines {
		payers.want(f.Lines[i].From)
		payees.want(f.Lines[i].To)
		assets.want(f.Lines[i].Asset)
	}
	if err := assets.resolve(ctx, r.Asset); err != nil {
		return nil, err
	}
	if err := payers.resolve(ctx, r.Payer); err != nil {
		return nil, err
	}
	if err := payees.resolve(ctx, r.Payee); err != nil {
		return nil, err
	}
	p := &Plan{file: f, payments: make([]payment, len(f.Lines))}
	errs := lineErrors{name: f.Name}
	for i, l := range f.Lines {
		if err := p.payments[i].fill(l, payers, payees, assets); err != nil {
			errs.add(f, l, err)
		}
	}
	return p, errs.err()
}

func (p *payment) fill(l Line, payers *names[Payer], payees *names[chain.AccountNo], assets *names[Asset]) error {
	from, err := payers.get(l.From)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "from %s", l.From)
	}
	to, err := payees.get(l.To)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "to %s", l.To)
	}
	asset, err := assets.get(l.Asset)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "asset %q", l.Asset)
	}
	amount, err := chain.ParseAmount(l.Amount, asset.Scale)
	if err != nil {
		return err
	}
	if from.No == to {
		return fault.New(fault.Invalid, "account %d would pay itself", to)
	}
	p.institution, p.key = from.Institution, from.Key
	p.leg = chain.Leg{From: from.No, To: to, Asset: asset.No, Amount: amount, Reference: Reference(l.Reference)}
	return nil
}

// Reference is how a reference travels: up to 32 bytes as they are, with zeros behind; longer ones as their BLAKE3.
func Reference(text string) [32]byte {
	if len(text) > 32 {
		return blake3.Sum256([]byte(text))
	}
	var r [32]byte
	copy(r[:], text)
	return r
}

// group is a chunk that is not signed yet. Institution 0 stands for single transactions of payers with their own key.
type group struct {
	institution chain.InstitutionNo
	key         chain.KeyNo
	lines       []uint32 // indexes of File.Lines
}

// groups cuts the lines that are not taken, in the order of their first line. It depends on nothing else.
func (p *Plan) groups(taken func(line int) bool) []group {
	type who struct {
		institution chain.InstitutionNo
		key         chain.KeyNo
	}
	var out []group
	open := map[who]int{} // index in out
	for i := range p.payments {
		if taken(i) {
			continue
		}
		w, most := who{p.payments[i].institution, p.payments[i].key}, chain.BatchLegsMax
		if w.institution == 0 {
			w.key, most = 0, TxsPerMessage
		}
		at, ok := open[w]
		if !ok || len(out[at].lines) == most {
			at = len(out)
			open[w] = at
			out = append(out, group{institution: w.institution, key: w.key})
		}
		out[at].lines = append(out[at].lines, uint32(i))
	}
	return out
}

// names resolves each name once.
type names[T any] struct {
	index map[string]int
	list  []string
	found []T
	errs  []error
}

func newNames[T any]() *names[T] { return &names[T]{index: map[string]int{}} }

func (n *names[T]) want(name string) {
	if _, ok := n.index[name]; !ok {
		n.index[name] = len(n.list)
		n.list = append(n.list, name)
	}
}

func (n *names[T]) get(name string) (T, error) {
	i := n.index[name]
	return n.found[i], n.errs[i]
}

// resolve looks all names up. The first error that is not about the name ends it.
func (n *names[T]) resolve(ctx context.Context, find func(context.Context, string) (T, error)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	n.found, n.errs = make([]T, len(n.list)), make([]error, len(n.list))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(resolversMax, len(n.list)) {
		wg.Go(func() {
			for i := range next {
				n.found[i], n.errs[i] = find(ctx, n.list[i])
				if n.errs[i] != nil && !aboutName(n.errs[i]) {
					cancel(n.errs[i])
				}
			}
		})
	}
feed:
	for i := range n.list {
		select {
		case next <- i:
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	wg.Wait()
	return context.Cause(ctx)
}

func aboutName(err error) bool {
	switch fault.KindOf(err) {
	case fault.Invalid, fault.NotFound, fault.Denied, fault.Refused:
		return true
	}
	return false
}
