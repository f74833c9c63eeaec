// SPDX-License-Identifier: Apache-2.0

package v10

// Consensus is the answer of /api/v10/consensus. Round is the newest certified height; Algorithm is the engine's own name.
type Consensus struct {
	Algorithm  string `json:"algorithm"`
	Status     string `json:"status"` // active, or stalled when there is no quorum
	Validators int    `json:"validators"`
	Leader     string `json:"leader"` // empty while there is none
	Round      uint64 `json:"round"`
	Finality   string `json:"finality"` // such as "0.1s"
}

// ConsensusState is the answer of /api/v10/consensus/state.
type ConsensusState struct {
	State      string `json:"state"` // leader, follower, candidate, …
	Term       uint64 `json:"term"`
	Leader     string `json:"leader"`
	Round      uint64 `json:"round"`
	Height     uint64 `json:"height"` // decided
	Validators int    `json:"validators"`
	Quorum     int    `json:"quorum"`
	StateRoot  string `json:"state_root"`
	Timestamp  Time   `json:"timestamp"`
}

// ValidatorList is the members of the network.
type ValidatorList struct {
	Validators []ConsensusValidator `json:"validators"`
	Total      int                  `json:"total"`
}

// ConsensusValidator is one member. Every member has one vote: Stake is 1.
type ConsensusValidator struct {
	ID         string `json:"id"`
	Status     string `json:"status"` // active or unreachable
	IsLeader   bool   `json:"is_leader"`
	Stake      uint64 `json:"stake"`
	Signatures int    `json:"signatures"` // of the newest certificates
	LastHeight uint64 `json:"last_height"`
	PublicKey  string `json:"public_key"` // hex; empty where there is none
}

// RoundList is the newest rounds, newest first.
type RoundList struct {
	Rounds []Round `json:"rounds"`
	Total  int     `json:"total"`
}

// Round is one committed round.
type Round struct {
	Round        uint64 `json:"round"`
	Leader       string `json:"leader"`
	Votes        int    `json:"votes"`
	BlockHash    string `json:"block_hash"`
	Transactions uint64 `json:"transactions"`
	Status       string `json:"status"` // committed
	Timestamp    Time   `json:"timestamp"`
}

// Leader is the answer of /api/v10/consensus/leader.
type Leader struct {
	Leader string `json:"leader"`
	Term   uint64 `json:"term"`
	Round  uint64 `json:"round"`
}

// VoteList is the votes for the newest rounds, newest first.
type VoteList struct {
	Votes []Vote `json:"votes"`
	Total int    `json:"total"`
}

// Vote is one validator's signature under a round.
type Vote struct {
	Round     uint64 `json:"round"`
	Validator string `json:"validator"`
	Approve   bool   `json:"approve"`
	Stake     uint64 `json:"stake"`
	Timestamp Time   `json:"timestamp"`
}

// NodeList is the nodes that a server knows.
type NodeList struct {
	Nodes []Node `json:"nodes"`
	Total int    `json:"total"`
}

// Node is one of them.
type Node struct {
	ID        string  `json:"id"`
	Type      string  `json:"type"`   // VALIDATOR or FULL
	Status    string  `json:"status"` // running, syncing or unreachable
	Height    uint64  `json:"height"`
	Version   string  `json:"version"`
	LatencyMs float64 `json:"latency_ms"` // of a round trip; 0 for the server itself
}

// ChannelMain is the one channel of a network: V10's notion of several ledgers in one has no counterpart.
const ChannelMain = "main"

// ChannelList is the channels.
type ChannelList struct {
	Channels []Channel `json:"channels"`
	Total    int       `json:"total"`
}

// Channel is one of them.
type Channel struct {
	ID           string `json:"id"`
	Name         string `json:"name"`
	Status       string `json:"status"`
	Validators   int    `json:"validators"`
	Nodes        int    `json:"nodes"`
	Transactions uint64 `json:"transactions"`
	BlockHeight  uint64 `json:"block_height"`
}

// Topology is who is connected with whom, as this server sees it.
type Topology struct {
	Nodes []TopologyNode `json:"nodes"`
	Links []TopologyLink `json:"links"`
	Total int            `json:"total"` // nodes
}

// TopologyNode is one node.
type TopologyNode struct {
	ID     string `json:"id"`
	Type   string `json:"type"`
	Status string `json:"status"`
}

// TopologyLink is a connection of this server.
type TopologyLink struct {
	From      string  `json:"from"`
	To        string  `json:"to"`
	Status    string  `json:"status"` // CONNECTED or DISCONNECTED
	LatencyMs float64 `json:"latency_ms"`
}
