// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/aurigraph/aurigraph/internal/certify"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/seglog"
)

func TestQueueKeepsTotalOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var q queue
	var got []uint64
	for range 2000 {
		q.push(r.Int64N(50), -1, func() {})
		if r.IntN(3) == 0 {
			q.pop()
		}
	}
	last := event{at: -1}
	for len(q.heap) > 0 {
		e := q.pop()
		if !last.before(&e) {
			t.Fatalf("event %d at %d comes after event %d at %d", e.order, e.at, last.order, last.at)
		}
		got, last = append(got, e.order), e
	}
	if len(got) < 1000 {
		t.Errorf("%d events", len(got))
	}
}

// aloneReplica is a replica that is up, in a world in which nothing else happens.
func aloneReplica(seed uint64) *replica {
	w := newWorld(Options{Seed: seed}, &slabs{})
	w.queue = queue{}
	n := w.nodes[0]
	n.up, n.life, n.halted = true, 1, "it has no cores"
	return n
}

func TestWalLosesOnlyWhatNoSyncCovered(t *testing.T) {
	torn, lost := 0, 0
	for seed := range uint64(300) {
		n := aloneReplica(seed)
		l := n.votes
		durable := 0
		write := func(i int) {
			l.append(record{kind: 1, meta: []byte{byte(i), 1, 2, 3}, payload: make([]byte, i)}, func(at seglog.Pos) {
				if at.Seq != uint64(durable+1) {
					t.Fatalf("record %d became durable after %d", at.Seq, durable)
				}
				durable++
			})
		}
		for i := range 20 {
			write(i)
			n.w.run(n.w.now+n.w.diskRand.Int64N(300), nil)
		}
		was := durable
		l.crash()
		n.w.run(n.w.now+10_000, nil)
		if durable != was {
			t.Fatal("a sync ended after the power was lost")
		}
		torn += n.w.faults[faultTornTail]
		found := l.scan()
		if len(found) < was || len(found) > 20 || l.durable != len(found) {
			t.Fatalf("%d records of 20 are left, %d were durable", len(found), was)
		}
		lost += 20 - len(found)
		for i, r := range found {
			if r.meta[0] != byte(i) || len(r.payload) != i || r.at.Seq != uint64(i+1) {
				t.Fatalf("record %d is %+v", i, r)
			}
		}
		write(50)
		if at := l.records[len(l.records)-1].at.Seq; at != uint64(len(found)+1) {
			t.Fatalf("record %d follows record %d", at, len(found))
		}
	}
	if torn < 20 || lost < 100 {
		t.Errorf("%d torn tails, %d lost records", torn, lost)
	}
}

func TestWalForgets(t *testing.T) {
	n := aloneReplica(1)
	for i := range 10 {
		n.payloads.append(record{key: chain.Hash{byte(i)}, meta: []byte{byte(i)}}, nil)
	}
	n.w.run(10_000, nil)
	n.payloads.append(record{key: chain.Hash{10}, meta: []byte{10}}, nil) // not durable: it stays
	n.payloads.keep(func(r *record) bool { return r.meta[0] >= 8 })
	if len(n.payloads.records) != 3 || n.payloads.durable != 2 || n.holds(chain.Hash{7}) || !n.holds(chain.Hash{8}) || n.holds(chain.Hash{10}) {
		t.Errorf("%d records, %d durable", len(n.payloads.records), n.payloads.durable)
	}
	n.up = false
	n.payloads.append(record{}, nil)
	if len(n.payloads.records) != 3 {
		t.Error("a node without power writes")
	}
}

func TestClock(t *testing.T) {
	c := clock{base: 1000}
	c.shift(100, 50, 100_000)
	if got := c.micros(100); got != 1150 {
		t.Errorf("it jumped to %d", got)
	}
	if got := c.micros(1100); got != 2250 {
		t.Errorf("a fast clock shows %d after a thousand", got)
	}
	if c.ticks(1000) != 900 {
		t.Errorf("a tick of a fast clock takes %d", c.ticks(1000))
	}
	c.shift(1100, 0, 0)
	if got := c.micros(1200); got != 2350 {
		t.Errorf("a right clock shows %d", got)
	}
}

func TestPartitions(t *testing.T) {
	w := newWorld(Options{Seed: 1}, &slabs{})
	both, way := &episode{kind: faultPartition, set: 1}, &episode{kind: faultOneWay, set: 2}
	w.net.part(both, 1)
	w.net.part(way, 1)
	blocked := func(a, b int) bool { return w.net.blocked(&frame{from: a, to: b}) }
	for _, c := range []struct {
		a, b int
		want bool
	}{{0, 1, true}, {1, 0, true}, {0, 2, true}, {2, 0, true}, {1, 2, true}, {2, 1, false}, {2, 3, false}} {
		if blocked(c.a, c.b) != c.want {
			t.Errorf("from %d to %d: %v", c.a, c.b, !c.want)
		}
	}
	if w.net.linked(0, 1) || !w.net.linked(1, 2) {
		t.Error("a transport sees a partition, and does not see one that is open one way")
	}
	w.net.part(both, -1)
	w.net.part(way, -1)
	if blocked(0, 1) || blocked(1, 2) {
		t.Error("a partition stays")
	}
}

