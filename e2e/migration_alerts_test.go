// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"io"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/network"
	nginxproxy "github.com/aurigraph/aurigraph/internal/nginx"
	"github.com/aurigraph/aurigraph/internal/testkit/promserver"
)

const (
	rulesFile = "../deploy/prometheus/aurigraph.rules.yaml"
	calmFor   = 8 * time.Second // longer than any alert waits here
	halfOfV10 = "v10-sync"
	mayDiffer = "ShadowDiffers" // it takes an answer that the sync brings later than the shadow waits for another one, and these machines are slow
)

// TestMigrationAlerts has a real Prometheus look at a pair with the rules that operators load: nothing fires when all is well, and what is to wake
// somebody does when the controller goes back and when the sync stands.
func TestMigrationAlerts(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a network beside V10 for a minute")
	}
	promserver.Program(t, "prometheus")
	door := newDoorway(t)
	m := newMigrating(t, network.Options{}, nil, "--v11-door", door.address)
	door.lead(strings.TrimPrefix(m.folder.REST()[0], "http://"))
	m.metricsExist()
	p := promserver.Start(t, promserver.Config{Rules: []string{m.quickRules()}, Targets: m.folder.Path(network.TargetsName)})
	m.calm(p)
	m.do("init", "--plan", m.planFile(planText(1)))
	m.do("start")
	m.until("a share of V11's", func() bool { return m.state.ReachedBP > 0 })
	door.shut()
	m.fires(p, "MigrationReversed")
	door.open()
	m.untilAt(0)
	m.do("resume")
	m.do("pause") // the share stays where it is
	m.calm(p)
	signalTo(t, m.pid(besideIt(halfOfV10)), syscall.SIGSTOP)
	m.fires(p, "SyncLagging")
	signalTo(t, m.pid(besideIt(halfOfV10)), syscall.SIGCONT)
	m.calm(p)
	m.nothingIsLost()
}

// TestMigrationAlertsNginx has the Prometheus look at all parts of a pair whose clients come through nginx: each is seen, and what goes wrong with V10's half
// and with nginx's map is told.
func TestMigrationAlertsNginx(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a network beside V10 for a minute")
	}
	promserver.Program(t, "prometheus")
	if _, err := nginxproxy.Find(); err != nil {
		t.Skipf("SKIPPED, NOTHING WAS TESTED: %v", err)
	}
	m := newMigrating(t, network.Options{}, nil, "--router", network.RouterNginx)
	m.metricsExist()
	p := promserver.Start(t, promserver.Config{Rules: []string{m.quickRules()}, Targets: m.folder.Path(network.TargetsName)})
	jobs := map[string]int{}
	for _, s := range m.folder.Scrapes() {
		jobs[s.Labels["job"]]++
	}
	if want := map[string]int{
		network.JobNode: network.NodesDefault, network.JobGateway: 1, network.JobSync: 1, network.JobGuard: 1, network.JobRouter: 1, network.JobShadow: 1, network.JobMigration: 1,
	}; !maps.Equal(jobs, want) {
		t.Errorf("the parts are %v, want %v", jobs, want)
	}
	m.do("move", "--weight", "500")
	m.calm(p)
	if up := p.Up(t); !maps.Equal(up, jobs) {
		t.Errorf("of %v answer %v", jobs, up)
	}
	signalTo(t, m.pid(besideIt(halfOfV10)), syscall.SIGSTOP)
	m.fires(p, "SyncDown", "SyncLagging")
	signalTo(t, m.pid(besideIt(halfOfV10)), syscall.SIGCONT)
	m.calm(p)
	m.staleMap()
	m.fires(p, "RouterMapRefused")
	m.nothingIsLost()
}

// quickRules are the operators' rules, with seconds for minutes.
func (m *migrating) quickRules() string {
	m.t.Helper()
	text, err := os.ReadFile(rulesFile)
	if err != nil {
		m.t.Fatal(err)
	}
	path := filepath.Join(m.t.TempDir(), "rules.yaml")
	quick := regexp.MustCompile(`(?m)^(\s+for: ).*$`).ReplaceAll(text, []byte("${1}3s"))
	if err := os.WriteFile(path, quick, 0o600); err != nil {
		m.t.Fatal(err)
	}
	return path
}

// calm waits until no alert fires, and wants none to for a while.
func (m *migrating) calm(p *promserver.Server) {
	m.t.Helper()
	var firing []string
	for end, since := time.Now().Add(migratesMax), time.Now(); time.Since(since) < calmFor; <-time.After(pollEvery) {
		firing = slices.DeleteFunc(p.Firing(m.t), func(name string) bool { return name == mayDiffer })
		if len(firing) > 0 {
			since = time.Now()
		}
		if time.Now().After(end) {
			m.t.Fatalf("all is well, and these fire: %v", firing)
		}
	}
}

// fires waits until some alerts fire.
func (m *migrating) fires(p *promserver.Server, names ...string) {
	m.t.Helper()
	for end := time.Now().Add(migratesMax); ; <-time.After(pollEvery) {
		firing := p.Firing(m.t)
		if !slices.ContainsFunc(names, func(n string) bool { return !slices.Contains(firing, n) }) {
			m.t.Logf("firing: %v", firing)
			return
		}
		if time.Now().After(end) {
			m.t.Fatalf("want %v to fire, and %v do", names, firing)
		}
	}
}

var ruleMetric = regexp.MustCompile(`aurigraph_[a-z0-9_]+`)

// metricsExist wants each metric of the rules to be shown by this pair, or to be one of those that docs/metrics.md says come with their first event; and
// that page to name all that the pair shows.
func (m *migrating) metricsExist() {
	m.t.Helper()
	doc, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		m.t.Fatal(err)
	}
	named, always := map[string]bool{}, map[string]bool{}
	for _, row := range metricRow.FindAllStringSubmatch(string(doc), -1) {
		named[row[1]], always[row[1]] = true, row[2] == ""
	}
	has := m.shown()
	for name := range has {
		if !named[name] {
			m.t.Errorf("docs/metrics.md does not name %s", name)
		}
	}
	rules, err := os.ReadFile(rulesFile)
	if err != nil {
		m.t.Fatal(err)
	}
	all := ruleMetric.FindAllString(string(rules), -1)
	for _, name := range all {
		if !has[name] && (!named[name] || always[name]) {
			m.t.Errorf("%s of the rules is no metric of a running pair", name)
		}
	}
	if len(all) < 20 {
		m.t.Errorf("only %d metrics in the rules", len(all))
	}
}

// shown are the metrics that the pair's processes show at the addresses in its list.
func (m *migrating) shown() map[string]bool {
	m.t.Helper()
	has := map[string]bool{}
	scrapes := m.folder.Scrapes()
	for _, s := range scrapes {
		before := len(has)
		at := url.URL{Scheme: "http", Host: s.Targets[0], Path: "/metrics"}
		answer, err := http.Get(at.String())
		if err != nil {
			m.t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil {
			m.t.Fatal(err)
		}
		for _, one := range metricName.FindAllStringSubmatch(string(text), -1) {
			has[one[1]] = true
		}
		if len(has) == before && s.Labels["job"] != network.JobNode {
			m.t.Errorf("%v shows nothing of its own", s)
		}
	}
	return has
}
