// SPDX-License-Identifier: Apache-2.0

package main

import (
	"debug/buildinfo"
	"regexp"
	"runtime/debug"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/bench/peer"
)

func TestParseTimes(t *testing.T) {
	before, err := parseTimes("cpu  100 0 50 800 10 0 5 35 7 0")
	if err != nil {
		t.Fatal(err)
	}
	if before != (times{1000, 35}) {
		t.Fatalf("got %+v", before)
	}
	after := times{2000, 85}
	if got := after.stolenPercent(before); got != 5 {
		t.Errorf("stolen %v %%, want 5", got)
	}
	if got := before.stolenPercent(before); got != 0 {
		t.Errorf("stolen in no time: %v %%", got)
	}
	for _, bad := range []string{"", "cpu 1 2 3", "intr 1 2 3 4 5 6 7 8 9", "cpu 1 2 3 4 5 6 7 x"} {
		if _, err := parseTimes(bad); err == nil {
			t.Errorf("%q was taken for times", bad)
		}
	}
}

func TestComplete(t *testing.T) {
	good := options{root: ".", rounds: 1, window: peer.Window{Measure: time.Second}}
	if err := good.complete("etcd"); err != nil || good.out == "" {
		t.Errorf("%v, out %q", err, good.out)
	}
	for name, o := range map[string]options{"rounds": {window: good.window}, "duration": {rounds: 1}} {
		if err := o.complete(""); err == nil {
			t.Errorf("bad %s passed", name)
		}
	}
	if err := good.complete("("); err == nil {
		t.Error("a broken expression passed")
	}
}

func TestEveryRowSaysWhatItCounts(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range rows(options{only: regexp.MustCompile("")}) {
		r := e.row
		name := r.Class + ": " + r.Peer + ", " + r.Variant
		if r.Class == "" || r.Servers == 0 || r.Durability == "" || r.Transfer == "" || e.contender == nil {
			t.Errorf("%s lacks something: %+v", name, r)
		}
		if seen[name] {
			t.Errorf("%s twice", name)
		}
		seen[name] = true
	}
}

func TestVersions(t *testing.T) {
	info := &buildinfo.BuildInfo{Path: "example.org/a/v3/cmd/a"}
	info.Deps = []*debug.Module{{Path: "example.org/b", Version: "v1.0.0"}, {Path: "example.org/a/v3", Version: "v3.1.0"}}
	if got := moduleVersion(info); got != "v3.1.0" {
		t.Errorf("module version %s", got)
	}
	if got, err := postgresVersion("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"); err != nil || got != "15.18" {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := postgresVersion("mysql"); err == nil {
		t.Error("anything is PostgreSQL")
	}
}

func TestShortened(t *testing.T) {
	o := options{root: "/src", shared: "/tmp/peers-1"}
	got := shortened([]string{"/src/bench/bin/etcd --data-dir /tmp/peers-2/m0", "cp /tmp/peers-1/template"}, o, "/tmp/peers-2")
	if got[0] != "bench/bin/etcd --data-dir $DIR/m0" || got[1] != "cp $DIR/template" {
		t.Errorf("got %q", got)
	}
}
