// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"errors"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// readiness tells which sockets have something to read. A goroutine that waits for each would take more memory than all else of a socket. The
// kernel's list of who is ready is itself a file that the runtime waits for, so nothing here blocks a thread.
type readiness struct {
	file *os.File
	list syscall.RawConn

	mu    sync.Mutex // guards what follows
	newID uint64
	known map[uint64]*socket // by what the kernel calls them; no number is given twice, so that late news is of nobody else
}

func newReadiness() (*readiness, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "make a list of ready sockets")
	}
	err = unix.SetNonblock(fd, true) // else the runtime does not wait for it
	r := &readiness{file: os.NewFile(uintptr(fd), "ready sockets"), known: map[uint64]*socket{}}
	if err == nil {
		r.list, err = r.file.SyscallConn()
	}
	if err != nil {
		_ = r.file.Close()
		return nil, fault.Wrap(fault.Internal, err, "wait for ready sockets")
	}
	return r, nil
}

// once is what is waited for. It is told once, until again is called: so one goroutine reads a socket at a time.
const once = unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLONESHOT

// watch waits for a socket. What is there already is told at once.
func (r *readiness) watch(s *socket) error {
	r.mu.Lock()
	r.newID++
	s.id = r.newID
	r.known[s.id] = s
	r.mu.Unlock()
	err := r.control(unix.EPOLL_CTL_ADD, s)
	if err != nil {
		r.forget(s) // it may have been closed before it was known
	}
	return err
}

// again waits for a socket that was told of.
func (r *readiness) again(s *socket) error { return r.control(unix.EPOLL_CTL_MOD, s) }

// forget forgets a socket. The kernel forgets it when it is closed.
func (r *readiness) forget(s *socket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.known, s.id)
}

func (r *readiness) control(op int, s *socket) error {
	event := unix.EpollEvent{Events: once, Fd: int32(uint32(s.id)), Pad: int32(uint32(s.id >> 32))}
	var err error
	told := r.list.Control(func(list uintptr) {
		if failed := s.wire.raw.Control(func(fd uintptr) { err = unix.EpollCtl(int(list), op, int(fd), &event) }); failed != nil {
			err = failed
		}
	})
	if told != nil {
		return told
	}
	return err
}

// run calls each for every socket that is ready, until the readiness is closed.
func (r *readiness) run(each func(*socket)) {
	var events [128]unix.EpollEvent
	for {
		n, err := 0, error(nil)
		ended := r.list.Read(func(list uintptr) bool {
			n, err = unix.EpollWait(int(list), events[:], 0)
			return n != 0
		})
		if ended != nil {
			return
		}
		fault.Invariant(err == nil || errors.Is(err, unix.EINTR), "the list of ready sockets fails: %v", err)
		for _, e := range events[:max(n, 0)] {
			if s := r.named(uint64(uint32(e.Fd)) | uint64(uint32(e.Pad))<<32); s != nil {
				each(s)
			}
		}
	}
}

func (r *readiness) named(id uint64) *socket {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.known[id]
}

// close ends run.
func (r *readiness) close() { _ = r.file.Close() }
