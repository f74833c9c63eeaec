// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/testkit/s3server"
	"github.com/aurigraph/aurigraph/legacy"
)

// archivist is a V10 in a process, and the words that archive it.
type archivist struct {
	*servedV10
	engine string
	create []string
}

func newArchivist(t *testing.T, engine string) *archivist {
	t.Helper()
	dir := t.TempDir()
	signer, err := keys.FromSeed(keys.Ed25519, [keys.SeedBytes]byte{7})
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.WriteFile(filepath.Join(dir, "auditor.key"), signer, nil); err != nil {
		t.Fatal(err)
	}
	v := startV10(t, filepath.Join(dir, "v10"), engine, "--changes", "127.0.0.1:0", "--fund", "alice=1000", "--fund", "bob=12.5")
	t.Cleanup(func() { v.kill(t) })
	for i := range 20 {
		if _, ok := v.pay(i); !ok {
			t.Fatal("a payment was refused")
		}
	}
	return &archivist{v, engine, []string{
		"archive", "create", "--changes", v.changes, "--store", engine, "--ledger", "bank-v10", "--dir", filepath.Join(dir, "work"), "--key", filepath.Join(dir, "auditor.key"),
	}}
}

// TestArchive archives a V10 of each engine in each kind of place, finds a damaged file, restores it, and has a new V10 serve what was restored.
func TestArchive(t *testing.T) {
	engines := []string{legacy.EnginePebble}
	if legacy.HasRocksDB {
		engines = append(engines, legacy.EngineRocksDB)
	}
	for place, open := range map[string]func(*testing.T) (flags []string, files string){
		"folder": func(t *testing.T) ([]string, string) {
			dir := filepath.Join(t.TempDir(), "worm")
			return []string{"file://" + dir}, dir
		},
		"s3": func(t *testing.T) ([]string, string) {
			s := s3server.Start(t)
			bucket := s.Bucket(t, true)
			return []string{"s3://" + bucket + "/bank", "--s3-endpoint", s.Endpoint(), "--s3-credentials", s.CredentialsFile(t)}, filepath.Join(s.Files(bucket), "bank")
		},
	} {
		for _, engine := range engines {
			t.Run(place+" "+engine, func(t *testing.T) {
				flags, files := open(t)
				newArchivist(t, engine).archive(t, flags, files)
			})
		}
	}
}

func (v *archivist) archive(t *testing.T, place []string, files string) {
	code := write(t, filepath.Join(t.TempDir(), "code.tar"), "the program of that time")
	create := append(append(v.create, "--file", "code.tar="+code, "--to"), place...)
	plan := answer(t, exitDone, append(create, "--dry-run")...)
	if plan["dry_run"] != true || plan["whole"] != false || plan["goes_on"] != false || plan["files"] != 1.0 {
		t.Errorf("%v", plan)
	}
	if _, err := os.Stat(files); err == nil {
		t.Error("a dry run wrote something")
	}
	m := answer(t, exitDone, create...)
	if at, err := time.Parse(time.RFC3339, m["retain_until"].(string)); err != nil || at.Before(time.Now().AddDate(7, 0, -1)) || m["sequence"].(float64) < 20 {
		t.Errorf("%v", m)
	}
	if again := answer(t, exitDone, create...); fmt.Sprint(again) != fmt.Sprint(m) {
		t.Errorf("again: %v, it was %v", again, m)
	}
	if plan := answer(t, exitDone, append(create, "--dry-run")...); plan["whole"] != true {
		t.Errorf("%v", plan)
	}
	from := append([]string{"--signer", m["signer"].(string), "--from"}, place...)
	if r := answer(t, exitDone, append([]string{"archive", "verify", "--full"}, from...)...); r["ok"] != true || r["objects_read"] != m["objects"] {
		t.Errorf("%v", r)
	}
	shown := answer(t, exitDone, append([]string{"archive", "show"}, from...)...)
	if list, _ := shown["list"].([]any); len(list) != int(m["files"].(float64)) {
		t.Errorf("%v", shown)
	}
	v.restore(t, from)
	v.damage(t, from, files)
}

