// SPDX-License-Identifier: Apache-2.0

package access

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/aurigraph/aurigraph/internal/access/jwks"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// localIssuer is the issuer, and the audience, of this server's own tokens.
const localIssuer = "aurigraph"

// subjectBytesMax bounds the subject of an identity provider's token.
const subjectBytesMax = 256

// claims is what a token says. The first three are of this server's tokens, the last three of identity providers'.
type claims struct {
	jwt.RegisteredClaims
	Session    string `json:"sid,omitempty"`
	Generation uint32 `json:"gen,omitempty"`       // how often it was refreshed
	Began      int64  `json:"auth_time,omitempty"` // of the login, s since 1970

	Roles    []string `json:"aurigraph_roles,omitempty"`
	Accounts []string `json:"aurigraph_accounts,omitempty"`
	Prefixes []string `json:"aurigraph_account_prefixes,omitempty"`
}

// tokens signs and reads tokens.
type tokens struct {
	key       ed25519.PrivateKey
	parser    *jwt.Parser
	local     *jwt.Validator
	providers map[string]*provider // by the claim iss
	verified  *verified
}

// provider is an identity provider.
type provider struct {
	name      string
	roles     Roles // that it may grant
	keys      *jwks.Keys
	validator *jwt.Validator
}

func newTokens(key ed25519.PrivateKey) *tokens {
	return &tokens{
		key: key,
		// Claims are validated by who is meant to have issued them; the signature always is, and first.
		parser:    jwt.NewParser(jwt.WithValidMethods(jwks.Algorithms()), jwt.WithStrictDecoding(), jwt.WithoutClaimsValidation()),
		local:     jwt.NewValidator(jwt.WithIssuer(localIssuer), jwt.WithAudience(localIssuer), jwt.WithExpirationRequired()),
		providers: map[string]*provider{},
		verified:  newVerified(),
	}
}

func (t *tokens) sign(c *claims) (string, error) {
	text, err := jwt.NewWithClaims(jwt.SigningMethodEdDSA, c).SignedString(t.key)
	return text, fault.Wrap(fault.Internal, err, "sign a token")
}

// errRefused carries a refusal through the parser.
type errRefused struct{ why refusal }

func (e errRefused) Error() string { return string(e.why) }

// read verifies a token. The provider is nil for one of this server. Unavailable: the provider's keys cannot be had. The claims are
// shared: a copy is changed.
func (t *tokens) read(text string) (c *claims, from *provider, why refusal, err error) {
	known, ok := t.verified.get(text)
	if !ok {
		if known.claims, known.from, why, err = t.verify(text); err != nil || why != "" {
			return nil, nil, why, err
		}
		t.verified.put(text, known.claims, known.from)
	}
	validator := t.local
	if known.from != nil {
		validator = known.from.validator
	}
	if validator.Validate(known.claims) != nil {
		return nil, nil, refusedToken, nil
	}
	return known.claims, known.from, "", nil
}

// verify checks who signed a token, and nothing that it says.
func (t *tokens) verify(text string) (c *claims, from *provider, why refusal, err error) {
	c = &claims{}
	_, err = t.parser.ParseWithClaims(text, c, func(token *jwt.Token) (any, error) {
		var public crypto.PublicKey
		var errKey error
		public, from, errKey = t.keyOf(token, c.Issuer)
		return public, errKey
	})
	var refused errRefused
	switch {
	case errors.As(err, &refused):
		return nil, nil, refused.why, nil
	case fault.Is(err, fault.Unavailable):
		return nil, nil, "", fault.Reasoned(fault.Unavailable, "key_set_missing", "The identity provider's keys cannot be had now")
	case err != nil:
		return nil, nil, refusedToken, nil
	}
	return c, from, "", nil
}

