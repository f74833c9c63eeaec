// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/journal/sqlite"
	"github.com/aurigraph/aurigraph/internal/loadgen/syncload"
	"github.com/aurigraph/aurigraph/internal/migrate"
	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/router"
	"github.com/aurigraph/aurigraph/legacy/ledger"
)

// Bounds of a migration. None of them costs time when all is well.
const (
	migratesMax = 2 * time.Minute // until something that must come has come
	instant     = 2 * time.Millisecond
	payersEach  = 2
	readersAll  = 2
)

// Weights of the migrations' steps.
var steps = []int{100, 500, 1000, 2500, router.WeightWhole}

// migrating is a network in step with a V10, its migration, and the clients that pay through its router meanwhile.
type migrating struct {
	*net
	folder  *network.Network
	control *migrate.Control
	journal *sqlite.Journal
	story   *syncload.Story
	state   migration.State
	log     []migration.Entry
}

// newMigrating makes a network, calls prepare with it before it runs, and has clients pay.
func newMigrating(t *testing.T, o network.Options, prepare func(*network.Network), flags ...string) *migrating {
	t.Helper()
	if o.Sync == nil {
		o.Sync = &network.SyncOptions{}
	}
	o.Name, o.Demo, o.Accounts, o.Nodes, o.V10, o.Sync.Moves = "move", true, 1, network.NodesDefault, true, true
	dir := filepath.Join(t.TempDir(), "net")
	n, err := network.Create(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	if prepare != nil {
		prepare(n)
	}
	m := &migrating{net: upWith(t, dir, network.NodesDefault, append([]string{"--with-v10"}, flags...)...)}
	up := m.net
	t.Cleanup(func() { up.showEndIf(t.Failed()) })
	if m.folder, err = network.Open(dir); err != nil {
		t.Fatal(err)
	}
	m.control = migrate.NewControl("http://" + m.folder.Sync.Move.Control)
	if m.journal, err = sqlite.Open(t.Context(), m.folder.Migration()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.journal.Close() }) // it is only read
	m.pay()
	return m
}

// told is where the clients' code says what it does.
type told struct{ t *testing.T }

func (p told) Write(text []byte) (int, error) {
	p.t.Log(strings.TrimSpace(string(text)))
	return len(text), nil
}

func (told) Show(string, int64, int64) {}

// pay has clients begin whose accounts are in the slots of each step, and in those that the judge compares each step with.
func (m *migrating) pay() {
	m.t.Helper()
	trust, err := m.folder.Trust()
	if err != nil {
		m.t.Fatal(err)
	}
	target := &syncload.Target{
		Changes: m.folder.Sync.ChangesURL(), CAFile: m.folder.Path(m.folder.CA), Trust: trust, Endpoints: m.folder.Validators(), Funder: ledger.Treasury,
	}
	cfg := syncload.StoryConfig{Each: payersEach, Readers: readersAll, Seed: 1}
	bounds := []int{0, router.WeightWhole}
	for _, bp := range steps {
		bounds = append(bounds, bp, router.WeightWhole-bp)
	}
	slices.Sort(bounds)
	bounds = slices.Compact(bounds)
	for i, from := range bounds[:len(bounds)-1] {
		cfg.Bands = append(cfg.Bands, chain.SlotRange{From: uint16(from), To: uint16(bounds[i+1] - 1)})
	}
	if m.story, err = syncload.BeginStory(m.t.Context(), cfg, target, m.folder.Sync.Move.Edge, told{m.t}); err != nil {
		m.t.Fatal(err)
	}
	m.story.Pay(m.t.Context())
	m.t.Cleanup(func() { _ = m.story.Stop(); m.story.Close() }) // the test has stopped it, unless it failed
}

