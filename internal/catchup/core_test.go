// SPDX-License-Identifier: Apache-2.0

package catchup

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/pages"
	"github.com/aurigraph/aurigraph/internal/store/memstore"
)

// habit is how a giver behaves.
type habit int

const (
	honest habit = iota
	absent
	busy
	empty
	quiet       // says nothing after its offer
	forger      // of certificates
	stale       // offers what is too old
	miscounts   // leaves
	mixes       // pages
	babbles     // frames that are none
	alwaysGone  // whatever it is asked
	asks        // it is behind itself
	otherStates // offers a section table that the root does not cover
)

// lies are the words by which the habits of liars are found out.
var lies = map[habit]string{
	absent: "stalled", busy: "busy", empty: "nothing", quiet: "stalled", forger: "wrong_certificate", stale: "stale_offer", miscounts: "wrong_leaves", mixes: "wrong_page",
	babbles: "malformed", alwaysGone: "gone", asks: "stalled", otherStates: "wrong_leaves",
}

// version is a state that givers have one after the other.
type version struct {
	offer *Offer
	pages map[checkpoint.PageOf][]byte
}

// giver is a peer.
type giver struct {
	habit   habit
	at      int // version
	session uint64
}

// stage is a core among givers.
type stage struct {
	t        *testing.T
	rng      *rand.Rand
	core     *Core
	versions []version
	givers   []giver
	here     map[checkpoint.PageOf][]byte
	queue    []Received
	fetched  int
	dropped  []Dropped
	done     *Proved
	below    [][]byte
	moves    int // in so many pages the givers' states move on; 0: never
	left     int
}

// newStage makes states of which each differs in a few pages from the one before.
func newStage(t *testing.T, seed uint64, versions int, habits ...habit) *stage {
	s := &stage{t: t, rng: rand.New(rand.NewPCG(seed, 3)), here: map[checkpoint.PageOf][]byte{}}
	l := newLedger(seed)
	for v := range versions {
		l.advance(250)
		s.versions = append(s.versions, versionOf(t, l, chain.Height(100*(v+1)), len(habits)+1))
	}
	for _, h := range habits {
		s.givers = append(s.givers, giver{habit: h})
	}
	rules := testRules()
	rules.Validators = len(habits) + 1
	s.core = NewCore(CoreConfig{
		Self: chain.ValidatorNo(len(habits)), Rules: rules, Least: 50, Known: allKnown, AnswerTicks: 20, PauseTicks: 3, PenaltyTicks: 10_000, WindowMax: 3,
	})
	return s
}

// step gives the core an input and does what it says.
func (s *stage) step(in Input) {
	for in != nil {
		out := s.core.Step(in)
		in = nil
		for _, p := range out.Write {
			s.here[p.At] = bytes.Clone(p.Bytes)
		}
		s.fetched += len(out.Write)
		s.dropped = append(s.dropped, out.Dropped...)
		for _, e := range out.Send {
			s.give(e)
		}
		if out.Look != nil {
			in = s.look(out.Look)
		}
		if out.Done != nil {
			s.done, s.below = out.Done, out.Below
		}
	}
}

func (s *stage) look(list []Wanted) Looked {
	hash := pages.NewLeaves()
	var have []checkpoint.PageOf
	for _, w := range list {
		switch page := s.here[w.At]; {
		case page == nil:
		case w.Leaf == hash.Zero():
			delete(s.here, w.At)
		case hash.Of(page) == w.Leaf:
			have = append(have, w.At)
		}
	}
	return Looked{have}
}

// give answers an ask as the giver does.
func (s *stage) give(e Envelope) {
	g := &s.givers[e.To]
	say := func(m Message) { s.queue = append(s.queue, Received{e.To, m}) }
	_, first := e.Message.(Ask)
	switch {
	case g.habit == absent || g.habit == quiet && !first:
		return
	case g.habit == busy && first:
		say(Refused{0, Busy})
		return
	case g.habit == empty && first:
		say(Refused{0, Nothing})
		return
	case g.habit == babbles && !first:
		say(nil)
		return
	case g.habit == asks:
		say(Ask{Least: 7})
		return
	case g.habit == alwaysGone && !first:
		switch m := e.Message.(type) {
		case AskLeaves:
			say(Refused{m.Session, Gone})
		case AskPages:
			say(Refused{m.Session, Gone})
		}
		return
	}
	s.answer(g, e.Message, say)
}

