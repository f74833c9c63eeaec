// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// Login trades an API key, alone or as a password, or a user's password for a token. Denied with v10.ReasonUnauthenticated: they are
// not good, and it takes as long for a user who does not exist. TryLater with v10.ReasonRate: too many wrong ones, or too many at once.
func (g *Guard) Login(ctx context.Context, q *v10.Login) (v10.Token, error) {
	if g.cfg.Open && q.APIKey == "" { // who shows a key learns whether it is good
		name := q.Username
		if name == "" {
			name = "anybody"
		}
		return g.begin(g.anybody, name)
	}
	key := q.APIKey
	if key == "" && strings.HasPrefix(q.Password, keyPrefix) {
		key = q.Password
	}
	if key != "" {
		return g.loginByKey(key)
	}
	return g.loginByPassword(ctx, q.Username, q.Password)
}

func (g *Guard) loginByKey(text string) (v10.Token, error) {
	if !isKeyText(text) {
		return v10.Token{}, g.refuse(refusedMalformed)
	}
	c, err := g.byKey(text)
	if err != nil {
		return v10.Token{}, err
	}
	return g.begin(c, g.keys.value.Load().nameOf(keyID(text)))
}

func (g *Guard) loginByPassword(ctx context.Context, name, password string) (v10.Token, error) {
	if len(password) > PasswordBytesMax || !userName.MatchString(name) {
		return v10.Token{}, g.refuse(refusedMalformed)
	}
	if wait, ok := g.backoff.try(name, time.Now()); !ok {
		g.metrics.limited.WithLabelValues("password").Inc()
		return v10.Token{}, limited(wait, "Too many wrong passwords")
	}
	user, known := g.users.value.Load().by[name]
	hash, why := &noPassword, refusedUser
	if known {
		hash, why = user.hash, refusedPassword
	}
	matches, err := g.hashers.matches(ctx, hash, password)
	if err != nil {
		g.metrics.limited.WithLabelValues("logins").Inc()
		return v10.Token{}, err
	}
	if !matches || !known {
		return v10.Token{}, g.refuse(why)
	}
	g.backoff.right(name)
	g.metrics.identified.WithLabelValues(kindUser).Inc()
	c := g.caller(kindUser, name, user.permit)
	return g.begin(c, name)
}

// begin begins a session.
func (g *Guard) begin(c *Caller, shown string) (v10.Token, error) {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails: it ends the process instead
	now := time.Now()
	return g.issue(c, &claims{
		RegisteredClaims: jwt.RegisteredClaims{Subject: c.subject()}, Session: hex.EncodeToString(id[:]), Began: now.Unix(),
	}, shown, now)
}

// issue signs a token for a session that goes on.
func (g *Guard) issue(c *Caller, claim *claims, shown string, now time.Time) (v10.Token, error) {
	end := now.Add(g.cfg.TokenLife)
	if last := g.sessionEnd(claim); last.Before(end) {
		end = last
	}
	claim.Issuer, claim.Audience = localIssuer, jwt.ClaimStrings{localIssuer}
	claim.IssuedAt, claim.ExpiresAt = numeric(now), numeric(end)
	text, err := g.tokens.sign(claim)
	if err != nil {
		return v10.Token{}, err
	}
	return v10.Token{
		Success: true, Token: text, TokenType: "Bearer", ExpiresIn: int(end.Sub(now) / time.Second),
		User: v10.User{Username: shown, Roles: c.Roles().Names()},
	}, nil
}

func (g *Guard) sessionEnd(c *claims) time.Time { return time.Unix(c.Began, 0).Add(g.cfg.SessionLife) }

// Refresh trades a token of this server that is still good for the next one, and the old one is good no more. One that was traded before
// ends the session: somebody has a copy. Denied with v10.ReasonUnauthenticated: it is not good, or the session has lasted SessionLife.
func (g *Guard) Refresh(_ context.Context, token string) (v10.Token, error) {
	if !isTokenText(token) {
		return v10.Token{}, g.refuse(refusedMalformed)
	}
	claim, from, why, err := g.tokens.read(token)
	switch {
	case err != nil:
		return v10.Token{}, err
	case why != "":
		return v10.Token{}, g.refuse(why)
	case from != nil:
		return v10.Token{}, g.refuse(refusedIssuer) // its provider refreshes it
	}
	c, err := g.bySubject(claim.Subject)
	if err != nil {
		return v10.Token{}, err
	}
	now := time.Now()
	if !now.Before(g.sessionEnd(claim)) {
		return v10.Token{}, g.refuse(refusedSession)
	}
	next := *claim
	next.Generation, why, err = g.sessions.renew(claim, g.sessionEnd(claim))
	switch {
	case err != nil:
		g.metrics.limited.WithLabelValues("sessions").Inc()
		return v10.Token{}, err
	case why != "":
		return v10.Token{}, g.refuse(why)
	}
	return g.issue(c, &next, g.shownName(c), now)
}

