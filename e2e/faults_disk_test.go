// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// moveOnto gives a validator that does not run a disk of its own: its folder lies there from now on.
func (f *fleet) moveOnto(d *smallDisk, i int) {
	f.t.Helper()
	from := f.dir(i)
	if out, err := exec.Command("cp", "-a", from, d.dir).CombinedOutput(); err != nil {
		f.t.Fatalf("copy node%d: %v %s", i, err, out)
	}
	if err := os.RemoveAll(from); err != nil {
		f.t.Fatal(err)
	}
	f.network.Nodes[i].Dir = filepath.Join(d.dir, filepath.Base(from))
}

// One validator's disk is full, and then breaks: the three others go on. The validator says why it ends, as often as it is
// started on such a disk, and catches up when it is started on a good one.
func TestDiskOfOneValidator(t *testing.T) {
	if testing.Short() {
		t.Skip("runs four validators for some seconds")
	}
	d := newSmallDisk(t)
	f := newFleet(t)
	const hit = 2
	f.moveOnto(d, hit)
	f.startAll()
	c := newClients(f)
	c.begin()
	c.progress(answersWant, healedMax)

	for range max(1, *faultRounds) {
		ballast := d.fill()
		c.endsSaying(hit, "no space left on device")
		f.doesNotStart(hit, "no space left on device")
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		c.comesBack(hit)

		d.mount("remount,abort")                                         // what the kernel does after an error of the disk
		c.endsSaying(hit, "read-only file system", "input/output error") // of a write, or of the flush of one
		d.unmount()
		d.repair()
		d.mount("loop,ro")
		f.doesNotStart(hit, "read-only file system")
		d.unmount()
		d.mount("loop")
		c.comesBack(hit)
	}
	c.stop()
	f.rest()
	f.stop(c.prove())
	d.unmount()
}

// endsSaying waits until a validator has ended by itself, its log saying why in one of these words, while clients are answered by
// the others.
func (c *clients) endsSaying(hit int, why ...string) {
	c.t.Helper()
	c.progress(answersWant, goesOnMax)
	select {
	case <-c.fleet.running[hit].Ended():
	case <-time.After(startMax):
		c.t.Fatalf("node%d goes on without a disk", hit)
	}
	text := c.fleet.log(hit)
	said := slices.ContainsFunc(why, func(w string) bool { return strings.Contains(text, w) })
	if !said || !strings.Contains(text, `"the node stopped"`) || strings.Contains(text, "goroutine ") {
		c.t.Errorf("node%d does not say why it ended, or the program broke down: %s", hit, text)
	}
	c.progress(answersWant, goesOnMax)
}

// doesNotStart starts a validator twice on a disk that will not do, as a supervisor would.
func (f *fleet) doesNotStart(i int, why string) {
	f.t.Helper()
	for range 2 {
		f.launch(i)
		if err := f.running[i].AwaitReady(f.t.Context()); err == nil || !strings.Contains(err.Error(), why) {
			f.t.Fatalf("node%d starts on such a disk, or does not say why not: %v", i, err)
		}
	}
}

// comesBack starts a validator that had ended and waits until it keeps up and takes transfers.
func (c *clients) comesBack(hit int) {
	c.t.Helper()
	begun := time.Now()
	c.fleet.start(hit)
	c.fleet.settled()
	c.answersOf(hit, healedMax)
	c.t.Logf("node%d answers again %s after its start", hit, time.Since(begun).Round(time.Millisecond))
}
