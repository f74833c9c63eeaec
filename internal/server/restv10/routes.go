// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"maps"

	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// route gives each served row of the table its handler. A row without one, or a handler without a row, is a bug.
func (s *Server) route() {
	byName := map[string]handler{}
	for _, group := range []map[string]handler{
		s.platformRoutes(), s.ledgerRoutes(), s.assetRoutes("assets", s.assets), s.assetRoutes("tokens", s.tokens), s.networkRoutes(),
		s.vizorRoutes(), s.serviceRoutes(), s.managementRoutes(),
	} {
		maps.Copy(byName, group)
	}
	streams := map[string]stream{
		"POST /api/v10/transactions/stream": s.payLines,
		"GET /api/v10/realtime":             s.realtime,
	}
	s.handlers, s.streams = map[*v10.Endpoint]handler{}, map[*v10.Endpoint]stream{}
	rows := v10.Endpoints()
	for i := range rows {
		e := &rows[i]
		name := e.Method + " " + e.Path
		if run, ok := streams[name]; ok {
			s.streams[e] = run
			delete(streams, name)
			continue
		}
		h, ok := byName[name]
		fault.Invariant(ok == (e.Status == v10.Served), "%s is %s, and has a handler: %v", name, e.Status, ok)
		if ok {
			s.handlers[e] = h
		}
		delete(byName, name)
	}
	fault.Invariant(len(byName)+len(streams) == 0, "handlers without a row: %v, %d streams", byName, len(streams))
}

func (s *Server) platformRoutes() map[string]handler {
	return map[string]handler{
		"GET /health":                       s.health,
		"GET /status":                       s.nodeStatus,
		"GET /api/v10/health":               s.healthWord,
		"GET /api/v10/status":               s.platformStatus,
		"GET /api/v10/info":                 s.info,
		"GET /api/v10/stats":                s.stats,
		"GET /api/v10/performance":          s.performance,
		"GET /api/v10/performance/realtime": s.performanceNow,
		"GET /api/v10/security":             s.security,
		"GET /api/v10/validation":           s.validation,
		"GET /api/v10/metrics":              s.v10Metrics,
		"GET /api/v10/endpoints":            s.endpoints,
		"GET /metrics":                      s.prometheus,
		"GET /api/health":                   s.managementHealth,
		"GET /api/status":                   s.systemStatus,
		"GET /api/v10/ws":                   s.socket,
		"GET /ws":                           s.socket,
	}
}

func (s *Server) ledgerRoutes() map[string]handler {
	return map[string]handler{
		"POST /api/v10/transactions":                s.pay,
		"GET /api/v10/transactions":                 s.list,
		"GET /api/v10/transactions/{id}":            s.transaction,
		"GET /api/v10/transactions/{id}/receipt":    s.receipt,
		"POST /api/v10/transactions/batch":          s.payMany,
		"POST /api/v10/transactions/estimate":       s.estimate,
		"POST /api/node/transactions":               s.nodePay,
		"GET /api/transactions":                     s.feed,
		"GET /api/v10/blocks":                       s.blocks,
		"GET /api/v10/blocks/latest":                s.latestBlock,
		"GET /api/v10/blocks/{height}":              s.block,
		"GET /api/v10/blocks/hash/{hash}":           s.blockByHash,
		"GET /api/v10/blocks/{height}/transactions": s.blockTransactions,
		"GET /api/blockchain":                       s.blockchain,
		"POST /api/v10/accounts":                    s.openAccount,
		"GET /api/v10/accounts":                     s.accounts,
		"GET /api/v10/accounts/{id}":                s.showAccount,
		"GET /api/v10/accounts/{id}/balances":       s.balances,
		"GET /api/v10/accounts/{id}/nonce":          s.nonce,
		"GET /api/v10/accounts/{id}/transactions":   s.accountTransactions,
	}
}

// assetRoutes serves assets, and the same once more as tokens.
func (s *Server) assetRoutes(plural string, list handler) map[string]handler {
	base := "/api/v10/" + plural
	return map[string]handler{
		"GET " + base:                       list,
		"POST " + base:                      s.createAsset,
		"GET " + base + "/{code}":           s.asset,
		"POST " + base + "/{code}/issue":    s.issue,
		"POST " + base + "/{code}/redeem":   s.redeem,
		"POST " + base + "/{code}/transfer": s.transferAsset,
		"GET " + base + "/{code}/holders":   s.holders,
		"GET " + base + "/{code}/supply":    s.supply,
	}
}

func (s *Server) networkRoutes() map[string]handler {
	return map[string]handler{
		"GET /api/v10/consensus":            s.consensus,
		"GET /api/v10/consensus/state":      s.consensusState,
		"GET /api/v10/consensus/validators": s.validators,
		"GET /api/v10/consensus/rounds":     s.rounds,
		"GET /api/v10/consensus/leader":     s.leader,
		"GET /api/v10/consensus/votes":      s.votes,
		"GET /api/v10/nodes":                s.nodes,
		"GET /api/v10/nodes/{id}":           s.node,
		"GET /api/v10/channels":             s.channels,
		"GET /api/v10/channels/{id}":        s.channel,
		"GET /api/v10/topology":             s.topology,
	}
}

func (s *Server) vizorRoutes() map[string]handler {
	const base = "/api/v10/vizor"
	return map[string]handler{
		"GET " + base + "/dashboards":                            s.dashboards,
		"GET " + base + "/dashboards/{id}":                       s.dashboard,
		"GET " + base + "/dashboards/{id}/widgets/{widget}/data": s.widgetData,
		"GET " + base + "/metrics/query":                         s.queryMetrics,
		"POST " + base + "/metrics/record":                       s.recordMetric,
		"GET " + base + "/reports/generate/{dashboard}":          s.report,
		"GET " + base + "/reports/export/{format}":               s.exportReport,
		"GET " + base + "/performance/realtime":                  s.vizorNow,
		"GET " + base + "/performance/history":                   s.vizorHistory,
		"GET " + base + "/validators":                            s.vizorValidators,
		"GET " + base + "/validators/{id}/status":                s.vizorValidator,
		"GET " + base + "/consensus/rounds":                      s.vizorRounds,
		"GET " + base + "/channels":                              s.vizorChannels,
		"GET " + base + "/channels/{id}":                         s.vizorChannel,
	}
}

func (s *Server) serviceRoutes() map[string]handler {
	return map[string]handler{
		"GET /api/v10/crypto/algorithms": s.algorithms,
		"GET /api/v10/crypto/keys":       s.publicKeys,
		"POST /api/v10/crypto/sign":      s.sign,
		"POST /api/v10/crypto/verify":    s.verify,
		"GET /api/crypto/status":         s.cryptoStatus,
		"POST /api/v10/auth/login":       s.login,
		"POST /api/v10/auth/refresh":     s.refresh,
		"GET /api/v10/auth/keys":         s.apiKeys,
		"POST /api/v10/auth/keys":        s.createAPIKey,
		"DELETE /api/v10/auth/keys/{id}": s.deleteAPIKey,
		"GET /api/v10/admin/status":      s.adminStatus,
		"GET /api/v10/admin/limits":      s.adminLimits,
	}
}

func (s *Server) managementRoutes() map[string]handler {
	return map[string]handler{
		"GET /api/channels":            s.managedChannels,
		"GET /api/validators":          s.managedValidators,
		"GET /api/nodes":               s.managedNodes,
		"GET /api/metrics":             s.managedMetrics,
		"GET /api/overview":            s.overview,
		"GET /api/node/status":         s.nodeReport,
		"GET /api/performance/metrics": s.performanceReport,
	}
}
