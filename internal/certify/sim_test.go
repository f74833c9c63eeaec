// SPDX-License-Identifier: Apache-2.0

package certify

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
)

// world runs cores from a seed in one goroutine: frames are lost, doubled and turned around, nodes lose their power and
// with it what was not flushed, and liars say what they like.
type world struct {
	t      testing.TB
	rand   *rand.Rand
	nodes  []*simNode // the last ones are liars, who have no core
	honest int
	frames []simFrame
	loss   float64
	rotten bool                        // nodes compute wrong headers now and then
	certs  map[chain.Height]chain.Hash // certified by any honest node
	said   map[string]chain.Hash       // what each honest node signed, by node and height
	proofs int
	trace  chain.Hash
}

type simFrame struct {
	from, to int
	frame    []byte
}

// simNode is a core, its vote log and its host.
type simNode struct {
	no        int
	core      *Core // nil: no power
	halts     int
	log       []Record
	unflushed []Vote
	store     map[chain.Height]*chain.Certificate
	published chain.Height
	executed  chain.Height
}

// simDepth is how many heights a host executes ahead of the published one.
const simDepth = 8

func newWorld(t testing.TB, seed uint64, n, liars int, rotten bool) *world {
	w := &world{t: t, rand: rand.New(rand.NewPCG(seed, 5)), honest: n - liars, loss: 0.1, rotten: rotten,
		certs: map[chain.Height]chain.Hash{}, said: map[string]chain.Hash{}}
	for i := range n {
		w.nodes = append(w.nodes, &simNode{no: i, store: map[chain.Height]*chain.Certificate{}})
	}
	for _, node := range w.nodes[:w.honest] {
		w.boot(node)
	}
	return w
}

func (w *world) boot(n *simNode) {
	w.t.Helper()
	found, err := Recover(Start{Self: chain.ValidatorNo(n.no), Epoch: testEpoch, Published: n.published}, slices.Values(n.log))
	if err != nil {
		w.t.Fatalf("node %d does not start: %v", n.no, err)
	}
	cfg := coreConfig(n.no, len(w.nodes))
	cfg.Published = n.published
	n.core, n.executed = NewCore(cfg, found), n.published
}

// crash takes the power: of the votes that were not flushed any number of the first ones are there, and the store may
// have lost its newest heights.
func (w *world) crash(n *simNode) {
	w.flush(n, w.rand.IntN(len(n.unflushed)+1), false)
	n.core, n.unflushed = nil, nil
	n.published -= chain.Height(w.rand.IntN(int(min(n.published, 3)) + 1))
}

func (w *world) flush(n *simNode, count int, tell bool) {
	for _, v := range n.unflushed[:count] {
		n.log = append(n.log, Record{Seq: uint64(len(n.log) + 1), Kind: recordVote, Meta: appendVote(nil, &v)})
		w.note(v)
		if tell {
			w.step(n, Signed{v.Height})
		}
	}
	n.unflushed = n.unflushed[min(count, len(n.unflushed)):]
}

func (w *world) note(values ...any) {
	w.trace = codec.Sum(fmt.Appendf(nil, "%x %v", w.trace, values))
}

func (w *world) step(n *simNode, in ...Input) {
	w.t.Helper()
	if n.core == nil {
		return
	}
	out, err := n.core.Step(in...)
	if err != nil {
		if !w.rotten {
			w.t.Fatalf("node %d halts: %v", n.no, err)
		}
		n.halts++
		w.crash(n) // its operator starts it again
		return
	}
	n.unflushed = append(n.unflushed, out.Persist...)
	for _, s := range out.Send {
		w.send(n, int(s.To), s.Frame)
	}
	for _, s := range out.Serve {
		if x := n.store[s.Height]; x != nil {
			w.send(n, int(s.To), AppendFrame(nil, Message{Certificate: x}))
		}
	}
	for _, x := range out.Certified {
		w.certify(n, x)
	}
	w.proofs += len(out.Evidence)
	for _, e := range out.Evidence {
		if int(e.First.Validator) < w.honest {
			w.t.Fatalf("evidence against an honest validator: %+v", e)
		}
	}
	w.checkMemory(n)
}

// send checks that an honest node says one thing about a height, in all its lives.
func (w *world) send(n *simNode, to int, frame []byte) {
	w.t.Helper()
	m, err := ParseFrame(frame)
	if err != nil {
		w.t.Fatal(err)
	}
	if m.Vote != nil {
		w.say(n.no, m.Vote.Height, m.Vote.Hash)
	}
	w.frames = append(w.frames, simFrame{n.no, to, frame})
}

