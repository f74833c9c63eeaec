// SPDX-License-Identifier: Apache-2.0

package orderbench

import "fmt"

// Report is a run's result, as printed with --json.
type Report struct {
	Engine     string      `json:"engine"`
	Nodes      int         `json:"nodes"`
	Window     int         `json:"window"`
	Fsync      bool        `json:"fsync"`
	Rate       int         `json:"rate"` // digests offered a second; 0 = as many as the window lets
	Rounds     uint64      `json:"rounds"`
	DurationS  float64     `json:"duration_s"`
	RoundsPerS float64     `json:"rounds_per_s"`
	DecidedMs  Percentiles `json:"decided_ms"` // from a digest's offer at the leader until it left Decided there
	// CPU time of all members by rounds and members; that of the leader, which offers the digests, beside it.
	CPUUsPerRoundPerNode float64 `json:"cpu_us_per_round_per_node"`
	LeaderCPUUsPerRound  float64 `json:"leader_cpu_us_per_round"`
	SyncsPerRound        float64 `json:"syncs_per_round"` // flushes of a member's disk, the mean of all members
	LeaderSyncsPerRound  float64 `json:"leader_syncs_per_round"`
	DigestsPerRound      float64 `json:"digests_per_round"`
	TermChanges          uint64  `json:"term_changes"` // while measuring; each is a stall
	Undecided            int     `json:"undecided"`    // digests that were offered and never came out
	Agreed               bool    `json:"agreed"`       // all members decided the same history
}

// Percentiles of a latency in milliseconds.
type Percentiles struct {
	P50  float64 `json:"p50"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
}

// Failed says why a run does not count, or nothing.
func (r *Report) Failed() string {
	switch {
	case !r.Agreed:
		return "the members decided different histories"
	case r.Undecided > 0:
		return fmt.Sprintf("%d digests were offered and never decided", r.Undecided)
	case r.Rounds == 0:
		return "nothing was decided while measuring"
	}
	return ""
}

// fill computes the figures from each member's marks at the begin and the end of the measurement.
func (r *Report) fill(leader int, begin, end []mark) {
	l, first := end[leader], begin[leader]
	r.Rounds = l.Rounds - first.Rounds
	r.DurationS = float64(l.AtUs-first.AtUs) / 1e6
	r.DecidedMs, r.TermChanges = l.DecidedMs, l.Term-first.Term
	if r.Rounds == 0 {
		return
	}
	rounds, nodes := float64(r.Rounds), float64(len(end))
	r.RoundsPerS = rounds / r.DurationS
	r.DigestsPerRound = float64(l.Digests-first.Digests) / rounds
	r.LeaderCPUUsPerRound = float64(l.CPUUs-first.CPUUs) / rounds
	r.LeaderSyncsPerRound = float64(l.Syncs-first.Syncs) / rounds
	for i := range end {
		r.CPUUsPerRoundPerNode += float64(end[i].CPUUs-begin[i].CPUUs) / rounds / nodes
		r.SyncsPerRound += float64(end[i].Syncs-begin[i].Syncs) / rounds / nodes
	}
}
