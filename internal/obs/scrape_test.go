// SPDX-License-Identifier: Apache-2.0

package obs

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// TestScrape reads what a process shows of itself, and takes nothing else for it.
func TestScrape(t *testing.T) {
	answers := http.NewServeMux()
	answers.Handle("/metrics", Handler(NewRegistry(), NewHealth()))
	answers.HandleFunc("/page", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>no metrics</html>") })
	s := httptest.NewServer(answers)
	defer s.Close()
	defer http.DefaultClient.CloseIdleConnections()
	families, err := Scrape(t.Context(), s.URL+"/metrics")
	if err != nil {
		t.Fatal(err)
	}
	if m := families["process_resident_memory_bytes"].GetMetric(); len(m) != 1 || m[0].GetGauge().GetValue() < 1<<20 {
		t.Errorf("this process needs %v", m)
	}
	for path, kind := range map[string]fault.Kind{"/page": fault.Corrupt, "/nothing": fault.Unavailable} {
		if _, err := Scrape(t.Context(), s.URL+path); !fault.Is(err, kind) {
			t.Errorf("%s: %v", path, err)
		}
	}
	s.Close()
	if _, err := Scrape(t.Context(), s.URL+"/metrics"); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}
