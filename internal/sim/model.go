// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
)

// model is the ledger once more, written for reading: what the certified history must come to. It shares no code with
// packages exec and ledger but the encodings.
type model struct {
	balances balances
	channels [chain.ChannelsMax]uint64 // last sequence of each
	lanes    [chain.ValidatorsMax]laneEnd
	executed map[chain.Hash]chain.Height // lane entries
	places   map[chain.Hash]place        // client batches that used up their sequence
	after    []balances                  // by height, from 0

	members *chain.Membership                  // present
	ends    []modelEnd                         // of epoch 1, 2, …
	sealed  map[chain.Height]*chain.Membership // who goes on behind a height, as a seal says
	next    *chain.Membership                  // who goes on behind the present height
	nonces  map[uint64]bool                    // of governance
}

// laneEnd is the last executed entry of a lane, which began in an epoch; 0: nobody has the number.
type laneEnd struct {
	since chain.Epoch
	tip
}

// modelEnd is where an epoch ended, and who goes on.
type modelEnd struct {
	height chain.Height
	next   *chain.Membership
}

// balances by account and asset.
type balances [simAccounts][simAssets]uint64

// tip is the last executed entry of a lane.
type tip struct {
	sequence uint64
	digest   chain.Hash
}

// place says where a client batch was executed, and what its legs came to.
type place struct {
	height   chain.Height
	outcomes chain.Hash
}

func newModel(members *chain.Membership) *model {
	m := &model{
		executed: map[chain.Hash]chain.Height{}, places: map[chain.Hash]place{}, sealed: map[chain.Height]*chain.Membership{}, nonces: map[uint64]bool{},
	}
	m.enter(members)
	for i := range m.balances {
		for j := range m.balances[i] {
			m.balances[i][j] = simHolding
		}
	}
	m.after = []balances{m.balances}
	return m
}

func (m *model) height() chain.Height { return chain.Height(len(m.after) - 1) }

// truth is a lane entry that somebody made, with the payload that belongs to it.
type truth struct {
	entry   chain.LaneEntry
	payload []byte
}

// run executes the proposal of the next height and gives the lines that its header must have. known finds entries; one
// that nobody made, which only a liar orders, has no line.
func (m *model) run(p *chain.Proposal, known map[chain.Hash]truth) []chain.BatchResult {
	var lines []chain.BatchResult
	for _, digest := range p.Entries {
		t, ok := known[digest]
		if !ok || int(t.entry.Validator) >= len(m.lanes) {
			continue
		}
		last := &m.lanes[t.entry.Validator]
		if last.since == 0 || t.entry.JoinEpoch != last.since || t.entry.Sequence != last.sequence+1 || t.entry.Parent != last.digest {
			continue // decided again, or out of turn
		}
		last.tip = tip{t.entry.Sequence, digest}
		m.executed[digest] = p.Height
		if t.entry.Kind == chain.PayloadTxs {
			lines = append(lines, m.runTxs(p.Height, digest, &t))
		} else {
			lines = append(lines, m.runBatch(p.Height, digest, &t))
		}
	}
	m.after = append(m.after, m.balances)
	m.endBlock(p.Height)
	return lines
}

func (m *model) runBatch(h chain.Height, digest chain.Hash, t *truth) chain.BatchResult {
	b, err := chain.ParseBatch(t.payload)
	if err != nil {
		return chain.BatchResult{Entry: digest}
	}
	codes := make([]chain.Outcome, b.Len())
	whole := m.admit(h, b.Header())
	for i := range codes {
		codes[i] = whole
	}
	if whole == chain.OK {
		m.channels[b.Header().Channel] = b.Header().Sequence
		m.runLegs(b, codes)
	}
	outcomes := codec.Outcomes{Codes: codes}.Hash()
	if whole == chain.OK {
		m.places[t.entry.Payload] = place{h, outcomes}
	}
	return chain.BatchResult{Entry: digest, Batch: t.entry.Payload, Legs: uint32(len(codes)), Outcomes: outcomes}
}

func (m *model) admit(h chain.Height, head chain.BatchHeader) chain.Outcome {
	switch last := m.channels[head.Channel]; {
	case head.ValidUntil < h:
		return chain.Expired
	case head.ValidUntil-h > chain.ValidityBlocksMax:
		return chain.BadField
	case head.Sequence <= last:
		return chain.Stale
	case head.Sequence-last > chain.SequenceJumpMax:
		return chain.FutureSequence
	}
	return chain.OK
}

// runLegs moves the money: leg by leg, or all or nothing.
func (m *model) runLegs(b chain.Batch, codes []chain.Outcome) {
	before, atomic := m.balances, b.Header().Flags&chain.FlagAtomic != 0
	for i := range codes {
		leg := b.Leg(i)
		from, to, asset, amount := leg.From-simFirst, leg.To-simFirst, leg.Asset-1, leg.Amount.Lo
		if m.balances[from][asset] >= amount {
			m.balances[from][asset] -= amount
			m.balances[to][asset] += amount
			continue
		}
		codes[i] = chain.InsufficientFunds
		if atomic {
			m.balances = before
			for j := range codes {
				codes[j] = chain.BatchAborted
			}
			codes[i] = chain.InsufficientFunds
			return
		}
	}
}
