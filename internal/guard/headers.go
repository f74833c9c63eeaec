// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/aurigraph/aurigraph/internal/hop"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// ofConnection are headers that speak of one connection, or that whoever sends makes anew.
var ofConnection = map[string]bool{
	"Connection": true, "Keep-Alive": true, "Proxy-Authenticate": true, "Proxy-Authorization": true, "Proxy-Connection": true, "Te": true,
	"Trailer": true, "Transfer-Encoding": true, "Upgrade": true, "Content-Length": true, "Expect": true,
}

// travels reports whether a client's header goes on with its request. connection are the values of its Connection header.
func travels(name string, connection []string) bool {
	return !ofConnection[name] && name != hop.Header && name != v10.HeaderGeneration && !isNamed(connection, name)
}

// isNamed reports whether a Connection header says that a header is of this connection.
func isNamed(connection []string, name string) bool {
	for _, line := range connection {
		for word := range strings.SplitSeq(line, ",") {
			if strings.EqualFold(strings.TrimSpace(word), name) {
				return true
			}
		}
	}
	return false
}

// headersOf are a client's headers that go on. The values are shared.
func headersOf(h http.Header) http.Header {
	out := make(http.Header, len(h))
	named := h["Connection"]
	for name, values := range h {
		if travels(name, named) {
			out[name] = values
		}
	}
	return out
}

// copyBuffers are for answers on their way to clients.
var copyBuffers = sync.Pool{New: func() any { return new([16 << 10]byte) }}

// passOn gives the client a ledger's answer as it is.
func passOn(w http.ResponseWriter, resp *http.Response) {
	defer resp.Body.Close()
	h := w.Header()
	named := resp.Header["Connection"]
	for name, values := range resp.Header {
		if name == "Content-Length" || !ofConnection[name] && !isNamed(named, name) {
			h[name] = values
		}
	}
	w.WriteHeader(resp.StatusCode)
	buffer, _ := copyBuffers.Get().(*[16 << 10]byte)
	defer copyBuffers.Put(buffer)
	if _, err := io.CopyBuffer(onlyWriter{w}, resp.Body, buffer[:]); err != nil {
		// The client must see that the answer is not whole: what the server would end it with cannot be written any more.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Unix(1, 0)) // a connection without deadlines is one of a test
	}
}

// onlyWriter hides ReadFrom, which would take a buffer of its own.
type onlyWriter struct{ io.Writer }

// forget reads a short answer that nobody gets, so that its connection serves again.
func forget(resp *http.Response) {
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, refusalBytesMax)) // if more comes, the connection ends
	_ = resp.Body.Close()                                                  // as above
}
