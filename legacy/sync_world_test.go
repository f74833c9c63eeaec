// SPDX-License-Identifier: Apache-2.0

package legacy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"path/filepath"
	"reflect"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	"github.com/aurigraph/aurigraph/internal/sync/v10port"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy/changefeed"
	"github.com/aurigraph/aurigraph/legacy/ledger"
	"github.com/aurigraph/aurigraph/legacy/store"
)

// plainKeys are shared keys that anybody can make: which words differ is all that a test needs of them.
type plainKeys struct{}

func words(domain string, parts ...string) (h [16]byte) {
	for i, p := range append([]string{domain}, parts...) {
		for j := range len(p) {
			h[(i*5+j)%16] = h[(i*5+j)%16]*31 + p[j] + byte(i)
		}
		h[i%16] += byte(len(p))
	}
	return h
}

// Key implements ledger.SharedKeys.
func (plainKeys) Key(caller, key string) chain.IdempotencyKey {
	return chain.IdempotencyKey(words("key", caller, key))
}

// Body implements ledger.SharedKeys.
func (plainKeys) Body(from, to, asset string, units chain.Amount) [16]byte {
	return words("body", from, to, asset, units.String())
}

// side is a V10 of its own: its ledger, and its port over HTTP.
type side struct {
	t           testing.TB
	engine, dir string
	ahead       time.Duration // of the clock
	key         envelope.Key
	origin      envelope.Origin // of its changes, as the other side sees them

	store  store.Store
	ledger *ledger.Ledger
	client *v10port.Client
	web    *http.Client
	cut    *cutting
	stop   func()
}

func (s *side) open() {
	s.t.Helper()
	var err error
	if s.store, err = OpenStore(s.engine, s.dir, 0, nil); err != nil {
		s.t.Fatal(err)
	}
	s.ledger, err = ledger.Open(s.store, ledger.Config{Shared: plainKeys{}, Now: func() time.Time { return time.Now().Add(s.ahead) }})
	if err != nil {
		s.t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(s.t.Context()))
	var all sync.WaitGroup
	ended := make([]error, 2)
	all.Go(func() { ended[0] = s.ledger.Run(ctx) })
	all.Go(func() {
		ended[1] = changefeed.Serve(ctx, listener, changefeed.Config{Store: s.store, Ledger: s.ledger, Keys: []envelope.Key{s.key}})
	})
	s.cut = &cutting{Transport: &http.Transport{}}
	s.web = &http.Client{Transport: s.cut}
	s.client = v10port.NewClient("http://"+listener.Addr().String(), s.web)
	s.stop = func() {
		s.web.CloseIdleConnections()
		s.cut.CloseIdleConnections()
		cancel()
		all.Wait()
		if err := errors.Join(errors.Join(ended...), s.store.Close()); err != nil {
			s.t.Error(err)
		}
	}
}

func (s *side) restart() {
	s.stop()
	s.open()
}

// cutting loses answers: the call is made, and nobody hears of it.
type cutting struct {
	*http.Transport
	mu    sync.Mutex
	every int // answer to a POST; 0: none is lost
	calls int
}

// RoundTrip implements http.RoundTripper.
func (c *cutting) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := c.Transport.RoundTrip(r)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil && r.Method == http.MethodPost && c.every > 0 {
		if c.calls++; c.calls%c.every == 0 {
			answer.Body.Close()
			return nil, io.ErrUnexpectedEOF
		}
	}
	return answer, err
}

