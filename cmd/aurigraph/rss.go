// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A process that promises how much memory it has looks so often how much that is, and gives back that of its code above a size, unless
// there is little of it.
const (
	residentEvery   = 3 * time.Millisecond
	residentPages   = 32 << 20 / 4096
	codePagesAtOnce = 8 << 20 / 4096
)

// codeMemory is where the program's code and constants lie in memory. They are half of what a process of this program is said to have:
// each touch maps a piece of the file as large as the system has it in its cache, 2 MiB as a rule, and starting touches most of it.
type codeMemory struct{ parts [][2]uintptr }

// readCodeMemory finds the parts of the program's file that nobody can write to and nothing was written to.
func readCodeMemory() (m codeMemory) {
	file, err := os.Open("/proc/self/smaps")
	if err != nil {
		return m
	}
	defer file.Close()
	self, err := os.Executable()
	if err != nil {
		return m
	}
	var part [2]uintptr
	for in := bufio.NewScanner(file); in.Scan(); {
		fields := strings.Fields(in.Text())
		if len(fields) >= 5 && !strings.HasSuffix(fields[0], ":") {
			part = codePart(fields, self)
		}
		if part[1] != 0 && len(fields) == 3 && fields[0] == "Anonymous:" && fields[1] == "0" {
			m.parts = append(m.parts, part)
		}
	}
	return m
}

// codePart reads the first line of a mapping: where it begins, and its size; 0: it is no part of the program's file that cannot be written.
func codePart(fields []string, self string) (part [2]uintptr) {
	low, high, found := strings.Cut(fields[0], "-")
	from, err := strconv.ParseUint(low, 16, 64)
	to, errTo := strconv.ParseUint(high, 16, 64)
	if found && err == nil && errTo == nil && len(fields) == 6 && fields[5] == self && !strings.Contains(fields[1], "w") {
		part = [2]uintptr{uintptr(from), uintptr(to - from)}
	}
	return part
}

// release gives the memory back; what is needed is mapped again from the system's cache. A failure costs memory only.
func (m codeMemory) release() {
	for _, p := range m.parts {
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, p[0], p[1], unix.MADV_DONTNEED)
	}
}

// small keeps a process small: it is told often that work was done, and looks by itself as well.
type small struct {
	code  codeMemory
	statm *os.File // nil: the system does not say how large the process is

	mu     sync.Mutex // guards looked
	looked time.Time
}

func newSmall() *small {
	s := &small{code: readCodeMemory()}
	for _, p := range s.code.parts { // a touch maps 64 KiB then, and not all that the system has in one piece
		_, _, _ = unix.Syscall(unix.SYS_MADVISE, p[0], p[1], unix.MADV_NOHUGEPAGE)
	}
	s.code.release()
	s.statm, _ = os.Open("/proc/self/statm")
	return s
}

// look releases if there is much to.
func (s *small) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if now.Sub(s.looked) < residentEvery {
		return
	}
	s.looked = now
	if resident, files := s.now(); resident > residentPages && files > codePagesAtOnce {
		s.code.release()
	}
}

// now is how many pages of memory the process has, and how many of them are of files; 0: the system does not say.
func (s *small) now() (resident, files uint64) {
	if s.statm == nil {
		return 0, 0
	}
	var text [128]byte
	n, _ := s.statm.ReadAt(text[:], 0) // its end is an error too
	fields := strings.Fields(string(text[:n]))
	if len(fields) < 3 {
		return 0, 0
	}
	resident, _ = strconv.ParseUint(fields[1], 10, 64)
	files, _ = strconv.ParseUint(fields[2], 10, 64)
	return resident, files
}

// watch looks until ctx ends, and then closes the channel.
func (s *small) watch(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(residentEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				s.look()
			case <-ctx.Done():
				return
			}
		}
	}()
	return done
}
