// SPDX-License-Identifier: Apache-2.0

package epoch

import (
	"slices"
	"sync"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
)

func startHistory(t testing.TB, n int) *History {
	t.Helper()
	hs, err := NewHistory(testGenesis(n))
	if err != nil {
		t.Fatal(err)
	}
	return hs
}

// TestHistory follows an admission, a seal, a removal, and a seal where the epoch began.
func TestHistory(t *testing.T) {
	hs, w := startHistory(t, 4), newNetwork(t, 4)
	first := w.admits(4, 4)
	one := w.changed(10, first, 0, 1, 2)
	if err := hs.Extend(one); err != nil {
		t.Fatal(err)
	}
	w.goesTo(first, 4)
	second := w.admits(0, 5) // the seal re-keys validator 0
	two := w.sealed(25, second, 1, 2, 3, 4)
	if err := hs.Extend(two); err != nil {
		t.Fatal(err)
	}
	w.goesTo(second, 5)
	third := w.members.Changed(&chain.ChangeValidator{Epoch: 3, Validator: 2})
	three := w.changed(26, third, 0, 1, 3, 4)
	if err := hs.Extend(three); err != nil {
		t.Fatal(err)
	}
	if s := hs.Current(); s.Epoch() != 4 || s != hs.At(4) || s.HeaderKey(2) != nil || s.RootKey(0).Public() != pairs()[5].root.Public() {
		t.Errorf("%+v", s.Membership())
	}
	if hs.At(3).RootKey(1) != hs.At(1).RootKey(1) || hs.At(3).HeaderKey(0) == hs.At(1).HeaderKey(0) {
		t.Error("key schedules are kept, and only of who keeps its keys")
	}
	if hs.At(0) != nil || hs.At(5) != nil || hs.At(1).Size() != 4 || hs.At(2).Size() != 5 {
		t.Error("epochs are out of place")
	}
	for height, want := range map[chain.Height]chain.Epoch{0: 1, 1: 1, 10: 1, 11: 2, 25: 2, 26: 3, 27: 4, 1 << 40: 4} {
		if got := hs.EpochOf(height); got != want {
			t.Errorf("height %d is of epoch %d, want %d", height, got, want)
		}
	}
	for e, want := range map[chain.Epoch]chain.Height{0: 0, 1: 10, 2: 25, 3: 26, 4: 0} {
		if h, ok := hs.End(e); ok != (want != 0) || h.Height != want {
			t.Errorf("epoch %d ended at %d", e, h.Height)
		}
	}
	for _, known := range []*chain.ProvedHandover{one, two, three} {
		if err := hs.Extend(known); !fault.Is(err, fault.Conflict) {
			t.Errorf("an epoch that is known: %v", err)
		}
	}
	// An epoch that certified nothing: its heights are nobody's.
	w.goesTo(third, 0)
	fourth := w.admits(5, 7)
	four := w.sealed(26, fourth)
	four.Header, four.HeaderBytes = three.Header, three.HeaderBytes
	w.reseal(four, 0, 1, 3)
	if err := hs.Extend(four); err != nil || hs.EpochOf(26) != 3 || hs.EpochOf(27) != 5 {
		t.Error(err, hs.EpochOf(26), hs.EpochOf(27))
	}
	// What travels and lies on disk is bytes: they prove the same.
	again := startHistory(t, 4)
	for _, p := range []*chain.ProvedHandover{one, two, three, four} {
		back, err := codec.DecodeProvedHandover(codec.AppendProvedHandover(nil, p))
		if err != nil {
			t.Fatal(err)
		}
		if err := again.Extend(back); err != nil {
			t.Fatal(err)
		}
	}
	if again.Current().Epoch() != 5 {
		t.Error(again.Current().Epoch())
	}
}