// restore brings the archive back, and has a V10 serve it beside the one that runs.
func (v *archivist) restore(t *testing.T, from []string) {
	dir := filepath.Join(t.TempDir(), "restored")
	r := answer(t, exitDone, append([]string{"archive", "restore", "--dir", dir, "--v10", v.url, "--sample", "100"}, from...)...)
	books, _ := r["books"].(map[string]any)
	if books["ok"] != true || books["compared"].(float64) < 4 || books["compared"] != books["accounts"] {
		t.Errorf("%v", r)
	}
	want(t, exitRefused, append([]string{"archive", "restore", "--dir", dir}, from...)...)
	again := startV10(t, filepath.Join(dir, "v10"), v.engine)
	for _, account := range []string{"alice", "bob", "shop"} {
		path := "/api/v10/accounts/" + account + "/balances"
		if now, then := v.get(path), again.get(path); now != then || !strings.Contains(now, "AUR") {
			t.Errorf("%s has %s, and restored %s", account, now, then)
		}
	}
	again.kill(t)
	if _, ok := v.pay(1000); !ok {
		t.Fatal("a payment was refused")
	}
	late := filepath.Join(t.TempDir(), "late")
	if r := answer(t, exitFailed, append([]string{"archive", "restore", "--dir", late, "--v10", v.url, "--sample", "100"}, from...)...); r["books"].(map[string]any)["ok"] != false {
		t.Errorf("after another payment: %v", r)
	}
}

func (v *archivist) damage(t *testing.T, from []string, files string) {
	objects, err := filepath.Glob(filepath.Join(files, "objects", strings.Repeat("[0-9a-f]", 64)))
	if err != nil || len(objects) < 3 {
		t.Fatalf("%v, %v", objects, err)
	}
	if err := os.Remove(objects[1]); err != nil {
		t.Fatal(err)
	}
	r := answer(t, exitFailed, append([]string{"archive", "verify", "--seed", "5"}, from...)...)
	if findings, _ := r["findings"].([]any); r["ok"] != false || len(findings) != 1 || !strings.Contains(fmt.Sprint(findings), "missing") {
		t.Errorf("%v", r)
	}
}

// TestArchiveKilled kills a run among its objects, and goes on: what was there is not written again, and the end is an archive.
func TestArchiveKilled(t *testing.T) {
	v := newArchivist(t, legacy.EnginePebble)
	dir, worm := t.TempDir(), filepath.Join(t.TempDir(), "worm")
	create := append(v.create, "--to", "file://"+worm)
	content := rand.NewChaCha8([32]byte{3})
	for i := range 60 {
		path := filepath.Join(dir, fmt.Sprint(i))
		f, err := os.Create(path)
		if err == nil {
			_, err = io.CopyN(f, content, 2<<20)
		}
		if err != nil {
			t.Fatal(err)
		}
		f.Close()
		create = append(create, "--file", fmt.Sprintf("%d=%s", i, path))
	}
	killed := program(create...)
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	kept := func() []string {
		found, _ := filepath.Glob(filepath.Join(worm, "objects", "*.kept"))
		return found
	}
	eventually(t, "the first objects", func() bool { return len(kept()) >= 3 })
	_ = killed.Process.Kill()
	_ = killed.Wait() // it was killed
	if _, err := os.Stat(filepath.Join(worm, "manifest.json")); err == nil {
		t.Fatal("it was done before it was killed")
	}
	want(t, exitFailed, "archive", "verify", "--from", "file://"+worm)
	before := map[string]time.Time{}
	for _, path := range kept() {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		before[path] = info.ModTime()
	}
	if plan := answer(t, exitDone, append(create, "--dry-run")...); plan["goes_on"] != true {
		t.Errorf("%v", plan)
	}
	answer(t, exitDone, create...)
	for path, at := range before {
		if info, err := os.Stat(path); err != nil || !info.ModTime().Equal(at) {
			t.Errorf("%s was written again", path)
		}
	}
	if r := answer(t, exitDone, "archive", "verify", "--full", "--from", "file://"+worm); r["ok"] != true {
		t.Errorf("%v", r)
	}
}

