// SPDX-License-Identifier: Apache-2.0

package catchup

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/pages"
)

// count reads a counter.
func count(c prometheus.Counter) float64 {
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		panic(err)
	}
	return m.GetCounter().GetValue()
}

// network delivers frames at once, and keeps nothing of the sender's.
type network struct {
	t       testing.TB
	mu      sync.Mutex // guards clients
	servers [validators]*Server
	clients [validators]*Client
	// onPages is told of each answer with pages, on the server's goroutine.
	onPages func(from, to chain.ValidatorNo, m PagesOf)
}

type from struct {
	net *network
	no  chain.ValidatorNo
}

func (f from) Send(to chain.ValidatorNo, kind uint8, body []byte) error {
	m, err := Parse(kind, bytes.Clone(body))
	must(f.net.t, err)
	switch m := m.(type) {
	case Ask, AskLeaves, AskPages, Done, AskBelow:
		if s := f.net.servers[to]; s != nil {
			s.Receive(f.no, m)
		}
	default:
		if p, ok := m.(PagesOf); ok && f.net.onPages != nil {
			f.net.onPages(f.no, to, p)
		}
		f.net.mu.Lock()
		c := f.net.clients[to]
		f.net.mu.Unlock()
		if c != nil {
			c.Receive(f.no, m)
		}
	}
	return nil
}

// serve runs a server over a node until the test ends its context.
func (w *network) serve(ctx context.Context, wg *sync.WaitGroup, no chain.ValidatorNo, n *node, bytesPerSecond int64) *Server {
	s, err := NewServer(ServerConfig{
		Chain: testChain, Dir: n.dir, FS: checkpoint.OS{}, Store: n.blocks, Peers: from{w, no}, BytesPerSecond: bytesPerSecond,
		Metrics: prometheus.NewRegistry(),
	})
	must(w.t, err)
	w.servers[no] = s
	wg.Go(func() { _ = s.Run(ctx) })
	return s
}

func (w *network) client(no chain.ValidatorNo, dir, own string) *Client {
	c, err := NewClient(ClientConfig{
		Self: no, Rules: testRules(), Dir: dir, FS: checkpoint.OS{}, Peers: from{w, no}, Checkpoints: own, Metrics: prometheus.NewRegistry(),
	})
	must(w.t, err)
	w.mu.Lock()
	w.clients[no] = c
	w.mu.Unlock()
	return c
}

func need(least chain.Height) Need {
	return Need{Least: least, Known: allKnown, Still: func() bool { return true }, Accepted: func(chain.Height, chain.ValidatorNo) {}, Progress: func(int, int) {}}
}

// inBubble runs a test in a bubble, with a network whose servers end with it.
func inBubble(t *testing.T, test func(t *testing.T, ctx context.Context, wg *sync.WaitGroup, w *network)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		test(t, ctx, &wg, &network{t: t})
		cancel()
		wg.Wait()
	})
}

// adopt makes what lies in dir an anchor of n, and loads it.
func (n *node) adopt(dir string) (*checkpoint.Loaded, error) {
	rules := testRules()
	taken, err := Open(dir, checkpoint.OS{}, &rules)
	if err != nil {
		return nil, err
	}
	if err := taken.WriteAnchor(context.Background(), n.checkpoints, testChain, []byte("own")); err != nil {
		return nil, err
	}
	l, _, err := n.checkpoints.LoadVerified(func(m checkpoint.Meta) bool { return m.Height == taken.Height })
	return l, err
}

