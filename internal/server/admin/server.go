// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/seal"
	"github.com/aurigraph/aurigraph/internal/sync/control"
)

// Bounds of a request. A client that passes one is cut off.
const (
	readTimeout = 10 * time.Second
	// callTimeout is when a question that takes long is given up: it is asked again and finds what was done.
	callTimeout    = 20 * time.Second
	writeTimeout   = callTimeout + 10*time.Second
	idleTimeout    = time.Minute
	headerBytesMax = 16 << 10
	shutdownGrace  = time.Second
)

// Headers and content of answers.
const (
	kindHeader   = "X-Fault-Kind"
	reasonHeader = "X-Fault-Reason"
	contentType  = "application/octet-stream"
)

// Paths of the requests.
const (
	pathWhere   = "/seal/where"
	pathReveal  = "/seal/reveal"
	pathPrepare = "/seal/prepare"
	pathSign    = "/seal/sign"
	pathFinish  = "/seal/finish"

	pathSyncStatus = "/sync/status"
	pathSyncRetry  = "/sync/retry"
	pathSyncSet    = "/sync/set"

	pathAlarm = "/alarm/drill"
)

// Doors are what is served: a validator's, that of a half of a sync, or several.
type Doors struct {
	Seal seal.Validator   // nil: no epoch is ended here
	Sync control.Operated // nil: nothing is synced here
	// Alarm has the node show the alarm of a drill for a while; nil: nobody sees what it shows.
	Alarm func(drill uint64)
}

// Serve answers on l until ctx ends. Requests under way get a second to finish. It closes l.
func Serve(ctx context.Context, l net.Listener, doors Doors, log *slog.Logger) error {
	s := &http.Server{
		Handler: http.MaxBytesHandler(handler(doors, log), seal.RequestBytesMax), ReadHeaderTimeout: readTimeout, ReadTimeout: readTimeout,
		WriteTimeout: writeTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: headerBytesMax,
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	select {
	case err := <-served:
		return fault.Wrap(fault.Unavailable, err, "serve the admin socket")
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	if err := s.Shutdown(grace); err != nil {
		s.Close()
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fault.Wrap(fault.Unavailable, err, "serve the admin socket")
	}
	return nil
}

// answerer answers a request's body.
type answerer func(ctx context.Context, body []byte) ([]byte, error)

func handler(doors Doors, log *slog.Logger) http.Handler {
	routes := map[string]answerer{}
	if v := doors.Seal; v != nil {
		routes["GET "+pathWhere], routes["POST "+pathReveal], routes["POST "+pathPrepare] = where(v), reveal(v), prepare(v)
		routes["POST "+pathSign], routes["POST "+pathFinish] = sign(v), finish(v)
	}
	if half := doors.Sync; half != nil {
		routes["GET "+pathSyncStatus], routes["POST "+pathSyncRetry], routes["POST "+pathSyncSet] = syncStatus(half), syncRetry(half), syncSet(half)
	}
	if doors.Alarm != nil {
		routes["POST "+pathAlarm] = raise(doors.Alarm)
	}
	mux := http.NewServeMux()
	for route, answer := range routes {
		mux.HandleFunc(route, func(w http.ResponseWriter, r *http.Request) { serve(w, r, answer, log) })
	}
	return mux
}

func serve(w http.ResponseWriter, r *http.Request, answer answerer, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(r.Context(), callTimeout)
	defer cancel()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		err = fault.Wrap(fault.Invalid, err, "read a request of at most %d bytes", seal.RequestBytesMax)
	}
	var said []byte
	if err == nil {
		said, err = answer(ctx, body)
	}
	if err != nil {
		log.Warn("an admin request was refused", "path", r.URL.Path, "reason", fault.ReasonOf(err), obs.Err(err))
		refuse(w, err)
		return
	}
	if r.Method != http.MethodGet {
		log.Info("an admin request was done", "path", r.URL.Path)
	}
	w.Header().Set("Content-Type", contentType)
	_, _ = w.Write(said) // a client that is gone asks again
}

// statusOf is the table of this edge from kinds to HTTP's codes.
func statusOf(k fault.Kind) int {
	switch k {
	case fault.Invalid:
		return http.StatusBadRequest
	case fault.Denied:
		return http.StatusForbidden
	case fault.NotFound:
		return http.StatusNotFound
	case fault.Conflict:
		return http.StatusConflict
	case fault.Refused:
		return http.StatusUnprocessableEntity
	case fault.TryLater:
		return http.StatusTooManyRequests
	case fault.Unavailable, fault.Halted:
		return http.StatusServiceUnavailable
	case fault.Timeout:
		return http.StatusGatewayTimeout
	case fault.Pruned:
		return http.StatusGone
	}
	return http.StatusInternalServerError
}

func refuse(w http.ResponseWriter, err error) {
	kind := fault.KindOf(err)
	w.Header().Set(kindHeader, kind.String())
	w.Header().Set(reasonHeader, fault.ReasonOf(err))
	http.Error(w, err.Error(), statusOf(kind))
}

func raise(alarm func(drill uint64)) answerer {
	return func(_ context.Context, body []byte) ([]byte, error) {
		if len(body) != 8 {
			return nil, fault.Reasoned(fault.Invalid, "malformed", "a request to raise a drill's alarm has 8 bytes, not %d", len(body))
		}
		alarm(binary.LittleEndian.Uint64(body))
		return nil, nil
	}
}

func where(v seal.Validator) answerer {
	return func(ctx context.Context, _ []byte) ([]byte, error) {
		x, err := v.Where(ctx)
		if err != nil {
			return nil, err
		}
		return seal.AppendWhere(nil, x), nil
	}
}

func reveal(v seal.Validator) answerer {
	return func(ctx context.Context, body []byte) ([]byte, error) {
		if len(body) != 16 {
			return nil, fault.Reasoned(fault.Invalid, "malformed", "a request to reveal has 16 bytes, not %d", len(body))
		}
		r, err := v.Reveal(ctx, chain.ChainID(binary.LittleEndian.Uint64(body)), chain.Epoch(binary.LittleEndian.Uint64(body[8:])))
		if err != nil {
			return nil, err
		}
		return seal.AppendReveal(nil, r), nil
	}
}

func prepare(v seal.Validator) answerer {
	return func(ctx context.Context, body []byte) ([]byte, error) {
		p, err := seal.DecodePlan(body)
		if err != nil {
			return nil, err
		}
		c, err := v.Prepare(ctx, p)
		if err != nil {
			return nil, err
		}
		return seal.AppendClaim(nil, c), nil
	}
}

func sign(v seal.Validator) answerer {
	return func(ctx context.Context, body []byte) ([]byte, error) {
		p, claims, err := seal.DecodeAsk(body)
		if err != nil {
			return nil, err
		}
		a, err := v.Sign(ctx, p, claims)
		if err != nil {
			return nil, err
		}
		return append(binary.LittleEndian.AppendUint16(nil, uint16(a.Validator)), a.Signature...), nil
	}
}

func finish(v seal.Validator) answerer {
	return func(ctx context.Context, body []byte) ([]byte, error) {
		p, err := codec.DecodeProvedHandover(body)
		if err != nil {
			return nil, err
		}
		return nil, v.Finish(ctx, p)
	}
}
