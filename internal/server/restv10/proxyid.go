// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"strings"

	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

const (
	keyHeader = "Idempotency-Key"

	// proxyIDHeader is what a proxy of ours puts on each request, in place of what a client may have sent there. A proxy that hears no
	// answer sends the request again under the same id, so for a payment it is as good as a key.
	proxyIDHeader   = "X-Aurigraph-Request-Id"
	proxyIDBytesMax = 128

	// proxyIDSpace begins a key that is made of a request id. A client's key may not begin so. V10 takes such a key as any other, so that
	// both ledgers know a payment by the same one.
	proxyIDSpace = proxyIDHeader + ":"
)

// payKey is the key under which the payments of a request are made, empty if there is none: the client's, else one made of the
// proxy's request id.
func (s *Server) payKey(q *request) (string, error) {
	if values := q.Header[keyHeader]; len(values) > 0 {
		if strings.HasPrefix(values[0], proxyIDSpace) {
			return "", fault.Reasoned(fault.Invalid, "idempotency_key", "Idempotency-Key must not begin with %s", proxyIDSpace)
		}
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
