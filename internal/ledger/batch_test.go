// SPDX-License-Identifier: Apache-2.0

package ledger

import (
	"slices"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
)

func TestBatchOutcomes(t *testing.T) {
	l := start(t, smallGenesis())
	good := chain.BatchHeader{Chain: testChain, Institution: 1, Key: 1, Sequence: 5, ValidUntil: 1}
	leg := chain.Leg{From: 1, To: 2, Asset: 1, Amount: units(1)}
	for _, c := range []struct {
		change func(*chain.BatchHeader)
		want   chain.Outcome
		final  bool
	}{
		{func(h *chain.BatchHeader) { h.Chain++ }, chain.NotAuthorized, false},
		{func(h *chain.BatchHeader) { h.Institution = 0 }, chain.UnknownInstitution, false},
		{func(h *chain.BatchHeader) { h.Institution = 3 }, chain.UnknownInstitution, false},
		{func(h *chain.BatchHeader) { h.Key = 0 }, chain.UnknownKey, false},
		{func(h *chain.BatchHeader) { h.Key = 5 }, chain.UnknownKey, false},
		{func(h *chain.BatchHeader) { h.Key = 3 }, chain.NotAuthorized, false},
		{func(h *chain.BatchHeader) { h.Key = 4 }, chain.NotAuthorized, false},
		{func(h *chain.BatchHeader) { h.ValidUntil = 0 }, chain.Expired, false},
		{func(h *chain.BatchHeader) { h.ValidUntil = chain.ValidityBlocksMax + 2 }, chain.BadField, false},
		{func(h *chain.BatchHeader) { h.Sequence = 0 }, chain.Stale, false},
		{func(h *chain.BatchHeader) { h.Sequence = chain.SequenceJumpMax + 1 }, chain.FutureSequence, false},
		{func(h *chain.BatchHeader) {}, chain.OK, true},
		{func(h *chain.BatchHeader) {}, chain.Stale, false},
		{func(h *chain.BatchHeader) { h.Sequence = 4 }, chain.Stale, false},
		{func(h *chain.BatchHeader) { h.Channel = 255 }, chain.OK, true},
		{func(h *chain.BatchHeader) { h.Sequence = 7; h.Key = 2 }, chain.OK, true},
		{func(h *chain.BatchHeader) { h.Sequence = 6 }, chain.Stale, false},
	} {
		h := good
		c.change(&h)
		b, err := chain.NewBatch(h, []chain.Leg{leg, leg})
		if err != nil {
			t.Fatal(err)
		}
		codes := make([]chain.Outcome, 2)
		moved, final := l.RunBatch(b, chain.Hash{}, 0, codes)
		if codes[0] != c.want || codes[1] != c.want || final != c.final || moved != map[bool]int{true: 2}[final] {
			t.Errorf("%+v: %v, %d moved, final %v; want %v, %v", h, codes, moved, final, c.want, c.final)
		}
	}
	if l.Channel(1, 0) != 7 || l.Channel(1, 255) != 5 || l.Channel(1, 1) != 0 || l.Channel(9, 0) != 0 {
		t.Error("channels are wrong")
	}
}

