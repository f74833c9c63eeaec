// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy/ledger"
)

// Config is what New may be told.
type Config struct {
	Log         *slog.Logger          // nil: none
	Register    prometheus.Registerer // nil: no metrics
	Network     string                // name that /api/v10/info gives, DefaultNetwork
	Environment string                // DefaultEnvironment
	Version     string                // of the program, v10.VersionLocal
	Engine      string                // of the store, for people
	Now         func() time.Time      // time.Now
	DrainNotice time.Duration         // how long a server that is told to stop says so before it stops, a second
}

// What a server calls itself if it is not told.
const (
	DefaultNetwork     = "aurigraph-v10"
	DefaultEnvironment = "development"
)

// Server is the http.Handler of a ledger. Sample must run beside it for Vizor's charts to fill.
type Server struct {
	ledger   *ledger.Ledger
	cfg      Config
	began    time.Time
	first    uint64 // transactions when it began
	handlers map[string]handler
	streams  map[string]stream
	load     load
	samples  samples
	signer   signer
	tokens   tokens
	requests *prometheus.CounterVec

	// gate is read-locked by every request, also by a socket that took its connection over. Once it is closed none gets in: the
	// store can go.
	gate   sync.RWMutex
	closed bool

	draining atomic.Bool
	drained  chan struct{} // closed when draining begins
	refusals atomic.Uint64
	inFlight atomic.Int64
	streamed atomic.Int64
}

// handler answers a call with a value that v10.Marshal encodes, or with a body.
type handler func(*call) (any, error)

// stream answers piece by piece.
type stream func(*call, http.ResponseWriter) error

// body is an answer that is encoded already.
type body struct {
	content    string // type; empty: JSON
	attachment string // file name; empty: none
	bytes      []byte
	code       int // 0: 200
}

// call is one request that found its row.
type call struct {
	*http.Request
	row    *v10.Endpoint
	params v10.Params
	bytes  []byte // of the body
}

// New makes a server over a running ledger.
func New(l *ledger.Ledger, cfg Config) (*Server, error) {
	cfg.fill()
	s := &Server{ledger: l, cfg: cfg, began: cfg.Now(), first: l.Totals().Transactions, drained: make(chan struct{})}
	var err error
	if s.signer, err = newSigner(); err != nil {
		return nil, err
	}
	if s.tokens, err = newTokens(cfg.Now); err != nil {
		return nil, err
	}
	s.route()
	s.requests = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "aurigraph_v10_requests_total", Help: "Requests by group of the table and status code.",
	}, []string{"group", "code"})
	if cfg.Register != nil {
		err = cfg.Register.Register(s.requests)
	}
	return s, fault.Wrap(fault.Internal, err, "register the server's metrics")
}

func (c *Config) fill() {
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Network == "" {
		c.Network = DefaultNetwork
	}
	if c.Version == "" {
		c.Version = v10.VersionLocal
	}
	if c.Environment == "" {
		c.Environment = DefaultEnvironment
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.DrainNotice == 0 {
		c.DrainNotice = drainNotice
	}
}

// Drain makes the server say that it goes: it is unhealthy, ends streams and closes connections after their answer. It may
// be called once.
func (s *Server) Drain() {
	s.draining.Store(true)
	close(s.drained)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.closed {
		return
	}
	s.inFlight.Add(1)
	defer s.inFlight.Add(-1)
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	if s.draining.Load() {
		h.Set("Connection", "close")
	}
	if r.Method == http.MethodOptions {
		s.preflight(w, r)
		return
	}
	row, params, err := v10.Match(r.Method, requestPath(r))
	if err != nil {
		s.refuse(w, nil, err)
		return
	}
	if row.Is501() {
		s.refuse(w, row, problem{v10.ProblemOfMissing(row.Missing)})
		return
	}
	s.serve(w, &call{Request: r, row: row, params: params})
}

// requestPath is the path as the client wrote it: two spellings of one name are told apart by nobody else.
func requestPath(r *http.Request) string {
	path, _, _ := strings.Cut(r.RequestURI, "?")
	if !strings.HasPrefix(path, "/") {
		return r.URL.EscapedPath()
	}
	return path
}

// preflight answers OPTIONS on any path, as Express's cors does.
func (s *Server) preflight(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", "GET,HEAD,PUT,PATCH,POST,DELETE")
	if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
		h.Set("Access-Control-Allow-Headers", asked)
		h.Set("Vary", "Access-Control-Request-Headers")
	}
	h.Set("Content-Length", "0")
	w.WriteHeader(http.StatusNoContent)
	s.count("", http.StatusNoContent)
}

