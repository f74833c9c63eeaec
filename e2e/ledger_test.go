// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

func TestUpPayVerify(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "net")
	n := up(t, dir)
	a, b := n.ready.Accounts[0], n.ready.Accounts[1]
	paid := n.run(0, "pay", a, b, "5.5", "--reference", "invoice 1")
	if paid["outcome"] != "ok" || paid["verified"] != true || paid["height"].(float64) < 1 {
		t.Fatal(paid)
	}
	tx := n.run(0, "tx", "show", paid["tx"].(string), "--proof")
	if tx["verified"] != true || tx["kind"] != "transfer" || tx["proof"] == nil {
		t.Error(tx)
	}
	if e := n.run(2, "pay", a, b, "99999999")["error"].(map[string]any); e["reason"] != "insufficient_funds" {
		t.Error(e)
	}
	if e := n.run(2, "pay", a, b, "0.123456789")["error"].(map[string]any); e["reason"] != "excess_decimals" {
		t.Error(e)
	}
	n.run(2, "pay", a, "999999", "1") // no such account
	n.run(2, "pay", a, "nobody", "1") // no account at all
	n.run(0, "asset", "create", "GOLD", "--scale", "3")
	n.run(2, "asset", "create", "GOLD", "--scale", "3")
	n.run(0, "asset", "issue", "GOLD", a, "10.125")
	n.run(2, "asset", "redeem", "AUR", "0")
	custodial := n.run(0, "account", "new")
	own := n.run(0, "account", "new", "--own-key", "ml-dsa-65")
	n.run(0, "pay", a, own["address"].(string), "1", "--asset", "GOLD")
	n.run(0, "pay", own["address"].(string), custodial["address"].(string), "0.5", "--asset", "GOLD")
	n.run(0, "pay", custodial["address"].(string), a, "0.25", "--asset", "GOLD")
	shown := n.run(0, "account", "show", b, "--asset", "AUR", "--proof")
	if shown["proved"] == nil {
		t.Error(shown)
	}
	status := n.run(0, "status")
	if block := n.run(0, "block", "show"); block["verified"] != true || block["height"].(float64) < status["height"].(float64) {
		t.Error(block, status)
	}
	n.stop()

	n = up(t, dir)
	if again := n.run(0, "status"); again["height"].(float64) < status["height"].(float64) || again["genesis_hash"] != status["genesis_hash"] {
		t.Error("the second run does not continue the first", again, status)
	}
	if tx := n.run(0, "tx", "show", paid["tx"].(string)); tx["outcome"] != "ok" {
		t.Error(tx)
	}
	n.run(0, "pay", b, a, "1")
	node := n.ready.Nodes[0].Dir
	n.stop()
	report := verify(t, node, true)
	if report["legs"].(float64) < 5 {
		t.Error(report)
	}
	flipOneByteOfEach(t, node, report)
}

// flipOneByteOfEach damages each file that verify read, one after the other; each damage must be found.
func flipOneByteOfEach(t *testing.T, node string, report map[string]any) {
	for _, f := range report["files"].([]any) {
		path, used := filepath.Join(node, f.(map[string]any)["path"].(string)), int64(f.(map[string]any)["used"].(float64))
		if used == 0 {
			continue
		}
		flip(t, path, used*2/3)
		verify(t, node, false)
		flip(t, path, used*2/3)
	}
	verify(t, node, true)
}

func flip(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], at); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 0x55
	if _, err := f.WriteAt(b[:], at); err != nil {
		t.Fatal(err)
	}
}

// What was acknowledged before a kill -9 is there after it, as often as it is killed.
func TestKillNine(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "net")
	var mu sync.Mutex
	var acknowledged []string
	for range 3 {
		n := up(t, dir)
		var payers sync.WaitGroup
		var killed atomic.Bool
		for i := range 3 {
			payers.Go(func() {
				for !killed.Load() {
					out, err := exec.Command(program, "pay", n.ready.Accounts[i], n.ready.Accounts[(i+1)%3], "0.01", "--network", dir).Output()
					id := regexp.MustCompile(`tx +([0-9a-f]{64})`).FindSubmatch(out)
					if err != nil || id == nil {
						return // nobody knows what became of it
					}
					mu.Lock()
					acknowledged = append(acknowledged, string(id[1]))
					killNow := len(acknowledged)%15 == 0
					mu.Unlock()
					if killNow && killed.CompareAndSwap(false, true) {
						_ = syscall.Kill(n.ready.Nodes[0].PID, syscall.SIGKILL)
					}
				}
			})
		}
		payers.Wait()
		n.stop() // the killed node is coming back meanwhile
	}
	n := up(t, dir)
	for _, id := range acknowledged {
		if tx := n.run(0, "tx", "show", id); tx["outcome"] != "ok" {
			t.Error(tx)
		}
	}
	node := n.ready.Nodes[0].Dir
	n.stop()
	if report := verify(t, node, true); int(report["legs"].(float64)) < len(acknowledged) {
		t.Errorf("%v legs proved, %d acknowledged", report["legs"], len(acknowledged))
	}
}

