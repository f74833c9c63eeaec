// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/journal"
	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/network"
)

// TestSwitchedOff: V10 that is noted as off ends while the network runs, is not started again, and what only it needed can be removed once it is archived.
func TestSwitchedOff(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pair")
	d := upWith(t, dir, "--validators", "1", "--with-v10")
	n, err := network.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	called(t, n.Sync.V10URL(), "V10's own client")
	want(t, exitDone, "migrate", "move", "--weight", "10000", "--network", dir)
	called(t, n.Sync.V10URL(), "hunter2")
	told := answer(t, exitDone, "migrate", "notify", "--dry-run", "--network", dir)
	if list := told["notices"].([]any); len(list) != 1 || !strings.HasPrefix(list[0].(map[string]any)["caller"].(string), "other/") {
		t.Errorf("who called: %v", told)
	}
	want(t, exitRefused, "migrate", "notify", "--network", dir)
	want(t, exitRefused, "migrate", "cleanup", "--network", dir, "--confirm", "pair")

	w := &world{network: n}
	if err := w.SwitchOff(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantBeside(t, dir, besideController)
	d.stop(t)
	d = upWith(t, dir)
	wantBeside(t, dir, besideController)
	if d.ready.V10 != "" || d.ready.Sync != nil || d.ready.Edge == "" {
		t.Errorf("up says %+v", d.ready)
	}
	d.stop(t)

	if r := want(t, exitRefused, "migrate", "cleanup", "--network", dir, "--confirm", "pair"); !strings.Contains(r.err, "there is no plan") {
		t.Error(r.err)
	}
	writeEnd(t, n)
	if r := want(t, exitFailed, "migrate", "cleanup", "--network", dir, "--confirm", "pair"); !strings.Contains(r.err, "nothing is removed") {
		t.Errorf("without an archive: %s", r.err)
	}
	if _, err := os.Stat(n.Path(n.Sync.Key)); err != nil {
		t.Error(err)
	}
}

// called has somebody call V10 by its guard.
func called(t *testing.T, url, key string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/api/v10/assets", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-API-Key", key)
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	a.Body.Close()
}

// wantBeside waits until nothing but a process runs beside a network.
func wantBeside(t *testing.T, dir, only string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		run, err := network.ReadRun(dir)
		if err != nil {
			t.Fatal(err)
		}
		more := []string{}
		for name, pid := range run.Beside {
			if (pid != 0) != (name == only) {
				more = append(more, name)
			}
		}
		if len(more) == 0 && run.Beside[only] != 0 {
			return
		}
		if await(ctx, 50*time.Millisecond); ctx.Err() != nil {
			t.Fatalf("beside it runs %v, want %s alone", run.Beside, only)
		}
	}
}

// writeEnd writes a journal of a migration that is over, whose archive is nowhere.
func writeEnd(t *testing.T, n *network.Network) {
	t.Helper()
	j, err := openJournal(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	for i, e := range []migration.Entry{
		{Kind: migration.KindPlan, Text: migration.Example}, {Kind: migration.KindStart}, {Kind: migration.KindClosed}, {Kind: migration.KindArchived, Report: "nowhere"},
		{Kind: migration.KindPhase, Phase: migration.Decommission}, {Kind: migration.KindStop}, {Kind: migration.KindOff},
	} {
		e.By = "ann"
		if _, err := j.Append(t.Context(), uint64(i), journal.NoTerm, e); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSecrets: a webhook's secret is its owner's alone, and no novel.
func TestSecrets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	for _, c := range []struct {
		text string
		mode os.FileMode
		want string
	}{{"0123456789abcdef\n", 0o600, "0123456789abcdef"}, {"0123456789abcdef", 0o640, ""}, {strings.Repeat("x", secretBytesMax+1), 0o600, ""}} {
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, c.mode); err != nil {
			t.Fatal(err)
		}
		if got, err := readSecret(path); (err == nil) != (c.want != "") || err == nil && string(got) != c.want {
			t.Errorf("%.20q by %o: %q, %v", c.text, c.mode, got, err)
		}
	}
	if _, err := readSecret(path + "-none"); err == nil {
		t.Error("a file that is not there")
	}
}
