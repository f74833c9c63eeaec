// SPDX-License-Identifier: Apache-2.0

package routertest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/router"
)

// Router is one under test.
type Router struct {
	Driver  router.Driver
	Address string // host:port at which it routes
	// Restart ends it, starts it again where its state is, and puts its new Driver and Address here.
	Restart func(t *testing.T)
	// Outcomes are how requests ended so far, in any order, once there are at least so many.
	Outcomes func(t *testing.T, atLeast int) []router.Outcome
}

// Start starts a router that knows no map yet, before one server of each side, host:port. It ends with the test.
type Start func(t *testing.T, v10, v11 string) *Router

// longest is how long the suite waits for anything.
const longest = 20 * time.Second

// Run plays the suite.
func Run(t *testing.T, start Start) {
	for _, c := range []struct {
		name string
		play func(*world)
	}{
		{"map", (*world).playMap}, {"restart", (*world).playRestart}, {"together", (*world).playTogether},
		{"ways", (*world).playWays}, {"bodies", (*world).playBodies}, {"headers", (*world).playHeaders},
		{"events", (*world).playEvents}, {"socket", (*world).playSocket}, {"lines", (*world).playLines},
		{"outcomes", (*world).playOutcomes}, {"down", (*world).playDown}, {"cut", (*world).playCut}, {"at once", (*world).playAtOnce}, {"changes", (*world).playChanges},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &world{T: t, v10: newLedger(t, router.V10), v11: newLedger(t, router.V11)}
			w.router = start(t, w.v10.address(), w.v11.address())
			transport := &http.Transport{DisableCompression: true}
			t.Cleanup(transport.CloseIdleConnections)
			w.client = &http.Client{Transport: transport, Timeout: longest, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
			c.play(w)
		})
	}
}

// world is a router under test between the suite's client and its ledgers.
type world struct {
	*testing.T
	v10, v11 *ledger
	router   *Router
	client   *http.Client
	ids      int
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) apply(m router.Map) {
	w.Helper()
	w.must(router.Apply(w.Context(), w.router.Driver, m))
}

// wants checks the kind and reason of an error.
func (w *world) wants(err error, kind fault.Kind, reason string) {
	w.Helper()
	if !fault.Is(err, kind) || fault.ReasonOf(err) != reason {
		w.Errorf("%v (%v, %s), want %v, %s", err, fault.KindOf(err), fault.ReasonOf(err), kind, reason)
	}
}

// wantsMap checks what is in force.
func (w *world) wantsMap(m router.Map) {
	w.Helper()
	got, err := w.router.Driver.Get(w.Context())
	w.must(err)
	if !got.Equal(&m) {
		w.Errorf("in force is\n%swant\n%s", got.Text(), m.Text())
	}
}

// owning is a map by which V11 owns slots.
func owning(version uint64, ranges ...chain.SlotRange) router.Map {
	m := router.Map{Version: version}
	err := m.V11.Set(ranges...)
	fault.Invariant(err == nil, "the suite's own ranges: %v", err)
	return m
}

// all is every hash slot.
func all() chain.SlotRange { return chain.SlotRange{From: 0, To: chain.SlotsMax - 1} }

// on is the slot of an account.
func on(account string) chain.SlotRange {
	slot := keys.AliasSlot(account)
	return chain.SlotRange{From: slot, To: slot}
}

// call is a request of the suite.
type call struct {
	method, target string
	header         http.Header
	body           []byte
	chunked        bool
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
	id     string
}

