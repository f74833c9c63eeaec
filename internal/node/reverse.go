// SPDX-License-Identifier: Apache-2.0

package node

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/intake"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/query"
	"github.com/aurigraph/aurigraph/internal/sync/reverse"
	"github.com/aurigraph/aurigraph/internal/sync/v10port"
)

const (
	// reverseLook is between two looks at V10 and at the home table.
	reverseLook = 200 * time.Millisecond
	// reverseAssets is how many assets are looked up at once.
	reverseAssets = 256
)

// reversing bounds portable work while V10 may take slots back: from when V11 owns one of them until the migration is closed.
type reversing struct {
	node  *Node
	port  *v10port.Client
	start time.Time

	mu     sync.Mutex // guards all below
	window *reverse.Window
	active bool
	assets portableAssets
}

var _ intake.Portable = (*reversing)(nil)

// openReverse makes the bound, if the settings say where V10's progress is told.
func (n *Node) openReverse(context.Context) error {
	if n.cfg.Sync.Progress == "" {
		return nil
	}
	r := &reversing{
		node: n, port: v10port.NewClient(n.cfg.Sync.Progress, nil), start: time.Now(), window: reverse.New(reverse.Config{BehindMax: n.cfg.Sync.BehindMax}),
	}
	n.onClose(func() error { r.port.Close(); return nil })
	n.reverse = r
	return r.register(n.metrics)
}

// portableOf is the bound as the door takes it: nil if there is none.
func (n *Node) portableOf() intake.Portable {
	if n.reverse == nil {
		return nil
	}
	return n.reverse
}

// Legs counts a client batch's legs of portable assets. Changes of V10's are none.
func (r *reversing) Legs(b chain.Batch) (legs uint64) {
	assets, active := r.known()
	if !active || b.Header().Flags&chain.FlagSync != 0 {
		return 0
	}
	for i := range b.Len() {
		if assets.portable(b.Leg(i).Asset) {
			legs++
		}
	}
	return legs
}

// Tx counts a transaction that moves money of a portable asset.
func (r *reversing) Tx(tx *chain.SignedTx) uint64 {
	assets, active := r.known()
	if asset, moves := moneyOf(tx); active && moves && tx.Key != assets.key && assets.portable(asset) {
		return 1
	}
	return 0
}

// moneyOf is the asset that a transaction moves.
func moneyOf(tx *chain.SignedTx) (asset chain.AssetNo, moves bool) {
	switch b := tx.Body.(type) {
	case *chain.Transfer:
		return b.Asset, true
	case *chain.Issue:
		return b.Asset, true
	case *chain.Redeem:
		return b.Asset, true
	}
	return 0, false
}

// portableAssets is what counts. It is never changed, but for more assets behind its end.
type portableAssets struct {
	byNo []bool      // what lies behind its end counts until it is looked up
	key  chain.KeyNo // that brings V10's changes, which are never held back
}

func (a *portableAssets) portable(no chain.AssetNo) bool {
	return int(no) >= len(a.byNo) || a.byNo[no]
}

func (r *reversing) known() (assets portableAssets, active bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.assets, r.active
}

// Admit lets legs in, or not now.
func (r *reversing) Admit(legs uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.window.Admit(legs, time.Since(r.start))
}

// Settled says in which block admitted legs are.
func (r *reversing) Settled(legs uint64, height chain.Height) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.window.Settled(legs, uint64(height))
}

// run keeps the bound until ctx ends.
func (r *reversing) run(ctx context.Context) error {
	var homes *query.Homes
	var over func() // ends the count of blocks
	for ctx.Err() == nil {
		active := r.look(ctx, &homes)
		switch height, err := r.ask(ctx, active); {
		case !active && over != nil:
			over()
			over = nil
		case active && over == nil && err == nil:
			over = r.count(ctx, height)
		case active && err == nil:
			r.applied(height)
		}
		select {
		case <-ctx.Done():
		case <-time.After(reverseLook):
		}
	}
	if over != nil {
		over()
	}
	return nil
}