// Each leg runs alone on a fresh small ledger that has a hold of account 3 for account 5 (id hold), under institution 1.
func TestLegOutcomes(t *testing.T) {
	hold := chain.Hash{0xAA, 3, 1, 1}
	ref := func(l chain.Leg) chain.Leg { l.Reference = hold; return l }
	for name, c := range map[string]struct {
		leg  chain.Leg
		want chain.Outcome
	}{
		"transfer":              {chain.Leg{From: 1, To: 2, Asset: 1, Amount: units(1000)}, chain.OK},
		"sparse transfer":       {chain.Leg{From: 3, To: 4, Asset: 2, Amount: units(5)}, chain.OK},
		"new sparse holding":    {chain.Leg{From: 3, To: 1, Asset: 2, Amount: units(5)}, chain.OK},
		"versioned transfer":    {chain.Leg{From: 3, To: 1, Asset: 4, Amount: units(5)}, chain.OK},
		"unknown kind":          {chain.Leg{Kind: 4, From: 1, To: 2, Asset: 1, Amount: units(1)}, chain.BadKind},
		"transfer with arg":     {chain.Leg{Arg: 1, From: 1, To: 2, Asset: 1, Amount: units(1)}, chain.BadField},
		"nothing":               {chain.Leg{From: 1, To: 2, Asset: 1}, chain.BadField},
		"to self":               {chain.Leg{From: 1, To: 1, Asset: 1, Amount: units(1)}, chain.BadField},
		"from escrow":           {chain.Leg{From: 0, To: 1, Asset: 1, Amount: units(1)}, chain.UnknownAccount},
		"from nobody":           {chain.Leg{From: 1 << 31, To: 1, Asset: 1, Amount: units(1)}, chain.UnknownAccount},
		"to escrow":             {chain.Leg{From: 1, To: 0, Asset: 1, Amount: units(1)}, chain.UnknownAccount},
		"to nobody":             {chain.Leg{From: 1, To: ^chain.AccountNo(0), Asset: 1, Amount: units(1)}, chain.UnknownAccount},
		"no asset":              {chain.Leg{From: 1, To: 2, Asset: 0, Amount: units(1)}, chain.UnknownAsset},
		"unknown asset":         {chain.Leg{From: 1, To: 2, Asset: ^chain.AssetNo(0), Amount: units(1)}, chain.UnknownAsset},
		"another's account":     {chain.Leg{From: 4, To: 2, Asset: 1, Amount: units(1)}, chain.NotAuthorized},
		"self-owned account":    {chain.Leg{From: 5, To: 2, Asset: 1, Amount: units(1)}, chain.NotAuthorized},
		"too much":              {chain.Leg{From: 1, To: 2, Asset: 1, Amount: units(1001)}, chain.InsufficientFunds},
		"far too much":          {chain.Leg{From: 1, To: 2, Asset: 1, Amount: chain.Amount{Hi: ^uint64(0), Lo: ^uint64(0)}}, chain.InsufficientFunds},
		"not home":              {chain.Leg{From: 6, To: 7, Asset: 3, Amount: units(1)}, chain.NotHome},
		"native asset not home": {chain.Leg{From: 6, To: 7, Asset: 1, Amount: units(1)}, chain.InsufficientFunds},
		"not portable":          {chain.Leg{From: 7, To: 1, Asset: 3, Amount: units(1)}, chain.NotPortable},
		"hold":                  {chain.Leg{Kind: chain.LegHold, Arg: 1, From: 1, To: 2, Asset: 1, Amount: units(1)}, chain.OK},
		"hold without arg":      {chain.Leg{Kind: chain.LegHold, From: 1, To: 2, Asset: 1, Amount: units(1)}, chain.BadField},
		"post":                  {ref(chain.Leg{Kind: chain.LegPost, From: 3}), chain.OK},
		"post in full words":    {ref(chain.Leg{Kind: chain.LegPost, From: 3, To: 5, Asset: 1, Amount: units(60)}), chain.OK},
		"post too much":         {ref(chain.Leg{Kind: chain.LegPost, From: 3, Amount: units(101)}), chain.HoldAmount},
		"post with arg":         {ref(chain.Leg{Kind: chain.LegPost, Arg: 1, From: 3}), chain.BadField},
		"post to another":       {ref(chain.Leg{Kind: chain.LegPost, From: 3, To: 2}), chain.BadField},
		"post another asset":    {ref(chain.Leg{Kind: chain.LegPost, From: 3, Asset: 2}), chain.BadField},
		"post from another":     {ref(chain.Leg{Kind: chain.LegPost, From: 1}), chain.NotAuthorized},
		"post another's":        {ref(chain.Leg{Kind: chain.LegPost, From: 4}), chain.NotAuthorized},
		"post from nobody":      {ref(chain.Leg{Kind: chain.LegPost, From: 50}), chain.UnknownAccount},
		"post no hold":          {chain.Leg{Kind: chain.LegPost, From: 3}, chain.HoldUnknown},
		"void as payer":         {ref(chain.Leg{Kind: chain.LegVoid, From: 3}), chain.NotAuthorized},
		"void with amount":      {ref(chain.Leg{Kind: chain.LegVoid, From: 3, Amount: units(1)}), chain.BadField},
	} {
		t.Run(name, func(t *testing.T) {
			l := start(t, smallGenesis())
			gov, _, _ := clients(l)
			code, _, id := gov.tx(3, &chain.Hold{To: 5, Asset: 1, Amount: units(100), Blocks: 3})
			if want(t, code, chain.OK); id != hold {
				t.Fatal(id)
			}
			want(t, gov.run(t, 0, c.leg)[0], c.want)
			l.EndBlock()
			clone(t, l)
		})
	}
}

