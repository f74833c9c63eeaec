// SPDX-License-Identifier: Apache-2.0

package syncload

import (
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/aurigraph/aurigraph/internal/loadgen"
)

// Spread is how a latency is spread, in ms.
type Spread struct {
	P50     float64 `json:"p50"`
	P99     float64 `json:"p99"`
	Max     float64 `json:"max"`
	Samples int     `json:"samples"`
}

func spreadOf(sorted []time.Duration) Spread {
	s := Spread{Samples: len(sorted), P50: loadgen.Milliseconds(loadgen.Quantile(sorted, 0.5)), P99: loadgen.Milliseconds(loadgen.Quantile(sorted, 0.99))}
	if len(sorted) > 0 {
		s.Max = loadgen.Milliseconds(sorted[len(sorted)-1])
	}
	return s
}

// Report is what a run came to, as printed with --json.
type Report struct {
	// V10ToV11 and V11ToV10 run from the answer of one ledger until a client read the payment from the other.
	V10ToV11 Spread `json:"v10_to_v11_ms"`
	V11ToV10 Spread `json:"v11_to_v10_ms"`
	// Together is the same while clients of both ledgers pay at once, each at the rate.
	Together struct {
		V10ToV11 Spread `json:"v10_to_v11_ms"`
		V11ToV10 Spread `json:"v11_to_v10_ms"`
	} `json:"both_at_once"`
	// Sustained is what the other ledger applied at the highest rate that was kept, each way.
	Sustained struct {
		V10ToV11 float64 `json:"v10_to_v11"`
		V11ToV10 float64 `json:"v11_to_v10"`
	} `json:"sustained_per_s"`
	Verdict
	BalancesDiffer int `json:"balances_differ"` // of accounts, on either side, from what the payments make of those before
	Foreign        int `json:"foreign"`         // payments on a ledger that the bench did not ask for
	Missed         int `json:"samples_missed"`  // samples that a client never read

	// All payments of the same time, from their answer until the other ledger said itself that it has them: by V11's certified blocks, and by
	// V10's change log.
	AllV10ToV11 Spread `json:"all_v10_to_v11_ms"`
	AllV11ToV10 Spread `json:"all_v11_to_v10_ms"`
	// ToldV10 and ToldV11 are the beginning of it: from their answer until V10's change log, or V11's stream of certified blocks, had told of them.
	ToldV10 Spread `json:"told_v10_ms"`
	ToldV11 Spread `json:"told_v11_ms"`
	// TopicV10 and TopicV11 are until the records were on the topics, all before them too; nil: that was not asked for (--hops).
	TopicV10 *Spread `json:"topic_v10_ms,omitempty"`
	TopicV11 *Spread `json:"topic_v11_ms,omitempty"`
	// AckV10 and AckV11 run from when a single payment was due to its answer.
	AckV10 Spread `json:"ack_v10_ms"`
	AckV11 Spread `json:"ack_v11_ms"`

	Rate       int             `json:"rate"` // at a ledger, while latency was measured
	DurationS  float64         `json:"duration_s"`
	Accounts   int             `json:"accounts"`
	Steps      []StepReport    `json:"steps"`
	NotMade    map[string]int  `json:"not_made,omitempty"` // requests without an answer that says that they were made, by reason
	Processes  []ProcessReport `json:"processes"`
	Kafka      string          `json:"kafka"`
	Store      string          `json:"store"`
	Index      string          `json:"index"`
	Machine    string          `json:"machine"`
	HowChecked string          `json:"verified"`

	ways [sides]*latencies
}

// ProcessReport is what a process used.
type ProcessReport struct {
	Name           string  `json:"name"`
	PID            int     `json:"pid"`
	CoresLatency   float64 `json:"cores_latency"`   // while latency was measured
	CoresSustained float64 `json:"cores_sustained"` // in the search for the sustained rate, its pauses included
	RSSMBMax       float64 `json:"rss_mb_max"`
}

// ownName is the bench's process in the report.
const ownName = "bench"

func newReport(cfg Config, t *Target) *Report {
	r := &Report{
		Rate: cfg.Rate, DurationS: cfg.Duration.Seconds(), Kafka: t.Kafka, Store: cfg.Store, Index: t.Index, Machine: loadgen.Machine(),
		HowChecked: fmt.Sprintf("%d validators, V10, its half of the sync and the load on the same cores, every flush awaited; latency from a client's answer on one ledger until a "+
			"client reads the payee's balance on the other; at rest V10's log and V11's chain are read back and each answered payment is on both once, and all "+
			"balances are as the payments make them, on both", len(t.REST)),
	}
	for _, p := range t.Processes {
		r.Processes = append(r.Processes, ProcessReport{Name: p.Name, PID: p.PID})
	}
	name := ownName
	if cfg.Kafka == Embedded {
		name += " and broker"
	}
	r.Processes = append(r.Processes, ProcessReport{Name: name, PID: os.Getpid()})
	return r
}

