// SPDX-License-Identifier: Apache-2.0

package syncload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// Bounds of a story.
const (
	storyPayersMax = 1024
	storyRead      = 20 * time.Millisecond // between two reads of one reader
)

// StoryConfig says who pays while a migration goes on.
type StoryConfig struct {
	Bands   []chain.SlotRange // which slots have payers
	Each    int               // payers of a band
	Readers int               // clients that read balances
	Seed    uint64
}

// Validate says why it cannot be.
func (c *StoryConfig) Validate() error {
	if len(c.Bands) == 0 || c.Each < 1 || len(c.Bands)*c.Each > storyPayersMax || c.Readers < 0 || c.Readers > storyPayersMax {
		return fault.New(fault.Invalid, "at least one band of slots, and in all 1 to %d payers and at most as many readers", storyPayersMax)
	}
	return nil
}

// StoryReport is what clients saw of a migration, and what is on both ledgers of it.
type StoryReport struct {
	Sent         int            `json:"sent"` // payments; each is repeated until it is answered for good
	Acknowledged int            `json:"acknowledged"`
	Found        int            `json:"found"` // of them, on both ledgers exactly once
	DoubleDebits int            `json:"double_debits"`
	Lost         int            `json:"lost"` // never answered as made
	Repeats      int            `json:"repeats"`
	Reads        uint64         `json:"reads"`
	LongestMs    float64        `json:"longest_interruption_ms"` // the slowest payment, from when it was first sent until it was answered as made
	LatencyMs    HoldMs         `json:"latency_ms"`
	ServedBy     map[string]int `json:"served_by"` // payments, by the ledger that made them
	Examples     []string       `json:"examples,omitempty"`
}

// Story are clients that pay and read through a router for as long as a migration takes.
type Story struct {
	run
	cfg    StoryConfig
	edge   string
	payers *payers
	reads  atomic.Uint64

	clients errgroup.Group
	readers sync.WaitGroup
	end     context.CancelFunc // of the clients
}

// BeginStory opens the accounts and notes where the ledgers stand. The caller closes the story, and stops the target.
func BeginStory(ctx context.Context, cfg StoryConfig, target *Target, edge string, progress Progress) (*Story, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	s := &Story{cfg: cfg, edge: edge, end: func() {}}
	s.run = run{target: target, progress: progress, began: time.Now(), port: port{target.Changes}, rows: map[arrival]uint64{}, accounts: storyAccounts(&cfg, target.Funder)}
	s.payers = newPayers(s.accounts, edge, cfg.Seed, s.since)
	var err error
	if s.v11, err = dialV11(ctx, target); err != nil {
		return nil, err
	}
	for _, step := range []func(context.Context) error{s.payers.fund, s.inStep, s.mark} {
		if err := step(ctx); err != nil {
			s.v11.close()
			return nil, err
		}
	}
	return s, nil
}

// storyAccounts are so many of each band.
func storyAccounts(cfg *StoryConfig, funder string) *accounts {
	a := &accounts{payers: cfg.Each * len(cfg.Bands), number: map[string]uint32{}}
	have := make([]int, len(cfg.Bands))
	for i := 0; len(a.names) < a.payers; i++ {
		name := fmt.Sprintf("CLIENT-%06d", i)
		slot := keys.AliasSlot(name)
		b := slices.IndexFunc(cfg.Bands, func(r chain.SlotRange) bool { return slot >= r.From && slot <= r.To })
		if b >= 0 && have[b] < cfg.Each {
			have[b]++
			a.names = append(a.names, name)
		}
	}
	a.names = append(a.names, funder)
	for i, name := range a.names {
		a.number[name] = uint32(i)
	}
	return a
}

// Pay has all clients begin.
func (s *Story) Pay(ctx context.Context) {
	ctx, s.end = context.WithCancel(ctx)
	for i := range s.accounts.payers {
		s.clients.Go(func() error { return s.payers.keepPaying(ctx, uint32(i)) })
	}
	for i := range s.cfg.Readers {
		s.readers.Go(func() { s.keepReading(ctx, uint64(i)) })
	}
}

