// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const profileText = `mode: set
github.com/aurigraph/aurigraph/internal/a/a.go:1.1,2.2 3 0
github.com/aurigraph/aurigraph/internal/a/a.go:1.1,2.2 3 1
github.com/aurigraph/aurigraph/internal/a/a.go:3.1,4.2 1 0
github.com/aurigraph/aurigraph/internal/testkit/a.go:3.1,4.2 100 0
github.com/aurigraph/aurigraph/internal/a/atest/a.go:3.1,4.2 100 0
github.com/aurigraph/aurigraph/gen/a.pb.go:3.1,4.2 100 0
example.com/other/a.go:3.1,4.2 100 0
`

// TestStatements counts a block once, as run if it ran anywhere, and the product alone.
func TestStatements(t *testing.T) {
	c, err := readProfile(strings.NewReader(profileText))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if whole := c.print(&out); whole != (share{3, 4}) || !strings.Contains(out.String(), "internal/a                                 75.0 % of 4\n") {
		t.Errorf("%+v %s", whole, out.String())
	}
	for _, bad := range []string{"a b\n", "a b 1\n"} {
		if _, err := readProfile(strings.NewReader(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

const testsText = `package a
import (
	"os/exec"
	kafka "github.com/aurigraph/aurigraph/internal/testkit/kafkaserver"
)
type world struct{}
func (w *world) begin() { kafka.Start(nil) }
func newWorld() *world { w := &world{}; w.begin(); return w }
func TestServer(t *T) { newWorld() }
func TestProcess(t *T) { exec.Command("true") }
func TestLooks(t *T) { exec.LookPath("true") }
func TestUp(t *T) { run(append([]string{"up", "--json"}, "x")) }
func TestPure(t *T) { t.Run("a", func(t *T) { pure() }) }
func pure() { pure() }
`

// TestIntegration counts tests that reach something real, and their subtests, if they passed.
func TestIntegration(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "internal", "a")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "a_test.go"), []byte(testsText), 0o600); err != nil {
		t.Fatal(err)
	}
	real, err := realTests(dir)
	if got := slices.Sorted(maps.Keys(real)); err != nil || !slices.Equal(got, []string{"TestProcess", "TestServer", "TestUp"}) {
		t.Errorf("%v %v", got, err)
	}
	var events strings.Builder
	for _, e := range []string{"pass TestServer", "pass TestServer/a", "skip TestProcess", "fail TestUp", "pass TestUp", "pass TestPure", "pass TestPure/a", "pass "} {
		action, test, _ := strings.Cut(e, " ")
		events.WriteString(`{"Action":"` + action + `","Package":"` + module + `internal/a","Test":"` + test + "\"}\n")
	}
	ran, err := readEvents(strings.NewReader(events.String() + "no json\n"))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := printTests(&out, root, ran); err != nil || !strings.HasSuffix(out.String(), "tests: 4 passed, 1 failed; integration tests: 2\n") {
		t.Errorf("%v %s", err, out.String())
	}
}
