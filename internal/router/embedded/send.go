// SPDX-License-Identifier: Apache-2.0

package embedded

import (
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/http/httputil"
	"net/url"
	"sync"
	"sync/atomic"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/router"
)

// side is one ledger's servers, which mean the same.
type side struct {
	servers   []*url.URL
	next      atomic.Uint64
	transport *http.Transport
}

func newSide(servers []*url.URL) *side {
	return &side{servers: servers, transport: &http.Transport{
		DialContext:            (&net.Dialer{Timeout: dialMax}).DialContext,
		TLSHandshakeTimeout:    dialMax,
		MaxIdleConns:           idleConnections * len(servers),
		MaxIdleConnsPerHost:    idleConnections,
		IdleConnTimeout:        idleMax,
		MaxResponseHeaderBytes: headerBytesMax,
		DisableCompression:     true,
	}}
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip sends one request.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// keys are headers for which the HTTP library would send a request again that may have been executed. It does not see them under a name in
// another case, which means the same to servers.
var keys = map[string]string{"Idempotency-Key": "idempotency-key", "X-Idempotency-Key": "x-idempotency-key"}

func (p *Proxy) rewrite(r *httputil.ProxyRequest) {
	h := r.Out.Header
	for _, name := range router.Reserved() {
		h.Del(name)
	}
	for name, hidden := range keys {
		if values := h[name]; values != nil {
			delete(h, name)
			h[hidden] = values
		}
	}
	h.Set(router.RequestIDHeader, passageOf(r.In.Context()).id)
	r.Out.Host = r.In.Host
	r.SetXForwarded()
}

// send gives a request to a server of its side, and to the next one only if there was no connection.
func (p *Proxy) send(r *http.Request) (*http.Response, error) {
	x := passageOf(r.Context())
	s := p.sides[x.way.Side]
	first := s.next.Add(1)
	body := r.Body
	var resp *http.Response
	var err error
	for i := range uint64(len(s.servers)) {
		var connected atomic.Bool
		q := r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
			GetConn: func(string) { connected.Store(false) },
			GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
		}))
		at := *r.URL
		server := s.servers[(first+i)%uint64(len(s.servers))]
		at.Scheme, at.Host, q.URL = server.Scheme, server.Host, &at
		if body != nil && body != http.NoBody {
			q.Body = io.NopCloser(body) // a try without a connection closes it, and has not read it; who made it closes it at the end
		}
		resp, err = s.transport.RoundTrip(q)
		if x.server = server.Host; err == nil {
			x.status, x.serverStatus = resp.StatusCode, resp.StatusCode
		}
		if err == nil || connected.Load() || r.Context().Err() != nil {
			return resp, err
		}
	}
	return nil, &fault.Error{Kind: fault.TryLater, Reason: reasonUnsent, Cause: err, Text: router.TextUnsent}
}

// buffers lends memory for copying answers.
type buffers struct{ pool sync.Pool }

const copyBytes = 32 << 10

// Get lends a buffer.
func (b *buffers) Get() []byte {
	if lent, ok := b.pool.Get().(*[copyBytes]byte); ok {
		return lent[:]
	}
	return make([]byte, copyBytes)
}

// Put takes it back.
func (b *buffers) Put(lent []byte) { b.pool.Put((*[copyBytes]byte)(lent)) }
