// SPDX-License-Identifier: Apache-2.0

package promserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/alarm"
)

const (
	startMax = 30 * time.Second
	pollWait = 50 * time.Millisecond
)

// Config says what a Prometheus looks at.
type Config struct {
	Rules    []string      // files
	Targets  string        // file of file_sd_configs; empty: none
	Interval time.Duration // of scrapes and of rules; 0: a second
}

// Server is a Prometheus that runs.
type Server struct {
	address string
	log     bytes.Buffer
	ended   chan struct{}
}

// Start runs one until the test ends.
func Start(t testing.TB, cfg Config) *Server {
	t.Helper()
	program := Program(t, "prometheus")
	dir := t.TempDir()
	path := filepath.Join(dir, "prometheus.yaml")
	if err := os.WriteFile(path, []byte(cfg.text()), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &Server{address: freeAddress(t), ended: make(chan struct{})}
	s.start(t, program, "--config.file="+path, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+s.address, "--log.level=warn")
	s.await(t)
	return s
}

// Program finds one of the package's programs, or skips the test.
func Program(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("SKIPPED, NOTHING WAS TESTED: there is no %s: run scripts/deps", name)
	}
	return path
}

func (c *Config) text() string {
	every := c.Interval
	if every == 0 {
		every = time.Second
	}
	text := fmt.Sprintf("global: {scrape_interval: %[1]s, scrape_timeout: %[1]s, evaluation_interval: %[1]s}\n", every)
	quoted := func(paths []string) string {
		out := make([]string, len(paths))
		for i, p := range paths {
			out[i] = fmt.Sprintf("%q", p)
		}
		return "[" + strings.Join(out, ", ") + "]"
	}
	if len(c.Rules) > 0 {
		text += "rule_files: " + quoted(c.Rules) + "\n"
	}
	if c.Targets != "" {
		text += "scrape_configs:\n  - job_name: test\n    file_sd_configs: [{files: " + quoted([]string{c.Targets}) + "}]\n"
	}
	return text
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (s *Server) start(t testing.TB, program string, args ...string) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = &s.log, &s.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	began := make(chan error)
	go func() { // the thread that started it is the parent whose death ends it
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(s.ended)
		err := cmd.Start()
		began <- err
		if err == nil {
			_ = cmd.Wait() // it is killed, always
		}
	}()
	if err := <-began; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended by itself
		<-s.ended
	})
}

// await returns when the server is ready.
func (s *Server) await(t testing.TB) {
	t.Helper()
	deadline := time.After(startMax)
	for {
		answer, err := http.Get(s.URL() + "/-/ready")
		if err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case <-s.ended:
			t.Fatalf("prometheus ended by itself:\n%s", s.log.String())
		case <-deadline:
			t.Fatalf("prometheus is not ready after %s: %v", startMax, err)
		case <-time.After(pollWait):
		}
	}
}

// URL is the server's.
func (s *Server) URL() string { return "http://" + s.address }

// Firing lists the alerts that fire now, sorted.
func (s *Server) Firing(t testing.TB) (names []string) {
	t.Helper()
	rules, err := alarm.Ask(t.Context(), http.DefaultClient, s.URL())
	if err != nil {
		t.Fatal(err)
	}
	for i := range rules {
		if rules[i].Firing {
			names = append(names, rules[i].Name)
		}
	}
	slices.Sort(names)
	return names
}

// Up counts the targets that answered when they were last asked, by their label job.
func (s *Server) Up(t testing.TB) map[string]int {
	t.Helper()
	answer, err := http.Get(s.URL() + "/api/v1/query?query=" + url.QueryEscape("sum by (job) (up)"))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var said struct {
		Data struct {
			Result []struct {
				Metric struct{ Job string }
				Value  [2]any // time, and the number as text
			}
		}
	}
	if err := json.NewDecoder(answer.Body).Decode(&said); err != nil {
		t.Fatal(err)
	}
	up := map[string]int{}
	for _, r := range said.Data.Result {
		if up[r.Metric.Job], err = strconv.Atoi(fmt.Sprint(r.Value[1])); err != nil {
			t.Fatal(err)
		}
	}
	return up
}
