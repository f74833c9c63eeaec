// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// lookEvery is how often the files are looked at: so long a revoked key may go on.
const lookEvery = time.Second

// Guard knows who may call. Make it with New; Run keeps it fresh. It is safe for concurrent use, and its errors have kinds.
type Guard struct {
	cfg      Config
	parts    Parts
	metrics  *metrics
	limiter  *limiter
	keys     *watched[keySet]
	users    *watched[userSet]
	tokens   *tokens
	sessions *sessions
	hashers  *hashers
	backoff  *backoff
	anybody  *Caller // on an open network
}

// New makes a guard. Invalid: the settings or a file will not do. Denied: others may access a file.
func New(cfg Config, p Parts) (*Guard, error) {
	cfg.setDefaults()
	p.setDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	m := newMetrics(p.Metrics)
	g := &Guard{
		cfg: cfg, parts: p, metrics: m, limiter: newLimiter(m), sessions: newSessions(), hashers: newHashers(), backoff: newBackoff(),
	}
	g.anybody = &Caller{kind: kindOpen, permit: &permit{roles: anyRole | Gateway, all: true}, limiter: g.limiter}
	var err error
	if g.keys, err = watch(cfg.Keys, func(text []byte) (*keySet, error) { return parseKeys(text, cfg.Limits) }); err != nil {
		return nil, err
	}
	if g.users, err = watch(cfg.Users, func(text []byte) (*userSet, error) { return parseUsers(text, cfg.Limits) }); err != nil {
		return nil, err
	}
	key, err := tokenKey(cfg.TokenKey)
	if err != nil {
		return nil, err
	}
	g.tokens = newTokens(key)
	if err := g.addProviders(); err != nil {
		return nil, err
	}
	g.watchSizes(p.Metrics)
	g.announce()
	return g, nil
}

func (g *Guard) announce() {
	if g.cfg.Open {
		g.metrics.open.Set(1)
		g.parts.Log.Warn("ACCESS IS OPEN: whoever reaches this server may act for every account")
		return
	}
	g.parts.Log.Info("access is for callers who are known", slog.Int(obs.KeyCount, len(g.keys.value.Load().keys)))
}

// Mode is open or required.
func (g *Guard) Mode() string {
	if g.cfg.Open {
		return "open"
	}
	return "required"
}

// Run reads files and key sets again when they changed, until ctx ends.
func (g *Guard) Run(ctx context.Context) error {
	var beside sync.WaitGroup
	defer beside.Wait()
	g.tokens.run(ctx, beside.Go)
	ticks := time.NewTicker(lookEvery)
	defer ticks.Stop()
	for {
		select {
		case <-ticks.C:
			g.look()
		case <-ctx.Done():
			return nil
		}
	}
}

func (g *Guard) look() {
	if changed, err := g.keys.reload(); changed || err != nil {
		g.reloaded("keys", g.cfg.Keys, err)
	}
	if changed, err := g.users.reload(); changed || err != nil {
		g.reloaded("users", g.cfg.Users, err)
	}
}

func (g *Guard) reloaded(what, source string, err error) {
	if err == nil {
		g.metrics.reloads.WithLabelValues(what, "ok").Inc()
		return
	}
	g.metrics.reloads.WithLabelValues(what, "failed").Inc()
	g.parts.Log.Error("what was read last goes on to count: "+what, slog.String(obs.KeyFile, source), obs.Err(err))
}

// Identify says who shows some headers. Denied with v10.ReasonUnauthenticated: nobody who is known, and the caller is told no
// more; why is counted. Unavailable: an identity provider's keys cannot be had.
func (g *Guard) Identify(_ context.Context, h Headers) (*Caller, error) {
	if g.cfg.Open {
		g.metrics.identified.WithLabelValues(kindOpen).Inc()
		return g.anybody, nil
	}
	shown, why := h.read()
	if why != "" {
		return nil, g.refuse(why)
	}
	if shown.key != "" {
		return g.byKey(shown.key)
	}
	c, _, err := g.byToken(shown.token)
	return c, err
}

// Enter identifies the caller of an HTTP request and counts the request against its limits until leave is called. TryLater with
// v10.ReasonRate: there are too many; RetryAfter says when not.
func (g *Guard) Enter(ctx context.Context, h http.Header) (c *Caller, leave func(), err error) {
	return g.enter(ctx, Headers{APIKey: h["X-Api-Key"], Authorization: h["Authorization"]})
}

// EnterBy is Enter for other protocols than HTTP. The request is counted until ctx ends, as the context of a request does.
func (g *Guard) EnterBy(ctx context.Context, h Headers) (*Caller, error) {
	c, leave, err := g.enter(ctx, h)
	if err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, leave)
	return c, nil
}

func (g *Guard) enter(ctx context.Context, h Headers) (c *Caller, leave func(), err error) {
	if c, err = g.Identify(ctx, h); err != nil {
		return nil, nil, err
	}
	if leave, err = g.limiter.begin(c); err != nil {
		return nil, nil, err
	}
	return c, leave, nil
}

func (g *Guard) byKey(text string) (*Caller, error) {
	held := g.keys.value.Load().find(text)
	if held == nil {
		return nil, g.refuse(refusedKey)
	}
	g.metrics.identified.WithLabelValues(kindKey).Inc()
	return g.keyCaller(keyID(text), held), nil
}

func (g *Guard) keyCaller(id string, held *heldKey) *Caller {
	c := g.caller(kindKey, id, held.permit)
	c.as = held.caller
	return c
}

func (g *Guard) caller(kind, name string, p *permit) *Caller {
	return &Caller{kind: kind, name: name, permit: p, limiter: g.limiter}
}

// byToken reads a token, and for one of this server looks up what its key or user may do now.
func (g *Guard) byToken(text string) (*Caller, *claims, error) {
	claims, from, why, err := g.tokens.read(text)
	switch {
	case err != nil:
		return nil, nil, err
	case why != "":
		return nil, nil, g.refuse(why)
	case from != nil:
		c, why := from.caller(claims, g.cfg.Limits)
		if why != "" {
			return nil, nil, g.refuse(why)
		}
		c.limiter = g.limiter
		g.metrics.identified.WithLabelValues(kindIssuer).Inc()
		return c, claims, nil
	}
	if !g.sessions.current(claims) {
		return nil, nil, g.refuse(refusedSession)
	}
	c, err := g.bySubject(claims.Subject)
	return c, claims, err
}

// refuse counts why, and says nothing of it.
func (g *Guard) refuse(why refusal) error {
	g.metrics.refused.WithLabelValues(string(why)).Inc()
	return fault.Reasoned(fault.Denied, v10.ReasonUnauthenticated, "%s", v10.TextUnauthorized)
}
