// SPDX-License-Identifier: Apache-2.0

package network

import (
	"encoding/json"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// TargetsName is the file of Scrapes in the network's folder, which a Prometheus reads as file_sd_configs.
const TargetsName = "prometheus-targets.json"

// Jobs of what is scraped, by which deploy/prometheus/aurigraph.rules.yaml knows it.
const (
	JobNode      = "aurigraph-node"
	JobGateway   = "aurigraph-gateway"
	JobGuard     = "aurigraph-guard"
	JobSync      = "aurigraph-sync"   // V10's half; V11's is in its nodes
	JobRouter    = "aurigraph-router" // the embedded one with the shadow, which is in the same process
	JobShadow    = "aurigraph-shadow" // beside an nginx
	JobMigration = "aurigraph-migration"
)

// Scrape is where metrics are, in the form that Prometheus reads.
type Scrape struct {
	Targets []string          `json:"targets"`
	Labels  map[string]string `json:"labels"`
}

// Scrapes lists where the network's processes show their metrics.
func (n *Network) Scrapes() []Scrape {
	var all []Scrape
	add := func(job, node, address string) {
		if address == "" {
			return
		}
		s := Scrape{Targets: []string{address}, Labels: map[string]string{"job": job}}
		if node != "" {
			s.Labels["node"] = node
		}
		all = append(all, s)
	}
	for _, node := range n.Nodes {
		if !node.Left() {
			add(JobNode, node.ID, node.Metrics)
		}
	}
	if n.Gateway != nil {
		add(JobGateway, "", n.Gateway.Metrics)
	}
	if n.Sync == nil {
		return all
	}
	add(JobSync, "", n.Sync.Metrics)
	if m := n.Sync.Move; m != nil {
		add(JobGuard, "", m.Control)
		add(JobMigration, "", m.Metrics)
		if m.Router == RouterNginx {
			add(JobRouter, "", m.Admin)
			add(JobShadow, "", m.Shadow)
		} else {
			add(JobRouter, "", m.Shadow)
		}
	}
	return all
}

// WriteScrapes writes them into the network's folder.
func (n *Network) WriteScrapes() error {
	text, err := json.MarshalIndent(n.Scrapes(), "", "  ")
	if err != nil {
		return fault.Wrap(fault.Internal, err, "encode where metrics are")
	}
	return fault.Wrap(fault.Unavailable, replaceFile(n.Path(TargetsName), append(text, '\n')), "write where metrics are")
}
