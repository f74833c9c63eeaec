// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// socket is one client: what it wants, and how far it is. Its cursor on the chain is a height, not a queue. Times are since the sockets
// began.
type socket struct {
	sockets *sockets
	wire    *wire
	in      inbound // whoever hears it has it
	id      uint64  // for the readiness
	slot    int     // of its windows

	mu       sync.Mutex // guards all below
	wants    topics
	asked    bool // it subscribed to something: then it gets only that
	writing  bool // somebody sends: he alone takes tasks
	cut      bool // it stalls, and has socketLinger left
	ended    bool
	accounts map[chain.AccountNo]string
	next     chain.Height // of transactions and accounts, the next one to send
	blocks   []written    // that are being sent, all below next
	sent     int          // frames of theirs that are
	headSent chain.Height
	window   int64 // in which that was; it gets one head in each
	pushDue  time.Duration
	pingDue  time.Duration
	heardAt  time.Duration // when it last said anything
	since    time.Duration // when what is being written was begun
	replies  [][]byte      // frames
	doomed   string        // why it is to be closed, once it takes something again
}

// topics are channels that can be subscribed to.
type topics uint8

const (
	wantTransactions topics = 1 << iota
	wantAccounts
	wantBlocks
	wantConsensus
	wantMetrics

	onChain = wantTransactions | wantAccounts
	onHeads = wantBlocks | wantConsensus
)

// written is a block that is being sent, and up to which of the frames it is.
type written struct {
	height chain.Height
	frames int
}

// task is what a socket has to do next.
type task uint8

const (
	nothing task = iota
	doClose
	doReply
	doChain
	doHead
	doPush
	doPing
)

// task says what is to be done next.
func (s *socket) task(now time.Duration, at chain.Height, head *head) task {
	switch {
	case s.doomed != "":
		return doClose
	case len(s.replies) > 0:
		return doReply
	case s.wants&onChain != 0 && s.next <= at:
		return doChain
	case s.wants&onHeads != 0 && head != nil && head.height > s.headSent && s.windowAt(now) > s.window:
		return doHead
	case (!s.asked || s.wants&wantMetrics != 0) && now >= s.pushDue:
		return doPush
	case now >= s.pingDue:
		return doPing
	}
	return nothing
}

// windowAt counts the socket's windows of socketHeadInterval. Those of different slots begin at different times, so that under load heads
// go out evenly; and whoever has not got one in its window gets the next one at once.
func (s *socket) windowAt(now time.Duration) int64 {
	return (int64(now/socketTick) + socketSlots - int64(s.slot)) / socketSlots
}

// waitsForHead reports whether the next head is for the socket at once.
func (s *socket) waitsForHead(now time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.ended && s.wants&onHeads != 0 && s.windowAt(now) > s.window
}

// claim reports whether the caller is to send what is due. One that has taken too long for a message is doomed, and one that says nothing,
// not even that it lives.
func (s *socket) claim(now time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return false
	}
	if now-s.heardAt > socketSilenceMax {
		s.doomed = cmp.Or(s.doomed, reasonSilent)
	}
	if s.writing {
		if !s.cut && now-s.since > socketStallMax {
			s.cut, s.doomed = true, cmp.Or(s.doomed, reasonStalled)
			_ = s.wire.SetWriteDeadline(time.Now().Add(socketLinger))
		}
		return false
	}
	s.writing, s.since = true, now
	return true
}

// serve sends what is due as long as the client takes it at once and nothing must be read for it. Else a goroutine goes on, which lives as
// long as it writes.
func (s *socket) serve(ctx context.Context, now time.Duration) {
	if !s.claim(now) {
		return
	}
	for {
		frames, more, err := s.step(ctx, false)
		if err == nil && !more {
			return
		}
		done, before := false, len(frames)
		if err == nil {
			frames, done, err = s.wire.put(frames)
			s.took(before - len(frames))
		}
		if err != nil || !done {
			s.sockets.writers.Go(func() { s.write(ctx, frames, err) })
			return
		}
	}
}

// errWait says that what is due must be read first.
var errWait = errors.New("it must be read first")