// TestArchiveOfANetwork archives the V10 beside a network, of which the network's folder says all.
func TestArchiveOfANetwork(t *testing.T) {
	t.Chdir(t.TempDir())
	d := upWith(t, networkDefault, "--validators", "1", "--with-v10")
	n, err := network.Open(networkDefault)
	if err != nil {
		t.Fatal(err)
	}
	place := "file://" + filepath.Join(t.TempDir(), "worm")
	m := answer(t, exitDone, "archive", "create", "--to", place)
	if m["ledger"] != n.Sync.Ledger || m["mode"] != "FOLDER" {
		t.Errorf("%v", m)
	}
	want(t, exitDone, "archive", "verify", "--from", place)
	want(t, exitDone, "archive", "show", "--from", place)
	r := want(t, exitDone, "archive", "restore", "--from", place, "--dir", "restored", "--v10", "http://"+n.Sync.V10)
	if !strings.Contains(r.out, "of which 0 differ") || !strings.Contains(r.out, "aurigraph v10 serve --dir restored/v10") {
		t.Errorf("%s", r.out)
	}
	d.stop(t)
}

func TestArchiveUsage(t *testing.T) {
	t.Chdir(t.TempDir())
	bare := httptest.NewServer(http.NotFoundHandler()) // speaks no S3
	defer bare.Close()
	for line, code := range map[string]int{
		"archive create":                                                                             exitRefused,
		"archive create --to file:///tmp/none":                                                       exitFailed, // there is no network
		"archive create --to file:///tmp/none --retain 7":                                            exitRefused,
		"archive create --to file:///tmp/none --file nothing":                                        exitRefused,
		"archive verify":                                                                             exitRefused,
		"archive verify --from ftp://host/x":                                                         exitRefused,
		"archive verify --from file://host/x":                                                        exitRefused,
		"archive verify --from file:///tmp/none-at-all":                                              exitFailed,
		"archive verify --from file:///tmp/x --sample 0":                                             exitRefused,
		"archive verify --from file:///tmp/x --signer me":                                            exitRefused,
		"archive verify --from s3://bucket --s3-endpoint http://10.0.0.1":                            exitRefused,
		"archive verify --from s3://b --s3-region r --s3-credentials none --s3-endpoint " + bare.URL: exitFailed,
		"archive restore --from file:///tmp/none-at-all":                                             exitRefused,
		"archive show --from file:///tmp/none-at-all extra":                                          exitRefused,
	} {
		if r := cli(t, strings.Fields(line)...); r.code != code || !strings.Contains(r.err, "aurigraph: ") {
			t.Errorf("%s: exit %d, wanted %d: %s", line, r.code, code, r.err)
		}
	}
}

func TestParseRetain(t *testing.T) {
	now := time.Date(2028, 2, 29, 12, 0, 0, 5, time.UTC)
	for text, want := range map[string]string{"7y": "2035-03-01T12:00:00Z", "90d": "2028-05-29T12:00:00Z", "24h": "2028-03-01T12:00:00Z", "1m": "2028-02-29T12:01:00Z"} {
		if at, err := parseRetain(text, now); err != nil || at.Format(time.RFC3339Nano) != want {
			t.Errorf("%s: %s, %v; wanted %s", text, at.Format(time.RFC3339Nano), err, want)
		}
	}
	for _, text := range []string{"", "7", "y", "0y", "-1y", "101y", "1.5y", "59s", "-24h", "36526d", "7 y"} {
		if at, err := parseRetain(text, now); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: %s, %v", text, at, err)
		}
	}
}
