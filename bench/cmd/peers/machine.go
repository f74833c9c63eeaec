// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
)

// machine says where the figures come from.
func machine() string {
	model := firstOf("/proc/cpuinfo", "model name", ":")
	memory := firstOf("/proc/meminfo", "MemTotal", ":")
	if kb, err := strconv.Atoi(strings.TrimSuffix(memory, " kB")); err == nil {
		memory = fmt.Sprintf("%d GB", (kb+1<<19)>>20)
	}
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		kernel = []byte("unknown")
	}
	return fmt.Sprintf("%d cores of %s, %s, Linux %s", runtime.NumCPU(), model, memory, strings.TrimSpace(string(kernel)))
}

// firstOf is the first value behind a name in a file of names and values.
func firstOf(path, name, between string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, between); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// times is what all cores have spent, in ticks.
type times struct{ all, stolen int64 }

func readTimes(path string) (times, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return times{}, err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	return parseTimes(line)
}

// parseTimes reads "cpu user nice system idle iowait irq softirq steal …"; what guests used is part of user already.
func parseTimes(line string) (times, error) {
	const steal = 8
	fields := strings.Fields(line)
	if len(fields) <= steal || fields[0] != "cpu" {
		return times{}, fmt.Errorf("/proc/stat begins with %q", line)
	}
	var t times
	for i, f := range fields[1 : steal+1] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return times{}, err
		}
		t.all += n
		if i+1 == steal {
			t.stolen = n
		}
	}
	return t, nil
}

// stolenPercent is how much of the time since before other machines of the host took.
func (t times) stolenPercent(before times) float64 {
	if t.all <= before.all {
		return 0
	}
	return 100 * float64(t.stolen-before.stolen) / float64(t.all-before.all)
}
