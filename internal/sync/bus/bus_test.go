// SPDX-License-Identifier: Apache-2.0

package bus

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	"github.com/aurigraph/aurigraph/internal/testkit/kafkaserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scenarios are what every broker must pass.
var scenarios = map[string]func(*testing.T, broker){
	"order":           testOrder,
	"resume":          testResume,
	"crash":           testCrash,
	"broker restarts": testBrokerRestarts,
	"topic deleted":   testTopicDeleted,
	"topic made anew": testTopicMadeAnew,
	"zombie":          testZombie,
	"restored ledger": testRestoredLedger,
	"truncated":       testTruncated,
}

func TestOnDevelopmentBroker(t *testing.T) {
	for name, scenario := range scenarios {
		t.Run(name, func(t *testing.T) { scenario(t, startDev(t)) })
	}
}

// TestOnKafka is the same on a real broker, which is killed and started again where a scenario says so.
func TestOnKafka(t *testing.T) {
	if testing.Short() {
		t.Skip("Kafka takes a while to begin")
	}
	server := kafkaserver.Start(t)
	for name, scenario := range scenarios {
		t.Run(name, func(t *testing.T) { scenario(t, server) })
	}
}

// testOrder: what is published comes out in order from wherever a ledger stands.
func testOrder(t *testing.T, b broker) {
	w := newWorld(t, b)
	w.init(t)
	p := w.publisher(t)
	const n = 6000
	publish(t, p, n)
	flush(t, p)
	if got := p.Frontier(); got != p.Tip() || got.Position != change(n-1).Position || !got.End {
		t.Errorf("acknowledged up to %+v", got)
	}
	last := read(t, w.reader(t, envelope.Start{}), 0, n)
	if last.HomeVersion != 4 || last.Life != 1 || !last.End {
		t.Errorf("%+v", last)
	}
	r := w.reader(t, envelope.Start{})
	middle := read(t, r, 0, 3000)
	read(t, w.reader(t, envelope.Start{Position: middle.Position, Tag: middle.Tag}), 3000, n)
	read(t, w.reader(t, envelope.Start{Position: envelope.EndOf(change(2999).Position.Major + 1)}), 3000, n)
	// While nothing new comes, the heart-beat says that nothing is missing.
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	read(t, r, 3000, n)
	if records, err := r.Next(ctx, 1); len(records) > 0 || !fault.Is(err, fault.Timeout) {
		t.Errorf("%d records, %v", len(records), err)
	}
	if s := r.State(); s.Stated != s.Position || s.Beat == 0 || s.Pending != 0 || s.Held != nil {
		t.Errorf("%+v", s)
	}
}

// testResume: publishers that end in the middle of a batch leave nothing out and write nothing twice.
func testResume(t *testing.T, b broker) {
	w := newWorld(t, b)
	const n = 4000
	for stop := 250; stop <= n; stop += 250 {
		p := w.publisher(t)
		publish(t, p, stop-1)
		p.Close()
	}
	p := w.publisher(t)
	publish(t, p, n)
	flush(t, p)
	read(t, w.reader(t, envelope.Start{}), 0, n)
	w.eachOnce(t, n)
}

// testCrash: a publisher that dies with records in flight leaves nothing out. What the broker took after the next one had looked is
// there twice, and handed out once.
func testCrash(t *testing.T, b broker) {
	w := newWorld(t, b)
	const n = 4000
	for stop := 250; stop <= n; stop += 250 {
		p := w.publisher(t)
		publish(t, p, stop-1)
		p.abandon(errors.New("crash"))
	}
	p := w.publisher(t)
	publish(t, p, n)
	flush(t, p)
	read(t, w.reader(t, envelope.Start{}), 0, n)
}

// testBrokerRestarts: publisher and reader go on through crashes of the broker.
func testBrokerRestarts(t *testing.T, b broker) {
	w := newWorld(t, b)
	p, r := w.publisher(t), w.reader(t, envelope.Start{})
	const n, crashes = 9000, 3
	for i := range crashes {
		publish(t, p, (2*i+1)*n/(2*crashes))
		w.Restart(t) // with records in flight
		publish(t, p, (2*i+2)*n/(2*crashes))
		read(t, r, i*n/crashes, (i+1)*n/crashes)
	}
	flush(t, p)
	if s := p.State(); s.Failed != nil || s.InFlight != 0 || s.Waiting != 0 {
		t.Errorf("%+v", s)
	}
	read(t, w.reader(t, envelope.Start{}), 0, n)
}

