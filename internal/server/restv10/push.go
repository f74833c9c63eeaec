// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"context"
	"strconv"

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

// push sends what V10 pushed every five seconds.
func (s *socket) push(ctx context.Context) error {
	p, err := s.sockets.contents.pushed(ctx)
	if err != nil {
		return nil // the next push may have it
	}
	if s.wantsOverview() {
		if err := s.send(p.overview); err != nil {
			return err
		}
	}
	return s.send(p.metrics)
}

func (s *socket) wantsOverview() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.asked
}

// sendHead sends the newest block, or who leads, to who wants that.
func (s *socket) sendHead(ctx context.Context, head chain.Height) error {
	h, err := s.sockets.contents.newest(ctx, head)
	if err != nil {
		return nil // the next head may be read
	}
	s.mu.Lock()
	wants := s.wants
	s.mu.Unlock()
	if wants&wantBlocks != 0 {
		if err := s.send(h.block); err != nil {
			return err
		}
	}
	if wants&wantConsensus != 0 {
		return s.send(h.consensus)
	}
	return nil
}

// sendChain sends what a block has for the socket, and moves its cursor on.
func (s *socket) sendChain(ctx context.Context) error {
	s.mu.Lock()
	at, wants := s.next, s.wants
	s.mu.Unlock()
	b, err := s.sockets.contents.at(ctx, at)
	switch {
	case fault.Is(err, fault.Pruned):
		return s.skip(at)
	case err != nil:
		return err
	}
	if wants&wantTransactions != 0 {
		for _, text := range b.messages {
			if err := s.send(text); err != nil {
				return err
			}
		}
	}
	if wants&wantAccounts != 0 {
		if err := s.sendTouching(b); err != nil {
			return err
		}
	}
	s.advance(at, at+1)
	return nil
}

// sendTouching sends the transfers that touch the socket's accounts.
func (s *socket) sendTouching(b *content) error {
	s.mu.Lock()
	var found []v10.Transaction
	for no := range s.accounts {
		for _, i := range b.touching[no] {
			found = append(found, b.transactions[i])
		}
	}
	s.mu.Unlock()
	if len(found) == 0 {
		return nil
	}
	return s.send(v10.Marshal(message{Type: channelTransactions, Channel: channelAccounts, Height: uint64(b.height), Data: found}))
}

// gap says that blocks were let go before they could be sent.
type gap struct {
	From uint64 `json:"from"`
	To   uint64 `json:"to"` // included
}

// skip goes on behind what retention let go, and says so.
func (s *socket) skip(at chain.Height) error {
	to, err := s.sockets.server.parts.Reader.RetainedFrom(at)
	if err != nil {
		return err
	}
	to = max(to, at+1) // what was gone a moment ago stays gone
	if err := s.send(v10.Marshal(message{Type: "gap", Height: uint64(to - 1), Data: gap{uint64(at), uint64(to - 1)}})); err != nil {
		return err
	}
	s.advance(at, to)
	return nil
}

// advance moves the cursor, unless the client has moved it meanwhile.
func (s *socket) advance(from, to chain.Height) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == from {
		s.next = to
	}
}
