// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"context"
	"errors"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/hop"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// Bounds of requests and connections, beside V10's own of bodies.
const (
	headerTimeout   = 10 * time.Second
	bodyTimeout     = 30 * time.Second
	idleTimeout     = 75 * time.Second
	drainMax        = 10 * time.Second
	headerBytesMax  = 64 << 10
	deadlineMargin  = 5 * time.Second // beyond a row's own deadline, after which nobody waits for V10
	againMax        = 8               // times that a write is sent again because of newer barriers
	oversizeReadMax = 32 << 20
	partMax         = 40 * time.Second // of a part of a batch or stream: the dialect's longest deadline of one, and some
)

// proxy is the guard's door for V10's clients.
type proxy struct {
	g    *Guard
	base *url.URL // V10's
	v10  *wire
	v11  *wire
	pass httputil.ReverseProxy // to V10, of what only reads
	kept *http.Transport       // of pass

	// Clients for what is parted.
	parts10, parts11 *hop.Client

	underWay atomic.Int64
	held     atomic.Int64
	streams  atomic.Int64
	bodies   atomic.Int64
	draining atomic.Bool
	ending   chan struct{} // closed when draining begins
}

func newProxy(g *Guard) (p *proxy, err error) {
	p = &proxy{g: g, ending: make(chan struct{})}
	if p.base, err = hop.CheckURL(g.cfg.V10); err != nil {
		return nil, err
	}
	v11, err := hop.CheckURL(g.cfg.V11)
	if err != nil {
		return nil, err
	}
	p.v10, p.v11 = newWire(p.base), newWire(v11)
	p.kept = &http.Transport{
		DialContext: (&net.Dialer{Timeout: dialMax}).DialContext, TLSHandshakeTimeout: dialMax, MaxIdleConnsPerHost: connectionsMax,
		IdleConnTimeout: connectionIdleMax, MaxResponseHeaderBytes: headerBytesMax, DisableCompression: true,
	}
	bounds := hop.Config{UnderWayMax: g.cfg.UnderWayMax, ConnectionsMax: connectionsMax, TimeMax: partMax}
	bounds.URL = g.cfg.V10
	if p.parts10, err = hop.New(bounds); err != nil {
		return nil, err
	}
	bounds.URL = g.cfg.V11
	if p.parts11, err = hop.New(bounds); err != nil {
		return nil, err
	}
	p.pass = httputil.ReverseProxy{
		Rewrite: p.rewrite, Transport: p.kept, FlushInterval: -1, ErrorHandler: p.passFailed,
		ErrorLog: log.New(io.Discard, "", 0),
	}
	return p, nil
}

func (p *proxy) close() {
	p.kept.CloseIdleConnections()
	p.v10.close()
	p.v11.close()
	p.parts10.Close()
	p.parts11.Close()
}

// request is one of a client, on its way.
type request struct {
	*http.Request
	row    *v10.Endpoint
	body   []byte
	hopped bool // V11 sent it here: it does not go back
}

// ServeHTTP passes one request on.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p.draining.Load() {
		w.Header().Set("Connection", "close")
	}
	if p.underWay.Add(1) > int64(p.g.cfg.UnderWayMax) {
		p.underWay.Add(-1)
		p.refuse(w, nil, fault.Reasoned(fault.TryLater, reasonFull, "The guard is busy: nothing was done, send it again in a moment"))
		return
	}
	defer p.underWay.Add(-1)
	delete(r.Header, v10.HeaderGeneration) // a client has none
	q := &request{Request: r, hopped: len(r.Header[hop.Header]) > 0}
	var err error
	q.row, _, err = v10.Match(r.Method, requestPath(r))
	if p.g.current.Load().nothing() { // before that all of V10's clients come here, and counting them costs each a hash
		p.g.callers.note(r, q.row, time.Now())
	}
	switch {
	case r.Method == http.MethodOptions || r.Method == http.MethodGet || r.Method == http.MethodHead:
		p.pass.ServeHTTP(w, r)
		p.g.metrics.requests.WithLabelValues(wayV10).Inc()
	case err != nil: // what is not in the table may debit anybody
		p.refuse(w, nil, err)
	case q.row.AccountKey == v10.KeyStreamFrom:
		p.stream(w, q)
	default:
		p.gathered(w, q)
	}
}

// requestPath is the path as the client wrote it.
func requestPath(r *http.Request) string {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if !strings.HasPrefix(path, "/") {
		return r.URL.EscapedPath()
	}
	return path
}

// gathered serves a request whose body is read first: who sends one slowly holds up nobody, and it may have to be sent again.
func (p *proxy) gathered(w http.ResponseWriter, q *request) {
	charged, err := p.readBody(w, q)
	defer p.bodies.Add(-charged)
	if err != nil {
		p.refuse(w, q.row, err)
		return
	}
	ctx, cancel := context.WithTimeout(q.Context(), time.Duration(q.row.DeadlineMs)*time.Millisecond+deadlineMargin)
	defer cancel()
	if q.row.AccountKey == v10.KeyBatchFrom {
		err = p.batch(ctx, w, q)
	} else {
		err = p.single(ctx, w, q)
	}
	if err != nil {
		p.refuse(w, q.row, err)
	}
}

