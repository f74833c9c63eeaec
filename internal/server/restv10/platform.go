// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"strconv"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/query"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// Words of V10 for health.
const (
	wordHealthy     = "healthy"
	wordDegraded    = "degraded"
	wordUnhealthy   = "unhealthy"
	wordOperational = "operational"
)

// quantumLevel is the NIST category of ML-DSA-65, which signs state roots and may sign batches.
const quantumLevel = 3

func (s *Server) health(ctx context.Context, _ *request) (any, error) {
	return s.healthOf(ctx, v10.Health{Service: v10.ServiceLocal, Version: v10.VersionLocal, Uptime: uint64(max(1, s.uptime().Milliseconds()))})
}

func (s *Server) managementHealth(ctx context.Context, _ *request) (any, error) {
	return s.healthOf(ctx, v10.Health{Service: v10.ServiceManagement, Version: v10.VersionManagement})
}

// healthOf says how the server is: degraded while it serves and its network decides nothing.
func (s *Server) healthOf(ctx context.Context, h v10.Health) (any, error) {
	h.Status, h.Timestamp = wordHealthy, s.now()
	if !s.serves() {
		h.Status = wordUnhealthy
		return raw{code: http.StatusServiceUnavailable, body: v10.Marshal(h)}, nil
	}
	if st, err := s.parts.Reader.Status(ctx); err != nil || !orders(st) {
		h.Status = wordDegraded
	}
	return h, nil
}

func (s *Server) healthWord(context.Context, *request) (any, error) {
	if !s.serves() {
		return raw{code: http.StatusServiceUnavailable, body: v10.Marshal(v10.HealthWord{Status: "DOWN"})}, nil
	}
	return v10.HealthWord{Status: "UP"}, nil
}

func (s *Server) platformStatus(ctx context.Context, _ *request) (any, error) {
	word, err := s.platformWord(ctx)
	return v10.PlatformStatus{
		Platform: v10.PlatformName, Version: v10.VersionMonitoring, Status: word, Timestamp: s.now(),
		Features: v10.Features{QuantumSecurity: true, ChannelEncryption: true, ConsensusOptimization: true, DistributedLedger: true},
	}, err
}

func (s *Server) platformWord(ctx context.Context) (string, error) {
	st, err := s.parts.Reader.Status(ctx)
	if err != nil {
		return "", err
	}
	if !s.serves() || !orders(st) {
		return wordDegraded, nil
	}
	return wordOperational, nil
}

func (s *Server) info(context.Context, *request) (any, error) {
	return v10.Info{
		Platform: "Aurigraph DLT V11", Version: v10.VersionLocal, Description: "The V10 dialect of an Aurigraph V11 network",
		Capabilities: []string{
			"Certified payments by account name", "Assets with exact decimals", "Idempotent requests", "Receipts that are proved offline",
		},
		Network: v10.InfoNetwork{Domain: s.cfg.Network, Environment: s.cfg.Environment, Region: s.cfg.Region},
	}, nil
}

func (s *Server) stats(ctx context.Context, _ *request) (any, error) {
	st, err := s.parts.Reader.Status(ctx)
	if err != nil {
		return nil, err
	}
	every, err := s.blockTime(ctx)
	if err != nil {
		return nil, err
	}
	f := s.figures()
	return v10.Stats{
		Transactions: v10.StatsTransactions{Total: st.Legs, TPS: f.tps, AvgTPS: f.average},
		Blocks:       v10.StatsBlocks{Height: uint64(st.Height), Time: every},
		Network: v10.StatsNetwork{
			Nodes: len(st.Validators), Validators: len(st.Validators), Uptime: strconv.FormatUint(s.uptimeSeconds(), 10) + "s",
		},
		Performance: v10.StatsPerformance{MemoryUsage: memoryBytes(), CPUUsage: s.cpuPercent()},
	}, nil
}

func (s *Server) uptimeSeconds() uint64 { return uint64(s.uptime().Seconds()) }

// blockTime is the mean time between the newest blocks.
func (s *Server) blockTime(ctx context.Context) (string, error) {
	found, _, err := s.recentBlocks(ctx, chain.Height(1)<<62, v10.BlocksDefault)
	if err != nil || len(found) < 2 {
		return seconds(0), err
	}
	newest, oldest := found[0].Header.TimeUs, found[len(found)-1].Header.TimeUs
	return seconds(float64(newest-oldest) / 1000 / float64(len(found)-1)), nil
}

func (s *Server) performance(context.Context, *request) (any, error) {
	return v10.Performance{
		Configuration: v10.PerformanceConfiguration{
			ParallelThreads: runtime.GOMAXPROCS(0), PipelineDepth: chain.EntriesPerBlockMax, BatchSize: 1, MaxBatchSize: v10.BatchItemsMax,
		},
		Resources: v10.PerformanceResources{Memory: fmt.Sprintf("%d MB", memoryBytes()>>20), CPU: fmt.Sprintf("%d cores", runtime.NumCPU())},
	}, nil
}

