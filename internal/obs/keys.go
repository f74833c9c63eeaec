// SPDX-License-Identifier: Apache-2.0

package obs

// Keys of log records. Add one here before using it.
const (
	KeyAccount   = "account"   // account number or address
	KeyAddress   = "address"   // network address host:port
	KeyAsset     = "asset"     // asset number
	KeyBatch     = "batch"     // batch id, hex
	KeyBytes     = "bytes"     // size in bytes
	KeyComponent = "component" // package or service that speaks
	KeyCount     = "count"     // number of things
	KeyDir       = "dir"       // folder on disk
	KeyEpoch     = "epoch"     // membership_epoch
	KeyErr       = "err"       // error text
	KeyFile      = "file"      // file on disk
	KeyFrom      = "from"      // first of a range, or state before
	KeyHeight    = "height"    // block height
	KeyInst      = "inst"      // institution number
	KeyKind      = "kind"      // fault kind
	KeyLane      = "lane"      // validator number of a lane
	KeyMethod    = "method"    // RPC method
	KeyNode      = "node"      // name of the node that speaks
	KeyPeer      = "peer"      // validator number of the other side
	KeyReason    = "reason"    // stable snake_case word
	KeyRoot      = "root"      // state root, hex
	KeySeconds   = "seconds"   // duration, fractional seconds
	KeySequence  = "sequence"  // channel or lane sequence
	KeyStage     = "stage"     // name of a Stage
	KeyStep      = "step"      // step of a procedure
	KeyTerm      = "term"      // leader's term
	KeyTo        = "to"        // last of a range, or state after
	KeyTx        = "tx"        // transaction hash, hex
	KeyVersion   = "version"   // release or format version
)
