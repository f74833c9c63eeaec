// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"context"
	"strings"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// Channels of a WebSocket.
const (
	channelTransactions = "transactions"
	channelAccounts     = "accounts"
	channelBlocks       = "blocks"
	channelConsensus    = "consensus"
	channelMetrics      = "metrics"
)

var channelTopics = map[string]topics{
	channelTransactions: wantTransactions, channelAccounts: wantAccounts, channelBlocks: wantBlocks, channelConsensus: wantConsensus,
	channelMetrics: wantMetrics,
}

// ask is what a client sends: {"type":"subscribe","channel":"transactions","from_height":7}. Accounts names whom the channel accounts is
// about. Resume is the height that a closed socket was told.
type ask struct {
	Type       string   `json:"type"`
	Channel    string   `json:"channel,omitempty"`
	Channels   []string `json:"channels,omitempty"`
	Accounts   []string `json:"accounts,omitempty"`
	FromHeight uint64   `json:"from_height,omitempty"`
	Resume     uint64   `json:"resume,omitempty"`
}

// said is an answer to a client.
type said struct {
	Type    string `json:"type"` // subscribed, unsubscribed, pong or error
	Channel string `json:"channel,omitempty"`
	Height  uint64 `json:"height,omitempty"` // the first one that follows
	Error   string `json:"error,omitempty"`
}

// asks does what a client asks for, and answers it.
func (s *socket) asks(text []byte) {
	var a ask
	if err := v10.Decode(text, &a); err != nil {
		s.answer(said{Type: "error", Error: v10.ProblemOf(err).Text})
		return
	}
	if a.Channel != "" {
		a.Channels = append(a.Channels, a.Channel)
	}
	switch a.Type {
	case "ping":
		s.answer(said{Type: "pong"})
	case "subscribe", "unsubscribe":
		s.change(&a)
	default:
		s.answer(said{Type: "error", Error: "type must be subscribe, unsubscribe or ping"})
	}
}

func (s *socket) answer(a said) { s.reply(frameOf(opText, v10.Marshal(a))) }

// change subscribes or unsubscribes.
func (s *socket) change(a *ask) {
	if len(a.Channels) == 0 || len(a.Channels) > len(channelTopics) {
		s.answer(said{Type: "error", Error: "channel must name what to subscribe to: transactions, accounts, blocks, consensus or metrics"})
		return
	}
	for _, name := range a.Channels {
		name = strings.Clone(name) // the message's memory goes back
		topic, ok := channelTopics[name]
		if !ok {
			s.answer(said{Type: "error", Channel: name, Error: "there is no such channel"})
			continue
		}
		if a.Type == "unsubscribe" {
			s.unsubscribe(topic)
			s.sockets.watch(s)
			s.answer(said{Type: "unsubscribed", Channel: name})
			continue
		}
		if err := s.subscribe(topic, name, a); err != nil {
			s.answer(said{Type: "error", Channel: name, Error: problemOf(err).Text})
			continue
		}
		s.sockets.wake(s)
		s.sockets.watch(s)
	}
}

// subscribe adds a channel, and answers with the first height that it will have: that stands before all that comes of it, which somebody may be
// sending as soon as the channel is there.
func (s *socket) subscribe(topic topics, name string, a *ask) error {
	var accounts map[chain.AccountNo]string
	if topic == wantAccounts {
		var err error
		if accounts, err = s.resolve(a.Accounts); err != nil {
			return err
		}
	}
	head := chain.Height(s.sockets.head.Load())
	now := s.sockets.now()
	from := chain.Height(max(a.FromHeight, a.Resume))
	if from == 0 || from > head+1 {
		from = head + 1
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(accounts) > 0 && s.accounts == nil {
		s.accounts = map[chain.AccountNo]string{}
	}
	for no, name := range accounts {
		if _, known := s.accounts[no]; !known && len(s.accounts) >= socketAccountsMax {
			return fault.Reasoned(fault.Invalid, "accounts_count", "a socket follows at most %d accounts", socketAccountsMax)
		}
		s.accounts[no] = name
	}
	s.asked = true
	if topic&onChain != 0 {
		if s.wants&onChain == 0 || from < s.next {
			s.next = from
		}
		from = s.next
	}
	s.wants |= topic
	if topic == wantMetrics {
		s.pushDue = now
	}
	s.queue(frameOf(opText, v10.Marshal(said{Type: "subscribed", Channel: name, Height: uint64(from)})))
	return nil
}

// resolve finds the accounts that a client wants to follow.
func (s *socket) resolve(names []string) (map[chain.AccountNo]string, error) {
	if len(names) == 0 || len(names) > socketAccountsMax {
		return nil, fault.Reasoned(fault.Invalid, "accounts_count", "accounts must name 1 to %d accounts", socketAccountsMax)
	}
	ctx, cancel := context.WithTimeout(context.Background(), socketResolveMax) //lint:context the library calls without one
	defer cancel()
	out := map[chain.AccountNo]string{}
	for _, name := range names {
		if err := v10.CheckName("accounts", name); err != nil {
			return nil, err
		}
		name = strings.Clone(name)
		no, err := s.sockets.server.parts.Desk.Resolve(ctx, name)
		if err != nil {
			return nil, err
		}
		out[no] = name
	}
	return out, nil
}

func (s *socket) unsubscribe(topic topics) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wants &^= topic
	if topic == wantAccounts {
		s.accounts = nil
	}
}
