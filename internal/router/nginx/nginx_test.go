// SPDX-License-Identifier: Apache-2.0

package nginx

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"path/filepath"
	"testing"

	"github.com/aurigraph/aurigraph/internal/nginx"
	"github.com/aurigraph/aurigraph/internal/router"
	"github.com/aurigraph/aurigraph/internal/router/routertest"
)

// need skips a test aloud where nginx is not installed.
func need(t testing.TB) string {
	t.Helper()
	path, err := nginx.Find()
	if err != nil {
		t.Skipf("*** SKIPPED: %v ***", err)
	}
	return path
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func free(t testing.TB) string {
	t.Helper()
	port, err := nginx.FreePort()
	must(t, err)
	return fmt.Sprintf("127.0.0.1:%d", port)
}

func TestSuite(t *testing.T) {
	need(t)
	routertest.Run(t, func(t *testing.T, v10, v11 string) *routertest.Router {
		dir := t.TempDir()
		r := &routertest.Router{}
		var n *Router
		begin := func(t *testing.T) {
			var err error
			c := Config{Dir: dir, Listen: []string{free(t)}, Admin: free(t), Workers: 2, V10: Upstream{Servers: []string{v10}}, V11: Upstream{Servers: []string{v11}}}
			n, err = Start(t.Context(), c)
			must(t, err)
			r.Driver, r.Address = n, n.Address()
		}
		t.Cleanup(func() { must(t, n.Stop()) })
		r.Restart = func(t *testing.T) { must(t, n.Stop()); begin(t) }
		r.Outcomes = func(t *testing.T, _ int) []router.Outcome {
			must(t, n.Stop()) // it writes what it holds back
			return logged(t, filepath.Join(dir, "access.log"))
		}
		begin(t)
		return r
	})
}

// resummed gives a text its right checksum.
func resummed(text []byte) []byte {
	at := bytes.LastIndex(text, []byte("crc32 "))
	body := text[:at:at]
	return fmt.Appendf(body, "crc32 %08x\n", crc32.ChecksumIEEE(body))
}

func BenchmarkAdded(b *testing.B) {
	routertest.Bench(b, func(b *testing.B, v10, v11 string) *routertest.Router {
		r := start(b, Config{Workers: 2, V10: Upstream{Servers: []string{v10}}, V11: Upstream{Servers: []string{v11}}})
		return &routertest.Router{Driver: r, Address: r.Address()}
	})
}