func (w *world) say(no int, h chain.Height, hash chain.Hash) {
	w.t.Helper()
	key := fmt.Sprint(no, " ", h)
	if before, ok := w.said[key]; ok && before != hash {
		w.t.Fatalf("node %d signed two headers for height %d", no, h)
	}
	w.said[key] = hash
}

func (w *world) certify(n *simNode, x *chain.Certificate) {
	w.t.Helper()
	if before, ok := w.certs[x.Height]; ok && before != x.Header {
		w.t.Fatalf("height %d has two certificates", x.Height)
	}
	if len(x.Signatures) < chain.Quorum(len(w.nodes)) {
		w.t.Fatalf("a certificate of %d", len(x.Signatures))
	}
	for _, s := range x.Signatures {
		if int(s.Validator) < w.honest {
			w.say(int(s.Validator), x.Height, x.Header)
		}
		if (x.Height%rootEvery == 0) != (len(s.Root) > 0) {
			w.t.Fatalf("height %d: a root's signature has %d bytes", x.Height, len(s.Root))
		}
	}
	w.certs[x.Height] = x.Header
	w.note(n.no, x.Height, x.Header)
}

func (w *world) checkMemory(n *simNode) {
	w.t.Helper()
	if c := n.core; len(c.slots) > int(c.cfg.WindowMax+c.cfg.TailMax) || len(c.open) > simDepth || len(n.core.evidence) > len(w.nodes)*c.cfg.EvidenceMax {
		w.t.Fatalf("node %d holds %d heights, %d open, %d pieces of evidence", n.no, len(c.slots), len(c.open), len(c.evidence))
	}
}

// execute runs the next height, if the host may be so far ahead.
func (w *world) execute(n *simNode) {
	if n.core == nil || n.executed >= n.published+simDepth {
		return
	}
	n.executed++
	history := 0
	if w.rotten && w.rand.IntN(6) == 0 {
		history = 1
	}
	w.step(n, Executed{voteOf(n.no, n.executed, history)})
}

// publish stores certificates in height order, as Await gives them.
func (w *world) publish(n *simNode) {
	for n.core != nil {
		x := n.core.Certificate(n.published + 1)
		if x == nil {
			return
		}
		n.published++
		n.store[n.published] = x
		w.step(n, Published{n.published})
	}
}

func (w *world) deliver() {
	if len(w.frames) == 0 {
		return
	}
	i := w.rand.IntN(min(len(w.frames), 12))
	f := w.frames[i]
	if w.rand.IntN(10) > 0 {
		w.frames = slices.Delete(w.frames, i, i+1)
	}
	n := w.nodes[f.to]
	if n.core == nil || w.rand.Float64() < w.loss {
		return
	}
	m, _ := ParseFrame(f.frame)
	from := chain.ValidatorNo(f.from)
	switch {
	case m.Vote != nil:
		w.step(n, Received{From: from, Vote: *m.Vote})
	case m.Certificate != nil:
		if w.genuine(m.Certificate) {
			w.step(n, ReceivedCertificate{From: from, Certificate: m.Certificate})
		}
	default:
		w.step(n, Wanted{From: from, Height: m.Wanted})
	}
}

// genuine is the caller's verification: honest validators signed this hash, for whatever height the sender says.
func (w *world) genuine(x *chain.Certificate) bool {
	for _, s := range x.Signatures {
		if int(s.Validator) < w.honest && !slices.Contains(w.hashesOf(int(s.Validator)), x.Header) {
			return false
		}
	}
	return true
}

func (w *world) hashesOf(no int) (list []chain.Hash) {
	for h := chain.Height(1); h <= w.top()+simDepth; h++ {
		if hash, ok := w.said[fmt.Sprint(no, " ", h)]; ok {
			list = append(list, hash)
		}
	}
	return list
}

func (w *world) top() (h chain.Height) {
	for _, n := range w.nodes[:w.honest] {
		h = max(h, n.published)
	}
	return h
}

