// SPDX-License-Identifier: Apache-2.0

package transporttest

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/transport"
)

// Cluster is a set of transports that the suite tests. None is started, and none has peers.
type Cluster struct {
	Nodes []transport.Transport
	Peers []transport.Peer
	// Until lets time pass until cond holds, and fails the test if it never does.
	Until func(t testing.TB, cond func() bool)
}

// Conformance tests what every Transport promises. make gives a new cluster of n nodes with the default limits, closed by
// the test's cleanup.
func Conformance(t *testing.T, make func(t *testing.T, n int) Cluster) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, Cluster)
	}{
		{"order", testOrder},
		{"owned", testOwned},
		{"bounds", testBounds},
		{"skip", testSkip},
		{"receiver error", testReceiverError},
		{"queue full", testQueueFull},
		{"superseded", testSuperseded},
		{"disconnected", testDisconnected},
		{"peers", testPeers},
		{"status", testStatus},
		{"close", testClose},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, make(t, 3)) })
	}
}

// start gives all nodes all peers, and starts them.
func (c Cluster) start(t testing.TB) []*Inbox {
	t.Helper()
	boxes := make([]*Inbox, len(c.Nodes))
	for i := range c.Nodes {
		boxes[i] = &Inbox{}
		c.meet(t, i)
		c.startOne(t, i, boxes[i])
	}
	return boxes
}

func (c Cluster) meet(t testing.TB, i int) {
	t.Helper()
	if err := c.Nodes[i].SetPeers(1, c.Peers); err != nil {
		t.Fatal(err)
	}
}

func (c Cluster) startOne(t testing.TB, i int, b *Inbox) {
	t.Helper()
	if err := c.Nodes[i].Start(b); err != nil {
		t.Fatal(err)
	}
}

func mustSend(t testing.TB, from transport.Transport, to chain.ValidatorNo, class transport.Class, kind uint8, parts ...[]byte) {
	t.Helper()
	if err := from.Send(to, class, kind, parts...); err != nil {
		t.Fatal(err)
	}
}

func wantKind(t testing.TB, err error, kind fault.Kind, reason string) {
	t.Helper()
	if !fault.Is(err, kind) || (reason != "" && fault.ReasonOf(err) != reason) {
		t.Errorf("got %v (%s, %s), want %s %s", err, fault.KindOf(err), fault.ReasonOf(err), kind, reason)
	}
}

func testOrder(t *testing.T, c Cluster) {
	boxes := c.start(t)
	const frames = 200 // fit into the smallest queue
	for i := range frames {
		for class := range transport.ClassCount {
			for from := range c.Nodes {
				text := fmt.Sprintf("%d %s %d ", from, class, i)
				mustSend(t, c.Nodes[from], chain.ValidatorNo((from+1)%3), class, uint8(1+i%255), []byte(text), nil, bytes.Repeat([]byte{byte(i)}, i))
			}
		}
	}
	for to := range c.Nodes {
		from := (to + 2) % 3
		for class := range transport.ClassCount {
			at := Seat{chain.ValidatorNo(from), class}
			c.Until(t, func() bool { return boxes[to].Count(at) == frames })
			for i, f := range boxes[to].Frames(at) {
				want := append(fmt.Appendf(nil, "%d %s %d ", from, class, i), bytes.Repeat([]byte{byte(i)}, i)...)
				if f.Kind != uint8(1+i%255) || !bytes.Equal(f.Body, want) {
					t.Fatalf("frame %d from %d to %d is kind %d, %.40q", i, from, to, f.Kind, f.Body)
				}
			}
		}
		if other := boxes[to].Frames(Seat{chain.ValidatorNo((to + 1) % 3), transport.Consensus}); len(other) != 0 {
			t.Fatalf("%d frames came from one who sent none", len(other))
		}
	}
}

