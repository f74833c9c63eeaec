// SPDX-License-Identifier: Apache-2.0

package v10

import (
	"slices"
	"strings"
)

// missingRows are the families whose engines do not exist yet. A client learns from the 501 what it waits for, where a 404 would
// tell it that it called the wrong server.
func missingRows() []Endpoint {
	return slices.Concat(
		missing(GroupContracts, MissingEVM, FamilyPlain,
			"GET /api/v10/contracts", "GET /api/v10/contracts/{address}", "GET /api/v10/contracts/{address}/storage",
			"POST /api/v10/contracts/deploy", "POST /api/v10/contracts/execute", "GET /api/contracts", "GET /api/governance/proposals"),
		missing(GroupContracts, MissingEVM, FamilySuccess, "POST /api/contracts", "POST /api/governance/proposals"),
		missing(GroupRWA, MissingRWA, FamilyPlain,
			"GET /api/v10/rwa/tokens", "GET /api/assets", "GET /api/assets/{id}", "GET /api/dashboard/metrics", "POST /api/audit/query",
			"POST /api/reports/generate", "POST /api/reports/{id}/export", "POST /api/compliance/check",
			"GET /api/rwa/v2/assets", "GET /api/rwa/v2/assets/{id}", "POST /api/rwa/v2/assets", "POST /api/rwa/v2/tokenization",
			"GET /api/rwa/v2/tokenization/{id}", "POST /api/rwa/v2/tokenization/transfer", "GET /api/rwa/v2/portfolio",
			"GET /api/rwa/v2/portfolio/performance", "GET /api/rwa/v2/analytics/market", "GET /api/rwa/v2/analytics/assets/{id}",
			"GET /api/rwa/v2/compliance/check", "GET /api/rwa/v2/compliance/report", "GET /api/rwa/v2/system/status",
			"GET /api/rwa/v2/system/metrics", "GET /api/rwa/v2/capabilities", "POST /api/rwa/v2/request", "POST /api/rwa/v2/batch",
			"POST /api/rwa/v2/webhooks/register", "DELETE /api/rwa/v2/webhooks/{id}", "GET /api/rwa/v2/events"),
		missing(GroupBridge, MissingBridge, FamilyPlain,
			"GET /api/v10/bridge/status", "POST /api/v10/bridge", "POST /api/v10/bridge/transfer", "GET /api/bridge/status"),
		missing(GroupBridge, MissingBridge, FamilySuccess, "POST /api/bridge/transfer"),
		missing(GroupAI, MissingAI, FamilyPlain,
			"GET /api/v10/ai/status", "GET /api/v10/ai/suggestions", "GET /api/v10/ai/optimizations", "POST /api/v10/ai/toggle",
			"GET /api/ai/status", "GET /api/ai/networks", "GET /api/ai/neural/status"),
		missing(GroupAI, MissingAI, FamilySuccess, "POST /api/ai/neural/predict", "POST /api/ai/networks/{id}/predict"),
	)
}

func missing(group Group, engine Missing, errors Family, lines ...string) []Endpoint {
	rows := make([]Endpoint, 0, len(lines))
	for _, line := range lines {
		method, path, _ := strings.Cut(line, " ")
		rows = append(rows, Endpoint{Method: method, Path: path, Group: group, Errors: errors, Missing: engine})
	}
	return rows
}

// Unserved is a family of V10's paths that is left out on purpose: it answers V10's own 404.
type Unserved struct {
	Paths   string
	Servers string // ids as in docs/adr/0018-v10-dialect.md
	Why     string
}

// UnservedFamilies lists them, for the documents.
func UnservedFamilies() []Unserved {
	return []Unserved{
		{"/api/v10/quantum/*", "Q", "\"consciousness\", universes and evolution: figures that no engine measured; V10 dropped them itself"},
		{"/api/demo/*, /channel/*", "G, J", "demonstrations with invented traffic"},
		{"/api/hermes/*, /api/market/*, /api/integration/*, /api/aurigraph/*", "O", "trading demos of other products"},
		{"/api/v18/*", "M", "a later preview; its stream never ended a record"},
		{"/api/evolution/*, /api/collective-intelligence/*, /api/quantum/*, /api/crypto/ntru/*", "C, I", "simulations without a subject"},
		{"/api/sustainability/*, /api/carbon-negative/*", "C", "figures that no engine measured"},
		{"/api/digitaltwin/*, /api/iot/*, /api/dashboard/state, /api/alerts*", "C, T", "twins of machines: another product"},
		{"/api/asset-manager/*, /api/xd-tokenizer/*", "C", "portfolios over invented assets; the register of assets comes with rwa"},
		{"/api/unified/*, /api/av10/*", "U, F", "a dashboard's own state"},
		{"/api/analytics/*", "P", "predictions of a model that does not exist"},
		{"/api/classical/*", "I", "benchmarks of the machine it ran on"},
		{"/api/onboarding/*, /api/node/config, /compliance/*", "B", "onboarding of another product's nodes"},
		{"/api/v1/gaip/*, /api/v1/admin/*", "K", "data capture of another product"},
		{"/api/v11/*", "N", "V11's early REST, which is not V10"},
	}
}
