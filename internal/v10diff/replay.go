// SPDX-License-Identifier: Apache-2.0

package v10diff

import (
	"context"
	"strings"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Config is a comparison.
type Config struct {
	A, B     Server
	Corpus   []Request
	Rules    []Rule                // the first that matches counts
	Run      string                // $RUN: 1 to 16 letters and digits that no run on these servers had before
	Progress func(done, total int) // nil: nobody is told
}

// againPause is how long to wait before both are asked again for what may lag.
const againPause = 100 * time.Millisecond

// Run plays the corpus against both servers and compares what they answer. The report tells all that differs; an error says that
// the question could not be asked. Invalid: an address or the corpus will not do. NotFound: no payer. Unavailable: a server
// cannot be reached at the start, or ctx ended.
func Run(ctx context.Context, cfg Config) (*Report, error) {
	began := time.Now()
	p, err := newPlayer(cfg)
	if err != nil {
		return nil, err
	}
	defer p.close()
	if err := p.greet(ctx); err != nil {
		return nil, err
	}
	for i := range cfg.Corpus {
		if cfg.Progress != nil {
			cfg.Progress(i, len(cfg.Corpus))
		}
		if err := p.play(ctx, &cfg.Corpus[i]); err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "interrupted after %d of %d requests", i, len(cfg.Corpus))
		}
	}
	r := p.tally.done()
	r.A, r.B, r.Run, r.Requests = cfg.A.URL, cfg.B.URL, cfg.Run, len(cfg.Corpus)
	r.Seconds = time.Since(began).Seconds()
	return r, nil
}

// player plays a corpus. It is used by one goroutine.
type player struct {
	a, b  *caller
	rules []*Rule
	ids   *ids
	tally *tally
	payer bool // the corpus needs one
}

func newPlayer(cfg Config) (*player, error) {
	if cfg.Run == "" || len(cfg.Run) > runBytesMax || strings.Trim(cfg.Run, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz") != "" {
		return nil, fault.New(fault.Invalid, "run %q: 1 to %d letters and digits", cfg.Run, runBytesMax)
	}
	a, err := newCaller(cfg.A)
	if err != nil {
		return nil, err
	}
	b, err := newCaller(cfg.B)
	if err != nil {
		return nil, err
	}
	p := &player{a: a, b: b, ids: newIDs(), tally: newTally()}
	for _, c := range []*caller{a, b} {
		c.vars["RUN"] = cfg.Run
	}
	for i := range cfg.Rules {
		p.rules = append(p.rules, &cfg.Rules[i])
	}
	for i := range cfg.Corpus {
		r := &cfg.Corpus[i]
		p.payer = p.payer || strings.Contains(r.Path+r.payload(), "$PAYER")
	}
	return p, nil
}

func (p *player) close() {
	p.a.client.CloseIdleConnections()
	p.b.client.CloseIdleConnections()
}

// greet makes sure that both are there, and knows who pays.
func (p *player) greet(ctx context.Context) error {
	for _, c := range []*caller{p.a, p.b} {
		got, err := c.ask(ctx, concrete{method: "GET", target: "/"})
		if err != nil {
			return fault.Wrap(fault.Unavailable, err, "interrupted")
		}
		if got.failure != "" {
			return fault.New(fault.Unavailable, "%s: %s: does a server run there?", c.server.URL, got.failure)
		}
		if !p.payer {
			continue
		}
		if c.vars["PAYER"], err = c.payer(ctx); err != nil {
			return err
		}
	}
	return nil
}

// pair is one request as both were asked, and what they answered.
type pair struct {
	result  *comparison
	noisy   map[string]bool
	answers [2]*answer
}

// play plays one request. The error is the end of ctx.
func (p *player) play(ctx context.Context, r *Request) error {
	toA, lacks := r.concrete(p.a.vars)
	if lacks != "" {
		p.tally.skip("A did not answer what is to be sent: $"+lacks, r.Method+" "+r.Path)
		return nil
	}
	toB, lacks := r.concrete(p.b.vars)
	if lacks != "" {
		p.tally.skip("B did not answer what is to be sent: $"+lacks, r.Method+" "+r.Path)
		return nil
	}
	got, err := p.exchange(ctx, r, toA, toB)
	for until := time.Now().Add(r.until); err == nil && got.unexplained() && time.Now().Before(until); {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(againPause):
		}
		got, err = p.exchange(ctx, r, toA, toB)
	}
	if err != nil {
		return err
	}
	p.settle(r, toA, got)
	return nil
}

// exchange asks both, and A once more if nothing changes by it.
func (p *player) exchange(ctx context.Context, r *Request, toA, toB concrete) (got pair, err error) {
	if got.answers[0], err = p.a.ask(ctx, toA); err != nil {
		return got, err
	}
	if got.answers[1], err = p.b.ask(ctx, toB); err != nil {
		return got, err
	}
	rules := onRow(p.rules, r.row)
	if r.reads {
		again, err := p.a.ask(ctx, toA)
		if err != nil {
			return got, err
		}
		got.noisy = map[string]bool{}
		moving(got.noisy, rules, got.answers[0], again)
	}
	got.result = newComparison(rules, p.ids, false)
	got.result.compare(got.answers[0], got.answers[1])
	return got, nil
}

// moving notes the fields in which a server differs from itself.
func moving(fields map[string]bool, rules []*Rule, a, b *answer) {
	self := newComparison(rules, newIDs(), true)
	self.compare(a, b)
	for _, d := range self.found {
		fields[d.at.field()] = true
	}
}

func onRow(rules []*Rule, row string) []*Rule {
	var on []*Rule
	for _, r := range rules {
		if r.onRow(row) {
			on = append(on, r)
		}
	}
	return on
}

func (g *pair) unexplained() bool {
	for _, d := range g.result.found {
		if !isNoise(d.at, g.noisy) {
			return true
		}
	}
	return false
}

// settle keeps what was found, and what later requests need.
func (p *player) settle(r *Request, sent concrete, got pair) {
	p.a.vars.save(r, got.answers[0].body)
	p.b.vars.save(r, got.answers[1].body)
	what := shortRequest(sent)
	if got.answers[0].failure != "" && got.answers[1].failure != "" {
		p.tally.skip("neither answered", what)
		return
	}
	p.ids.merge(got.result.fresh)
	p.tally.add(r.row, what, got.result, got.noisy)
}

func shortRequest(r concrete) string {
	text := r.method + " " + r.target
	if r.body != "" {
		text += " " + r.body
	}
	text = strings.ReplaceAll(text, "\n", "\\n")
	if len(text) > 2*shownBytesMax {
		return strings.ToValidUTF8(text[:2*shownBytesMax], "") + "…"
	}
	return strings.ToValidUTF8(text, "�")
}
