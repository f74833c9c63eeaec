// SPDX-License-Identifier: Apache-2.0

package aurigraph

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/aurigraph/aurigraph/bench/peer"
	"github.com/aurigraph/aurigraph/bench/process"
)

// lookEvery is how often the nodes' memory is read: they end with the bench, and their peaks with them.
const lookEvery = 200 * time.Millisecond

// Network is a network of Aurigraph that is measured by "aurigraph bench transfers".
type Network struct {
	binary   string
	nodes    int
	engine   string
	peakPerS float64 // found when it is first needed
}

// New prepares a network from an aurigraph binary.
func New(binary string, nodes int, engine string) *Network {
	return &Network{binary: binary, nodes: nodes, engine: engine}
}

// Offered measures a network at a part of its peak; above 1, it goes as fast as it can.
type Offered struct {
	Network *Network
	Part    float64
}

// Measure runs the bench once, and before it the search for the peak, if nobody has yet. A warm-up there is not: the rate
// counts from the first batch on.
func (o Offered) Measure(ctx context.Context, dir string, w peer.Window) (peer.Sample, []string, error) {
	n := o.Network
	if n.peakPerS == 0 {
		r, _, err := n.bench(ctx, filepath.Join(dir, "search"), "--duration", "1s")
		if err != nil {
			return peer.Sample{}, nil, err
		}
		n.peakPerS = r.PeakPerS
	}
	rate := fmt.Sprintf("%.0f", o.Part*n.peakPerS)
	r, line, err := n.bench(ctx, filepath.Join(dir, "network"), "--duration", w.Measure.String(), "--rate", rate)
	if err != nil {
		return peer.Sample{}, nil, err
	}
	return r.sample(n.nodes), []string{line}, nil
}

func (n *Network) bench(ctx context.Context, dir string, args ...string) (result, string, error) {
	argv := append([]string{n.binary, "bench", "transfers", "--nodes", fmt.Sprint(n.nodes), "--engine", n.engine, "--json"}, args...)
	line := strings.Join(argv, " ")
	out, rssMB, err := run(ctx, append(argv, "--network", dir))
	if err != nil {
		return result{}, line, fmt.Errorf("%s: %w", line, err)
	}
	r, err := parse(out)
	r.rssMB = rssMB
	return r, line, err
}

// run runs the bench to its end, and watches the memory of the nodes below it.
func run(ctx context.Context, argv []string) ([]byte, float64, error) {
	cmd := process.Command(nil, argv...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		return nil, 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	peaks := map[int]float64{}
	interrupted := ctx.Done()
	for {
		select {
		case err := <-ended:
			if err != nil {
				err = fmt.Errorf("%w: %s", err, last(errs.String()))
			}
			return out.Bytes(), sum(peaks), err
		case <-interrupted:
			// The bench stops its nodes itself.
			if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
				return nil, 0, err
			}
			interrupted = nil
		case <-time.After(lookEvery):
			if err := look(cmd.Process.Pid, peaks); err != nil {
				return nil, 0, err
			}
		}
	}
}

// look notes the highest memory of each process below the bench.
func look(pid int, peaks map[int]float64) error {
	children, err := process.Children(pid)
	for _, c := range children {
		peaks[c] = max(peaks[c], process.PeakMB(c))
	}
	return err
}

func sum(peaks map[int]float64) float64 {
	total := 0.0
	for _, mb := range peaks {
		total += mb
	}
	return total
}

// last is the end of what a program said.
func last(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-3):], "; ")
}

// result is what is used of the bench's report.
type result struct {
	CommittedPerS float64 `json:"committed_per_s"`
	PeakPerS      float64 `json:"peak_per_s"`
	FinalityMs    struct {
		P50 float64 `json:"p50"`
		P99 float64 `json:"p99"`
	} `json:"finality_ms"`
	CPUUsPerTransferPerNode float64        `json:"cpu_us_per_transfer_per_node"`
	LoadCPUUsPerTransfer    float64        `json:"load_cpu_us_per_transfer"`
	Refusals                map[string]int `json:"refusals"`

	rssMB float64 // of all nodes; the report has only the largest
}

func parse(out []byte) (result, error) {
	var r result
	if err := json.Unmarshal(out, &r); err != nil {
		return r, fmt.Errorf("the bench's report: %w", err)
	}
	if r.CommittedPerS <= 0 || r.PeakPerS <= 0 {
		return r, fmt.Errorf("the bench's report names no rate: %.200s", out)
	}
	return r, nil
}

func (r result) sample(nodes int) peer.Sample {
	return peer.Sample{
		TransfersPerS: r.CommittedPerS, P50Ms: r.FinalityMs.P50, P99Ms: r.FinalityMs.P99,
		CPUUsPerTransfer: r.CPUUsPerTransferPerNode * float64(nodes), LoadCPUUsPerTransfer: r.LoadCPUUsPerTransfer,
		RSSMBTotal: r.rssMB, Refused: r.Refusals,
	}
}
