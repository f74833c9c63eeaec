// SPDX-License-Identifier: Apache-2.0

package v10

// ManagedChannels is the answer of /api/channels.
type ManagedChannels struct {
	Success  bool             `json:"success"`
	Channels []ManagedChannel `json:"channels"`
}

// ManagedChannel is a channel as V10's management server (G) shows it.
type ManagedChannel struct {
	ID              string `json:"id"`
	Name            string `json:"name"`
	Description     string `json:"description"`
	Environment     string `json:"environment"`
	Encryption      bool   `json:"encryption"`
	QuantumSecurity bool   `json:"quantumSecurity"`
	ConsensusType   string `json:"consensusType"`
	TargetTPS       uint64 `json:"targetTPS"`
	MaxNodes        int    `json:"maxNodes"`
	Created         Time   `json:"created"`
	Status          string `json:"status"`
}

// ManagedValidators is the answer of /api/validators.
type ManagedValidators struct {
	Success    bool               `json:"success"`
	Validators []ManagedValidator `json:"validators"`
}

// ManagedValidator is a validator as G shows it. Ports are 0 where they are not this server's.
type ManagedValidator struct {
	ID          string             `json:"id"`
	ChannelID   string             `json:"channelId"`
	Stake       uint64             `json:"stake"`
	Role        string             `json:"role"` // LEADER or FOLLOWER
	Port        int                `json:"port"`
	P2PPort     int                `json:"p2pPort"`
	Status      string             `json:"status"` // running, stopped, syncing or error
	Performance ManagedPerformance `json:"performance"`
}

// ManagedPerformance is a validator's figures.
type ManagedPerformance struct {
	TPS     float64 `json:"tps"`
	Latency float64 `json:"latency"` // ms
	Uptime  uint64  `json:"uptime"`  // s
}

// ManagedNodes is the answer of /api/nodes.
type ManagedNodes struct {
	Success bool          `json:"success"`
	Nodes   []ManagedNode `json:"nodes"`
}

// ManagedNode is a node that is no validator, as G shows it.
type ManagedNode struct {
	ID            string           `json:"id"`
	ChannelID     string           `json:"channelId"`
	Type          string           `json:"type"`
	Port          int              `json:"port"`
	P2PPort       int              `json:"p2pPort"`
	Status        string           `json:"status"`
	Connections   int              `json:"connections"`
	ResourceUsage ManagedResources `json:"resourceUsage"`
}

// ManagedResources is percent of cpu, and bytes.
type ManagedResources struct {
	CPU    float64 `json:"cpu"`
	Memory uint64  `json:"memory"`
	Disk   uint64  `json:"disk"`
}

// ManagedMetrics is the answer of /api/metrics.
type ManagedMetrics struct {
	Success bool             `json:"success"`
	Metrics []ChannelMetrics `json:"metrics"`
}

// ChannelMetrics is one channel's figures.
type ChannelMetrics struct {
	ChannelID         string  `json:"channelId"`
	TotalTPS          float64 `json:"totalTPS"`
	AverageLatency    float64 `json:"averageLatency"` // ms
	TotalNodes        int     `json:"totalNodes"`
	ActiveValidators  int     `json:"activeValidators"`
	BlockHeight       uint64  `json:"blockHeight"`
	ConsensusRounds   uint64  `json:"consensusRounds"`
	TransactionVolume uint64  `json:"transactionVolume"`
	ErrorRate         float64 `json:"errorRate"`
}

// ManagedOverview is the answer of /api/overview.
type ManagedOverview struct {
	Success  bool     `json:"success"`
	Overview Overview `json:"overview"`
}

// Overview counts everything once.
type Overview struct {
	Channels         OverviewChannels `json:"channels"`
	Validators       OverviewRunning  `json:"validators"`
	Nodes            OverviewRunning  `json:"nodes"`
	AggregateMetrics OverviewMetrics  `json:"aggregateMetrics"`
}

// OverviewChannels counts channels.
type OverviewChannels struct {
	Total    int `json:"total"`
	Active   int `json:"active"`
	Inactive int `json:"inactive"`
}

// OverviewRunning counts validators or nodes.
type OverviewRunning struct {
	Total   int `json:"total"`
	Running int `json:"running"`
	Stopped int `json:"stopped"`
}

// OverviewMetrics sums up all channels.
type OverviewMetrics struct {
	TotalTPS          float64 `json:"totalTPS"`
	AverageLatency    float64 `json:"averageLatency"` // ms
	TotalTransactions uint64  `json:"totalTransactions"`
}

// NodeReport is the answer of /api/node/status (server C).
type NodeReport struct {
	Status   NodeStatus   `json:"status"`
	Config   NodeConfig   `json:"config"`
	Peers    []NodePeer   `json:"peers"`
	Metrics  NodeMetrics  `json:"metrics"`
	Topology NodeTopology `json:"topology"`
}

// NodeStatus is a node's condition; it is the answer of /status as well.
type NodeStatus struct {
	NodeID          string        `json:"nodeId"`
	Status          string        `json:"status"` // STARTING, SYNCING, ACTIVE, DEGRADED or OFFLINE
	Uptime          uint64        `json:"uptime"` // s
	SyncProgress    float64       `json:"syncProgress"`
	BlockHeight     uint64        `json:"blockHeight"`
	PeerCount       int           `json:"peerCount"`
	TransactionPool int           `json:"transactionPool"`
	ResourceUsage   NodeResources `json:"resourceUsage"`
	LastUpdate      Time          `json:"lastUpdate"`
}

