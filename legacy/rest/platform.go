// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"fmt"
	"net/http"
	"runtime"
	"strconv"

	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy/ledger"
)

func (s *Server) now() v10.Time { return v10.Time(max(0, s.cfg.Now().UnixMilli())) }

// serves reports whether writes are taken.
func (s *Server) serves() bool { return !s.draining.Load() && s.ledger.Running() }

func (s *Server) healthOf(h v10.Health) (any, error) {
	h.Timestamp, h.Status = s.now(), "healthy"
	b := body{code: http.StatusOK}
	if !s.serves() {
		h.Status, b.code = "unhealthy", http.StatusServiceUnavailable
	}
	b.bytes = v10.Marshal(h)
	return b, nil
}

func (s *Server) health(*call) (any, error) {
	return s.healthOf(v10.Health{Service: v10.ServiceLocal, Version: v10.VersionLocal, Uptime: uint64(max(1, s.uptime().Milliseconds()))})
}

func (s *Server) managementHealth(*call) (any, error) {
	return s.healthOf(v10.Health{Service: v10.ServiceManagement, Version: v10.VersionManagement})
}

func (s *Server) healthWord(*call) (any, error) {
	if !s.serves() {
		return body{code: http.StatusServiceUnavailable, bytes: v10.Marshal(v10.HealthWord{Status: "DOWN"})}, nil
	}
	return v10.HealthWord{Status: "UP"}, nil
}

func (s *Server) platformStatus(*call) (any, error) {
	p := v10.PlatformStatus{
		Platform: v10.PlatformName, Version: v10.VersionMonitoring, Status: "operational", Timestamp: s.now(),
		Features: v10.Features{DistributedLedger: true},
	}
	if !s.serves() {
		p.Status = "degraded"
	}
	return p, nil
}

func (s *Server) info(*call) (any, error) {
	return v10.Info{
		Platform: "Aurigraph DLT V10", Version: v10.VersionLocal, Description: "V10 reference ledger on " + s.cfg.Engine,
		Capabilities: []string{"Accounts by name", "Assets with decimal-exact balances", "Idempotent payments", "A change log"},
		Network:      v10.InfoNetwork{Domain: s.cfg.Network, Environment: s.cfg.Environment, Region: "local"},
	}, nil
}

// blockTime is the mean time between the newest rounds.
func (s *Server) blockTime() (string, error) {
	found, err := s.ledger.Rounds(0, v10.BlocksDefault)
	if err != nil || len(found) < 2 {
		return "0.0s", err
	}
	ms := float64(found[0].Ms-found[len(found)-1].Ms) / float64(len(found)-1)
	return strconv.FormatFloat(ms/1000, 'f', 1, 64) + "s", nil
}

func (s *Server) stats(*call) (any, error) {
	every, err := s.blockTime()
	t := s.ledger.Totals()
	return v10.Stats{
		Transactions: v10.StatsTransactions{Total: t.Transactions, TPS: s.ledger.PerSecond(), AvgTPS: s.rateSinceBegin()},
		Blocks:       v10.StatsBlocks{Height: t.Round, Time: every},
		Network:      v10.StatsNetwork{Nodes: 1, Validators: validators, Uptime: strconv.Itoa(int(s.uptime().Seconds())) + "s"},
		Performance:  v10.StatsPerformance{MemoryUsage: memory(), CPUUsage: s.cpuPercent()},
	}, err
}

func (s *Server) performance(*call) (any, error) {
	return v10.Performance{
		Configuration: v10.PerformanceConfiguration{
			ParallelThreads: runtime.GOMAXPROCS(0), PipelineDepth: 1, BatchSize: 1, MaxBatchSize: v10.BatchItemsMax,
		},
		Resources: v10.PerformanceResources{
			Memory: fmt.Sprintf("%d MB", memory()>>20), CPU: fmt.Sprintf("%d cores", runtime.NumCPU()), NetworkBandwidth: "",
		},
	}, nil
}

func (s *Server) performanceNow(*call) (any, error) {
	return v10.PerformanceNow{Timestamp: s.now(), TPS: s.ledger.PerSecond(), LatencyMs: milliseconds(s.load.mean())}, nil
}