// bySubject is the caller of a token of this server, as its key or user is now.
func (g *Guard) bySubject(subject string) (*Caller, error) {
	kind, name, _ := strings.Cut(subject, "/")
	switch kind {
	case kindOpen:
		if g.cfg.Open {
			return g.anybody, nil
		}
	case kindKey:
		if held := g.keys.value.Load().by[name]; held != nil {
			g.metrics.identified.WithLabelValues("token").Inc()
			return g.keyCaller(name, held), nil
		}
	case kindUser:
		if held := g.users.value.Load().by[name]; held != nil {
			g.metrics.identified.WithLabelValues("token").Inc()
			return g.caller(kindUser, name, held.permit), nil
		}
	}
	return nil, g.refuse(refusedSession)
}

func (g *Guard) shownName(c *Caller) string {
	switch c.kind {
	case kindKey:
		return g.keys.value.Load().nameOf(c.name)
	case kindUser:
		return c.name
	}
	return "anybody"
}

func (s *keySet) nameOf(id string) string {
	if held := s.by[id]; held != nil {
		return held.name
	}
	return id
}

// admin refuses who may not keep keys.
func (g *Guard) admin(c *Caller) error {
	switch {
	case !c.permit.roles.Has(Admin):
		return fault.Reasoned(fault.Denied, "role_denied", "This caller may not do this: it needs the role admin")
	case g.cfg.Keys == "":
		return fault.Reasoned(fault.Unavailable, v10.ReasonNotImplemented, "This server keeps no API keys: its settings name no file for them")
	}
	return nil
}

// Keys lists the API keys.
func (g *Guard) Keys(_ context.Context, c *Caller) ([]v10.APIKey, error) {
	if err := g.admin(c); err != nil {
		return nil, err
	}
	held := g.keys.value.Load().keys
	all := make([]v10.APIKey, len(held))
	for i := range held {
		all[i] = shownKey(&held[i])
	}
	return all, nil
}

func shownKey(k *Key) v10.APIKey {
	roles, _ := ParseRoles(k.Roles) // checked when it was read
	return v10.APIKey{ID: k.ID, Name: k.Name, Roles: roles.Names(), Accounts: k.shown(), Created: v10.Time(max(0, k.Created.UnixMilli()))}
}

// CreateKey makes an API key, for the accounts that it names and no others. Without roles it is a payer's.
func (g *Guard) CreateKey(_ context.Context, c *Caller, q *v10.CreateAPIKey) (v10.APIKeyCreated, error) {
	if err := g.admin(c); err != nil {
		return v10.APIKeyCreated{}, err
	}
	roles := q.Roles
	if len(roles) == 0 {
		roles = Payer.Names()
	}
	if slices.Contains(roles, Gateway.Names()[0]) {
		// It could act for every account: who keeps keys over the API must not make one.
		return v10.APIKeyCreated{}, fault.Reasoned(fault.Denied, "role_denied", "A gateway's key is made with `aurigraph apikey new`")
	}
	k, text, err := NewKey(g.cfg.Keys, q.Name, Grant{Roles: roles, Accounts: q.Accounts})
	if err != nil {
		return v10.APIKeyCreated{}, err
	}
	g.look()
	return v10.APIKeyCreated{Success: true, Key: shownKey(&k), APIKey: text}, nil
}

// DeleteKey revokes an API key, at once in this process and within a second in others. It reports whether there was such a key.
func (g *Guard) DeleteKey(_ context.Context, c *Caller, id string) (bool, error) {
	if err := g.admin(c); err != nil {
		return false, err
	}
	err := RevokeKey(g.cfg.Keys, id)
	if fault.Is(err, fault.NotFound) {
		return false, nil
	}
	g.look()
	return err == nil, err
}
