// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/outcomes"
	"github.com/aurigraph/aurigraph/internal/router"
)

// Named accounts: the first goes with the first step, the others with the last.
const (
	goesFirst = "AUR-alice"
	staysBack = "AUR-bob"
	inNoList  = "AUR-carol"
	shop      = "shop-of-named"
)

// TestMigrationOfNamed: a named account's payments go to V11 from the first step on, whatever its hash's slot; one who stays back is V10's until
// the last step; a rollback brings all back, and nothing is lost or paid twice.
func TestMigrationOfNamed(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a network beside V10 for minutes")
	}
	m := &ofNamed{newMigrating(t, network.Options{Sync: &network.SyncOptions{Named: []string{staysBack, goesFirst, inNoList}}}, nil), map[string]bool{}}
	plan := func(first string) string {
		named := fmt.Sprintf("  named: {first: [%s], back: [%s]}\n  reverse_to_bp: 9999\n", first, staysBack)
		return m.planFile(strings.Replace(planText(0), "  reverse_to_bp: 9999\n", named, 1))
	}
	m.refused("canary_plan", "--named", "init", "--plan", plan("AUR-nobody"))
	m.do("init", "--plan", plan(goesFirst))
	m.wantsNamed(3, 0)
	m.pays(goesFirst, "before", router.V10)
	m.do("start")
	m.untilAt(steps[0])
	m.wantsNamed(2, 1)
	m.pays(goesFirst, "before", router.V11) // it was paid: the shop's balance tells
	m.pays(goesFirst, "after", router.V11)
	m.pays(staysBack, "after", router.V10)
	m.pays(inNoList, "after", router.V10)

	m.do("pause", "--why", "by hand")
	m.do("rollback", "--to", "0", "--why", "the test goes back")
	m.untilAt(0)
	m.wantsNamed(3, 0)
	m.pays(goesFirst, "back", router.V10)

	m.do("resume")
	for _, bp := range steps[:len(steps)-1] {
		m.promoteTo(bp)
	}
	m.wantsNamed(2, 1)
	m.toTheEnd()
	m.wantsNamed(0, 3)
	m.pays(staysBack, "at the end", router.V11)
	m.do("rollback", "--to", "0", "--why", "all goes back")
	m.untilAt(0)
	m.wantsNamed(3, 0)
	for _, name := range []string{goesFirst, staysBack, inNoList} {
		m.pays(name, "all back", router.V10)
	}
	m.shopHasAll()
	m.nothingIsLost()
}

// ofNamed is a migration in which named accounts pay.
type ofNamed struct {
	*migrating
	paid map[string]bool // idempotency keys, each of a payment of 0.25
}

// shopHasAll wants V10's shop to have what was paid, once.
func (m *ofNamed) shopHasAll() {
	m.t.Helper()
	answer, err := http.Get("http://" + m.folder.Sync.Move.Edge + "/api/v10/accounts/" + shop + "/balances")
	if err != nil {
		m.t.Fatal(err)
	}
	defer answer.Body.Close()
	var said struct {
		Balances []struct{ Amount json.Number }
	}
	if err := json.NewDecoder(answer.Body).Decode(&said); err != nil || len(said.Balances) != 1 {
		m.t.Fatalf("%d %+v %v", answer.StatusCode, said, err)
	}
	if got, err := said.Balances[0].Amount.Float64(); err != nil || got != float64(len(m.paid))/4 {
		m.t.Errorf("the shop has %v of %d payments of 0.25: %v", got, len(m.paid), err)
	}
}

// toTheEnd has V11 take the last step, which the cutover makes.
func (m *migrating) toTheEnd() {
	m.t.Helper()
	m.until("the cutover", func() bool {
		if m.state.Promote == nil && m.state.StepSeq > 0 && m.state.Phase != "cutover" {
			_, _ = runIn(m.t, "migrate", "promote", "--network", m.dir) // it may be out of turn by now
		}
		return m.state.Phase == "cutover"
	})
	for m.read(); m.state.GoodDrills() < m.state.Plan.Drills.Count; m.read() {
		m.do("drill", "--alarm")
	}
	m.do("approve", "--for", "cutover", "--as", "ada")
	m.do("approve", "--for", "cutover", "--as", "bob")
	m.do("cutover", "--confirm", confirmed)
	m.untilAt(router.WeightWhole)
}

// wantsNamed wants status to say whose the named accounts are.
func (m *migrating) wantsNamed(v10, v11 int) {
	m.t.Helper()
	out, err := exec.Command(program, "migrate", "status", "--network", m.dir, "--json").Output()
	var said struct{ Named struct{ V10, V11 int } }
	if bad := json.Unmarshal(out, &said); err != nil || bad != nil || said.Named.V10 != v10 || said.Named.V11 != v11 {
		m.t.Errorf("status says %+v of the named accounts, and not %d V10's and %d V11's: %v %v", said.Named, v10, v11, err, bad)
	}
}

// pays makes a payment through the router, again under its key until the router sends it to a side because the account is named.
func (m *ofNamed) pays(from, key string, side router.Side) {
	m.t.Helper()
	log := outcomes.Follow(m.folder.Outcomes(), outcomes.End)
	defer log.Close()
	m.paid[from+key] = true
	seen := "nothing"
	for end := time.Now().Add(migratesMax); time.Now().Before(end); {
		m.payOnce(from, key)
		if seen = m.sentTo(log, from); seen == side.String() {
			return
		}
	}
	m.t.Fatalf("%s pays at %s, and is %s's", from, seen, side)
}

// payOnce makes a payment.
func (m *migrating) payOnce(from, key string) {
	m.t.Helper()
	body := fmt.Sprintf(`{"from":%q,"to":%q,"amount":0.25}`, from, shop)
	r, err := http.NewRequest(http.MethodPost, "http://"+m.folder.Sync.Move.Edge+"/api/v10/transactions", strings.NewReader(body))
	if err != nil {
		m.t.Fatal(err)
	}
	r.Header.Set("Idempotency-Key", from+"-"+strings.ReplaceAll(key, " ", "-")) // no blanks
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		m.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	var said struct {
		ID string `json:"transaction_id"`
	}
	if bad := json.Unmarshal(text, &said); err != nil || bad != nil || answer.StatusCode >= http.StatusMultipleChoices || said.ID == "" {
		m.t.Fatalf("%s pays: %d %s %v", from, answer.StatusCode, text, err)
	}
}

// sentTo waits until the router tells where it sent the newest payment of a named account.
func (m *migrating) sentTo(log *outcomes.Reader, from string) (side string) {
	m.t.Helper()
	for end := time.Now().Add(migratesMax); side == ""; <-time.After(instant) {
		for o, ok, err := log.Next(); ok && err == nil; o, ok, err = log.Next() {
			if o.By == router.ByCohort.String() && o.Slot == m.slotOf(from) {
				side = o.Side
			}
		}
		if time.Now().After(end) {
			m.t.Fatalf("the router does not tell of a payment of the named account %s", from)
		}
	}
	return side
}

// slotOf is the slot of a named account.
func (m *migrating) slotOf(name string) uint16 {
	m.t.Helper()
	named, err := m.folder.Named()
	if err != nil {
		m.t.Fatal(err)
	}
	return named.Slot(name)
}