// TestTransfer takes a state over the disk of both sides, at the rate that the giver allows.
func TestTransfer(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, wg *sync.WaitGroup, w *network) {
		giver, taker, l := newNode(t), newNode(t), newLedger(1)
		l.advance(400)
		meta := giver.write(l, 100, false)
		s := w.serve(ctx, wg, 1, giver, 1<<20)
		dir := filepath.Join(t.TempDir(), "catchup")
		c := w.client(2, dir, taker.dir)
		var accepted chain.Height
		total := 0
		x := need(90)
		x.Accepted = func(h chain.Height, from chain.ValidatorNo) { accepted = h }
		x.Progress = func(done, all int) { total = all }
		begin := time.Now()
		h, err := c.Fetch(ctx, x)
		took := time.Since(begin)
		if err != nil || h != 100 || accepted != 100 {
			t.Fatalf("height %d, accepted %d, %v", h, accepted, err)
		}
		if n := count(c.metrics.fetched); int(n) != total || total < 100 || count(s.metrics.pages) != n {
			t.Errorf("%v pages fetched, there are %d", n, total)
		}
		if least := time.Duration(2*total*pages.PageBytes) * time.Second >> 20; took < least-time.Second || took > least+10*time.Second {
			t.Errorf("%d pages at a MiB a second took %v, leaves included %v are due", total, took, least)
		}
		loaded, err := taker.adopt(dir)
		must(t, err)
		if loaded.Meta.Root != meta.Root || string(loaded.Meta.Blob) != "own" || loaded.Tree.Root() != meta.Root {
			t.Errorf("loaded %+v", loaded.Meta)
		}
		pages.NewColumn[[64]byte](loaded.Space, 3, hotRecords) // adopts what was loaded
		must(t, Discard(dir, checkpoint.OS{}))
		if _, err := taker.adopt(dir); !fault.Is(err, fault.NotFound) {
			t.Errorf("after it was discarded: %v", err)
		}
		must(t, Discard(dir, checkpoint.OS{}))
		must(t, Discard(filepath.Join(dir, "nowhere"), checkpoint.OS{}))
	})
}

// TestBrokenOff ends a fetch in the middle, damages a page of what is there, and goes on with another giver: what is here and
// whole is not fetched twice.
func TestBrokenOff(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, wg *sync.WaitGroup, w *network) {
		l, taker := newLedger(2), newNode(t)
		l.advance(400)
		for no := range chain.ValidatorNo(2) {
			n := newNode(t)
			n.write(l, 100, false)
			w.serve(ctx, wg, no, n, 0)
		}
		dir := t.TempDir()
		first, stop := context.WithCancel(ctx)
		frames := 0
		w.onPages = func(chain.ValidatorNo, chain.ValidatorNo, PagesOf) {
			if frames++; frames == 3 {
				stop()
			}
		}
		a := w.client(2, dir, taker.dir)
		if _, err := a.Fetch(first, need(90)); err != context.Canceled {
			t.Fatal(err)
		}
		before := int(count(a.metrics.fetched))
		if before == 0 {
			t.Fatal("nothing was fetched before it was broken off")
		}
		flip(t, filepath.Join(dir, pagesName(3)), 5*pages.PageBytes+9)
		if _, err := taker.adopt(dir); !fault.Is(err, fault.NotFound) {
			t.Errorf("half a state: %v", err)
		}
		b := w.client(2, dir, taker.dir)
		x := need(90)
		x.First = 1
		total := 0
		x.Progress = func(_, all int) { total = all }
		if h, err := b.Fetch(ctx, x); h != 100 || err != nil {
			t.Fatal(h, err)
		}
		fetched, found := int(count(b.metrics.fetched)), int(count(b.metrics.found))
		if fetched+found != total || found < before-1 || found > before {
			t.Errorf("%d and then %d pages were fetched, %d found, of %d", before, fetched, found, total)
		}
		if _, err := taker.adopt(dir); err != nil {
			t.Error(err)
		}
	})
}

func flip(t *testing.T, path string, offset int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	var b [1]byte
	_, err = f.ReadAt(b[:], offset)
	must(t, err)
	b[0] ^= 4
	_, err = f.WriteAt(b[:], offset)
	must(t, err)
	must(t, f.Close())
}

