// SPDX-License-Identifier: Apache-2.0

package catchup

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/pages"
	"github.com/aurigraph/aurigraph/internal/store"
)

const (
	// requestsMax bounds the asks of all peers that wait. More are dropped, and asked again.
	requestsMax = 64
	// sessionIdle is how long a peer that asks nothing keeps the others from being served.
	sessionIdle = 10 * time.Second
	// sendWait is the pause before a frame is sent again for which the peer's queue has no room, and sendTries how often it is.
	sendWait  = 20 * time.Millisecond
	sendTries = 250
)

// Peers carries frames to the other validators. Send must not block; TryLater means that there is no room at present.
type Peers interface {
	Send(to chain.ValidatorNo, kind uint8, body []byte) error
}

// ServerConfig sets a Server up. All but Leaves, BytesPerSecond, Metrics and Logger are needed.
type ServerConfig struct {
	Chain chain.ChainID
	Dir   string        // of the checkpoints, to which a checkpoint.Store may write
	FS    checkpoint.FS // of Dir
	Store store.Reader  // has the headers that certify them
	Peers Peers
	// Leaves is what the state root of a height was made of, for a peer that has another root. Nil: none are kept.
	Leaves func(at chain.Height) (*pages.StateLeaves, bool)
	// BytesPerSecond bounds what is read from the disk. Default 128 MiB.
	BytesPerSecond int64
	Metrics        prometheus.Registerer // nil means none
	Logger         *slog.Logger          // nil means silence
}

// Server gives peers that are behind the newest checkpoint. It serves one at a time.
type Server struct {
	cfg      ServerConfig
	metrics  *serverMetrics
	requests chan request

	// Owned by Run:
	session session
	last    uint64 // session number
	pace    pace
}

type request struct {
	from    chain.ValidatorNo
	message Message
}

// session is a checkpoint that a peer reads.
type session struct {
	number uint64 // 0: there is none
	peer   chain.ValidatorNo
	file   *checkpoint.Reader
	heard  time.Time
}

// NewServer makes a server. Its messages wait until Run.
func NewServer(cfg ServerConfig) (*Server, error) {
	cfg.BytesPerSecond = cmp.Or(cfg.BytesPerSecond, 128<<20)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Server{cfg: cfg, requests: make(chan request, requestsMax), pace: pace{bytesPerSecond: cfg.BytesPerSecond}}
	// Numbers of an earlier life are none of this one's.
	s.last = uint64(time.Now().UnixNano())
	var err error
	s.metrics, err = newServerMetrics(cfg.Metrics)
	return s, err
}

// Receive takes an ask of a peer. It never blocks: at the bound the ask is dropped.
func (s *Server) Receive(from chain.ValidatorNo, m Message) {
	select {
	case s.requests <- request{from, m}:
	default:
		s.metrics.refused.WithLabelValues("requests_full").Inc()
	}
}

// Run serves until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	defer s.metrics.unregister()
	defer s.end()
	idle := time.NewTicker(sessionIdle / 2)
	defer idle.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case r := <-s.requests:
			if answer := s.answer(ctx, r); answer != nil {
				s.send(ctx, r.from, answer)
			}
		case <-idle.C:
			if s.session.number != 0 && time.Since(s.session.heard) >= sessionIdle {
				s.end()
			}
		}
	}
}

func (s *Server) end() {
	if s.session.number == 0 {
		return
	}
	if err := s.session.file.Close(); err != nil {
		s.cfg.Logger.Warn("a checkpoint that was served", obs.Err(err))
	}
	s.session = session{}
}

func (s *Server) answer(ctx context.Context, r request) Message {
	switch m := r.message.(type) {
	case Ask:
		return s.offer(r.from, m)
	case AskLeaves:
		return s.within(r.from, m.Session, func() (Message, error) { return s.leaves(ctx, m) })
	case AskPages:
		return s.within(r.from, m.Session, func() (Message, error) { return s.pages(ctx, m) })
	case AskTable, AskRootLeaves, AskHeader:
		return s.compared(ctx, m)
	case AskBelow:
		return s.below(ctx, m)
	case Done:
		if m.Session == s.session.number {
			s.end()
		}
		return nil
	}
	s.metrics.refused.WithLabelValues("not_an_ask").Inc()
	return nil
}