// planText is a plan whose judge lets pass what faults cost, except that V11 is away.
func planText(minimumCompared int) string {
	var each strings.Builder
	for _, bp := range steps {
		fmt.Fprintf(&each, "    - {weight_bp: %d, minimum_seconds: 1, minimum_requests: 5}\n", bp)
	}
	return fmt.Sprintf(`window_ms: 250
sync: {lag_ms_max: 5000}
shadow: {minimum_compared: %d, differs_bp: 1000}
canary:
  steps:
%s  reverse_to_bp: 9999
  objectives: {error_rate_bp: 5000, wrong_rate_bp: 1000, p99_ms: 60000}
  tests: {error_margin_bp: 5000}
  rails: {minimum_requests: 20, error_rate_bp: 9000, error_for_seconds: 60, p99_ms: 60000, p99_for_seconds: 60, health_down_seconds: 4, sync_lag_ms: 120000, hold_ms: 60000}
drills: {count: 3, slots: 50, move_ms_max: 60000}
cutover: {approvals: 2, slice_bp: 2500}
availability: {over_seconds: 3, least_ppm: 990000}
warm: {checks_after_seconds: [4], memory_mib_max: 1024}
close: {approvals: 1}
`, minimumCompared, each.String())
}

// planFile writes a plan where a command reads it.
func (m *migrating) planFile(text string) string {
	m.t.Helper()
	path := filepath.Join(m.t.TempDir(), "plan.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		m.t.Fatal(err)
	}
	return path
}

// do has an operator's verb written.
func (m *migrating) do(words ...string) map[string]any {
	m.t.Helper()
	return m.run(0, append([]string{"migrate"}, words...)...)
}

// refused has a command refused, for a reason and with words that help.
func (m *migrating) refused(reason, words string, command ...string) {
	m.t.Helper()
	answer := m.run(2, append([]string{"migrate"}, command...)...)
	why, _ := answer["error"].(map[string]any)
	text, _ := why["text"].(string)
	if why["reason"] != reason || !strings.Contains(text, words) {
		m.t.Errorf("%v is refused with %v, and not for %s with %q", command, why, reason, words)
	}
}

// standing is what `migrate status` has said since it exists.
type standing struct {
	Phase       *migration.Phase
	HomeVersion *uint64 `json:"home_version"`
	WeightBP    *int    `json:"weight_bp"`
	Moving      *int
	LagMs       map[string]float64 `json:"lag_ms"`
	Gates       []struct {
		Name, Why string
		OK        *bool
	}
	RollbackReady *bool `json:"rollback_ready"`
	Verdict       *string
	RollbackWhy   string `json:"rollback_why"`
}

// status asks how it stands, and wants all that is promised to be there.
func (m *migrating) status() *standing {
	m.t.Helper()
	out, err := exec.Command(program, "migrate", "status", "--network", m.dir, "--json").Output()
	var s standing
	if bad := json.Unmarshal(out, &s); bad != nil || err != nil {
		m.t.Fatalf("status said %s: %v %v", out, err, bad)
	}
	_, forth := s.LagMs["v10_to_v11"]
	_, back := s.LagMs["v11_to_v10"]
	if s.Phase == nil || s.HomeVersion == nil || s.WeightBP == nil || s.Moving == nil || !forth || !back || s.RollbackReady == nil || s.Verdict == nil || len(s.Gates) == 0 {
		m.t.Fatalf("status does not say all: %s", out)
	}
	for _, g := range s.Gates {
		if g.Name == "" || g.OK == nil || !*g.OK && g.Why == "" {
			m.t.Errorf("a gate is told without a name or a reason: %s", out)
		}
	}
	return &s
}

// closed is the first gate that does not hold, with the reason; empty: all hold.
func (s *standing) closed() (gate, why string) {
	for _, g := range s.Gates {
		if !*g.OK {
			return g.Name, g.Why
		}
	}
	return "", ""
}

// holds waits until status says that nothing goes on before one of some gates, and why.
func (m *migrating) holds(gates ...string) {
	m.t.Helper()
	var s *standing
	for end := time.Now().Add(migratesMax); time.Now().Before(end); <-time.After(pollEvery) {
		s = m.status()
		if gate, why := s.closed(); slices.Contains(gates, gate) && *s.Verdict == "hold: "+gate {
			m.t.Logf("%s holds: %s", gate, why)
			return
		}
	}
	m.t.Fatalf("nothing holds for %v: %+v", gates, s)
}

// read takes in what is new in the journal.
func (m *migrating) read() {
	m.t.Helper()
	entries, err := m.journal.Read(m.t.Context(), m.state.Seq)
	if err != nil {
		m.t.Fatal(err)
	}
	for i := range entries {
		if err := m.state.Apply(&entries[i]); err != nil {
			m.t.Fatal(err)
		}
		m.log = append(m.log, entries[i])
	}
}

