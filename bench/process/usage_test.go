// SPDX-License-Identifier: Apache-2.0

package process

import (
	"os"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want stat
		bad  bool
	}{
		"plain":                  {text: "12 (etcd) S 7 12 12 0 -1 4194560 1 2 3 4 150 50 7 3 20 0 9", want: stat{12, 7, 2100 * time.Millisecond}},
		"parentheses and spaces": {text: "12 (a) b (c) S 7 12 12 0 -1 4194560 1 2 3 4 1 0 0 0 20 0 9", want: stat{12, 7, 10 * time.Millisecond}},
		"no command":             {text: "12 etcd S 7", bad: true},
		"cut short":              {text: "12 (etcd) S 7 12 12 0 -1 4194560 1 2 3 4 150 50", bad: true},
		"not a number":           {text: "12 (etcd) S 7 12 12 0 -1 4194560 1 2 3 4 x 50 7 3 20", bad: true},
		"empty":                  {bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseStat([]byte(c.text))
			if (err != nil) != c.bad {
				t.Fatalf("error %v, want one: %v", err, c.bad)
			}
			if err == nil && got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
		})
	}
}

func TestTreeOf(t *testing.T) {
	// A child may be listed before its parent; 9 belongs to somebody else.
	all := []stat{{pid: 5, parent: 4}, {pid: 4, parent: 3}, {pid: 3, parent: 1}, {pid: 9, parent: 1}}
	sum := 0
	for _, s := range treeOf(3, all) {
		sum += s.pid
	}
	if sum != 3+4+5 {
		t.Errorf("tree of 3 sums to %d, want 12", sum)
	}
	if got := treeOf(77, all); len(got) != 0 {
		t.Errorf("a process that is gone has a tree of %d", len(got))
	}
}

func TestMemory(t *testing.T) {
	m := parseMemory("Name:\tpostgres\nVmHWM:\t  3072 kB\nRssShmem:\t  1024 kB\nThreads:\t1\n")
	if m != (memory{3072, 1024}) {
		t.Fatalf("got %+v", m)
	}
	// Two processes with 2 MiB of their own each, over 1 MiB and 2 MiB of the same shared memory.
	if got := residentMB([]memory{m, {4096, 2048}}); got != 6 {
		t.Errorf("resident %v MB, want 6", got)
	}
}

func TestUsageOfThisProcess(t *testing.T) {
	u, err := UsageOf(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if u.RSSMB < 1 {
		t.Errorf("resident %v MB", u.RSSMB)
	}
	if _, err := UsageOf(1 << 30); err == nil {
		t.Error("the usage of a process that does not exist is known")
	}
}
