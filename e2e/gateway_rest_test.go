// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/access"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/v10/contracttest"
)

// gateways is a network of four validators with gateways of the V10 dialect, which the test runs.
type gateways struct {
	t       *testing.T
	net     *net
	folder  *network.Network
	binary  string
	made    []*network.Gateway
	running []*network.Process
}

// moreGateways makes further gateways for a running network, and runs them.
func moreGateways(t *testing.T, n *net, names ...string) *gateways {
	t.Helper()
	folder, err := network.Open(n.dir)
	if err != nil {
		t.Fatal(err)
	}
	g := &gateways{t: t, net: n, folder: folder, binary: program}
	for _, name := range names {
		made, err := folder.AddGateway(name)
		if err != nil {
			t.Fatal(err)
		}
		g.made, g.running = append(g.made, made), append(g.running, nil)
		g.start(len(g.made) - 1)
	}
	t.Cleanup(func() { _ = network.StopAll(g.running) })
	return g
}

// start runs a gateway and waits until it serves.
func (g *gateways) start(i int) {
	g.t.Helper()
	logs, err := os.OpenFile(g.folder.Path(filepath.Join(g.made[i].Dir, "gateway.log")), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		g.t.Fatal(err)
	}
	defer logs.Close()
	p, err := g.folder.LaunchGatewayOf(g.made[i], g.binary, logs)
	if err != nil {
		g.t.Fatal(err)
	}
	if err := p.AwaitReady(g.t.Context()); err != nil {
		g.t.Fatal(err)
	}
	if p.Ready.REST != g.made[i].REST {
		g.t.Errorf("the ready line says rest %q, the folder %q", p.Ready.REST, g.made[i].REST)
	}
	g.running[i] = p
}

// v10Load pays one AUR after the other through some addresses. It goes to the next one when an answer closes its connection, or none is
// taken, as a load balancer does; with keys it also asks again when an answer is lost.
type v10Load struct {
	urls     []string
	keyed    bool
	paid     atomic.Uint64
	number   atomic.Uint64
	mu       sync.Mutex
	failures []string // guarded by mu
	workers  sync.WaitGroup
	stop     context.CancelFunc
}

// run begins to pay from one account to another, with so many at a time.
func (l *v10Load) run(t *testing.T, workers int, from, to string) {
	ctx, stop := context.WithCancel(t.Context())
	l.stop = stop
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: workers}}
	for w := range workers {
		l.workers.Go(func() {
			for at := w; ctx.Err() == nil; {
				at = l.pay(client, at, from, to)
			}
		})
	}
	t.Cleanup(client.CloseIdleConnections)
}

// pay makes a payment, first at one of the addresses, and says at which one the next is made.
func (l *v10Load) pay(client *http.Client, at int, from, to string) (next int) {
	key := ""
	if l.keyed {
		key = fmt.Sprint("load-", l.number.Add(1))
	}
	for range 20 {
		why, goOn := l.try(client, l.urls[at%len(l.urls)], key, from, to)
		if why == "" {
			l.paid.Add(1)
			if !goOn {
				at++
			}
			return at
		}
		at++
		if !goOn {
			l.fail(why)
			return at
		}
		<-time.After(10 * time.Millisecond)
	}
	l.fail("nobody took it")
	return at
}

// try makes a payment at an address. why is why it failed: goOn says whether it may be sent again, and after success whether to that
// address. A payment that has begun ends: it is not cut with a context.
func (l *v10Load) try(client *http.Client, url, key, from, to string) (why string, goOn bool) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, url+"/api/v10/transactions", strings.NewReader(`{"from":"`+from+`","to":"`+to+`","amount":1}`)) //lint:context it ends with the client's time
	if err != nil {
		return err.Error(), false
	}
	req.GetBody = nil // the client does not send it again by itself
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	resp, err := client.Do(req)
	if err != nil {
		return err.Error(), key != "" || strings.Contains(err.Error(), "connection refused")
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return fmt.Sprintf("%d %s %v", resp.StatusCode, text, err), false
	}
	return "", !resp.Close
}

func (l *v10Load) fail(why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failures = append(l.failures, why)
}

// end stops paying, and returns how many payments were answered with success.
func (l *v10Load) end(t *testing.T) uint64 {
	t.Helper()
	l.stop()
	l.workers.Wait()
	if len(l.failures) > 0 {
		t.Errorf("%d of %d payments failed, the first: %s", len(l.failures), len(l.failures)+int(l.paid.Load()), l.failures[0])
	}
	return l.paid.Load()
}

