// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
)

// markUnits, added to an account's opening balance, make its 16 bytes unlike any others in a validator's memory. Its last byte
// has room for the small payments of the payers in both directions.
const (
	markUnits   = 0x2_df_dc_1c_80 - openingUnit&0xff
	memoryChunk = 4 << 20
	amountBytes = 16
)

// mark is a balance that is found in memory.
type mark struct{ balance [amountBytes]byte }

// newMark pays so much to the network's second account that its balance stands out.
func newMark(f *fleet) *mark {
	f.t.Helper()
	if err := syscall.Access(fmt.Sprintf("/proc/%d/mem", f.running[0].PID()), 6); err != nil || os.Geteuid() != 0 {
		f.t.Skipf("SKIPPED: the memory of another process is changed only by root (%v): seals of damaged states are not tested here", err)
	}
	out, code := runIn(f.t, "pay", f.network.Accounts[0], f.network.Accounts[1], fmt.Sprintf("%d.%08d", markUnits/100_000_000, markUnits%100_000_000), "--network", f.network.Dir)
	if code != 0 {
		f.t.Fatalf("pay: exit %d: %s", code, out)
	}
	m := &mark{}
	binary.LittleEndian.PutUint64(m.balance[:], openingUnit+markUnits)
	return m
}

// damage flips bits of the balance in some validators' memory, wherever it stands, while they do nothing.
func (m *mark) damage(f *fleet, bits map[int]uint64) {
	f.t.Helper()
	for i := range bits {
		f.signal(syscall.SIGSTOP, i)
		defer f.signal(syscall.SIGCONT, i)
	}
	for i, b := range bits {
		found := m.flip(f.t, f.running[i].PID(), b)
		f.t.Logf("node%d: the balance is changed in %d places", i, found)
		if found == 0 {
			f.t.Fatal("the balance is not in memory as it was thought")
		}
	}
}

func (m *mark) flip(t *testing.T, pid int, bits uint64) (found int) {
	t.Helper()
	mem, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Close()
	chunk := make([]byte, memoryChunk)
	for _, r := range writable(t, pid) {
		for at := r[0]; at < r[1]; at += memoryChunk {
			n, err := mem.ReadAt(chunk[:min(memoryChunk, r[1]-at)], at)
			if err != nil && n == 0 && !errors.Is(err, io.EOF) {
				continue // such as a page of the kernel's
			}
			for off := m.next(chunk[:n], 0); off >= 0; off = m.next(chunk[:n], off+amountBytes) {
				var word [8]byte
				binary.LittleEndian.PutUint64(word[:], binary.LittleEndian.Uint64(chunk[off:])^bits)
				if _, err := mem.WriteAt(word[:], at+int64(off)); err != nil {
					t.Fatal(err)
				}
				found++
			}
		}
	}
	return found
}

// next finds the balance at a place where an amount may stand: all its bytes but the first.
func (m *mark) next(chunk []byte, from int) int {
	for {
		i := bytes.Index(chunk[min(from, len(chunk)):], m.balance[1:])
		if i < 0 {
			return -1
		}
		if at := from + i - 1; at >= 0 && at%amountBytes == 0 {
			return at
		}
		from += i + 1
	}
}

// writable lists the parts of a process's memory that it may write.
func writable(t *testing.T, pid int) (parts [][2]int64) {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	for s := bufio.NewScanner(bytes.NewReader(maps)); s.Scan(); {
		var from, to int64
		var mode string
		if n, _ := fmt.Sscanf(s.Text(), "%x-%x %s", &from, &to, &mode); n == 3 && strings.HasPrefix(mode, "rw") {
			parts = append(parts, [2]int64{from, to})
		}
	}
	return parts
}