// testTopicDeleted: with a topic gone both sides stop with a reason, and when it is made anew nothing is passed over.
func testTopicDeleted(t *testing.T, b broker) {
	w := newWorld(t, b)
	p, r := w.publisher(t), w.reader(t, envelope.Start{})
	publish(t, p, 600)
	flush(t, p)
	applied := read(t, r, 0, 300)
	// What it has fetched it may hand out; after that it must stop.
	w.deleteTopics(t, envelope.Assets.Name(envelope.V10))
	w.until(t, "the publisher stops", func(context.Context) bool { return p.Failed() != nil })
	if reason := fault.ReasonOf(p.Failed()); reason != ReasonTopicMissing {
		t.Errorf("the publisher stopped for %s", reason)
	}
	if err := p.Publish(t.Context(), change(600)); fault.ReasonOf(err) != ReasonTopicMissing {
		t.Errorf("and takes records: %v", err)
	}
	if reason, before := held(t, r); reason != ReasonTopicMissing || len(before) > 300 {
		t.Errorf("the reader stopped for %s after %d records", reason, len(before))
	}
	if _, err := w.openReader(t, envelope.Start{}); fault.ReasonOf(err) != ReasonTopicMissing {
		t.Errorf("another reader: %v", err)
	}
	if _, err := OpenPublisher(t.Context(), PublisherConfig{Config: w.cfg, Source: w.source}); fault.ReasonOf(err) != ReasonTopicMissing {
		t.Errorf("another publisher: %v", err)
	}
	w.init(t)
	p = w.publisher(t)
	if p.Tip().Position != change(599).Position {
		t.Errorf("the next publisher goes on at %s", p.Tip().Position)
	}
	publish(t, p, 900)
	flush(t, p)
	reason, before := held(t, w.reader(t, envelope.Start{Position: applied.Position, Tag: applied.Tag}))
	if reason != envelope.ReasonGap {
		t.Errorf("the reader of a topic that was emptied stopped for %s", reason)
	}
	for i, record := range before {
		if record.Position != change(300+i).Position || record.Change.Topic() == envelope.Assets {
			t.Fatalf("%s was handed out, of what was deleted or behind it", record.Position)
		}
	}
	read(t, w.reader(t, envelope.Start{Position: change(599).Position}), 600, 900) // a ledger that had all of it goes on
}

// testTopicMadeAnew: a topic that is deleted and made anew at once stops both sides too, though everybody answers all the time.
func testTopicMadeAnew(t *testing.T, b broker) {
	w := newWorld(t, b)
	p, r := w.publisher(t), w.reader(t, envelope.Start{})
	publish(t, p, 600)
	flush(t, p)
	read(t, r, 0, 600)
	w.deleteTopics(t, envelope.Transactions.Name(envelope.V10))
	w.init(t)
	w.until(t, "the publisher stops", func(context.Context) bool { return p.Failed() != nil })
	if reason := fault.ReasonOf(p.Failed()); reason != ReasonTopicMissing && reason != ReasonTopicRecreated {
		t.Errorf("the publisher stopped for %s: %v", reason, p.Failed())
	}
	if reason, before := held(t, r); reason != ReasonTopicMissing && reason != ReasonTopicRecreated || len(before) > 0 {
		t.Errorf("the reader stopped for %s after %d records", reason, len(before))
	}
}

// testZombie: a publisher that was thought dead writes doubles, and nobody sees them.
func testZombie(t *testing.T, b broker) {
	w := newWorld(t, b)
	zombie := w.publisher(t)
	publish(t, zombie, 1000)
	p := w.publisher(t) // while the other has records in flight
	publish(t, p, 2000)
	publish(t, zombie, 3000)
	publish(t, p, 3500)
	flush(t, zombie)
	flush(t, p)
	registry := prometheus.NewRegistry()
	start := envelope.Start{Source: p.Source()}
	r, err := OpenReader(t.Context(), ReaderConfig{Config: w.cfg, Start: start, Registerer: registry})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	read(t, r, 0, 3500)
	if doubles := testutil.ToFloat64(r.metrics.offered.WithLabelValues("double")); doubles < 1000 {
		t.Errorf("%v doubles were recognised", doubles)
	}
}

