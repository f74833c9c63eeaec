// SPDX-License-Identifier: Apache-2.0

package obs

import (
	"encoding/json"
	"net/http"
	"sort"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// reasonStarting is what a component that has not spoken yet says.
const reasonStarting = "starting"

// Health holds which components are ready and why the others are not. It is safe for concurrent use.
type Health struct {
	mu      sync.RWMutex
	reasons map[string]string // component -> why it is not ready; "" is ready
}

// NewHealth returns a Health that is ready once each of components is. They begin as not ready.
func NewHealth(components ...string) *Health {
	h := &Health{reasons: make(map[string]string, len(components))}
	for _, c := range components {
		h.reasons[c] = reasonStarting
	}
	return h
}

// Ready says that a component serves.
func (h *Health) Ready(component string) { h.set(component, "") }

// NotReady says that a component does not serve, and why; an empty reason counts as "starting".
func (h *Health) NotReady(component, reason string) {
	if reason == "" {
		reason = reasonStarting
	}
	h.set(component, reason)
}

func (h *Health) set(component, reason string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.reasons[component] = reason
}

// IsReady reports whether every component is ready.
func (h *Health) IsReady() bool { return len(h.status().NotReady) == 0 }

// readiness is the body of /readyz.
type readiness struct {
	Ready    []string          `json:"ready"`
	NotReady map[string]string `json:"not_ready,omitempty"`
}

func (h *Health) status() readiness {
	h.mu.RLock()
	defer h.mu.RUnlock()
	s := readiness{Ready: []string{}, NotReady: map[string]string{}}
	for c, reason := range h.reasons {
		if reason == "" {
			s.Ready = append(s.Ready, c)
		} else {
			s.NotReady[c] = reason
		}
	}
	sort.Strings(s.Ready)
	return s
}

// Handler serves GET /metrics (Prometheus text), /healthz (200 while the process answers) and /readyz (200 when every
// component is ready, else 503; the JSON body names them with their reasons).
func Handler(g prometheus.Gatherer, h *Health) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(g, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "alive"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		status, code := h.status(), http.StatusOK
		if len(status.NotReady) > 0 {
			code = http.StatusServiceUnavailable
		}
		writeJSON(w, code, status)
	})
	return mux
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	// A client that went away is no fault of ours, and there is nobody left to tell.
	_ = json.NewEncoder(w).Encode(v)
}
