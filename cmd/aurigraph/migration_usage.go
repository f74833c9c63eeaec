// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/network"
)

const (
	usageMax     = 2 * time.Second
	memoryMetric = "process_resident_memory_bytes"
)

// Usage reads what each validator needs out of its metrics.
func (w *world) Usage(ctx context.Context) []migration.Usage {
	ctx, cancel := context.WithTimeout(ctx, usageMax)
	defer cancel()
	nodes := slices.DeleteFunc(slices.Clone(w.network.Nodes), func(n network.Node) bool { return n.Left() })
	all := make([]migration.Usage, len(nodes))
	var asked sync.WaitGroup
	for i := range nodes {
		asked.Go(func() {
			bytes, err := w.metric(ctx, "http://"+nodes[i].Metrics+"/metrics", memoryMetric)
			if all[i] = (migration.Usage{Name: nodes[i].ID, MemoryBytes: uint64(bytes)}); err != nil {
				all[i].Why = err.Error()
			}
		})
	}
	asked.Wait()
	return all
}

// metric reads a gauge that has no labels.
func (w *world) metric(ctx context.Context, url, name string) (float64, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, fault.Wrap(fault.Invalid, err, "%s", url)
	}
	answer, err := w.http.Do(r)
	if err != nil {
		return 0, fault.Wrap(fault.Unavailable, err, "its metrics")
	}
	defer answer.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	all, err := parser.TextToMetricFamilies(io.LimitReader(answer.Body, answerBytesMax))
	if err != nil {
		return 0, fault.Wrap(fault.Corrupt, err, "its metrics")
	}
	if m := all[name].GetMetric(); len(m) == 1 {
		return m[0].GetGauge().GetValue(), nil
	}
	return 0, fault.New(fault.NotFound, "its metrics do not tell %s", name)
}
