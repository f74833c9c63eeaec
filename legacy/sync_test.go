// SPDX-License-Identifier: Apache-2.0

package legacy

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/bus"
	"github.com/aurigraph/aurigraph/internal/sync/devbroker"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	"github.com/aurigraph/aurigraph/internal/sync/v10port"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy/ledger"
)

func never() int { return 1 << 30 }

func anybody(string) bool { return true }

// start is where the direction from a side begins: at the copy, as the other side's inbox says.
func startOf(t testing.TB, applier *side) envelope.Position {
	t.Helper()
	in, err := applier.ledger.Inbox()
	if err != nil {
		t.Fatal(err)
	}
	return in.Position
}

// TestSyncedCopyIsEqual pays at a V10 at random, captures what it did, and applies that to a copy of it. Everybody is killed all the time:
// the capture after each few records, the applier after each few pieces, the copy itself; answers get lost, and records come twice. The
// copy ends as the original, its answers under keys and its blocks too.
func TestSyncedCopyIsEqual(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		for seed := range uint64(4) {
			t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 1))
				a, b := pair(t, engine, chain.SlotsMax)
				w := newWire(a, startOf(t, b))
				o := &orders{random: random, may: anybody, prefix: "A"}
				few := func() int { return 1 + random.IntN(20) }
				for range 4 {
					a.some(o, 60)
					w.capture(a, few)
					b.cut.every = 3
					w.apply(b, random, 1<<10, few)
					b.cut.every = 0
					if random.IntN(2) == 0 {
						a.restart()
					}
				}
				equal(t, a, b)
				sameAnswers(t, a, b, o)
				sameBlocks(t, a, b)
				if n := b.ledger.Totals(); n.Applied < 200 || n.AppliedKeys < 10 {
					t.Errorf("the test is none: %+v", n)
				}
			})
		}
	})
}

// TestSyncKilledAtEveryRecord begins everything anew after each record: the capture after it got out, the applier after it was applied, and the
// copy's process often in between.
func TestSyncKilledAtEveryRecord(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		random := rand.New(rand.NewPCG(9, 1))
		a, b := pair(t, engine, chain.SlotsMax)
		w := newWire(a, startOf(t, b))
		o := &orders{random: random, may: anybody, prefix: "A"}
		a.some(o, 120)
		one := func() int { return 1 }
		w.capture(a, one)
		w.apply(b, random, 1, one)
		equal(t, a, b)
		sameAnswers(t, a, b, o)
		sameBlocks(t, a, b)
	})
}

// sameAnswers asks the copy for all that was asked under a key: it answers as the original, and does nothing.
func sameAnswers(t *testing.T, a, b *side, o *orders) {
	t.Helper()
	before := b.dump()
	for _, k := range o.keyed {
		answers := [2]ledger.Result{}
		for i, s := range []*side{a, b} {
			results, err := s.ledger.Submit(t.Context(), []ledger.Order{k})
			if err != nil {
				t.Fatal(err)
			}
			answers[i] = results[0]
		}
		x, y := answers[0], answers[1]
		if x.ID != y.ID || x.Outcome != y.Outcome || x.Replayed != y.Replayed || (x.Err == nil) != (y.Err == nil) || x.Err == nil && !y.Replayed {
			t.Errorf("%+v: %+v, of the copy %+v", k, x, y)
		}
	}
	if b.dump() != before {
		t.Error("a repeat did something")
	}
}

func sameBlocks(t *testing.T, a, b *side) {
	t.Helper()
	from, err := b.ledger.Rounds(0, 1)
	if err != nil {
		t.Fatal(err)
	}
	for number := from[0].Number + 1; number <= a.ledger.Totals().Round; number++ {
		x, err := a.ledger.Round(number)
		y, err2 := b.ledger.AppliedBlock(number)
		if err != nil || err2 != nil || x.Hash != y.Hash || x.Previous != y.Previous || x.Ms != y.Ms || x.Leader != y.Leader || x.Transactions != y.Transactions {
			t.Errorf("round %d: %+v %v, of the copy %+v %v", number, x, err, y, err2)
		}
	}
}

// TestSyncBothWays has two ledgers pay at once, each from the accounts whose home it is, and brings each one's changes to the other. Both
// end alike, and nothing comes back to where it was made.
func TestSyncBothWays(t *testing.T) {
	eachEngine(t, func(t *testing.T, engine string) {
		for seed := range uint64(3) {
			t.Run(fmt.Sprint("seed", seed), func(t *testing.T) {
				const half = chain.SlotsMax / 2
				random := rand.New(rand.NewPCG(seed, 2))
				a, b := pair(t, engine, half)
				there, back := newWire(a, startOf(t, b)), newWire(b, startOf(t, a))
				oa := &orders{random: random, prefix: "A", may: func(name string) bool { return ledger.SlotOf(name) < half }}
				ob := &orders{random: random, prefix: "B", may: func(name string) bool { return ledger.SlotOf(name) >= half }}
				few := func() int { return 1 + random.IntN(30) }
				for range 4 {
					a.some(oa, 40)
					b.some(ob, 40)
					for range 2 { // the second time there is nothing
						there.capture(a, few)
						back.capture(b, few)
						there.apply(b, random, 1<<10, few)
						back.apply(a, random, 1<<10, few)
					}
				}
				equal(t, a, b)
				onlyOwn(t, a, there)
				onlyOwn(t, b, back)
			})
		}
	})
}

