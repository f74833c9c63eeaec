// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/hop"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy"
	"github.com/aurigraph/aurigraph/legacy/ledger"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const chainID = chain.ChainID(77)

// moves is a V11 that has certified some moves.
type moves struct {
	mu   sync.Mutex
	list []Move
	err  error
}

// Move implements Source.
func (m *moves) Move(_ context.Context, version uint64) (*Move, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err != nil {
		return nil, m.err
	}
	for i := range m.list {
		if m.list[i].Version == version {
			found := m.list[i]
			return &found, nil
		}
	}
	return nil, fault.New(fault.NotFound, "no move made version %d", version)
}

func (m *moves) fails(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

// make certifies the next move.
func (m *moves) make(kind MoveKind, height uint64, slots ...chain.SlotRange) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	version := uint64(FirstVersion + 1 + len(m.list))
	m.list = append(m.list, Move{Version: version, Height: height, Kind: kind, Slots: slots})
	return version
}

// away is a V11's REST, which says what it was asked.
type away struct {
	*httptest.Server
	mu      sync.Mutex
	asked   []string // method, path and body
	notHome int      // times that it says so
	lines   bool     // streams are asked for
}

func newAway(t testing.TB) *away {
	a := &away{}
	a.Server = httptest.NewServer(http.HandlerFunc(a.serve))
	t.Cleanup(a.Close)
	return a
}

func (a *away) serve(w http.ResponseWriter, r *http.Request) {
	if a.lines && strings.HasSuffix(r.URL.Path, "/stream") {
		echoLines(w, r)
		return
	}
	body, _ := io.ReadAll(r.Body)
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.Header.Get(hop.Header) == "" || r.Header.Get(v10.HeaderGeneration) != "" {
		w.WriteHeader(http.StatusTeapot)
		return
	}
	a.asked = append(a.asked, r.Method+" "+r.RequestURI+" "+r.Header.Get("Idempotency-Key")+" "+string(body))
	w.Header().Set("X-From", "v11")
	if a.notHome > 0 {
		a.notHome--
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write(v10.ProblemOfOutcome(chain.NotHome).Append(nil, v10.FamilyPlain))
		return
	}
	switch {
	case strings.HasSuffix(r.URL.Path, "/batch"):
		items, err := v10.DecodeBatch(nil, body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		_, _ = w.Write(v10.Marshal(answersOf(items)))
	default:
		_, _ = w.Write([]byte(`{"transaction_id":"tx_9_v11","status":"submitted"}`))
	}
}

// echoLines answers a line for each, while the request still comes.
func echoLines(w http.ResponseWriter, r *http.Request) {
	control := http.NewResponseController(w)
	_ = control.EnableFullDuplex()
	w.Header().Set("Connection", "close")
	in := bufio.NewScanner(r.Body)
	for n := uint64(1); in.Scan(); n++ {
		item := v10.BatchItem{}
		item.Submit, item.Err = v10.DecodeSubmit(in.Bytes())
		line := v10.StreamLine{Line: n, BatchResult: answersOf([]v10.BatchItem{item}).Results[0]}
		_, _ = w.Write(append(v10.Marshal(line), '\n'))
		_ = control.Flush()
	}
}

func answersOf(items []v10.BatchItem) v10.BatchAnswer {
	out := v10.BatchAnswer{Total: len(items)}
	for _, item := range items {
		if item.Err != nil {
			out.Results, out.Refused = append(out.Results, v10.BatchResult{Status: v10.StatusRefused, Error: "not an item"}), out.Refused+1
			continue
		}
		out.Results, out.Accepted = append(out.Results, v10.BatchResult{Status: v10.StatusSubmitted, TransactionID: "v11:" + item.From}), out.Accepted+1
	}
	return out
}

func (a *away) heard() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.asked...)
}

// world is a V10 behind a guard, and a V11 that a test plays.
type world struct {
	t       testing.TB
	dir     string // V10's
	folder  string // the guard's
	v10     legacy.Addresses
	stopV10 func()
	v11     *away
	moves   *moves
	key     keys.Signer
	syncKey envelope.Key
	hold    time.Duration
	named   keys.Named    // whom V10 and the guard know as accounts with a slot of their own
	bound   func(*Config) // nil: as it is

	*Guard
	rest, control string // URLs of the guard
	end           func() error
}

// alice and bob pay; their slots differ.
const (
	alice = "alice"
	bob   = "bob"
)

func slotRange(name string) chain.SlotRange {
	s := keys.AliasSlot(name)
	return chain.SlotRange{From: s, To: s}
}

func newWorld(t testing.TB, named ...string) *world {
	t.Helper()
	own, err := keys.NameAll(named)
	must(t, err)
	w := &world{named: own, t: t, dir: t.TempDir(), folder: t.TempDir(), moves: &moves{}, v11: newAway(t), hold: 5 * time.Second}
	w.key, err = keys.Generate(keys.Ed25519, rand.Reader)
	must(t, err)
	w.syncKey, err = envelope.NewKey(bytes.Repeat([]byte{1}, envelope.SecretBytesMin))
	must(t, err)
	w.startV10("127.0.0.1:0", "127.0.0.1:0")
	t.Cleanup(func() { w.stopV10() })
	return w
}

