// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

const (
	keyHeader = "Idempotency-Key"

	// proxyIDHeader is what a proxy of ours puts on each request, in place of what a client may have sent there. A proxy that hears no
	// answer sends the request again under the same id, so for a payment it is as good as a key.
	proxyIDHeader   = "X-Aurigraph-Request-Id"
	proxyIDBytesMax = 128

	// proxyIDSpace begins a key that is made of a request id. No key of a client has this byte.
	proxyIDSpace = "\x00"
)

// payKey is the key under which the payments of a request are made, empty if there is none: the client's, else one made of the
// proxy's request id.
func (s *Server) payKey(q *request) (string, error) {
	if values := q.Header[keyHeader]; len(values) > 0 {
		return values[0], v10.CheckKey(values[0])
	}
	if q.idKey == "" {
		return "", nil
	}
	return q.idKey, nil
}

// readProxyID makes a key of the proxy's request id. One that is none is ignored and counted: the client did not send it and could not
// mend it.
func (s *Server) readProxyID(q *request) {
	values := q.Header[proxyIDHeader]
	if len(values) == 0 {
		return
	}
	if len(values) > 1 || !isProxyID(values[0]) {
		s.metrics.proxyIDs.Inc()
		return
	}
	q.idKey = proxyIDSpace + values[0]
}

// isProxyID reports whether an id has 1 to proxyIDBytesMax visible ASCII characters.
func isProxyID(id string) bool {
	return len(id) <= proxyIDBytesMax && v10.CheckKey(id) == nil
}
