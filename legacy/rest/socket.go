// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"bufio"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// V10's sockets pushed the same two messages every five seconds and took no commands; so does this one. What a client sends is
// read and, but for ping and close, ignored.
const (
	socketInterval = 5 * time.Second
	socketFrameMax = 4 << 10 // of what a client sends; more closes the socket
	socketQuiet    = 2 * time.Minute
	socketGUID     = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11" // of RFC 6455
)

// The kinds of frames that are known.
const (
	frameText  = 1
	frameClose = 8
	framePing  = 9
	framePong  = 10
)

// The reasons for which a socket is closed.
const (
	closeGoingAway = 1001
	closeProtocol  = 1002
	closeTooBig    = 1009
)

// pushed is a message to a client.
type pushed struct {
	Type string `json:"type"` // overview or metrics
	Data any    `json:"data"`
}

// socket turns the connection into a WebSocket.
func (s *Server) socket(c *call, w http.ResponseWriter) error {
	key := c.Header.Get("Sec-WebSocket-Key")
	if c.Method != http.MethodGet || !strings.EqualFold(c.Header.Get("Upgrade"), "websocket") || key == "" {
		w.Header().Set("Upgrade", "websocket")
		return fault.Reasoned(fault.Invalid, v10.ReasonUpgrade, "Upgrade Required")
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return fault.Wrap(fault.Internal, err, "take the connection over")
	}
	defer conn.Close()
	sum := sha1.Sum([]byte(key + socketGUID))
	head := "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " +
		base64.StdEncoding.EncodeToString(sum[:]) + "\r\n\r\n"
	_ = conn.SetDeadline(time.Time{})
	_ = conn.SetWriteDeadline(time.Now().Add(lineTimeout))
	if _, err := conn.Write([]byte(head)); err != nil {
		return nil
	}
	s.push(conn, buffered.Reader)
	return nil
}

// push sends messages until the client goes or the server drains. The reading half tells by its channel what to answer.
func (s *Server) push(conn net.Conn, in *bufio.Reader) {
	replies, gone := make(chan []byte, 1), make(chan struct{})
	go func() {
		defer close(replies)
		readFrames(conn, in, replies, gone)
	}()
	defer func() {
		close(gone)
		conn.Close()
		for range replies { // until the reader has ended
		}
	}()
	tick := time.NewTicker(socketInterval)
	defer tick.Stop()
	for s.pushNow(conn) {
		if !s.between(conn, replies, tick.C) {
			return
		}
	}
}

// between waits for the next push and passes replies on.
func (s *Server) between(conn net.Conn, replies <-chan []byte, tick <-chan time.Time) bool {
	for {
		select {
		case <-s.drained:
			send(conn, closeFrame(closeGoingAway))
			return false
		case frame, more := <-replies:
			if !more || !send(conn, frame) || frame[0]&0x0f == frameClose {
				return false
			}
		case <-tick:
			return true
		}
	}
}

func (s *Server) pushNow(conn net.Conn) bool {
	overview, err := s.overview(nil)
	if err != nil {
		return false
	}
	for _, m := range []pushed{{"overview", overview.(v10.ManagedOverview).Overview}, {"metrics", s.metricsNow()}} {
		if !send(conn, frameOf(frameText, v10.Marshal(m))) {
			return false
		}
	}
	return true
}

func send(conn net.Conn, frame []byte) bool {
	_ = conn.SetWriteDeadline(time.Now().Add(lineTimeout))
	_, err := conn.Write(frame)
	return err == nil
}

// frameOf is a whole message from the server, which masks nothing.
func frameOf(kind byte, data []byte) []byte {
	frame := []byte{0x80 | kind}
	switch n := len(data); {
	case n < 126:
		frame = append(frame, byte(n))
	case n <= 0xffff:
		frame = binary.BigEndian.AppendUint16(append(frame, 126), uint16(n))
	default:
		frame = binary.BigEndian.AppendUint64(append(frame, 127), uint64(n))
	}
	return append(frame, data...)
}

func closeFrame(reason uint16) []byte {
	return frameOf(frameClose, binary.BigEndian.AppendUint16(nil, reason))
}

// What readFrame finds wrong with a frame.
var (
	errFrameTooBig = errors.New("frame too big")
	errFrameBad    = errors.New("frame breaks the protocol")
)

// readFrames reads what a client sends until it goes, and hands out pongs, or the frame that closes.
func readFrames(conn net.Conn, in *bufio.Reader, replies chan<- []byte, gone <-chan struct{}) {
	reply := func(frame []byte) bool {
		select {
		case replies <- frame:
			return true
		case <-gone:
			return false
		}
	}
	for {
		_ = conn.SetReadDeadline(time.Now().Add(socketQuiet))
		kind, data, err := readFrame(in)
		switch {
		case errors.Is(err, errFrameTooBig):
			reply(closeFrame(closeTooBig))
			return
		case errors.Is(err, errFrameBad):
			reply(closeFrame(closeProtocol))
			return
		case err != nil:
			return
		case kind == frameClose:
			reply(frameOf(frameClose, data))
			return
		case kind == framePing && !reply(frameOf(framePong, data)):
			return
		}
	}
}

// readFrame reads one frame of a client, which must be masked.
func readFrame(in io.Reader) (kind byte, data []byte, err error) {
	var head [8]byte
	if _, err := io.ReadFull(in, head[:2]); err != nil {
		return 0, nil, err
	}
	kind, length := head[0]&0x0f, uint64(head[1]&0x7f)
	if head[1]&0x80 == 0 || head[0]&0x70 != 0 || (kind >= frameClose && length > 125) {
		return 0, nil, errFrameBad
	}
	if length >= 126 {
		wide := head[:2]
		if length == 127 {
			wide = head[:8]
		}
		if _, err := io.ReadFull(in, wide); err != nil {
			return 0, nil, err
		}
		length = 0
		for _, b := range wide {
			length = length<<8 | uint64(b)
		}
	}
	if length > socketFrameMax {
		return 0, nil, errFrameTooBig
	}
	masked := make([]byte, 4+length)
	if _, err := io.ReadFull(in, masked); err != nil {
		return 0, nil, err
	}
	data = masked[4:]
	for i := range data {
		data[i] ^= masked[i&3]
	}
	return kind, data, nil
}