// NodeResources is what the node uses.
type NodeResources struct {
	MemoryUsageMB         float64 `json:"memoryUsageMB"`
	DiskUsageGB           float64 `json:"diskUsageGB"`
	CPUUsagePercent       float64 `json:"cpuUsagePercent"`
	NetworkUsageMBps      float64 `json:"networkUsageMBps"`
	TransactionsPerSecond float64 `json:"transactionsPerSec"`
}

// NodeConfig is how it is set up.
type NodeConfig struct {
	NodeID          string `json:"nodeId"`
	NodeType        string `json:"nodeType"`
	NetworkID       string `json:"networkId"`
	Port            int    `json:"port"`
	MaxConnections  int    `json:"maxConnections"`
	EnableSharding  bool   `json:"enableSharding"`
	ConsensusRole   string `json:"consensusRole"`
	QuantumSecurity bool   `json:"quantumSecurity"`
	StorageType     string `json:"storageType"`
}

// NodePeer is another node.
type NodePeer struct {
	PeerID   string  `json:"peerId"`
	Address  string  `json:"address"`
	Port     int     `json:"port"`
	Status   string  `json:"status"`  // CONNECTED or DISCONNECTED
	Latency  float64 `json:"latency"` // ms
	LastSeen Time    `json:"lastSeen"`
	Version  string  `json:"version"`
}

// NodeMetrics is what it did.
type NodeMetrics struct {
	NodeID                string          `json:"nodeId"`
	NodeType              string          `json:"nodeType"`
	Uptime                uint64          `json:"uptime"`
	Status                string          `json:"status"`
	TransactionsProcessed uint64          `json:"transactionsProcessed"`
	BlocksProduced        uint64          `json:"blocksProduced"`
	Performance           NodePerformance `json:"performance"`
}

// NodePerformance is its figures now.
type NodePerformance struct {
	TPS         float64 `json:"tps"`
	BlockHeight uint64  `json:"blockHeight"`
	PeerCount   int     `json:"peerCount"`
	PoolSize    int     `json:"poolSize"`
}

// NodeTopology is its neighbours.
type NodeTopology struct {
	NodeID    string         `json:"nodeId"`
	NodeType  string         `json:"nodeType"`
	NetworkID string         `json:"networkId"`
	Peers     []NodeNeigh    `json:"peers"`
	Sharding  NodeShardState `json:"sharding"`
}

// NodeNeigh is one of them.
type NodeNeigh struct {
	ID      string  `json:"id"`
	Status  string  `json:"status"`
	Latency float64 `json:"latency"` // ms
}

// NodeShardState is off: there are no shards.
type NodeShardState struct {
	Enabled bool   `json:"enabled"`
	ShardID string `json:"shardId"`
}

// NodeSubmit is a payment as server C takes it. Its id is the client's own word: it is no idempotency key, since V10's was none.
type NodeSubmit struct {
	ID     string  `json:"id"`
	From   string  `json:"from"`
	To     string  `json:"to"`
	Amount Decimal `json:"amount"`
}

// Check says whether r can be a payment.
func (r *NodeSubmit) Check() error {
	if err := CheckName("id", r.ID); err != nil {
		return err
	}
	p := Submit{From: r.From, To: r.To, Amount: r.Amount}
	return p.Check()
}

// NodeSubmitted is the answer: a refusal of the ledger is 200 with Success false, as with V10.
type NodeSubmitted struct {
	Success       bool   `json:"success"`
	TransactionID string `json:"transactionId,omitempty"`
	Error         string `json:"error,omitempty"`
}

// CryptoStatus is the answer of /api/crypto/status.
type CryptoStatus struct {
	Version       string        `json:"version"`
	Algorithms    []string      `json:"algorithms"`
	SecurityLevel int           `json:"securityLevel"`
	Metrics       CryptoMetrics `json:"metrics"`
	QuantumReady  bool          `json:"quantumReady"`
}

// CryptoMetrics counts since the server began.
type CryptoMetrics struct {
	SignaturesVerified uint64 `json:"signaturesVerified"`
	SignaturesMade     uint64 `json:"signaturesMade"`
	Failures           uint64 `json:"failures"`
}

// PerformanceReport is the answer of /api/performance/metrics.
type PerformanceReport struct {
	Metrics Metrics `json:"metrics"`
}

// Feed is the answer of /api/transactions (server H): the last 100 transfers.
type Feed struct {
	Transactions []FeedTransaction `json:"transactions"`
	Total        int               `json:"total"`
}

// FeedTransaction is a transfer as H's feed shows it.
type FeedTransaction struct {
	ID        string  `json:"id"`
	From      string  `json:"from"`
	To        string  `json:"to"`
	Amount    Decimal `json:"amount"`    // a number
	Type      string  `json:"type"`      // standard
	Status    string  `json:"status"`    // completed or failed
	Timestamp uint64  `json:"timestamp"` // ms since 1970
	Shard     int     `json:"shard"`
	GasUsed   uint64  `json:"gasUsed"`
	ZKProof   bool    `json:"zkProof"`
}