func newKey(t testing.TB) envelope.Key {
	t.Helper()
	k, err := envelope.NewKey(bytes.Repeat([]byte{7}, envelope.SecretBytesMin))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// pair makes a V10, pays its first accounts, and opens a copy of it as a second one. Of the slots below half the first is the home, of
// the others the second; both inboxes are open from the copy on.
func pair(t testing.TB, engine string, half uint16) (a, b *side) {
	t.Helper()
	a = &side{t: t, engine: engine, dir: filepath.Join(t.TempDir(), "a"), key: newKey(t), origin: envelope.V10}
	b = &side{t: t, engine: engine, dir: filepath.Join(t.TempDir(), "b"), key: newKey(t), origin: envelope.V10, ahead: time.Hour}
	a.open()
	t.Cleanup(func() { a.stop() })
	for _, name := range names {
		if _, err := a.ledger.Submit(t.Context(), []ledger.Order{{Kind: ledger.Transfer, From: ledger.Treasury, To: name, Asset: v10.DefaultAsset, Units: chain.Units(100_000)}}); err != nil {
			t.Fatal(err)
		}
	}
	copied, err := a.store.Checkpoint(filepath.Join(b.dir))
	if err != nil {
		t.Fatal(err)
	}
	if err := claim(engine, b.dir); err != nil {
		t.Fatal(err)
	}
	b.open()
	t.Cleanup(func() { b.stop() })
	for _, s := range []struct {
		*side
		peer  *side
		start uint64
		moves []ledger.Move
	}{
		{a, b, b.store.Head().Sequence, []ledger.Move{{Version: 1, From: half, To: chain.SlotsMax - 1, Other: true}}},
		{b, a, copied.Sequence, []ledger.Move{{Version: 1, From: 0, To: half - 1, Other: true}}},
	} {
		if s.moves[0].From > s.moves[0].To || s.moves[0].From == chain.SlotsMax {
			s.moves = []ledger.Move{{Version: 1, From: 0, To: chain.SlotsMax - 1}}
		}
		if err := s.ledger.MoveHomes(t.Context(), s.moves); err != nil {
			t.Fatal(err)
		}
		if _, err := s.client.OpenInbox(t.Context(), envelope.Start{Source: s.peer.source(), Position: envelope.EndOf(s.start)}); err != nil {
			t.Fatal(err)
		}
	}
	return a, b
}

func (s *side) source() envelope.Source {
	return envelope.Source{Ledger: envelope.V10Ledger("net " + s.origin.String()), Origin: s.origin, Life: 1, Incarnation: envelope.Incarnation(s.store.Head().Incarnation)}
}

// wire is one direction's three topics in memory: a sink, and what readers read. It survives whoever writes and reads.
type wire struct {
	t      testing.TB
	source envelope.Source
	key    envelope.Key
	topics [envelope.TopicCount][][]byte
	all    []*envelope.Record
	at     envelope.Position
	tag    envelope.Tag
	since  uint64
	end    bool
	quota  int // publishes until the next crash
}

var errCrash = fault.Reasoned(fault.Unavailable, "crash", "this is where it is killed")

func newWire(s *side, start envelope.Position) *wire {
	return &wire{t: s.t, source: s.source(), key: s.key, at: start, end: true, quota: 1 << 30}
}

// Source implements v10port.Sink.
func (w *wire) Source() envelope.Source { return w.source }

// Tip implements v10port.Sink.
func (w *wire) Tip() (envelope.Position, uint64) {
	if w.end {
		return w.at, w.at.Major
	}
	return w.at, w.since
}

// Newest implements v10port.Sink.
func (w *wire) Newest() (uint64, bool) { return w.since, len(w.all) > 0 }

// Confirm implements v10port.Sink.
func (w *wire) Confirm(d v10port.Draft) error {
	if last := w.all[len(w.all)-1]; last.Position != d.Position || !reflect.DeepEqual(last.Change, d.Change) {
		return fault.Reasoned(fault.Conflict, envelope.ReasonFork, "at %s V10 says otherwise than before", d.Position)
	}
	return nil
}

// Failed implements v10port.Sink.
func (w *wire) Failed() error { return nil }

// Publish implements v10port.Sink.
func (w *wire) Publish(_ context.Context, d v10port.Draft) error {
	if w.quota--; w.quota < 0 {
		return errCrash
	}
	if d.Position.Major != w.at.Major {
		w.since = w.at.Major
	}
	r := &envelope.Record{
		Source: w.source, Position: d.Position, Previous: w.at, PreviousTag: w.tag, Since: w.since, End: d.End, HomeVersion: d.HomeVersion, Change: d.Change,
	}
	text, err := envelope.Seal(&w.key, r)
	if err != nil {
		return err
	}
	w.at, w.tag, w.end = r.Position, r.Tag, r.End
	topic := r.Change.Topic()
	w.topics[topic] = append(w.topics[topic], text)
	w.all = append(w.all, r)
	return nil
}

// capture reads the side's changes up to its head, killed after each quota of records, if there is one.
func (w *wire) capture(s *side, quota func() int) {
	w.t.Helper()
	target := s.store.Head().Sequence
	for done := false; !done; {
		w.quota = quota()
		ctx, cancel := context.WithCancel(w.t.Context())
		err := v10port.Capture(ctx, v10port.CaptureConfig{Client: s.client, Sink: w, Keys: plainKeys{}, Heard: func(head uint64, _ error) {
			if head >= target {
				done = true
				cancel()
			}
		}})
		cancel()
		if err != nil && !errors.Is(err, errCrash) {
			w.t.Fatal(err)
		}
	}
}

// reader merges the topics from where the inbox of the applying side stands, and hands records out in pieces of any size, some again.
type reader struct {
	merger *envelope.Merger
	random *rand.Rand
	last   []*envelope.Record
	piece  int // new records in a piece, at most
	quota  int // pieces until the next crash
}

func (w *wire) reader(start envelope.Start, random *rand.Rand, piece, quota int) *reader {
	w.t.Helper()
	m, err := envelope.NewMerger(start)
	if err != nil {
		w.t.Fatal(err)
	}
	for topic, texts := range w.topics {
		for _, text := range texts {
			r, err := envelope.Open([]envelope.Key{w.key}, text)
			if err != nil {
				w.t.Fatal(err)
			}
			if _, err := m.Offer(envelope.Topic(topic), r, len(text)); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	return &reader{merger: m, random: random, piece: piece, quota: quota}
}

var errEnd = fault.Reasoned(fault.NotFound, "end", "all is read")

// Next implements v10port.Records.
func (r *reader) Next(_ context.Context, limit int) ([]*envelope.Record, error) {
	if r.quota--; r.quota < 0 {
		return nil, errCrash
	}
	var out []*envelope.Record
	if len(r.last) > 0 && r.random.IntN(3) == 0 {
		out = append(out, r.last[r.random.IntN(len(r.last)):]...)
	}
	doubles := len(out)
	for range 1 + r.random.IntN(min(limit, r.piece)) {
		next, err := r.merger.Next()
		if err != nil {
			return nil, err
		}
		if next == nil {
			break
		}
		out = append(out, next)
		r.last = append(r.last, next)
	}
	if len(out) == doubles {
		return nil, errEnd
	}
	return out, nil
}

// apply brings all that the wire has to a side, killed after each quota of pieces; the side is restarted too.
func (w *wire) apply(s *side, random *rand.Rand, piece int, quota func() int) {
	w.t.Helper()
	for {
		start, err := s.client.Inbox(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		err = v10port.Apply(w.t.Context(), v10port.ApplyConfig{Client: s.client, Records: w.reader(start, random, piece, quota()), Keys: []envelope.Key{w.key}})
		switch {
		case errors.Is(err, errEnd):
			return
		case !errors.Is(err, errCrash):
			w.t.Fatal(err)
		case random.IntN(8) == 0:
			s.restart()
		}
	}
}

var names = []string{"Alice Smith", "bob/42", "0xCafe", "ünïcode", "e", "f", "g", "h"}

// orders makes random ones; payers and issuers are those that may act here.
type orders struct {
	random *rand.Rand
	may    func(name string) bool
	prefix string
	assets []string
	keyed  []ledger.Order // that were answered under their keys, those too whose key had another answer
	n      int
}

func (o *orders) actor() string {
	for {
		if name := names[o.random.IntN(len(names))]; o.may(name) {
			return name
		}
	}
}

func (o *orders) next() (one ledger.Order) {
	o.n++
	asset := v10.DefaultAsset
	if len(o.assets) > 0 && o.random.IntN(2) == 0 {
		asset = o.assets[o.random.IntN(len(o.assets))]
	}
	to := names[o.random.IntN(len(names))]
	if o.random.IntN(10) == 0 {
		to = fmt.Sprintf("%s new %d", o.prefix, o.random.IntN(20))
	}
	one = ledger.Order{Kind: ledger.Transfer, From: o.actor(), To: to, Asset: asset, Units: chain.Units(1 + o.random.Uint64N(1<<o.random.IntN(18)))}
	switch o.random.IntN(12) {
	case 0:
		one = ledger.Order{Kind: ledger.OpenAccount, To: to}
	case 1:
		code := fmt.Sprintf("%s.%d", o.prefix, o.random.IntN(6))
		one = ledger.Order{Kind: ledger.CreateAsset, From: one.From, Asset: code, Title: "Title of " + code, Scale: uint8(o.random.IntN(9))}
		o.assets = append(o.assets, code)
	case 2, 3:
		one.Kind = ledger.Issue
	case 4:
		one.Kind, one.To = ledger.Redeem, ""
	case 5:
		one.From = "nobody"
	}
	if o.random.IntN(3) == 0 {
		one.Key = &ledger.Key{Caller: "till", Key: fmt.Sprintf("%s-%d", o.prefix, o.random.IntN(o.n)), Item: uint32(o.random.IntN(3)), Request: words32(&one)}
	}
	return one
}

func words32(o *ledger.Order) (h [32]byte) {
	w := words("request", string(o.Kind), o.From, o.To, o.Asset, o.Title, o.Units.String())
	copy(h[:], w[:])
	return h
}

// some has a side execute orders, a few at once.
func (s *side) some(o *orders, n int) {
	s.t.Helper()
	for n > 0 {
		batch := make([]ledger.Order, 1+o.random.IntN(5))
		for i := range batch {
			batch[i] = o.next()
		}
		n -= len(batch)
		results, err := s.ledger.Submit(s.t.Context(), batch)
		if err != nil {
			s.t.Fatal(err)
		}
		for i, r := range results {
			if batch[i].Key != nil && (r.Err == nil || fault.ReasonOf(r.Err) == v10.ReasonKeyReused) {
				o.keyed = append(o.keyed, batch[i])
			}
		}
		if o.random.IntN(9) == 0 {
			if _, _, err := s.client.Barrier(s.t.Context()); err != nil && fault.ReasonOf(err) != v10port.ReasonUnreachable {
				s.t.Fatal(err)
			}
		}
	}
}

// dump is all that two ledgers must agree on, a line each.
func (s *side) dump() string {
	s.t.Helper()
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	accounts, err := s.ledger.Accounts(0, 1<<30)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, a := range accounts {
		add("account %q", a.Name)
		held, err := s.ledger.Balances(a.Name)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, b := range held {
			add("balance %q %s %s", b.Account, b.Asset, b.Units)
		}
	}
	assets, err := s.ledger.Assets(0, 1<<30)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, a := range assets {
		add("asset %s %q scale %d of %q supply %s at %d", a.Code, a.Name, a.Scale, a.Issuer, a.Supply, a.Ms)
	}
	q := ledger.Query{Limit: ledger.ListMax}
	for {
		found, next, err := s.ledger.Transactions(q)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, t := range found {
			again, err := s.ledger.Transaction(t.ID)
			if err != nil || again != t {
				s.t.Errorf("%s by its id: %+v %v, in a list %+v", t.ID, again, err, t)
			}
			add("transaction %s %s %q %q %s %s %s", t.ID, t.Kind, t.From, t.To, t.Asset, t.Units, t.Outcome)
		}
		if next == nil {
			break
		}
		q.Before = next
	}
	t := s.ledger.Totals()
	add("totals %d accounts %d assets %d transactions %d refused", t.Accounts, t.Assets, t.Transactions, t.Refused)
	sort.Strings(lines)
	return strings.Join(lines, "\n")
}

// equal compares two ledgers, and shows the first lines that differ.
func equal(t testing.TB, a, b *side) {
	t.Helper()
	x, y := strings.Split(a.dump(), "\n"), strings.Split(b.dump(), "\n")
	shown := 0
	for i := 0; i < max(len(x), len(y)) && shown < 5; i++ {
		if i >= len(x) || i >= len(y) || x[i] != y[i] {
			t.Errorf("line %d:\n%s\n%s", i, at(x, i), at(y, i))
			shown++
		}
	}
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(none)"
}