// keyOf chooses the key by what an unverified token says of itself: only from whom it names, and for the algorithm that it names.
func (t *tokens) keyOf(token *jwt.Token, iss string) (crypto.PublicKey, *provider, error) {
	// An extension that must be understood is not (RFC 7515, 4.1.11), and the library does not look.
	if _, critical := token.Header["crit"]; critical {
		return nil, nil, errRefused{refusedToken}
	}
	if iss == localIssuer {
		if token.Method != jwt.SigningMethodEdDSA {
			return nil, nil, errRefused{refusedToken}
		}
		return t.key.Public(), nil, nil
	}
	from, known := t.providers[iss]
	if !known {
		return nil, nil, errRefused{refusedIssuer}
	}
	kid, _ := token.Header["kid"].(string)
	public, err := from.keys.Key(kid, token.Method.Alg())
	if fault.Is(err, fault.NotFound) {
		return nil, nil, errRefused{refusedKeySet}
	}
	return public, from, err
}

// caller is whom a provider's token stands for.
func (i *provider) caller(c *claims, otherwise Limits) (*Caller, refusal) {
	if c.Subject == "" || len(c.Subject) > subjectBytesMax {
		return nil, refusedClaims
	}
	g := Grant{Roles: c.Roles, Accounts: c.Accounts, Prefixes: c.Prefixes}
	p, err := g.compile(otherwise)
	if err != nil {
		return nil, refusedClaims
	}
	if p.roles &= i.roles; p.roles == 0 {
		return nil, refusedClaims
	}
	return &Caller{kind: kindIssuer, name: i.name + "/" + c.Subject, permit: p}, ""
}

// addProviders starts no fetch: run does.
func (g *Guard) addProviders() error {
	for i := range g.cfg.Providers {
		cfg := &g.cfg.Providers[i]
		roles, leeway := Reader|Payer, cfg.Leeway
		if len(cfg.Roles) > 0 {
			roles, _ = ParseRoles(cfg.Roles) // validated
		}
		if leeway == 0 {
			leeway = leewayDefault
		}
		keys, err := jwks.New(jwks.Config{Source: cfg.KeySet, Fetch: g.parts.Fetch, Done: func(err error) { g.reloaded("key_set", cfg.KeySet, err) }})
		if err != nil {
			return err
		}
		g.tokens.providers[cfg.Issuer] = &provider{name: cfg.Name, roles: roles, keys: keys, validator: jwt.NewValidator(
			jwt.WithIssuer(cfg.Issuer), jwt.WithAudience(cfg.Audience), jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(leeway))}
	}
	return nil
}

// tokenKeyType is the PEM type of the file that the signing key is in: PKCS #8, as other programs write it.
const tokenKeyType = "PRIVATE KEY"

// tokenKey reads the key of a file, or makes both; without a path it makes a key.
func tokenKey(path string) (key ed25519.PrivateKey, err error) {
	if path == "" {
		_, key, err = ed25519.GenerateKey(rand.Reader)
		return key, fault.Wrap(fault.Internal, err, "draw a key for tokens")
	}
	err = exclusive(path, func() error {
		text, err := readPrivate(path)
		if errors.Is(err, os.ErrNotExist) {
			key, err = makeTokenKey(path)
			return err
		}
		if err != nil {
			return err
		}
		defer clear(text)
		key, err = parseTokenKey(text)
		return fault.Wrap(fault.KindOf(err), err, "%s", path)
	})
	return key, err
}

func makeTokenKey(path string) (ed25519.PrivateKey, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "draw a key for tokens")
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "encode a key for tokens")
	}
	return key, replacePrivate(path, pem.EncodeToMemory(&pem.Block{Type: tokenKeyType, Bytes: der}))
}

func parseTokenKey(text []byte) (ed25519.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != tokenKeyType {
		return nil, fault.New(fault.Corrupt, "holds no private key in PEM")
	}
	any, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := any.(ed25519.PrivateKey)
	if err != nil || !ok {
		return nil, fault.New(fault.Corrupt, "holds no Ed25519 key")
	}
	return key, nil
}

// run keeps the key sets fresh until ctx ends.
func (t *tokens) run(ctx context.Context, start func(func())) {
	for _, i := range t.providers {
		start(func() { i.keys.Run(ctx) })
	}
}

func numeric(t time.Time) *jwt.NumericDate { return jwt.NewNumericDate(t) }
