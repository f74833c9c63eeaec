// SPDX-License-Identifier: Apache-2.0

package syncload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/loadgen/rawhttp"
	"github.com/aurigraph/aurigraph/internal/router"
)

// Bounds of a bench of weights.
const (
	weightsRateMax   = 100_000
	weightsClients   = 256 // connections, each with one request under way
	weightsLead      = 2 * time.Second
	weightsTail      = 2 * time.Second
	weightsChangeMax = 30 * time.Second
	weightsAnswer    = 30 * time.Second
)

// WeightsConfig is what a bench of weights does.
type WeightsConfig struct {
	Rate     int           // requests a second
	Share    int           // per cent of them that are payments, the others read a balance
	Weights  []int         // in basis points, one after the other
	Every    time.Duration // from one change to the next
	Accounts int           // that pay, are paid and are read
	Seed     uint64
}

// Validate says why it cannot be.
func (c *WeightsConfig) Validate() error {
	switch {
	case c.Rate < 1 || c.Rate > weightsRateMax:
		return fault.New(fault.Invalid, "1 to %d requests a second", weightsRateMax)
	case c.Share < 1 || c.Share > 100:
		return fault.New(fault.Invalid, "1 to 100 per cent are payments")
	case len(c.Weights) == 0 || c.Every <= 0:
		return fault.New(fault.Invalid, "at least one weight, and a time between them")
	case c.Accounts < 2 || c.Accounts > 100_000:
		return fault.New(fault.Invalid, "2 to 100000 accounts")
	}
	for _, w := range c.Weights {
		if w < 0 || w > router.WeightWhole {
			return fault.New(fault.Invalid, "a weight is 0 to %d basis points", router.WeightWhole)
		}
	}
	return nil
}

// WeightsTarget is a running pair with a router before it.
type WeightsTarget struct {
	Target
	Router string // where clients come, host:port
	Kind   string // which router
	// Weigh moves slots until V11 has a share, and returns when both sides and the router have it.
	Weigh func(ctx context.Context, basisPoints int) error
}

// WeightsReport is what a bench of weights saw.
type WeightsReport struct {
	Requests   int            `json:"requests"`
	Lost       int            `json:"lost"`       // answered with another status than 2xx, or not at all, or as made and not on both ledgers
	Duplicated int            `json:"duplicated"` // payments that a ledger executed more than once
	Changes    int            `json:"changes"`    // of the weight
	Visible503 int            `json:"client_visible_503"`
	Payments   int            `json:"payments"` // answered as made
	Missing    int            `json:"missing"`  // of them, not on both ledgers
	Statuses   map[string]int `json:"statuses"`
	PerS       float64        `json:"per_s"`
	LatencyMs  HoldMs         `json:"latency_ms"` // of all requests, from when they were sent
	ChangeMs   HoldMs         `json:"change_ms"`  // of a change
	ServedBy   map[string]int `json:"served_by"`  // payments, by the ledger that made them
	Router     string         `json:"router"`
	Share      int            `json:"payments_percent"`
	Examples   []string       `json:"examples,omitempty"`
}

// Failed says why a run does not count, or nothing.
func (r *WeightsReport) Failed() string {
	switch {
	case r.Lost > 0:
		return fmt.Sprintf("%d requests were lost", r.Lost)
	case r.Duplicated > 0:
		return fmt.Sprintf("%d payments were made twice", r.Duplicated)
	}
	return ""
}

// weighing is a bench of weights in progress.
type weighing struct {
	run
	cfg    WeightsConfig
	target *WeightsTarget
	pool   *rawhttp.Pool

	mu      sync.Mutex // guards what follows
	report  WeightsReport
	made    []Payment
	latency []time.Duration
}

// Weigh changes weights under load. The client keeps its connections, and sends nothing twice. The caller stops the target.
func Weigh(ctx context.Context, cfg WeightsConfig, target *WeightsTarget, progress Progress) (*WeightsReport, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	w := &weighing{cfg: cfg, target: target, pool: rawhttp.NewPool(target.Router, weightsClients)}
	defer w.pool.Close()
	w.report = WeightsReport{Statuses: map[string]int{}, ServedBy: map[string]int{}, Router: target.Kind, Share: cfg.Share}
	w.run = run{target: &target.Target, progress: progress, began: time.Now(), port: port{target.Changes}, rows: map[arrival]uint64{}, accounts: weightsAccounts(&cfg, target.Funder)}
	var err error
	if w.v11, err = dialV11(ctx, &target.Target); err != nil {
		return nil, err
	}
	defer w.v11.close()
	if err := w.open(ctx); err != nil {
		return nil, err
	}
	if err := w.load(ctx); err != nil {
		return nil, err
	}
	return &w.report, w.readBack(ctx)
}

func weightsAccounts(cfg *WeightsConfig, funder string) *accounts {
	a := &accounts{payers: cfg.Accounts, number: map[string]uint32{}}
	for i := range cfg.Accounts {
		a.names = append(a.names, fmt.Sprintf("WEIGH-%06d", i))
	}
	a.names = append(a.names, funder)
	for i, name := range a.names {
		a.number[name] = uint32(i)
	}
	return a
}