func testOwned(t *testing.T, c Cluster) {
	boxes := c.start(t)
	body := NewBody(bytes.Repeat([]byte("payload "), 60_000))
	for to := chain.ValidatorNo(1); to < 3; to++ {
		body.Retain()
		if err := c.Nodes[0].SendOwned(to, transport.Batches, 9, []byte("head "), body); err != nil {
			t.Fatal(err)
		}
	}
	want := append([]byte("head "), body.Payload()...)
	for to := 1; to < 3; to++ {
		at := Seat{0, transport.Batches}
		c.Until(t, func() bool { return boxes[to].Count(at) == 1 })
		if f := boxes[to].Frames(at)[0]; f.Kind != 9 || !bytes.Equal(f.Body, want) {
			t.Fatalf("kind %d, %d bytes", f.Kind, len(f.Body))
		}
	}
	c.Until(t, func() bool { return body.References() == 1 })

	oversized := NewBody(make([]byte, transport.BatchesBytesMax))
	for _, err := range []error{
		c.Nodes[0].SendOwned(7, transport.Batches, 1, nil, body),
		c.Nodes[0].SendOwned(0, transport.Batches, 1, nil, body),
		c.Nodes[0].SendOwned(1, transport.Batches, 1, []byte{1}, oversized),
	} {
		if err == nil {
			t.Error("it was taken")
		}
	}
	if body.References() != 1 || oversized.References() != 1 {
		t.Errorf("a refused body has %d and %d references, 1 was lent", body.References(), oversized.References())
	}
}

func testBounds(t *testing.T, c Cluster) {
	boxes := c.start(t)
	for class := range transport.ClassCount {
		most := class.BodyBytesMax()
		wantKind(t, c.Nodes[0].Send(1, class, 1, make([]byte, most), []byte{1}), fault.Invalid, "frame_oversized")
		mustSend(t, c.Nodes[0], 1, class, 1, make([]byte, most))
		mustSend(t, c.Nodes[0], 1, class, 2)
		at := Seat{0, class}
		c.Until(t, func() bool { return boxes[1].Count(at) == 2 })
		if f := boxes[1].Frames(at); len(f[0].Body) != most || len(f[1].Body) != 0 || f[1].Kind != 2 {
			t.Errorf("%s: frames of %d and %d bytes", class, len(f[0].Body), len(f[1].Body))
		}
	}
	wantKind(t, c.Nodes[0].Send(1, transport.ClassCount, 1), fault.Invalid, "")
	wantKind(t, c.Nodes[0].Send(1, transport.Sync, 0), fault.Invalid, "")
	wantKind(t, c.Nodes[0].Send(0, transport.Sync, 1), fault.Invalid, "")
	wantKind(t, c.Nodes[0].Send(9, transport.Sync, 1), fault.NotFound, "unknown_peer")
	wantKind(t, c.Nodes[0].Start(boxes[0]), fault.Conflict, "")
}

// testSkip has a receiver that leaves the most of each body.
func testSkip(t *testing.T, c Cluster) {
	boxes := c.start(t)
	boxes[1].SetReadMax(3)
	for i := range 20 {
		mustSend(t, c.Nodes[0], 1, transport.Batches, 1, bytes.Repeat([]byte{byte('a' + i)}, i*5000))
	}
	at := Seat{0, transport.Batches}
	c.Until(t, func() bool { return boxes[1].Count(at) == 20 })
	for i, f := range boxes[1].Frames(at) {
		if want := bytes.Repeat([]byte{byte('a' + i)}, min(3, i*5000)); !bytes.Equal(f.Body, want) || f.Bytes != i*5000 {
			t.Errorf("frame %d: %q of %d", i, f.Body, f.Bytes)
		}
	}
}

func testReceiverError(t *testing.T, c Cluster) {
	boxes := c.start(t)
	mustSend(t, c.Nodes[0], 1, transport.Batches, 1, []byte("fine"))
	mustSend(t, c.Nodes[0], 1, transport.Consensus, 1, []byte("fine"))
	for _, class := range []transport.Class{transport.Batches, transport.Consensus} {
		c.Until(t, func() bool { return boxes[1].Count(Seat{0, class}) == 1 })
	}
	since := c.Nodes[0].Status()[0].Classes[transport.Consensus].SendingSince
	boxes[1].FailOnce(Seat{0, transport.Batches})
	mustSend(t, c.Nodes[0], 1, transport.Batches, 1, []byte("not wanted"))
	c.Until(t, func() bool { return boxes[1].Failures() == 1 })
	// What is sent while the connection breaks may be lost, so it is asked for until it comes.
	c.Until(t, func() bool {
		err := c.Nodes[0].Send(1, transport.Batches, 2, []byte("again"))
		return err == nil && slices.ContainsFunc(boxes[1].Frames(Seat{0, transport.Batches}), func(f Frame) bool { return f.Kind == 2 })
	})
	if now := c.Nodes[0].Status()[0].Classes[transport.Consensus].SendingSince; !now.Equal(since) {
		t.Errorf("the other class's connection of %v was made again at %v", since, now)
	}
}