// until follows the journal until something is so.
func (m *migrating) until(what string, is func() bool) {
	m.t.Helper()
	for end := time.Now().Add(migratesMax); ; <-time.After(instant) {
		if m.read(); is() {
			return
		}
		if time.Now().After(end) {
			explained, _ := runIn(m.t, "migrate", "explain", "--network", m.dir)
			m.t.Fatalf("waited for %s: %s", what, explained)
		}
	}
}

// untilIn waits for a phase.
func (m *migrating) untilIn(p migration.Phase) {
	m.t.Helper()
	m.until("the phase "+string(p), func() bool { return m.state.Phase == p })
}

// untilAt waits until V11 has a share, and is to have no other.
func (m *migrating) untilAt(bp int) {
	m.t.Helper()
	m.until(fmt.Sprintf("a share of %d bp", bp), func() bool { return m.state.TargetBP == bp && m.state.ReachedBP == bp })
}

// moves reports whether slots take no debits now.
func (m *migrating) moves() bool {
	g, err := m.control.State(m.t.Context())
	return err == nil && g.Closed.Weight()+g.Coming.Weight() > 0
}

// kill kills a process of the network, which is started again, and returns its id.
func (m *migrating) kill(name string) (pid int) {
	m.t.Helper()
	pid = m.pid(besideIt(name))
	signalTo(m.t, pid, syscall.SIGKILL)
	return pid
}

// again waits until a process of the network runs that is another one than before, and returns its id.
func (m *migrating) again(of func(*network.Run) int, before int) int {
	m.t.Helper()
	return m.pid(func(r *network.Run) int {
		if pid := of(r); pid != before {
			return pid
		}
		return 0
	})
}

// pid waits until a process of the network runs, and returns its id.
func (m *migrating) pid(of func(*network.Run) int) int {
	m.t.Helper()
	return (&pair{net: m.net}).process(of)
}

// part is one of a story.
type part struct {
	name string
	do   func()
}

// play plays parts one after the other, until one does not go well.
func (m *migrating) play(t *testing.T, parts []part) {
	for _, p := range parts {
		began := time.Now()
		if !m.sub(t, p.name, p.do) {
			return
		}
		t.Logf("%s: %s", p.name, time.Since(began).Round(time.Millisecond))
	}
}

// sub runs a part of the story as a subtest, and reports whether it went well: what follows would tell of the same.
func (m *migrating) sub(t *testing.T, name string, part func()) bool {
	return t.Run(name, func(t *testing.T) {
		was := m.net.t
		m.net.t = t
		defer func() { m.net.t = was }()
		part()
	})
}

// served wants the clients to be served: payments of each ledger's accounts are made.
func (m *migrating) served() {
	m.t.Helper()
	const want = 40
	from := m.story.Now()
	for end := time.Now().Add(migratesMax); m.story.Now().Acknowledged < from.Acknowledged+want; <-time.After(pollEvery) {
		if time.Now().After(end) {
			m.t.Fatalf("the clients are not served: %+v", m.story.Now())
		}
	}
}

// nothingIsLost ends the clients and wants all that they were told to be on both ledgers, once, and the ledgers to be equal.
func (m *migrating) nothingIsLost() {
	m.t.Helper()
	if err := m.story.Stop(); err != nil {
		m.t.Fatal(err)
	}
	r, err := m.story.ReadBack(m.t.Context())
	if err != nil {
		m.t.Fatal(err)
	}
	if err := r.Failed(); err != nil {
		m.t.Errorf("%v: %v", err, r.Examples)
	}
	if r.ServedBy["v10"] == 0 || r.ServedBy["v11"] == 0 {
		m.t.Errorf("served by %v: the slots did not move", r.ServedBy)
	}
	if report := m.run(0, "verify-sync", "run"); report["equal"] != true {
		m.t.Errorf("the verifier says %v", report)
	}
	m.t.Logf("%d payments answered, %d found, longest interruption %.0f ms, %d repeats, served by %v", r.Acknowledged, r.Found, r.LongestMs, r.Repeats, r.ServedBy)
}