// holdingV10 is how much AUR an account has.
func holdingV10(t *testing.T, url, account string) (amount uint64) {
	t.Helper()
	var answer struct {
		Balances []struct{ Amount json.Number }
	}
	if err := json.Unmarshal([]byte(balanceV10(t, url, account)), &answer); err != nil || len(answer.Balances) != 1 {
		t.Fatalf("%+v, %v", answer, err)
	}
	n, err := answer.Balances[0].Amount.Int64()
	if err != nil {
		t.Fatal(err)
	}
	return uint64(n)
}

// TestGatewayRest plays the contract of the V10 dialect against the gateway of a network; a payment that was made there is the same one
// when it is repeated at a validator.
func TestGatewayRest(t *testing.T) {
	if testing.Short() {
		t.Skip("runs four validators")
	}
	n := upWith(t, filepath.Join(t.TempDir(), "net"), 4)
	if n.ready.Edge == nil || n.ready.Edge.REST == "" || n.ready.REST == n.ready.Edge.REST {
		t.Fatalf("%+v", n.ready)
	}
	contracttest.Run(t, contracttest.World{URL: n.ready.Edge.REST, Accounts: [3]string(n.ready.V10Accounts)})
	first := payV10(t, n.ready.Edge.REST, "rent-08", n.ready.V10Accounts[0], n.ready.V10Accounts[1])
	if again := payV10(t, n.ready.REST, "rent-08", n.ready.V10Accounts[0], n.ready.V10Accounts[1]); again != first {
		t.Errorf("a validator answers %s, the gateway did %s", again, first)
	}
}

// TestGatewayRestRolling restarts two gateways one after the other while clients pay, some with keys and some without: no payment is
// lost, and none is made twice.
func TestGatewayRestRolling(t *testing.T) {
	if testing.Short() {
		t.Skip("runs four validators and two gateways")
	}
	n := upWith(t, filepath.Join(t.TempDir(), "net"), 4)
	g := moreGateways(t, n, "gateway-a", "gateway-b")
	from, to := n.ready.V10Accounts[0], n.ready.V10Accounts[1]
	before := holdingV10(t, g.made[0].URL(), to)
	urls := []string{g.made[0].URL(), g.made[1].URL()}
	plain, load := &v10Load{urls: urls}, &v10Load{urls: urls, keyed: true}
	plain.run(t, 8, from, to)
	load.run(t, 8, from, to)
	for range 2 {
		for i := range g.running {
			<-time.After(time.Second)
			if err := g.running[i].Stop(); err != nil {
				t.Error(err)
			}
			g.start(i)
		}
	}
	paid := plain.end(t) + load.end(t)
	if after := holdingV10(t, g.made[0].URL(), to); paid < 100 || after != before+paid {
		t.Errorf("%d payments were answered, %d were made", paid, after-before)
	}
	t.Logf("%d payments through four restarts", paid)
}

// TestGatewayRestValidatorKilled kills a validator under payments with keys: each is made, and made once.
func TestGatewayRestValidatorKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("runs four validators")
	}
	n := upWith(t, filepath.Join(t.TempDir(), "net"), 4)
	from, to := n.ready.V10Accounts[0], n.ready.V10Accounts[1]
	before := holdingV10(t, n.ready.Edge.REST, to)
	load := &v10Load{urls: []string{n.ready.Edge.REST}, keyed: true}
	load.run(t, 16, from, to)
	<-time.After(2 * time.Second)
	signalTo(t, n.ready.Nodes[3].PID, syscall.SIGKILL)
	<-time.After(4 * time.Second)
	paid := load.end(t)
	if after := holdingV10(t, n.ready.Edge.REST, to); paid < 100 || after != before+paid {
		t.Errorf("%d payments were answered, %d were made", paid, after-before)
	}
	t.Logf("%d payments while a validator was killed", paid)
}

// TestGatewayRestAlone asks a gateway whose validators are gone: it says so at once.
func TestGatewayRestAlone(t *testing.T) {
	if testing.Short() {
		t.Skip("runs four validators")
	}
	n := upWith(t, filepath.Join(t.TempDir(), "net"), 4)
	g := moreGateways(t, n, "gateway-a")
	n.stop()
	for range 3 {
		began := time.Now()
		resp, err := http.Post(g.made[0].URL()+"/api/v10/transactions", "application/json", strings.NewReader(`{"from":"AUR-alice","to":"AUR-bob","amount":1}`))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if took := time.Since(began); resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || took > 2*time.Second {
			t.Errorf("%d, Retry-After %q, after %v", resp.StatusCode, resp.Header.Get("Retry-After"), took)
		}
	}
}

