// SPDX-License-Identifier: Apache-2.0

package bus

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// watchInterval is how often a reader asks whether the topics are still the same.
const watchInterval = time.Second

// ReaderConfig is what a reader is made with.
type ReaderConfig struct {
	Config
	// Start is where the applier's ledger stands.
	Start envelope.Start
	// Registerer takes the reader's metrics; nil: none.
	Registerer prometheus.Registerer
}

// Reader hands out one direction's records in order. Next is for one goroutine; State is safe for any number.
type Reader struct {
	cfg     ReaderConfig
	client  *kgo.Client
	keys    []envelope.Key
	ids     topicIDs
	metrics *readerMetrics
	merger  *envelope.Merger
	queues  [envelope.TopicCount][]*kgo.Record // read, and not yet offered because their topic is full
	paused  [envelope.TopicCount]bool
	topicOf map[string]envelope.Topic
	watched time.Time
	broken  error
	stops   [envelope.TopicCount]error // why a topic is read no further
	handed  time.Time                  // when a record was handed out, or a topic stopped

	mu    sync.Mutex // guards state
	state ReaderState
}

// ReaderState is what a reader is at.
type ReaderState struct {
	Position envelope.Position // of the last record handed out
	Stated   envelope.Position // of the newest record that the publisher tells of
	Pending  int               // records that wait for one before them
	Beat     uint64            // the publisher's time of the newest heart-beat, ms since 1970; 0: none yet
	Trouble  error             // why the brokers do not answer, while it is tried again
	Held     error             // why it stopped for good
}

// OpenReader finds the start in all three topics.
func OpenReader(ctx context.Context, cfg ReaderConfig) (*Reader, error) {
	keys, err := cfg.Keys()
	if err != nil {
		return nil, err
	}
	merger, err := envelope.NewMerger(cfg.Start)
	if err != nil {
		return nil, err
	}
	r := &Reader{cfg: cfg, keys: keys, merger: merger, metrics: newReaderMetrics(cfg.Start.Source.Origin), topicOf: map[string]envelope.Topic{}}
	r.state.Position = cfg.Start.Position
	for _, t := range envelope.Topics() {
		r.topicOf[cfg.topic(t, cfg.Start.Source.Origin)] = t
	}
	places, err := r.find(ctx)
	if err != nil {
		return nil, err
	}
	if r.client, err = cfg.consumer(FetchBytesMax, kgo.ConsumePartitions(places)); err != nil {
		return nil, err
	}
	r.metrics.unregister, err = obs.Register(cfg.Registerer, "the reader of "+cfg.Start.Source.Origin.String(), r.metrics.all()...)
	if err != nil {
		r.client.Close()
		return nil, err
	}
	return r, nil
}

// find looks for the start with a client of its own, which fetches little.
func (r *Reader) find(ctx context.Context) (map[string]map[int32]kgo.Offset, error) {
	client, err := r.cfg.consumer(probeBytes)
	if err != nil {
		return nil, err
	}
	defer client.Close()
	origin := r.cfg.Start.Source.Origin
	if r.ids, err = r.cfg.topicsOf(ctx, kadm.NewClient(client), origin); err != nil {
		return nil, err
	}
	extents, err := r.cfg.extentsOf(ctx, client, origin)
	if err != nil {
		return nil, err
	}
	places := map[string]map[int32]kgo.Offset{}
	for _, t := range envelope.Topics() {
		at, err := seek(ctx, client, r.cfg.topic(t, origin), extents[t], r.keys, &r.cfg.Start)
		if err != nil {
			return nil, err
		}
		places[r.cfg.topic(t, origin)] = map[int32]kgo.Offset{0: kgo.NewOffset().At(at)}
	}
	return places, nil
}