func (w *world) startV10(rest, changes string) {
	ctx, cancel := context.WithCancel(context.Background())
	ready, ended := make(chan legacy.Addresses, 1), make(chan error, 1)
	units := chain.Units(1_000_000_00000000)
	cfg := legacy.Config{
		Dir: w.dir, Engine: legacy.EnginePebble, Listen: rest, Changes: changes, SyncKeys: []envelope.Key{w.syncKey},
		Named: w.named, Fund: []legacy.Fund{{Account: alice, Units: units}, {Account: bob, Units: units}},
	}
	go func() { ended <- legacy.Run(ctx, cfg, func(a legacy.Addresses) { ready <- a }) }()
	select {
	case w.v10 = <-ready:
	case err := <-ended:
		w.t.Fatal(err)
	}
	w.stopV10 = func() {
		http.DefaultClient.CloseIdleConnections()
		cancel()
		if err := <-ended; err != nil {
			w.t.Error(err)
		}
		w.stopV10 = func() {}
	}
}

// config is the guard's.
func (w *world) config() Config {
	cfg := Config{
		V10: "http://" + w.v10.Rest, Changes: "http://" + w.v10.Changes, V11: w.v11.URL, Dir: w.folder, Chain: chainID,
		Genesis: []chain.SlotRange{{From: 0, To: w.named.Last()}}, Homes: w.moves, Key: w.key, Hold: w.hold, Named: w.named,
	}
	if w.bound != nil {
		w.bound(&cfg)
	}
	return cfg
}

// guard starts the guard, and returns when it serves. Its end is told by w.end.
func (w *world) guard() {
	w.t.Helper()
	g, err := New(w.config())
	must(w.t, err)
	w.Guard = g
	ctx, cancel := context.WithCancel(context.Background())
	rest, err := net.Listen("tcp", "127.0.0.1:0")
	must(w.t, err)
	control, err := net.Listen("tcp", "127.0.0.1:0")
	must(w.t, err)
	w.rest, w.control = "http://"+rest.Addr().String(), "http://"+control.Addr().String()
	ready, ended := make(chan struct{}), make(chan error, 1)
	go func() { ended <- g.Run(ctx, rest, control, func() { close(ready) }) }()
	var once sync.Once
	var result error
	w.end = func() error {
		once.Do(func() {
			http.DefaultClient.CloseIdleConnections()
			cancel()
			result = <-ended
		})
		return result
	}
	w.t.Cleanup(func() { _ = w.end() })
	select {
	case <-ready:
	case err := <-ended:
		ended <- err
		w.t.Fatal(err)
	}
}

type reply struct {
	code   int
	header http.Header
	body   string
}

func ask1(method, url, body string, headers ...string) (reply, error) {
	r, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, string(text)}, err
}

func (w *world) call(method, url, body string, headers ...string) reply {
	w.t.Helper()
	a, err := ask1(method, url, body, headers...)
	must(w.t, err)
	return a
}

func payment(from, to string) string {
	return fmt.Sprintf(`{"from":%q,"to":%q,"amount":1}`, from, to)
}

func (w *world) pay(from, to string, headers ...string) reply {
	w.t.Helper()
	return w.call("POST", w.rest+"/api/v10/transactions", payment(from, to), headers...)
}

// balance is what V10 says.
func (w *world) balance(name string) string {
	w.t.Helper()
	a := w.call("GET", "http://"+w.v10.Rest+"/api/v10/accounts/"+name+"/balances", "")
	if a.code == http.StatusNotFound {
		return "0"
	}
	var said struct {
		Balances []struct{ Amount json.Number }
	}
	must(w.t, json.Unmarshal([]byte(a.body), &said))
	if len(said.Balances) == 0 {
		return "0"
	}
	return said.Balances[0].Amount.String()
}

// until waits for a condition.
func (w *world) until(what string, done func() bool) {
	w.t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !done() {
		if time.Now().After(deadline) {
			w.t.Fatalf("%s did not come about: %+v", what, w.Status())
		}
		<-time.After(time.Millisecond)
	}
}

// fences has slots closed, and checks the fence.
func (w *world) fences(version uint64, slots ...chain.SlotRange) *SignedFence {
	w.t.Helper()
	f, err := w.Fence(w.t.Context(), version, slots)
	must(w.t, err)
	return f
}

// applies has V10 apply the end of a block of V11.
func (w *world) applies(height uint64, homeVersion uint64) {
	w.t.Helper()
	source := envelope.Source{Ledger: envelope.LedgerID{1}, Origin: envelope.V11, Life: 1, Incarnation: envelope.Incarnation{2}}
	changes := "http://" + w.v10.Changes
	row, err := json.Marshal(ledger.InboxRowOf(&ledger.Inbox{Source: source, Position: envelope.EndOf(height - 1)}))
	must(w.t, err)
	if a := w.call("POST", changes+"/inbox", string(row)); a.code != 200 {
		w.t.Fatal(a)
	}
	r := &envelope.Record{
		Source: source, Position: envelope.Position{Major: height}, Previous: envelope.EndOf(height - 1), Since: height - 1, End: true, HomeVersion: homeVersion,
		Change: &envelope.Block{Height: chain.Height(height), TimeMs: 9, Hash: chain.Hash{1}, Previous: chain.Hash{2}},
	}
	wire, err := envelope.Seal(&w.syncKey, r)
	must(w.t, err)
	body := append(binary.BigEndian.AppendUint32(nil, uint32(len(wire))), wire...)
	if a := w.call("POST", changes+"/apply", string(body)); a.code != 200 {
		w.t.Fatal(a)
	}
}

func wants(t testing.TB, err error, kind fault.Kind, reason string) {
	t.Helper()
	if !fault.Is(err, kind) || fault.ReasonOf(err) != reason {
		t.Errorf("%v (%v, %s), want %v, %s", err, fault.KindOf(err), fault.ReasonOf(err), kind, reason)
	}
}

var errTest = errors.New("as the test wants")