// onlyOwn counts what was captured of a side: all that it made since the copy, and none of what was applied to it.
func onlyOwn(t *testing.T, s *side, w *wire) {
	t.Helper()
	deeds := uint64(0)
	for _, r := range w.all {
		switch r.Change.(type) {
		case *envelope.Round, *envelope.Barrier:
		default:
			deeds++
		}
	}
	own, applied := s.ledger.Totals(), uint64(0)
	applied = own.Applied
	if first := uint64(len(names)) + 3; deeds != own.Transactions-applied-first || applied == 0 {
		t.Errorf("%d transactions were captured; %d were made, %d before the copy and %d by the other ledger", deeds, own.Transactions, first, applied)
	}
}

// TestHeldRecord has the other ledger debit what its payer does not have here: what is before it is applied, it is named, and what is
// behind it waits. When the reason is gone, the same records go on.
func TestHeldRecord(t *testing.T) {
	a, b := pair(t, EnginePebble, chain.SlotsMax)
	pay := func(s *side, from, to string, units uint64) {
		t.Helper()
		results, err := s.ledger.Submit(t.Context(), []ledger.Order{{Kind: ledger.Transfer, From: from, To: to, Asset: v10.DefaultAsset, Units: chain.Units(units)}})
		if err != nil || results[0].Outcome != chain.OK {
			t.Fatal(results, err)
		}
	}
	pay(b, "e", "f", 100_000) // the copy spends what is not its to spend
	pay(a, "f", "g", 5)
	pay(a, "e", "h", 7)
	pay(a, "f", "h", 9)
	w := newWire(a, startOf(t, b))
	w.capture(a, never)
	attempt := func() error {
		start, err := b.client.Inbox(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return v10port.Apply(t.Context(), v10port.ApplyConfig{
			Client: b.client, Records: w.reader(start, rand.New(rand.NewPCG(1, 1)), 1<<10, 1<<20), Keys: []envelope.Key{w.key},
		})
	}
	for range 2 {
		var held *v10port.HeldError
		err := attempt()
		if h, ok := err.(*v10port.HeldError); ok {
			held = h
		}
		if held == nil || fault.ReasonOf(err) != ledger.ReasonUnderflow || held.Record.Change.(*envelope.Transfer).From != "e" {
			t.Fatalf("%v", err)
		}
		if units, err := b.ledger.Balance("g", v10.DefaultAsset); err != nil || units != chain.Units(100_005) {
			t.Errorf("what lies before the held record is not applied: %s %v", units, err)
		}
		if units, err := b.ledger.Balance("h", v10.DefaultAsset); err != nil || units != chain.Units(100_000) {
			t.Errorf("what lies behind the held record is applied: %s %v", units, err)
		}
	}
	pay(b, "f", "e", 50_000)
	if err := attempt(); fault.ReasonOf(err) != "end" {
		t.Fatal(err)
	}
	if units, err := b.ledger.Balance("h", v10.DefaultAsset); err != nil || units != chain.Units(100_016) {
		t.Errorf("%s %v", units, err)
	}
}

// publisher is the bus' publisher as a sink.
type publisher struct{ *bus.Publisher }

func (p publisher) Tip() (envelope.Position, uint64) {
	tip := p.Publisher.Tip()
	return tip.Position, tip.After()
}

func (p publisher) Newest() (since uint64, known bool) {
	if r := p.Publisher.Newest(); r != nil {
		return r.Since, true
	}
	return 0, false
}

func (p publisher) Confirm(d v10port.Draft) error { return p.Publisher.Confirm(bus.Draft(d)) }

func (p publisher) Publish(ctx context.Context, d v10port.Draft) error {
	return p.Publisher.Publish(ctx, bus.Draft(d))
}

// TestSyncOverBus goes over Kafka's protocol, both ends running all the time.
func TestSyncOverBus(t *testing.T) {
	a, b := pair(t, EnginePebble, chain.SlotsMax)
	broker, err := devbroker.Start(devbroker.Config{Dir: t.TempDir(), Unsynced: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	secret := filepath.Join(t.TempDir(), "sync.key")
	if err := os.WriteFile(secret, []byte(strings.Repeat("07", envelope.SecretBytesMin)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := bus.Config{Brokers: []string{broker.Address()}, KeyFiles: []string{secret}}
	if err := bus.Init(t.Context(), cfg, bus.DefaultSettings()); err != nil {
		t.Fatal(err)
	}
	p, err := bus.OpenPublisher(t.Context(), bus.PublisherConfig{Config: cfg, Source: a.source(), Start: startOf(t, b)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	in, err := b.client.Inbox(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r, err := bus.OpenReader(t.Context(), bus.ReaderConfig{Config: cfg, Start: in})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 2)
	go func() {
		ended <- v10port.Capture(ctx, v10port.CaptureConfig{Client: a.client, Sink: publisher{p}, Keys: plainKeys{}})
	}()
	moved := make(chan envelope.Position, 1<<16)
	go func() {
		ended <- v10port.Apply(ctx, v10port.ApplyConfig{Client: b.client, Records: r, Keys: []envelope.Key{b.key}, Applied: func(s envelope.Start, _ int) { moved <- s.Position }})
	}()
	began := time.Now()
	a.some(&orders{random: rand.New(rand.NewPCG(3, 3)), may: anybody, prefix: "A"}, 2000)
	barrier, sequence, err := a.client.Barrier(t.Context())
	if err != nil || barrier == 0 {
		t.Fatal(err)
	}
	for at := range moved {
		if at.Major >= sequence {
			break
		}
	}
	t.Logf("%d transactions made, captured and applied in %s", b.ledger.Totals().Applied, time.Since(began))
	cancel()
	for range 2 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	equal(t, a, b)
}
