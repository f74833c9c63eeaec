// SPDX-License-Identifier: Apache-2.0

package v10

// Versions and names that V10's servers gave themselves. Clients compare them, so they stay what they were.
const (
	VersionLocal      = "10.18.0" // server L: health, info
	VersionMonitoring = "10.7.0"  // server M: status
	VersionManagement = "10.36.0" // servers G and C
	ServiceLocal      = "aurigraph-v10"
	ServiceManagement = "Aurigraph V10 Management API"
	PlatformName      = "AV10-7 DLT Platform"
)

// Health is the answer of /health, and of /api/health without Uptime.
type Health struct {
	Status    string `json:"status"` // healthy, degraded or unhealthy
	Timestamp Time   `json:"timestamp"`
	Service   string `json:"service"`
	Version   string `json:"version"`
	Uptime    uint64 `json:"uptime,omitempty"` // ms
}

// HealthWord is the answer of /api/v10/health.
type HealthWord struct {
	Status string `json:"status"` // UP or DOWN
}

// PlatformStatus is the answer of /api/v10/status.
type PlatformStatus struct {
	Platform  string   `json:"platform"`
	Version   string   `json:"version"`
	Status    string   `json:"status"` // operational or degraded
	Features  Features `json:"features"`
	Timestamp Time     `json:"timestamp"`
}

// Features says which engines a server has.
type Features struct {
	QuantumSecurity       bool `json:"quantumSecurity"`
	ZKProofs              bool `json:"zkProofs"`
	CrossChain            bool `json:"crossChain"`
	AIOptimization        bool `json:"aiOptimization"`
	ChannelEncryption     bool `json:"channelEncryption"`
	ConsensusOptimization bool `json:"consensusOptimization"`
	WormholeIntegration   bool `json:"wormholeIntegration"`
	DistributedLedger     bool `json:"distributedLedger"`
}

// Info is the answer of /api/v10/info.
type Info struct {
	Platform     string      `json:"platform"`
	Version      string      `json:"version"`
	Description  string      `json:"description"`
	Capabilities []string    `json:"capabilities"`
	Network      InfoNetwork `json:"network"`
}

// InfoNetwork is where a server stands.
type InfoNetwork struct {
	Domain      string `json:"domain"` // the network's name
	Environment string `json:"environment"`
	Region      string `json:"region"`
}

// Stats is the answer of /api/v10/stats.
type Stats struct {
	Transactions StatsTransactions `json:"transactions"`
	Blocks       StatsBlocks       `json:"blocks"`
	Network      StatsNetwork      `json:"network"`
	Performance  StatsPerformance  `json:"performance"`
}

// StatsTransactions counts transfers: since genesis, and a second over the last 10 s and since the server began.
type StatsTransactions struct {
	Total  uint64  `json:"total"`
	TPS    float64 `json:"tps"`
	AvgTPS float64 `json:"avg_tps"`
}

// StatsBlocks is the newest height and the mean time between the newest blocks, such as "0.1s".
type StatsBlocks struct {
	Height uint64 `json:"height"`
	Time   string `json:"time"`
}

// StatsNetwork counts nodes. Uptime is seconds as text, such as "3600s".
type StatsNetwork struct {
	Nodes      int    `json:"nodes"`
	Validators int    `json:"validators"`
	Uptime     string `json:"uptime"`
}

// StatsPerformance is the server's own use: bytes of memory, and percent of one core.
type StatsPerformance struct {
	MemoryUsage uint64  `json:"memory_usage"`
	CPUUsage    float64 `json:"cpu_usage"`
}

// Performance is the answer of /api/v10/performance.
type Performance struct {
	Target        PerformanceTarget        `json:"target"`
	Configuration PerformanceConfiguration `json:"configuration"`
	Resources     PerformanceResources     `json:"resources"`
	Optimizations PerformanceOptimizations `json:"optimizations"`
}

// PerformanceTarget is what the server is set up for; 0 where nothing is set. Latency is in ms.
type PerformanceTarget struct {
	TPS        uint64 `json:"tps"`
	Latency    uint64 `json:"latency"`
	Throughput uint64 `json:"throughput"`
}

// PerformanceConfiguration is how the server works: cores, blocks in flight, transfers of a batch.
type PerformanceConfiguration struct {
	ParallelThreads int `json:"parallelThreads"`
	PipelineDepth   int `json:"pipelineDepth"`
	BatchSize       int `json:"batchSize"`
	MaxBatchSize    int `json:"maxBatchSize"`
}

// PerformanceResources is text for people.
type PerformanceResources struct {
	Memory           string `json:"memory"`
	CPU              string `json:"cpu"`
	NetworkBandwidth string `json:"networkBandwidth"`
}

// PerformanceOptimizations is all off: there is no AI engine.
type PerformanceOptimizations struct {
	AIEnabled            bool `json:"aiEnabled"`
	PredictiveConsensus  bool `json:"predictiveConsensus"`
	OptimizationInterval int  `json:"optimizationInterval"`
}

