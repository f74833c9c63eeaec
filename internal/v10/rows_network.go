// SPDX-License-Identifier: Apache-2.0

package v10

var limitParam = []Param{{"limit", "integer", "at most this many, 1 to 1000; 20 if not given"}}

func consensusRows() []Endpoint {
	return []Endpoint{
		{
			Method: "GET", Path: "/api/v10/consensus", Group: GroupConsensus, RPC: "Ledger.GetStatus", Response: Consensus{}, Example: "/api/v10/consensus",
			Note: "algorithm is the ordering engine's own name, round the newest certified height.",
		},
		{Method: "GET", Path: "/api/v10/consensus/state", Group: GroupConsensus, RPC: "Ledger.GetStatus", Response: ConsensusState{}, Example: "/api/v10/consensus/state"},
		{
			Method: "GET", Path: "/api/v10/consensus/validators", Group: GroupConsensus, RPC: "Ledger.GetStatus", Response: ValidatorList{},
			Example: "/api/v10/consensus/validators", Note: "Every member has one vote: stake is 1.",
		},
		{
			Method: "GET", Path: "/api/v10/consensus/rounds", Group: GroupConsensus, RPC: "Ledger.ListBlocks", Response: RoundList{}, Query: limitParam,
			Example: "/api/v10/consensus/rounds", Note: "Committed rounds, newest first: a round is a block.",
		},
		{Method: "GET", Path: "/api/v10/consensus/leader", Group: GroupConsensus, RPC: "Ledger.GetStatus", Response: Leader{}, Example: "/api/v10/consensus/leader"},
		{
			Method: "GET", Path: "/api/v10/consensus/votes", Group: GroupConsensus, RPC: "Ledger.ListBlocks", Response: VoteList{}, Query: limitParam,
			Example: "/api/v10/consensus/votes", Note: "Signatures under the newest certificates; limit counts votes.",
		},
	}
}

func networkRows() []Endpoint {
	return []Endpoint{
		{Method: "GET", Path: "/api/v10/nodes", Group: GroupNetwork, RPC: "Ledger.GetStatus", Response: NodeList{}, Example: "/api/v10/nodes"},
		{Method: "GET", Path: "/api/v10/nodes/{id}", Group: GroupNetwork, RPC: "Ledger.GetStatus", Response: Node{}, Example: "/api/v10/nodes/<node>"},
		{
			Method: "GET", Path: "/api/v10/channels", Group: GroupNetwork, RPC: "Ledger.GetStatus", Response: ChannelList{}, Example: "/api/v10/channels",
			Note: "A network has one channel, main.",
		},
		{Method: "GET", Path: "/api/v10/channels/{id}", Group: GroupNetwork, RPC: "Ledger.GetStatus", Response: Channel{}, Example: "/api/v10/channels/<channel>"},
		{Method: "GET", Path: "/api/v10/topology", Group: GroupNetwork, RPC: "Ledger.GetStatus", Response: Topology{}, Example: "/api/v10/topology"},
	}
}

func vizorRows() []Endpoint {
	const base = "/api/v10/vizor"
	rangeParams := []Param{{"start", "time", "from here; 24 h ago if not given"}, {"end", "time", "to here; now if not given"}}
	return []Endpoint{
		{Method: "GET", Path: base + "/dashboards", Group: GroupVizor, Response: DashboardList{}, Example: base + "/dashboards", Note: "V10's three, over metrics that exist."},
		{Method: "GET", Path: base + "/dashboards/{id}", Group: GroupVizor, Response: Dashboard{}, Example: base + "/dashboards/platform-overview"},
		{
			Method: "GET", Path: base + "/dashboards/{id}/widgets/{widget}/data", Group: GroupVizor, Response: WidgetData{},
			Example: base + "/dashboards/platform-overview/widgets/tps-chart/data", Note: "An unknown widget is 200 with {\"error\"}, as with V10.",
		},
		{
			Method: "GET", Path: base + "/metrics/query", Group: GroupVizor, Response: MetricList{},
			Query:   append([]Param{{"query", "string", "name of the metric; all if not given"}}, rangeParams...),
			Example: base + "/metrics/query?query=tps",
		},
		{
			Method: "POST", Path: base + "/metrics/record", Group: GroupVizor, Request: RecordMetric{}, Response: Recorded{}, Retry: RetryNever,
			DeadlineMs: readDeadlineMs, Note: "Kept in memory, 256 names and 100 samples of each; the oldest sample goes first, a new name beyond the bound is 503.",
		},
		{
			Method: "GET", Path: base + "/reports/generate/{dashboard}", Group: GroupVizor, Response: VizorReport{}, Query: rangeParams,
			Example: base + "/reports/generate/platform-overview",
		},
		{
			Method: "GET", Path: base + "/reports/export/{format}", Group: GroupVizor, Response: VizorReport{},
			Query:   append([]Param{{"dashboardId", "string", "which dashboard; the first if not given"}}, rangeParams...),
			Example: base + "/reports/export/json", Note: "json or csv, as an attachment; pdf is 400 \"Format not implemented\", others 400 \"Unsupported export format\".",
		},
		{
			Method: "GET", Path: base + "/performance/realtime", Group: GroupVizor, RPC: "Ledger.GetStatus", Response: VizorNow{},
			Example: base + "/performance/realtime", Typed: "quantumOperations",
		},
		{
			Method: "GET", Path: base + "/performance/history", Group: GroupVizor, Response: VizorHistory{},
			Query:   []Param{{"hours", "integer", "how far back, 1 to 24; 24 if not given"}},
			Example: base + "/performance/history?hours=1", Note: "At most 100 samples, oldest first, of this server's life.", Typed: "quantumOperations",
		},
		{Method: "GET", Path: base + "/validators", Group: GroupVizor, RPC: "Ledger.GetStatus", Response: VizorValidators{}, Example: base + "/validators"},
		{
			Method: "GET", Path: base + "/validators/{id}/status", Group: GroupVizor, RPC: "Ledger.GetStatus", Response: VizorValidator{},
			Example: base + "/validators/<validator>/status",
		},
		{Method: "GET", Path: base + "/consensus/rounds", Group: GroupVizor, RPC: "Ledger.GetStatus", Response: VizorRounds{}, Example: base + "/consensus/rounds"},
		{Method: "GET", Path: base + "/channels", Group: GroupVizor, RPC: "Ledger.GetStatus", Response: VizorChannelList{}, Example: base + "/channels"},
		{
			Method: "GET", Path: base + "/channels/{id}", Group: GroupVizor, RPC: "Ledger.GetStatus", Response: VizorChannel{},
			Example: base + "/channels/<channel>", Typed: "users, queuedMessages",
		},
		{
			Method: "POST", Path: base + "/channels/{id}/users", Group: GroupVizor, Missing: MissingManagement,
			Note: "Every account may use the one channel: there is no membership to keep.",
		},
		{Method: "DELETE", Path: base + "/channels/{id}/users/{user}", Group: GroupVizor, Missing: MissingManagement},
	}
}
