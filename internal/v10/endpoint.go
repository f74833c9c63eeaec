// SPDX-License-Identifier: Apache-2.0

package v10

import "strings"

// Endpoint is one row of the table: a method on a path.
type Endpoint struct {
	Method     string     // GET, POST, PUT or DELETE; GET serves HEAD too
	Path       string     // fixed segments and {name}; at most ParamsMax of these
	Group      Group      // what the documents list it under, and the circuit breaker's unit
	RPC        string     // Service.Method of the gRPC API that does the same; empty: answered from the node's own condition
	AccountKey AccountKey // where the debited account stands; empty: nothing is debited
	Query      []Param    // members of the query string that are looked at; others are ignored
	Request    any        // zero value of the body's type; nil: no body
	Response   any        // zero value of the type that a 200 carries; nil: not JSON, see Content
	Content    string     // content type of a 200 that is not JSON
	Idempotent bool       // twice is once, whatever else the caller sends
	DeadlineMs uint32     // how long the server works on it before it answers 504
	Retry      Retry      // what a gateway may do when the answer was lost
	Errors     Family     // the form of its error bodies
	Status     Status     // served, or not_implemented
	Missing    Missing    // the engine that a not_implemented one waits for
	Example    string     // a path that answers 200, with <account>, <transaction>, … to be filled in; see ExampleWith
	Choice     string     // where V10's servers disagree: whose answer this is, and why
	Note       string     // what a reader must know besides
	Typed      string     // fields that are zero or empty because no engine stands behind them

	params []string // names in Path, in order
}

// Group is a family of endpoints.
type Group string

// The groups, in the order of the documents.
const (
	GroupPlatform     Group = "platform"
	GroupTransactions Group = "transactions"
	GroupBlocks       Group = "blocks"
	GroupAccounts     Group = "accounts"
	GroupAssets       Group = "assets"
	GroupTokens       Group = "tokens"
	GroupConsensus    Group = "consensus"
	GroupNetwork      Group = "network"
	GroupVizor        Group = "vizor"
	GroupRealtime     Group = "realtime"
	GroupCrypto       Group = "crypto"
	GroupAuth         Group = "auth"
	GroupAdmin        Group = "admin"
	GroupManagement   Group = "management"
	GroupContracts    Group = "contracts"
	GroupRWA          Group = "rwa"
	GroupBridge       Group = "bridge"
	GroupAI           Group = "ai"
)

// Groups lists every group in the order of the documents.
func Groups() []Group {
	return []Group{
		GroupPlatform, GroupTransactions, GroupBlocks, GroupAccounts, GroupAssets, GroupTokens, GroupConsensus, GroupNetwork,
		GroupVizor, GroupRealtime, GroupCrypto, GroupAuth, GroupAdmin, GroupManagement, GroupContracts, GroupRWA, GroupBridge, GroupAI,
	}
}

// AccountKey says where in a request the account stands that is debited, for whoever routes by account.
type AccountKey string

// The places of a debited account.
const (
	KeyBodyFrom   AccountKey = "body.from"
	KeyBatchFrom  AccountKey = "body.transactions[].from"
	KeyStreamFrom AccountKey = "line.from"
	KeyBodyIssuer AccountKey = "body.issuer"
	KeyNone       AccountKey = ""
)

// Param is a member of the query string.
type Param struct {
	Name string
	Type string // string, integer or time (ISO-8601, or ms since 1970)
	Doc  string
}

// Retry says when a request whose answer was lost may be sent again by a machine.
type Retry string

// The retry classes.
const (
	RetryRead  Retry = "read"  // always: it changes nothing
	RetryKeyed Retry = "keyed" // only with an Idempotency-Key: else it could pay twice
	RetryNever Retry = "never" // never
)

// Status says whether an endpoint has something behind it.
type Status string

// The statuses.
const (
	Served         Status = "served"
	NotImplemented Status = "not_implemented"
)

// Missing names the engine that a 501 waits for.
type Missing string

// The engines that V11 does not have yet.
const (
	MissingNone       Missing = ""
	MissingEVM        Missing = "evm"        // contracts
	MissingRWA        Missing = "rwa"        // the register of real-world assets
	MissingBridge     Missing = "bridge"     // other chains
	MissingAI         Missing = "ai"         // learned ordering
	MissingManagement Missing = "management" // starting, stopping and re-shaping nodes and channels over REST
)

// Is501 reports whether e answers 501.
func (e *Endpoint) Is501() bool { return e.Status == NotImplemented }

// Writes reports whether e changes the ledger or the server.
func (e *Endpoint) Writes() bool { return e.Method != "GET" }

// Sample is what a running server puts into examples.
type Sample struct {
	Account     string // a V10 name with a balance
	Transaction string // an id
	Height      string // decimal
	Hash        string // of a block
	Asset       string // a code
	Validator   string
	Node        string
	Channel     string
}

// ExampleWith fills e's example in, escaped for a URL. It is empty if e has none or s lacks what it needs.
func (e *Endpoint) ExampleWith(s Sample) string {
	path := e.Example
	for _, slot := range [...]struct{ name, value string }{
		{"<account>", s.Account}, {"<transaction>", s.Transaction}, {"<height>", s.Height}, {"<hash>", s.Hash},
		{"<asset>", s.Asset}, {"<validator>", s.Validator}, {"<node>", s.Node}, {"<channel>", s.Channel},
	} {
		if !strings.Contains(path, slot.name) {
			continue
		}
		if slot.value == "" {
			return ""
		}
		path = strings.ReplaceAll(path, slot.name, EscapeSegment(slot.value))
	}
	return path
}
