// SPDX-License-Identifier: Apache-2.0

package loadgen

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// clockTicks is the unit of CPU times in /proc: USER_HZ, 100 a second on every Linux that Go runs on.
const clockTicks = 100

// usage is what a process has used since it began.
type usage struct {
	cpu        time.Duration
	writeBytes int64
	rssMaxMB   float64
}

// usageOf reads a process's usage from /proc.
func usageOf(pid int) (usage, error) {
	var u usage
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, fault.Wrap(fault.Unavailable, err, "read the usage of process %d", pid)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 14 {
		return u, fault.New(fault.Internal, "/proc/%d/stat has %d fields", pid, len(fields))
	}
	for _, f := range fields[11:13] { // utime, stime
		ticks, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return u, fault.Wrap(fault.Internal, err, "CPU time of process %d", pid)
		}
		u.cpu += time.Duration(ticks) * time.Second / clockTicks
	}
	u.rssMaxMB = float64(procField(fmt.Sprintf("/proc/%d/status", pid), "VmHWM:")) / 1024
	u.writeBytes = procField(fmt.Sprintf("/proc/%d/io", pid), "write_bytes:")
	return u, nil
}

// procField reads a number behind a name in a /proc file; 0 if it is not there.
func procField(path, name string) int64 {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			if err == nil {
				return n
			}
		}
	}
	return 0
}

// ownCPU is the CPU time of this process.
func ownCPU() time.Duration {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// machine describes where the figures come from.
func machine() string {
	model := "unknown CPU"
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%d cores, %s, %s", runtime.NumCPU(), model, runtime.Version())
}
