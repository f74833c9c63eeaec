// SPDX-License-Identifier: Apache-2.0

package obs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/obs/obstest"
	"github.com/prometheus/client_golang/prometheus"
)

func TestLogger(t *testing.T) {
	var b bytes.Buffer
	log := obs.NewLogger(&b, slog.LevelInfo)
	log.Debug("dropped")
	log.Info("one", obs.KeyHeight, 7, obs.Seconds(1500*time.Millisecond), obs.Err(fault.New(fault.Corrupt, "bad")), obs.Err(nil))
	var got map[string]any
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatalf("not one JSON line: %v: %s", err, b.String())
	}
	if !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`).MatchString(got["time"].(string)) {
		t.Error(got["time"])
	}
	delete(got, "time")
	want := map[string]any{"level": "INFO", "msg": "one", "height": 7.0, "seconds": 1.5, "err": "bad", "kind": "corrupt"}
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s = %v, want %v", k, got[k], v)
		}
	}
	if len(got) != len(want) {
		t.Error(got)
	}
}

func TestParseLevel(t *testing.T) {
	for _, l := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
		if got, err := obs.ParseLevel(strings.ToLower(l.String())); err != nil || got != l {
			t.Error(got, err)
		}
	}
	if _, err := obs.ParseLevel("loud"); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}

// TestKeys reads keys.go: keys are snake_case, sorted, and each its own.
func TestKeys(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "keys.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	ast.Inspect(f, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			keys = append(keys, strings.Trim(lit.Value, `"`))
		}
		return true
	})
	if !slices.IsSorted(keys) || len(slices.Compact(slices.Clone(keys))) != len(keys) || len(keys) < 20 {
		t.Error("keys are not sorted or not unique:", keys)
	}
	for _, k := range keys {
		if !regexp.MustCompile(`^[a-z][a-z_]*$`).MatchString(k) {
			t.Errorf("key %q is not snake_case", k)
		}
	}
}

func TestStages(t *testing.T) {
	r := obs.NewRegistry()
	timer, err := obs.NewStageTimer(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := obs.NewStageTimer(r); !fault.Is(err, fault.Internal) {
		t.Error("registered twice:", err)
	}
	for _, s := range obs.Stages() {
		timer.Observe(s, 3*time.Millisecond)
	}
	if n := testing.AllocsPerRun(50, func() { timer.Observe(obs.StageOrder, time.Second) }); n != 0 {
		t.Errorf("an observation allocates %v times", n)
	}
	if obs.Stage(99).String() != "unknown" {
		t.Error(obs.Stage(99))
	}
	body, _ := get(r, obs.NewHealth(), "/metrics")
	for _, s := range obs.Stages() {
		if want := `aurigraph_node_stage_seconds_bucket{stage="` + s.String() + `",le="0.005"} 1`; !strings.Contains(body, want) {
			t.Errorf("metrics lack %s", want)
		}
	}
	defer func() {
		if _, ok := recover().(*fault.Violation); !ok {
			t.Error("a stage that does not exist was taken")
		}
	}()
	timer.Observe(99, 0)
}

func get(r prometheus.Gatherer, h *obs.Health, path string) (body string, code int) {
	w := httptest.NewRecorder()
	obs.Handler(r, h).ServeHTTP(w, httptest.NewRequest("GET", path, nil))
	return w.Body.String(), w.Code
}

func TestMetrics(t *testing.T) {
	r := obs.NewRegistry()
	if _, err := obs.NewStageTimer(r); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(obstest.MetricNames(r), " "); got != "aurigraph_fault_violations_total aurigraph_node_stage_seconds" {
		t.Error(got)
	}
	before, _ := get(r, obs.NewHealth(), "/metrics")
	func() {
		var err error
		defer fault.Recover(&err)
		fault.Invariant(false, "on purpose")
	}()
	after, code := get(r, obs.NewHealth(), "/metrics")
	if code != 200 || counter(before) == counter(after) || !strings.Contains(after, "go_goroutines") || !strings.Contains(after, "process_") {
		t.Errorf("%d %q %q", code, counter(before), counter(after))
	}
}

func counter(body string) string {
	return regexp.MustCompile(`(?m)^aurigraph_fault_violations_total .*$`).FindString(body)
}

func TestHealth(t *testing.T) {
	r, h := obs.NewRegistry(), obs.NewHealth("store", "order")
	expect := func(path string, wantCode int, wantBody string) {
		t.Helper()
		if body, code := get(r, h, path); code != wantCode || strings.TrimSpace(body) != wantBody {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	expect("/healthz", 200, `{"status":"alive"}`)
	expect("/readyz", 503, `{"ready":[],"not_ready":{"order":"starting","store":"starting"}}`)
	h.Ready("store")
	h.NotReady("order", "no leader")
	expect("/readyz", 503, `{"ready":["store"],"not_ready":{"order":"no leader"}}`)
	h.Ready("order")
	expect("/readyz", 200, `{"ready":["order","store"]}`)
	if !h.IsReady() {
		t.Error("not ready")
	}
	h.NotReady("order", "")
	expect("/readyz", 503, `{"ready":["store"],"not_ready":{"order":"starting"}}`)
	if _, code := get(r, h, "/other"); code != 404 {
		t.Error(code)
	}
}

func TestBuckets(t *testing.T) {
	for _, b := range [][]float64{obs.LatencyBuckets(), obs.SizeBuckets(), obs.CountBuckets()} {
		if !slices.IsSorted(b) || len(b) < 10 {
			t.Error(b)
		}
	}
	if l := obs.LatencyBuckets(); l[0] != 50e-6 || l[len(l)-1] != 10 {
		t.Error(l)
	}
	if a := obs.Err(errors.New("x")); a.Value.Group()[1].Value.String() != "internal" {
		t.Error(a)
	}
}