// testRestoredLedger: the ledger is restored from a copy; its records are another life's, and nobody applies them unasked.
func testRestoredLedger(t *testing.T, b broker) {
	w := newWorld(t, b)
	old := w.publisher(t)
	publish(t, old, 300)
	flush(t, old)
	r := w.reader(t, envelope.Start{})
	read(t, r, 0, 300)
	w.source.Incarnation = envelope.Incarnation{2}
	p, err := OpenPublisher(t.Context(), PublisherConfig{Config: w.cfg, Source: w.source, Start: envelope.EndOf(change(99).Position.Major)})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if p.Source().Life != 2 {
		t.Errorf("its life is %d", p.Source().Life)
	}
	publish(t, p, 600)
	flush(t, p)
	if reason, before := held(t, r); reason != envelope.ReasonOtherIncarnation || len(before) > 0 {
		t.Errorf("the reader stopped for %s after %d records", reason, len(before))
	}
	read(t, w.reader(t, envelope.Start{Source: p.Source(), Position: envelope.EndOf(change(99).Position.Major)}), next(Tip{Position: envelope.EndOf(change(99).Position.Major), End: true}), 600)
	w.source.Incarnation = envelope.Incarnation{1}
	if _, err := OpenPublisher(t.Context(), PublisherConfig{Config: w.cfg, Source: w.source}); fault.ReasonOf(err) != envelope.ReasonOtherIncarnation {
		t.Errorf("the life before publishes again: %v", err)
	}
	w.source.Ledger = envelope.V10Ledger("other")
	if _, err := OpenPublisher(t.Context(), PublisherConfig{Config: w.cfg, Source: w.source}); fault.ReasonOf(err) != envelope.ReasonForeignLedger {
		t.Errorf("another network publishes into the same topics: %v", err)
	}
}

// testTruncated: what retention let go before it was read is a gap.
func testTruncated(t *testing.T, b broker) {
	w := newWorld(t, b)
	p := w.publisher(t)
	publish(t, p, 900)
	flush(t, p)
	w.letGo(t, envelope.Transactions.Name(envelope.V10), 100)
	reason, before := held(t, w.reader(t, envelope.Start{}))
	if reason != envelope.ReasonGap || len(before) > 3 {
		t.Errorf("the reader stopped for %s after %d records", reason, len(before))
	}
	p.Close()
	p = w.publisher(t)
	if p.Tip().Position != change(899).Position {
		t.Errorf("the next publisher goes on at %s", p.Tip().Position)
	}
}

// TestStraysAreNotWrittenAgain: one topic took nothing while the others went on, and the publisher died. The next one begins at the
// first record that is missing, and sends only what is.
func TestStraysAreNotWrittenAgain(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	w := newWorld(t, fake{cluster})
	p := w.publisher(t)
	publish(t, p, 300)
	flush(t, p)
	stuck := cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Produce}, Topic: envelope.Consensus.Name(envelope.V10), Err: kerr.NotEnoughReplicas, Count: -1})
	publish(t, p, 900)
	transactions := func() (n int) {
		for i := range 900 {
			if change(i).Change.Topic() != envelope.Consensus {
				n++
			}
		}
		return n
	}()
	w.until(t, "the other topics have theirs", func(context.Context) bool {
		have := 0
		for position := range w.inTopics(t) {
			if position != (envelope.Position{}) {
				have++
			}
		}
		return have >= transactions
	})
	quiet := w.end(t, envelope.Assets)
	w.until(t, "a heart-beat goes out meanwhile", func(context.Context) bool { return w.end(t, envelope.Assets) > quiet })
	p.abandon(errors.New("crash"))
	stuck.Remove()
	next := w.publisher(t)
	if at := next.Tip().Position; !at.Before(change(899).Position) || at.Before(change(299).Position) || len(next.strays) == 0 {
		t.Errorf("the next publisher goes on at %s with %d strays", at, len(next.strays))
	}
	publish(t, next, 1000)
	flush(t, next)
	if len(next.strays) > 0 || testutil.ToFloat64(next.metrics.found) == 0 {
		t.Errorf("%d strays are left", len(next.strays))
	}
	w.eachOnce(t, 1000)
	read(t, w.reader(t, envelope.Start{}), 0, 1000)
}

