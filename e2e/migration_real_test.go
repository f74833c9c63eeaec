// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	problem "github.com/aurigraph/aurigraph/internal/fault" // a fault is another thing here
	"github.com/aurigraph/aurigraph/internal/network"
	nginxproxy "github.com/aurigraph/aurigraph/internal/nginx"
	"github.com/aurigraph/aurigraph/internal/router"
	"github.com/aurigraph/aurigraph/internal/router/nginx"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	"github.com/aurigraph/aurigraph/internal/testkit/kafkaserver"
	"github.com/aurigraph/aurigraph/internal/testkit/pgserver"
)

// kafkaAway is how long Kafka is gone.
var kafkaAway = flag.Duration("migration.kafka-away", 20*time.Second, "how long Kafka is gone in TestMigrationFaultsReal")

// TestMigrationFaultsReal takes clients to V11 through nginx, with Kafka and PostgreSQL, while these are gone, are started again, or have
// in them what nobody should have put there.
func TestMigrationFaultsReal(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a network beside V10 for minutes")
	}
	if _, err := nginxproxy.Find(); err != nil {
		t.Skipf("SKIPPED, NOTHING WAS TESTED: %v", err)
	}
	kafka, pg := kafkaserver.Start(t), pgserver.Start(t, pgserver.Options{})
	m := newMigrating(t, network.Options{Index: pg.Database(t), Sync: &network.SyncOptions{Kafka: kafka.Address()}}, nil, "--router", network.RouterNginx)
	m.play(t, []part{
		{"the first steps", m.firstSteps},
		{"Kafka is gone", func() { m.withoutKafka(kafka) }},
		{"PostgreSQL is started again", func() { m.withoutPostgres(pg) }},
		{"nginx's master killed", m.withoutNginx},
		{"a stale map", m.staleMap},
		{"a poisoned record", m.poisoned},
		{"all the way", m.allTheWay},
		{"nothing is lost", m.nothingIsLost},
	})
}

func (m *migrating) firstSteps() {
	m.do("init", "--plan", m.planFile(planText(5)))
	m.do("start")
	m.untilAt(steps[0])
	m.promoteTo(steps[1])
}

// withoutKafka has the brokers gone for a while: clients of both ledgers are served, nothing goes forward, and why is said.
func (m *migrating) withoutKafka(kafka *kafkaserver.Server) {
	away := time.After(*kafkaAway)
	kafka.Kill()
	m.holds("sync v10_to_v11", "sync v11_to_v10")
	m.served()
	<-away
	m.holds("sync v10_to_v11", "sync v11_to_v10")
	m.served()
	kafka.Restart(m.t)
	m.resumed()
	m.promoteTo(steps[2])
	m.served()
}

// withoutPostgres kills the index's database, which no payment and no step needs.
func (m *migrating) withoutPostgres(pg *pgserver.Server) {
	pg.Kill()
	m.served()
	m.do("rollback", "--to", "500", "--why", "the index is away")
	m.do("resume")
	m.promoteTo(steps[2])
	pg.Restart()
	m.served()
}

// withoutNginx kills nginx's master: its workers end, and another serves at the same address with the same map.
func (m *migrating) withoutNginx() {
	m.do("pause", "--why", "the map is to stay")
	m.until("the map to stay", func() bool {
		s := m.status()
		now := m.mapOfNginx()
		return *s.Moving == 0 && m.state.ReachedBP == m.state.TargetBP && now.Version == *s.HomeVersion
	})
	before := m.mapOfNginx()
	master := m.kill("router")
	m.again(besideIt("router"), master)
	if left := inGroup(m.t, master); len(left) > 0 {
		m.t.Errorf("workers of the nginx that was killed go on: %v", left)
	}
	m.served()
	if after := m.mapOfNginx(); !after.Equal(&before) {
		m.t.Errorf("it routes by version %d, weight %d; it was %d, %d", after.Version, after.Weight(), before.Version, before.Weight())
	}
	m.do("resume")
	m.promoteTo(steps[3])
	m.served()
}

// inGroup are the processes of a group that have not ended.
func inGroup(t *testing.T, group int) (pids []string) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended meanwhile
		}
		_, behind, _ := strings.Cut(string(text), ") ")
		if has := strings.Fields(behind); len(has) > 2 && has[0] != "Z" && has[2] == strconv.Itoa(group) {
			pids = append(pids, path)
		}
	}
	return pids
}

// nginxDriver reaches nginx's map.
func (m *migrating) nginxDriver() *nginx.Driver {
	m.t.Helper()
	d, err := nginx.NewDriver(m.folder.Sync.Move.Admin)
	if err != nil {
		m.t.Fatal(err)
	}
	return d
}

func (m *migrating) mapOfNginx() router.Map {
	m.t.Helper()
	now, err := m.nginxDriver().Get(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	return now
}

// staleMap gives nginx maps that it must not take: an older one, and another one of the same version.
func (m *migrating) staleMap() {
	d, now := m.nginxDriver(), m.mapOfNginx()
	old := now
	old.Version--
	other := now
	other.V11 = router.Slots{}
	for reason, bad := range map[string]router.Map{router.ReasonStale: old, router.ReasonDiffers: other} {
		if err := d.Set(m.t.Context(), bad); problem.ReasonOf(err) != reason || !problem.Is(err, problem.Conflict) {
			m.t.Errorf("a map that may not follow: %v, want %s", err, reason)
		}
	}
	if after := m.mapOfNginx(); !after.Equal(&now) {
		m.t.Errorf("it routes by %d, it was %d", after.Version, now.Version)
	}
	m.served()
}

// poisoned puts a record into V10's topic that no ledger wrote: the sync stands, so the migration does, and both go on when it is removed.
func (m *migrating) poisoned() {
	p := &pair{net: m.net, folder: m.folder}
	topic := m.folder.Sync.Prefix + envelope.Transactions.Name(envelope.V10)
	whole := p.newestIn(topic)
	remove := p.put(topic, whole.wire[:len(whole.wire)/2])
	m.holds("sync v10_to_v11")
	if explained, code := runIn(m.t, "migrate", "explain", "--network", m.dir); code != 0 || !strings.Contains(explained, "sync status") {
		m.t.Errorf("explain says %d %s", code, explained)
	}
	m.served()
	remove()
	m.until("the sync to go on", func() bool { gate, _ := m.status().closed(); return !strings.HasPrefix(gate, "sync") })
	m.resumed()
}

// allTheWay climbs to the cutover, rehearses, and gives V11 all.
func (m *migrating) allTheWay() {
	m.climb()
	for range m.state.Plan.Drills.Count {
		m.do("drill", "--alarm")
	}
	m.cutOver()
	m.until("all to be V11's", func() bool { return m.state.ReachedBP == router.WeightWhole && m.state.WarmChecks > 0 })
}
