// SPDX-License-Identifier: Apache-2.0

package process

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// clockTicks is the unit of CPU times in /proc: USER_HZ, 100 a second on every Linux that Go runs on.
const clockTicks = 100

// Usage is what process trees have used since they began.
type Usage struct {
	CPU   time.Duration // user and system, with the children that have ended
	RSSMB float64       // sum of the highest resident sizes; memory shared between the processes of a tree counts once
}

// stat is what is needed of /proc/PID/stat.
type stat struct {
	pid, parent int
	cpu         time.Duration // own, and of the children that were waited for
}

// memory is what is needed of /proc/PID/status, in KiB.
type memory struct{ peakKB, sharedKB int64 }

// UsageOf adds the usage of the trees below the given processes.
func UsageOf(roots ...int) (Usage, error) {
	var total Usage
	all, err := readStats("/proc")
	if err != nil {
		return total, err
	}
	for _, root := range roots {
		tree := treeOf(root, all)
		if len(tree) == 0 {
			return total, fmt.Errorf("process %d is gone", root)
		}
		var memories []memory
		for _, s := range tree {
			total.CPU += s.cpu
			if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid)); err == nil {
				memories = append(memories, parseMemory(string(text)))
			}
		}
		total.RSSMB += residentMB(memories)
	}
	return total, nil
}

// Children lists the processes below root, without root.
func Children(root int) ([]int, error) {
	all, err := readStats("/proc")
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, s := range treeOf(root, all) {
		if s.pid != root {
			pids = append(pids, s.pid)
		}
	}
	return pids, nil
}

// PeakMB is the highest resident size of one process, 0 if it is gone.
func PeakMB(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	return float64(parseMemory(string(text)).peakKB) / 1024
}

func readStats(proc string) ([]stat, error) {
	paths, err := filepath.Glob(proc + "/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	var all []stat
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it ended since it was listed
		}
		s, err := parseStat(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, s)
	}
	return all, nil
}

// parseStat reads a line of /proc/PID/stat. The command's name stands in parentheses and may hold spaces and parentheses.
func parseStat(text []byte) (stat, error) {
	var s stat
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return s, fmt.Errorf("no command in %q", text)
	}
	fields := strings.Fields(string(text[end+1:]))
	if len(fields) < 15 {
		return s, fmt.Errorf("%d fields behind the command, 15 wanted", len(fields))
	}
	var err error
	if s.pid, err = strconv.Atoi(strings.TrimSpace(string(text[:open]))); err != nil {
		return s, err
	}
	if s.parent, err = strconv.Atoi(fields[1]); err != nil {
		return s, err
	}
	for _, f := range fields[11:15] { // utime, stime, cutime, cstime
		ticks, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return s, err
		}
		s.cpu += time.Duration(ticks) * time.Second / clockTicks
	}
	return s, nil
}

// treeOf picks root and all below it.
func treeOf(root int, all []stat) []stat {
	in := map[int]bool{root: true}
	var tree []stat
	for grown := true; grown; {
		grown = false
		tree = tree[:0]
		for _, s := range all {
			if !in[s.pid] && in[s.parent] {
				in[s.pid], grown = true, true
			}
			if in[s.pid] {
				tree = append(tree, s)
			}
		}
	}
	return tree
}

func parseMemory(status string) memory {
	var m memory
	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(line, ":")
		fields := strings.Fields(value)
		if len(fields) == 0 {
			continue
		}
		n, err := strconv.ParseInt(fields[0], 10, 64)
		if err != nil {
			continue
		}
		switch name {
		case "VmHWM":
			m.peakKB = n
		case "RssShmem":
			m.sharedKB = n
		}
	}
	return m
}

// residentMB adds a tree's private memory to the largest shared part, which is one and the same memory in all of them.
func residentMB(tree []memory) float64 {
	var private, shared int64
	for _, m := range tree {
		private += m.peakKB - min(m.sharedKB, m.peakKB)
		shared = max(shared, m.sharedKB)
	}
	return float64(private+shared) / 1024
}
