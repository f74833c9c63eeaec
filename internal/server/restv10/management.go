// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"context"
	"net"
	"strconv"

	"github.com/aurigraph/aurigraph/internal/query"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// Words of V10's management and control servers.
const (
	roleLeader   = "LEADER"
	roleFollower = "FOLLOWER"
	wordStopped  = "stopped"
	nodeActive   = "ACTIVE"
	nodeDegraded = "DEGRADED"
	nodeSyncing  = "SYNCING"
	nodeStarting = "STARTING"
	nodeOffline  = "OFFLINE"
	storageDisk  = "DISK"
)

// elsewhere reports whether ?channel= names another channel than the one there is.
func (q *request) elsewhere() bool {
	name := q.param("channel")
	return name != "" && name != v10.ChannelMain
}

func (s *Server) managedChannels(ctx context.Context, _ *request) (any, error) {
	st, err := s.parts.Reader.Status(ctx)
	if err != nil {
		return nil, err
	}
	return v10.ManagedChannels{Success: true, Channels: []v10.ManagedChannel{{
		ID: v10.ChannelMain, Name: st.Network, Description: "The ledger of the network", Environment: s.cfg.Environment, Encryption: true,
		QuantumSecurity: true, ConsensusType: st.Engine, Created: s.cfg.Genesis, Status: wordActive,
	}}}, nil
}

func (s *Server) managedValidators(ctx context.Context, q *request) (any, error) {
	if q.elsewhere() {
		return v10.ManagedValidators{Success: true}, nil
	}
	st, err := s.parts.Reader.Status(ctx)
	if err != nil {
		return nil, err
	}
	list := v10.ManagedValidators{Success: true, Validators: make([]v10.ManagedValidator, len(st.Validators))}
	f := s.figures()
	for i := range st.Validators {
		m := &st.Validators[i]
		v := &list.Validators[i]
		*v = v10.ManagedValidator{ID: m.Name, ChannelID: v10.ChannelMain, Stake: stake, Role: roleFollower, Status: wordRunning}
		if leads(st, m.No) {
			v.Role = roleLeader
		}
		switch p := peerOf(st, m.No); {
		case m.No == st.Validator:
			v.Port = s.cfg.Port
			v.Performance = v10.ManagedPerformance{TPS: f.tps, Latency: f.mean, Uptime: s.uptimeSeconds()}
		case p == nil || !p.Connected:
			v.Status = wordStopped
		default:
			_, v.P2PPort = splitAddress(p.Address)
			v.Performance.TPS = f.tps
		}
	}
	return list, nil
}

func splitAddress(address string) (host string, port int) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return address, 0
	}
	port, _ = strconv.Atoi(text) // a named port is 0
	return host, port
}

// managedNodes lists nodes that are no validators: none are known.
func (s *Server) managedNodes(context.Context, *request) (any, error) {
	return v10.ManagedNodes{Success: true}, nil
}

func (s *Server) managedMetrics(ctx context.Context, q *request) (any, error) {
	if q.elsewhere() {
		return v10.ManagedMetrics{Success: true}, nil
	}
	st, err := s.parts.Reader.Status(ctx)
	if err != nil {
		return nil, err
	}
	f := s.figures()
	return v10.ManagedMetrics{Success: true, Metrics: []v10.ChannelMetrics{{
		ChannelID: v10.ChannelMain, TotalTPS: f.tps, AverageLatency: f.mean, TotalNodes: len(st.Validators), ActiveValidators: reachables(st),
		BlockHeight: uint64(st.Height), ConsensusRounds: uint64(st.Height), TransactionVolume: st.Legs, ErrorRate: f.errorRate,
	}}}, nil
}

// reachables counts the validators that this node reaches, itself included.
func reachables(st *query.Status) (n int) {
	for i := range st.Validators {
		if reachable(st, st.Validators[i].No) {
			n++
		}
	}
	return n
}

func (s *Server) overviewNow(ctx context.Context) (v10.Overview, error) {
	st, err := s.parts.Reader.Status(ctx)
	if err != nil {
		return v10.Overview{}, err
	}
	f, up := s.figures(), reachables(st)
	return v10.Overview{
		Channels:         v10.OverviewChannels{Total: channelCount, Active: channelCount},
		Validators:       v10.OverviewRunning{Total: len(st.Validators), Running: up, Stopped: len(st.Validators) - up},
		AggregateMetrics: v10.OverviewMetrics{TotalTPS: f.tps, AverageLatency: f.mean, TotalTransactions: st.Legs},
	}, nil
}

