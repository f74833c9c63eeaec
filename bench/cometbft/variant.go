// SPDX-License-Identifier: Apache-2.0

package cometbft

// Variant is how CometBFT is run and loaded.
type Variant struct {
	App           string
	Settings      []setting // beyond those that four validators on one machine need
	MaxBlockBytes int       // in the genesis file; 0: as it comes
	Records       int       // in one transaction
	Window        int       // transactions under way
	PerRequest    int       // transactions in one JSON-RPC request
	Senders       int
}

// Default is CometBFT as "cometbft testnet" writes it: a block a second, a mempool of 5,000, batches of ten requests.
var Default = Variant{App: "kvstore", Records: 1, Window: 3_500, PerRequest: 10, Senders: 8}

// Tuned takes the pauses out of consensus and gossip, the limits out of mempool and links, and the indexes away.
var Tuned = Variant{App: "kvstore", Settings: tuned, MaxBlockBytes: 16 << 20, Records: 1, Window: 4_000, PerRequest: 100, Senders: 8}

// Opaque is the tuned one with 1,024 records in a transaction that nobody looks at.
var Opaque = Variant{App: "noop", Settings: tuned, MaxBlockBytes: 16 << 20, Records: 1024, Window: 128, PerRequest: 4, Senders: 8}

// setting is one line of config.toml.
type setting struct{ section, key, value string }

// oneMachine is what validators on one address need to connect at all.
var oneMachine = []setting{{"p2p", "addr_book_strict", "false"}, {"p2p", "allow_duplicate_ip", "true"}}

var tuned = []setting{
	{"", "log_level", `"error"`},
	{"consensus", "timeout_commit", `"0s"`},
	{"consensus", "skip_timeout_commit", "true"},
	{"consensus", "peer_gossip_sleep_duration", `"1ms"`},
	{"p2p", "flush_throttle_timeout", `"1ms"`},
	{"p2p", "max_packet_msg_payload_size", "65536"},
	{"p2p", "send_rate", "1073741824"},
	{"p2p", "recv_rate", "1073741824"},
	{"p2p", "pex", "false"},
	{"mempool", "size", "200000"},
	{"mempool", "cache_size", "400000"},
	{"mempool", "max_txs_bytes", "1073741824"},
	{"mempool", "recheck", "false"},
	{"rpc", "max_request_batch_size", "1000"},
	{"rpc", "max_body_bytes", "16777216"},
	{"storage", "discard_abci_responses", "true"},
	{"tx_index", "indexer", `"null"`},
}
