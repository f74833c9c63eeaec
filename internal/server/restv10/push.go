// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// message is what a socket is sent. Height is the block's; who is cut off resumes from the height after the newest one it has.
type message struct {
	Type    string `json:"type"`
	Channel string `json:"channel,omitempty"`
	Height  uint64 `json:"height,omitempty"`
	Data    any    `json:"data"`
}

// closing is the last message of a socket.
type closing struct {
	Type   string `json:"type"` // closing
	Reason string `json:"reason"`
	Resume uint64 `json:"resume"`
}

func closingMessage(reason string, resume chain.Height) []byte {
	return v10.Marshal(closing{Type: "closing", Reason: reason, Resume: uint64(resume)})
}

// closeReason is the same in the close frame, where it must be short.
func closeReason(reason string, resume chain.Height) []byte {
	return []byte(reason + " resume=" + strconv.FormatUint(uint64(resume), 10))
}

// pushFrames are the figures that V10 pushed every five seconds; who subscribed to metrics gets them alone.
func (s *socket) pushFrames(ctx context.Context, now time.Duration, wait bool) ([][]byte, error) {
	p := s.sockets.contents.peekPushed()
	if p == nil {
		if !wait {
			return nil, errWait
		}
		p, _ = s.sockets.contents.pushed(ctx) // if they cannot be read now, the next push may have them
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pushDue = now + socketPushInterval
	switch {
	case p == nil:
		return nil, nil
	case s.asked:
		return p.metrics, nil
	}
	return p.both, nil
}

// chainFrames are what the next blocks have for the socket, and moves its cursor behind them: they are on their way, and who does not take
// them is told nothing any more. It stops where a block must be read, and at socketTogetherBytes.
func (s *socket) chainFrames(ctx context.Context, head chain.Height, wait bool) (frames [][]byte, err error) {
	s.mu.Lock()
	from := s.next
	s.mu.Unlock()
	next, size := from, 0
	var blocks []written
	for ; next <= head && size < socketTogetherBytes; next++ {
		b := s.sockets.contents.peek(next)
		if b == nil && next > from {
			break
		}
		if b == nil && !wait {
			return nil, errWait
		}
		if b == nil {
			if b, err = s.sockets.contents.at(ctx, next); err != nil {
				return s.skip(next, err)
			}
		}
		frames, size = s.appendContent(frames, size, b)
		blocks = append(blocks, written{next, len(frames)})
	}
	s.advance(from, next)
	s.mu.Lock()
	s.blocks = blocks
	s.mu.Unlock()
	return frames, nil
}

// appendContent appends a block's frames for the socket, and counts their bytes.
func (s *socket) appendContent(frames [][]byte, size int, b *content) ([][]byte, int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	first := len(frames)
	if s.wants&wantTransactions != 0 {
		frames = append(frames, b.frames...)
	}
	if s.wants&wantAccounts != 0 {
		frames = s.appendTouching(frames, b)
	}
	for _, f := range frames[first:] {
		size += len(f)
	}
	return frames, size
}

// appendTouching appends a frame of the transfers that touch the socket's accounts, if there are some.
func (s *socket) appendTouching(frames [][]byte, b *content) [][]byte {
	var places []int
	for no := range s.accounts {
		places = append(places, b.touching[no]...)
	}
	if len(places) == 0 {
		return frames
	}
	slices.Sort(places)
	places = slices.Compact(places) // one between two of its accounts is one
	found := make([]v10.Transaction, len(places))
	for i, at := range places {
		found[i] = b.transactions[at]
	}
	return append(frames, frameOf(opText, v10.Marshal(message{Type: channelTransactions, Channel: channelAccounts, Height: uint64(b.height), Data: found})))
}

// gap says that blocks were let go before they could be sent.
type gap struct {
	From uint64 `json:"from"`
	To   uint64 `json:"to"` // included
}

// skip goes on behind what retention let go, and says so. Any other error stays what it is.
func (s *socket) skip(at chain.Height, err error) ([][]byte, error) {
	if !fault.Is(err, fault.Pruned) {
		return nil, err
	}
	to, err := s.sockets.server.parts.Reader.RetainedFrom(at)
	if err != nil {
		return nil, err
	}
	to = max(to, at+1) // what was gone a moment ago stays gone
	s.advance(at, to)
	text := v10.Marshal(message{Type: "gap", Height: uint64(to - 1), Data: gap{uint64(at), uint64(to - 1)}})
	return [][]byte{frameOf(opText, text)}, nil
}

// advance moves the cursor, unless the client has moved it meanwhile.
func (s *socket) advance(from, to chain.Height) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == from {
		s.next = to
	}
}