// refuse counts a refusal.
func (s *Server) refuse(session uint64, why Refusal) Message {
	s.metrics.refused.WithLabelValues(why.String()).Inc()
	return Refused{session, why}
}

// within answers an ask of a session. What was read from a file that was overwritten meanwhile is not sent.
func (s *Server) within(from chain.ValidatorNo, number uint64, read func() (Message, error)) Message {
	x := &s.session
	if x.number == 0 || x.number != number || x.peer != from {
		return s.refuse(number, Gone)
	}
	x.heard = time.Now()
	m, err := read()
	same, changed := x.file.Unchanged()
	if err == nil && changed == nil && same {
		return m
	}
	if same { // it is damaged, or cannot be read
		s.metrics.refused.WithLabelValues("not_read").Inc()
		s.cfg.Logger.Error("a checkpoint cannot be served", obs.KeyHeight, uint64(x.file.Meta().Height), obs.Err(errors.Join(err, changed)))
	}
	s.end()
	return s.refuse(number, Gone)
}

func (s *Server) leaves(ctx context.Context, m AskLeaves) (Message, error) {
	hash, page := pages.NewLeaves(), make([]byte, pages.PageBytes)
	out := LeavesOf{Session: m.Session, Section: m.Section, First: m.First, Hashes: make([]chain.Hash, m.Count)}
	for i := range out.Hashes {
		present, err := s.read(ctx, checkpoint.PageOf{Section: m.Section, Page: m.First + uint32(i)}, page)
		if err != nil {
			return nil, err
		}
		out.Hashes[i] = hash.Zero()
		if present {
			out.Hashes[i] = hash.Of(page)
		}
	}
	return out, nil
}

func (s *Server) pages(ctx context.Context, m AskPages) (Message, error) {
	out := PagesOf{Session: m.Session, Pages: m.Pages, Bytes: make([][]byte, len(m.Pages))}
	for i, at := range m.Pages {
		out.Bytes[i] = make([]byte, pages.PageBytes)
		if _, err := s.read(ctx, at, out.Bytes[i]); err != nil {
			return nil, err
		}
	}
	s.metrics.pages.Add(float64(len(m.Pages)))
	return out, nil
}

func (s *Server) read(ctx context.Context, at checkpoint.PageOf, page []byte) (present bool, err error) {
	present, err = s.session.file.Page(at.Section, at.Page, page)
	if err != nil || !present {
		return false, err
	}
	return true, s.pace.wait(ctx, pages.PageBytes)
}

// send waits while the peer's queue is full: it asks no more than a few frames at once, so that is not for long.
func (s *Server) send(ctx context.Context, to chain.ValidatorNo, m Message) {
	body := m.Append(nil)
	for range sendTries {
		err := s.cfg.Peers.Send(to, m.Kind(), body)
		if !fault.Is(err, fault.TryLater) {
			if err != nil {
				s.metrics.refused.WithLabelValues(fault.ReasonOf(err)).Inc()
			}
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(sendWait):
		}
	}
	s.metrics.refused.WithLabelValues("not_sent").Inc()
}

// pace holds a reader to a rate.
type pace struct {
	bytesPerSecond int64
	due            time.Time // when what was read so far may have been read
}

// paceBurst is how far a reader may run ahead.
const paceBurst = 5 * time.Millisecond

func (p *pace) wait(ctx context.Context, n int) error {
	now := time.Now()
	if p.due.Before(now) {
		p.due = now
	}
	p.due = p.due.Add(time.Duration(float64(n) / float64(p.bytesPerSecond) * float64(time.Second)))
	ahead := p.due.Sub(now)
	if ahead < paceBurst {
		return nil
	}
	timer := time.NewTimer(ahead)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
