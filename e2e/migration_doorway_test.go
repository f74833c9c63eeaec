// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"io"
	stdnet "net" // net is a network here
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// doorway stands before V11's REST, as a balancer does, and can be shut.
type doorway struct {
	t       *testing.T
	address string

	mu       sync.Mutex // guards what follows
	to       string
	listener stdnet.Listener // nil: it is shut
	inside   []stdnet.Conn
}

func newDoorway(t *testing.T) *doorway {
	t.Helper()
	d := &doorway{t: t, address: "127.0.0.1:0"}
	d.open()
	t.Cleanup(d.shut)
	return d
}

func (d *doorway) lead(to string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.to = to
}

// open opens it where it was.
func (d *doorway) open() {
	d.t.Helper()
	l, err := stdnet.Listen("tcp", d.address)
	if err != nil {
		d.t.Fatal(err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.address, d.listener = l.Addr().String(), l
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			go d.pass(in)
		}
	}()
}

// pass carries bytes both ways until one side ends.
func (d *doorway) pass(in stdnet.Conn) {
	defer in.Close()
	d.mu.Lock()
	to := d.to
	d.mu.Unlock()
	out, err := stdnet.Dial("tcp", to)
	if err != nil {
		return
	}
	defer out.Close()
	d.mu.Lock()
	if d.listener == nil {
		d.mu.Unlock()
		return
	}
	d.inside = append(d.inside, in, out)
	d.mu.Unlock()
	ended := make(chan struct{}, 2)
	for _, way := range [][2]stdnet.Conn{{in, out}, {out, in}} {
		go func() {
			_, _ = io.Copy(way[0], way[1]) // either side may end
			ended <- struct{}{}
		}()
	}
	<-ended
}

// shut lets nobody in any more, and throws out who is inside.
func (d *doorway) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.listener == nil {
		return
	}
	_ = d.listener.Close()
	d.listener = nil
	for _, c := range d.inside {
		_ = c.Close() // it may have ended
	}
	d.inside = nil
}

// textLog is what a process says.
type textLog struct {
	t  *testing.T
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *textLog) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(text)
}

func (l *textLog) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// until waits until it has said something.
func (l *textLog) until(what string) {
	l.t.Helper()
	for end := time.Now().Add(migratesMax); !strings.Contains(l.text(), what); <-time.After(pollEvery) {
		if time.Now().After(end) {
			l.t.Fatalf("it never says %q: %s", what, l.text())
		}
	}
}

// mountedMemory mounts a small file system of its own at a new folder, and reports whether that is permitted.
func mountedMemory(t *testing.T, dir, size string) bool {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size+",mode=0755", "tmpfs", dir).CombinedOutput(); err != nil {
		t.Logf("no file system can be mounted here: %v %s", err, out)
		return false
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return true
}
