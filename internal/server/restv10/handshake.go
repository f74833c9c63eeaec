// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"

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
	w := newWire(c)
	conn, err := h.upgrader.UpgradeFromConn(w, readerOf(w, buffered.Reader), q.Request)
	if err != nil {
		h.open.Add(-1)
		return errHijacked
	}
	if !h.begin(conn.ReadLoop) { // beside the handler, so that nothing of the request is kept
		h.open.Add(-1)
		_ = c.Close()
	}
	return errHijacked
}

// readerOf reads a connection through a small buffer, after what the server's has of it already: a client may speak before it is answered.
func readerOf(w *wire, had *bufio.Reader) *bufio.Reader {
	early, _ := had.Peek(had.Buffered()) // all of it is there
	if len(early) == 0 {
		return bufio.NewReaderSize(w, socketReadBytes)
	}
	return bufio.NewReaderSize(io.MultiReader(bytes.NewReader(bytes.Clone(early)), w), socketReadBytes)
}
