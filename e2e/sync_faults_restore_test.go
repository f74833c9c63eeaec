// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/network"
)

// incarnationFile is where V10 keeps which life it is; a checkpoint has none.
const incarnationFile = "INCARNATION"

// TestSyncFaultRestored puts an old backup of V10 in V10's place while all runs. As a checkpoint, it is another incarnation. As a copy of the
// whole folder it claims to be the one before, and has lost what it had told; it is found out when it tells of other things under
// positions that were told. Either way V11 takes nothing of it.
func TestSyncFaultRestored(t *testing.T) {
	if testing.Short() {
		t.Skip("runs two networks beside V10")
	}
	t.Run("checkpoint", func(t *testing.T) {
		p := newPair(t, network.Options{Nodes: 1})
		backup := p.backUp()
		if err := os.Remove(filepath.Join(backup, incarnationFile)); err != nil {
			t.Fatal(err)
		}
		p.restore(backup)
		p.stands("other_incarnation")
	})
	t.Run("whole folder", func(t *testing.T) {
		p := newPair(t, network.Options{Nodes: 1})
		backup := p.backUp()
		told := headNumber(t, p.headOfV10())
		p.restore(backup)
		if p.goesOn() {
			p.says("that V10 lost what it told", func(all *picture) bool { return all.ToV11.troubled("ahead", "fork") })
		}
		for headNumber(t, p.headOfV10()) < told+8 {
			p.onePayment(ofV10)
		}
		p.stands("ahead", "fork")
	})
}

func (p *pair) dataOfV10() string { return p.folder.Path(filepath.Join(p.folder.Sync.Dir, "data")) }

// backUp copies V10's folder as it is at rest, and has V10 do more.
func (p *pair) backUp() (dir string) {
	p.t.Helper()
	p.some(4)
	p.inStep()
	dir = p.dataOfV10() + ".backup"
	v10 := p.process(besideIt("v10"))
	signalTo(p.t, v10, syscall.SIGSTOP)
	copyFolder(p.t, p.dataOfV10(), dir)
	signalTo(p.t, v10, syscall.SIGCONT)
	for range 6 {
		p.onePayment(ofV10)
	}
	p.some(4)
	p.inStep()
	return dir
}

// restore puts a backup in the place of V10's folder, and V10 is started on it.
func (p *pair) restore(backup string) {
	p.t.Helper()
	data := p.dataOfV10()
	old := p.process(besideIt("v10"))
	if err := errors.Join(os.Rename(data, data+".lost"), os.Rename(backup, data)); err != nil {
		p.t.Fatal(err)
	}
	signalTo(p.t, old, syscall.SIGKILL)
	for end := time.Now().Add(commandMax); p.process(besideIt("v10")) == old || p.balance(p.ready.V10, p.accounts[ofV10][0]) < 0; <-time.After(pollEvery) {
		if time.Now().After(end) {
			p.t.Fatal("V10 does not serve from its backup")
		}
	}
}
