// SPDX-License-Identifier: Apache-2.0

package changefeed

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	"github.com/aurigraph/aurigraph/legacy/ledger"
	"github.com/aurigraph/aurigraph/legacy/store"
)

// Bounds of a feed. A reader that does not take a line in time is cut off, and comes back with its position.
const (
	HeartbeatMs    = 1000
	readersMax     = 16
	headerBytesMax = 8 << 10
	requestTimeout = 10 * time.Second
	lineTimeout    = 60 * time.Second
	flushBytes     = 256 << 10 // of lines before they are sent, while there are more
)

// Line is one line of a stream: a batch, or only the head, or why the stream ends.
type Line struct {
	Position string `json:"position,omitempty"`
	Origin   []byte `json:"origin,omitempty"` // base64, as keys and values
	Ops      []Op   `json:"ops,omitempty"`
	Head     string `json:"head,omitempty"`
	Error    *Error `json:"error,omitempty"`

	Generation uint64           `json:"generation,omitempty"` // of a barrier
	Guard      uint64           `json:"guard,omitempty"`      // of the newest guard before it
	Inbox      *ledger.InboxRow `json:"inbox,omitempty"`
	Height     uint64           `json:"height,omitempty"` // of the other ledger's newest block that is applied whole
	Homes      *ledger.Homes    `json:"homes,omitempty"`

	Resolutions []ledger.Resolution `json:"resolutions,omitempty"`
}

// Op is a changed row.
type Op struct {
	Family string `json:"family"`
	Key    []byte `json:"key"`
	Value  []byte `json:"value,omitempty"`
	Delete bool   `json:"delete,omitempty"`
}

// Error is a fault of the log; its reasons are those of store.ChangeLog.
type Error struct {
	Kind   string `json:"kind"`
	Reason string `json:"reason"`
	Text   string `json:"text"`
	At     string `json:"at,omitempty"` // the record that could not be applied, MAJOR.MINOR
}

// Config is what is served.
type Config struct {
	Store  store.Store
	Ledger *ledger.Ledger // in Store; nil: barriers, homes and records of the other ledger are not served
	// Keys are the sync keys, with one of which a record must be sealed. None: no record is applied.
	Keys []envelope.Key
}

// Serve serves a ledger's changes on l until ctx ends. It closes l, and nothing reads from the store when it returns.
func Serve(ctx context.Context, l net.Listener, cfg Config) error {
	handler := &feed{Store: cfg.Store, cfg: cfg}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: requestTimeout,
		ReadTimeout:       requestTimeout,
		IdleTimeout:       lineTimeout,
		MaxHeaderBytes:    headerBytesMax,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(netutil.LimitListener(l, readersMax)) }()
	select {
	case err := <-served:
		return fault.Wrap(fault.Unavailable, err, "serve the change log on %s", l.Addr())
	case <-ctx.Done():
	}
	// Streams end with ctx, which is theirs too; all else is short.
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		server.Close()
	}
	handler.close()
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fault.Wrap(fault.Unavailable, err, "serve the change log on %s", l.Addr())
	}
	return nil
}

// feed is the handler. Its gate is read-locked by every request, so that the store is not closed under one.
type feed struct {
	store.Store
	cfg    Config
	gate   sync.RWMutex
	closed bool
}

func (f *feed) close() {
	f.gate.Lock()
	defer f.gate.Unlock()
	f.closed = true
}

// ServeHTTP implements http.Handler.
func (f *feed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.gate.RLock()
	defer f.gate.RUnlock()
	switch call := r.Method + " " + r.URL.Path; {
	case f.closed:
	case call == "GET /head":
		answer(w, f.Head())
	case call == "GET /changes":
		f.changes(w, r)
	case call == "POST /trim":
		f.trim(w, r)
	case call == "POST /checkpoint":
		f.checkpoint(w, r)
	case f.cfg.Ledger != nil && f.other(w, r, call):
	default:
		refuse(w, fault.New(fault.NotFound, "there is no %s: see package changefeed", call))
	}
}

func answer(w http.ResponseWriter, p store.Position) {
	write(w, http.StatusOK, Line{Position: p.String()})
}

func write(w http.ResponseWriter, code int, l Line) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	// A reader that went away is no fault of ours.
	_ = json.NewEncoder(w).Encode(l)
}

