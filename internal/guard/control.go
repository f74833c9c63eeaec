// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"net"
	"net/http"
	"strconv"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
)

// Bounds of the control interface.
const (
	controlBytesMax       = 1 << 20
	controlConnectionsMax = 32
)

// Status is what GET /status answers.
type Status struct {
	HomeVersion uint64            `json:"home_version"`
	Generation  uint64            `json:"generation"`
	V10         int               `json:"v10"` // of the 10,000 slots, those that V10 owns
	V11         int               `json:"v11"`
	Closed      []chain.SlotRange `json:"closed"` // at this version
	Coming      []chain.SlotRange `json:"coming"` // to V10, which has not applied enough
	Held        int64             `json:"held"`   // requests that wait
	UnderWay    int64             `json:"under_way"`
	Trouble     string            `json:"trouble,omitempty"` // V11 does not tell its moves
}

// FenceRequest is what POST /fence takes.
type FenceRequest struct {
	HomeVersion uint64            `json:"home_version"`
	Slots       []chain.SlotRange `json:"slots"`
}

// FenceAnswer is a signed fence, as MoveSlots wants it.
type FenceAnswer struct {
	HomeVersion uint64            `json:"home_version"`
	Slots       []chain.SlotRange `json:"slots"`
	Incarnation string            `json:"incarnation"` // of V10, hex
	Major       uint64            `json:"major"`       // V10's position
	Minor       uint32            `json:"minor"`
	Signature   string            `json:"signature"` // hex
}

// controlError is a refusal.
type controlError struct {
	Error struct {
		Kind   string `json:"kind"`
		Reason string `json:"reason"`
		Text   string `json:"text"`
	} `json:"error"`
}

// Status says where the guard stands.
func (g *Guard) Status() Status {
	s := g.current.Load()
	st := Status{HomeVersion: s.Version, Generation: s.Generation, Closed: []chain.SlotRange{}, Coming: []chain.SlotRange{}, Held: g.proxy.held.Load(), UnderWay: g.proxy.underWay.Load()}
	for _, at := range s.sides[:chain.SlotsMax] {
		if at == atV11 {
			st.V11++
		} else {
			st.V10++
		}
	}
	s.sides.ranges(func(r chain.SlotRange, at side) {
		switch at {
		case closed:
			st.Closed = append(st.Closed, r)
		case coming:
			st.Coming = append(st.Coming, r)
		}
	})
	if text := g.trouble.Load(); text != nil {
		st.Trouble = *text
	}
	return st
}

// serveControl serves the controller. Who reaches the address may close slots, which stops their debits: it is the machine's own.
func (g *Guard) serveControl(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { sendJSON(w, http.StatusOK, g.Status()) })
	mux.HandleFunc("GET /callers", func(w http.ResponseWriter, _ *http.Request) { sendJSON(w, http.StatusOK, g.callers.list()) })
	mux.HandleFunc("POST /fence", g.fenceCall)
	if g.cfg.Metrics != nil {
		mux.Handle("GET /metrics", obs.Handler(g.cfg.Metrics, obs.NewHealth()))
	}
	return serveOn(ctx, l, mux, controlConnectionsMax, g.cfg.Log, func() {})
}

func (g *Guard) fenceCall(w http.ResponseWriter, r *http.Request) {
	var q FenceRequest
	in := json.NewDecoder(http.MaxBytesReader(w, r.Body, controlBytesMax))
	in.DisallowUnknownFields()
	err := fault.Wrap(fault.Invalid, in.Decode(&q), "read the fence that is asked for")
	var f *SignedFence
	if err == nil {
		f, err = g.Fence(r.Context(), q.HomeVersion, q.Slots)
	}
	if err != nil {
		refuseControl(w, err)
		return
	}
	sendJSON(w, http.StatusOK, FenceAnswer{
		HomeVersion: f.HomeVersion, Slots: f.Slots, Incarnation: hex.EncodeToString(f.Incarnation[:]), Major: f.Position.Major, Minor: f.Position.Minor,
		Signature: hex.EncodeToString(f.Signature),
	})
}

var controlCodes = map[fault.Kind]int{
	fault.Invalid: http.StatusBadRequest, fault.Conflict: http.StatusConflict, fault.Refused: http.StatusConflict,
	fault.TryLater: http.StatusServiceUnavailable, fault.Unavailable: http.StatusServiceUnavailable, fault.Halted: http.StatusServiceUnavailable,
	fault.Timeout: http.StatusGatewayTimeout,
}

func refuseControl(w http.ResponseWriter, err error) {
	code, ok := controlCodes[fault.KindOf(err)]
	if !ok {
		code = http.StatusInternalServerError
	}
	var e controlError
	e.Error.Kind, e.Error.Reason, e.Error.Text = fault.KindOf(err).String(), fault.ReasonOf(err), err.Error()
	sendJSON(w, code, e)
}

func sendJSON(w http.ResponseWriter, code int, v any) {
	text, err := json.Marshal(v)
	fault.Invariant(err == nil, "an answer does not encode: %v", err)
	text = append(text, '\n')
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(code)
	_, _ = w.Write(text) // a caller that left is not told
}
