// SPDX-License-Identifier: Apache-2.0

package spread

import (
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
)

// liar is a validator that forks its lane, withholds payloads, and acknowledges what it does not have.
type liar struct {
	no    chain.ValidatorNo
	tips  []Position // of the branches of its lane
	holds []chain.Hash
	deaf  map[chain.ValidatorNo]bool // who gets nothing of its lane
}

func (v *liar) act(w *world) {
	switch w.rand.IntN(6) {
	case 0:
		v.cut(w)
	case 1:
		v.forge(w)
	case 2:
		v.insert(w)
	case 3:
		v.repeat(w)
	default:
		v.agree(w)
	}
}

// cut makes an entry on a branch, mostly the first one, and sends it to some.
func (v *liar) cut(w *world) {
	if len(w.decided) > 600 {
		return
	}
	if v.tips == nil {
		v.tips = []Position{{}}
		v.deaf = map[chain.ValidatorNo]bool{chain.ValidatorNo(w.rand.IntN(len(w.nodes) - 1)): true}
	}
	branch := w.rand.IntN(len(v.tips))
	if w.rand.IntN(20) == 0 && len(v.tips) < 3 {
		v.tips = append(v.tips, v.tips[branch])
		branch = len(v.tips) - 1
	}
	e := w.entry(v.no, v.tips[branch])
	v.tips[branch] = Position{Sequence: e.Sequence, Digest: codec.EntryDigest(e)}
	for _, n := range w.honest() {
		// Each branch is for others, but they overlap, so that a branch can become available.
		if !v.deaf[n.no] && (branch == 0 || int(n.no)%len(v.tips) == branch) {
			v.send(w, n.no, e)
		}
	}
}

func (v *liar) send(w *world, to chain.ValidatorNo, e chain.LaneEntry) {
	w.post(simFrame{v.no, to, KindEntry, AppendEntryHead(nil, &EntryHead{Entry: e})})
}

// repeat sends an old entry of its lane again.
func (v *liar) repeat(w *world) {
	if e := v.any(w); e != nil && (e.Validator != v.no || !v.deaf[0]) {
		v.send(w, v.to(w), *e)
	}
}

func (v *liar) any(w *world) *chain.LaneEntry {
	if len(w.all) == 0 {
		return nil
	}
	return &w.all[len(w.all)-1-w.rand.IntN(min(len(w.all), 40))]
}

func (v *liar) to(w *world) chain.ValidatorNo {
	return chain.ValidatorNo(w.rand.IntN(len(w.nodes) - 1))
}

// forge acknowledges what it does not have, what nobody has, or another entry than there is.
func (v *liar) forge(w *world) {
	e := v.any(w)
	if e == nil {
		return
	}
	at := Position{Lane: e.Validator, Epoch: 1, Sequence: e.Sequence, Digest: codec.EntryDigest(*e)}
	switch w.rand.IntN(12) {
	case 0:
		at.Digest[3]++
	case 1:
		at.Sequence += 1000
	}
	w.post(simFrame{v.no, v.to(w), KindAck, AppendPositions(nil, []Position{at})})
}

// insert sends a made-up entry of another's lane, as if it had been asked for.
func (v *liar) insert(w *world) {
	e := v.any(w)
	if e == nil {
		return
	}
	forged := *e
	forged.Payload[0]++
	w.made[codec.EntryDigest(forged)] = forged
	v.send(w, v.to(w), forged)
}

// agree acknowledges the newest entry that it was sent, to all.
func (v *liar) agree(w *world) {
	for _, e := range slices.Backward(w.all) {
		d := codec.EntryDigest(e)
		if !slices.Contains(v.holds, d) && e.Validator != v.no || w.rand.IntN(3) == 0 {
			continue
		}
		for _, n := range w.honest() {
			w.post(simFrame{v.no, n.no, KindAck, AppendPositions(nil, []Position{{e.Validator, 1, e.Sequence, d}})})
		}
		return
	}
}

// receive stores what it is sent, answers some asks, and asks back.
func (v *liar) receive(w *world, f simFrame) {
	switch f.kind {
	case KindEntry:
		h, err := DecodeEntryHead(f.body)
		if err != nil {
			w.t.Fatal(err)
		}
		v.holds = append(v.holds, codec.EntryDigest(h.Entry))
	case KindAsk:
		ask, err := DecodeAsk(f.body)
		if err != nil {
			w.t.Fatal(err)
		}
		if e, ok := w.made[ask.Digest]; ok && e.Validator != v.no && w.rand.IntN(2) == 0 {
			v.send(w, f.from, e)
		} else if w.rand.IntN(2) == 0 {
			w.post(simFrame{v.no, f.from, KindAsk, AppendAsk(nil, ask)})
		}
	}
}