// look reads whether V11 owns slots that V10 may get back. What cannot be read stays as it was.
func (r *reversing) look(ctx context.Context, last **query.Homes) bool {
	q := r.node.services.query
	homes, err := q.Homes(ctx, *last)
	if err != nil {
		return r.is()
	}
	active := homes.Migrating() && r.ownsV10Slots(homes)
	*last = homes
	if active {
		if err := r.learn(ctx); err != nil {
			return r.is()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.active = active
	return active
}

func (r *reversing) is() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.active
}

// ownsV10Slots reports whether V11 is the home of any slot that accounts of V10 have: by their names, or one of their own.
func (r *reversing) ownsV10Slots(h *query.Homes) bool {
	own := append([]chain.SlotRange{{To: chain.SlotsMax - 1}}, r.node.genesis.V10Slots...)
	for _, slots := range own {
		for slot := int(slots.From); slot <= int(slots.To); slot++ {
			if !h.OnV10(uint16(slot)) {
				return true
			}
		}
	}
	return false
}

// learn looks up whose changes are V10's, and which assets are portable.
func (r *reversing) learn(ctx context.Context) error {
	in, err := r.node.services.query.Inbox(ctx)
	if err != nil {
		return err
	}
	r.mu.Lock()
	r.assets.key = in.Key
	r.mu.Unlock()
	return r.learnAssets(ctx)
}

// learnAssets looks up the assets that were made since.
func (r *reversing) learnAssets(ctx context.Context) error {
	for {
		assets, _ := r.known()
		known := len(assets.byNo)
		var ask []chain.AssetNo
		for no := known; no < known+reverseAssets; no++ {
			ask = append(ask, chain.AssetNo(no))
		}
		p, err := r.node.services.query.Parties(ctx, nil, ask)
		if err != nil {
			return err
		}
		var found []bool
		for _, no := range ask {
			a, exists := p.Assets[no]
			if !exists && no > 0 {
				break
			}
			found = append(found, exists && a.Flags&chain.AssetPortable != 0)
		}
		r.mu.Lock()
		r.assets.byNo = append(r.assets.byNo, found...)
		r.mu.Unlock()
		if len(found) < len(ask) {
			return nil
		}
	}
}

// ask asks V10 how far it is.
func (r *reversing) ask(ctx context.Context, active bool) (uint64, error) {
	if !active {
		return 0, nil
	}
	return r.port.AppliedHeight(ctx)
}

func (r *reversing) applied(height uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.window.Applied(height, time.Since(r.start))
}

// count begins to count blocks above a height, and returns what ends that.
func (r *reversing) count(ctx context.Context, height uint64) (end func()) {
	r.mu.Lock()
	r.window.Begin(height)
	r.mu.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	var counting sync.WaitGroup
	counting.Go(func() {
		from := chain.Height(height) + 1
		for ctx.Err() == nil {
			err := r.node.services.hub.Follow(ctx, from, func(h chain.Height) error {
				r.executed(ctx, h)
				from = h + 1
				return ctx.Err()
			})
			if err != nil && ctx.Err() == nil {
				r.node.log.Warn("blocks are not counted for V10 for a moment", obs.Err(err))
			}
			select {
			case <-ctx.Done():
			case <-time.After(reverseLook):
			}
		}
	})
	return func() { cancel(); counting.Wait() }
}

// executed counts a block. Of one that was let go V10 needs nothing that this node could hold back.
func (r *reversing) executed(ctx context.Context, h chain.Height) {
	legs, err := r.legsAt(h)
	if err != nil && !fault.Is(err, fault.Pruned) && ctx.Err() == nil {
		r.node.log.Warn("a block is not counted for V10", obs.KeyHeight, uint64(h), obs.Err(err))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.window.Executed(uint64(h), legs, time.Since(r.start))
}

// legsAt is what V10 has to apply of a block, counted as at the door.
func (r *reversing) legsAt(h chain.Height) (legs uint64, err error) {
	header, _, err := r.node.history.Header(h)
	if err != nil {
		return 0, err
	}
	for i := range header.Batches {
		payload, packed, err := r.node.history.Contents(h, uint32(i))
		if err != nil {
			return legs, err
		}
		o, err := codec.UnpackOutcomes(packed)
		if err != nil {
			return legs, err
		}
		n, err := r.legsOf(payload, &o)
		if legs += n; err != nil {
			return legs, err
		}
	}
	return legs, nil
}

// legsOf counts what was executed of a payload.
func (r *reversing) legsOf(payload []byte, o *codec.Outcomes) (legs uint64, err error) {
	if len(o.Results) == 0 {
		b, err := chain.ParseBatch(payload)
		if err != nil {
			return 0, err
		}
		return r.legsDone(b, o.Codes), nil
	}
	signed, err := codec.SplitTxBatch(payload)
	if err != nil {
		return 0, err
	}
	for i, raw := range signed {
		if i >= len(o.Codes) || o.Codes[i] != chain.OK {
			continue
		}
		tx, _, err := codec.DecodeSignedTx(raw)
		if err != nil {
			return legs, err
		}
		legs += r.Tx(tx)
	}
	return legs, nil
}

func (r *reversing) legsDone(b chain.Batch, codes []chain.Outcome) (legs uint64) {
	if b.Header().Flags&chain.FlagSync != 0 {
		return 0
	}
	assets, _ := r.known()
	for i, code := range codes[:min(len(codes), b.Len())] {
		if code == chain.OK && assets.portable(b.Leg(i).Asset) {
			legs++
		}
	}
	return legs
}

// register exports the window.
func (r *reversing) register(to prometheus.Registerer) error {
	gauge := func(name, help string, read func(*reverse.Window) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "aurigraph_reverse_" + name, Help: help}, func() float64 {
			r.mu.Lock()
			defer r.mu.Unlock()
			if !r.active {
				return 0
			}
			return read(r.window)
		})
	}
	_, err := obs.Register(to, "the bound of portable work",
		gauge("owed_legs", "Portable legs that V10 has not applied, those on their way included; 0 while nothing is bounded.",
			func(w *reverse.Window) float64 { return float64(w.Owed()) }),
		gauge("window_legs", "How many they may be before portable work is told to try later; 0 while nothing is bounded.",
			func(w *reverse.Window) float64 { return float64(w.Limit()) }),
		gauge("legs_per_second", "Rate at which V10 was last seen to apply while it was behind; 0 while nothing is bounded.",
			func(w *reverse.Window) float64 { return w.PerSecond() }))
	return err
}
