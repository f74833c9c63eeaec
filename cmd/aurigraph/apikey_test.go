// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/access"
	"github.com/aurigraph/aurigraph/internal/access/trail"
	"github.com/aurigraph/aurigraph/internal/keys"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// A key that the command line makes lets a caller in until the command line revokes it.
func TestAPIKey(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "access", "keys.json")
	made := answer(t, exitDone, "apikey", "new", "--file", file, "--name", "shop", "--role", "payer", "--account", "ACME GmbH/EUR", "--prefix", "till/", "--requests", "5")
	secret, _ := made["api_key"].(string)
	id, _ := made["id"].(string)
	human := want(t, exitDone, "apikey", "new", "--file", file, "--name", "dash", "--role", "reader")
	if !strings.Contains(human.out, "api key") || !strings.Contains(human.out, "ak_") {
		t.Error(human.out)
	}
	enter := func() (*access.Caller, error) {
		g, err := access.New(access.Config{Keys: file}, access.Parts{})
		if err != nil {
			t.Fatal(err)
		}
		return g.Identify(t.Context(), access.Headers{APIKey: []string{secret}})
	}
	c, err := enter()
	if err != nil || c.ID() != "key/"+id || c.May("ACME GmbH/EUR") != nil || c.May("till/7") != nil || c.May("bob") == nil {
		t.Fatal(c, err)
	}
	list := want(t, exitDone, "apikey", "list", "--file", file)
	if !strings.Contains(list.out, id) || !strings.Contains(list.out, `"till/"…`) || strings.Contains(list.out, secret) {
		t.Error(list.out)
	}
	if all := answer(t, exitDone, "apikey", "list", "--file", file); all["total"] != 2.0 {
		t.Error(all)
	}
	if next := answer(t, exitDone, "apikey", "new", "--file", file, "--replaces", id); next["caller"] != id || next["id"] == id || next["api_key"] == secret {
		t.Error(next)
	}
	want(t, exitFailed, "apikey", "new", "--file", file, "--replaces", "none")
	if r := want(t, exitRefused, "apikey", "revoke", secret, "--file", file); strings.Contains(r.err, secret) {
		t.Error("the error shows the key")
	}
	answer(t, exitDone, "apikey", "revoke", id, "--file", file)
	want(t, exitFailed, "apikey", "revoke", id, "--file", file)
	if _, err := enter(); err == nil {
		t.Error("a revoked key lets in")
	}
}

func TestAPIKeyUser(t *testing.T) {
	dir := t.TempDir()
	file, password := filepath.Join(dir, "users.json"), filepath.Join(dir, "p.txt")
	if err := os.WriteFile(password, []byte("correct horse battery\nsecond line\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	want(t, exitDone, "apikey", "user", "set", "erika", "--file", file, "--password-file", password, "--role", "payer", "--account", "erika")
	g, err := access.New(access.Config{Users: file}, access.Parts{})
	if err != nil {
		t.Fatal(err)
	}
	token, err := g.Login(t.Context(), &v10.Login{Username: "erika", Password: "correct horse battery"})
	if err != nil || !token.Success {
		t.Fatal(token, err)
	}
	if r := want(t, exitDone, "apikey", "user", "list", "--file", file); !strings.Contains(r.out, "erika") || strings.Contains(r.out, "argon2") {
		t.Error(r.out)
	}
	want(t, exitDone, "apikey", "user", "remove", "erika", "--file", file)
	want(t, exitFailed, "apikey", "user", "remove", "erika", "--file", file)
}

func TestAPIKeyUsage(t *testing.T) {
	t.Chdir(t.TempDir())
	for line, text := range map[string]string{
		"apikey new --role payer --account a":                      "--name",
		"apikey new --name a":                                      "at least one --role",
		"apikey new --name a --role king":                          `"king" is no role`,
		"apikey new --name a --role payer":                         "go with --account",
		"apikey new --name a --role reader --account b":            "go with --account",
		"apikey new --name a --role payer --prefix= --file k":      "prefix is required",
		"apikey new --name a --role reader --requests -1 --file k": "a limit of -1",
		"apikey new --replaces a --role reader":                    "give no others",
		"apikey revoke":                                            "ID is missing",
		"apikey user set a --role reader":                          "--password-file",
		"audit verify":                                             "FILE...",
		"audit verify x --head 12":                                 "64 hex digits",
	} {
		if r := cli(t, strings.Fields(line)...); r.code != exitRefused || !strings.Contains(r.err, text) || r.out != "" {
			t.Errorf("%s: exit %d, said %q, must be %d and say %q", line, r.code, r.err, exitRefused, text)
		}
	}
	if r := cli(t, "apikey", "list"); r.code != exitFailed || !strings.Contains(r.err, "aurigraph up") {
		t.Error(r)
	}
	if left, err := os.ReadDir("."); err != nil || len(left) != 0 {
		t.Errorf("a refused command line left %v behind (%v)", left, err)
	}
}

func TestAuditVerify(t *testing.T) {
	dir, keyFile := t.TempDir(), filepath.Join(t.TempDir(), "alias.key")
	if err := keys.WriteAliasKey(keyFile, rand.Reader); err != nil {
		t.Fatal(err)
	}
	key, err := keys.ReadAliasKey(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := trail.Open(trail.Config{Dir: dir, Tag: key.Tag}, trail.Parts{})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := tr.Append(&trail.Entry{Who: "key/a", What: "POST /api/v10/transactions", Accounts: []string{"alice"}, Result: "ok"}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := tr.Run(ctx); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "audit-000000000001.jsonl")
	got := answer(t, exitDone, "audit", "verify", dir)
	head, _ := got["head"].(string)
	if got["lines"] != 4.0 || got["first"] != 1.0 || len(head) != 64 {
		t.Fatal(got)
	}
	if r := want(t, exitDone, "audit", "verify", file, "--head", head); !strings.Contains(r.out, "whole") {
		t.Error(r.out)
	}
	want(t, exitRefused, "audit", "verify", file, "--head", strings.Repeat("0", 64))
	want(t, exitFailed, "audit", "verify", filepath.Join(dir, "none"))
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if tag := answer(t, exitDone, "audit", "tag", "alice", "--alias-key", keyFile)["tag"].(string); strings.Count(string(text), tag) != 3 {
		t.Error(tag, "is not in the trail")
	}
	want(t, exitFailed, "audit", "tag", "alice", "--alias-key", keyFile+"x")
	bad := strings.Replace(string(text), "key/a", "key/b", 1)
	if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
		t.Fatal(err)
	}
	if r := want(t, exitFailed, "audit", "verify", file); !strings.Contains(r.err, "line 3") {
		t.Error(r.err)
	}
}
