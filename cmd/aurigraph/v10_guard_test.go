// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestGuardUsage: options that will not do are refused before anything listens, with the word that helps.
func TestGuardUsage(t *testing.T) {
	dir := t.TempDir()
	noGenesis := filepath.Join(dir, "genesis.json")
	if err := os.WriteFile(noGenesis, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	all := func(change ...string) []string {
		given := map[string]string{
			"--v10": "http://127.0.0.1:1", "--changes": "http://127.0.0.1:2", "--dir": filepath.Join(dir, "guard"), "--key": filepath.Join(dir, "guard.key"),
			"--v11": "127.0.0.1:3", "--trust": noGenesis, "--v11-rest": "http://127.0.0.1:4",
		}
		for i := 0; i+1 < len(change); i += 2 {
			given[change[i]] = change[i+1]
		}
		args := []string{"v10", "guard"}
		for name, value := range given {
			args = append(args, name, value)
		}
		return args
	}
	for name, args := range map[string][]string{
		"nothing":        {"v10", "guard"},
		"no V10":         all("--v10", ""),
		"no such trust":  all("--trust", filepath.Join(dir, "none.json")),
		"no genesis":     all(),
		"public control": all("--control", "0.0.0.0:0"),
		"no control":     all("--control", "x"),
		"hold":           all("--hold", "31s"),
		"no hold":        all("--hold", "0s"),
	} {
		t.Run(name, func(t *testing.T) { want(t, exitRefused, args...) })
	}
	if _, err := os.Stat(filepath.Join(dir, "guard")); !os.IsNotExist(err) {
		t.Error("a folder was made:", err)
	}
}
