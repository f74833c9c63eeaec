// SPDX-License-Identifier: Apache-2.0

package lane

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/seglog/faultfs"
	"github.com/aurigraph/aurigraph/internal/spread"
)

// crew is several validators' relays, whose frames go through queues in memory.
type crew struct {
	t       *testing.T
	members []*member
	cut     sync.Map // [2]chain.ValidatorNo: nothing goes from the first to the second
}

// member is one validator with what it told.
type member struct {
	crew  *crew
	no    chain.ValidatorNo
	fs    *faultfs.FS
	doors *seglog.Pool
	pool  *seglog.Pool // for the others' entries
	log   *seglog.Log
	*Relay
	inbox chan wireFrame
	stop  context.CancelFunc
	ended sync.WaitGroup
	epoch atomic.Uint64 // number of its connections
	looks atomic.Int32  // in the history

	mu      sync.Mutex
	offered []chain.Hash
	failed  []error
}

type wireFrame struct {
	from chain.ValidatorNo
	kind uint8
	body []byte
}

const poolBytes = 1 << 20

func newCrew(t *testing.T, n int) *crew {
	c := &crew{t: t}
	for i := range n {
		m := &member{crew: c, no: chain.ValidatorNo(i), fs: faultfs.New()}
		c.members = append(c.members, m)
	}
	for _, m := range c.members { // when all are there: each looks at the others
		m.open(Position{}, make([]Place, n))
	}
	return c
}

// open opens the member's relay on what its disk holds, and runs it.
func (m *member) open(executed Position, lanes []Place) {
	m.crew.t.Helper()
	for i := range lanes {
		lanes[i].Epoch = 1
	}
	m.doors, m.pool = seglog.NewPool(poolBytes, poolBytes), seglog.NewPool(poolBytes, poolBytes)
	var err error
	if m.log, err = seglog.Open("/lane", seglog.Options{Name: "lane", FS: m.fs, SegmentBytes: testSegmentBytes, ReadyMin: 1, Pool: m.doors, Reserve: true}); err != nil {
		m.crew.t.Fatal(err)
	}
	m.Relay, err = OpenRelay(context.Background(), m.log, RelayConfig{
		Self: m.no, Peers: m, Pool: m.pool, Logger: slog.New(slog.DiscardHandler),
		Check: func(h *spread.EntryHead, payload []byte) error {
			if codec.Sum(payload) != h.Entry.Payload {
				return fault.New(fault.Invalid, "another payload")
			}
			return nil
		},
		Offer:    func(d chain.Hash) { m.note(func() { m.offered = append(m.offered, d) }) },
		OnFailed: func(err error) { m.note(func() { m.failed = append(m.failed, err) }) },
		Executed: func(d chain.Hash) bool {
			m.looks.Add(1)
			return d == executedLongAgo
		},
	}, 1, lanes, executed)
	if err != nil {
		m.crew.t.Fatal(err)
	}
	m.offered = nil
	m.Offer()
	m.inbox = make(chan wireFrame, 4096)
	m.epoch.Add(1)
	ctx, cancel := context.WithCancel(context.Background())
	m.stop = cancel
	m.ended.Go(func() { _ = m.Run(ctx) })
	m.ended.Go(func() { m.read(ctx) })
}

var executedLongAgo = chain.Hash{0xee}