func TestMacsCannotBeForged(t *testing.T) {
	k := macs{7}
	h := &chain.ExecutedHeader{Chain: simChain, Epoch: simEpoch, Height: 3, RootAt: 1, StateRoot: chain.Hash{9}}
	members := newGenesis(4).Membership()
	v := k.vote(2, members.Members[2].Ed25519, h, codec.HeaderHash(h))
	if !k.verifyVote(members, &v) {
		t.Fatal("a vote is not its validator's")
	}
	for name, change := range map[string]func(v *certify.Vote){
		"another's":    func(v *certify.Vote) { v.Validator = 1 },
		"another hash": func(v *certify.Vote) { v.Hash[0]++ },
		"another root": func(v *certify.Vote) { v.StateRoot[0]++ },
		"no member's":  func(v *certify.Vote) { v.Validator = 4 },
		"without root": func(v *certify.Vote) { v.RootAt = 0 },
		"garbage":      func(v *certify.Vote) { v.Signature = make([]byte, 64) },
		"nothing":      func(v *certify.Vote) { v.Signature = nil },
		"other run":    func(v *certify.Vote) { v.Signature = macs{8}.vote(2, members.Members[2].Ed25519, h, v.Hash).Signature },
	} {
		other := v
		other.Signature = slices.Clone(v.Signature)
		if change(&other); k.verifyVote(members, &other) {
			t.Errorf("%s: it verifies", name)
		}
	}
}

// TestModel checks the model by hand, for everything else is checked by it.
func TestModel(t *testing.T) {
	m := newModel(newGenesis(2).Membership())
	known := map[chain.Hash]truth{}
	var last tip
	entry := func(flags chain.BatchFlags, sequence uint64, legs ...chain.Leg) chain.Hash {
		b, err := chain.NewBatch(chain.BatchHeader{Flags: flags, Chain: simChain, Institution: simClient, Key: simKey, Sequence: sequence, ValidUntil: 100}, legs)
		if err != nil {
			t.Fatal(err)
		}
		e := chain.LaneEntry{JoinEpoch: simEpoch, Sequence: last.sequence + 1, Parent: last.digest, Kind: chain.PayloadBatch, Payload: codec.Sum(b.Bytes()), Bytes: uint32(len(b.Bytes()))}
		last = tip{e.Sequence, codec.EntryDigest(e)}
		known[last.digest] = truth{e, b.Bytes()}
		return last.digest
	}
	pay := func(from, to chain.AccountNo, amount uint64) chain.Leg {
		return chain.Leg{From: simFirst + from, To: simFirst + to, Asset: 1, Amount: chain.Units(amount)}
	}
	outcomes := func(codes ...chain.Outcome) chain.Hash { return codec.Outcomes{Codes: codes}.Hash() }
	first := entry(0, 5, pay(0, 1, 100), pay(0, 1, 250), pay(0, 1, 200))
	atomic := entry(chain.FlagAtomic, 6, pay(1, 2, 10), pay(0, 1, 1))
	stale := entry(0, 6, pay(1, 2, 10))
	for _, c := range []struct {
		name    string
		entries []chain.Hash
		want    []chain.Hash
	}{
		{"out of turn", []chain.Hash{atomic}, nil},
		{"partly", []chain.Hash{first, first}, []chain.Hash{outcomes(chain.OK, chain.InsufficientFunds, chain.OK)}},
		{"decided again, atomic, stale", []chain.Hash{first, atomic, stale}, []chain.Hash{outcomes(chain.BatchAborted, chain.InsufficientFunds), outcomes(chain.Stale)}},
		{"never made", []chain.Hash{{1}}, nil},
	} {
		lines := m.run(&chain.Proposal{Height: m.height() + 1, Entries: c.entries}, known)
		var got []chain.Hash
		for _, l := range lines {
			got = append(got, l.Outcomes)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, not %v", c.name, got, c.want)
		}
	}
	if m.balances[0][0] != 0 || m.balances[1][0] != 600 || m.balances[2][0] != simHolding {
		t.Errorf("balances %v", m.balances)
	}
	if m.places[known[first].entry.Payload].height != 2 || m.executed[atomic] != 3 || m.height() != 4 {
		t.Errorf("places %v", m.places)
	}
}
