// SPDX-License-Identifier: Apache-2.0

package router

import (
	"strings"

	"github.com/aurigraph/aurigraph/internal/hop"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// Rule says what a proxy does with the requests of one endpoint of the dialect.
type Rule struct {
	Method string // GET stands for HEAD too
	Path   string // as in package v10's table
	Member string // member of the body that names the account; empty: it is not in the body
	InPath bool   // the path's {id} names the account
	// Again: a POST whose answer was lost may be given to another server of V11, which knows it by its key or by the proxy's id.
	Again bool
	// Stream: request or answer have no end in sight, so neither is gathered, and silence is no failure.
	Stream bool

	endpoint *v10.Endpoint
}

// openAccount opens an account, which debits nobody; its home is that of its name.
const openAccount = "/api/v10/accounts"

const accountPath = openAccount + "/{id}"

// members are the members that name an account, by v10's word for them. Those of several payments have several payers, and whoever gets
// them parts them.
var members = map[v10.AccountKey]string{v10.KeyBodyFrom: "from", v10.KeyBodyIssuer: "issuer"}

var rules = buildRules()

var ruleOf = func() map[*v10.Endpoint]*Rule {
	byEndpoint := make(map[*v10.Endpoint]*Rule, len(rules))
	for i := range rules {
		byEndpoint[rules[i].endpoint] = &rules[i]
	}
	return byEndpoint
}()

// Rules lists the endpoints that are not treated as all others are, in the order of v10's table. All others have no account, are gathered,
// and are sent again only if they change nothing.
func Rules() []Rule { return rules }

func buildRules() []Rule {
	var out []Rule
	endpoints := v10.Endpoints()
	for i := range endpoints {
		e := &endpoints[i]
		r := Rule{Method: e.Method, Path: e.Path, Member: members[e.AccountKey], endpoint: e}
		switch _, payment := e.Request.(v10.Submit); {
		case e.Path == openAccount && e.Method == "POST":
			r.Member = "account"
		case payment && e.AccountKey == v10.KeyNone: // it is only estimated, where its payer's balance is
			r.Member = "from"
		}
		r.InPath = e.Path == accountPath || strings.HasPrefix(e.Path, accountPath+"/")
		r.Stream = e.AccountKey == v10.KeyStreamFrom || e.Content == "text/event-stream" || e.Content == "websocket"
		r.Again = e.Method == "POST" && !r.Stream && !e.Is501() && (e.Retry == v10.RetryRead || e.Retry == v10.RetryKeyed && (debits(e) || e.Idempotent))
		if r.Member != "" || r.InPath || r.Stream || r.Again {
			out = append(out, r)
		}
	}
	return out
}

// debits reports whether an endpoint makes payments, which have keys.
func debits(e *v10.Endpoint) bool {
	return e.AccountKey == v10.KeyBodyFrom || e.AccountKey == v10.KeyBatchFrom
}

// Locate finds the rule of a request, and its account if that is in the path. escapedPath is the path as the client wrote it.
func Locate(method, escapedPath string) (r Rule, account string) {
	e, params, err := v10.Match(method, escapedPath)
	if err != nil {
		return Rule{}, ""
	}
	found := ruleOf[e]
	if found == nil {
		return Rule{}, ""
	}
	if found.InPath {
		account = params.Get("id")
	}
	return *found, account
}

// AccountIn reads the account in a body of the rule's endpoint, "" if there is none, or the body is not what the endpoint takes: whoever
// gets it says so.
func (r *Rule) AccountIn(body []byte) string {
	switch r.Member {
	case "from":
		p, _ := v10.DecodeSubmit(body) // a payment that is refused has a payer too
		return p.From
	case "issuer":
		var q struct {
			Issuer string `json:"issuer"`
		}
		_ = v10.Decode(body, &q) // as above
		return q.Issuer
	case "account":
		var q struct {
			Account string `json:"account"`
		}
		_ = v10.Decode(body, &q) // as above
		return q.Account
	}
	return ""
}

// RequestIDHeader is on every request that a router passes on: its own id of it, one for all tries, whatever the client sent there. V11 knows a
// payment by it that has no key and comes again.
const RequestIDHeader = "X-Aurigraph-Request-Id"

// Reserved lists the headers that routers, hops and guards put on requests. From a client they are worth nothing, and do not pass.
func Reserved() []string { return reserved }

// generationHeader is the guard's own stamp on what it lets through to V10.
const generationHeader = "X-Aurigraph-Generation"

var reserved = []string{hop.Header, generationHeader}