func (m *member) note(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

func (m *member) read(ctx context.Context) {
	for {
		select {
		case f := <-m.inbox:
			_ = m.Receive(f.from, f.kind, len(f.body), bytes.NewReader(f.body))
		case <-ctx.Done():
			return
		}
	}
}

// close ends the member; its disk stays.
func (m *member) close() {
	m.stop()
	m.ended.Wait()
	_ = m.log.Close()
}

func (c *crew) close() {
	for _, m := range c.members {
		m.close()
	}
}

func (m *member) deliver(to chain.ValidatorNo, kind uint8, body []byte) {
	if _, cut := m.crew.cut.Load([2]chain.ValidatorNo{m.no, to}); cut {
		return
	}
	select {
	case m.crew.members[to].inbox <- wireFrame{m.no, kind, body}:
	default: // dropped, as a full queue does
	}
}

// Send implements Peers.
func (m *member) Send(to chain.ValidatorNo, kind uint8, frame []byte) {
	m.deliver(to, kind, slices.Clone(frame))
}

// SendEntry implements Peers.
func (m *member) SendEntry(to chain.ValidatorNo, head []byte, payload Body) {
	m.deliver(to, spread.KindEntry, slices.Concat(head, payload.Payload()))
	payload.Release()
}

// Connection implements Peers.
func (m *member) Connection(to chain.ValidatorNo) uint64 {
	if _, cut := m.crew.cut.Load([2]chain.ValidatorNo{m.no, to}); cut {
		return 0
	}
	return m.crew.members[to].epoch.Load()
}

// put puts a payload on the member's lane and returns nothing: its digest comes with the offers.
func (m *member) put(text string, bytesLong int) {
	m.crew.t.Helper()
	raw := append([]byte(text), make([]byte, bytesLong)...)
	buf, err := m.doors.Get(context.Background(), len(raw))
	if err != nil {
		m.crew.t.Fatal(err)
	}
	copy(buf.Payload(), raw)
	if err := m.Append(context.Background(), Item{Kind: chain.PayloadBatch, ID: codec.Sum(raw), Key: 1, Signature: []byte("s"), Payload: buf}); err != nil {
		m.crew.t.Fatal(err)
	}
}

func (m *member) offers() []chain.Hash {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.offered)
}

// settle lets what is under way arrive, and timers run for a while.
func settle(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// TestRelaySpreads: what one cuts, all hold, and each offers it in the lane's order.
func TestRelaySpreads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 4)
		defer c.close()
		settle(100 * time.Millisecond)
		for i := range 20 {
			c.members[i%4].put(string(rune('a'+i)), i*100)
		}
		settle(2 * time.Second)
		want := c.members[0].offers()
		if len(want) != 20 {
			t.Fatalf("%d entries were offered", len(want))
		}
		for _, m := range c.members {
			got := m.offers()
			if len(got) != 20 {
				t.Fatalf("validator %d offered %d", m.no, len(got))
			}
			last := map[chain.ValidatorNo]uint64{}
			var stored []*Stored
			for _, d := range got {
				s, err := m.Fetch(context.Background(), d)
				if err != nil || codec.Sum(s.Payload()) != s.Entry.Payload || s.Entry.Sequence != last[s.Entry.Validator]+1 {
					t.Fatalf("validator %d: %+v, %v", m.no, s, err)
				}
				last[s.Entry.Validator] = s.Entry.Sequence
				stored = append(stored, s)
			}
			at := m.Executed(stored)
			if at.Sequence != 5 || at.Pos.Seq != 20 {
				t.Errorf("validator %d: executed up to %+v", m.no, at)
			}
			for _, d := range got {
				m.Forget(d)
			}
			if n := m.pool.LentBytes() + m.doors.LentBytes(); n != 0 {
				t.Errorf("validator %d: %d bytes are lent after all is executed", m.no, n)
			}
			if s, err := m.Fetch(context.Background(), got[3]); err != nil || !s.Executed || s.Payload() != nil {
				t.Errorf("an entry ordered again after its execution: %+v, %v", s, err)
			}
		}
	})
}

// TestRelayFetches: an entry that never came from its owner comes from whoever has it, once it is ordered.
func TestRelayFetches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 4)
		defer c.close()
		c.cut.Store([2]chain.ValidatorNo{0, 3}, true)
		settle(100 * time.Millisecond)
		c.members[0].put("withheld", 1000)
		settle(time.Second)
		offered := c.members[1].offers()
		if len(offered) != 1 || c.members[3].Holds(offered[0]) {
			t.Fatalf("%d entries offered", len(offered))
		}
		c.members[3].Want(offered)
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		s, err := c.members[3].Fetch(ctx, offered[0])
		if err != nil || !bytes.HasPrefix(s.Payload(), []byte("withheld")) {
			t.Fatalf("%+v, %v", s, err)
		}
	})
}

