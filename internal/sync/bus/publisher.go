// SPDX-License-Identifier: Apache-2.0

package bus

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/semaphore"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// Bounds of a publisher. At a bound Publish waits.
const (
	WindowMax      = 4096     // records sent, from the oldest that is not acknowledged
	WindowBytesMax = 16 << 20 // bytes of records that are not acknowledged
	// HeartbeatInterval and HeartbeatRecords are how often all topics are told up to where they have everything.
	HeartbeatInterval = time.Second
	HeartbeatRecords  = 1024
	// heartbeatsOpenMax bounds the heart-beats of a topic that are not acknowledged; at the bound the topic gets none.
	heartbeatsOpenMax = 4
	closeTimeout      = 2 * time.Second
)

// PublisherConfig is what a publisher is made with.
type PublisherConfig struct {
	Config
	// Source is whose records they are. Its Life is found in the topics: that of its incarnation, or one more than the newest.
	Source envelope.Source
	// Start is where the direction begins if the topics hold nothing of this incarnation: the ledger's position then, so that a copy
	// of the ledger as of that position or later can go on from it.
	Start envelope.Position
	// Registerer takes the publisher's metrics; nil: none.
	Registerer prometheus.Registerer
	// Now is the clock of heart-beats; nil: the system's.
	Now func() time.Time
}

// Draft is a change to be published. Its position must lie above all earlier ones.
type Draft struct {
	Position    envelope.Position
	End         bool // the last change of its batch
	HomeVersion uint64
	Change      envelope.Change
}

// Publisher writes one direction's records. Publish and Flush are for one goroutine; the rest is safe for any number.
type Publisher struct {
	cfg     PublisherConfig
	client  *kgo.Client
	key     envelope.Key
	ids     topicIDs
	metrics *publisherMetrics
	slots   *semaphore.Weighted
	room    *semaphore.Weighted
	ctx     context.Context // ends with the publisher; records in flight belong to it
	cancel  context.CancelCauseFunc
	beating chan struct{}    // closed when the loop of heart-beats has ended
	early   chan struct{}    // asks for a heart-beat before its time
	tip     Tip              // owned by Publish
	newest  *envelope.Record // at tip, where it is known; owned by Publish
	strays  map[envelope.Position]envelope.Tag

	mu          sync.Mutex // guards all below
	window      window
	homeVersion uint64
	unstated    int // records of which no heart-beat tells yet
	beatsOpen   [envelope.TopicCount]int
	waiting     time.Time // since when nothing was acknowledged although something is in flight; zero: not so
	trouble     error     // what stops the brokers from answering, while it is tried again
}

// OpenPublisher finds where the direction stands, and returns when all three topics have a heart-beat that says so.
func OpenPublisher(ctx context.Context, cfg PublisherConfig) (*Publisher, error) {
	keys, err := cfg.Keys()
	if err != nil {
		return nil, err
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	client, err := cfg.connect(
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.UnknownTopicRetries(-1), // whether a topic is gone is asked apart, with its id
		kgo.StopProducerOnDataLossDetected(),
		kgo.ProducerLinger(0), // what queues while requests are under way makes the next batches
		kgo.ProducerBatchMaxBytes(topicMessageBytes),
		kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()),
		kgo.MaxBufferedRecords(WindowMax+heartbeatsOpenMax*int(envelope.TopicCount)),
	)
	if err != nil {
		return nil, err
	}
	p := &Publisher{
		cfg: cfg, client: client, key: keys[0], metrics: newPublisherMetrics(cfg.Source.Origin),
		slots: semaphore.NewWeighted(WindowMax), room: semaphore.NewWeighted(WindowBytesMax),
		beating: make(chan struct{}), early: make(chan struct{}, 1),
	}
	p.ctx, p.cancel = context.WithCancelCause(context.WithoutCancel(ctx))
	if err := p.begin(ctx, keys); err != nil {
		p.cancel(err)
		client.Close()
		return nil, err
	}
	go p.beat()
	return p, nil
}