// PerformanceNow is the answer of /api/v10/performance/realtime. Latency is the mean time from submission to certificate.
type PerformanceNow struct {
	Timestamp            Time    `json:"timestamp"`
	TPS                  float64 `json:"tps"`
	LatencyMs            float64 `json:"latency_ms"`
	ZKProofsPerSec       float64 `json:"zkproofs_per_sec"`
	CrossChainTxs        uint64  `json:"cross_chain_txs"`
	QuantumSecurityLevel int     `json:"quantum_security_level"`
}

// Security is the answer of /api/v10/security.
type Security struct {
	Quantum    SecurityQuantum    `json:"quantum"`
	ZKProofs   SecurityZK         `json:"zkProofs"`
	Encryption SecurityEncryption `json:"encryption"`
}

// SecurityQuantum names the post-quantum schemes that are in use. Level is their NIST category, 0 if there are none.
type SecurityQuantum struct {
	Enabled    bool     `json:"enabled"`
	Level      int      `json:"level"`
	Algorithms []string `json:"algorithms"`
}

// SecurityZK is all off: there are no zero-knowledge proofs.
type SecurityZK struct {
	Enabled         bool            `json:"enabled"`
	Types           SecurityZKTypes `json:"types"`
	RecursiveProofs bool            `json:"recursiveProofs"`
}

// SecurityZKTypes is all off.
type SecurityZKTypes struct {
	SNARK bool `json:"snark"`
	STARK bool `json:"stark"`
	PLONK bool `json:"plonk"`
}

// SecurityEncryption is all off: both are about computing on secrets.
type SecurityEncryption struct {
	Homomorphic           bool `json:"homomorphic"`
	MultiPartyComputation bool `json:"multiPartyComputation"`
}

// Validation is the answer of /api/v10/validation: what the server checked about itself.
type Validation struct {
	Summary     ValidationSummary  `json:"summary"`
	Results     []ValidationResult `json:"results"`
	Timestamp   Time               `json:"timestamp"`
	Environment string             `json:"environment"`
}

// ValidationSummary counts results.
type ValidationSummary struct {
	Total    int `json:"total"`
	Passed   int `json:"passed"`
	Warnings int `json:"warnings"`
	Failed   int `json:"failed"`
}

// ValidationResult is one check.
type ValidationResult struct {
	Name    string `json:"name"`
	Status  string `json:"status"` // PASS, WARN or FAIL
	Message string `json:"message"`
}

// Metrics is the answer of /api/v10/metrics. Latencies are in ms.
type Metrics struct {
	TPS     MetricsTPS     `json:"tps"`
	Latency MetricsLatency `json:"latency"`
	Network MetricsNetwork `json:"network"`
}

// MetricsTPS is transfers a second: over the last 10 s, since the server began, and the best 10 s since then.
type MetricsTPS struct {
	Current float64 `json:"current"`
	Average float64 `json:"average"`
	Peak    float64 `json:"peak"`
}

// MetricsLatency is from submission to certificate.
type MetricsLatency struct {
	Current float64 `json:"current"`
	P50     float64 `json:"p50"`
	P95     float64 `json:"p95"`
	P99     float64 `json:"p99"`
}

// MetricsNetwork counts what the server knows of.
type MetricsNetwork struct {
	Validators  int `json:"validators"`
	FullNodes   int `json:"full_nodes"`
	Channels    int `json:"channels"`
	Connections int `json:"connections"`
}

// SystemStatus is the answer of /api/status.
type SystemStatus struct {
	Status          string  `json:"status"`
	Platform        string  `json:"platform"`
	Version         string  `json:"version"`
	TPS             float64 `json:"tps"`
	Latency         float64 `json:"latency"` // ms
	Validators      int     `json:"validators"`
	QuantumLevel    int     `json:"quantum_level"`
	ChainsConnected int     `json:"chains_connected"`
	Uptime          uint64  `json:"uptime"` // s
}

// EndpointList is the answer of /api/v10/endpoints.
type EndpointList struct {
	Endpoints []EndpointEntry `json:"endpoints"`
	Total     int             `json:"total"`
	Served    int             `json:"served"`
	Tested    int             `json:"tested"`
}

// EndpointEntry is one row of the table as a client sees it.
type EndpointEntry struct {
	Method  string  `json:"method"`
	Path    string  `json:"path"`
	Group   Group   `json:"group"`
	RPC     string  `json:"rpc"`
	Status  Status  `json:"status"`
	Tested  bool    `json:"tested"`
	Example string  `json:"example,omitempty"`
	Missing Missing `json:"missing,omitempty"`
}

// ListEndpoints is the table for clients of a running server. Tested means that the contract suite plays the row.
func ListEndpoints(s Sample) EndpointList {
	l := EndpointList{Endpoints: make([]EndpointEntry, 0, len(table))}
	for i := range table {
		e := &table[i]
		entry := EndpointEntry{
			Method: e.Method, Path: e.Path, Group: e.Group, RPC: e.RPC, Status: e.Status,
			Tested: Tested(e), Example: e.ExampleWith(s), Missing: e.Missing,
		}
		l.Endpoints = append(l.Endpoints, entry)
		if e.Status == Served {
			l.Served++
		}
		if entry.Tested {
			l.Tested++
		}
	}
	l.Total = len(l.Endpoints)
	return l
}