func (w *world) do(c call) answer {
	w.Helper()
	var body io.Reader = bytes.NewReader(c.body)
	if c.chunked {
		body = io.MultiReader(body) // of a length that the library does not know
	}
	r, err := http.NewRequestWithContext(w.Context(), c.method, "http://"+w.router.Address+c.target, body)
	w.must(err)
	for name, values := range c.header {
		r.Header[name] = values
	}
	w.ids++
	id := fmt.Sprint(w.Name(), " ", w.ids)
	r.Header.Set(idHeader, id)
	resp, err := w.client.Do(r)
	w.must(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	w.must(err)
	return answer{resp.StatusCode, resp.Header, string(text), id}
}

// reaches checks that a request is answered by one side, which got all of it, and that the other did not hear of it.
func (w *world) reaches(side router.Side, c call) {
	w.Helper()
	a := w.do(c)
	want := answerOf(side, c.method, c.target, c.body)
	if c.method == http.MethodHead {
		want = ""
	}
	if a.status != http.StatusOK || a.body != want {
		w.Errorf("%s %s: %d %q, want %q", c.method, c.target, a.status, a.body, want)
	}
	at := [2]int{w.v10.count(a.id), w.v11.count(a.id)}
	if want := [2]int{1 - int(side), int(side)}; at != want {
		w.Errorf("%s %s: reached V10 and V11 %v times, want %v", c.method, c.target, at, want)
	}
}

func payment(from string) []byte { return []byte(`{"from":"` + from + `","to":"bob","amount":1}`) }

func pay(from string) call { return call{method: "POST", target: payPath, body: payment(from)} }

func (w *world) playMap() {
	ctx, d := w.Context(), w.router.Driver
	w.wantsMap(router.Map{})
	m := owning(7, chain.SlotRange{From: 0, To: 0}, chain.SlotRange{From: 63, To: 64}, chain.SlotRange{From: 9_999, To: 10_001}, chain.SlotRange{From: 65_534, To: 65_534})
	m.Cohorts = map[string]uint16{"alice ltd": 10_000, "a/b?c%d+e": 10_001, "ünïcode": 65_534, "-_.!~*'()": 10_002, `"quoted"\`: 10_003}
	w.apply(m)
	w.apply(m)
	w.wantsMap(m)
	other := m
	w.must(other.V11.Clear(chain.SlotRange{From: 63, To: 63}))
	w.wants(d.Set(ctx, other), fault.Conflict, router.ReasonDiffers)
	named := m
	named.Cohorts = map[string]uint16{"alice ltd": 10_000}
	w.wants(d.Set(ctx, named), fault.Conflict, router.ReasonDiffers)
	w.wants(d.Set(ctx, owning(6, all())), fault.Conflict, router.ReasonStale)
	w.wants(d.Set(ctx, router.Map{}), fault.Conflict, router.ReasonStale)
	w.wants(d.Set(ctx, router.Map{Version: 8, Cohorts: map[string]uint16{"alice": 9_999}}), fault.Invalid, router.ReasonMalformed)
	w.wants(d.Set(ctx, router.Map{Version: router.VersionMax + 1}), fault.Invalid, router.ReasonMalformed)
	w.wantsMap(m)
	w.apply(largest())
	w.wantsMap(largest())
}

// largest is a map of the greatest length that there is.
func largest() router.Map {
	m := router.Map{Version: router.VersionMax, Cohorts: map[string]uint16{}}
	for slot := 0; slot < chain.SlotNone; slot += 2 {
		err := m.V11.Set(chain.SlotRange{From: uint16(slot), To: uint16(slot)})
		fault.Invariant(err == nil, "the suite's own ranges: %v", err)
	}
	for i := range router.CohortsMax {
		m.Cohorts[fmt.Sprintf("%s%04d", strings.Repeat("é", 126), i)] = uint16(chain.SlotsMax + i)
	}
	return m
}

func (w *world) playRestart() {
	w.router.Restart(w.T)
	w.wantsMap(router.Map{})
	m := owning(3, on("alice"))
	m.Cohorts = map[string]uint16{"carol": 10_000}
	w.must(m.V11.Set(chain.SlotRange{From: 10_000, To: 10_000}))
	w.apply(m)
	w.router.Restart(w.T)
	w.wantsMap(m)
	w.reaches(router.V11, pay("alice"))
	w.reaches(router.V11, pay("carol"))
	w.reaches(router.V10, pay("bob"))
	w.wants(w.router.Driver.Set(w.Context(), owning(2)), fault.Conflict, router.ReasonStale)
	w.apply(owning(4))
	w.router.Restart(w.T)
	w.wantsMap(owning(4))
}

// playTogether has several set maps at once: the latest is in force at the end, and whoever was refused was behind it.
func (w *world) playTogether() {
	const most = 40
	done := make(chan error, most)
	for i := range most {
		go func() {
			m := owning(uint64(i+1), chain.SlotRange{From: 0, To: uint16(i)})
			for {
				err := w.router.Driver.Set(w.Context(), m)
				if !fault.Is(err, fault.TryLater) { // another one was being set
					done <- err
					return
				}
			}
		}()
	}
	for range most {
		if err := <-done; err != nil && fault.ReasonOf(err) != router.ReasonStale {
			w.Error(err)
		}
	}
	w.wantsMap(owning(most, chain.SlotRange{From: 0, To: most - 1}))
}

// errLate ends what the suite waited too long for.
var errLate = errors.New("it took too long")