func (p *Publisher) begin(ctx context.Context, keys []envelope.Key) error {
	found, ids, err := readTails(ctx, &p.cfg, keys)
	if err != nil {
		return err
	}
	p.ids, p.cfg.Source.Life, p.tip, p.newest, p.strays = ids, found.life, found.tip, found.newest, found.strays
	p.window.frontier = found.tip
	if err := p.cfg.Source.Check(); err != nil {
		return err
	}
	for _, t := range envelope.Topics() {
		record, err := p.heartbeat(t)
		if err != nil {
			return err
		}
		if err := p.client.ProduceSync(ctx, record).FirstErr(); err != nil {
			return brokerError(err, record.Topic)
		}
	}
	unregister, err := obs.Register(p.cfg.Registerer, "the publisher of "+p.cfg.Source.Origin.String(), p.metrics.all(p)...)
	p.metrics.unregister = unregister
	return err
}

// Tip is the newest record that is sent, or where the direction begins. After opening, it is where a capture goes on.
func (p *Publisher) Tip() Tip { return p.tip }

// Source is whose records they are, with its life.
func (p *Publisher) Source() envelope.Source { return p.cfg.Source }

// Publish sends a change, and waits only while the window is full. That it is in the topics is told by Frontier, later. An error that
// Failed has too is final. Invalid: the change keeps its bounds not, or comes out of order; nothing was sent.
func (p *Publisher) Publish(ctx context.Context, d Draft) error {
	if err := p.Failed(); err != nil {
		return err
	}
	r := &envelope.Record{
		Source: p.cfg.Source, Position: d.Position, Previous: p.tip.Position, PreviousTag: p.tip.Tag, Since: p.tip.Since,
		End: d.End, HomeVersion: d.HomeVersion, Change: d.Change,
	}
	if d.Position.Major != p.tip.Position.Major {
		r.Since = p.tip.Position.Major
	}
	if r.Change != nil && r.IsHeartbeat() {
		return fault.Reasoned(fault.Invalid, envelope.ReasonMalformed, "heart-beats are the publisher's")
	}
	wire, err := envelope.Seal(&p.key, r)
	if err != nil {
		p.metrics.refused.WithLabelValues(fault.ReasonOf(err)).Inc()
		return err
	}
	if stray, there := p.strays[r.Position]; there {
		return p.pass(r, stray)
	}
	return p.send(ctx, r, wire)
}

// Newest is the record at Tip: its Since is from where a capture makes that record again, to have it confirmed. nil: it is not known.
func (p *Publisher) Newest() *envelope.Record { return p.newest }

// Confirm compares the change at Tip, which the capture made again, with what was published there. A ledger that makes another one there
// was put back to an earlier state under the same identity, and what it does from then on is another history: fork, which is final.
func (p *Publisher) Confirm(d Draft) error {
	if p.newest == nil || d.Position != p.newest.Position {
		return nil
	}
	was, is := *p.newest, *p.newest
	is.End, is.HomeVersion, is.Change = d.End, d.HomeVersion, d.Change
	for _, r := range []*envelope.Record{&was, &is} { // by one key: that may have been changed since
		if _, err := envelope.Seal(&p.key, r); err != nil {
			return err
		}
	}
	if was.Tag != is.Tag {
		return p.fail(forked(d.Position))
	}
	return nil
}

// pass takes a record that is in its topic already, since an earlier publisher sent it before it ended.
func (p *Publisher) pass(r *envelope.Record, stray envelope.Tag) error {
	if stray != r.Tag {
		return p.fail(forked(r.Position))
	}
	delete(p.strays, r.Position)
	p.metrics.found.Inc()
	if err := p.slots.Acquire(p.ctx, 1); err != nil {
		return p.Failed()
	}
	p.tip, p.newest = tipOf(r), r
	p.acknowledged(p.noted(r), 0)
	return nil
}

func (p *Publisher) send(ctx context.Context, r *envelope.Record, wire []byte) error {
	size := int64(len(wire))
	if err := p.acquire(ctx, p.slots, 1); err != nil {
		return err
	}
	if err := p.acquire(ctx, p.room, size); err != nil {
		p.slots.Release(1)
		return err
	}
	p.tip, p.newest = tipOf(r), r
	ticket := p.noted(r)
	topic := p.cfg.topic(r.Change.Topic(), r.Origin)
	p.client.Produce(p.ctx, &kgo.Record{Topic: topic, Value: wire}, func(_ *kgo.Record, err error) {
		if err != nil {
			_ = p.fail(p.refused(err, topic))
			return
		}
		p.acknowledged(ticket, size)
	})
	return nil
}

