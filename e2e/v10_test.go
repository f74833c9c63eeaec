// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/v10/contracttest"
	"github.com/aurigraph/aurigraph/internal/v10diff"
)

// TestV10 plays the contract of the V10 dialect against a network of four processes, and repeats a payment at another validator.
func TestV10(t *testing.T) {
	if testing.Short() {
		t.Skip("runs four validators")
	}
	n := upWith(t, filepath.Join(t.TempDir(), "net"), 4)
	if len(n.ready.V10Accounts) != 3 || n.ready.REST == "" {
		t.Fatalf("%+v", n.ready)
	}
	contracttest.Run(t, contracttest.World{URL: n.ready.REST, Accounts: [3]string(n.ready.V10Accounts)})
	folder, err := network.Open(n.dir)
	if err != nil {
		t.Fatal(err)
	}
	var first string
	for i, url := range folder.REST() {
		answer := payV10(t, url, "rent-07", n.ready.V10Accounts[0], n.ready.V10Accounts[1])
		if i == 0 {
			first = answer
		} else if answer != first {
			t.Errorf("validator %d answers %s, the first did %s", i, answer, first)
		}
	}
}

// TestV10Diff holds V11 against a reference ledger with the same accounts, over all rows of the dialect and both ways round: nothing is
// unexplained. Then one ledger is paid on alone, and the same question finds just that.
func TestV10Diff(t *testing.T) {
	if testing.Short() {
		t.Skip("runs four validators")
	}
	n := upWith(t, filepath.Join(t.TempDir(), "net"), 4)
	lone := serveV10(t, n.ready.V10Accounts)
	for _, pair := range [][2]string{{lone, n.ready.REST}, {n.ready.REST, lone}} {
		report := diffV10(t, 0, pair[0], pair[1])
		if report.Compared < 400 || report.Compared != report.Requests || report.Differ != 0 || len(report.Skipped) != 0 || report.Share < 0.6 {
			t.Errorf("%+v", report)
		}
	}
	from, to := n.ready.V10Accounts[1], n.ready.V10Accounts[2]
	corpus := filepath.Join(t.TempDir(), "corpus.jsonl")
	if err := os.WriteFile(corpus, []byte(`{"path":"/api/v10/accounts/`+to+`/balances"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	diffV10(t, 0, lone, n.ready.REST, "--replay", corpus)
	payV10(t, lone, "one-ledger-alone", from, to)
	report := diffV10(t, 1, lone, n.ready.REST, "--replay", corpus)
	if len(report.Unexplained) != 1 || report.Unexplained[0].Path != "balances[asset=AUR].amount" {
		t.Errorf("%+v", report)
	}
	// A rule that is declared explains it, and not more than it says.
	for within, want := range map[string]int{"1": 0, "0.99": 1} {
		rules := filepath.Join(t.TempDir(), "rules.yaml")
		text := "rules: [{paths: ['balances[].amount'], do: within, within: '" + within + "', why: a payment of the test is on one ledger alone}]\n"
		if err := os.WriteFile(rules, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		diffV10(t, want, lone, n.ready.REST, "--replay", corpus, "--rules", rules)
	}
}

// serveV10 runs a reference ledger in which accounts have what a demo network's have, and returns its URL.
func serveV10(t *testing.T, accounts []string) string {
	t.Helper()
	args := []string{"v10", "serve", "--json", "--dir", filepath.Join(t.TempDir(), "v10"), "--listen", "127.0.0.1:0"}
	for _, name := range accounts {
		args = append(args, "--fund", name+"=1000000")
	}
	p, err := network.LaunchTool("v10", program, io.Discard, args...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop() }) // the test looks at what it answered
	if err := p.AwaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p.Ready.V10
}

// diffV10 compares two servers and wants an exit code.
func diffV10(t *testing.T, code int, a, b string, flags ...string) (report v10diff.Report) {
	t.Helper()
	out, got := runIn(t, append([]string{"v10", "diff", "--json", "--a", a, "--b", b}, flags...)...)
	if got != code {
		t.Errorf("v10 diff %v: exit %d, want %d: %s", flags, got, code, out)
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return report
}

// balanceV10 returns the answer about an account's balances.
func balanceV10(t *testing.T, url, account string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/api/v10/accounts/"+account+"/balances", nil)
	if err != nil {
		t.Fatal(err)
	}
	return answerOf(t, req)
}

// payV10 pays one AUR under a key and returns the answer.
func payV10(t *testing.T, url, key, from, to string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/api/v10/transactions", strings.NewReader(`{"from":"`+from+`","to":"`+to+`","amount":1}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Idempotency-Key", key)
	return answerOf(t, req)
}

// answerOf asks, and wants 200.
func answerOf(t *testing.T, req *http.Request) string {
	t.Helper()
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%d %s %v", resp.StatusCode, text, err)
	}
	return string(text)
}