// open funds the accounts, and notes where the ledgers stand.
func (w *weighing) open(ctx context.Context) error {
	w.say("opening %d accounts", w.cfg.Accounts)
	if err := newPayers(w.accounts, w.target.Router, 0, w.since).fund(ctx); err != nil {
		return err
	}
	if err := w.inStep(ctx); err != nil {
		return err
	}
	return w.mark(ctx)
}

// load sends requests while weights change: each when it is due, or later, as soon as a connection is free, if the pair does not take the
// rate. All are sent, so that a slow machine takes longer, and the report's rate says so.
func (w *weighing) load(ctx context.Context) error {
	length := weightsLead + time.Duration(len(w.cfg.Weights))*w.cfg.Every + weightsTail
	count := int64(length.Seconds() * float64(w.cfg.Rate))
	begin := time.Now()
	all, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range weightsClients {
		all.Go(func() error {
			for i := next.Add(1) - 1; i < count && ctx.Err() == nil; i = next.Add(1) - 1 {
				if wait := time.Until(begin.Add(time.Duration(i) * time.Second / time.Duration(w.cfg.Rate))); wait > 0 {
					nap(wait)
				}
				w.request(int(i))
			}
			return ctx.Err()
		})
	}
	all.Go(func() error { return w.change(ctx) })
	err := all.Wait()
	w.report.PerS = float64(w.report.Requests) / time.Since(begin).Seconds()
	w.report.LatencyMs = holdOf(w.latency)
	return err
}

// change changes the weight at its times. A change that takes longer than the time to the next one makes that late.
func (w *weighing) change(ctx context.Context) error {
	var took []time.Duration
	at := time.Now().Add(weightsLead)
	for i, weight := range w.cfg.Weights {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Until(at)):
		}
		at = at.Add(w.cfg.Every)
		began := time.Now()
		bounded, cancel := context.WithTimeout(ctx, weightsChangeMax)
		err := w.target.Weigh(bounded, weight)
		cancel()
		if err != nil {
			return err
		}
		took = append(took, time.Since(began))
		w.report.Changes++
		w.progress.Show("changing the weight", int64(i+1), int64(len(w.cfg.Weights)))
	}
	w.report.ChangeMs = holdOf(took)
	return nil
}

// request sends request i.
func (w *weighing) request(i int) {
	sent := time.Now()
	r := rand.New(rand.NewPCG(w.cfg.Seed, uint64(i)))
	from := uint32(i % w.cfg.Accounts)
	if int(r.Uint32N(100)) >= w.cfg.Share {
		w.done(w.do(rawhttp.AppendGet(make([]byte, 0, 160), w.target.Router, accountsPath+w.accounts.names[from]+"/balances")), nil, sent)
		return
	}
	// An account's turns have amounts of their own, so that a payment is known by payer and amount.
	p := Payment{From: from, To: (from + 1 + r.Uint32N(uint32(w.cfg.Accounts-1))) % uint32(w.cfg.Accounts), Units: uint32(1 + i/w.cfg.Accounts)}
	body := (&door{accounts: w.accounts}).appendPayment(nil, p)
	w.done(w.do(rawhttp.AppendPost(make([]byte, 0, 384), w.target.Router, payPath, body)), &p, sent)
}

// do sends a request once. The status is 0 if there was no answer.
func (w *weighing) do(request []byte) (status int) {
	err := w.pool.Do(time.Now().Add(weightsAnswer), request, func(r *rawhttp.Response) {
		if status = r.Status; !r.OK() {
			w.failed("%d %.200s", status, r.Body)
		}
	})
	if err != nil {
		w.failed("no answer: %v", err)
		return 0
	}
	return status
}

func (w *weighing) failed(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.report.example(fmt.Sprintf(format, args...))
}

func (w *weighing) done(status int, p *Payment, sent time.Time) {
	took := time.Since(sent)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.report.Requests++
	w.latency = append(w.latency, took)
	w.report.Statuses[strconv.Itoa(status)]++
	switch {
	case status/100 != 2:
		w.report.Lost++
	case p != nil:
		w.made = append(w.made, *p)
	}
	if status == http.StatusServiceUnavailable {
		w.report.Visible503++
	}
}

// readBack compares what was answered as made with what both ledgers have at rest.
func (w *weighing) readBack(ctx context.Context) error {
	w.say("reading both ledgers back")
	if err := w.inStep(ctx); err != nil {
		return err
	}
	found, err := w.executions(ctx)
	if err != nil {
		return err
	}
	r := &w.report
	r.Payments = len(w.made)
	for _, p := range w.made {
		if x := found[p]; x == nil || len(x[V10]) == 0 || len(x[V11]) == 0 {
			r.Missing++
			r.example(fmt.Sprintf("%s payment of %d units was answered, and is not on both ledgers", w.accounts.names[p.From], p.Units))
		}
	}
	r.Lost += r.Missing
	for p, x := range found {
		if most := max(len(x[V10]), len(x[V11])); most > 1 {
			r.Duplicated += most - 1
			r.example(fmt.Sprintf("%s payment of %d units is there %d times", w.accounts.names[p.From], p.Units, most))
		}
		for _, origin := range x[V10] {
			r.ServedBy[origin.String()]++
		}
	}
	slices.Sort(r.Examples)
	return nil
}

func (r *WeightsReport) example(text string) {
	if len(r.Examples) < examplesMax {
		r.Examples = append(r.Examples, text)
	}
}