// bodyMax is how many bytes a row's body may have.
func bodyMax(row *v10.Endpoint) int64 {
	if row.AccountKey == v10.KeyBatchFrom {
		return v10.BatchBytesMax
	}
	return v10.BodyBytesMax
}

var errTooLarge = fault.Reasoned(fault.Invalid, v10.ReasonTooLarge, v10.TextTooLarge)

// readBody reads a body within the bounds, and says what it charged for it.
func (p *proxy) readBody(w http.ResponseWriter, q *request) (charged int64, err error) {
	limit, size := bodyMax(q.row), q.ContentLength
	if size > limit {
		return 0, p.tooLarge(w, q)
	}
	if size < 0 {
		size = limit
	}
	if p.bodies.Add(size) > p.g.cfg.BodiesMax {
		return size, fault.Reasoned(fault.TryLater, reasonBodies, "The guard has too many bodies in memory: nothing was done, send it again in a moment")
	}
	if q.ContentLength == 0 {
		return size, nil
	}
	control := http.NewResponseController(w)
	_ = control.SetReadDeadline(time.Now().Add(bodyTimeout)) // a connection without deadlines is one of a test
	defer func() { _ = control.SetReadDeadline(time.Time{}) }()
	if q.ContentLength > 0 {
		q.body = make([]byte, q.ContentLength)
		_, err = io.ReadFull(q.Body, q.body)
	} else {
		q.body, err = io.ReadAll(io.LimitReader(q.Body, limit+1))
	}
	switch {
	case err != nil:
		return size, fault.Reasoned(fault.Invalid, reasonCut, "Request aborted")
	case int64(len(q.body)) > limit:
		return size, p.tooLarge(w, q)
	}
	return size, nil
}

// tooLarge reads the rest of a body that is refused, within bounds: a client that still writes when the connection closes would never see
// the answer.
func (p *proxy) tooLarge(w http.ResponseWriter, q *request) error {
	w.Header().Set("Connection", "close")
	if q.Header.Get("Expect") == "" && q.ContentLength <= oversizeReadMax {
		_, _ = io.CopyN(io.Discard, q.Body, oversizeReadMax)
	}
	return errTooLarge
}

// refuse answers in V10's words.
func (p *proxy) refuse(w http.ResponseWriter, row *v10.Endpoint, err error) {
	p.g.metrics.refused.WithLabelValues(fault.ReasonOf(err)).Inc()
	family := v10.FamilyPlain
	if row != nil {
		family = row.Errors
	}
	problem := v10.ProblemOf(err)
	body := problem.Append(nil, family)
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Content-Type", contentJSON)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if problem.RetryAfterS > 0 {
		h.Set("Retry-After", strconv.Itoa(problem.RetryAfterS))
	}
	w.WriteHeader(problem.Code)
	_, _ = w.Write(body) // a client that left is not told
}

const contentJSON = "application/json; charset=utf-8"

// rewrite is of what ReverseProxy passes to V10: the path stays as the client wrote it.
func (p *proxy) rewrite(r *httputil.ProxyRequest) {
	r.Out.URL = &url.URL{Scheme: p.base.Scheme, Host: p.base.Host, Opaque: requestPath(r.In), RawQuery: r.In.URL.RawQuery}
	r.Out.Host = r.In.Host
}

// passFailed answers what V10 did not.
func (p *proxy) passFailed(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		err = fault.Reasoned(fault.Timeout, reasonUnknown, "the client left")
	} else {
		err = fault.Wrap(fault.Unavailable, err, "V10 does not answer")
	}
	p.refuse(w, nil, err)
}

// serveRest serves clients until ctx ends, or the guard must. Then what is under way has drainMax; what waits for a slot is told to come later.
func (g *Guard) serveRest(ctx context.Context, l net.Listener) error {
	return serveOn(ctx, l, g.proxy, g.cfg.ConnectionsMax, g.cfg.Log, func() {
		g.proxy.draining.Store(true)
		close(g.proxy.ending)
	})
}

// serveOn serves a handler until ctx ends, and lets what is under way end.
func serveOn(ctx context.Context, l net.Listener, h http.Handler, connectionsMax int, log *slog.Logger, ending func()) error {
	web := &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: headerBytesMax, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- web.Serve(netutil.LimitListener(l, connectionsMax)) }()
	var err error
	select {
	case err = <-served:
		ending()
	case <-ctx.Done():
		ending()
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainMax)
		defer cancel()
		if web.Shutdown(grace) != nil {
			_ = web.Close() // what does not end is cut
		}
		err = <-served
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fault.Wrap(fault.Unavailable, err, "serve on %s", l.Addr())
}
