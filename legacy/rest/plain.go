// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"bytes"
	"fmt"
	"net"
	"strings"

	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// plainHead is what the HTTP library answers by itself, in plain text, to what it cannot read as a request: bad escapes in a
// path, headers beyond their bound. No handler sees those, so the connection puts V10's body in its place.
const plainHead = "\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n"

// jsonListener gives each connection a jsonConn.
type jsonListener struct{ net.Listener }

// Accept implements net.Listener.
func (l *jsonListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &jsonConn{c}, nil
}

type jsonConn struct{ net.Conn }

// Write implements net.Conn.
func (c *jsonConn) Write(p []byte) (int, error) {
	head, text, found := bytes.Cut(p, []byte(plainHead))
	status, isStatus := bytes.CutPrefix(head, []byte("HTTP/1.1 "))
	if !found || !isStatus || bytes.IndexByte(head, '\n') >= 0 {
		return c.Conn.Write(p)
	}
	// The text repeats the status's number before its words.
	words := strings.TrimLeft(string(text), "0123456789 ")
	body := v10.Problem{Text: words}.Append(nil, v10.FamilyPlain)
	answer := fmt.Appendf(nil, "HTTP/1.1 %s\r\nContent-Type: %s\r\nAccess-Control-Allow-Origin: *\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		status, contentJSON, len(body), body)
	if _, err := c.Conn.Write(answer); err != nil {
		return 0, err
	}
	return len(p), nil
}
