// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/sync/bus"
	"github.com/aurigraph/aurigraph/legacy/ledger"
)

// Bounds of a network in step with a V10. None of them costs time when all is well.
const (
	answeredMax = 2 * time.Minute  // until a payment is answered for good
	payTryMax   = 15 * time.Second // one try of it: longer than a hop may take
	restMax     = 2 * time.Minute  // until both ledgers have all
	seenMax     = time.Minute      // until status says what is wrong
	pollEvery   = 50 * time.Millisecond
)

// Of a pair's accounts.
const (
	perSide    = 3
	fundedWith = 100_000 // AUR each
)

// Whose an account is, and where a payment is asked for.
const (
	ofV10 = iota
	ofV11
)

// pair is a network in step with a V10. Each ledger owns a half of the slots, and a book is kept of what was answered.
type pair struct {
	*net
	folder   *network.Network
	accounts [2][]string // by who owns them

	mu   sync.Mutex // guards what follows
	has  map[string]int
	paid []payment
	next int
	// answered are how many payments from accounts of each side were made.
	answered [2]int
}

// payment is one that was answered.
type payment struct {
	key, from, to, id string
	aur               int
}

// v10Half are the slots that V10 owns, the treasury's among them: V10 goes on as the issuer.
func v10Half() chain.SlotRange {
	const middle = chain.SlotsMax / 2
	if keys.AliasSlot(ledger.Treasury) < middle {
		return chain.SlotRange{From: 0, To: middle - 1}
	}
	return chain.SlotRange{From: middle, To: chain.SlotsMax - 1}
}

// newPair makes a network, runs it, and funds accounts of both sides.
func newPair(t *testing.T, o network.Options) *pair {
	t.Helper()
	return newPairIn(t, filepath.Join(t.TempDir(), "net"), o)
}

// newPairIn calls prepare with the new network before it runs.
func newPairIn(t *testing.T, dir string, o network.Options, prepare ...func(*network.Network)) *pair {
	t.Helper()
	if o.Sync == nil {
		o.Sync = &network.SyncOptions{}
	}
	o.Name, o.Demo, o.Accounts, o.V10, o.Sync.V10Slots = "pair", true, 1, true, []chain.SlotRange{v10Half()}
	n, err := network.Create(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	for _, each := range prepare {
		each(n)
	}
	p := &pair{has: map[string]int{}, accounts: pairAccounts()}
	p.begin(t, dir, o.Nodes)
	for _, side := range p.accounts {
		for _, name := range side {
			p.pay(ofV10, ledger.Treasury, name, fundedWith)
		}
	}
	p.inStep()
	return p
}

// begin runs the network, the first time or again.
func (p *pair) begin(t *testing.T, dir string, validators int) {
	t.Helper()
	p.net = upWith(t, dir, validators, "--with-v10")
	n := p.net
	t.Cleanup(func() { n.showEndIf(t.Failed()) })
	var err error
	if p.folder, err = network.Open(dir); err != nil {
		t.Fatal(err)
	}
}

// logShown is how much of a log a failed test shows.
const logShown = 12_000

func (n *net) showEndIf(failed bool) {
	if failed {
		text := n.log()
		n.t.Log(text[max(0, len(text)-logShown):])
	}
}

func pairAccounts() (out [2][]string) {
	owned := v10Half()
	for i := 0; len(out[ofV10]) < perSide || len(out[ofV11]) < perSide; i++ {
		name, of := fmt.Sprintf("pair-%d", i), ofV11
		if slot := keys.AliasSlot(name); slot >= owned.From && slot <= owned.To {
			of = ofV10
		}
		if len(out[of]) < perSide {
			out[of] = append(out[of], name)
		}
	}
	return out
}

// doors are where a ledger's clients may ask. Those of V11 know them all.
func (p *pair) doors(at int) []string {
	if at == ofV10 {
		return []string{p.ready.V10}
	}
	doors := p.folder.REST()
	if e := p.ready.Edge; e != nil && e.REST != "" {
		doors = append(doors, e.REST)
	}
	return doors
}

// pay has a payment made at a ledger's door, and asks under the same key, at any of its doors, until it is answered for good. It reports
// whether it was made; if not, the test has failed.
func (p *pair) pay(at int, from, to string, aur int) bool {
	p.mu.Lock()
	p.next++
	made := payment{key: "pair-" + strconv.Itoa(p.next), from: from, to: to, aur: aur}
	p.mu.Unlock()
	doors, said := p.doors(at), ""
	for try, end := rand.IntN(len(doors)), time.Now().Add(answeredMax); time.Now().Before(end); try++ {
		status, text, err := p.ask(doors[try%len(doors)], &made)
		switch {
		case err == nil && status == http.StatusOK:
			var a struct {
				ID string `json:"transaction_id"`
			}
			if err := json.Unmarshal(text, &a); err != nil || a.ID == "" {
				p.t.Errorf("%+v is answered %s: %v", made, text, err)
				return false
			}
			made.id = a.ID
			p.note(made)
			return true
		case err == nil && status < http.StatusInternalServerError && status != http.StatusTooManyRequests:
			p.t.Errorf("%+v is refused at %s: %d %s", made, doors[try%len(doors)], status, text)
			return false
		}
		said = fmt.Sprint(status, " ", string(text), err)
		<-time.After(pollEvery)
	}
	p.t.Errorf("nobody knows what became of %+v: %s", made, said)
	return false
}

func (p *pair) ask(door string, o *payment) (status int, text []byte, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.t.Context()), payTryMax)
	defer cancel()
	body := fmt.Sprintf(`{"from":%q,"to":%q,"amount":%d}`, o.from, o.to, o.aur)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, door+"/api/v10/transactions", strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Idempotency-Key", o.key)
	return p.answer(req)
}

