// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"bytes"
	"strings"
	"sync/atomic"
)

const (
	lengthLine   = "content-length:"
	encodingLine = "transfer-encoding:"
)

// headLines finds heads that have both a Content-Length and a Transfer-Encoding, in the bytes of a connection as they come. The HTTP library
// follows the second and drops the first, so that nobody behind it can tell; a proxy before it may follow the first, and then the two
// do not agree where the next request begins. Bodies are looked at like heads: a false alarm needs one with both lines, and refuses at most
// that client's chunked requests. One goroutine calls see at a time.
type headLines struct {
	both             atomic.Bool // for good: whoever sends such a head is not to be understood any more
	length, encoding bool        // of the head that comes
	n                int
	line             [len(encodingLine)]byte // begin of the line that comes
}

// see looks at the next bytes.
func (h *headLines) see(p []byte) {
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			h.n += copy(h.line[h.n:], p)
			return
		}
		h.n += copy(h.line[h.n:], p[:end])
		h.endLine()
		p = p[end+1:]
	}
}

func (h *headLines) endLine() {
	line := string(bytes.TrimSuffix(h.line[:h.n], []byte{'\r'}))
	h.n = 0
	switch {
	case line == "":
		h.length, h.encoding = false, false
		return
	case line[0]|' ' != lengthLine[0] && line[0]|' ' != encodingLine[0]:
		return // most are neither
	case len(line) >= len(lengthLine) && strings.EqualFold(line[:len(lengthLine)], lengthLine):
		h.length = true
	case strings.EqualFold(line, encodingLine):
		h.encoding = true
	}
	if h.length && h.encoding {
		h.both.Store(true)
	}
}
