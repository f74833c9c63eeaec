// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"strconv"

	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// edge gives each connection of a listener an edgeConn.
type edge struct {
	net.Listener
	server *Server
}

// Accept implements net.Listener.
func (l edge) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &edgeConn{Conn: c, server: l.server}, nil
}

// edgeConn is a connection on which V10's clients read V10's errors even where the HTTP library answers by itself, in plain text, what it
// cannot read as a request: a bad request line, an escape that is none, headers beyond their bound.
type edgeConn struct {
	net.Conn
	server *Server
	lines  headLines
}

// edgeKey is under which a request's context knows its connection.
type edgeKey struct{}

func withEdge(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, edgeKey{}, c)
}

// twoLengths reports whether a request says in two ways how long its body is.
func twoLengths(r *http.Request) bool {
	if len(r.TransferEncoding) == 0 {
		return false
	}
	c, ok := r.Context().Value(edgeKey{}).(*edgeConn)
	return ok && c.lines.both.Load()
}

// Read implements net.Conn.
func (c *edgeConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.lines.see(p[:max(n, 0)])
	return n, err
}

// NetConn is the connection below.
func (c *edgeConn) NetConn() net.Conn { return c.Conn }

const statusBegin = "HTTP/1.1 "

// plainHead is what follows the status line of the library's own answers.
const plainHead = "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"

// Write implements net.Conn. The library's own answer is one Write, and counts as a refusal like any other.
func (c *edgeConn) Write(p []byte) (int, error) {
	line := bytes.IndexByte(p[:min(len(p), statusLineBytesMax)], '\r')
	if line < 0 || !bytes.HasPrefix(p, []byte(statusBegin)) || !bytes.HasPrefix(p[line:], []byte(plainHead)) {
		return c.Conn.Write(p)
	}
	status := p[len(statusBegin):line]
	code, _, _ := bytes.Cut(status, []byte(" "))
	n, _ := strconv.Atoi(string(code))
	c.server.refusals.Add(1)
	c.server.metrics.count(nil, n)
	// The text repeats the status's number before its words, if it has it at all.
	if _, err := c.Conn.Write(unreadable(status, bytes.TrimLeft(p[line+len(plainHead):], "0123456789 "))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// statusLineBytesMax is longer than any status line of the library.
const statusLineBytesMax = 128

// unreadable is the whole answer to what cannot be read as a request.
func unreadable(status, words []byte) []byte {
	body := v10.Problem{Text: string(words)}.Append(nil, v10.FamilyPlain)
	return fmt.Appendf(nil, "%s%s\r\nContent-Type: %s\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		statusBegin, status, contentJSON, len(body), body)
}