// TestForkedHistoryIsNotPublished: the topics hold another record where the ledger has this one. Nothing is sent over it.
func TestForkedHistoryIsNotPublished(t *testing.T) {
	w := newWorld(t, startDev(t))
	p := w.publisher(t)
	publish(t, p, 30)
	flush(t, p)
	key := p.key
	tip, other := p.Tip(), change(31)
	r := &envelope.Record{Source: p.Source(), Position: other.Position, Previous: change(30).Position, PreviousTag: tip.Tag,
		Since: other.Position.Major - 2, Change: other.Change}
	wire, err := envelope.Seal(&key, r)
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	if err := kgoOf(t, w).ProduceSync(t.Context(), &kgo.Record{Topic: other.Change.Topic().Name(envelope.V10), Value: wire}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	p = w.publisher(t)
	publish(t, p, 31)
	if err := p.Publish(t.Context(), other); fault.ReasonOf(err) != envelope.ReasonFork || fault.ReasonOf(p.Failed()) != envelope.ReasonFork {
		t.Errorf("%v", err)
	}
}

// TestReaderBeginsNearItsStart: a ledger that is almost at the end does not read the topics from their beginning.
func TestReaderBeginsNearItsStart(t *testing.T) {
	w := newWorld(t, startDev(t))
	p := w.publisher(t)
	const n = 120_000
	publish(t, p, n)
	flush(t, p)
	r := w.reader(t, envelope.Start{Position: change(n - 101).Position})
	read(t, r, n-100, n)
	total := 0.0
	for _, verdict := range []envelope.Verdict{envelope.Kept, envelope.Past, envelope.Double, envelope.Beat} {
		total += testutil.ToFloat64(r.metrics.offered.WithLabelValues(verdict.String()))
	}
	if total > n/2 {
		t.Errorf("%v records were read for the last 100 of %d", total, n)
	}
	for _, at := range []int{0, 1, n / 3, n / 2, n - 2} {
		last := change(at)
		read(t, w.reader(t, envelope.Start{Position: last.Position}), at+1, min(at+200, n))
	}
}

// TestForgedRecords: whoever can write to the broker and has no sync key stops the sync, and changes nothing.
func TestForgedRecords(t *testing.T) {
	w := newWorld(t, startDev(t))
	p := w.publisher(t)
	publish(t, p, 30)
	flush(t, p)
	forger := *w
	forger.cfg.KeyFiles = []string{keyFile(t, 2)}
	if reason, before := held(t, forger.reader(t, envelope.Start{})); reason != envelope.ReasonUnknownKey || len(before) > 0 {
		t.Errorf("with another key: %s", reason)
	}
	both := *w
	both.cfg.KeyFiles = []string{keyFile(t, 2), w.cfg.KeyFiles[0]}
	read(t, both.reader(t, envelope.Start{}), 0, 30)
	record := &kgo.Record{Topic: envelope.Assets.Name(envelope.V10), Value: []byte("give me everything")}
	if err := kgoOf(t, w).ProduceSync(t.Context(), record).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if reason, _ := held(t, w.reader(t, envelope.Start{})); reason != envelope.ReasonMalformed {
		t.Errorf("a forged record: %s", reason)
	}
}

func TestPublishRefuses(t *testing.T) {
	w := newWorld(t, startDev(t))
	p := w.publisher(t)
	publish(t, p, 6)
	for name, d := range map[string]Draft{
		"an earlier position": change(3),
		"the same position":   change(5),
		"no change":           {Position: change(6).Position},
		"a heart-beat":        {Position: change(6).Position, Change: &envelope.Heartbeat{}},
		"a name too long":     {Position: change(6).Position, Change: &envelope.AccountOpened{Alias: string(make([]byte, 300))}},
	} {
		if err := p.Publish(t.Context(), d); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	publish(t, p, 12)
	flush(t, p)
	read(t, w.reader(t, envelope.Start{}), 0, 12)
	p.Close()
	if err := p.Publish(t.Context(), change(12)); fault.ReasonOf(err) != ReasonPublisherClosed {
		t.Errorf("after Close: %v", err)
	}
}

// TestPublishWaits: with no broker the window fills, Publish waits, and the state says since when and why.
func TestPublishWaits(t *testing.T) {
	b := startDev(t)
	w := newWorld(t, b)
	p := w.publisher(t)
	publish(t, p, 30)
	flush(t, p)
	b.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	sent := 30
	for ; ; sent++ {
		if err := p.Publish(ctx, change(sent)); err != nil {
			if !fault.Is(err, fault.Timeout) || !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			break
		}
	}
	s := p.State()
	if sent != 30+WindowMax || s.InFlight != WindowMax || s.Waiting <= 0 || s.Failed != nil || s.Frontier.Position != change(29).Position {
		t.Errorf("%d sent; %+v", sent-30, s)
	}
	w.until(t, "the state says why", func(context.Context) bool { return fault.ReasonOf(p.State().Trouble) == ReasonUnreachable })
	b.Restart(t)
	publish(t, p, sent+10)
	flush(t, p)
	read(t, w.reader(t, envelope.Start{}), 0, sent+10)
}

// kgoOf is a client without our rules.
func kgoOf(t *testing.T, w *world) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(w.Address()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}