// TestOverwritten lets the giver write checkpoints under way, until only its anchor can be had whole.
func TestOverwritten(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, wg *sync.WaitGroup, w *network) {
		giver, taker, l := newNode(t), newNode(t), newLedger(3)
		l.advance(400)
		giver.write(l, 100, true)
		h := chain.Height(100)
		w.onPages = func(chain.ValidatorNo, chain.ValidatorNo, PagesOf) {
			for range 2 { // both buffers
				l.advance(400)
				h += 10
				giver.write(l, h, false)
			}
		}
		w.serve(ctx, wg, 1, giver, 0)
		dir := t.TempDir()
		c := w.client(2, dir, taker.dir)
		got, err := c.Fetch(ctx, need(90))
		if err != nil || got != 100 {
			t.Fatalf("height %d, %v; the anchor has 100", got, err)
		}
		if n := count(c.metrics.refused.WithLabelValues("gone")); n != gonesMax {
			t.Errorf("%v times gone", n)
		}
		if _, err := taker.adopt(dir); err != nil {
			t.Error(err)
		}
	})
}

// TestAnchorRemoved removes the anchor that is being served: it stays readable for who began.
func TestAnchorRemoved(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, wg *sync.WaitGroup, w *network) {
		giver, taker, l := newNode(t), newNode(t), newLedger(4)
		l.advance(400)
		sn := l.space.Snapshot()
		meta := checkpoint.Meta{Chain: testChain, Height: 100, Root: l.tree.Update(sn)}
		must(t, giver.checkpoints.WriteAnchor(ctx, sn, meta))
		sn.Release()
		giver.certify(meta)
		var once sync.Once
		w.onPages = func(chain.ValidatorNo, chain.ValidatorNo, PagesOf) {
			once.Do(func() { must(t, giver.checkpoints.RemoveAnchor(100)) })
		}
		w.serve(ctx, wg, 1, giver, 0)
		dir := t.TempDir()
		if h, err := w.client(2, dir, taker.dir).Fetch(ctx, need(90)); h != 100 || err != nil {
			t.Fatal(h, err)
		}
	})
}

// TestOwnPages begins with an own checkpoint that is a little older: only what changed is fetched.
func TestOwnPages(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, wg *sync.WaitGroup, w *network) {
		giver, taker, l := newNode(t), newNode(t), newLedger(5)
		l.advance(400)
		taker.write(l, 100, false)
		l.advance(20)
		giver.write(l, 200, false)
		w.serve(ctx, wg, 1, giver, 0)
		dir := t.TempDir()
		c := w.client(2, dir, taker.dir)
		if h, err := c.Fetch(ctx, need(101)); h != 200 || err != nil {
			t.Fatal(h, err)
		}
		if n := count(c.metrics.fetched); n == 0 || n > 21 {
			t.Errorf("%v pages fetched, 20 or so had changed", n)
		}
		if _, err := taker.adopt(dir); err != nil {
			t.Error(err)
		}
	})
}

// TestOneAtATime serves one of two, and the other when the first is done.
func TestOneAtATime(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, wg *sync.WaitGroup, w *network) {
		giver, l := newNode(t), newLedger(6)
		l.advance(400)
		giver.write(l, 100, false)
		s := w.serve(ctx, wg, 1, giver, 1<<20)
		var done sync.WaitGroup
		for no := chain.ValidatorNo(2); no < 4; no++ {
			c := w.client(no, t.TempDir(), t.TempDir())
			done.Go(func() {
				if h, err := c.Fetch(ctx, need(90)); h != 100 || err != nil {
					t.Errorf("validator %d: %d, %v", no, h, err)
				}
			})
		}
		done.Wait()
		if n := count(s.metrics.refused.WithLabelValues("busy")); n == 0 {
			t.Error("both were served at once")
		}
		// One that vanished is forgotten.
		s.Receive(2, Ask{Least: 1})
		<-time.After(2 * sessionIdle)
		if h, err := w.client(3, t.TempDir(), t.TempDir()).Fetch(ctx, need(90)); h != 100 || err != nil {
			t.Error(h, err)
		}
	})
}

