// SPDX-License-Identifier: Apache-2.0

package bus

import (
	"bytes"
	"context"
	"crypto/sha256"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/devbroker"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// broker is a Kafka that a test may kill.
type broker interface {
	Address() string
	Restart(t testing.TB) // as after a crash; records that were acknowledged stay
}

// dev is the development broker as a test's broker.
type dev struct {
	*devbroker.Broker
	cfg devbroker.Config
}

func startDev(t testing.TB) *dev {
	t.Helper()
	d := &dev{cfg: devbroker.Config{Dir: t.TempDir(), Unsynced: true}}
	d.start(t)
	t.Cleanup(func() { d.Close() })
	return d
}

func (d *dev) start(t testing.TB) {
	t.Helper()
	b, err := devbroker.Start(d.cfg)
	if err != nil {
		t.Fatal(err)
	}
	d.Broker = b
}

func (d *dev) Restart(t testing.TB) {
	t.Helper()
	_, port, _ := cutPort(d.Address())
	d.Close()
	d.cfg.Port = port
	d.start(t)
}

// fake is a cluster whose answers a test bends.
type fake struct{ *kfake.Cluster }

func (f fake) Address() string { return f.ListenAddrs()[0] }

func (f fake) Restart(t testing.TB) { t.Fatal("it keeps nothing") }

// world is a broker with topics, and a ledger whose changes anybody can derive again.
type world struct {
	broker
	cfg    Config
	source envelope.Source
}

func newWorld(t testing.TB, b broker) *world {
	t.Helper()
	w := &world{broker: b, cfg: Config{Brokers: []string{b.Address()}, KeyFiles: []string{keyFile(t, 1)}}}
	w.source = envelope.Source{Ledger: envelope.V10Ledger("test"), Origin: envelope.V10, Incarnation: envelope.Incarnation{1}}
	w.deleteTopics(t, append(w.cfg.topicNames(envelope.V10), w.cfg.topicNames(envelope.V11)...)...)
	w.init(t)
	return w
}

func (w *world) init(t testing.TB) {
	t.Helper()
	// A real broker forgets a deleted topic a moment after it said that it did.
	w.until(t, "the topics are made", func(ctx context.Context) bool { return Init(ctx, w.cfg, DefaultSettings()) == nil })
}

func keyFile(t testing.TB, fill byte) string {
	t.Helper()
	return secretFile(t, NewKeyText(bytes.Repeat([]byte{fill}, 32)))
}

func secretFile(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (w *world) admin(t testing.TB) *kadm.Client {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(w.Address()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return kadm.NewClient(client)
}

func (w *world) deleteTopics(t testing.TB, names ...string) {
	t.Helper()
	if _, err := w.admin(t).DeleteTopics(t.Context(), names...); err != nil {
		t.Fatal(err)
	}
}

// until asks again and again, for at most a minute.
func (w *world) until(t testing.TB, what string, done func(context.Context) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for !done(ctx) {
		select {
		case <-ctx.Done():
			t.Fatalf("%s: not within a minute", what)
		case <-ticker.C:
		}
	}
}

// change is number i of the ledger: batches of three, at every second major.
func change(i int) Draft {
	d := Draft{Position: envelope.Position{Major: uint64(2 + i/3*2), Minor: uint32(i % 3)}, End: i%3 == 2, HomeVersion: 4}
	deed := envelope.Deed{ID: v10.TxIDAt(uint64(i), chain.Height(d.Position.Major), d.Position.Minor+v10.LegacyPlaceMin)}
	switch hash := sha256.Sum256([]byte{byte(i), byte(i >> 8), byte(i >> 16)}); {
	case hash[0] < 10:
		d.Change = &envelope.Redeemed{Deed: deed, Asset: "AUR", Issuer: "bank", Amount: chain.Units(1)}
	case hash[0] < 80:
		d.Change = &envelope.Round{Number: d.Position.Major, Leader: "n1", Votes: []string{"n1"}, Hash: hash}
	default:
		d.Change = &envelope.Transfer{Deed: deed, From: "Max Mustermann", To: "ACME GmbH/EUR", Asset: "AUR", Amount: chain.Units(uint64(i)), Reference: hash}
	}
	return d
}

func (w *world) publisher(t testing.TB) *Publisher {
	t.Helper()
	p, err := OpenPublisher(t.Context(), PublisherConfig{Config: w.cfg, Source: w.source})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// next is the number of the first change above what a publisher stands at, found as a capture does: by what its change log has after
// the last whole batch.
func next(tip Tip) int {
	i := int(tip.After()/2) * 3
	for i > 0 && tip.Position.Before(change(i-1).Position) {
		i--
	}
	for !tip.Position.Before(change(i).Position) {
		i++
	}
	return i
}

// publish sends the changes from where the publisher stands, below to.
func publish(t testing.TB, p *Publisher, to int) {
	t.Helper()
	for i := next(p.Tip()); i < to; i++ {
		if err := p.Publish(t.Context(), change(i)); err != nil {
			t.Fatal(err)
		}
	}
}

func flush(t testing.TB, p *Publisher) {
	t.Helper()
	if err := p.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (w *world) reader(t testing.TB, start envelope.Start) *Reader {
	t.Helper()
	r, err := w.openReader(t, start)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func (w *world) openReader(t testing.TB, start envelope.Start) (*Reader, error) {
	t.Helper()
	if start.Source.Life == 0 {
		start.Source = w.source
		start.Source.Life = 1
	}
	return OpenReader(t.Context(), ReaderConfig{Config: w.cfg, Start: start})
}

// read checks that the changes from to below to come out, each once and in order, and returns the last.
func read(t testing.TB, r *Reader, from, to int) (last *envelope.Record) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for from < to {
		records, err := r.Next(ctx, to-from)
		if err != nil {
			t.Fatalf("before change %d: %v (%+v)", from, err, r.State())
		}
		for _, record := range records {
			if want := change(from).Position; record.Position != want {
				t.Fatalf("change %d at %s came out as %s", from, want, record.Position)
			}
			from++
			last = record
		}
	}
	return last
}

// held reads on until the reader stops for good, and returns the reason and what came before.
func held(t testing.TB, r *Reader) (reason string, before []*envelope.Record) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		records, err := r.Next(ctx, 1000)
		before = append(before, records...)
		if err != nil {
			if again, err2 := r.Next(ctx, 1); len(again) > 0 || err2 == nil {
				t.Error("something comes out after the reader stopped")
			}
			if r.State().Held == nil {
				t.Errorf("the state does not tell: %+v", r.State())
			}
			return fault.ReasonOf(err), before
		}
	}
}

// letGo deletes the beginning of a topic, as retention does.
func (w *world) letGo(t testing.TB, topic string, below int64) {
	t.Helper()
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: topic, At: below})
	if _, err := w.admin(t).DeleteRecords(t.Context(), offsets); err != nil {
		t.Fatal(err)
	}
}

// eachOnce checks that the first n changes are in the topics, and none twice.
func (w *world) eachOnce(t testing.TB, n int) {
	t.Helper()
	counts := w.inTopics(t)
	for i := range n {
		if c := counts[change(i).Position]; c != 1 {
			t.Errorf("change %d is in the topics %d times", i, c)
		}
	}
}

// end is the offset behind a topic's last record.
func (w *world) end(t testing.TB, topic envelope.Topic) int64 {
	t.Helper()
	ends, err := w.admin(t).ListEndOffsets(t.Context(), topic.Name(w.source.Origin))
	if err != nil {
		t.Fatal(err)
	}
	o, _ := ends.Lookup(topic.Name(w.source.Origin), 0)
	return o.Offset
}

// inTopics counts the records of all topics by position, without heart-beats.
func (w *world) inTopics(t testing.TB) map[envelope.Position]int {
	t.Helper()
	client, err := w.cfg.consumer(FetchBytesMax)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	keys, err := w.cfg.Keys()
	if err != nil {
		t.Fatal(err)
	}
	extents, err := w.cfg.extentsOf(t.Context(), client, w.source.Origin)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[envelope.Position]int{}
	for _, topic := range envelope.Topics() {
		records, err := readAll(t.Context(), client, topic.Name(w.source.Origin), extents[topic].low, extents[topic].high, keys)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range slices.DeleteFunc(records, (*envelope.Record).IsHeartbeat) {
			counts[r.Position]++
		}
	}
	return counts
}

func cutPort(address string) (host string, port int, err error) {
	a, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return "", 0, err
	}
	return a.IP.String(), a.Port, nil
}