// took notes what was measured one way.
func (r *Report) took(side Side, way *latencies) {
	read, acks := spreadOf(way.read.sorted()), spreadOf(way.acks.sorted())
	r.Missed += way.missed
	if side == V10 {
		r.V10ToV11, r.AckV10 = read, acks
	} else {
		r.V11ToV10, r.AckV11 = read, acks
	}
}

// tookTogether notes what clients read while both ledgers' paid.
func (r *Report) tookTogether(ways [sides]*latencies) {
	for _, way := range ways {
		r.Missed += way.missed
	}
	r.Together.V10ToV11, r.Together.V11ToV10 = spreadOf(ways[V10].read.sorted()), spreadOf(ways[V11].read.sorted())
}

// all notes the latencies of all payments one way, and of the part of it in which their own ledger told of them.
func (r *Report) all(side Side, all, told []time.Duration) {
	slices.Sort(all)
	slices.Sort(told)
	if side == V10 {
		r.AllV10ToV11, r.ToldV10 = spreadOf(all), spreadOf(told)
	} else {
		r.AllV11ToV10, r.ToldV11 = spreadOf(all), spreadOf(told)
	}
}

// topics notes when payments were on the topics, from their answer on.
func (r *Report) topics(side Side, all []time.Duration) {
	if len(all) == 0 {
		return
	}
	slices.Sort(all)
	s := spreadOf(all)
	if side == V10 {
		r.TopicV10 = &s
	} else {
		r.TopicV11 = &s
	}
}

// foreign notes a payment that the bench did not ask for.
func (r *Report) foreign(on Side, m *made) {
	r.Foreign++
	if len(r.Examples) < examplesMax {
		r.Examples = append(r.Examples, fmt.Sprintf("on %s: %s", on, describe(m)))
	}
}

// end fills in what the whole run says.
func (r *Report) end(of *run) {
	r.NotMade = of.unsure.counts()
	for i := range r.Steps {
		if s := &r.Steps[i]; s.Kept {
			r.Sustained.V10ToV11 = max(r.Sustained.V10ToV11, s.V10ToV11.AppliedPerS)
			r.Sustained.V11ToV10 = max(r.Sustained.V11ToV10, s.V11ToV10.AppliedPerS)
		}
	}
}

// used is what processes had used at a time.
type used struct {
	at  time.Time
	cpu []time.Duration
}

func (r *run) usage() (u used, err error) {
	u.at = time.Now()
	for i := range r.report.Processes {
		p := &r.report.Processes[i]
		cpu, rss, err := loadgen.UsageOf(p.PID)
		if err != nil {
			return u, err
		}
		u.cpu, p.RSSMBMax = append(u.cpu, cpu), max(p.RSSMBMax, rss)
	}
	return u, nil
}

// spent notes what all processes used since before.
func (r *Report) spent(of *run, before used, to func(*ProcessReport) *float64) error {
	now, err := of.usage()
	if err != nil {
		return err
	}
	for i := range r.Processes {
		*to(&r.Processes[i]) = (now.cpu[i] - before.cpu[i]).Seconds() / now.at.Sub(before.at).Seconds()
	}
	return nil
}

// Failed says why a run does not count, or nothing.
func (r *Report) Failed() string {
	switch {
	case !r.Right():
		return fmt.Sprintf("of %d payments %d were lost, %d made twice, %d altered and %d are on one ledger only: %v", r.Acked, r.Lost, r.Duplicated, r.Altered, r.OneSided, r.Examples)
	case r.Foreign > 0:
		return fmt.Sprintf("%d payments are on a ledger that nobody asked for: %v", r.Foreign, r.Examples)
	case r.BalancesDiffer > 0:
		return fmt.Sprintf("%d balances are not what the payments make of them", r.BalancesDiffer)
	case r.Missed > 0:
		return fmt.Sprintf("%d samples were not read on the other side in time", r.Missed)
	case r.V10ToV11.Samples == 0 || r.V11ToV10.Samples == 0:
		return "no client read a payment on the other side"
	}
	return ""
}
