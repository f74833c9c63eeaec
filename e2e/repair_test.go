// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// lanePage is the unit of a lane's segment; a record begins on one, with recordMagic.
const (
	lanePage    = 4096
	recordMagic = "AGRECD\r\n"
)

// damage flips a byte in the head of a lane's second record and one in the payload of its fourth, and says how the file was.
func damage(t *testing.T, dir string) (path string, before []byte) {
	t.Helper()
	path = filepath.Join(dir, "data", "lane", "seg-000000000001.log")
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for off := 0; off < len(before) && found < 4; off += lanePage {
		if string(before[off:off+len(recordMagic)]) != recordMagic {
			continue
		}
		found++
		at := off + map[int]int{2: 30, 4: lanePage + 3}[found]
		if at != off {
			if _, err := file.WriteAt([]byte{before[at] ^ 0x10}, int64(at)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := file.Close(); err != nil || found < 4 {
		t.Fatalf("%d records, %v", found, err)
	}
	return path, before
}

// TestRepair damages the lane of one of four validators while they are down. It gets back from the others what was lost, byte
// for byte, serves, and its folder is proved.
func TestRepair(t *testing.T) {
	if testing.Short() {
		t.Skip("runs four validators twice")
	}
	dir := filepath.Join(t.TempDir(), "net")
	n := upWith(t, dir, 4)
	p := n.payers(3)
	p.progress(10, 20*time.Second)
	p.stop()
	n.stop()
	hurt := n.ready.Nodes[2].Dir
	path, before := damage(t, hurt)
	verify(t, hurt, false)

	n = upWith(t, dir, 4)
	p = n.payers(3)
	p.progress(5, 30*time.Second)
	p.stop()
	n.allThere(&p.acknowledged)
	n.stop()
	for _, node := range n.ready.Nodes {
		verify(t, node.Dir, true)
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	used := len(before)
	for used > 0 && before[used-1] == 0 {
		used--
	}
	if len(after) != len(before) || string(after[:used]) != string(before[:used]) {
		t.Error("what was lost is not as it was")
	}
}
