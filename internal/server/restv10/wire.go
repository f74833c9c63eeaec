// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// frameOf is a message as one whole frame of a server: it is the same for every client, so it is made once for all of them.
func frameOf(op byte, payload []byte) []byte {
	const final = 0x80
	out := make([]byte, 0, len(payload)+10)
	switch n := len(payload); {
	case n < 126:
		out = append(out, final|op, byte(n))
	case n <= 0xffff:
		out = binary.BigEndian.AppendUint16(append(out, final|op, 126), uint16(n))
	default:
		out = binary.BigEndian.AppendUint64(append(out, final|op, 127), uint64(n))
	}
	return append(out, payload...)
}

// framesTogether bounds the frames of one system call, below the kernel's 1,024.
const framesTogether = 512

// wire is the connection of a socket. Whole frames go over it: what put could not hand over within one comes before all else. It is safe
// for concurrent use.
type wire struct {
	net.Conn
	raw syscall.RawConn // nil: whether the client takes a frame at once, or has sent one, cannot be known

	mu   sync.Mutex // guards all below, and the order of frames
	rest []byte     // of a frame that put began
	err  error      // since it failed within a frame, there are no borders of frames any more
}

func newWire(c net.Conn) *wire {
	if e, ok := c.(*edgeConn); ok {
		c = e.Conn // it is about requests
	}
	w := &wire{Conn: c}
	if s, ok := socketBelow(c).(syscall.Conn); ok {
		if raw, err := s.SyscallConn(); err == nil {
			w.raw = raw
		}
	}
	return w
}

// socketBelow is what wrappers of a connection stand on, as long as they pass bytes on unchanged: TLS does not.
func socketBelow(c net.Conn) net.Conn {
	for {
		if _, encrypts := c.(interface{ Handshake() error }); encrypts {
			return nil
		}
		wrapper, ok := c.(interface{ NetConn() net.Conn })
		if !ok {
			return c
		}
		c = wrapper.NetConn()
	}
}

// put hands frames over as far as the client takes them at once, and returns those it did not begin. Unless all is done, the caller
// goes on with Write, which may wait.
func (w *wire) put(frames [][]byte) (left [][]byte, done bool, err error) {
	if len(frames) == 0 {
		return nil, true, nil
	}
	if w.raw == nil || !w.mu.TryLock() {
		return frames, false, nil
	}
	defer w.mu.Unlock()
	if w.err != nil || len(w.rest) > 0 {
		return frames, false, w.err
	}
	n, err := sendNow(w.raw, frames[:min(len(frames), framesTogether)])
	if err != nil {
		w.err = err
		return frames, false, err
	}
	for len(frames) > 0 && n >= len(frames[0]) {
		n -= len(frames[0])
		frames = frames[1:]
	}
	if n > 0 {
		w.rest, frames = frames[0][n:], frames[1:]
	}
	return frames, len(frames) == 0 && len(w.rest) == 0, nil
}

// sendNow is how many bytes the kernel takes without waiting.
func sendNow(raw syscall.RawConn, frames [][]byte) (n int, err error) {
	failed := raw.Write(func(fd uintptr) bool {
		n, err = unix.SendmsgBuffers(int(fd), frames, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		return true
	})
	switch {
	case failed != nil:
		return 0, failed
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR), errors.Is(err, unix.ENOBUFS):
		return 0, nil
	}
	return max(n, 0), err
}

// take reads what is there, without waiting; it may be nothing.
func (w *wire) take(p []byte) (n int, err error) {
	failed := w.raw.Read(func(fd uintptr) bool {
		n, err = unix.Read(int(fd), p)
		return true
	})
	switch {
	case failed != nil:
		return 0, failed
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
		return 0, nil
	case err == nil && n == 0:
		return 0, io.EOF
	}
	return max(n, 0), err
}

// Write writes whole frames after what put began, and waits for the client.
func (w *wire) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return 0, w.err
	}
	if len(w.rest) > 0 {
		if _, w.err = w.Conn.Write(w.rest); w.err != nil {
			return 0, w.err
		}
		w.rest = nil
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := w.Conn.Write(p)
	w.err = err
	return n, err
}
