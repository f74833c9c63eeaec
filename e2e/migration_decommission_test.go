// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	stdnet "net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/journal"
	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/notice"
)

// TestMigrationDecommission ends a V10 whose way back has ended and which is archived: who still calls it has notice, once a week, V10 is switched off
// when a person says so and the days are over, what only it needed is removed, and V11 goes on alone.
func TestMigrationDecommission(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a network beside V10 for minutes")
	}
	m := newMigrating(t, network.Options{}, nil)
	hook := newWebhook(t)
	m.do("init", "--plan", m.planFile(planText(1)+hook.decommission(30)))
	m.do("start")
	m.allTheWay()
	m.nothingIsLost()
	m.outOfTurn("the phase is "+string(migration.Warm), [][]string{{"stop", "--confirm", confirmed}})
	m.do("approve", "--for", "close", "--as", "auditor")
	m.do("close", "--confirm", confirmed)
	m.untilIn(migration.Decommission)
	m.play(t, []part{
		{"who calls V10 has notice", func() { m.noticesGiven(hook) }},
		{"again each week", func() { m.noticesAgain(hook) }},
		{"V10 is switched off", func() { m.switchedOff(hook) }},
		{"cleanup", m.cleanedUp},
		{"V11 alone", m.goesOnAlone},
	})
}

// webhook is the bank's, which passes notices on. It takes those that are signed, but for one caller's.
type webhook struct {
	t       *testing.T
	url     string
	secret  string // file
	key     []byte
	mu      sync.Mutex // guards what follows
	refuses string
	got     []notice.Notice
}

