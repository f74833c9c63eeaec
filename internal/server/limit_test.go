// SPDX-License-Identifier: Apache-2.0

package server

import (
	"errors"
	"net"
	"testing"
)

// TestLimit: at the bound nobody is accepted until a place is free; a connection gives its place back once; closing ends the wait.
func TestLimit(t *testing.T) {
	below, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := Limit(below, 1)
	accepted, ended := make(chan net.Conn), make(chan error, 1)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				ended <- err
				return
			}
			accepted <- c
		}
	}()
	for range 2 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	first := <-accepted
	if wrapper, ok := first.(interface{ NetConn() net.Conn }); !ok {
		t.Error("it does not say what it wraps")
	} else if _, ok := wrapper.NetConn().(*net.TCPConn); !ok {
		t.Errorf("it wraps a %T", wrapper.NetConn())
	}
	select {
	case <-accepted:
		t.Error("a second one was accepted at the bound")
	default:
	}
	_, _ = first.Close(), first.Close()
	second := <-accepted
	defer second.Close()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}