// TestNotServed has peers that have nothing of use: what is too low, not certified, or damaged.
func TestNotServed(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, wg *sync.WaitGroup, w *network) {
		low, bare, l := newNode(t), newNode(t), newLedger(7)
		l.advance(400)
		low.write(l, 80, false)
		sn := l.space.Snapshot()
		_, err := bare.checkpoints.Write(ctx, sn, checkpoint.Meta{Chain: testChain, Height: 100, Root: l.tree.Update(sn)})
		must(t, err)
		sn.Release()
		a, b := w.serve(ctx, wg, 0, low, 0), w.serve(ctx, wg, 1, bare, 0)
		c := w.client(2, t.TempDir(), t.TempDir())
		x := need(90)
		ticks := 0
		x.Still = func() bool { ticks++; return ticks < 300 }
		if h, err := c.Fetch(ctx, x); h != 0 || err != nil {
			t.Fatalf("height %d, %v", h, err)
		}
		for i, s := range []*Server{a, b} {
			if n := count(s.metrics.refused.WithLabelValues("nothing")); n < 3 {
				t.Errorf("server %d said %v times that it has nothing", i, n)
			}
		}
		c.Receive(0, &Offer{}) // unasked
		w.servers[0].Receive(2, AskPages{Session: 5, Pages: []checkpoint.PageOf{{Section: 1}}})
		w.servers[0].Receive(2, Refused{})
		synctest.Wait()
		if count(a.metrics.refused.WithLabelValues("gone")) != 1 || count(a.metrics.refused.WithLabelValues("not_an_ask")) != 1 {
			t.Error("asks outside a session were answered")
		}
	})
}

// TestDamagedGiver has a page that rotted on the disk: it is never sent, and the other giver has it.
func TestDamagedGiver(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, wg *sync.WaitGroup, w *network) {
		bad, good, taker, l := newNode(t), newNode(t), newNode(t), newLedger(8)
		l.advance(400)
		bad.write(l, 100, false)
		good.write(l, 100, false)
		flip(t, filepath.Join(bad.dir, "a.ckpt"), 90*pages.PageBytes)
		s := w.serve(ctx, wg, 0, bad, 0)
		w.serve(ctx, wg, 1, good, 0)
		dir := t.TempDir()
		c := w.client(2, dir, taker.dir)
		if h, err := c.Fetch(ctx, need(90)); h != 100 || err != nil {
			t.Fatal(h, err)
		}
		if count(s.metrics.refused.WithLabelValues("not_read")) == 0 || count(c.metrics.dropped.WithLabelValues("gone")) != 1 {
			t.Error("the damaged giver was not left")
		}
		if _, err := taker.adopt(dir); err != nil {
			t.Error(err)
		}
	})
}

// TestDamagedTaken damages each file of a whole state in turn: it is not adopted, and no anchor is left.
func TestDamagedTaken(t *testing.T) {
	inBubble(t, func(t *testing.T, ctx context.Context, wg *sync.WaitGroup, w *network) {
		giver, l := newNode(t), newLedger(10)
		l.advance(400)
		giver.write(l, 100, false)
		w.serve(ctx, wg, 1, giver, 0)
		dir := t.TempDir()
		if _, err := w.client(2, dir, t.TempDir()).Fetch(ctx, need(90)); err != nil {
			t.Fatal(err)
		}
		files, err := os.ReadDir(dir)
		must(t, err)
		if len(files) != 4 {
			t.Fatalf("%d files; an offer, headers and two sections are expected", len(files))
		}
		for _, f := range files {
			taker, path := newNode(t), filepath.Join(dir, f.Name())
			if f.Name() == headersName {
				continue // TestHeadersBelow damages them
			}
			flip(t, path, 300)
			if _, err := taker.adopt(dir); !fault.Is(err, fault.Corrupt) {
				t.Errorf("%s damaged: %v", f.Name(), err)
			}
			if left, _ := os.ReadDir(taker.dir); len(left) != 0 {
				t.Errorf("%s damaged: %d files left", f.Name(), len(left))
			}
			flip(t, path, 300)
		}
		if _, err := newNode(t).adopt(dir); err != nil {
			t.Error(err)
		}
	})
}