func (p *pair) answer(req *http.Request) (status int, text []byte, err error) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(resp.Body)
	return resp.StatusCode, text, err
}

func (p *pair) get(door, path string) (status int, text []byte, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.t.Context()), payTryMax)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, door+path, nil)
	if err != nil {
		return 0, nil, err
	}
	return p.answer(req)
}

func (p *pair) note(made payment) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if made.from != ledger.Treasury {
		p.has[made.from] -= made.aur
	}
	p.has[made.to] += made.aur
	p.paid = append(p.paid, made)
}

// some pays so many times, on both sides in turn, between accounts of both.
func (p *pair) some(n int) {
	p.t.Helper()
	for i := range n {
		p.onePayment(i % 2)
	}
}

// onePayment pays at random from an account of one side, at its own door.
func (p *pair) onePayment(of int) bool { return p.onePaymentAt(of, of) }

func (p *pair) onePaymentAt(at, of int) bool {
	from := p.accounts[of][rand.IntN(perSide)]
	to := p.accounts[rand.IntN(2)][rand.IntN(perSide)]
	for to == from {
		to = p.accounts[rand.IntN(2)][rand.IntN(perSide)]
	}
	if !p.pay(at, from, to, 1+rand.IntN(5)) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answered[of]++
	return true
}

// balance is what a ledger says that an account has, in AUR; -1: it does not say.
func (p *pair) balance(door, account string) int {
	status, text, err := p.get(door, "/api/v10/accounts/"+account+"/balances")
	var a struct {
		Balances []struct {
			Asset  string
			Amount json.Number
		}
	}
	if err != nil || status != http.StatusOK || json.Unmarshal(text, &a) != nil {
		return -1
	}
	for _, b := range a.Balances {
		if n, err := b.Amount.Int64(); b.Asset == "AUR" && err == nil {
			return int(n)
		}
	}
	return -1
}

// differs names the first account that a ledger does not have as the book does; empty: none.
func (p *pair) differs(door string) string {
	for _, side := range p.accounts {
		for _, name := range side {
			p.mu.Lock()
			want := p.has[name]
			p.mu.Unlock()
			if got := p.balance(door, name); got != want {
				return fmt.Sprintf("%s has %d of %s, clients were told %d", door, got, name, want)
			}
		}
	}
	return ""
}

// inStep waits until all balances on both sides are what the answers make them.
func (p *pair) inStep() {
	p.t.Helper()
	what := ""
	for end := time.Now().Add(restMax); time.Now().Before(end); <-time.After(pollEvery) {
		if what = cmp.Or(p.differs(p.ready.V10), p.differs(p.ready.REST)); what == "" {
			return
		}
	}
	p.t.Fatalf("the ledgers do not come in step: %s; %s", what, p.pictureText())
}

