// SPDX-License-Identifier: Apache-2.0

package controller

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/obs"
)

// shownBy drives with metrics until a play has ended, and says what they show as text.
func (s *stage) shownBy(m *Metrics, r *prometheus.Registry, play func()) string {
	s.Helper()
	ctx, cancel := context.WithCancel(s.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Run(ctx, Config{Journal: s.journal, World: s.world, Holder: "a", Metrics: m})
	}()
	play()
	text := scraped(s.T, r)
	cancel()
	if err := <-ended; err != nil {
		s.Error(err)
	}
	return text
}

// scraped is what a Prometheus gets.
func scraped(t *testing.T, r *prometheus.Registry) string {
	t.Helper()
	answer := httptest.NewRecorder()
	obs.Handler(r, obs.NewHealth()).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	if answer.Code != http.StatusOK {
		t.Errorf("a scrape is answered with %d %s", answer.Code, answer.Body)
	}
	return answer.Body.String()
}

func newShown(t *testing.T) (*Metrics, *prometheus.Registry) {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	m, err := NewMetrics(r)
	if err != nil {
		t.Fatal(err)
	}
	return m, r
}

// TestMetrics: what a controller shows is what the journal and the world say, through a canary, a reverse, a rollback and a drill.
func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		m, r := newShown(t)
		idle := s.shownBy(m, r, func() { await(s.Context(), nil, 2*time.Second) })
		wantShown(t, idle, `lease_held 1`, `phase{phase="idle"} 1`, `phase{phase="canary"} 0`, `reverses_total{rule="errors"} 0`, `step 0`)
		if strings.Contains(idle, "weight_basis_points") || strings.Contains(idle, "gate_unmet") {
			t.Errorf("nobody looked, and it shows how things stand:\n%s", idle)
		}
		wantShown(t, scraped(t, r), `lease_held 0`)
		if text := scraped(t, r); strings.Contains(text, "phase") {
			t.Errorf("it does not drive, and shows:\n%s", text)
		}
		canary := s.shownBy(m, r, func() {
			s.begin(planText)
			s.untilAt(2500) // an approval is missing, so it stays
			await(s.Context(), nil, 5*time.Second)
			s.want(migration.Entry{Kind: migration.KindRehearse})
			s.until("a drill", func() bool { return s.goodDrills() == 1 })
			await(s.Context(), nil, 2*time.Second)
		})
		wantShown(t, canary, `phase{phase="canary"} 1`, `weight_basis_points 2500`, `target_basis_points 2500`, `step 2`, `gate_unmet{gate="approvals"} 1`,
			`gate_unmet{gate="guard"} 0`, `drills_total{ok="true"} 1`, `rollback_ready 1`, `lag_seconds{direction="v10_to_v11"} 0.003`, `differences 0`,
			`judge_evidence_limit{test="errors"} `, `tick_age_seconds `)
		back := s.shownBy(m, r, func() {
			s.world.set(func() { s.world.alarm = 3 })
			s.untilAt(0)
			s.world.set(func() { s.world.alarm, s.world.unknown = 0, "no route" })
			await(s.Context(), nil, 2*time.Second)
		})
		wantShown(t, back, `reversed{by="controller"} 1`, `reversed{by="operator"} 0`, `reverses_total{rule="divergence"} 1`, `gate_unmet{gate="ledger"} 1`, `rollback_ready 0`)
		if strings.Contains(back, "weight_basis_points") {
			t.Errorf("nobody knows the weight, and it is shown:\n%s", back)
		}
	})
}

func wantShown(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, "\naurigraph_migration_"+line) {
			t.Errorf("it does not show %s:\n%s", line, text)
		}
	}
}
