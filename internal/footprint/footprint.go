// SPDX-License-Identifier: Apache-2.0

// Package footprint keeps small what the program's own file takes of memory.
//
//	footprint.Narrow()  // first of all
//	footprint.Release() // when something else begins
//
// A program's code and constants are mapped from its file as they are touched. The system keeps a file that was just written in pieces of up to
// 2 MiB, and Linux maps a whole piece (seen with 6.18) where one byte of it is touched: a process that uses 10 MB of a file of 80 MB has half of
// the file in memory by its own count (VmRSS, VmHWM), whatever it does. Such memory is shared and can be taken back at any time, but who
// measures a process, or bounds it, counts it.
//
// No mapping is filled beyond its end. So Narrow cuts those of the program's file into mappings of 16 KiB, by advice that differs from one to the
// next and changes nothing else: mappings so small are never of huge pages anyway. What was touched before is let go, and what is needed comes back
// from the system's cache in microseconds.
//
// Invariants:
//
//  1. Nothing is lost: only mappings that nobody can write to and that still are as in the file are let go.
//  2. Where the system does not say what is mapped, or refuses the advice, all stays as it was. That costs memory only.
package footprint

import (
	"bufio"
	"io"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// Advice, by its numbers in Linux. Package unix has names for it, and is initialized late: see package early.
const (
	letGo  = 4  // MADV_DONTNEED
	noHuge = 15 // MADV_NOHUGEPAGE
)

const (
	pieceBytes = 16 << 10
	// piecesMax bounds the mappings that are made; a process may have 65,530.
	piecesMax = 16_384
)

// mapping is a part of the process's memory.
type mapping struct{ from, bytes uintptr }

// narrowed are the mappings that were cut.
var narrowed atomic.Pointer[[]mapping]

// Release lets go of what was needed of the program's file so far, if it was narrowed: what goes on needs something else.
func Release() {
	if all := narrowed.Load(); all != nil {
		for _, m := range *all {
			advise(m.from, m.bytes, letGo)
		}
	}
}

// Narrow makes little of the program's file count as this process's memory, from now on.
func Narrow() {
	self, err := os.Executable()
	if err != nil {
		return
	}
	file, err := os.Open("/proc/self/smaps")
	if err != nil {
		return
	}
	all := untouched(file, self)
	_ = file.Close() // it was read
	pieces := uintptr(0)
	for _, m := range all {
		pieces += m.bytes / pieceBytes
	}
	if pieces > piecesMax {
		return
	}
	for _, m := range all {
		m.cut()
	}
	narrowed.Store(&all)
	Release()
}

// cut makes every second piece another mapping than its neighbours. It is the same ones each time: those of even multiples.
func (m mapping) cut() {
	const both = 2 * pieceBytes
	end := m.from + m.bytes
	for even := m.from / both * both; even < end; even += both {
		if from, to := max(even, m.from), min(even+pieceBytes, end); from < to {
			advise(from, to-from, noHuge)
		}
	}
}

// advise gives advice that need not be taken.
func advise(from, bytes uintptr, advice int) {
	_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, from, bytes, uintptr(advice))
}

// untouched lists the mappings of a program's file that nobody can write to and nothing was written to, out of what the system says of a
// process's memory.
func untouched(smaps io.Reader, program string) (all []mapping) {
	var m mapping
	for in := bufio.NewScanner(smaps); in.Scan(); {
		fields := strings.Fields(in.Text())
		if len(fields) >= 5 && !strings.HasSuffix(fields[0], ":") {
			m = ofProgram(fields, program)
		}
		if m.bytes != 0 && len(fields) == 3 && fields[0] == "Anonymous:" && fields[1] == "0" {
			all = append(all, m)
		}
	}
	return all
}

// ofProgram reads the line that a mapping begins with; it is empty if it is not of the program's file, or can be written to.
func ofProgram(fields []string, program string) (m mapping) {
	low, high, found := strings.Cut(fields[0], "-")
	from, err := strconv.ParseUint(low, 16, 64)
	to, errTo := strconv.ParseUint(high, 16, 64)
	if found && err == nil && errTo == nil && len(fields) == 6 && fields[5] == program && !strings.Contains(fields[1], "w") {
		m = mapping{uintptr(from), uintptr(to - from)}
	}
	return m
}
