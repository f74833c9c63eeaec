// SPDX-License-Identifier: Apache-2.0

package history

import (
	"fmt"
	"slices"
	"sort"
	"time"

	"github.com/anishathalye/porcupine"
)

// searchMax bounds the search for an order; a history that is well takes a second.
const searchMax = 2 * time.Minute

// Check returns an error that names what a client was told and should not have been, or nil.
func (h *History) Check() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	sort.SliceStable(h.transfers, func(i, j int) bool { return h.transfers[i].Place.before(h.transfers[j].Place) })
	if err := h.onePlaceEach(); err != nil {
		return err
	}
	if err := h.neverBack(); err != nil {
		return err
	}
	return h.linearizable()
}

// onePlaceEach finds two transfers in one place, and one in two.
func (h *History) onePlaceEach() error {
	placed := map[[32]byte]*Transfer{}
	for i, t := range h.transfers {
		if i > 0 && h.transfers[i-1].Place == t.Place {
			return fmt.Errorf("two transfers have one place:\n%s\n%s", h.transfers[i-1], t)
		}
		if other := placed[t.ID]; other != nil {
			return fmt.Errorf("one transfer was executed twice:\n%s\n%s", other, t)
		}
		placed[t.ID] = t
	}
	return nil
}

// shown is that a node answered at a height.
type shown struct {
	node   int
	at     time.Duration
	height uint64
	by     fmt.Stringer
}

// neverBack finds a read below a height that its node had shown before it was asked.
func (h *History) neverBack() error {
	var all []shown
	for _, t := range h.transfers {
		all = append(all, shown{t.Node, t.Answered, t.Place.Height, t})
	}
	for _, r := range h.reads {
		all = append(all, shown{r.Node, r.Answered, r.Height, r})
	}
	slices.SortStableFunc(all, func(a, b shown) int { return int(a.at - b.at) })
	reads := slices.SortedStableFunc(slices.Values(h.reads), func(a, b *Read) int { return int(a.Sent - b.Sent) })
	highest := map[int]shown{}
	for next := 0; len(reads) > 0; reads = reads[1:] {
		r := reads[0]
		for ; next < len(all) && all[next].at < r.Sent; next++ {
			if s := all[next]; s.height >= highest[s.node].height {
				highest[s.node] = s
			}
		}
		if s := highest[r.Node]; s.height > r.Height {
			return fmt.Errorf("a node went back:\n%s\n%s", s.by, r)
		}
	}
	return nil
}

// state is the ledger between two transfers: how many were executed, and what each account has.
type state struct {
	executed int
	units    [AccountsMax]uint64
}

// step is an operation with its rank, which for a transfer is how many stand before it, for a read how many it must show.
type step struct {
	rank     int
	transfer *Transfer // or nil
	read     *Read
}

func (s step) String() string {
	if s.transfer != nil {
		return s.transfer.String()
	}
	return s.read.String()
}

// apply runs a step; false if the ledger would not have answered so.
func (s state) apply(o step) (bool, state) {
	if s.executed != o.rank {
		return false, s
	}
	if o.read != nil {
		return s.units[o.read.Account] == o.read.Units, s
	}
	t := o.transfer
	if t.Paid != (s.units[t.From] >= t.Units) {
		return false, s
	}
	s.executed++
	if t.Paid {
		s.units[t.From] -= t.Units
		s.units[t.To] += t.Units
	}
	return true, s
}

// operations are the steps with their times. A read may stand as early as when the last transfer that it shows was sent.
func (h *History) operations() []porcupine.Operation {
	var all []porcupine.Operation
	for i, t := range h.transfers {
		all = append(all, porcupine.Operation{ClientId: t.Client, Input: step{rank: i, transfer: t}, Call: int64(t.Sent), Return: int64(t.Answered)})
	}
	for _, r := range h.reads {
		rank := sort.Search(len(h.transfers), func(i int) bool { return h.transfers[i].Place.Height > r.Height })
		call := int64(0)
		if rank > 0 {
			call = int64(min(h.transfers[rank-1].Sent, r.Sent))
		}
		all = append(all, porcupine.Operation{ClientId: r.Client, Input: step{rank: rank, read: r}, Call: call, Return: int64(r.Answered)})
	}
	return all
}

// linearizable has porcupine look for an order of all operations that the ledger could have executed.
func (h *History) linearizable() error {
	model := porcupine.Model{
		Init: func() any { return state{units: h.opening} },
		Step: func(s, input, _ any) (bool, any) { return s.(state).apply(input.(step)) },
	}
	all := h.operations()
	result, info := porcupine.CheckOperationsVerbose(model, all, searchMax)
	if result == porcupine.Ok {
		return nil
	}
	if result == porcupine.Unknown {
		return fmt.Errorf("no order of %d operations was found within %s", len(all), searchMax)
	}
	return fmt.Errorf("the operations have no order that the ledger could have executed: %s", firstMisfit(all, info))
}

// firstMisfit names the operation that had to be placed next where the longest order ends.
func firstMisfit(all []porcupine.Operation, info porcupine.LinearizationInfo) string {
	var longest []porcupine.Operation
	for _, partition := range info.PartialLinearizationsOperations() {
		for _, order := range partition {
			if len(order) > len(longest) {
				longest = order
			}
		}
	}
	fits := map[step]bool{}
	for _, o := range longest {
		fits[o.Input.(step)] = true
	}
	var first *porcupine.Operation
	for i := range all {
		if o := &all[i]; !fits[o.Input.(step)] && (first == nil || o.Return < first.Return) {
			first = o
		}
	}
	if first == nil {
		return "and none that does not fit"
	}
	return fmt.Sprintf("after %d of %d this one does not fit:\n%s", len(longest), len(all), first.Input.(step))
}