func (s *stage) answer(g *giver, m Message, say func(Message)) {
	v := &s.versions[g.at]
	switch m := m.(type) {
	case Ask:
		g.session++
		o := *v.offer
		o.Session = g.session
		switch g.habit {
		case forger:
			o.RootCertificate = o.Certificate
		case stale:
			o = *versionOf(s.t, newLedger(9), 40, len(s.givers)+1).offer
		case otherStates:
			o.Sections = slices.Clone(o.Sections)
			o.Sections[0].Pages++
			o.Sections[0].RecordBytes++
		}
		say(&o)
	case AskLeaves:
		out := LeavesOf{Session: m.Session, Section: m.Section, First: m.First}
		hash := pages.NewLeaves()
		for i := range m.Count {
			leaf := hash.Zero()
			if page := v.pages[checkpoint.PageOf{Section: m.Section, Page: m.First + i}]; page != nil {
				leaf = hash.Of(page)
			}
			out.Hashes = append(out.Hashes, leaf)
		}
		if g.habit == miscounts {
			out.Hashes[s.rng.IntN(len(out.Hashes))][3] ^= 1
		}
		say(out)
	case AskPages:
		s.givePages(g, v, m, say)
	}
}

func (s *stage) givePages(g *giver, v *version, m AskPages, say func(Message)) {
	if s.moves > 0 && s.left < len(m.Pages) && g.at+1 < len(s.versions) {
		s.left = s.moves
		g.at++
		say(Refused{m.Session, Gone})
		return
	}
	s.left -= len(m.Pages)
	out := PagesOf{Session: m.Session, Pages: m.Pages}
	for _, at := range m.Pages {
		out.Bytes = append(out.Bytes, bytes.Clone(v.pages[at]))
	}
	if g.habit == mixes {
		out.Bytes[s.rng.IntN(len(out.Bytes))][5] ^= 1
	}
	say(out)
}

// versionOf is l as a state of a height.
func versionOf(t *testing.T, l *ledger, h chain.Height, signers int) version {
	n := &node{t: t, blocks: memstore.New()}
	for v := range signers {
		n.signers = append(n.signers, chain.ValidatorNo(v))
	}
	sn := l.space.Snapshot()
	defer sn.Release()
	meta := checkpoint.Meta{Chain: testChain, Height: h, Root: l.tree.Update(sn)}
	n.certify(meta)
	x := version{offer: n.offer(meta), pages: map[checkpoint.PageOf][]byte{}}
	for _, v := range sn.Sections() {
		x.offer.Sections = append(x.offer.Sections, checkpoint.Section{Number: v.Section, RecordBytes: v.RecordBytes, Pages: uint32(v.Pages())})
		for p := range v.Pages() {
			page, _ := v.Page(p)
			x.pages[checkpoint.PageOf{Section: v.Section, Page: uint32(p)}] = bytes.Clone(page.Bytes())
		}
	}
	return x
}

// run plays until the core is done, or so many ticks have passed. Answers of different peers come in any order, some late.
func (s *stage) run(ticks int) {
	for n := 0; n < ticks && s.done == nil; {
		if s.once() {
			n++
		}
	}
}

// once lets one thing happen, and reports whether that was a tick.
func (s *stage) once() bool {
	if len(s.queue) == 0 || s.rng.IntN(8) == 0 {
		s.step(Tick{})
		return true
	}
	in := s.queue[0]
	s.queue = s.queue[1:]
	if s.rng.IntN(20) == 0 { // twice
		s.queue = append(s.queue, in)
	}
	s.step(in)
	return false
}

// check wants the state that is here to be the one that was offered.
func (s *stage) check() {
	s.t.Helper()
	if s.done == nil {
		s.t.Fatalf("it does not end; dropped %v", s.dropped)
	}
	v := slices.IndexFunc(s.versions, func(v version) bool {
		return bytes.Equal(v.offer.Headers[chain.RootDelay], s.done.Headers[chain.RootDelay])
	})
	if v < 0 {
		s.t.Fatal("the state is none of those that are certified")
	}
	zero := make([]byte, pages.PageBytes)
	for at, page := range s.versions[v].pages {
		if have := s.here[at]; !bytes.Equal(have, page) && (have != nil || !bytes.Equal(page, zero)) {
			s.t.Errorf("page %v is another", at)
		}
	}
}