func TestRefusesAFolderInUseOrOfAnotherChain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "net")
	n := up(t, dir)
	node := n.ready.Nodes[0].Dir
	if out, code := runIn(t, "node", "start", "--dir", node, "--json"); code != 2 || !strings.Contains(out, "another process") {
		t.Errorf("two nodes in one folder: exit %d: %s", code, out)
	}
	if out, code := runIn(t, "verify", "--node", node, "--json"); code != 2 || !strings.Contains(out, "error") {
		t.Errorf("verify of a running node: exit %d: %s", code, out)
	}
	n.run(0, "pay", n.ready.Accounts[0], n.ready.Accounts[1], "1")
	n.stop()
	genesis := filepath.Join(node, "genesis.json")
	text, err := os.ReadFile(genesis)
	if err != nil {
		t.Fatal(err)
	}
	other := bytes.Replace(text, []byte(`"name": "demo"`), []byte(`"name": "other"`), 1)
	if err := os.WriteFile(genesis, other, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, code := runIn(t, "node", "start", "--dir", node, "--json"); code != 2 || !strings.Contains(out, "conflict") {
		t.Errorf("a folder of another chain: exit %d: %s", code, out)
	}
	if out, code := runIn(t, "up", "--network", t.TempDir()+"/../", "--json"); code != 2 {
		t.Errorf("a folder that is not empty: exit %d: %s", code, out)
	}
}

var (
	metricName = regexp.MustCompile(`(?m)^# TYPE (aurigraph_\S+) `)
	metricRow  = regexp.MustCompile("(?m)^\\| `(aurigraph_[a-z0-9_]+)`( \\(after its first event\\))?")
)

// docs/metrics.md names every metric of a node, and no other: in its first table those of every node, in its second those
// that a node of several validators has beside them.
func TestMetricsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	every, several, ok := strings.Cut(string(doc), "\n## Of a network of several validators\n")
	if !ok {
		t.Fatal("docs/metrics.md has no second table")
	}
	several, _, ok = strings.Cut(several, "\n## Of a network beside V10\n") // TestMigrationAlerts has those
	if !ok {
		t.Fatal("docs/metrics.md does not say where its second table ends")
	}
	compareMetrics(t, 1, every)
	compareMetrics(t, 4, every+several)
}

// compareMetrics compares a page with what the nodes of a network and its gateway have together: one of them took the payment,
// one has the query index.
func compareMetrics(t *testing.T, nodes int, page string) {
	t.Helper()
	n := upWith(t, filepath.Join(t.TempDir(), "net"), nodes)
	defer n.stop()
	n.run(0, "pay", n.ready.Accounts[0], n.ready.Accounts[1], "1")
	has := map[string]bool{}
	pages := n.ready.Metrics
	if n.ready.Edge != nil {
		pages = append(pages, n.ready.Edge.Metrics)
	}
	for _, url := range pages {
		for _, m := range metricName.FindAllStringSubmatch(get(t, url), -1) {
			has[m[1]] = true
		}
	}
	named := map[string]bool{} // value: from the start
	for _, m := range metricRow.FindAllStringSubmatch(page, -1) {
		named[m[1]] = m[2] == ""
	}
	for name := range has {
		if _, ok := named[name]; !ok {
			t.Errorf("%d nodes: docs/metrics.md does not name %s in the right table", nodes, name)
		}
	}
	for name, always := range named {
		if always && !has[name] {
			t.Errorf("%d nodes: docs/metrics.md names %s, which no node has", nodes, name)
		}
	}
	if len(has) < 20 {
		t.Errorf("only %d metrics", len(has))
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestBench(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 10 s")
	}
	dir := filepath.Join(t.TempDir(), "bench")
	for _, auth := range []string{"batch-ed25519", "single-ed25519"} {
		n := &net{t: t, dir: dir + auth}
		rate := map[string]string{"batch-ed25519": "100000", "single-ed25519": "3000"}[auth]
		r := n.run(0, "bench", "transfers", "--accounts", "20000", "--assets", "3", "--rate", rate, "--duration", "2s", "--auth", auth)
		if r["roots_equal"] != true || r["conserved"] != true || r["committed"].(float64) < 1000 || r["receipts_checked"].(float64) < r["committed"].(float64)/1100 {
			t.Error(r)
		}
		node := r["nodes"].([]any)[0].(map[string]any)["dir"].(string)
		if report := verify(t, node, true); report["legs"].(float64) < r["committed"].(float64) {
			t.Errorf("%v legs proved from disk, %v claimed", report["legs"], r["committed"])
		}
	}
}