func (s *Server) security(*call) (any, error) {
	return v10.Security{Quantum: v10.SecurityQuantum{Algorithms: []string{}}}, nil
}

// validation checks that the newest round follows the one before and that its row leads back to it by hash.
func (s *Server) validation(*call) (any, error) {
	v := v10.Validation{Timestamp: s.now(), Environment: s.cfg.Environment}
	for _, check := range []struct {
		name string
		run  func() error
	}{{"chain", s.checkChain}, {"writer", s.checkWriter}} {
		r := v10.ValidationResult{Name: check.name, Status: "PASS", Message: "ok"}
		if err := check.run(); err != nil {
			r.Status, r.Message = "FAIL", err.Error()
			v.Summary.Failed++
		} else {
			v.Summary.Passed++
		}
		v.Results = append(v.Results, r)
		v.Summary.Total++
	}
	return v, nil
}

func (s *Server) checkChain() error {
	found, err := s.ledger.Rounds(0, v10.BlocksDefault)
	if err != nil {
		return err
	}
	for i, r := range found {
		if i > 0 && found[i-1].Previous != r.Hash {
			return fault.New(fault.Corrupt, "block %d does not follow block %d", found[i-1].Number, r.Number)
		}
		if by, err := s.ledger.RoundByHash(r.Hash); err != nil || by.Number != r.Number {
			return fault.New(fault.Corrupt, "block %d is not found by its hash", r.Number)
		}
	}
	return nil
}

func (s *Server) checkWriter() error {
	if !s.ledger.Running() {
		return fault.New(fault.Unavailable, "the ledger takes no writes")
	}
	return nil
}

func (s *Server) metricsNow() v10.Metrics {
	now, p := s.ledger.PerSecond(), s.load.percentiles(0.5, 0.95, 0.99)
	return v10.Metrics{
		TPS:     v10.MetricsTPS{Current: now, Average: s.rateSinceBegin(), Peak: s.load.highest(now)},
		Latency: v10.MetricsLatency{Current: milliseconds(s.load.mean()), P50: p[0], P95: p[1], P99: p[2]},
		Network: v10.MetricsNetwork{Validators: validators, Channels: channelCount, Connections: int(s.inFlight.Load())},
	}
}

func (s *Server) metrics(*call) (any, error) { return s.metricsNow(), nil }

func (s *Server) systemStatus(*call) (any, error) {
	return v10.SystemStatus{
		Status: "operational", Platform: v10.PlatformName, Version: v10.VersionMonitoring, TPS: s.ledger.PerSecond(),
		Latency: milliseconds(s.load.mean()), Validators: validators, Uptime: uint64(s.uptime().Seconds()),
	}, nil
}

// prometheus writes V10's own names.
func (s *Server) prometheus(c *call) (any, error) {
	t := s.ledger.Totals()
	text := fmt.Sprintf(`# TYPE aurigraph_tps gauge
aurigraph_tps{network=%q} %g
# TYPE aurigraph_block_height gauge
aurigraph_block_height{chain=%q} %d
# TYPE aurigraph_transactions_total counter
aurigraph_transactions_total{status="confirmed"} %d
aurigraph_transactions_total{status="failed"} %d
# TYPE aurigraph_active_nodes gauge
aurigraph_active_nodes{node_type="validator"} %d
`, s.cfg.Network, s.ledger.PerSecond(), s.cfg.Network, t.Round, t.Transactions-t.Refused, t.Refused, validators)
	return body{content: c.row.Content, bytes: []byte(text)}, nil
}

// endpoints is the table, with examples of what this ledger holds.
func (s *Server) endpoints(*call) (any, error) {
	sample := v10.Sample{
		Account: ledger.Treasury, Asset: v10.DefaultAsset, Validator: s.ledger.Leader(), Node: s.ledger.Leader(), Channel: v10.ChannelMain,
	}
	if found, _, err := s.ledger.Transactions(ledger.Query{Limit: 1}); err == nil && len(found) == 1 {
		sample.Transaction = found[0].ID.String()
	}
	r, err := s.ledger.Round(s.ledger.Totals().Round)
	if err == nil {
		sample.Height, sample.Hash = strconv.FormatUint(r.Number, 10), r.Hash.String()
	}
	return v10.ListEndpoints(sample), err
}