func (s *Server) performanceNow(context.Context, *request) (any, error) {
	f := s.figures()
	return v10.PerformanceNow{Timestamp: s.now(), TPS: f.tps, LatencyMs: f.mean, QuantumSecurityLevel: quantumLevel}, nil
}

func (s *Server) security(context.Context, *request) (any, error) {
	return v10.Security{Quantum: v10.SecurityQuantum{Enabled: true, Level: quantumLevel, Algorithms: []string{"ml-dsa-65", "x25519-ml-kem-768"}}}, nil
}

func (s *Server) metricsNow(ctx context.Context) (v10.Metrics, error) {
	st, err := s.parts.Reader.Status(ctx)
	if err != nil {
		return v10.Metrics{}, err
	}
	f := s.figures()
	return v10.Metrics{
		TPS:     v10.MetricsTPS{Current: f.tps, Average: f.average, Peak: f.peak},
		Latency: v10.MetricsLatency{Current: f.mean, P50: f.p50, P95: f.p95, P99: f.p99},
		Network: v10.MetricsNetwork{Validators: len(st.Validators), Channels: channelCount, Connections: s.connections()},
	}, nil
}

// connections counts the clients that the server works for now.
func (s *Server) connections() int {
	return int(s.inFlight.Load() + s.streamed.Load() + s.sockets.count())
}

func (s *Server) v10Metrics(ctx context.Context, _ *request) (any, error) { return s.metricsNow(ctx) }

func (s *Server) systemStatus(ctx context.Context, _ *request) (any, error) {
	st, err := s.parts.Reader.Status(ctx)
	if err != nil {
		return nil, err
	}
	f := s.figures()
	out := v10.SystemStatus{
		Status: wordOperational, Platform: v10.PlatformName, Version: v10.VersionMonitoring, TPS: f.tps, Latency: f.mean,
		Validators: len(st.Validators), QuantumLevel: quantumLevel, Uptime: s.uptimeSeconds(),
	}
	if !s.serves() || !orders(st) {
		out.Status = wordDegraded
	}
	return out, nil
}

// prometheus answers V10's own names in the text form.
func (s *Server) prometheus(ctx context.Context, q *request) (any, error) {
	st, err := s.parts.Reader.Status(ctx)
	if err != nil {
		return nil, err
	}
	f := s.figures()
	text := fmt.Sprintf(`# TYPE aurigraph_tps gauge
aurigraph_tps{network=%q} %g
# TYPE aurigraph_block_height gauge
aurigraph_block_height{chain=%q} %d
# TYPE aurigraph_transactions_total counter
aurigraph_transactions_total{status="confirmed"} %d
# TYPE aurigraph_active_nodes gauge
aurigraph_active_nodes{node_type="validator"} %d
`, st.Network, f.tps, st.Network, st.Height, st.Legs, reachables(st))
	return raw{content: q.row.Content, body: []byte(text)}, nil
}

// endpoints answers the table, with examples of what this ledger holds.
func (s *Server) endpoints(ctx context.Context, _ *request) (any, error) {
	st, err := s.parts.Reader.Status(ctx)
	if err != nil {
		return nil, err
	}
	sample := v10.Sample{
		Account: s.cfg.Example, Asset: v10.DefaultAsset, Height: "0", Hash: s.cfg.GenesisHash, Channel: v10.ChannelMain,
		Validator: memberName(st, st.Validator), Node: memberName(st, st.Validator),
	}
	if err := s.sampleLedger(ctx, &sample); err != nil {
		return nil, err
	}
	return v10.ListEndpoints(sample), nil
}

func (s *Server) sampleLedger(ctx context.Context, sample *v10.Sample) error {
	if found, _, err := s.recentBlocks(ctx, chain.Height(1)<<62, 1); err != nil {
		return err
	} else if len(found) > 0 {
		b := blockOf(found[0])
		sample.Height, sample.Hash = strconv.FormatUint(b.Height, 10), b.Hash
	}
	page, err := s.parts.Reader.FindTransfers(ctx, query.TransferFilter{Payments: true}, 1, "")
	if err != nil {
		return err
	}
	if len(page.Items) > 0 {
		sample.Transaction = transferID(&page.Items[0]).String()
	}
	if sample.Account != "" {
		return nil
	}
	first, err := s.parts.Reader.AccountsFrom(ctx, 0, 1)
	if err == nil && len(first.Items) > 0 {
		sample.Account = first.Items[0].Address.String()
	}
	return err
}