// lie makes a liar say something to somebody.
func (w *world) lie() {
	if w.honest == len(w.nodes) {
		return
	}
	liar := w.honest + w.rand.IntN(len(w.nodes)-w.honest)
	to := w.rand.IntN(w.honest)
	h := w.top() + chain.Height(w.rand.IntN(simDepth)) + 1
	v := voteOf(liar, h, w.rand.IntN(3))
	m := Message{Vote: &v}
	switch w.rand.IntN(8) {
	case 0:
		m = Message{Wanted: h - min(h-1, chain.Height(w.rand.IntN(20)))}
	case 1:
		v = withRoot(v, 0)
	case 2:
		v.Height += 1000
	case 4:
		v = voteOf(w.rand.IntN(w.honest), h, 1) // in another's name
	case 3: // the certificate of another height
		if x := w.anyCertificate(); x != nil {
			x.Height = h
			m = Message{Certificate: x}
		}
	}
	w.frames = append(w.frames, simFrame{liar, to, AppendFrame(nil, m)})
}

func (w *world) anyCertificate() *chain.Certificate {
	n := w.nodes[w.rand.IntN(w.honest)]
	if n.published == 0 || n.store[n.published] == nil {
		return nil
	}
	x := *n.store[n.published]
	return &x
}

func (w *world) act() {
	n := w.nodes[w.rand.IntN(w.honest)]
	if w.rotten && n.core == nil && w.rand.IntN(4) == 0 {
		w.boot(n)
	}
	switch v := w.rand.IntN(200); {
	case v < 100:
		for range len(w.nodes) {
			w.deliver()
		}
	case v < 130:
		w.execute(n)
	case v < 160:
		w.flush(n, w.rand.IntN(len(n.unflushed)+1), true)
	case v < 175:
		w.publish(n)
	case v < 185:
		w.step(n, Tick{})
	case v < 197:
		w.lie()
	case v < 198 && n.core != nil && (w.rotten || w.rand.IntN(2) == 0):
		w.crash(n)
	case v >= 198 && n.core == nil:
		w.boot(n)
	}
}

// calm heals the world and runs it until all have published a height beyond what anybody had.
func (w *world) calm() {
	w.t.Helper()
	w.loss = 0
	goal := w.top() + 5
	for range 400 {
		done := true
		for _, n := range w.nodes[:w.honest] {
			if n.core == nil {
				w.boot(n)
			}
			w.execute(n)
			w.flush(n, len(n.unflushed), true)
			w.publish(n)
			w.step(n, Tick{})
			done = done && n.published >= goal
		}
		for len(w.frames) > 0 {
			w.deliver()
		}
		if done {
			return
		}
	}
	for _, n := range w.nodes[:w.honest] {
		w.t.Errorf("node %d executed %d, published %d of %d", n.no, n.executed, n.published, goal)
	}
}

func simulate(t testing.TB, seed uint64, n, liars int, rotten bool) *world {
	w := newWorld(t, seed, n, liars, rotten)
	for range 4000 {
		w.act()
	}
	if !rotten {
		w.calm()
	}
	return w
}

// simSeeds makes the simulation longer: go test -run TestSimulation ./internal/certify -seeds 5000
var simSeeds = flag.Uint64("seeds", 25, "seeds that the simulation tries")

func TestSimulation(t *testing.T) {
	for _, c := range []struct {
		n, liars int
		rotten   bool
	}{{1, 0, false}, {4, 0, false}, {4, 1, false}, {7, 0, false}, {7, 2, false}, {4, 1, true}, {7, 2, true}} {
		t.Run(fmt.Sprintf("n=%d liars=%d rotten=%v", c.n, c.liars, c.rotten), func(t *testing.T) {
			heights, proofs, halts := 0, 0, 0
			for seed := range *simSeeds {
				w := simulate(t, seed, c.n, c.liars, c.rotten)
				heights += len(w.certs)
				proofs += w.proofs
				for _, n := range w.nodes {
					halts += n.halts
				}
				if t.Failed() {
					t.Fatalf("seed %d", seed)
				}
				if c.liars > 0 && !c.rotten && w.proofs == 0 {
					t.Fatalf("seed %d: no liar was found out", seed)
				}
			}
			t.Logf("%d heights certified, %d lies proved, %d halts", heights, proofs, halts)
			if heights < int(*simSeeds)*map[bool]int{false: 20, true: 1}[c.rotten] || (c.rotten && halts == 0) {
				t.Errorf("%d heights: the simulation is too rough to prove anything", heights)
			}
		})
	}
}

func TestSimulationRepeatsItself(t *testing.T) {
	for seed := range uint64(3) {
		if a, b := simulate(t, seed, 4, 1, false), simulate(t, seed, 4, 1, false); a.trace != b.trace {
			t.Errorf("seed %d: two runs differ", seed)
		}
	}
}