// TestHabits puts a giver of each habit before an honest one: the state is taken, from the honest one, and the other is dropped
// by the word of its lie.
func TestHabits(t *testing.T) {
	for h := absent; h <= otherStates; h++ {
		t.Run(fmt.Sprint(lies[h], int(h)), func(t *testing.T) {
			s := newStage(t, uint64(h), 1, h, honest, absent)
			s.run(300)
			s.check()
			if len(s.dropped) == 0 || s.dropped[0] != (Dropped{0, lies[h]}) {
				t.Errorf("dropped %v, first must be %s", s.dropped, lies[h])
			}
			if s.fetched > len(s.here) {
				t.Errorf("%d pages fetched, there are %d", s.fetched, len(s.here))
			}
		})
	}
}

// TestLiarsAlone gives up on nobody for ever, and takes nothing wrong.
func TestLiarsAlone(t *testing.T) {
	s := newStage(t, 1, 1, miscounts, otherStates, forger, mixes)
	s.run(3000)
	if s.done != nil || len(s.dropped) != 4 {
		t.Fatalf("done %t, dropped %v", s.done != nil, s.dropped)
	}
	s.givers[2].habit = honest
	s.run(20_000)
	s.check()
}

// TestGone lets the state be overwritten under way: pages that did not change are not fetched again, and after a while a state
// that stays is asked for.
func TestGone(t *testing.T) {
	for seed := range uint64(20) {
		s := newStage(t, seed, 3, honest, absent, honest)
		s.moves, s.left = 70, 70
		s.run(500)
		s.check()
		if s.done.Height != 300 || s.core.gones != 2 {
			t.Fatalf("seed %d: height %d after %d times gone", seed, s.done.Height, s.core.gones)
		}
		if all := len(s.here); s.fetched > all+2*pagesPerFrameMax*3 {
			t.Errorf("seed %d: %d pages fetched of %d", seed, s.fetched, all)
		}
	}
	s := newStage(t, 99, 1, honest)
	s.core.gones = gonesMax
	out := s.core.Step(Tick{})
	if len(out.Send) != 1 || out.Send[0].Message != Message(Ask{Least: 50, Steady: true}) {
		t.Errorf("after %d times: %+v", gonesMax, out.Send)
	}
}

// TestResume begins anew with what an earlier core left: only the rest is fetched.
func TestResume(t *testing.T) {
	s := newStage(t, 5, 2, honest)
	for s.fetched < 50 {
		s.once()
	}
	kept, before := maps.Clone(s.here), s.fetched
	for _, version := range []int{0, 1} {
		next := newStage(t, 5, 2, honest)
		next.here, next.givers[0].at = maps.Clone(kept), version
		next.run(100)
		next.check()
		all := len(next.here)
		if version == 0 && next.fetched+before != all {
			t.Errorf("%d and then %d pages were fetched of %d", before, next.fetched, all)
		}
		if version == 1 && next.fetched >= all-10 {
			t.Errorf("%d of %d pages of a newer state were fetched", next.fetched, all)
		}
	}
}

// TestRandom mixes habits and states.
func TestRandom(t *testing.T) {
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 8))
		habits := []habit{honest}
		for range 1 + rng.IntN(5) {
			habits = append(habits, habit(rng.IntN(int(otherStates)+1)))
		}
		rng.Shuffle(len(habits), func(i, j int) { habits[i], habits[j] = habits[j], habits[i] })
		s := newStage(t, seed, 2, habits...)
		s.core.turn = chain.ValidatorNo(rng.IntN(len(habits)))
		s.moves, s.left = rng.IntN(150), 100
		for i := range s.givers {
			s.givers[i].at = rng.IntN(2)
		}
		s.run(1000)
		s.check()
		for _, d := range s.dropped {
			if h := s.givers[d.Peer].habit; h == honest && d.Reason != "gone" || h != honest && d.Reason != lies[h] {
				t.Errorf("seed %d: habit %d was dropped as %s", seed, h, d.Reason)
			}
		}
	}
}
