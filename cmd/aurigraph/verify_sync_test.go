// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/verifier"
)

// verifiedNetwork is the folder of a network that is kept in step with a V10, with a report.
func verifiedNetwork(t *testing.T, r *verifier.Report) string {
	t.Helper()
	dir := t.TempDir()
	signer, err := keys.Generate(keys.Ed25519, rand.Reader)
	if err == nil {
		err = keys.WriteFile(filepath.Join(dir, "institution.key"), signer, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	n := network.Network{
		Version: 1, Chain: 1, Name: "pair", GenesisHash: chain.Hash{1}.String(), CA: "ca.pem", Nodes: []network.Node{{ID: "node0", Dir: "node0", GRPC: "127.0.0.1:1"}},
		Institution: network.Institution{ID: 2, Ed25519KeyFile: "institution.key"}, V10: &network.V10{}, Sync: &network.Sync{}, Dir: dir,
	}
	if err := n.Save(); err != nil {
		t.Fatal(err)
	}
	if err := verifier.SaveReport(filepath.Join(dir, verifyFolder, reportsFolder), r, signer); err != nil {
		t.Fatal(err)
	}
	return dir
}

// Reports are listed, shown and written; a plan of what they confirm is signed, and carried out no further than it can be.
func TestVerifySyncReports(t *testing.T) {
	r := &verifier.Report{
		ID: "20261127T204500Z", Began: "2026-11-27T20:45:00Z", Ended: "2026-11-27T20:45:09Z", Rows: 1000, Count: 1, Consistency: 0.999,
		Confirmed: []verifier.Finding{{Class: "amount", Side: verifier.SideV10, Table: verifier.TableTransactions, Key: "tx_1_000000001", Expected: "5", Found: "6"}},
		Kinds:     []verifier.Count{{Kind: "v10/transactions/amount", Count: 1}},
	}
	dir := verifiedNetwork(t, r)
	plan := filepath.Join(t.TempDir(), "plan.json")
	for _, c := range []struct {
		line string
		code int
		want string
	}{
		{"verify-sync status", exitDone, "1 confirmed"},
		{"verify-sync show 20261127T204500Z", exitDone, "v10/transactions/amount"},
		{"verify-sync show 20261127T204501Z", exitFailed, "there is no"},
		{"verify-sync show nothing", exitRefused, "is no report"},
		{"verify-sync report", exitDone, "| consistency | 99.900000 % |"},
		{"verify-sync repair", exitRefused, "--plan"},
		{"verify-sync repair --plan " + plan, exitDone, "restore_row"},
		{"verify-sync repair --plan " + plan, exitRefused, "exists"},
		{"verify-sync repair --apply --plan " + plan, exitDone, "left to people: v10/transactions/amount"},
		{"verify-sync run --rate -1", exitRefused, "--rate"},
	} {
		var out, errOut bytes.Buffer
		words := strings.Fields(c.line)
		code := run(t.Context(), "aurigraph", append(words, "--network", dir), &out, &errOut)
		if text := out.String() + errOut.String(); code != c.code || !strings.Contains(text, c.want) {
			t.Errorf("%s: exit %d, %s", c.line, code, text)
		}
	}
	var out, errOut bytes.Buffer
	if code := run(t.Context(), "aurigraph", []string{"verify-sync", "report", "--json", "--network", dir}, &out, &errOut); code != exitDone {
		t.Fatal(errOut.String())
	}
	var got verifier.Report
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got.Count != 1 || len(got.Confirmed) != 1 {
		t.Errorf("%s %v", out.String(), err)
	}
	raw, err := os.ReadFile(plan)
	if err == nil {
		err = os.WriteFile(plan, bytes.Replace(raw, []byte("restore_row"), []byte("rebuild_index"), 1), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	out.Reset()
	errOut.Reset()
	if code := run(t.Context(), "aurigraph", []string{"verify-sync", "repair", "--apply", "--plan", plan, "--network", dir}, &out, &errOut); code != exitFailed {
		t.Errorf("a plan that was changed: exit %d, %s", code, out.String()+errOut.String())
	}
}

// One run is at a time in a folder.
func TestVerifySyncLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "verify")
	unlock, err := lockFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lockFolder(dir); err == nil {
		t.Error("two runs at once")
	}
	unlock()
	again, err := lockFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	again()
}
