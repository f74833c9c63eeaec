// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"fmt"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// CatchUpReport is the result, as printed with --json.
type CatchUpReport struct {
	Blocks   int                     `json:"blocks"`
	Rate     int                     `json:"rate"`
	Legs     int                     `json:"legs"`
	Nodes    int                     `json:"nodes"`
	Accounts int                     `json:"accounts"`
	From     map[string]*CatchUpFrom `json:"from"`
	Verified string                  `json:"verified"`
	Machine  string                  `json:"machine"`
}

// CatchUpFrom is how a node came back one way.
type CatchUpFrom struct {
	DownS           float64         `json:"down_s"`
	BehindBlocks    int             `json:"behind_blocks"`   // when it was started again
	BlocksPerS      float64         `json:"blocks_per_s"`    // that the others made meanwhile
	CatchUpS        float64         `json:"catchup_s"`       // from the start of its process until it signed beside the others
	TimesRealTime   float64         `json:"times_real_time"` // the time in which the others made what it lacked, by catchup_s
	StateTaken      bool            `json:"state_taken"`     // a peer's checkpoint was
	StateHeight     chain.Height    `json:"state_height"`    // of that checkpoint; 0: none
	FinalityMs      CatchUpFinality `json:"finality_ms"`
	P99Ratio        float64         `json:"p99_ratio"`          // during, by before
	RSSMBMax        float64         `json:"rss_mb_max"`         // highest of any node while one caught up
	RSSMBCatchingUp float64         `json:"rss_mb_catching_up"` // highest of that one
	Kept            float64         `json:"kept"`               // transfers committed a second while it caught up
	Acks            int             `json:"acks"`               // batches acknowledged
	LostAcks        int             `json:"lost_acks"`          // of those, not found on a disk
	FoundOnFallen   int             `json:"found_on_fallen"`    // of those, found on the disk of the node that fell
	Refusals        map[string]int  `json:"refusals"`
	RootsEqual      bool            `json:"roots_equal"`
	Conserved       bool            `json:"conserved"`
	Nodes           []NodeReport    `json:"nodes"`
	FallenNode      string          `json:"fallen_node"`
}

// CatchUpFinality is the finality of the load: before the node fell, while it was dead, and while it caught up.
type CatchUpFinality struct {
	Before Percentiles `json:"before"`
	Down   Percentiles `json:"down"`
	During Percentiles `json:"during"`
}

func newCatchUpReport(cfg CatchUpConfig) *CatchUpReport {
	return &CatchUpReport{
		Blocks: cfg.Blocks, Rate: cfg.Rate, Legs: cfg.Legs, Nodes: cfg.Nodes, Accounts: cfg.Accounts, From: map[string]*CatchUpFrom{}, Machine: machine(),
		Verified: fmt.Sprintf("one mldsa65 signature per batch of %d transfers; %d nodes of a quorum of %d; the load goes to those that stay, throughout; "+
			"each receipt's certificate, header line and outcomes verified by the client, and each acknowledged batch found again on the disk of every node, if that keeps its height; "+
			"whether a state was taken is read from the node's disk; state roots and money recounted from the stopped nodes' checkpoints; load generator on the same cores",
			cfg.Legs, cfg.Nodes, chain.Quorum(cfg.Nodes)),
	}
}

// Failed says why a run does not count, or nothing.
func (r *CatchUpReport) Failed() string {
	for _, from := range []string{FromBlocks, FromCheckpoint} {
		if f := r.From[from]; f != nil {
			if why := f.failed(from); why != "" {
				return "from " + from + ": " + why
			}
		}
	}
	return ""
}

func (f *CatchUpFrom) failed(from string) string {
	switch {
	case !f.RootsEqual:
		return "the nodes differ"
	case !f.Conserved:
		return "money was made or lost"
	case f.LostAcks > 0:
		return fmt.Sprintf("%d acknowledged batches are gone", f.LostAcks)
	case f.Acks == 0 || f.FoundOnFallen == 0:
		return "no batch was acknowledged and found on the disk of the node that fell"
	case f.StateTaken && from == FromBlocks:
		return "a peer's state was taken, though all payloads were there"
	case !f.StateTaken && from == FromCheckpoint:
		return "no state was taken, though payloads were gone"
	}
	return ""
}