// TestNewSetAfter: who has the last handover alone knows as much of the current epoch as who has the history.
func TestNewSetAfter(t *testing.T) {
	hs, w := startHistory(t, 4), newNetwork(t, 4)
	second := w.admits(4, 4)
	begin := w.changed(10, second, 0, 1, 2)
	if err := hs.Extend(begin); err != nil {
		t.Fatal(err)
	}
	w.goesTo(second, 4)
	stillborn := w.sealed(10, w.admits(5, 5))
	stillborn.Header, stillborn.HeaderBytes = begin.Header, begin.HeaderBytes
	w.reseal(stillborn, 0, 1, 2, 3)
	alone, err := NewSetAfter(&begin.Handover)
	if err != nil {
		t.Fatal(err)
	}
	unaware, err := NewSet(testChain, second)
	if err != nil {
		t.Fatal(err)
	}
	for s, want := range map[*Set]string{hs.Current(): "", alone: "", unaware: ReasonHandover} {
		if err := s.VerifyHandover(stillborn); err != nil != (want != "") || want != "" && fault.ReasonOf(err) != want {
			t.Errorf("%v, want %q", err, want)
		}
	}
	begin.Next.Members = nil
	if _, err := NewSetAfter(&begin.Handover); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}

func TestNewHistoryRefuses(t *testing.T) {
	g := testGenesis(2)
	g.Validators[1] = g.Validators[0]
	if _, err := NewHistory(g); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}

