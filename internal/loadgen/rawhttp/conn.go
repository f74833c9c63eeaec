// SPDX-License-Identifier: Apache-2.0

package rawhttp

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Bounds of an answer.
const (
	headerBytesMax = 64 << 10
	// BodyBytesMax bounds a body: the answer to the largest batch has less than 2 MiB.
	BodyBytesMax = 8 << 20
)

const (
	readBytes   = 16 << 10
	dialTimeout = 5 * time.Second
)

// Response is an answer. Body is the connection's memory.
type Response struct {
	Status int
	Body   []byte
	Close  bool // the server takes no further request on this connection
}

// OK reports a status of success.
func (r *Response) OK() bool { return r.Status >= 200 && r.Status < 300 }

// Conn is one connection. It is not safe for concurrent use.
type Conn struct {
	socket net.Conn
	in     *bufio.Reader
	body   []byte
}

// Dial connects.
func Dial(address string) (*Conn, error) {
	socket, err := net.DialTimeout("tcp", address, dialTimeout)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "connect to %s", address)
	}
	return &Conn{socket: socket, in: bufio.NewReaderSize(socket, readBytes)}, nil
}

// Close closes the connection.
func (c *Conn) Close() error { return c.socket.Close() }

// Do writes a request and reads its answer. After an error the connection is of no use.
func (c *Conn) Do(deadline time.Time, request []byte) (r Response, err error) {
	if err := c.socket.SetDeadline(deadline); err != nil {
		return r, fault.Wrap(fault.Unavailable, err, "set a deadline")
	}
	if _, err := c.socket.Write(request); err != nil {
		return r, fault.Wrap(fault.Unavailable, err, "send a request")
	}
	length, err := c.head(&r)
	if err != nil {
		return r, err
	}
	if length > cap(c.body) {
		c.body = make([]byte, length+length/4)
	}
	r.Body = c.body[:length]
	if _, err := io.ReadFull(c.in, r.Body); err != nil {
		return r, fault.Wrap(fault.Unavailable, err, "read the body of an answer")
	}
	return r, nil
}

// head reads the status line and headers, and returns how long the body is.
func (c *Conn) head(r *Response) (length int, err error) {
	line, err := c.line()
	if err != nil {
		return 0, err
	}
	if r.Status, err = statusOf(line); err != nil {
		return 0, err
	}
	length = -1
	for read := len(line); ; read += len(line) {
		if line, err = c.line(); err != nil {
			return 0, err
		}
		switch name, value, _ := bytes.Cut(line, []byte(":")); {
		case len(line) == 0 && length < 0 && r.Status != 204 && r.Status != 304:
			return 0, bad("an answer without Content-Length")
		case len(line) == 0:
			return max(0, length), nil
		case read > headerBytesMax:
			return 0, bad("headers of more than %d bytes", headerBytesMax)
		case bytes.EqualFold(name, []byte("Content-Length")):
			n, err := strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 31)
			if err != nil || n > BodyBytesMax {
				return 0, bad("Content-Length %q", value)
			}
			length = int(n)
		case bytes.EqualFold(name, []byte("Connection")):
			r.Close = r.Close || bytes.EqualFold(bytes.TrimSpace(value), []byte("close"))
		}
	}
}

func statusOf(line []byte) (int, error) {
	const version = "HTTP/1.1 "
	if len(line) < len(version)+3 || string(line[:len(version)]) != version {
		return 0, bad("an answer that begins with %.32q", line)
	}
	n, err := strconv.Atoi(string(line[len(version) : len(version)+3]))
	if err != nil || n < 100 {
		return 0, bad("an answer that begins with %.32q", line)
	}
	return n, nil
}

// line reads a line without its end. It is valid until the next read.
func (c *Conn) line() ([]byte, error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read the head of an answer")
	}
	return bytes.TrimRight(line, "\r\n"), nil
}

func bad(format string, args ...any) error {
	return fault.New(fault.Corrupt, "the server sent "+format, args...)
}
