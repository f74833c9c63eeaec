// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/obs"
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
			all[i] = usageOf(ctx, &nodes[i])
		})
	}
	asked.Wait()
	return all
}

func usageOf(ctx context.Context, node *network.Node) migration.Usage {
	u := migration.Usage{Name: node.ID}
	families, err := obs.Scrape(ctx, "http://"+node.Metrics+"/metrics")
	m := families[memoryMetric].GetMetric()
	switch {
	case err != nil:
		u.Why = err.Error()
	case len(m) != 1:
		u.Why = "its metrics do not tell " + memoryMetric
	default:
		u.MemoryBytes = uint64(m[0].GetGauge().GetValue())
	}
	return u
}
