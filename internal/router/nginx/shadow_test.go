// SPDX-License-Identifier: Apache-2.0

package nginx

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/router"
)

// reads asks for something n times over one connection.
func reads(t *testing.T, r *Router, path string, n int) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for range n {
		q, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+r.Address()+path, nil)
		must(t, err)
		q.Header = http.Header{"Authorization": {"Bearer secret-token"}, "X-Api-Key": {"secret-key"}, "X-Other": {"stays"}, router.RequestIDHeader: {"a client's own"}}
		resp, err := client.Do(q)
		must(t, err)
		if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
			t.Errorf("%d %v", resp.StatusCode, err)
		}
		_ = resp.Body.Close()
	}
}

// TestShadowIsTold: each read that was routed is named with its way, its id and the client's credentials, and nothing else is; over a port and over a socket.
func TestShadowIsTold(t *testing.T) {
	need(t)
	for _, network := range []string{"tcp", "unix"} {
		heard := make(chan *http.Request, 100)
		shadow := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			heard <- r
			w.WriteHeader(http.StatusNoContent)
		}))
		c := Config{Dir: t.TempDir(), Workers: 1, ShadowBP: wholeBP}
		c.Shadow = shadow.Listener.Addr().String()
		if network == "unix" {
			path := filepath.Join(c.Dir, "shadow.sock")
			l, err := net.Listen(network, path)
			must(t, err)
			_ = shadow.Listener.Close() // another one takes its place
			shadow.Listener, c.Shadow = l, socketPrefix+path
		}
		shadow.Start()
		defer shadow.Close()
		v10, v11 := newServer(t, "v10"), newServer(t, "v11")
		c.V10, c.V11 = Upstream{Servers: []string{v10.address()}}, Upstream{Servers: []string{v11.address()}}
		r := start(t, c)
		m := router.Map{Version: 7}
		slot := keys.AliasSlot("alice ltd")
		must(t, m.V11.Set(chain.SlotRange{From: slot, To: slot}))
		must(t, router.Apply(t.Context(), r, m))
		client := &http.Client{Transport: &http.Transport{}}
		post(t, client, "http://"+r.Address()+payPath, `{"from":"alice ltd"}`)
		client.CloseIdleConnections()
		reads(t, r, "/api/v10/accounts/alice%20ltd/balances?x=%2f", 3)
		reads(t, r, "/api/v10/assets", 1)
		ids := v11.taken()[1:]
		ids = append(ids, v10.taken()...)
		for i, id := range ids {
			got := <-heard
			uri, way := "/api/v10/accounts/alice%20ltd/balances?x=%2f", router.Way{Side: router.V11, By: router.BySlot, Slot: slot}
			if i == 3 {
				uri, way = "/api/v10/assets", router.Way{Slot: chain.SlotNone}
			}
			h := got.Header
			if got.URL.Path != router.MirrorPath || h.Get(router.OriginalMethodHeader) != "GET" || h.Get(router.OriginalURIHeader) != uri ||
				h.Get(router.OriginalWayHeader) != way.String() || h.Get(router.RequestIDHeader) != id {
				t.Errorf("%s %v", got.URL, h)
			}
			if h.Get("Authorization") != "Bearer secret-token" || h.Get("X-Api-Key") != "secret-key" || h.Get("X-Other") != "" {
				t.Errorf("credentials: %v", h)
			}
		}
		counted(t, r, `aurigraph_router_shadow_total{result="told"} 4`)
		if len(heard) != 0 {
			t.Errorf("it was told of more: %v", (<-heard).Header)
		}
	}
}

func counted(t *testing.T, r *Router, want string) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for text := metrics(t, r); !strings.Contains(text, want); text = metrics(t, r) {
		if time.Now().After(deadline) {
			t.Fatalf("the counters lack %s, they are\n%s", want, text)
		}
		<-time.After(time.Millisecond)
	}
}

// TestShadowIsAway: a shadow that refuses connections, or takes them and never answers, costs clients nothing: neither the request that it is told of, nor the next one
// on that connection.
func TestShadowIsAway(t *testing.T) {
	need(t)
	hangs, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer hangs.Close()
	for address, want := range map[string]string{
		free(t):               `aurigraph_router_shadow_total{result="failed"} `,
		hangs.Addr().String(): `aurigraph_router_shadow_total{result="full"} `,
	} {
		v10, v11 := newServer(t, "v10"), newServer(t, "v11")
		r := start(t, Config{Workers: 1, Shadow: address, ShadowBP: wholeBP, V10: Upstream{Servers: []string{v10.address()}}, V11: Upstream{Servers: []string{v11.address()}}})
		began := time.Now()
		reads(t, r, "/api/v10/assets", 200)
		if took := time.Since(began); took > 10*time.Second { // who waits for it waits half a second each time
			t.Errorf("200 reads took %s", took)
		}
		counted(t, r, want)
	}
}
