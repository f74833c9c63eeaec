// SPDX-License-Identifier: Apache-2.0

package chain

// PayloadKind says what a lane entry carries.
type PayloadKind uint8

// The payload kinds.
const (
	PayloadBatch PayloadKind = 1 // a client batch (Batch)
	PayloadTxs   PayloadKind = 2 // single transactions, cut together by the node that received them
)

// LaneEntry is one link of a validator's lane: what was cut, where in the lane, and after what. Consensus orders
// digests of entries, never payloads.
type LaneEntry struct {
	Validator ValidatorNo
	JoinEpoch Epoch
	Sequence  uint64 // from 1, no gaps
	Parent    Hash   // digest of the entry before, zero for the first
	Kind      PayloadKind
	Payload   Hash // batch id
	Bytes     uint32
}

// Proposal is what ordering decides for one height: when, and which lane entries in which order. It carries no results.
type Proposal struct {
	Height  Height
	Term    uint64
	TimeUs  uint64 // the proposer's clock in microseconds since 1970, strictly increasing by height
	Entries []Hash // digests of lane entries
}

// EntriesPerBlockMax bounds a proposal (under 2 KB on the wire).
const EntriesPerBlockMax = 60

// BatchResult is one batch's line in an executed header.
type BatchResult struct {
	Entry    Hash   // lane entry digest
	Batch    Hash   // batch id
	Legs     uint32 // outcomes in all
	Outcomes Hash   // BLAKE3 of the outcome array
}

// ExecutedHeader is the certified result of a height.
type ExecutedHeader struct {
	Chain     ChainID
	Epoch     Epoch
	Height    Height
	Previous  Hash // of the executed header before
	Proposal  Hash // of the decided proposal
	TimeUs    uint64
	Batches   []BatchResult
	EVMRoot   Hash   // zero while no EVM ran
	RootAt    Height // height whose state root this header carries; 0 = none
	StateRoot Hash
	Next      Hash // of the next membership, in the last header of an epoch that a change ends; zero in all others
}

// ValidatorSignature is one validator's word on an executed header.
type ValidatorSignature struct {
	Validator ValidatorNo
	Header    []byte // Ed25519 over the header's hash
	Root      []byte // ML-DSA-65 over (RootAt, StateRoot); empty unless the header carries a root
}

// Certificate is a finality certificate: signatures of a quorum over one executed header.
type Certificate struct {
	Epoch      Epoch
	Height     Height
	Header     Hash
	Signatures []ValidatorSignature
}

// Quorum is the number of validators of n whose signatures certify: q = floor((n+f)/2)+1 with f = floor((n-1)/3).
func Quorum(n int) int { return (n+(n-1)/3)/2 + 1 }

// Rules by which headers alone say when a state root is due, and where it appears.
const (
	RootBlocksMax = 256     // a root is due at least this often, in blocks
	RootMicros    = 100_000 // or when this many microseconds of proposer time have passed, and something was executed
	RootDelay     = 8       // the root due at d stands in header d+RootDelay; a header with Next carries its own height's
)

// Location says where a batch was executed.
type Location struct {
	Height  Height
	Index   uint32 // place in the block
	Kind    PayloadKind
	Legs    uint32
	Segment uint64 // where the payload lies in the lane's segments
	Offset  uint32
	Bytes   uint32
	Seq     uint64
}