func newWebhook(t *testing.T) *webhook {
	h := &webhook{t: t, key: []byte("the webhook's secret of this test"), secret: filepath.Join(t.TempDir(), "webhook.secret")}
	if err := os.WriteFile(h.secret, append(h.key, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	h.url = s.URL + "/notices"
	return h
}

// decommission is a plan's part with this webhook.
func (h *webhook) decommission(days int) string {
	return fmt.Sprintf("decommission: {notice_days: %d, webhook: %q, webhook_secret: %q, address: \"https://ledger.bank.example\"}\n", days, h.url, h.secret)
}

func (h *webhook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var n notice.Notice
	if err == nil {
		err = json.Unmarshal(body, &n)
	}
	var seconds int64
	var sum string
	if err == nil {
		_, err = fmt.Sscanf(strings.Replace(r.Header.Get("X-Aurigraph-Signature"), ",", " ", 1), "t=%d v1=%s", &seconds, &sum)
	}
	mac := hmac.New(sha256.New, h.key)
	fmt.Fprintf(mac, "%d.%s", seconds, body)
	signed := hex.EncodeToString(mac.Sum(nil)) == sum && time.Since(time.Unix(seconds, 0)).Abs() < time.Minute
	if err != nil || !signed || r.Method != http.MethodPost || n.ID != r.Header.Get("Idempotency-Key") {
		h.t.Errorf("%s %v, %s: %v", r.Method, r.Header, body, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.got = append(h.got, n)
	if n.Caller == h.refuses {
		http.Error(w, "no such customer", http.StatusUnprocessableEntity)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// of are the notices for a caller.
func (h *webhook) of(caller string) []notice.Notice {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(h.got), func(n notice.Notice) bool { return n.Caller != caller })
}

// caller is a client of V10's own address, with an API key.
type caller struct{ name, secret string }

func (m *migrating) caller(name string) caller {
	m.t.Helper()
	key := m.run(0, "apikey", "new", "--file", filepath.Join(m.t.TempDir(), "keys.json"), "--name", name, "--role", "reader")
	return caller{"key/" + key["id"].(string), key["api_key"].(string)}
}

// calls has clients call V10's own address.
func (m *migrating) calls(clients ...caller) {
	m.t.Helper()
	for _, c := range clients {
		r, err := http.NewRequestWithContext(m.t.Context(), http.MethodGet, m.folder.Sync.V10URL()+"/api/v10/assets", nil)
		if err != nil {
			m.t.Fatal(err)
		}
		r.Header.Set("X-API-Key", c.secret)
		answerOf(m.t, r)
	}
}

// noticesGiven has the controller tell who calls V10, each once; whom the webhook refuses is in the journal, and holds nobody up.
func (m *migrating) noticesGiven(h *webhook) {
	polite, unknown := m.caller("polite"), m.caller("unknown")
	h.mu.Lock()
	h.refuses = unknown.name
	h.mu.Unlock()
	m.calls(polite, unknown, polite)
	m.until("the notices", func() bool { return m.state.Told[polite.name] > 0 && m.state.Told[unknown.name] > 0 })
	for _, c := range []caller{polite, unknown} {
		told := h.of(c.name)
		if len(told) != 1 {
			m.t.Fatalf("%s is told %+v", c.name, told)
		}
		n, left := told[0], time.Until(told[0].End)
		if n.Repeated || n.Network != confirmed || n.Address != "https://ledger.bank.example" || n.Requests == 0 || n.Text == "" || left < 29*24*time.Hour || left > 31*24*time.Hour {
			m.t.Errorf("%s is told %+v", c.name, n)
		}
		if text := fmt.Sprint(told); strings.Contains(text, c.secret) {
			m.t.Errorf("a notice holds a key: %s", text)
		}
		entry := m.noticed(c.name)
		if entry == nil || entry.OK == (c == unknown) || entry.OK == strings.Contains(entry.Why, "422") || entry.By != migration.Controller {
			m.t.Errorf("of %s the journal says %+v", c.name, entry)
		}
	}
	m.calls(polite, unknown) // within the week
	if again := m.do("notify"); len(again["notices"].([]any)) != 0 || len(again["refused"].([]any)) != 0 {
		m.t.Errorf("told again within a week: %v", again)
	}
	if shown := fmt.Sprint(m.do("notify", "--dry-run")); !strings.Contains(shown, polite.name) || !strings.Contains(shown, unknown.name) {
		m.t.Errorf("who calls is shown as %s", shown)
	}
	if n := len(h.of(polite.name)) + len(h.of(unknown.name)); n != 2 {
		m.t.Errorf("%d notices", n)
	}
	m.holds("notice")
}

// noticed is the newest entry about a caller's notice.
func (m *migrating) noticed(caller string) (newest *migration.Entry) {
	m.read()
	for i := range m.log {
		if m.log[i].Kind == migration.KindNoticed && m.log[i].For == caller {
			newest = &m.log[i]
		}
	}
	return newest
}

// noticesAgain has two clients whose notices the journal knows to be older: it is a week since one, and not yet since the other.
func (m *migrating) noticesAgain(h *webhook) {
	const day = 24 * time.Hour
	stays, waits := m.caller("stays"), m.caller("waits")
	for name, ago := range map[string]time.Duration{stays.name: 8 * day, waits.name: 6 * day} {
		m.read()
		e := migration.Entry{Kind: migration.KindNoticed, By: "ann", For: name, OK: true, AtMs: uint64(time.Now().Add(-ago).UnixMilli())}
		for _, err := m.journal.Append(m.t.Context(), m.state.Seq, journal.NoTerm, e); err != nil; _, err = m.journal.Append(m.t.Context(), m.state.Seq, journal.NoTerm, e) {
			m.t.Log(err) // the controller wrote first
			m.read()
		}
	}
	m.calls(stays, waits)
	m.do("notify") // or the controller, whoever is first
	m.until("the second notice", func() bool { return len(h.of(stays.name)) > 0 })
	m.do("notify")
	if told := h.of(stays.name); len(told) != 1 || !told[0].Repeated {
		m.t.Errorf("a week later %+v", told)
	}
	if told := h.of(waits.name); len(told) != 0 {
		m.t.Errorf("within a week %+v", told)
	}
}

// switchedOff says stop, which waits for the days of the notice; then V10 ends, and its clients come by the router as before.
func (m *migrating) switchedOff(h *webhook) {
	if answer := m.run(2, "migrate", "stop", "--confirm", "another"); answer["error"] == nil {
		m.t.Errorf("%v", answer)
	}
	if answer := m.do("stop", "--confirm", confirmed, "--dry-run"); answer["dry_run"] != true {
		m.t.Errorf("%v", answer)
	}
	m.do("stop", "--confirm", confirmed)
	m.holds("notice")
	m.calls(m.caller("early"))
	m.do("init", "--plan", m.planFile(planText(1)+h.decommission(0)))
	m.until("V10 to be off", func() bool { return m.state.Off != nil })
	if s := m.status(); *s.Verdict != "hold: end" {
		m.t.Errorf("V10 is off, and the verdict is %s", *s.Verdict)
	}
	s := m.folder.Sync
	for what, address := range map[string]string{"V10": s.V10, "its change log": s.Changes, "its guard": s.Move.Rest, "its half of the sync": s.Metrics} {
		for end := time.Now().Add(migratesMax); ; <-time.After(pollEvery) {
			c, err := stdnet.DialTimeout("tcp", address, time.Second)
			if err != nil {
				break
			}
			_ = c.Close() // nothing was said
			if time.Now().After(end) {
				m.t.Fatalf("%s at %s still takes connections", what, address)
			}
		}
	}
	payV10(m.t, "http://"+s.Move.Edge, "without-V10", m.ready.V10Accounts[0], m.ready.V10Accounts[1])
	m.outOfTurn("V10 is off", [][]string{{"notify"}})
}

// cleanedUp removes what only V10 needed, from a network that does not run: not before it is stopped, not by a dry run, not without its name.
func (m *migrating) cleanedUp() {
	if answer := m.run(2, "migrate", "cleanup", "--confirm", confirmed); answer["error"] == nil {
		m.t.Errorf("while it runs: %v", answer)
	}
	m.stop()
	n := m.folder
	gone := []string{n.Sync.Dir, n.Sync.Move.Dir, n.Sync.Move.Routes, n.Sync.Move.Key, n.Sync.Move.Mover, n.Sync.Key, n.Sync.Signer, network.BrokerFolder}
	shown := m.do("cleanup", "--dry-run")
	var listed []string
	for _, r := range shown["removed"].([]any) {
		listed = append(listed, r.(map[string]any)["path"].(string))
	}
	if shown["dry_run"] != true || shown["read"].(float64) == 0 || shown["bytes"].(float64) == 0 {
		m.t.Errorf("it would do %v", shown)
	}
	for _, path := range gone {
		if _, err := os.Stat(n.Path(path)); err != nil || !slices.Contains(listed, path) {
			m.t.Errorf("%s is not there or not listed before the cleanup: %v, %v", path, err, listed)
		}
	}
	if answer := m.run(2, "migrate", "cleanup", "--confirm", "another"); answer["error"] == nil {
		m.t.Errorf("%v", answer)
	}
	done := m.do("cleanup", "--confirm", confirmed)
	if fmt.Sprint(done["removed"], done["bytes"]) != fmt.Sprint(shown["removed"], shown["bytes"]) || done["changed"] != true {
		m.t.Errorf("it did %v, and would have done %v", done, shown)
	}
	for _, path := range listed {
		if _, err := os.Stat(n.Path(path)); !os.IsNotExist(err) {
			m.t.Errorf("%s is still there: %v", path, err)
		}
	}
	for _, path := range []string{"v10-archive", "migration", "genesis.json", n.V10.AliasKey} {
		if _, err := os.Stat(n.Path(path)); err != nil {
			m.t.Errorf("%s is gone too: %v", path, err)
		}
	}
	if again := m.do("cleanup", "--confirm", confirmed); again["changed"] != false {
		m.t.Errorf("a second time %v", again)
	}
	if m.read(); m.log[len(m.log)-1].Kind != migration.KindCleaned {
		m.t.Errorf("the journal ends with %+v", m.log[len(m.log)-1])
	}
}

// goesOnAlone runs the network without a V10: its clients pay, their names and balances are those of before, and the whole story is a page.
func (m *migrating) goesOnAlone() {
	from, to := m.ready.V10Accounts[0], m.ready.V10Accounts[1]
	alone := upWith(m.t, m.dir, network.NodesDefault)
	if alone.ready.V10 != "" || alone.ready.Sync != nil || alone.ready.REST == "" {
		m.t.Fatalf("%+v", alone.ready)
	}
	holdsV10(m.t, alone.ready.REST, to, 1_000_001) // as funded, and what was paid without V10
	payV10(m.t, alone.ready.REST, "alone", from, to)
	holdsV10(m.t, alone.ready.REST, to, 1_000_002)
	page := filepath.Join(m.t.TempDir(), "report.html")
	m.run(0, "migrate", "report", "--html", page)
	text, err := os.ReadFile(page)
	for _, want := range []string{"<html", "has no notice, it was refused", "V10 is switched off", "removed what only V10 needed"} {
		if err != nil || !strings.Contains(string(text), want) {
			m.t.Errorf("the report of %d bytes lacks %q: %v", len(text), want, err)
		}
	}
	alone.stop()
}
