// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// smallDisk is a file with a file system of its own, mounted.
type smallDisk struct {
	t     *testing.T
	image string
	dir   string
}

const smallDiskBytes = 400 << 20

// newSmallDisk mounts an ext4 file system in a file, or skips the test aloud where that is not permitted.
func newSmallDisk(t *testing.T) *smallDisk {
	t.Helper()
	d := &smallDisk{t: t, image: filepath.Join(t.TempDir(), "disk.img"), dir: filepath.Join(t.TempDir(), "disk")}
	f, err := os.Create(d.image)
	if err == nil {
		err = errors.Join(f.Truncate(smallDiskBytes), f.Close(), os.Mkdir(d.dir, 0o755))
	}
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mkfs.ext4", "-q", "-F", d.image).CombinedOutput(); err != nil {
		t.Skipf("*** no mkfs.ext4 here, the faults of a disk are NOT TESTED: %v %s ***", err, out)
	}
	if out, err := exec.Command("mount", "-o", "loop", d.image, d.dir).CombinedOutput(); err != nil {
		t.Skipf("*** mounting is not permitted, the faults of a disk are NOT TESTED: %v %s ***", err, out)
	}
	t.Cleanup(func() { _ = syscall.Unmount(d.dir, syscall.MNT_DETACH) }) // the test may have unmounted it
	return d
}

func (d *smallDisk) mount(options string) {
	d.t.Helper()
	if out, err := exec.Command("mount", "-o", options, d.image, d.dir).CombinedOutput(); err != nil {
		d.t.Fatalf("mount %s: %v %s", options, err, out)
	}
}

func (d *smallDisk) unmount() {
	d.t.Helper()
	if err := syscall.Unmount(d.dir, 0); err != nil {
		d.t.Fatal(err)
	}
}

// repair checks the unmounted file system, as an operator does before mounting it again.
func (d *smallDisk) repair() {
	d.t.Helper()
	var exit *exec.ExitError
	out, err := exec.Command("e2fsck", "-fy", d.image).CombinedOutput()
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() > 1) {
		d.t.Fatalf("e2fsck: %v %s", err, out)
	}
}

// fill leaves no space on the disk, and returns the file that takes it.
func (d *smallDisk) fill() (ballast string) {
	d.t.Helper()
	ballast = filepath.Join(d.dir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		d.t.Fatal(err)
	}
	_, err = io.Copy(f, zeros{})
	if !errors.Is(err, syscall.ENOSPC) {
		d.t.Fatalf("the disk took all: %v", err)
	}
	if err := f.Close(); err != nil {
		d.t.Fatal(err)
	}
	return ballast
}

type zeros struct{}

// Read gives zeros without end.
func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// acknowledged is the payments that were answered with ok.
type acknowledged struct {
	mu  sync.Mutex
	ids []string
}

var txID = regexp.MustCompile(`"tx":"([0-9a-f]{64})"`)

// pay pays once and returns the exit code and the output.
func (n *net) pay(i int, a *acknowledged) (out string, code int) {
	n.t.Helper()
	text, err := exec.Command(program, "pay", n.ready.Accounts[i%3], n.ready.Accounts[(i+1)%3], "0.01", "--network", n.dir, "--json").Output()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return string(text), exit.ExitCode()
	case err != nil:
		n.t.Error(err)
		return "", -1
	}
	id := txID.FindSubmatch(text)
	if id == nil {
		n.t.Errorf("pay printed %s", text)
		return string(text), -1
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ids = append(a.ids, string(id[1]))
	return string(text), 0
}

// allThere asserts that every acknowledged payment is in the ledger.
func (n *net) allThere(a *acknowledged) {
	n.t.Helper()
	for _, id := range a.ids {
		if tx := n.run(0, "tx", "show", id); tx["outcome"] != "ok" {
			n.t.Errorf("payment %s was acknowledged: %v", id, tx)
		}
	}
}

// metric reads one value of the node's metrics, 0 if it is not there.
func (n *net) metric(name string) float64 {
	n.t.Helper()
	answer, err := http.Get(n.ready.Metrics[0])
	if err != nil {
		n.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				n.t.Fatal(err)
			}
			return v
		}
	}
	return 0
}

