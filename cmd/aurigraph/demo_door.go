// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// doorDialMax is how long the door tries to reach who stands behind it.
const doorDialMax = 3 * time.Second

// door stands before V11's REST, as a balancer does, and can be shut: then nobody gets in, and who was inside is thrown out.
type door struct {
	address string

	mu       sync.Mutex // guards what follows
	to       string
	listener net.Listener // nil: it is shut
	inside   map[net.Conn]bool
	serving  sync.WaitGroup
}

// openDoor opens one on a free port of this machine, which leads nowhere yet.
func openDoor() (*door, error) {
	d := &door{address: "127.0.0.1:0", inside: map[net.Conn]bool{}}
	return d, d.reopen()
}

// lead says where it leads.
func (d *door) lead(to string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.to = to
}

// reopen opens it where it was.
func (d *door) reopen() error {
	l, err := net.Listen("tcp", d.address)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "open V11's door at %s", d.address)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.address, d.listener = l.Addr().String(), l
	d.serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			d.serving.Go(func() { d.pass(c) })
		}
	})
	return nil
}

// pass carries bytes both ways until one side ends.
func (d *door) pass(in net.Conn) {
	defer in.Close()
	d.mu.Lock()
	to, open := d.to, d.listener != nil
	d.mu.Unlock()
	if !open {
		return
	}
	out, err := net.DialTimeout("tcp", to, doorDialMax)
	if err != nil {
		return
	}
	defer out.Close()
	d.note(in, out, true)
	defer d.note(in, out, false)
	var both sync.WaitGroup
	both.Go(func() { carry(out, in) })
	both.Go(func() { carry(in, out) })
	both.Wait()
}

// carry copies until the end, and tells the receiver of it.
func carry(to, from net.Conn) {
	_, err := io.Copy(to, from)
	if c, ok := to.(*net.TCPConn); ok && err == nil {
		_ = c.CloseWrite() // it may be gone
		return
	}
	_ = to.Close()
}

func (d *door) note(in, out net.Conn, is bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range []net.Conn{in, out} {
		if is {
			d.inside[c] = true
		} else {
			delete(d.inside, c)
		}
	}
}

// shut lets nobody in any more.
func (d *door) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.listener == nil {
		return
	}
	err := d.listener.Close()
	d.listener = nil
	for c := range d.inside {
		err = errors.Join(err, c.Close())
	}
	_ = err // they may have closed themselves
}

// close shuts it for good.
func (d *door) close() {
	d.shut()
	d.serving.Wait()
}
