// SPDX-License-Identifier: Apache-2.0

package loadgen

// Report is a run's result, as printed with --json.
type Report struct {
	Nodes                   []NodeReport   `json:"nodes"`
	Committed               int64          `json:"committed"`                // legs with outcome ok in the measurement
	CommittedPerS           float64        `json:"committed_per_s"`          // those certified within its duration, a second
	PeakPerS                float64        `json:"peak_per_s"`               // highest rate seen without regard to latency
	OfferedPerS             float64        `json:"offered_per_s"`            // rate held in the measurement
	FinalityMs              Percentiles    `json:"finality_ms"`              // from when a batch was due to its verified receipt
	VoteMs                  *Percentiles   `json:"vote_ms,omitempty"`        // on the leader, from the cut of a proposal until a majority has it on disk
	CertificateMs           *Percentiles   `json:"certificate_ms,omitempty"` // from the cut of a proposal until a node published it
	CheckpointMs            *Percentiles   `json:"checkpoint_ms,omitempty"`  // from there until a checkpoint of a node contains it
	CPUUsPerTransferPerNode float64        `json:"cpu_us_per_transfer_per_node"`
	LoadCPUUsPerTransfer    float64        `json:"load_cpu_us_per_transfer"`
	EdgeCPUS                float64        `json:"edge_cpu_s"` // of the gateway in the measurement, seconds; 0 without one
	RSSMBMax                float64        `json:"rss_mb_max"` // highest VmHWM of a node
	DiskBytesPerTransfer    float64        `json:"disk_bytes_per_transfer_per_node"`
	IndexLagRows            uint64         `json:"index_lag_rows"`
	IndexPerS               float64        `json:"index_rows_per_s"` // in the measurement; the most that the index can do if it fell behind
	ReceiptsChecked         int64          `json:"receipts_checked"`
	Refusals                map[string]int `json:"refusals"`
	RootsEqual              bool           `json:"roots_equal"`
	Conserved               bool           `json:"conserved"`
	Verified                string         `json:"verified"`
	Steps                   []StepReport   `json:"steps"`
	Machine                 string         `json:"machine"`
}

// NodeReport names a node and its folder.
type NodeReport struct {
	ID  string `json:"id"`
	Dir string `json:"dir"`
}

// Percentiles of a latency in milliseconds.
type Percentiles struct {
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
}

// StepReport is one step of the search for the rate.
type StepReport struct {
	OfferedPerS   float64     `json:"offered_per_s"` // 0 = as fast as it goes
	CommittedPerS float64     `json:"committed_per_s"`
	FinalityMs    Percentiles `json:"finality_ms"`
	Kept          bool        `json:"kept"` // the rate was met, within the latency, and no queue grew
}

// Failed says why a run does not count, or nothing.
func (r *Report) Failed() string {
	switch {
	case !r.RootsEqual:
		return "a state root on disk differs from the certified one"
	case !r.Conserved:
		return "money was made or lost"
	case r.ReceiptsChecked*1100 < r.Committed:
		return "too few receipts could be proved"
	}
	return ""
}