// On a full disk payments are told to try later, nothing acknowledged is lost, and when there is space again they go on
// without a restart.
func TestFullDisk(t *testing.T) {
	d := newSmallDisk(t)
	n := up(t, filepath.Join(d.dir, "net"))
	var a acknowledged
	t.Cleanup(func() { n.showLogIf(t.Failed()) })
	for round := range 2 {
		stop := make(chan struct{})
		var payers sync.WaitGroup
		end := sync.OnceFunc(func() { close(stop); payers.Wait() })
		defer end()
		for i := range 2 {
			payers.Go(func() { n.payUntil(stop, i, &a) })
		}
		refusedBefore := n.metric(`aurigraph_intake_refused_total{reason="disk_full"}`)
		ballast := d.fill()
		out, code := n.pay(2, &a)
		for end := time.Now().Add(commandMax); code == 0 && time.Now().Before(end); {
			out, code = n.pay(2, &a) // the node looks at the disk now and then
		}
		if code != 2 || !strings.Contains(out, `"kind":"try_later"`) || !strings.Contains(out, `"reason":"disk_full"`) {
			t.Fatalf("round %d: a payment on a full disk: exit %d: %s", round, code, out)
		}
		if refused := n.metric(`aurigraph_intake_refused_total{reason="disk_full"}`); refused <= refusedBefore {
			t.Errorf("refusals are not counted: %v, before %v", refused, refusedBefore)
		}
		if free := n.metric("aurigraph_node_disk_free_bytes"); free > 1<<20 {
			t.Errorf("the metric says that %v bytes are free", free)
		}
		n.run(0, "status") // readers are served
		n.run(0, "account", "show", n.ready.Accounts[0])
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(commandMax); ; {
			if out, code = n.pay(2, &a); code == 0 {
				break
			}
			if code != 2 || time.Now().After(end) {
				t.Fatalf("round %d: there is space again: exit %d: %s", round, code, out)
			}
		}
		end()
	}
	n.proveAfterRestart(d, &a)
}

// log is what the network has logged.
func (n *net) log() string {
	n.t.Helper()
	text, err := os.ReadFile(n.cmd.Stderr.(*os.File).Name())
	if err != nil {
		n.t.Error(err)
	}
	return string(text)
}

func (n *net) showLogIf(failed bool) {
	if failed {
		n.t.Log(n.log())
	}
}

// payUntil pays until it is told to stop. A refusal is fine, an unknown outcome is not: nothing was accepted.
func (n *net) payUntil(stop <-chan struct{}, i int, a *acknowledged) {
	for {
		select {
		case <-stop:
			return
		default:
		}
		if out, code := n.pay(i, a); code != 0 && (code != 2 || !strings.Contains(out, "try_later")) {
			n.t.Errorf("a payment: exit %d: %s", code, out)
			return
		}
	}
}

// proveAfterRestart stops the network, proves the folder, and finds what was acknowledged in the next run.
func (n *net) proveAfterRestart(d *smallDisk, a *acknowledged) {
	n.t.Helper()
	n.allThere(a)
	node := n.ready.Nodes[0].Dir
	n.stop()
	if report := verify(n.t, node, true); int(report["legs"].(float64)) < len(a.ids) {
		n.t.Errorf("%v legs proved, %d acknowledged", report["legs"], len(a.ids))
	}
	again := up(n.t, n.dir)
	again.allThere(a)
	again.stop()
	d.unmount()
}

// A disk that turns read-only stops the node loudly; with a good disk it goes on, and nothing acknowledged is lost.
func TestReadOnlyDisk(t *testing.T) {
	d := newSmallDisk(t)
	n := up(t, filepath.Join(d.dir, "net"))
	var a acknowledged
	for i := range 5 {
		if out, code := n.pay(i, &a); code != 0 {
			t.Fatalf("exit %d: %s", code, out)
		}
	}
	d.mount("remount,abort") // what the kernel does after an error of the disk
	if out, code := n.pay(0, &a); code != 1 && code != 3 {
		t.Errorf("a payment on a read-only disk: exit %d: %s", code, out)
	}
	select {
	case <-n.ended:
	case <-time.After(commandMax):
		t.Fatal("the node goes on")
	}
	node := n.ready.Nodes[0].Dir
	if log := n.log(); !strings.Contains(log, `"the node stopped"`) || strings.Contains(log, "goroutine") {
		t.Errorf("the log does not say why, or the program broke down: %s", log)
	}
	if code := n.cmd.ProcessState.ExitCode(); code != 1 {
		t.Errorf("exit %d", code)
	}
	d.unmount()
	d.repair()
	d.mount("loop,ro")
	for _, args := range [][]string{{"node", "start", "--dir", node, "--json"}, {"up", "--network", n.dir, "--json"}} {
		if out, code := runIn(t, args...); code != 1 || !strings.Contains(out, "read-only file system") || !strings.Contains(out, `"kind":"unavailable"`) {
			t.Errorf("%v in a read-only folder: exit %d: %s", args, code, out)
		}
	}
	d.unmount()
	d.mount("loop")
	n = up(t, n.dir)
	if out, code := n.pay(1, &a); code != 0 {
		t.Errorf("exit %d: %s", code, out)
	}
	n.proveAfterRestart(d, &a)
}
