// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aurigraph/aurigraph/internal/router"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/internal/v10diff"
)

// Shadow compares reads. Make it with New; it is safe for concurrent use.
type Shadow struct {
	cfg     Config
	sides   [2][]*url.URL // by router.Side
	next    atomic.Uint64 // server of V11
	client  *http.Client
	reads   *v10diff.Reads
	pauses  []time.Duration
	queue   chan *read
	pace    pace
	tally   *tally
	forgets func() // takes the metrics back
}

// read is a client's read that is to be compared.
type read struct {
	endpoint       *endpoint
	id             string
	method, target string
	header         http.Header
	way            router.Way
}

// New makes a shadow, which asks nobody before Run. Invalid: the settings name no servers, or a bound is out of range.
func New(cfg Config) (*Shadow, error) {
	sides, err := cfg.complete()
	if err != nil {
		return nil, err
	}
	s := &Shadow{
		cfg: cfg, sides: sides, client: newClient(&cfg), reads: v10diff.NewReads(cfg.Rules), pauses: pausesDefault, queue: make(chan *read, cfg.QueueMax),
		pace: pace{every: time.Second / time.Duration(cfg.PerSecondMax)}, tally: newTally(time.Now()),
	}
	if s.forgets, err = register(cfg.Metrics, s); err != nil {
		return nil, err
	}
	return s, nil
}

// Offer is told of a client's read when it has been answered: its path and query as the client wrote them, its headers, and the way it went. It is called by
// routers for each request, does not wait, and keeps of the headers only what decides the answer.
func (s *Shadow) Offer(method, target string, h http.Header, way router.Way) {
	if e := s.fit(method, target); e != nil && e.offer(s.cfg.ShareBP) {
		s.take(e, method, target, h, way)
	}
}

// fit finds the endpoint of a read that can be compared; nil, and counted, if it is none.
func (s *Shadow) fit(method, target string) *endpoint {
	path, query, _ := strings.Cut(target, "?")
	if method != http.MethodGet && method != http.MethodHead {
		return s.tally.unfit(unfitWrite)
	}
	row, _, err := v10.Match(method, path)
	switch {
	case err != nil:
		return s.tally.unfit(unfitUnknown)
	case row.Content == "text/event-stream" || row.Content == "websocket":
		return s.tally.unfit(unfitStream)
	case own[row.Path] || strings.Contains(query, "cursor="):
		return s.tally.unfit(unfitOwn)
	case len(target) > uriBytesMax:
		return s.tally.unfit(unfitOversized)
	}
	return s.tally.endpoints[row]
}

// own are the paths that name what only one ledger has: its blocks and its members. So does a cursor.
var own = map[string]bool{
	"/api/v10/blocks/{height}": true, "/api/v10/blocks/{height}/transactions": true, "/api/v10/blocks/hash/{hash}": true, "/api/v10/nodes/{id}": true,
}

// take queues a read of the sample.
func (s *Shadow) take(e *endpoint, method, target string, h http.Header, way router.Way) {
	r := &read{endpoint: e, id: idOf(h), method: method, target: target, header: http.Header{}, way: way}
	size := 0
	for _, name := range append([]string{"Accept"}, router.Credentials()...) {
		if values := h[name]; len(values) > 0 {
			r.header[name] = values
			size += len(strings.Join(values, ""))
		}
	}
	queued := false
	if size <= headerBytesMax {
		select {
		case s.queue <- r:
			queued = true
		default:
		}
	}
	s.tally.sampled(e, queued)
}

const idBytesMax = 128

// idOf is the router's id of a request.
func idOf(h http.Header) string {
	if id := h.Get(router.RequestIDHeader); id != "" && len(id) <= idBytesMax {
		return strings.Clone(id)
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // it never fails
	return hex.EncodeToString(id[:])
}

// Run compares what is offered until ctx ends. It is called once.
func (s *Shadow) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	for range s.cfg.Workers {
		workers.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case r := <-s.queue:
					s.compare(ctx, r)
				}
			}
		})
	}
	workers.Wait()
	s.client.CloseIdleConnections()
	s.forgets()
	return nil
}

// Report is what was found since New.
func (s *Shadow) Report() *Report { return s.tally.report() }

// compare asks until it is settled. What ctx ends is not counted.
func (s *Shadow) compare(ctx context.Context, r *read) {
	home := s.server(r.way.Side)
	other := s.server(1 - r.way.Side)
	t := trial{reads: s.reads, row: r.endpoint.name}
	var first *said
	for {
		if !s.pace.wait(ctx) {
			return
		}
		three, silent := s.try(ctx, r, home, other)
		if ctx.Err() != nil {
			return
		}
		if silent != "" {
			s.tally.silent(r.endpoint, silent)
			return
		}
		if first == nil {
			first = three[0]
		}
		class, settled, found := t.judge(three[0].answer, three[1].answer, three[2].answer)
		if settled || t.tries > len(s.pauses) {
			s.settle(r, class, first, found)
			return
		}
		if !wait(ctx, s.pauses[t.tries-1]) {
			return
		}
	}
}

// try asks the home, the other side, and the home again. Silent says which side said nothing, and why.
func (s *Shadow) try(ctx context.Context, r *read, home, other *url.URL) (three [3]*said, silent string) {
	for i, server := range []*url.URL{home, other, home} {
		var why string
		if three[i], why = s.ask(ctx, server, r); why != "" {
			side := r.way.Side
			if i == 1 {
				side = 1 - side
			}
			return three, side.String() + "_" + why
		}
	}
	return three, ""
}

// server is one of a side, each in its turn.
func (s *Shadow) server(side router.Side) *url.URL {
	all := s.sides[side]
	if len(all) == 1 {
		return all[0]
	}
	return all[s.next.Add(1)%uint64(len(all))]
}

func (s *Shadow) settle(r *read, class string, first *said, found []v10diff.Difference) {
	path, _, _ := strings.Cut(r.target, "?")
	path = router.PublicPath(path) // as it stands: an escaped slash is within a name
	for _, m := range s.tally.compared(r, class, path, found, time.Now()) {
		s.cfg.Log.Warn("the two sides answer a read differently", "endpoint", m.Row, "field", m.Field, "kind", m.Kind, "home", m.Example.Side, "request", m.Example.ID)
	}
	if s.cfg.Told == nil {
		return
	}
	s.cfg.Told(&router.Outcome{
		At: float64(time.Now().UnixMicro()) / 1e6, ID: r.id, Method: r.method, Path: path, Side: r.way.Side.String(), By: r.way.By.String(), Slot: r.way.Slot,
		Status: first.status, Seconds: first.took.Seconds(), Compared: class,
	})
}