// allThereOnce asks both ledgers for every payment that was answered, by its id, and has the verifier compare them. With inStep before:
// none is lost, none made twice.
func (p *pair) allThereOnce() {
	p.t.Helper()
	ids := map[string]string{}
	for _, made := range p.paid {
		if other, there := ids[made.id]; there {
			p.t.Errorf("payments %s and %s have one id, %s", other, made.key, made.id)
		}
		ids[made.id] = made.key
		for _, door := range []string{p.ready.V10, p.lists()} {
			p.there(door, &made)
		}
	}
	if report := p.run(0, "verify-sync", "run"); report["equal"] != true {
		p.t.Errorf("the verifier says %v", report)
	}
}

// lists is V11's door that has the index: V10's ids are found in it.
func (p *pair) lists() string {
	doors := p.doors(ofV11)
	return doors[len(doors)-1]
}

// there waits until a ledger has a payment as it was asked for: lists are behind the ledger for a moment.
func (p *pair) there(door string, made *payment) {
	p.t.Helper()
	var status int
	var text []byte
	for end := time.Now().Add(seenMax); time.Now().Before(end); <-time.After(pollEvery) {
		var err error
		if status, text, err = p.get(door, "/api/v10/transactions/"+made.id); err == nil && status == http.StatusOK {
			break
		}
	}
	var has struct {
		From, To string
		Amount   json.Number
	}
	if err := json.Unmarshal(text, &has); err != nil || has.From != made.from || has.To != made.to || has.Amount.String() != strconv.Itoa(made.aur) {
		p.t.Errorf("%s has %d %s, and %+v was answered", door, status, text, *made)
	}
}

// picture is what `sync status --json` says.
type picture struct {
	ToV11 way `json:"v10_to_v11"`
	ToV10 way `json:"v11_to_v10"`
}

type way struct {
	State, Reason, Error, Position, Stated, Help string
	Applied                                      uint64
	LagMs                                        float64 `json:"lag_ms"`
	Held                                         *struct{ Position, Reason string }
	Capture                                      *struct {
		State, Reason, Error string
		Position             uint64
	}
}

// troubled reports whether the direction is said to stand for a reason.
func (w *way) troubled(reasons ...string) bool {
	for _, reason := range reasons {
		if w.State == "trouble" && w.Reason == reason && w.Help != "" || w.Capture != nil && w.Capture.State == "trouble" && w.Capture.Reason == reason {
			return true
		}
	}
	return false
}

func (p *pair) picture() (all picture, code int) {
	p.t.Helper()
	text := p.pictureText()
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		p.t.Fatalf("%v: %s", err, text)
	}
	if !p.goesOn() {
		code = 1
	}
	return all, code
}

func (p *pair) pictureText() string {
	out, _ := exec.Command(program, "sync", "status", "--network", p.dir, "--json").Output() // 1: something is wrong, as it says
	return string(out)
}

// goesOn reports whether `sync status` ends with 0.
func (p *pair) goesOn() bool {
	return exec.Command(program, "sync", "status", "--network", p.dir).Run() == nil
}

// says waits until status says something.
func (p *pair) says(what string, holds func(*picture) bool) picture {
	p.t.Helper()
	for end := time.Now().Add(seenMax); time.Now().Before(end); <-time.After(pollEvery) {
		if all, _ := p.picture(); holds(&all) {
			return all
		}
	}
	p.t.Fatalf("status never says %s: %s", what, p.pictureText())
	return picture{}
}

// bus is how the pair's topics are reached.
func (p *pair) bus() bus.Config {
	s := p.folder.Sync
	return bus.Config{Brokers: []string{s.Kafka}, Prefix: s.Prefix, KeyFiles: []string{p.folder.Path(s.Key)}}
}

// process waits until something of the network runs, and returns its pid.
func (p *pair) process(pid func(*network.Run) int) int {
	p.t.Helper()
	for end := time.Now().Add(commandMax); time.Now().Before(end); <-time.After(pollEvery) {
		if run, err := network.ReadRun(p.dir); err == nil {
			if n := pid(run); n > 0 {
				return n
			}
		}
	}
	p.t.Fatal("it is not started again")
	return 0
}

func besideIt(name string) func(*network.Run) int {
	return func(r *network.Run) int { return r.Beside[name] }
}

func nodeAt(i int) func(*network.Run) int {
	return func(r *network.Run) int {
		if n := r.Nodes[i]; n.Ready {
			return n.PID
		}
		return 0
	}
}