func refuse(w http.ResponseWriter, err error) {
	code := http.StatusInternalServerError
	switch fault.KindOf(err) {
	case fault.Invalid:
		code = http.StatusBadRequest
	case fault.NotFound:
		code = http.StatusNotFound
	case fault.Conflict, fault.Refused:
		code = http.StatusConflict
	case fault.Pruned:
		code = http.StatusGone
	case fault.Unavailable, fault.Halted, fault.TryLater, fault.Timeout:
		code = http.StatusServiceUnavailable
	}
	write(w, code, Line{Error: errorOf(err)})
}

func errorOf(err error) *Error {
	e := &Error{Kind: fault.KindOf(err).String(), Reason: fault.ReasonOf(err), Text: err.Error()}
	if held, ok := ledger.AsHeld(err); ok {
		e.At = held.Position.String()
	}
	return e
}

func (f *feed) trim(w http.ResponseWriter, r *http.Request) {
	p, err := store.ParsePosition(r.URL.Query().Get("position"))
	if err == nil {
		err = f.Trim(p)
	}
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, p)
}

func (f *feed) checkpoint(w http.ResponseWriter, r *http.Request) {
	dir := r.URL.Query().Get("dir")
	if !filepath.IsAbs(dir) {
		refuse(w, fault.New(fault.Invalid, "dir must be an absolute path of a folder that does not exist"))
		return
	}
	p, err := f.Checkpoint(dir)
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, p)
}

func (f *feed) changes(w http.ResponseWriter, r *http.Request) {
	p, err := store.ParsePosition(r.URL.Query().Get("since"))
	if err != nil {
		refuse(w, err)
		return
	}
	tail, err := f.Since(p)
	if err != nil {
		refuse(w, err)
		return
	}
	defer tail.Close()
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := &lines{w: w, control: http.NewResponseController(w), bare: []byte(r.URL.Query().Get("bare"))}
	if err := out.stream(r.Context(), f.Store, tail, p); err != nil {
		_ = out.add(Line{Error: errorOf(err)})
		out.flush()
	}
}

// lines collects lines and sends them together.
type lines struct {
	w       http.ResponseWriter
	control *http.ResponseController
	bare    []byte // batches whose origin begins with it come without their rows; empty: none
	out     []byte
}

// stream sends batches until the reader goes or ctx ends, which is nil, or the log cannot go on.
func (o *lines) stream(ctx context.Context, s store.Store, tail store.Tail, at store.Position) error {
	beat := time.NewTicker(HeartbeatMs * time.Millisecond)
	defer beat.Stop()
	for {
		next, err := o.take(tail, at)
		if err != nil {
			return err
		}
		at = next
		if !o.flush() {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.Advanced(at):
			continue
		case <-beat.C:
		}
		select {
		case <-s.Advanced(at): // a head must not be told before what leads to it
		default:
			if err := o.add(Line{Head: at.String()}); err != nil {
				return err
			}
		}
	}
}

// take collects batches until there is enough or no more.
func (o *lines) take(tail store.Tail, at store.Position) (store.Position, error) {
	for len(o.out) < flushBytes {
		c, ok, err := tail.Next()
		if err != nil || !ok {
			return at, err
		}
		l := Line{Position: c.Position.String(), Origin: c.Origin}
		if len(o.bare) == 0 || !bytes.HasPrefix(c.Origin, o.bare) {
			l.Ops = opsOf(c.Ops)
		}
		if err := o.add(l); err != nil {
			return at, err
		}
		at = c.Position
	}
	return at, nil
}

func opsOf(all []store.Op) []Op {
	ops := make([]Op, len(all))
	for i, op := range all {
		ops[i] = Op{Family: op.Family.String(), Key: op.Key, Value: op.Value, Delete: op.Delete}
	}
	return ops
}

func (o *lines) add(l Line) error {
	text, err := json.Marshal(l)
	o.out = append(append(o.out, text...), '\n')
	return fault.Wrap(fault.Internal, err, "encode a change")
}

func (o *lines) flush() bool {
	// A connection that has no deadlines is one of a test.
	_ = o.control.SetWriteDeadline(time.Now().Add(lineTimeout))
	_, err := o.w.Write(o.out)
	o.out = o.out[:0]
	return err == nil && o.control.Flush() == nil
}
