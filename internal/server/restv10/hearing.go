// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/internal/obs"
)

// farewell is a client's last word: what it is to be answered.
type farewell struct{ answer []byte }

// Error implements error.
func (farewell) Error() string { return "the client left" }

// readBuffers are for the time of one read.
var readBuffers = sync.Pool{New: func() any { return new([socketReadBytes]byte) }}

// readinessFor is what waits for a socket's client, nil if only a reader of its own can; h.mu is held.
func (h *sockets) readinessFor(s *socket) *readiness {
	if s.wire.raw == nil {
		return nil
	}
	if h.ready == nil {
		ready, err := newReadiness()
		if err != nil {
			h.server.parts.Log.Warn("a WebSocket takes more memory than it should", obs.Err(err))
			return nil
		}
		h.ready = ready
		h.watcher.Go(func() {
			ready.run(func(s *socket) { h.readers.Go(func() { h.hear(s, ready) }) })
		})
	}
	return h.ready
}

// stopHearing ends what hears the sockets, once all have ended or will.
func (h *sockets) stopHearing() {
	h.mu.Lock()
	ready := h.ready
	h.mu.Unlock()
	if ready != nil {
		ready.close()
	}
	h.watcher.Wait()
	h.readers.Wait()
}

// begin hears a socket from its first word on.
func (h *sockets) begin(s *socket, early []byte, ready *readiness) {
	err := s.heard(early)
	switch {
	case err != nil:
	case ready == nil:
		err = s.listen()
	default:
		err = ready.watch(s)
	}
	if err != nil {
		s.leave(err)
	}
}

// hear takes in what has come, without waiting, and has the rest waited for. One goroutine does it for a socket at a time.
func (h *sockets) hear(s *socket, ready *readiness) {
	buf, _ := readBuffers.Get().(*[socketReadBytes]byte)
	n, err := s.wire.take(buf[:])
	if err == nil {
		err = s.heard(buf[:n])
	}
	readBuffers.Put(buf)
	if err == nil {
		err = ready.again(s)
	}
	if err != nil {
		s.leave(err)
	}
}

// listen hears a client whose connection only a reader can wait for, until it ends.
func (s *socket) listen() error {
	buf := make([]byte, socketListenBytes)
	for {
		n, err := s.wire.Read(buf)
		if err == nil {
			err = s.heard(buf[:n])
		}
		if err != nil {
			return err
		}
	}
}

// heard does what a client says. It writes nothing: who only sends pings waits for nobody, and nobody for him.
func (s *socket) heard(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	now := s.sockets.now()
	s.mu.Lock()
	s.heardAt = now
	s.mu.Unlock()
	return s.in.feed(b, s.does)
}

// does is what a message or a control frame means.
func (s *socket) does(op byte, payload []byte) error {
	switch op {
	case opPing:
		s.reply(frameOf(opPong, payload))
	case opPong: // it lives
	case opClose:
		return farewell{closeAnswer(payload)}
	default:
		s.asks(payload)
	}
	return nil
}

// leave ends a socket whose client left, is gone or cannot be understood. Only who may still read is answered.
func (s *socket) leave(err error) {
	s.mu.Lock()
	ended := s.ended
	s.ended, s.writing = true, false
	s.mu.Unlock()
	if ended {
		return // whoever did so closes it
	}
	s.sockets.server.metrics.closed.WithLabelValues(reasonClient).Inc()
	var why breach
	var last farewell
	switch {
	case errors.As(err, &why):
		s.close(append(binary.BigEndian.AppendUint16(nil, uint16(why)), why.Error()...), socketLinger)
	case errors.As(err, &last):
		s.close(last.answer, socketLinger)
	default:
		s.shut()
	}
}

// close writes the last frame and ends the connection.
func (s *socket) close(lastWord []byte, linger time.Duration) {
	_ = s.wire.SetWriteDeadline(time.Now().Add(linger))
	_, _ = s.wire.Write(frameOf(opClose, lastWord[:min(len(lastWord), 125)])) // who is gone hears nothing
	s.shut()
}

// shut ends the connection and forgets the socket.
func (s *socket) shut() {
	_ = s.wire.Close()
	s.sockets.remove(s)
}
