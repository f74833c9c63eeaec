// SPDX-License-Identifier: Apache-2.0

package v10

func platformRows() []Endpoint {
	return []Endpoint{
		{
			Method: "GET", Path: "/health", Group: GroupPlatform, Response: Health{}, Example: "/health",
			Choice: "M and L: the union of their fields, without L's domain and port (they are the client's own URL). C, R, V, E answer others.",
			Note:   "200 while healthy or degraded, 503 otherwise.",
		},
		{
			Method: "GET", Path: "/status", Group: GroupPlatform, RPC: "Ledger.GetStatus", Response: NodeStatus{}, Example: "/status",
			Choice: "E (validator), in the form of C's status record; R's RWA platform is not served.",
			Typed:  "diskUsageGB and networkUsageMBps where the server does not measure them",
		},
		{
			Method: "GET", Path: "/api/v10/health", Group: GroupPlatform, Response: HealthWord{}, Example: "/api/v10/health",
			Note: "503 with DOWN when the server does not serve.",
		},
		{
			Method: "GET", Path: "/api/v10/status", Group: GroupPlatform, RPC: "Ledger.GetStatus", Response: PlatformStatus{}, Example: "/api/v10/status",
			Choice: "M, not V (a validation tool) or S (a stub).",
			Typed:  "features.zkProofs, crossChain, aiOptimization, wormholeIntegration are false",
		},
		{
			Method: "GET", Path: "/api/v10/info", Group: GroupPlatform, RPC: "Ledger.GetStatus", Response: Info{}, Example: "/api/v10/info",
			Note: "capabilities holds four texts.",
		},
		{Method: "GET", Path: "/api/v10/stats", Group: GroupPlatform, RPC: "Ledger.GetStatus", Response: Stats{}, Example: "/api/v10/stats"},
		{
			Method: "GET", Path: "/api/v10/performance", Group: GroupPlatform, Response: Performance{}, Example: "/api/v10/performance",
			Typed: "target where nothing is set; optimizations",
		},
		{
			Method: "GET", Path: "/api/v10/performance/realtime", Group: GroupPlatform, RPC: "Ledger.GetStatus", Response: PerformanceNow{},
			Example: "/api/v10/performance/realtime", Typed: "zkproofs_per_sec, cross_chain_txs",
		},
		{
			Method: "GET", Path: "/api/v10/security", Group: GroupPlatform, Response: Security{}, Example: "/api/v10/security",
			Typed: "zkProofs, encryption",
		},
		{
			Method: "GET", Path: "/api/v10/validation", Group: GroupPlatform, Response: Validation{}, Example: "/api/v10/validation",
			Note: "What the server checked about itself.",
		},
		{
			Method: "GET", Path: "/api/v10/metrics", Group: GroupPlatform, RPC: "Ledger.GetStatus", Response: Metrics{}, Example: "/api/v10/metrics",
			Choice: "V10's README names it without a form: S's form of /api/metrics.",
		},
		{
			Method: "GET", Path: "/api/v10/endpoints", Group: GroupPlatform, Response: EndpointList{}, Example: "/api/v10/endpoints",
			Note: "Ours: this table.",
		},
		{
			Method: "GET", Path: "/metrics", Group: GroupPlatform, RPC: "Ledger.GetStatus", Content: "text/plain; version=0.0.4; charset=utf-8",
			Example: "/metrics", Note: "Prometheus text under V10's names: aurigraph_tps, aurigraph_block_height, aurigraph_transactions_total, " +
				"aurigraph_active_nodes. The node's own metrics are at its admin address.",
		},
		{
			Method: "GET", Path: "/api/health", Group: GroupPlatform, Response: Health{}, Example: "/api/health",
			Note: "Server G's: version " + VersionManagement + ", no uptime.",
		},
		{
			Method: "GET", Path: "/api/status", Group: GroupPlatform, RPC: "Ledger.GetStatus", Response: SystemStatus{}, Example: "/api/status",
			Choice: "S and F, not the local dashboard's list of services.", Typed: "chains_connected",
		},
	}
}

func realtimeRows() []Endpoint {
	return []Endpoint{
		{
			Method: "GET", Path: "/api/v10/realtime", Group: GroupRealtime, RPC: "Ledger.StreamBlocks", Response: RealtimeRecord{},
			Content: "text/event-stream", DeadlineMs: streamDeadlineMs, Example: "/api/v10/realtime",
			Note: "Server-sent events: the first record at once, then one every 3 s; its data is the record in JSON.", Typed: "zkProofs, quantumOps",
		},
		{
			Method: "GET", Path: "/api/v10/ws", Group: GroupRealtime, RPC: "Ledger.StreamEvents", Content: "websocket", DeadlineMs: streamDeadlineMs,
			Note: "WebSocket: V10's messages by type, and subscribe and unsubscribe. Without an upgrade 426.",
		},
		{
			Method: "GET", Path: "/ws", Group: GroupRealtime, RPC: "Ledger.StreamEvents", Content: "websocket", DeadlineMs: streamDeadlineMs,
			Choice: "The same as /api/v10/ws; V10 had push-only sockets on other ports.",
			Note:   "Without an upgrade 426.",
		},
	}
}