// TestGatewayRestRequired asks who calls, at the validators and at the gateway, which shows a key of its own: a client's payment under a
// key is the same one at both doors, and the gateway's key opens no other.
func TestGatewayRestRequired(t *testing.T) {
	if testing.Short() {
		t.Skip("runs four validators")
	}
	dir := filepath.Join(t.TempDir(), "net")
	shop, own := closedNetwork(t, dir)
	n := upWith(t, dir, 4)
	pay := func(url, secret, from string) (int, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/api/v10/transactions", strings.NewReader(`{"from":"`+from+`","to":"AUR-carol","amount":1}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-API-Key", secret)
		req.Header.Set("Idempotency-Key", "rent")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(text)
	}
	code, first := pay(n.ready.Edge.REST, shop, "AUR-alice")
	if code != http.StatusOK {
		t.Fatalf("%d %s", code, first)
	}
	if code, again := pay(n.ready.REST, shop, "AUR-alice"); code != http.StatusOK || again != first {
		t.Errorf("a validator answers %d %s, the gateway did %s", code, again, first)
	}
	for _, c := range []struct {
		url, secret, from string
		want              int
	}{
		{n.ready.Edge.REST, shop, "AUR-bob", http.StatusForbidden}, {n.ready.Edge.REST, "ak_forged", "AUR-alice", http.StatusUnauthorized},
		{n.ready.Edge.REST, own, "AUR-alice", http.StatusForbidden}, {n.ready.REST, own, "AUR-alice", http.StatusForbidden},
	} {
		if code, text := pay(c.url, c.secret, c.from); code != c.want {
			t.Errorf("%s pays: %d %s, want %d", c.from, code, text, c.want)
		}
	}
}

// closedNetwork makes a network that asks who calls, with keys of a client and of the gateway.
func closedNetwork(t *testing.T, dir string) (shop, own string) {
	t.Helper()
	n, err := network.Create(dir, network.Options{Name: "closed", Nodes: 4, Demo: true, Accounts: 2, V10: true})
	if err != nil {
		t.Fatal(err)
	}
	file := n.Path(filepath.Join("access", "keys.json"))
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, shop, err = access.NewKey(file, "shop", access.Grant{Roles: []string{"payer"}, Accounts: []string{"AUR-alice"}}); err != nil {
		t.Fatal(err)
	}
	if _, own, err = access.NewKey(file, "gateway", access.Grant{Roles: []string{"gateway"}}); err != nil {
		t.Fatal(err)
	}
	for _, node := range n.Nodes {
		cfg, err := config.Load(n.Path(node.Dir))
		if err != nil {
			t.Fatal(err)
		}
		cfg.Rest.Auth = config.AuthRequired
		if err := config.Replace(cfg.Dir, cfg); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := config.LoadGateway(n.Path(n.Gateway.Dir))
	if err != nil {
		t.Fatal(err)
	}
	cfg.Rest.Auth, cfg.Rest.ValidatorKeyFile = config.AuthRequired, "validators.key"
	if err := os.WriteFile(cfg.Path(cfg.Rest.ValidatorKeyFile), []byte(own+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := config.ReplaceGateway(cfg.Dir, cfg); err != nil {
		t.Fatal(err)
	}
	return shop, own
}

// TestGatewayRestValidatorHangs stops a validator in its tracks for a while, under payments with keys: none is lost, others go on
// meanwhile, and none is made twice when it wakes up.
func TestGatewayRestValidatorHangs(t *testing.T) {
	if testing.Short() {
		t.Skip("runs four validators")
	}
	n := upWith(t, filepath.Join(t.TempDir(), "net"), 4)
	to := n.ready.V10Accounts[1]
	before := holdingV10(t, n.ready.Edge.REST, to)
	load := &v10Load{urls: []string{n.ready.Edge.REST}, keyed: true}
	load.run(t, 16, n.ready.V10Accounts[0], to)
	<-time.After(2 * time.Second)
	signalTo(t, n.ready.Nodes[2].PID, syscall.SIGSTOP)
	defer func() { _ = syscall.Kill(n.ready.Nodes[2].PID, syscall.SIGCONT) }()
	<-time.After(time.Second)
	meanwhile := load.paid.Load()
	<-time.After(8 * time.Second)
	if load.paid.Load() < meanwhile+100 {
		t.Error("nobody is paid while one validator of four hangs")
	}
	signalTo(t, n.ready.Nodes[2].PID, syscall.SIGCONT)
	<-time.After(3 * time.Second)
	paid := load.end(t)
	if after := holdingV10(t, n.ready.Edge.REST, to); paid < 100 || after != before+paid {
		t.Errorf("%d payments were answered, %d were made", paid, after-before)
	}
	t.Logf("%d payments while a validator hung", paid)
}