// An atomic batch that fails at its last leg leaves no trace but its sequence: not in the state, and not in what is
// derived, as the same legs without the last show when they run after it.
func TestAtomicUndoesEverything(t *testing.T) {
	prepare := func() (*Ledger, *client, []chain.Hash) {
		l := start(t, smallGenesis())
		gov, _, _ := clients(l)
		var ids []chain.Hash
		for range 4 {
			code, _, id := gov.tx(3, &chain.Hold{To: 1, Asset: 1, Amount: units(10), Blocks: 5})
			want(t, code, chain.OK)
			ids = append(ids, id)
		}
		code, _, _ := gov.tx(3, &chain.Post{Hold: ids[1]}) // leaves a free slot
		want(t, code, chain.OK)
		code, _, _ = gov.tx(3, &chain.Post{Hold: ids[3]})
		want(t, code, chain.OK)
		next(l)
		return l, gov, ids
	}
	legs := func(ids []chain.Hash) []chain.Leg {
		return []chain.Leg{
			{From: 1, To: 2, Asset: 1, Amount: units(7)},
			{From: 3, To: 1, Asset: 2, Amount: units(7)}, // makes a holding
			{From: 1, To: 6, Asset: 2, Amount: units(3)}, // another
			{From: 3, To: 4, Asset: 4, Amount: units(7)}, // versioned
			{Kind: chain.LegHold, Arg: 2, From: 1, To: 2, Asset: 1, Amount: units(1)},
			{Kind: chain.LegHold, Arg: 2, From: 3, To: 2, Asset: 2, Amount: units(2)},
			{Kind: chain.LegHold, Arg: 1, From: 3, To: 2, Asset: 2, Amount: units(3)},
			{Kind: chain.LegHold, Arg: 9, From: 3, To: 2, Asset: 2, Amount: units(4)},
			{Kind: chain.LegPost, From: 3, Reference: ids[0], Amount: units(4)},
			{Kind: chain.LegHold, Arg: 4, From: 3, To: 2, Asset: 2, Amount: units(5)}, // takes the slot of ids[0]
			{Kind: chain.LegVoid, From: 1, Reference: ids[2]},
			{From: 1, To: 2, Asset: 1, Amount: units(1)},
		}
	}
	plain, gov, ids := prepare()
	tried, gov2, _ := prepare()
	before := root(tried)
	codes := gov2.run(t, chain.FlagAtomic, append(legs(ids), chain.Leg{Kind: 9})...)
	for i, code := range codes {
		expected := chain.BatchAborted
		if i == len(codes)-1 {
			expected = chain.BadKind
		}
		want(t, code, expected)
	}
	if tried.Channel(1, 0) != 1 || len(tried.VersionedChanges()) != 0 || tried.sums != (Sums{}) {
		t.Fatal("an aborted batch left something", tried.VersionedChanges())
	}
	*tried.channels.Mut(channelIndex(1, 0)) = 0
	if root(tried) != before {
		t.Fatal("an aborted batch changed the state")
	}
	for _, c := range []*client{gov, gov2} {
		for i, code := range c.run(t, chain.FlagAtomic, legs(ids)...) {
			if code != chain.OK {
				t.Fatal(i, code)
			}
		}
		if len(c.l.VersionedChanges()) != 2 {
			t.Fatal(c.l.VersionedChanges())
		}
	}
	for range 12 { // lets all holds expire
		if root(plain) != root(tried) {
			t.Fatal("the ledger went another way after an aborted batch")
		}
		clone(t, tried)
		next(plain)
		next(tried)
	}
	if plain.Counts().HoldsPending != 0 {
		t.Fatal(plain.Counts())
	}
}