// testQueueFull sends to a node that is not started.
func testQueueFull(t *testing.T, c Cluster) {
	c.meet(t, 0)
	for _, class := range []transport.Class{transport.Batches, transport.Sync} {
		limits := transport.DefaultLimits(class)
		body := NewBody(make([]byte, class.BodyBytesMax()))
		sent := 0
		for {
			body.Retain()
			err := c.Nodes[0].SendOwned(1, class, 1, nil, body)
			if err != nil {
				body.Release()
				wantKind(t, err, fault.TryLater, "queue_full")
				break
			}
			if sent++; int64(sent*len(body.Payload())) > limits.Bytes {
				t.Fatalf("%d frames exceed the bound of %d bytes", sent, limits.Bytes)
			}
		}
		if want := int(limits.Bytes / int64(len(body.Payload())+5)); sent != want || body.References() != sent+1 {
			t.Errorf("%s: %d frames waited with %d references, %d fit", class, sent, body.References(), want)
		}
		mustSend(t, c.Nodes[0], 2, class, 1, []byte("another peer has its own queue"))
		s := c.Nodes[0].Status()[0].Classes[class]
		if s.Dropped != 1 || s.QueueFrames != sent || s.QueueBytes > limits.Bytes {
			t.Errorf("%s: %+v", class, s)
		}
		small := 0
		for ; c.Nodes[0].Send(2, class, 1) == nil; small++ {
		}
		if small != limits.Frames-1 {
			t.Errorf("%s: %d empty frames waited, %d are allowed", class, small, limits.Frames-1)
		}
	}
}

// testSuperseded fills a consensus queue: the newest frames stay.
func testSuperseded(t *testing.T, c Cluster) {
	c.meet(t, 0)
	limit := transport.DefaultLimits(transport.Consensus).Frames
	total := limit + 100
	for i := range total {
		mustSend(t, c.Nodes[0], 1, transport.Consensus, 1, fmt.Append(nil, i))
	}
	if s := c.Nodes[0].Status()[0].Classes[transport.Consensus]; s.Dropped != 100 || s.QueueFrames != limit {
		t.Fatalf("%+v", s)
	}
	boxes := []*Inbox{{}, {}}
	c.meet(t, 1)
	c.startOne(t, 0, boxes[0])
	c.startOne(t, 1, boxes[1])
	at := Seat{0, transport.Consensus}
	c.Until(t, func() bool { return boxes[1].Count(at) == limit })
	for i, f := range boxes[1].Frames(at) {
		if string(f.Body) != fmt.Sprint(i+100) {
			t.Fatalf("frame %d is %s", i, f.Body)
		}
	}
}

// testDisconnected has a peer that never comes, and then does.
func testDisconnected(t *testing.T, c Cluster) {
	boxes := []*Inbox{{}, {}}
	c.meet(t, 0)
	c.startOne(t, 0, boxes[0])
	body := NewBody([]byte("x"))
	body.Retain()
	if err := c.Nodes[0].SendOwned(1, transport.Sync, 1, nil, body); err != nil {
		t.Fatal(err)
	}
	c.Until(t, func() bool { return body.References() == 1 })
	wantKind(t, c.Nodes[0].SendOwned(1, transport.Sync, 1, nil, body), fault.TryLater, "disconnected")
	// Each class finds out by itself.
	c.Until(t, func() bool { return fault.ReasonOf(c.Nodes[0].Send(1, transport.Consensus, 1)) == "disconnected" })
	if s := c.Nodes[0].Status()[0].Classes[transport.Sync]; !s.SendingSince.IsZero() || s.Dropped != 2 || s.QueueBytes != 0 {
		t.Errorf("%+v", s)
	}
	c.meet(t, 1)
	c.startOne(t, 1, boxes[1])
	c.Until(t, func() bool { return c.Nodes[0].Send(1, transport.Sync, 2) == nil })
	c.Until(t, func() bool { return boxes[1].Count(Seat{0, transport.Sync}) == 1 })
}