func (s *Server) overview(ctx context.Context, _ *request) (any, error) {
	o, err := s.overviewNow(ctx)
	return v10.ManagedOverview{Success: true, Overview: o}, err
}

func (s *Server) nodeStatusOf(st *query.Status) v10.NodeStatus {
	f := s.figures()
	out := v10.NodeStatus{
		NodeID: st.Node, Status: s.nodeWord(st), Uptime: s.uptimeSeconds(), SyncProgress: 100, BlockHeight: uint64(st.Height),
		PeerCount: reachables(st) - 1, TransactionPool: s.paying(), LastUpdate: s.now(),
		ResourceUsage: v10.NodeResources{
			MemoryUsageMB: float64(memoryBytes()>>10) / 1024, CPUUsagePercent: s.cpuPercent(), TransactionsPerSecond: f.tps,
		},
	}
	if decided := uint64(st.Order.Decided); decided > out.BlockHeight {
		out.SyncProgress = 100 * float64(out.BlockHeight) / float64(decided)
	}
	return out
}

// paying is how many requests are under way, which is all that waits at this server.
func (s *Server) paying() int { return int(s.inFlight.Load()) }

func (s *Server) nodeWord(st *query.Status) string {
	switch {
	case s.draining.Load() || st.Halted:
		return nodeOffline
	case st.State == query.StateStarting:
		return nodeStarting
	case st.State == query.StateCatchingUp:
		return nodeSyncing
	case !orders(st):
		return nodeDegraded
	}
	return nodeActive
}

func (s *Server) nodeStatus(ctx context.Context, _ *request) (any, error) {
	st, err := s.parts.Reader.Status(ctx)
	if err != nil {
		return nil, err
	}
	return s.nodeStatusOf(st), nil
}

// nodeReport is all that server C tells of its node.
func (s *Server) nodeReport(ctx context.Context, _ *request) (any, error) {
	st, err := s.parts.Reader.Status(ctx)
	if err != nil {
		return nil, err
	}
	status := s.nodeStatusOf(st)
	r := v10.NodeReport{
		Status: status,
		Config: v10.NodeConfig{
			NodeID: st.Node, NodeType: typeValidator, NetworkID: st.Network, Port: s.cfg.Port, MaxConnections: s.cfg.ConnectionsMax,
			ConsensusRole: roleFollower, QuantumSecurity: true, StorageType: storageDisk,
		},
		Metrics: v10.NodeMetrics{
			NodeID: st.Node, NodeType: typeValidator, Uptime: status.Uptime, Status: status.Status, TransactionsProcessed: st.Legs,
			BlocksProduced: uint64(st.Height),
			Performance: v10.NodePerformance{
				TPS: status.ResourceUsage.TransactionsPerSecond, BlockHeight: status.BlockHeight, PeerCount: status.PeerCount, PoolSize: status.TransactionPool,
			},
		},
		Topology: v10.NodeTopology{NodeID: st.Node, NodeType: typeValidator, NetworkID: st.Network},
	}
	if leads(st, st.Validator) {
		r.Config.ConsensusRole = roleLeader
	}
	r.Peers, r.Topology.Peers = make([]v10.NodePeer, len(st.Peers)), make([]v10.NodeNeigh, len(st.Peers))
	for i := range st.Peers {
		p := &st.Peers[i]
		r.Peers[i] = s.nodePeer(st, p)
		r.Topology.Peers[i] = v10.NodeNeigh{ID: r.Peers[i].PeerID, Status: r.Peers[i].Status, Latency: r.Peers[i].Latency}
	}
	return r, nil
}

func (s *Server) nodePeer(st *query.Status, p *query.Peer) v10.NodePeer {
	out := v10.NodePeer{PeerID: memberName(st, p.Number), Status: linkWord(p), Latency: milliseconds(p.RoundTrip)}
	out.Address, out.Port = splitAddress(p.Address)
	for _, c := range p.Classes {
		if heard := uint64(s.now()) - min(uint64(s.now()), uint64(c.Silent.Milliseconds())); c.Heard && v10.Time(heard) > out.LastSeen {
			out.LastSeen = v10.Time(heard)
		}
	}
	return out
}

func (s *Server) performanceReport(ctx context.Context, _ *request) (any, error) {
	m, err := s.metricsNow(ctx)
	return v10.PerformanceReport{Metrics: m}, err
}
