// SPDX-License-Identifier: Apache-2.0

package report

import (
	"encoding/json"
	"os"
	"slices"

	"github.com/aurigraph/aurigraph/bench/peer"
)

// Ours is the system that the others are compared with.
const Ours = "Aurigraph"

// Report is a whole run.
type Report struct {
	Taken    string            `json:"taken"`   // day
	Machine  string            `json:"machine"` // cores, processor, memory, kernel
	StolenPc float64           `json:"stolen_percent"`
	Command  string            `json:"command"`
	MeasureS float64           `json:"measure_s"`
	WarmUpS  float64           `json:"warm_up_s"`
	Rounds   int               `json:"rounds"`
	Versions map[string]string `json:"versions"`
	Rows     []Row             `json:"rows"`
	Best     []Best            `json:"best"`
}

// Row is one variant of one system.
type Row struct {
	Peer       string         `json:"peer"`
	Variant    string         `json:"variant"`
	Class      string         `json:"class"` // what it is compared with: ClassMajority or ClassOne
	Servers    int            `json:"servers"`
	Durability string         `json:"durability"` // what is on disk where when a transfer is confirmed
	Transfer   string         `json:"transfer"`   // what counts as one
	Opaque     bool           `json:"opaque"`     // its servers do not look at transfers: an upper bound
	Paced      bool           `json:"paced"`      // ours, at a part of its peak: what latency that gives
	Commands   []string       `json:"commands"`
	Samples    []peer.Sample  `json:"samples"`
	Failures   []string       `json:"failures,omitempty"` // of rounds without a sample
	Median     peer.Sample    `json:"median"`
	Refused    map[string]int `json:"refused,omitempty"`
	OursTimes  float64        `json:"aurigraph_times"` // our transfers a second of the class, by this one's
}

// Classes of durability.
const (
	ClassMajority = "majority"
	ClassOne      = "one copy"
)

// Best names the fastest of the others in a class.
type Best struct {
	Class      string  `json:"class"`
	Opaque     bool    `json:"opaque"`
	Peer       string  `json:"peer"`
	Variant    string  `json:"variant"`
	OursTimes  float64 `json:"aurigraph_times"`
	PacedTimes float64 `json:"aurigraph_paced_times"` // at a part of our peak
}

// Finish works out medians, ratios and the best of each class.
func (r *Report) Finish() {
	ours, paced := map[string]float64{}, map[string]float64{}
	for i := range r.Rows {
		row := &r.Rows[i]
		row.Median, row.Refused = summary(row.Samples)
		switch {
		case row.Peer == Ours && row.Paced:
			paced[row.Class] = row.Median.TransfersPerS
		case row.Peer == Ours:
			ours[row.Class] = row.Median.TransfersPerS
		}
	}
	for i := range r.Rows {
		if rate := r.Rows[i].Median.TransfersPerS; rate > 0 {
			r.Rows[i].OursTimes = ours[r.Rows[i].Class] / rate
		}
	}
	r.Best = nil
	for _, class := range []string{ClassMajority, ClassOne} {
		for _, opaque := range []bool{false, true} {
			r.addBest(class, opaque, paced[class])
		}
	}
}

func (r *Report) addBest(class string, opaque bool, paced float64) {
	var best *Row
	for i := range r.Rows {
		row := &r.Rows[i]
		rival := row.Peer != Ours && row.Class == class && row.Opaque == opaque
		if rival && (best == nil || row.Median.TransfersPerS > best.Median.TransfersPerS) {
			best = row
		}
	}
	if best != nil && best.Median.TransfersPerS > 0 {
		r.Best = append(r.Best, Best{class, opaque, best.Peer, best.Variant, best.OursTimes, paced / best.Median.TransfersPerS})
	}
}

// summary is the median of each figure by itself, and the sum of what was refused.
func summary(samples []peer.Sample) (peer.Sample, map[string]int) {
	of := func(figure func(peer.Sample) float64) float64 {
		values := make([]float64, len(samples))
		for i, s := range samples {
			values[i] = figure(s)
		}
		return median(values)
	}
	var refused map[string]int
	for _, s := range samples {
		for why, n := range s.Refused {
			if refused == nil {
				refused = map[string]int{}
			}
			refused[why] += n
		}
	}
	return peer.Sample{
		TransfersPerS:        of(func(s peer.Sample) float64 { return s.TransfersPerS }),
		P50Ms:                of(func(s peer.Sample) float64 { return s.P50Ms }),
		P99Ms:                of(func(s peer.Sample) float64 { return s.P99Ms }),
		CPUUsPerTransfer:     of(func(s peer.Sample) float64 { return s.CPUUsPerTransfer }),
		LoadCPUUsPerTransfer: of(func(s peer.Sample) float64 { return s.LoadCPUUsPerTransfer }),
		RSSMBTotal:           of(func(s peer.Sample) float64 { return s.RSSMBTotal }),
	}, refused
}

// median of an even number of values is the mean of the two in the middle.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	middle := len(values) / 2
	if len(values)%2 == 1 {
		return values[middle]
	}
	return (values[middle-1] + values[middle]) / 2
}

// Write writes the JSON.
func (r *Report) Write(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(text, '\n'), 0o644)
}

// Read reads what Write wrote.
func Read(path string) (*Report, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &Report{}
	return r, json.Unmarshal(text, r)
}