// write sends what is left and then all that is due, until there is nothing more or the client is gone.
func (s *socket) write(ctx context.Context, frames [][]byte, err error) {
	if errors.Is(err, errWait) {
		err = nil
	}
	for more := true; more && err == nil; {
		if err = s.send(frames); err == nil {
			frames, more, err = s.step(ctx, true)
		}
	}
	if err != nil {
		s.fail(err)
	}
}

// send writes frames. It waits for the client: whoever looks after the sockets ends the wait.
func (s *socket) send(frames [][]byte) error {
	if _, err := s.wire.Write(nil); err != nil { // what was begun
		return err
	}
	for _, f := range frames {
		s.mu.Lock()
		s.since = s.sockets.now()
		s.mu.Unlock()
		if _, err := s.wire.Write(f); err != nil {
			return err
		}
		s.took(1)
	}
	return nil
}

// took notes that the wire has so many more frames of what is being sent. One that was begun is finished before the last word.
func (s *socket) took(frames int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent += frames
}

// step takes the next task and returns its frames; more is false when nothing is due any more, and then nobody writes. Unless it may
// wait, it is errWait where something must be read first.
func (s *socket) step(ctx context.Context, wait bool) (frames [][]byte, more bool, err error) {
	h := s.sockets
	s.mu.Lock()
	now, at, head := h.now(), chain.Height(h.head.Load()), h.news.Load()
	do := s.task(now, at, head)
	s.since = now
	s.blocks, s.sent = nil, 0
	switch {
	case do == nothing, s.ended:
		s.writing = false
	case do == doReply:
		frames, s.replies, more = s.replies, nil, true
	case do == doHead:
		frames, more = head.frames(s.wants), true
		s.headSent, s.window = head.height, s.windowAt(now)
	case do == doPing:
		frames, more = pingFrames, true
		s.pingDue = now + socketPingInterval
	}
	s.mu.Unlock()
	switch {
	case more, do == nothing:
	case do == doClose:
		err = errDoomed
	case do == doPush:
		frames, err = s.pushFrames(ctx, now, wait)
	case do == doChain:
		frames, err = s.chainFrames(ctx, at, wait)
	}
	return frames, do != nothing && err == nil, err
}

var pingFrames = [][]byte{frameOf(opPing, nil)}

// errDoomed ends the writing of a client that has stalled.
var errDoomed = fault.Reasoned(fault.TryLater, reasonStalled, "the client did not take its messages in time")

// fail closes a socket that cannot go on.
func (s *socket) fail(err error) {
	reason := fault.ReasonOf(err)
	s.mu.Lock()
	reason = cmp.Or(s.doomed, reason, reasonFailed)
	s.mu.Unlock()
	s.end(closeTryLater, reason, socketLinger)
}

// end closes the socket with a reason and the height from which the client can resume. It may be called again.
func (s *socket) end(code uint16, reason string, linger time.Duration) {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	s.ended, s.writing = true, false
	resume := s.resume()
	s.mu.Unlock()
	s.sockets.server.metrics.closed.WithLabelValues(reason).Inc()
	_ = s.wire.SetWriteDeadline(time.Now().Add(linger))
	_, _ = s.wire.Write(frameOf(opText, closingMessage(reason, resume))) // who is gone hears nothing
	s.close(append(binary.BigEndian.AppendUint16(nil, code), closeReason(reason, resume)...), linger)
}

// resume is the height of the first block that the client may not have seen.
func (s *socket) resume() chain.Height {
	if s.wants&onChain != 0 {
		for _, b := range s.blocks {
			if b.frames > s.sent {
				return min(b.height, s.next)
			}
		}
		return s.next
	}
	return s.headSent + 1
}

// reply queues a frame for the client.
func (s *socket) reply(frame []byte) {
	s.mu.Lock()
	s.queue(frame)
	s.mu.Unlock()
	s.sockets.wake(s)
}

// queue is reply with mu held. Nobody is woken.
func (s *socket) queue(frame []byte) {
	if len(s.replies) >= socketRepliesMax {
		s.doomed = "replies_not_taken"
	} else {
		s.replies = append(s.replies, frame)
	}
}
