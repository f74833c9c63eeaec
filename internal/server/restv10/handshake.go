// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

var errHijacked = errors.New("the connection was taken over")

func errUpgrade() error { return fault.Reasoned(fault.Invalid, v10.ReasonUpgrade, "Upgrade Required") }

// socket upgrades a request to a WebSocket.
func (s *Server) socket(_ context.Context, q *request) (any, error) {
	if q.Method != http.MethodGet || q.upgrade == nil {
		return nil, errUpgrade()
	}
	return nil, s.sockets.upgrade(q)
}

// checkHandshake refuses what is no handshake while it can still be answered as any other request.
func checkHandshake(q *request) error {
	h := q.Header
	if !q.ProtoAtLeast(1, 1) || !strings.EqualFold(h.Get("Upgrade"), "websocket") || !namesUpgrade(h["Connection"]) {
		return errUpgrade()
	}
	if h.Get("Sec-Websocket-Version") != "13" {
		q.upgrade.Header().Set("Sec-WebSocket-Version", "13")
		return errUpgrade()
	}
	if nonce, err := base64.StdEncoding.DecodeString(h.Get("Sec-Websocket-Key")); err != nil || len(nonce) != 16 {
		return fault.Reasoned(fault.Invalid, "websocket_key", "Sec-WebSocket-Key must be 16 bytes in base64")
	}
	return nil
}

func namesUpgrade(connection []string) bool {
	for _, line := range connection {
		for option := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(option), "upgrade") {
				return true
			}
		}
	}
	return false
}

// upgrade takes the connection over. errHijacked says that nobody else may write to it any more.
func (h *sockets) upgrade(q *request) error {
	if err := checkHandshake(q); err != nil {
		return err
	}
	if h.open.Add(1) > int64(h.server.cfg.SocketsMax) || h.server.draining.Load() {
		h.open.Add(-1)
		return fault.Reasoned(fault.TryLater, "sockets", "%d WebSockets are open already", h.server.cfg.SocketsMax)
	}
	c, buffered, err := http.NewResponseController(q.upgrade).Hijack()
	if err != nil {
		h.open.Add(-1)
		return errUpgrade()
	}
	s := h.newSocket(newWire(c))
	early, _ := buffered.Peek(buffered.Reader.Buffered()) // all of it is there: a client may speak before it is answered
	if err := s.wire.answerHandshake(q.Header.Get("Sec-Websocket-Key")); err != nil {
		h.open.Add(-1)
		_ = c.Close()
		return errHijacked
	}
	if !h.add(s, bytes.Clone(early)) {
		s.end(closeGoingAway, reasonGoing, socketGoingLinger)
	}
	return errHijacked
}

// newSocket is a client of which nobody knows yet. Until it subscribes it gets what V10 pushed.
func (h *sockets) newSocket(w *wire) *socket {
	now := h.now()
	return &socket{sockets: h, wire: w, window: -1, pushDue: now, pingDue: now + socketPingInterval, heardAt: now}
}

// acceptGUID is what RFC 6455 has a server add to a client's nonce.
const acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// answerHandshake says that from here on frames follow.
func (w *wire) answerHandshake(key string) error {
	sum := sha1.Sum([]byte(key + acceptGUID)) // the protocol's choice; nothing rests on it
	if err := w.SetWriteDeadline(time.Now().Add(headerTimeout)); err != nil {
		return err
	}
	const head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
	if _, err := w.Write([]byte(head + base64.StdEncoding.EncodeToString(sum[:]) + "\r\n\r\n")); err != nil {
		return err
	}
	return w.SetWriteDeadline(time.Time{})
}