func (s *Server) serve(w http.ResponseWriter, c *call) {
	ctx, cancel := context.WithTimeout(c.Context(), time.Duration(c.row.DeadlineMs)*time.Millisecond)
	defer cancel()
	c.Request = c.WithContext(ctx)
	key := c.row.Method + " " + c.row.Path
	if stream, ok := s.streams[key]; ok {
		s.serveStream(w, c, stream)
		return
	}
	err := c.readBody(w)
	if err != nil {
		s.refuse(w, c.row, err)
		return
	}
	answer, err := s.answer(s.handlers[key], c)
	if err != nil {
		s.refuse(w, c.row, err)
		return
	}
	s.send(w, c, answer)
}

// answer calls a handler. A bug in one costs its request alone.
func (s *Server) answer(h handler, c *call) (answer any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fault.New(fault.Internal, "a handler gave up: %v", p)
		}
	}()
	return h(c)
}

// problem is an error with its V10 form.
type problem struct{ v10.Problem }

func (p problem) Error() string { return p.Text }

// refuse sends an error in its row's form.
func (s *Server) refuse(w http.ResponseWriter, row *v10.Endpoint, err error) {
	s.refusals.Add(1)
	family, group := v10.FamilyPlain, ""
	if row != nil {
		family, group = row.Errors, string(row.Group)
	}
	var p problem
	if !errors.As(err, &p) {
		p.Problem = v10.ProblemOf(err)
	}
	if p.Code >= http.StatusInternalServerError && p.Code != http.StatusNotImplemented {
		s.cfg.Log.Warn("a request failed", obs.KeyMethod, group, obs.Err(err))
	}
	h := w.Header()
	if fault.ReasonOf(err) == v10.ReasonOldGeneration {
		h.Set(v10.HeaderGeneration, strconv.FormatUint(s.ledger.Totals().Guard, 10))
	}
	if p.RetryAfterS > 0 {
		h.Set("Retry-After", strconv.Itoa(p.RetryAfterS))
	}
	s.write(w, group, p.Code, "", p.Append(nil, family))
}

// send sends an answer, or says that the client has it already.
func (s *Server) send(w http.ResponseWriter, c *call, answer any) {
	b, ok := answer.(body)
	if !ok {
		b.bytes = v10.Marshal(answer)
	}
	if b.code == 0 {
		b.code = http.StatusOK
	}
	h := w.Header()
	if b.attachment != "" {
		h.Set("Content-Disposition", `attachment; filename="`+b.attachment+`"`)
	}
	if b.code == http.StatusOK {
		etag := string(v10.AppendETag(nil, b.bytes))
		h.Set("ETag", etag)
		if c.row.Method == http.MethodGet && v10.Fresh(c.Header.Get("If-None-Match"), etag) {
			w.WriteHeader(http.StatusNotModified)
			s.count(string(c.row.Group), http.StatusNotModified)
			return
		}
	}
	s.write(w, string(c.row.Group), b.code, b.content, b.bytes)
}

const contentJSON = "application/json; charset=utf-8"

func (s *Server) write(w http.ResponseWriter, group string, code int, content string, text []byte) {
	if content == "" {
		content = contentJSON
	}
	h := w.Header()
	h.Set("Content-Type", content)
	h.Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(code)
	// A client that went away is no fault of ours, and there is nobody left to tell.
	_, _ = w.Write(text)
	s.count(group, code)
}

func (s *Server) count(group string, code int) {
	s.requests.WithLabelValues(group, strconv.Itoa(code)).Inc()
}