func testPeers(t *testing.T, c Cluster) {
	boxes := c.start(t)
	mustSend(t, c.Nodes[0], 1, transport.Sync, 1, []byte("in"))
	mustSend(t, c.Nodes[2], 1, transport.Sync, 1, []byte("in"))
	c.Until(t, func() bool { return len(boxes[1].All()) == 2 })
	since := c.Nodes[2].Status()[1].Classes[transport.Sync].SendingSince

	for _, bad := range [][]transport.Peer{append(slices.Clone(c.Peers), c.Peers[1]), {{No: 1}}} {
		wantKind(t, c.Nodes[0].SetPeers(2, bad), fault.Invalid, "")
	}
	if err := c.Nodes[1].SetPeers(2, c.Peers[1:]); err != nil {
		t.Fatal(err)
	}
	wantKind(t, c.Nodes[1].Send(0, transport.Sync, 1), fault.NotFound, "unknown_peer")
	c.Until(t, func() bool { return c.Nodes[0].Status()[0].Classes[transport.Sync].SendingSince.IsZero() })
	c.Nodes[0].Send(1, transport.Sync, 2, []byte("out"))
	mustSend(t, c.Nodes[2], 1, transport.Sync, 2, []byte("still in"))
	c.Until(t, func() bool { return boxes[1].Count(Seat{2, transport.Sync}) == 2 })
	if now := c.Nodes[2].Status()[1].Classes[transport.Sync].SendingSince; !now.Equal(since) {
		t.Error("a peer that stayed was connected anew")
	}
	// Both sides may have to take each other back, as after a membership change that one saw late.
	if err := c.Nodes[1].SetPeers(3, c.Peers); err != nil {
		t.Fatal(err)
	}
	c.Until(t, func() bool {
		err := c.Nodes[0].Send(1, transport.Sync, 3, []byte("in again"))
		return err == nil && slices.ContainsFunc(boxes[1].Frames(Seat{0, transport.Sync}), func(f Frame) bool { return f.Kind == 3 })
	})
}

func testStatus(t *testing.T, c Cluster) {
	boxes := c.start(t)
	for _, to := range []chain.ValidatorNo{0, 2} {
		for class := range transport.ClassCount {
			mustSend(t, c.Nodes[1], to, class, 1, []byte("x"))
		}
	}
	c.Until(t, func() bool { return len(boxes[0].All()) == 3 && len(boxes[2].All()) == 3 })
	c.Until(t, func() bool {
		for _, s := range c.Nodes[1].Status() {
			for _, k := range s.Classes {
				if k.SendingSince.IsZero() || k.ReceivingSince.IsZero() || k.QueueFrames != 0 || k.QueueBytes != 0 || s.Epoch != 1 {
					return false
				}
			}
		}
		return true
	})
	all := c.Nodes[1].Status()
	if len(all) != 2 || all[0].No != 0 || all[1].No != 2 || all[0].Address != c.Peers[0].Address {
		t.Fatalf("%+v", all)
	}
	for _, k := range all[0].Classes {
		if k.LastReceived.IsZero() || k.Dropped != 0 || k.Reconnects != 0 {
			t.Errorf("%+v", k)
		}
	}
}

func testClose(t *testing.T, c Cluster) {
	c.meet(t, 0)
	body := NewBody([]byte("never sent"))
	body.Retain()
	if err := c.Nodes[0].SendOwned(1, transport.Batches, 1, nil, body); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Nodes[0].Close(), c.Nodes[0].Close()); err != nil {
		t.Fatal(err)
	}
	if body.References() != 1 {
		t.Error("a body was kept")
	}
	wantKind(t, c.Nodes[0].Send(1, transport.Sync, 1), fault.Unavailable, "")
	wantKind(t, c.Nodes[0].SetPeers(2, c.Peers), fault.Unavailable, "")
	wantKind(t, c.Nodes[0].Start(&Inbox{}), fault.Unavailable, "")
}