// acquire waits for room, until the caller or the publisher ends.
func (p *Publisher) acquire(ctx context.Context, s *semaphore.Weighted, n int64) error {
	if s.TryAcquire(n) {
		return nil
	}
	both, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.ctx, cancel)()
	if err := s.Acquire(both, n); err != nil {
		if failed := p.Failed(); failed != nil {
			return failed
		}
		return fault.Wrap(fault.Timeout, err, "the record was not sent")
	}
	return nil
}

func (p *Publisher) noted(r *envelope.Record) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.homeVersion = r.HomeVersion
	if p.window.open() == 0 {
		p.waiting = p.cfg.Now()
	}
	return p.window.add(tipOf(r))
}

func (p *Publisher) acknowledged(ticket uint64, size int64) {
	p.mu.Lock()
	moved := p.window.done(ticket)
	p.unstated += moved
	ask := p.unstated >= HeartbeatRecords
	p.waiting, p.trouble = p.cfg.Now(), nil
	if p.window.open() == 0 {
		p.waiting = time.Time{}
	}
	p.mu.Unlock()
	p.slots.Release(int64(moved))
	p.room.Release(size)
	p.metrics.published.Add(float64(moved))
	if ask {
		p.beatSoon()
	}
}

// Frontier is the newest record up to which all are acknowledged.
func (p *Publisher) Frontier() Tip {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.window.frontier
}

// Flush waits until all that was sent is acknowledged.
func (p *Publisher) Flush(ctx context.Context) error {
	if err := p.acquire(ctx, p.slots, WindowMax); err != nil {
		return err
	}
	p.slots.Release(WindowMax)
	return p.Failed()
}

// PublisherState is what a publisher is at.
type PublisherState struct {
	Frontier Tip
	InFlight int
	Waiting  time.Duration // how long nothing was acknowledged although something is in flight
	Trouble  error         // why the brokers take nothing now, while it is tried again; nil: no reason known
	Failed   error         // why it ended
}

// State tells what the publisher is at.
func (p *Publisher) State() PublisherState {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := PublisherState{Frontier: p.window.frontier, InFlight: p.window.open(), Trouble: p.trouble, Failed: p.Failed()}
	if !p.waiting.IsZero() {
		s.Waiting = p.cfg.Now().Sub(p.waiting)
	}
	return s
}

// Failed is why the publisher takes nothing more, nil while it does.
func (p *Publisher) Failed() error {
	if p.ctx.Err() == nil {
		return nil
	}
	return context.Cause(p.ctx)
}

// Done is closed when the publisher takes nothing more.
func (p *Publisher) Done() <-chan struct{} { return p.ctx.Done() }

// fail ends the publisher for good, and returns why it ended.
func (p *Publisher) fail(err error) error {
	if p.ctx.Err() == nil {
		p.metrics.refused.WithLabelValues(fault.ReasonOf(err)).Inc()
		p.cfg.log().Error("nothing more is published", obs.KeyReason, fault.ReasonOf(err), obs.KeyErr, err.Error())
	}
	p.cancel(err)
	return p.Failed()
}

// refused is what it means that a record was not taken although it was tried for ever.
func (p *Publisher) refused(err error, topic string) error {
	if named := brokerError(err, topic); fault.ReasonOf(named) != ReasonUnreachable {
		return named
	}
	return &fault.Error{Kind: fault.Conflict, Reason: ReasonPublishRefused, Text: "topic " + topic + " takes a record neither now nor later", Cause: err}
}

// Close waits a moment for what is in flight, and ends the publisher. What then is still in flight may arrive or not: the next
// publisher finds out, and a record that arrives after that is a double.
func (p *Publisher) Close() {
	if p.Failed() == nil {
		ctx, cancel := context.WithTimeout(p.ctx, closeTimeout)
		_ = p.client.Flush(ctx) // in vain if the brokers are away
		cancel()
	}
	p.abandon(fault.Reasoned(fault.Unavailable, ReasonPublisherClosed, "the publisher was closed"))
	p.metrics.unregister()
}

// abandon ends the publisher as a crash does.
func (p *Publisher) abandon(why error) {
	p.cancel(why)
	<-p.beating
	p.client.Close()
}
