// SPDX-License-Identifier: Apache-2.0

package main

import (
	"debug/buildinfo"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/aurigraph/aurigraph/bench/process"
	"github.com/aurigraph/aurigraph/bench/report"
)

// versions of what is measured, read from the programs themselves.
func versions(o options) (map[string]string, error) {
	v := map[string]string{}
	for name, binary := range map[string]string{"etcd": "etcd", "CometBFT": "cometbft"} {
		info, err := buildinfo.ReadFile(o.built(binary))
		if err != nil {
			return nil, fmt.Errorf("%w: run make bench-peers, which builds it", err)
		}
		v["Go"] = strings.TrimPrefix(info.GoVersion, "go")
		v[name] = moduleVersion(info)
	}
	out, err := process.Run(nil, o.root, filepath.Join(o.postgres, "postgres"), "--version")
	if err != nil {
		return nil, fmt.Errorf("%w: apt-get install postgresql, or name its folder with -postgres", err)
	}
	if v["PostgreSQL"], err = postgresVersion(out); err != nil {
		return nil, err
	}
	// A tree with changes that are not committed says so.
	out, err = process.Run(nil, o.root, "git", "--no-optional-locks", "describe", "--always", "--dirty")
	if err != nil {
		out = "of unknown version"
	}
	v[report.Ours] = strings.TrimSpace(out)
	return v, nil
}

// moduleVersion is that of the module which a program's main package belongs to. It is a dependency of the module that
// pins it, not the main one.
func moduleVersion(info *buildinfo.BuildInfo) string {
	for _, m := range info.Deps {
		if m.Path == info.Path || strings.HasPrefix(info.Path, m.Path+"/") {
			return m.Version
		}
	}
	return info.Main.Version
}

// postgresVersion reads "postgres (PostgreSQL) 15.18 (Debian …)".
func postgresVersion(out string) (string, error) {
	fields := strings.Fields(out)
	if len(fields) < 3 || fields[1] != "(PostgreSQL)" {
		return "", fmt.Errorf("postgres --version says %q", out)
	}
	return fields[2], nil
}