// TestRelayFetchGivesUp: nobody has it; only the caller's patience ends that, or the history that knows it.
func TestRelayFetchGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 4)
		defer c.close()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if _, err := c.members[0].Fetch(ctx, chain.Hash{1}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		if n := c.members[0].looks.Load(); n != 1 {
			t.Errorf("the history, which does not grow meanwhile, was searched %d times", n)
		}
		s, err := c.members[0].Fetch(context.Background(), executedLongAgo)
		if err != nil || !s.Executed {
			t.Errorf("%+v, %v", s, err)
		}
	})
}

// TestRelaySheds: the others' entries that wait for execution do not hold up those that come after, and are read back from
// the disk.
func TestRelaySheds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 4)
		defer c.close()
		settle(100 * time.Millisecond)
		for i := range 60 { // 1.8 MB in all
			c.members[i%4].put(string(rune('a'+i)), 30_000)
		}
		settle(5 * time.Second)
		for _, m := range c.members {
			got := m.offers()
			if len(got) != 60 {
				t.Fatalf("validator %d offered %d of 60", m.no, len(got))
			}
			if lent := m.pool.LentBytes(); lent > poolBytes {
				t.Errorf("validator %d: %d bytes are lent", m.no, lent)
			}
			for _, d := range got {
				if s, err := m.Fetch(context.Background(), d); err != nil || codec.Sum(s.Payload()) != s.Entry.Payload {
					t.Fatalf("validator %d: %v", m.no, err)
				}
			}
		}
	})
}

// TestRelayRestarts: what the disk holds behind the executed places is there after a restart, is offered again when the
// others confirm it, and the log is read from the place that Executed named.
func TestRelayRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 4)
		defer c.close()
		settle(100 * time.Millisecond)
		for i := range 12 {
			c.members[i%4].put(string(rune('a'+i)), 500)
		}
		settle(2 * time.Second)
		m := c.members[2]
		offered := m.offers()
		var executed []*Stored
		lanes := make([]Place, 4)
		for _, d := range offered {
			s, err := m.Fetch(context.Background(), d)
			if err != nil {
				t.Fatal(err)
			}
			if s.Entry.Validator != 1 && s.Entry.Sequence <= 2 { // lane 1 is behind: it pins the log
				executed = append(executed, s)
				lanes[s.Entry.Validator] = Place{Sequence: s.Entry.Sequence, Tip: s.Digest}
			}
		}
		at := m.Executed(executed)
		m.close()
		m.open(at, lanes)
		settle(3 * time.Second)
		left := m.offers()
		if len(left) != 12-len(executed) {
			t.Fatalf("%d entries are offered after the restart, %d were executed of 12", len(left), len(executed))
		}
		for _, d := range left {
			if s, err := m.Fetch(context.Background(), d); err != nil || codec.Sum(s.Payload()) != s.Entry.Payload {
				t.Fatalf("%v", err)
			}
		}
		m.put("after the restart", 10)
		settle(time.Second)
		if n := len(c.members[0].offers()); n != 13 {
			t.Errorf("validator 0 offers %d entries, not 13", n)
		}
		for v := range chain.ValidatorNo(4) {
			if e := m.Evidence(v); len(m.failed)+len(e) != 0 {
				t.Errorf("%v, about validator %d %v", m.failed, v, e)
			}
		}
	})
}

// TestRelayWaitsForRoom: on a full disk the others' entries wait, and nothing is acknowledged that is not stored.
func TestRelayWaitsForRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 4)
		defer c.close()
		settle(100 * time.Millisecond)
		c.members[3].fs.SetSpace(0)
		for i := range 8 {
			c.members[0].put(string(rune('a'+i)), 30_000)
		}
		settle(2 * time.Second)
		held := 0
		for _, d := range c.members[1].offers() {
			if _, here := c.members[3].place(d); here {
				held++
			}
		}
		if n := len(c.members[1].offers()); n != 8 || held == 8 {
			t.Fatalf("three validators offer %d of 8, the fourth has %d on a full disk", n, held)
		}
		c.members[3].fs.SetSpace(-1)
		settle(10 * time.Second)
		if n := len(c.members[3].offers()); n != 8 {
			t.Errorf("with room again validator 3 offers %d of 8", n)
		}
	})
}