// TestExtendRefuses begins in epoch 2, which a change began at height 10.
func TestExtendRefuses(t *testing.T) {
	w := newNetwork(t, 4)
	second := w.admits(4, 4)
	begin := w.changed(10, second, 0, 1, 2)
	stale := newNetwork(t, 4)
	w.goesTo(second, 4)
	next := w.admits(5, 5)
	stranger := *next
	stranger.Members = append(slices.Clone(next.Members), next.Members[0])
	unusable := w.admits(5, 5)
	unusable.Members[5].Ed25519 = make(chain.HexBytes, 32)
	change := func(by func(p *chain.ProvedHandover)) func() *chain.ProvedHandover {
		return func() *chain.ProvedHandover {
			p := w.changed(20, next, 0, 1, 2, 3)
			by(p)
			return p
		}
	}
	seal := func(by func(p *chain.ProvedHandover)) func() *chain.ProvedHandover {
		return func() *chain.ProvedHandover {
			p := w.sealed(20, next, 0, 1, 2, 3)
			by(p)
			return p
		}
	}
	// stillborn is a seal of the epoch where it began.
	stillborn := func(by func(p *chain.ProvedHandover)) func() *chain.ProvedHandover {
		return func() *chain.ProvedHandover {
			p := w.sealed(10, next)
			p.Header, p.HeaderBytes = begin.Header, begin.HeaderBytes
			w.reseal(p, 0, 1, 2, 3)
			by(p)
			return p
		}
	}
	// recertified puts another header under a handover, certified as it should be.
	recertified := func(p *chain.ProvedHandover, by func(h *chain.ExecutedHeader)) {
		h := w.last(20, next)
		by(h)
		p.Header, p.HeaderBytes, p.Certificate = codec.HeaderHash(h), codec.AppendHeader(nil, h), w.certify(h, 0, 1, 2, 3)
	}
	for name, c := range map[string]struct {
		make   func() *chain.ProvedHandover
		reason string
	}{
		"change, as it should be":       {change(func(*chain.ProvedHandover) {}), ""},
		"seal, as it should be":         {seal(func(*chain.ProvedHandover) {}), ""},
		"seal with a certificate":       {seal(func(p *chain.ProvedHandover) { p.Certificate = w.certify(w.header(20), 0, 1, 2, 3) }), ""},
		"of another chain":              {change(func(p *chain.ProvedHandover) { p.Chain++ }), ReasonOtherChain},
		"an epoch left out":             {change(func(p *chain.ProvedHandover) { p.Next.Epoch++ }), ReasonOtherEpoch},
		"at height 0":                   {seal(func(p *chain.ProvedHandover) { p.Height = 0 }), ReasonHandover},
		"a change where it began":       {func() *chain.ProvedHandover { return w.changed(10, next, 0, 1, 2, 3) }, ReasonHandover},
		"another header where it began": {func() *chain.ProvedHandover { return w.sealed(10, next, 0, 1, 2, 3) }, ReasonHandover},
		"sealed where it began":         {stillborn(func(*chain.ProvedHandover) {}), ""},
		"a change of nothing":           {stillborn(func(p *chain.ProvedHandover) { p.Verdict = chain.VerdictNone; w.reseal(p, 0, 1, 2, 3) }), ReasonHandover},
		"sealed with a certificate":     {stillborn(func(p *chain.ProvedHandover) { p.Certificate = begin.Certificate }), ReasonHandover},
		"sealed by too few":             {stillborn(func(p *chain.ProvedHandover) { p.Seal = p.Seal[1:] }), ReasonNoQuorum},
		"before the last epoch ended":   {func() *chain.ProvedHandover { return w.changed(9, next, 0, 1, 2, 3) }, ReasonHandover},
		"a membership not sane":         {func() *chain.ProvedHandover { return w.changed(20, &stranger, 0, 1, 2, 3) }, "membership"},
		"an unusable key":               {func() *chain.ProvedHandover { return w.changed(20, unusable, 0, 1, 2, 3) }, ReasonUnusableKey},
		"no header":                     {change(func(p *chain.ProvedHandover) { p.HeaderBytes = nil }), ReasonHandover},
		"another header":                {change(func(p *chain.ProvedHandover) { p.HeaderBytes = codec.AppendHeader(nil, w.last(21, next)) }), ReasonHandover},
		"a header of another epoch":     {change(func(p *chain.ProvedHandover) { recertified(p, func(h *chain.ExecutedHeader) { h.Epoch-- }) }), ReasonHandover},
		"a header of another chain":     {change(func(p *chain.ProvedHandover) { recertified(p, func(h *chain.ExecutedHeader) { h.Chain++ }) }), ReasonHandover},
		"a header of another height":    {change(func(p *chain.ProvedHandover) { p.Height++ }), ReasonHandover},
		"another next membership":       {change(func(p *chain.ProvedHandover) { recertified(p, func(h *chain.ExecutedHeader) { h.Next[0]++ }) }), ReasonHandover},
		"a header that ends nothing":    {change(func(p *chain.ProvedHandover) { recertified(p, func(h *chain.ExecutedHeader) { h.Next = chain.Hash{} }) }), ReasonHandover},
		"a root of another height":      {change(func(p *chain.ProvedHandover) { recertified(p, func(h *chain.ExecutedHeader) { h.RootAt-- }) }), ReasonHandover},
		"another root":                  {change(func(p *chain.ProvedHandover) { p.Root[0]++ }), ReasonHandover},
		"no certificate":                {change(func(p *chain.ProvedHandover) { p.Certificate = nil }), ReasonNoQuorum},
		"a certificate too small":       {change(func(p *chain.ProvedHandover) { p.Certificate.Signatures = p.Certificate.Signatures[1:] }), ReasonNoQuorum},
		"a change with a seal":          {change(func(p *chain.ProvedHandover) { w.reseal(p, 0, 1, 2, 3) }), ReasonHandover},
		"a seal too small":              {seal(func(p *chain.ProvedHandover) { p.Seal = p.Seal[1:] }), ReasonNoQuorum},
		"a seal of another statement":   {seal(func(p *chain.ProvedHandover) { p.Root[0]++ }), ReasonBadSignature},
		"an unknown verdict":            {seal(func(p *chain.ProvedHandover) { p.Verdict = 9; w.reseal(p, 0, 1, 2, 3) }), ReasonHandover},
		"a seal where the epoch ended":  {seal(func(p *chain.ProvedHandover) { recertified(p, func(*chain.ExecutedHeader) {}); w.reseal(p, 0, 1, 2, 3) }), ReasonHandover},
		"a seal's wrong certificate":    {seal(func(p *chain.ProvedHandover) { p.Certificate = w.certify(w.header(21), 0, 1, 2, 3) }), ReasonMismatch},
		"signed by the epoch before": {func() *chain.ProvedHandover {
			stale.members.Epoch = 2 // what former members say of an epoch that is not theirs
			return stale.sealed(20, next, 0, 1, 2)
		}, ReasonNoQuorum},
	} {
		hs := startHistory(t, 4)
		if err := hs.Extend(begin); err != nil {
			t.Fatal(err)
		}
		err := hs.Extend(c.make())
		if c.reason == "" {
			if err != nil || hs.Current().Epoch() != 3 {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if !fault.Is(err, fault.Invalid) || fault.ReasonOf(err) != c.reason || hs.Current().Epoch() != 2 {
			t.Errorf("%s: %v, want %s", name, err, c.reason)
		}
	}
}

// A header without a certificate is of the sealed history if the headers above it lead to the one that the seal names.
func TestVerifySealed(t *testing.T) {
	hs, w := startHistory(t, 4), newNetwork(t, 4)
	first, mid, last := w.header(8), w.header(9), w.header(10)
	mid.Previous = codec.HeaderHash(first)
	last.Previous = codec.HeaderHash(mid)
	end := w.sealed(10, w.members.Changed(&chain.ChangeValidator{Epoch: 1, Validator: 3}))
	end.Header, end.HeaderBytes = codec.HeaderHash(last), codec.AppendHeader(nil, last)
	w.reseal(end, 0, 1, 2)
	check := func(h *chain.ExecutedHeader, above ...*chain.ExecutedHeader) error {
		var raw [][]byte
		for _, x := range above {
			raw = append(raw, codec.AppendHeader(nil, x))
		}
		return hs.VerifySealed(h, codec.HeaderHash(h), raw)
	}
	if err := check(last); fault.ReasonOf(err) != ReasonNotEnded {
		t.Errorf("before the seal is known: %v", err)
	}
	if err := hs.Extend(end); err != nil {
		t.Fatal(err)
	}
	for h, above := range map[*chain.ExecutedHeader][]*chain.ExecutedHeader{first: {mid, last}, mid: {last}, last: nil} {
		if err := check(h, above...); err != nil {
			t.Errorf("height %d: %v", h.Height, err)
		}
	}
	other := *mid
	other.TimeUs++
	for name, err := range map[string]error{
		"another header":      check(&other, last),
		"one between is gone": check(first, last),
		"too few above":       check(first, mid),
		"one from elsewhere":  check(first, &other, last),
		"rubbish above":       hs.VerifySealed(mid, codec.HeaderHash(mid), [][]byte{[]byte("rubbish")}),
		"above the end":       check(w.header(11)),
	} {
		if !fault.Is(err, fault.Invalid) || fault.ReasonOf(err) != ReasonHandover {
			t.Errorf("%s: %v", name, err)
		}
	}
	changed, x := startHistory(t, 4), newNetwork(t, 4)
	if err := changed.Extend(x.changed(10, x.admits(4, 4), 0, 1, 2)); err != nil {
		t.Fatal(err)
	}
	if err := changed.VerifySealed(last, codec.HeaderHash(last), nil); fault.ReasonOf(err) != ReasonHandover {
		t.Errorf("an epoch that was not sealed: %v", err)
	}
}

// TestConcurrentReads lets readers look while the history grows.
func TestConcurrentReads(t *testing.T) {
	hs, w := startHistory(t, 4), newNetwork(t, 4)
	h := w.header(3)
	cert := w.certify(h, 0, 1, 2)
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for range 20 {
				_, _ = hs.End(1)
				if err := hs.At(hs.EpochOf(3)).VerifyCertificate(h, codec.HeaderHash(h), cert); err != nil || hs.Current() == nil {
					t.Error(err)
				}
			}
		})
	}
	if err := hs.Extend(w.changed(10, w.admits(4, 4), 0, 1, 2)); err != nil {
		t.Error(err)
	}
	readers.Wait()
}

// FuzzExtend: whatever bytes a peer sends, nothing panics, and only what a quorum signed extends the history.
func FuzzExtend(f *testing.F) {
	w := newNetwork(f, 1)
	next := w.members.Changed(&chain.ChangeValidator{Epoch: 1, Validator: 1, Name: "v1", Ed25519: pairs()[1].ed25519(), MLDSA65: pairs()[1].mldsa65()})
	good := map[chain.Hash]bool{}
	for _, p := range []*chain.ProvedHandover{w.changed(5, next, 0), w.sealed(5, next, 0)} {
		good[codec.HandoverHash(&p.Handover)] = true
		f.Add(codec.AppendProvedHandover(nil, p))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := codec.DecodeProvedHandover(b)
		if err != nil {
			return
		}
		hs := startHistory(t, 1)
		if err := hs.Extend(p); err == nil && !good[codec.HandoverHash(&p.Handover)] {
			t.Fatalf("%+v extends the history", p)
		}
	})
}
