// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/testkit/pgserver"
)

// memoryDisk mounts a small file system of its own at a folder, or skips the test aloud where that is not permitted.
func memoryDisk(t *testing.T, dir, size string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size+",mode=0755", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("*** mounting is not permitted, full disks of the sync are NOT TESTED: %v %s ***", err, out)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// fillDisk leaves no space in a folder's file system, and returns the file that takes it.
func fillDisk(t *testing.T, dir string) (ballast string) {
	t.Helper()
	ballast = filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = io.Copy(f, zeros{}); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("the disk took all: %v", err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return ballast
}

// TestSyncFaultDiskOfV10 fills the disk on which V10 keeps its rows and its outbox. What V10 acknowledged it tells, V11 pays on, and with
// space again everything goes on by itself.
func TestSyncFaultDiskOfV10(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a network beside V10")
	}
	var disk string
	p := newPairIn(t, filepath.Join(t.TempDir(), "net"), network.Options{Nodes: 1}, func(n *network.Network) {
		disk = n.Path(n.Sync.Dir)
		memoryDisk(t, disk, "96m")
	})
	p.some(6)
	ballast := fillDisk(t, disk)
	made := make(chan bool, 1)
	go func() { // until V10 takes no more, and then the same again until there is space
		ok := true
		for i := 0; ok && i < untilHalted; i++ {
			ok = p.onePayment(ofV10)
		}
		made <- ok
	}()
	p.says("that V10 does not answer", func(all *picture) bool { return inTrouble(&all.ToV11) })
	for range 4 {
		p.onePayment(ofV11)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if !<-made {
		t.Fatal("a payment on the full disk was lost")
	}
	p.some(4)
	p.inStep()
	p.well()
	p.allThereOnce()
}

// untilHalted is more payments than fit into what a log file had left when its disk was filled.
const untilHalted = 200

// outOfDiskFor is how long the index's database has no space.
const outOfDiskFor = 3 * time.Second

// TestSyncFaultPostgres stops the database of the index, and lets it run out of disk. The sync does not need it: payments come over
// meanwhile. Lists are complete when it is back.
func TestSyncFaultPostgres(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a network beside V10, and PostgreSQL")
	}
	disk, err := os.MkdirTemp("", "aurigraph-e2e-postgres-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(disk) }) // empty: what is mounted there goes before
	memoryDisk(t, disk, "160m")
	elsewhere := os.TempDir()
	t.Setenv("TMPDIR", disk) // the server's folder is the test's
	pg := pgserver.Start(t, pgserver.Options{Settings: []string{"max_wal_size=64MB"}})
	t.Setenv("TMPDIR", elsewhere)
	t.Run("pays", func(t *testing.T) {
		p := newPair(t, network.Options{Nodes: 1, Index: pg.Database(t)})
		pg.Stop()
		p.some(4)
		p.inStep()
		pg.Restart()
		p.allThereOnce()
		ballast := fillDisk(t, disk)
		for end := time.Now().Add(outOfDiskFor); time.Now().Before(end); {
			p.some(2)
		}
		p.inStep()
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		pg.Stop() // it may have ended by itself
		pg.Restart()
		p.some(2)
		p.inStep()
		p.well()
		p.allThereOnce()
	})
}