// Next waits for at least one record, and returns at most limit that follow in order. Timeout: ctx ended first. Any other error is
// final: it says why the record that follows cannot be had, and State has it too.
func (r *Reader) Next(ctx context.Context, limit int) ([]*envelope.Record, error) {
	if r.broken != nil {
		return nil, r.broken
	}
	for {
		out, err := r.take(limit)
		if err == nil && len(out) == 0 {
			err = r.more(ctx)
		}
		r.report(err)
		if len(out) > 0 { // an error behind them comes again
			r.handed = time.Now()
			r.metrics.handed.Add(float64(len(out)))
			return out, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// take collects what follows.
func (r *Reader) take(limit int) (out []*envelope.Record, err error) {
	for len(out) < limit {
		next, err := r.merger.Next()
		if err != nil || next == nil {
			return out, err
		}
		out = append(out, next)
	}
	return out, nil
}

// more brings records to the merger: those that were read, else from the brokers.
func (r *Reader) more(ctx context.Context) error {
	if r.feed() {
		return nil
	}
	if err := r.stopped(); err != nil {
		return err
	}
	if time.Since(r.watched) >= watchInterval {
		if err := r.watch(ctx); err != nil {
			return err
		}
	}
	polling, cancel := context.WithTimeout(ctx, watchInterval)
	defer cancel()
	fetches := r.client.PollRecords(polling, pollRecords)
	fetches.EachRecord(func(record *kgo.Record) {
		t := r.topicOf[record.Topic]
		r.queues[t] = append(r.queues[t], record)
	})
	if err := fetchFaults(ctx, fetches); err != nil {
		return err
	}
	r.feed()
	return nil
}

// feed offers what was read to the merger, as far as it has room, and reports whether anything was offered.
func (r *Reader) feed() (moved bool) {
	for _, t := range envelope.Topics() {
		for len(r.queues[t]) > 0 && !r.merger.Full(t) && r.stops[t] == nil {
			raw := r.queues[t][0]
			r.queues[t] = r.queues[t][1:]
			moved = true
			if r.stops[t] = r.offer(t, raw); r.stops[t] != nil {
				r.handed = time.Now()
			}
		}
		if r.stops[t] != nil {
			r.queues[t] = nil
		}
		r.throttle(t)
	}
	return moved
}

// stopped says why a topic is read no further, once all before it that the others have is handed out: who removes the bad record removes
// what lies before it too.
func (r *Reader) stopped() error {
	for _, err := range r.stops {
		if err != nil && time.Since(r.handed) >= watchInterval {
			return err
		}
	}
	return nil
}

// throttle takes nothing more from a topic while something of it waits here.
func (r *Reader) throttle(t envelope.Topic) {
	full := len(r.queues[t]) > 0
	if full == r.paused[t] {
		return
	}
	r.paused[t] = full
	name := r.cfg.topic(t, r.cfg.Start.Source.Origin)
	if full {
		r.client.PauseFetchTopics(name)
	} else {
		r.client.ResumeFetchTopics(name)
		r.queues[t] = nil
	}
}

func (r *Reader) offer(t envelope.Topic, raw *kgo.Record) error {
	record, err := envelope.Open(r.keys, raw.Value)
	if err != nil {
		return &fault.Error{Kind: fault.KindOf(err), Reason: fault.ReasonOf(err), Text: fmt.Sprintf("reading stops before offset %d of %s", raw.Offset, raw.Topic), Cause: err}
	}
	verdict, err := r.merger.Offer(t, record, len(raw.Value))
	if err != nil {
		return err
	}
	r.metrics.offered.WithLabelValues(verdict.String()).Inc()
	if beat, ok := record.Change.(*envelope.Heartbeat); ok && verdict == envelope.Beat {
		r.mu.Lock()
		defer r.mu.Unlock()
		// A clock that is ahead must not hide the lag until this one is there too.
		r.state.Beat = max(r.state.Beat, min(beat.TimeMs, uint64(time.Now().UnixMilli())))
	}
	return nil
}

// watch stops the reader if a topic was deleted or made anew: what was in it cannot be had any more.
func (r *Reader) watch(ctx context.Context) error {
	err := r.cfg.sameTopics(ctx, r.client, r.cfg.Start.Source.Origin, r.ids)
	r.watched = time.Now()
	if err != nil && !fault.Is(err, fault.Unavailable) {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Trouble = err
	return nil
}

// report notes where the reader is, and whether it stopped.
func (r *Reader) report(err error) {
	at, _ := r.merger.At()
	stated := r.merger.Stated()
	r.metrics.pending.Set(float64(r.merger.Pending()))
	r.metrics.position.Set(float64(at.Major))
	r.metrics.stated.Set(float64(stated.Major))
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Position, r.state.Stated, r.state.Pending = at, stated, r.merger.Pending()
	if err == nil || fault.Is(err, fault.Timeout) || r.broken != nil {
		return
	}
	r.broken, r.state.Held = err, err
	r.metrics.held.WithLabelValues(fault.ReasonOf(err)).Inc()
	r.cfg.log().Error("reading stopped: what follows cannot be had", obs.KeyReason, fault.ReasonOf(err), obs.KeyFrom, at.String(), obs.KeyErr, err.Error())
}

// State tells what the reader is at.
func (r *Reader) State() ReaderState {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

// Close ends the reader.
func (r *Reader) Close() {
	r.client.Close()
	r.metrics.unregister()
}