// keepReading reads balances of clients, one after the other. What is not answered is the next one's business: reads change nothing.
func (s *Story) keepReading(ctx context.Context, reader uint64) {
	random := rand.New(rand.NewPCG(s.cfg.Seed, reader))
	for ctx.Err() == nil {
		name := s.accounts.names[random.IntN(s.accounts.payers)]
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.edge+accountsPath+name+"/balances", nil)
		if err != nil {
			return
		}
		if answer, err := s.payers.http.Do(r); err == nil {
			_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, answerBytes)) // it is only asked for
			_ = answer.Body.Close()
			s.reads.Add(1)
		}
		nap(storyRead)
	}
}

// Stop has each client wait for its last answer, and end.
func (s *Story) Stop() error {
	s.end()
	s.readers.Wait()
	return s.clients.Wait()
}

// Close lets the connections go.
func (s *Story) Close() {
	s.v11.close()
	s.payers.http.CloseIdleConnections()
}

// Now is what the clients have seen so far.
func (s *Story) Now() StoryReport {
	p := s.payers
	p.mu.Lock()
	defer p.mu.Unlock()
	r := StoryReport{Sent: int(p.sent.Load()), Acknowledged: len(p.answered), Lost: len(p.lost), Repeats: p.again, Reads: s.reads.Load(), ServedBy: map[string]int{}}
	r.Examples = slices.Clone(p.lost[:min(len(p.lost), examplesMax)])
	var took []time.Duration
	for _, a := range p.answered {
		took = append(took, a.end-a.begin)
	}
	r.LatencyMs = holdOf(took)
	r.LongestMs = r.LatencyMs.Max
	return r
}

// ReadBack reads both ledgers back when all is at rest, and says what is on them of what was answered. Call it after Stop.
func (s *Story) ReadBack(ctx context.Context) (*StoryReport, error) {
	s.say("reading both ledgers back")
	if err := s.inStep(ctx); err != nil {
		return nil, err
	}
	found, err := s.executions(ctx)
	if err != nil {
		return nil, err
	}
	r := s.Now()
	for pay, x := range found {
		if most := max(len(x[V10]), len(x[V11])); most > 1 {
			r.DoubleDebits += most - 1
			r.example("%s payment %d is there %d times", s.accounts.names[pay.From], pay.Units, most)
		}
		for _, origin := range x[V10] {
			r.ServedBy[origin.String()]++
		}
	}
	for _, a := range s.payers.answered {
		if x := found[a.Payment]; x != nil && len(x[V10]) == 1 && len(x[V11]) == 1 {
			r.Found++
		} else {
			r.example("%s payment %d was answered, and is not on both ledgers once", s.accounts.names[a.From], a.Units)
		}
	}
	return &r, context.Cause(ctx)
}

func (r *StoryReport) example(format string, args ...any) {
	if len(r.Examples) < examplesMax {
		r.Examples = append(r.Examples, fmt.Sprintf(format, args...))
	}
}

// Failed says why clients did not get what they were promised, or nothing.
func (r *StoryReport) Failed() error {
	var all []error
	for _, f := range []struct {
		bad  bool
		what string
	}{
		{r.Acknowledged == 0, "nothing was paid"},
		{r.Found != r.Acknowledged, fmt.Sprintf("%d payments were answered, and %d of them are on both ledgers once", r.Acknowledged, r.Found)},
		{r.DoubleDebits > 0, fmt.Sprintf("%d payments were made twice", r.DoubleDebits)},
		{r.Lost > 0, fmt.Sprintf("%d payments were never answered as made", r.Lost)},
	} {
		if f.bad {
			all = append(all, errors.New(f.what))
		}
	}
	return errors.Join(all...)
}
