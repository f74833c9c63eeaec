// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"fmt"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// GatewayReport is what a run that measures V10's door came to, as printed with --json.
type GatewayReport struct {
	Direct  *ArmReport `json:"direct"`  // gRPC at a validator
	InNode  *ArmReport `json:"in_node"` // REST at the same validator
	Gateway *ArmReport `json:"gateway"` // REST at a gateway; nil: there is none
	Pairs   int        `json:"pairs"`
	SliceS  float64    `json:"slice_s"`
	Rate    int        `json:"rate"` // of each slice, payments a second
	// Ratios of slices of one pair: in_node by direct, and gateway by direct.
	RatioP50        Interval  `json:"ratio_p50"`
	RatioP99        Interval  `json:"ratio_p99"`
	GatewayRatioP50 *Interval `json:"gateway_ratio_p50"`
	GatewayRatioP99 *Interval `json:"gateway_ratio_p99"`

	Batch   *BatchReport   `json:"batch"`
	Restart *RestartReport `json:"restart"` // nil: not measured, restart_note says why
	Note    string         `json:"restart_note,omitempty"`
	Sockets *SocketsReport `json:"ws"`

	Paid       int64          `json:"paid"`       // payments that were answered as certified
	Counted    int64          `json:"counted"`    // transfers that the ledger counted meanwhile
	Refusals   map[string]int `json:"refusals"`   // of the pairs and of the load beside the sockets
	RSSMBMax   float64        `json:"rss_mb_max"` // of a validator
	RootsEqual bool           `json:"roots_equal"`
	Conserved  bool           `json:"conserved"`
	Nodes      []NodeReport   `json:"nodes"`
	Verified   string         `json:"verified"`
	Machine    string         `json:"machine"`
}

// ArmReport is one way to pay, over all of its slices.
type ArmReport struct {
	Requests int     `json:"requests"`
	P50Us    float64 `json:"p50_us"` // from when a request was due
	P99Us    float64 `json:"p99_us"`
	// CPUUs is of all validators, and of the gateway for its arm: consensus, which is the same in all arms, is in it.
	CPUUs float64 `json:"cpu_us_per_request"`
	// EdgeCPUUs is of the one process that answers: the validator, with its part of consensus, or the gateway.
	EdgeCPUUs float64 `json:"edge_cpu_us_per_request"`
	Blocks    float64 `json:"blocks_per_request"` // how finely the desk cut: a block costs all validators the most of what there is
}

// BatchReport is batches of payments, held for a time.
type BatchReport struct {
	OfferedPerS   float64        `json:"offered_per_s"`
	CommittedPerS float64        `json:"committed_per_s"` // by the ledger's counter, to the last answer
	P50Ms         float64        `json:"p50_ms"`          // of a request, from when it was due to its last byte
	P99Ms         float64        `json:"p99_ms"`
	P999Ms        float64        `json:"p999_ms"`
	DurationS     float64        `json:"duration_s"`
	Requests      int            `json:"requests"`
	Payments      int            `json:"payments_in_a_request"`
	CPUUs         float64        `json:"cpu_us_per_payment"`      // of all validators
	LoadCPUUs     float64        `json:"load_cpu_us_per_payment"` // of the load generator
	Refused       int            `json:"refused"`                 // payments without a certificate
	Refusals      map[string]int `json:"refusals"`
}

// RestartReport is single payments while two gateways behind nginx are restarted in turn.
type RestartReport struct {
	Requests  int            `json:"requests"`
	Lost      int            `json:"lost"` // not answered 2xx, or acknowledged and not on the ledger
	Restarts  int            `json:"restarts"`
	Doubled   int64          `json:"doubled"` // transfers of the ledger beyond those acknowledged: made, but not answered
	P50Ms     float64        `json:"p50_ms"`
	P99Ms     float64        `json:"p99_ms"`
	DurationS float64        `json:"duration_s"`
	Reasons   map[string]int `json:"reasons"` // of what was lost
}

// SocketsReport is WebSockets that follow heads at one validator, under a little load.
type SocketsReport struct {
	Subscribers int     `json:"subscribers"`
	Stalled     int     `json:"stalled"`
	Heads       int     `json:"heads"` // frames measured
	HeadP50Ms   float64 `json:"head_p50_ms"`
	HeadP99Ms   float64 `json:"head_p99_ms"` // from when the socket could be sent a newer head
	HeadMaxMs   float64 `json:"head_max_ms"`
	Closed      int     `json:"closed"` // healthy ones that the server closed
	// KiBPerConnection is the growth of the server's resident memory by one connection, beyond that of validators without sockets; HeapKiB
	// that of Go's heap and stacks in use.
	KiBPerConnection float64 `json:"kib_per_connection"`
	HeapKiB          float64 `json:"heap_kib_per_connection"`
	CPUPercent       float64 `json:"server_cpu_percent"` // of one core, of the validator that has the sockets
}

func newGatewayReport(cfg GatewayConfig) *GatewayReport {
	return &GatewayReport{
		Rate: cfg.Rate, Refusals: map[string]int{}, Machine: machine(),
		Verified: fmt.Sprintf("custodial payments, signed by the validators' desks, certified by a quorum of %d of %d, every flush awaited before an answer; "+
			"gRPC over TLS 1.3, REST in the clear on loopback; what the ledger counted is what was answered; state roots and money recounted from the "+
			"stopped nodes' checkpoints; load generator, validators and gateways on the same cores", chain.Quorum(cfg.Nodes), cfg.Nodes),
	}
}

// Failed says why a run does not count, or nothing.
func (r *GatewayReport) Failed() string {
	switch {
	case !r.RootsEqual:
		return "the nodes differ"
	case !r.Conserved:
		return "money was made or lost"
	case r.Counted < r.Paid:
		return fmt.Sprintf("%d payments were answered as certified, and the ledger counts %d", r.Paid, r.Counted)
	case r.Restart != nil && r.Restart.Doubled > 0 && r.Restart.Lost == 0:
		return fmt.Sprintf("%d payments were made twice while gateways were restarted", r.Restart.Doubled)
	case r.Counted > r.Paid+r.unknown():
		return fmt.Sprintf("the ledger counts %d payments, %d were answered, and %d have no answer: one was made that was not asked for", r.Counted, r.Paid, r.unknown())
	case r.Pairs < pairsMin:
		return fmt.Sprintf("%d pairs, at least %d are needed", r.Pairs, pairsMin)
	case len(r.Refusals) > 0:
		return fmt.Sprintf("payments of the pairs were not made: %v", r.Refusals)
	case r.Batch == nil || r.Batch.Refused > 0:
		return "payments of the batches were not made"
	case r.Restart == nil:
		return "the restart behind nginx was not measured: " + r.Note
	case r.Restart.Lost > 0:
		return fmt.Sprintf("%d of %d payments were lost while gateways were restarted: %v", r.Restart.Lost, r.Restart.Requests, r.Restart.Reasons)
	}
	return ""
}

// unknown is how many payments have no answer that says that they were made: the ledger may have made them nevertheless.
func (r *GatewayReport) unknown() (n int64) {
	for _, k := range r.Refusals {
		n += int64(k)
	}
	if r.Batch != nil {
		n += int64(r.Batch.Refused)
	}
	if r.Restart != nil {
		n += int64(r.Restart.Lost)
	}
	return n
}