// Aborted growth: the sparse index grows several times within an atomic batch, and is as it was when that fails.
func TestAtomicAcrossGrowth(t *testing.T) {
	g := smallGenesis()
	l := start(t, g)
	gov, _, _ := clients(l)
	code, first, _ := gov.tx(1, &chain.OpenAccounts{Count: 900})
	want(t, code, chain.OK)
	var legs []chain.Leg
	for i := range uint32(900) {
		legs = append(legs, chain.Leg{From: 3, To: chain.AccountNo(first + i), Asset: 2, Amount: units(1)})
	}
	before := l.Counts()
	codes := gov.run(t, chain.FlagAtomic, append(slices.Clone(legs), chain.Leg{})...)
	want(t, codes[900], chain.BadField)
	if l.Counts() != before || len(l.Holdings(chain.AccountNo(first), 9)) != 0 {
		t.Fatal(l.Counts())
	}
	for _, code := range gov.run(t, chain.FlagAtomic, legs...) {
		want(t, code, chain.OK)
	}
	for i := range uint32(900) {
		if l.Balance(chain.AccountNo(first+i), 2) != units(1) {
			t.Fatal(i)
		}
	}
	clone(t, l)
}

func TestRunBatchAllocatesNothing(t *testing.T) {
	l := start(t, smallGenesis())
	gov, _, _ := clients(l)
	for name, legs := range map[string][]chain.Leg{
		"dense":     {{From: 1, To: 3, Asset: 1, Amount: units(1)}, {From: 3, To: 1, Asset: 1, Amount: units(1)}},
		"sparse":    {{From: 3, To: 4, Asset: 2, Amount: units(1)}, {From: 1, To: 4, Asset: 2, Amount: units(1)}},
		"portable":  {{From: 7, To: 6, Asset: 5, Amount: units(1)}},
		"versioned": {{From: 3, To: 4, Asset: 4, Amount: units(1)}},
		"keyed":     {keyedLeg(1, 1), {From: 1, To: 3, Asset: 1, Amount: units(1)}},
	} {
		for _, flags := range []chain.BatchFlags{0, chain.FlagAtomic} {
			b, id := gov.batch(t, flags, legs...)
			codes := make([]chain.Outcome, len(legs))
			h := b.Header()
			l.versioned = slices.Grow(l.versioned, 4000)
			if n := testing.AllocsPerRun(100, func() {
				h.Sequence = l.Channel(1, 0) + 1
				chain.PutBatchHeader(b.Bytes(), h)
				l.RunBatch(b, id, 0, codes)
			}); n != 0 {
				t.Errorf("%s, flags %d: %v allocations", name, flags, n)
			}
		}
	}
}

func TestRunBatchNeedsRoomForCodes(t *testing.T) {
	l := start(t, smallGenesis())
	gov, _, _ := clients(l)
	b, id := gov.batch(t, 0, chain.Leg{})
	breaks(t, func() { l.RunBatch(b, id, 0, make([]chain.Outcome, 2)) })
}
