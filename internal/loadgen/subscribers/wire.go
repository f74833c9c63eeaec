// SPDX-License-Identifier: Apache-2.0

package subscribers

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// messageBytesMax bounds a message that is read. A head has some hundred bytes.
const messageBytesMax = 1 << 20

const (
	openTimeout = 20 * time.Second
	readBytes   = 512 // of the buffer that each socket has
)

// Opcodes of frames (RFC 6455).
const (
	opText  = 1
	opClose = 8
	opPing  = 9
	opPong  = 10
)

// dial opens a WebSocket to the V10 dialect. A narrow one takes as little as it can without being read.
func dial(address string, narrow bool) (net.Conn, *bufio.Reader, error) {
	c, err := net.DialTimeout("tcp", address, openTimeout)
	if err != nil {
		return nil, nil, fault.Wrap(fault.Unavailable, err, "connect to %s", address)
	}
	in, err := upgrade(c, address, narrow)
	if err != nil {
		_ = c.Close() // it was of no use
		return nil, nil, err
	}
	return c, in, nil
}

func upgrade(c net.Conn, address string, narrow bool) (*bufio.Reader, error) {
	if narrow {
		if err := narrowed(c); err != nil {
			return nil, err
		}
	}
	if err := c.SetDeadline(time.Now().Add(openTimeout)); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "set a deadline")
	}
	const ask = "GET /ws HTTP/1.1\r\nHost: %\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
	if _, err := io.WriteString(c, strings.Replace(ask, "%", address, 1)); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "ask for a WebSocket")
	}
	in := bufio.NewReaderSize(c, readBytes)
	first, err := in.ReadString('\n')
	if err != nil || !strings.HasPrefix(first, "HTTP/1.1 101 ") {
		return nil, fault.New(fault.Unavailable, "the server answered %q where a WebSocket was asked for", strings.TrimSpace(first))
	}
	for line := first; strings.TrimSpace(line) != ""; {
		if line, err = in.ReadString('\n'); err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "read the head of a WebSocket's answer")
		}
	}
	return in, fault.Wrap(fault.Unavailable, c.SetDeadline(time.Time{}), "end a deadline")
}

func narrowed(c net.Conn) error {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return nil
	}
	return fault.Wrap(fault.Internal, tcp.SetReadBuffer(unix.Getpagesize()/2), "narrow a socket")
}

// subscribe asks for channels, by name.
func subscribe(c net.Conn, channels ...string) error {
	text := `{"type":"subscribe","channels":[`
	for i, name := range channels {
		if i > 0 {
			text += ","
		}
		text += strconv.Quote(name)
	}
	return send(c, opText, []byte(text+"]}"))
}

// send sends a frame whose mask is zero, so that it is what it was. Payloads are short.
func send(c net.Conn, op byte, payload []byte) error {
	fault.Invariant(len(payload) < 126, "a client's frame of %d bytes", len(payload))
	frame := append([]byte{0x80 | op, 0x80 | byte(len(payload)), 0, 0, 0, 0}, payload...)
	_, err := c.Write(frame)
	return fault.Wrap(fault.Unavailable, err, "write to a WebSocket")
}

// frame reads a frame into buf, which grows, and returns its opcode and payload.
func frame(in *bufio.Reader, buf []byte) (op byte, payload, grown []byte, err error) {
	var head [10]byte
	if _, err := io.ReadFull(in, head[:2]); err != nil {
		return 0, nil, buf, err
	}
	length := uint64(head[1] & 0x7f)
	switch length {
	case 126:
		if _, err := io.ReadFull(in, head[2:4]); err != nil {
			return 0, nil, buf, err
		}
		length = uint64(binary.BigEndian.Uint16(head[2:4]))
	case 127:
		if _, err := io.ReadFull(in, head[2:10]); err != nil {
			return 0, nil, buf, err
		}
		length = binary.BigEndian.Uint64(head[2:10])
	}
	if head[1]&0x80 != 0 || length > messageBytesMax {
		return 0, nil, buf, fault.New(fault.Corrupt, "a frame of %d bytes, masked %v", length, head[1]&0x80 != 0)
	}
	if uint64(cap(buf)) < length {
		buf = make([]byte, length)
	}
	payload = buf[:length]
	_, err = io.ReadFull(in, payload)
	return head[0] & 0x0f, payload, buf, err
}
