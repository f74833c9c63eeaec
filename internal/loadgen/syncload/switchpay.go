// SPDX-License-Identifier: Apache-2.0

package syncload

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Bounds of a client that pays while slots move.
const (
	switchThink    = 25 * time.Millisecond // between an answer and the next payment
	switchAgain    = 100 * time.Millisecond
	switchGiveUp   = 2 * time.Minute // of one payment, with all its repeats
	switchAnswer   = 30 * time.Second
	switchUnitsMax = 1_000_000 // payments of one client: each has an amount of its own, which names it
	answerBytes    = 64 << 10
)

// payers are clients that pay under a key, and repeat what was not answered for good, as clients of a V10 do.
type payers struct {
	accounts *accounts
	edge     string
	run      uint64 // begins keys: no other run's are the same
	http     *http.Client
	since    func() time.Duration
	sent     atomic.Uint64 // payments that were begun

	mu       sync.Mutex // guards what follows
	answered []answered
	newest   map[uint32]time.Duration // when the newest answered payment of each client began
	lost     []string
	again    int // repeats
}

// answered is a payment that was answered as made, by whom and when.
type answered struct {
	Payment
	begin, end time.Duration
	tries      int
}

func newPayers(a *accounts, edge string, seed uint64, since func() time.Duration) *payers {
	t := &http.Transport{MaxIdleConnsPerHost: connectionsMax, MaxConnsPerHost: connectionsMax}
	return &payers{accounts: a, edge: edge, run: uint64(time.Now().UnixNano()) ^ seed, http: &http.Client{Transport: t, Timeout: switchAnswer}, since: since, newest: map[uint32]time.Duration{}}
}

// fund gives each account what it pays with.
func (p *payers) fund(ctx context.Context) error {
	d := newDoor(p.accounts, p.edge)
	defer d.close()
	var all []Payment
	for i := range p.accounts.funder() {
		all = append(all, Payment{From: p.accounts.funder(), To: i, Units: payerUnits})
	}
	for len(all) > 0 {
		n := min(fundBatch, len(all))
		if err := d.payMany(0, all[:n], unnoted); err != nil {
			return err
		}
		all = all[n:]
	}
	return context.Cause(ctx)
}

// keepPaying pays one after the other until ctx ends, and then waits for the answer to the last one.
func (p *payers) keepPaying(ctx context.Context, from uint32) error {
	others := uint32(len(p.accounts.names) - 2) // the funder is not paid
	for n := uint32(1); ctx.Err() == nil; n++ {
		if n >= switchUnitsMax {
			return fault.New(fault.Invalid, "a client made %d payments, more than there are amounts: fewer cycles", n)
		}
		to := (from + 1 + n%others) % (others + 1)
		if err := p.pay(context.WithoutCancel(ctx), Payment{From: from, To: to, Units: n}); err != nil {
			return err
		}
		nap(switchThink)
	}
	return nil
}

// pay repeats a payment until it is answered for good.
func (p *payers) pay(ctx context.Context, pay Payment) error {
	ctx, cancel := context.WithTimeout(ctx, switchGiveUp)
	defer cancel()
	p.sent.Add(1)
	begin, key := p.since(), fmt.Sprintf("move-%x-%d-%d", p.run, pay.From, pay.Units)
	for tries := 1; ; tries++ {
		status, text, err := p.send(ctx, pay, key)
		switch {
		case err == nil && status == http.StatusOK:
			p.note(answered{pay, begin, p.since(), tries})
			return nil
		case ctx.Err() != nil:
			p.miss(pay, fmt.Sprintf("no answer after %d tries: %d %.100s %v", tries, status, text, err))
			return nil
		case err == nil && status < 500 && status != http.StatusTooManyRequests:
			p.miss(pay, fmt.Sprintf("refused for good at try %d: %d %.200s", tries, status, text))
			return nil
		}
		p.repeat()
		nap(switchAgain)
	}
}

func (p *payers) send(ctx context.Context, pay Payment, key string) (status int, text []byte, err error) {
	body := (&door{accounts: p.accounts}).appendPayment(nil, pay)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.edge+payPath, bytes.NewReader(body))
	if err != nil {
		return 0, nil, fault.Wrap(fault.Invalid, err, "the edge")
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", key)
	answer, err := p.http.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	text, err = io.ReadAll(io.LimitReader(answer.Body, answerBytes))
	return answer.StatusCode, text, err
}

func (p *payers) note(a answered) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answered = append(p.answered, a)
	p.newest[a.From] = a.begin
}

// served reports whether so many clients each have the answer to a payment that began after a moment.
func (p *payers) served(clients int, since time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, begin := range p.newest {
		if begin > since {
			n++
		}
	}
	return n >= clients
}

func (p *payers) miss(pay Payment, why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lost = append(p.lost, p.accounts.names[pay.From]+" payment "+strconv.FormatUint(uint64(pay.Units), 10)+": "+why)
}

func (p *payers) repeat() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.again++
}
