// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// Bounds of tokens and API keys. Both live as long as the process: nothing here asks for them.
const (
	tokenLife  = time.Hour
	apiKeysMax = 1024
	anonymous  = "anonymous"
)

// tokens issues JSON web tokens (HS256) and keeps API keys, by hash. V10's servers asked for neither; clients that insist on
// logging in get what they want. No V10 had a refresh: it is V11's, where a token is traded once. It is safe for concurrent use.
type tokens struct {
	secret   []byte
	now      func() time.Time
	keys     *apiKeys
	sessions *sessions
}

type apiKeys struct {
	mu  sync.Mutex
	all []apiKey // in the order of creation
}

type apiKey struct {
	v10.APIKey
	hash [sha256.Size]byte
}

func newTokens(now func() time.Time) (tokens, error) {
	t := tokens{secret: make([]byte, 32), now: now, keys: &apiKeys{}, sessions: newSessions()}
	_, err := rand.Read(t.secret)
	return t, fault.Wrap(fault.Unavailable, err, "draw a secret")
}

const tokenHead = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9" // {"alg":"HS256","typ":"JWT"}

type claims struct {
	Subject    string `json:"sub"`
	Issued     int64  `json:"iat"`
	Expires    int64  `json:"exp"`
	Session    string `json:"sid"`
	Generation uint32 `json:"gen"` // how often it was refreshed
}

// begin begins a session.
func (t *tokens) begin(user string) v10.Token {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails: it ends the process instead
	return t.issue(claims{Subject: user, Session: hex.EncodeToString(id[:])})
}

// renew trades a token that is still good for the next one of its session.
func (t *tokens) renew(token string) (v10.Token, error) {
	c, err := t.read(token)
	if err != nil {
		return v10.Token{}, err
	}
	if c.Generation, err = t.sessions.trade(&c, t.now()); err != nil {
		return v10.Token{}, err
	}
	return t.issue(c), nil
}

func (t *tokens) issue(c claims) v10.Token {
	now := t.now()
	c.Issued, c.Expires = now.Unix(), now.Add(tokenLife).Unix()
	text, err := json.Marshal(c)
	fault.Invariant(err == nil, "claims do not encode: %v", err)
	signed := tokenHead + "." + base64.RawURLEncoding.EncodeToString(text)
	return v10.Token{
		Success: true, Token: signed + "." + t.mac(signed), TokenType: "Bearer", ExpiresIn: int(tokenLife.Seconds()),
		User: v10.User{Username: c.Subject, Roles: []string{"user"}},
	}
}

func (t *tokens) mac(signed string) string {
	m := hmac.New(sha256.New, t.secret)
	m.Write([]byte(signed))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

var errToken = fault.Reasoned(fault.Denied, v10.ReasonUnauthenticated, v10.TextUnauthorized)

// read reads a token of this process whose time is not over.
func (t *tokens) read(token string) (c claims, err error) {
	signed, mac, ok := cutLast(token)
	if !ok || !hmac.Equal([]byte(mac), []byte(t.mac(signed))) {
		return c, errToken
	}
	_, payload, _ := strings.Cut(signed, ".")
	text, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil || json.Unmarshal(text, &c) != nil || c.Expires <= t.now().Unix() {
		return c, errToken
	}
	return c, nil
}

func cutLast(token string) (before, after string, ok bool) {
	i := strings.LastIndexByte(token, '.')
	if i < 0 {
		return "", "", false
	}
	return token[:i], token[i+1:], true
}

func (s *Server) login(c *call) (any, error) {
	var r v10.Login
	if err := v10.Decode(c.bytes, &r); err != nil {
		return nil, err
	}
	if r.APIKey != "" && !s.tokens.keys.has(r.APIKey) {
		return nil, errToken
	}
	if r.Username == "" {
		r.Username = anonymous
	}
	return s.tokens.begin(r.Username), nil
}

func (s *Server) refresh(c *call) (any, error) {
	var r v10.Refresh
	if err := v10.Decode(c.bytes, &r); err != nil {
		return nil, err
	}
	if r.Token == "" {
		r.Token, _ = strings.CutPrefix(c.Header.Get("Authorization"), "Bearer ")
	}
	return s.tokens.renew(r.Token)
}

func (s *Server) apiKeys(*call) (any, error) {
	k := s.tokens.keys
	k.mu.Lock()
	defer k.mu.Unlock()
	list := v10.APIKeyList{Keys: make([]v10.APIKey, len(k.all)), Total: len(k.all)}
	for i := range k.all {
		list.Keys[i] = k.all[i].APIKey
	}
	return list, nil
}

func (s *Server) createAPIKey(c *call) (any, error) {
	var r v10.CreateAPIKey
	if err := v10.Decode(c.bytes, &r); err != nil {
		return nil, err
	}
	var secret [24]byte
	if _, err := rand.Read(secret[:]); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "draw an API key")
	}
	text := "ak_" + hex.EncodeToString(secret[:])
	hash := sha256.Sum256([]byte(text))
	key := v10.APIKey{ID: "key_" + hex.EncodeToString(hash[:6]), Name: strings.Clone(r.Name), Roles: slices.Clone(r.Roles), Accounts: slices.Clone(r.Accounts), Created: s.now()}
	if key.Roles == nil {
		key.Roles = []string{}
	}
	if key.Accounts == nil {
		key.Accounts = []string{}
	}
	return v10.APIKeyCreated{Success: true, Key: key, APIKey: text}, s.tokens.keys.add(apiKey{key, hash})
}

func (k *apiKeys) add(key apiKey) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.all) == apiKeysMax {
		return fault.Reasoned(fault.TryLater, "api_keys", "%d API keys are kept already: delete one", apiKeysMax)
	}
	k.all = append(k.all, key)
	return nil
}

func (k *apiKeys) has(secret string) bool {
	hash := sha256.Sum256([]byte(secret))
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.ContainsFunc(k.all, func(key apiKey) bool { return key.hash == hash })
}

func (s *Server) deleteAPIKey(c *call) (any, error) {
	k, id := s.tokens.keys, c.params.Get("id")
	k.mu.Lock()
	defer k.mu.Unlock()
	i := slices.IndexFunc(k.all, func(key apiKey) bool { return key.ID == id })
	if i < 0 {
		return v10.Done{Message: v10.TextNoKey}, nil
	}
	k.all = slices.Delete(k.all, i, i+1)
	return v10.Done{Success: true}, nil
}
