// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"runtime"

	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

func (s *Server) managedChannels(*call) (any, error) {
	first, err := s.ledger.Round(0)
	return v10.ManagedChannels{Success: true, Channels: []v10.ManagedChannel{{
		ID: v10.ChannelMain, Name: v10.ChannelMain, Description: "The ledger", Environment: s.cfg.Environment, ConsensusType: algorithm,
		Created: v10.Time(first.Ms), Status: active,
	}}}, err
}

// elsewhere reports whether ?channel= names a channel that is not ours.
func (c *call) elsewhere() (bool, error) {
	q, err := c.queryOf()
	name := q.Get("channel")
	return name != "" && name != v10.ChannelMain, err
}

func (s *Server) managedValidators(c *call) (any, error) {
	list := v10.ManagedValidators{Success: true, Validators: []v10.ManagedValidator{}}
	if away, err := c.elsewhere(); away || err != nil {
		return list, err
	}
	list.Validators = append(list.Validators, v10.ManagedValidator{
		ID: s.ledger.Leader(), ChannelID: v10.ChannelMain, Stake: 1, Role: "LEADER", Status: running,
		Performance: v10.ManagedPerformance{TPS: s.ledger.PerSecond(), Latency: milliseconds(s.load.mean()), Uptime: uint64(s.uptime().Seconds())},
	})
	return list, nil
}

func (s *Server) managedNodes(c *call) (any, error) {
	_, err := c.elsewhere()
	return v10.ManagedNodes{Success: true, Nodes: []v10.ManagedNode{}}, err
}

func (s *Server) managedMetrics(c *call) (any, error) {
	list := v10.ManagedMetrics{Success: true, Metrics: []v10.ChannelMetrics{}}
	if away, err := c.elsewhere(); away || err != nil {
		return list, err
	}
	t := s.ledger.Totals()
	list.Metrics = append(list.Metrics, v10.ChannelMetrics{
		ChannelID: v10.ChannelMain, TotalTPS: s.ledger.PerSecond(), AverageLatency: milliseconds(s.load.mean()), TotalNodes: 1,
		ActiveValidators: validators, BlockHeight: t.Round, ConsensusRounds: t.Round, TransactionVolume: t.Transactions,
		ErrorRate: float64(t.Refused) / float64(max(1, t.Transactions)),
	})
	return list, nil
}

func (s *Server) overview(*call) (any, error) {
	return v10.ManagedOverview{Success: true, Overview: v10.Overview{
		Channels:   v10.OverviewChannels{Total: channelCount, Active: channelCount},
		Validators: v10.OverviewRunning{Total: validators, Running: validators},
		AggregateMetrics: v10.OverviewMetrics{
			TotalTPS: s.ledger.PerSecond(), AverageLatency: milliseconds(s.load.mean()), TotalTransactions: s.ledger.Totals().Transactions,
		},
	}}, nil
}

func (s *Server) nodeStatusNow() v10.NodeStatus {
	status := "ACTIVE"
	if !s.serves() {
		status = "DEGRADED"
	}
	return v10.NodeStatus{
		NodeID: s.ledger.Leader(), Status: status, Uptime: uint64(s.uptime().Seconds()), SyncProgress: 100,
		BlockHeight: s.ledger.Totals().Round, TransactionPool: s.ledger.Waiting(), LastUpdate: s.now(),
		ResourceUsage: v10.NodeResources{
			MemoryUsageMB: float64(memory()) / (1 << 20), CPUUsagePercent: s.cpuPercent(), TransactionsPerSecond: s.ledger.PerSecond(),
		},
	}
}

func (s *Server) nodeStatus(*call) (any, error) { return s.nodeStatusNow(), nil }

func (s *Server) nodeReport(*call) (any, error) {
	status, t := s.nodeStatusNow(), s.ledger.Totals()
	return v10.NodeReport{
		Status: status,
		Config: v10.NodeConfig{
			NodeID: status.NodeID, NodeType: typeNode, NetworkID: s.cfg.Network, MaxConnections: connectionsMax, ConsensusRole: "LEADER",
			StorageType: "DISK",
		},
		Peers: []v10.NodePeer{},
		Metrics: v10.NodeMetrics{
			NodeID: status.NodeID, NodeType: typeNode, Uptime: status.Uptime, Status: status.Status,
			TransactionsProcessed: t.Transactions, BlocksProduced: t.Round + 1,
			Performance: v10.NodePerformance{TPS: s.ledger.PerSecond(), BlockHeight: t.Round, PoolSize: status.TransactionPool},
		},
		Topology: v10.NodeTopology{NodeID: status.NodeID, NodeType: typeNode, NetworkID: s.cfg.Network, Peers: []v10.NodeNeigh{}},
	}, nil
}

func (s *Server) performanceReport(*call) (any, error) {
	return v10.PerformanceReport{Metrics: s.metricsNow()}, nil
}

func (s *Server) adminStatus(*call) (any, error) {
	t := s.ledger.Totals()
	return v10.AdminStatus{
		Node: s.ledger.Leader(), Version: s.cfg.Version, Network: s.cfg.Network, Ready: s.serves(), Auth: "open", Height: t.Round,
		Accounts: t.Accounts, Assets: t.Assets, Uptime: uint64(s.uptime().Seconds()), Refusals: s.refusals.Load(),
		InFlight: int(s.inFlight.Load()), Goroutines: runtime.NumGoroutine(),
	}, nil
}