// TestRelayRefuses: what no honest validator sends has no effect, and the frames after it do.
func TestRelayRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 4)
		defer c.close()
		settle(100 * time.Millisecond)
		m := c.members[0]
		payload := []byte("payload")
		entry := chain.LaneEntry{Validator: 1, JoinEpoch: 1, Sequence: 1, Kind: chain.PayloadBatch, Payload: codec.Sum(payload), Bytes: uint32(len(payload))}
		frame := func(e chain.LaneEntry, payload string) []byte {
			return append(spread.AppendEntryHead(nil, &spread.EntryHead{Entry: e, Key: 1}), payload...)
		}
		for name, c := range map[string]struct {
			kind  uint8
			frame []byte
			ends  bool // the connection
		}{
			"another payload":         {spread.KindEntry, frame(entry, "Payload"), false},
			"a payload too short":     {spread.KindEntry, frame(entry, "pay"), true},
			"half a head":             {spread.KindEntry, frame(entry, "")[:20], true},
			"an unknown kind":         {9, []byte("x"), true},
			"half an acknowledgement": {spread.KindAck, []byte("x"), true},
			"half an ask":             {spread.KindAsk, []byte("x"), true},
		} {
			err := m.Receive(1, c.kind, len(c.frame), bytes.NewReader(c.frame))
			if (err != nil) != c.ends {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := m.Receive(1, spread.KindAck, 10, io.LimitReader(bytes.NewReader(nil), 0)); err == nil {
			t.Error("a frame that ends early is no error")
		}
		good := frame(entry, string(payload))
		if err := m.Receive(2, spread.KindEntry, len(good), bytes.NewReader(good)); err != nil || m.Holds(codec.EntryDigest(entry)) {
			t.Errorf("an entry of another's lane is taken: %v", err)
		}
		if err := m.Receive(1, spread.KindEntry, len(good), bytes.NewReader(good)); err != nil || !m.Holds(codec.EntryDigest(entry)) {
			t.Errorf("an entry after those is not taken: %v", err)
		}
		fork := entry
		fork.Payload = codec.Sum([]byte("another"))
		fork.Bytes = 7
		forked := frame(fork, "another")
		settle(time.Second)
		if err := m.Receive(1, spread.KindEntry, len(forked), bytes.NewReader(forked)); err != nil {
			t.Error(err)
		}
		if e := m.Evidence(1); len(e) != 1 || e[0].Kind != spread.EvidenceFork {
			t.Errorf("evidence of a fork: %+v", e)
		}
	})
}

// TestRelayLostEnd: a peer has more of the own lane than the own disk: the lane may not go on.
func TestRelayLostEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 4)
		defer c.close()
		settle(100 * time.Millisecond)
		c.members[0].put("lost", 10)
		settle(time.Second)
		m := c.members[0]
		m.close()
		m.fs = faultfs.New()
		m.open(Position{}, make([]Place, 4))
		settle(2 * time.Second)
		m.mu.Lock()
		defer m.mu.Unlock()
		if len(m.failed) == 0 || !fault.Is(m.failed[0], fault.Halted) {
			t.Errorf("%v", m.failed)
		}
	})
}

// TestRelayIsFull: without a quorum the own lane presses back, and nothing that was taken is lost.
func TestRelayIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew(t, 4)
		defer c.close()
		settle(100 * time.Millisecond)
		m := c.members[0]
		for v := range chain.ValidatorNo(4) {
			c.cut.Store([2]chain.ValidatorNo{0, v}, true)
		}
		taken := 0
		var err error
		for ; err == nil; taken++ {
			buf, e := m.doors.TryGet(1000)
			if err = e; err == nil {
				copy(buf.Payload(), []byte{byte(taken), byte(taken >> 8)})
				err = m.Append(context.Background(), Item{Kind: chain.PayloadBatch, ID: codec.Sum(buf.Payload()), Payload: buf})
			}
		}
		if !fault.Is(err, fault.TryLater) {
			t.Fatalf("after %d: %v", taken, err)
		}
		c.cut.Clear()
		settle(20 * time.Second)
		if n := len(c.members[1].offers()); n != taken-1 {
			t.Errorf("%d were taken, %d are offered by another", taken-1, n)
		}
	})
}
