// SPDX-License-Identifier: Apache-2.0

package tamper

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/legacy/store"
	"github.com/aurigraph/aurigraph/legacy/store/pebble"
)

// served serves a store's test socket until the test ends, and returns a way to call it.
func served(t *testing.T, s store.Store) func(path string, with any, into any) int {
	t.Helper()
	dir, err := os.MkdirTemp("", "tamper") // short enough for a socket, of mode 0700
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "s")
	l, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, l, s) }()
	t.Cleanup(func() {
		end()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", path)
	}}}
	t.Cleanup(client.CloseIdleConnections)
	return func(path string, with, into any) int {
		body, err := json.Marshal(with)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Post("http://v10"+path, "application/json", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err == nil {
			err = json.Unmarshal(text, into)
		}
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode
	}
}

func open(t *testing.T) *pebble.Store {
	t.Helper()
	s, err := pebble.Open(t.TempDir(), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

type page struct {
	Rows  []row  `json:"rows"`
	Error string `json:"error"`
}

// Rows are changed and removed, and the change log tells nothing of it.
func TestTamper(t *testing.T) {
	s := open(t)
	var b store.Batch
	for _, k := range []string{"a", "b", "c"} {
		b.Put(store.Assets, []byte(k), []byte("1"))
	}
	head, err := s.Apply(&b)
	if err != nil {
		t.Fatal(err)
	}
	call := served(t, s)
	var p page
	ops := []map[string]any{
		{"family": store.Assets, "key": []byte("a"), "value": []byte("2")}, {"family": store.Assets, "key": []byte("b"), "delete": true},
		{"family": store.Meta, "key": []byte("d"), "value": []byte("")},
	}
	if status := call("/write", map[string]any{"ops": ops}, &p); status != http.StatusOK {
		t.Fatalf("%d %+v", status, p)
	}
	for _, c := range []struct {
		f    store.Family
		want string
	}{{store.Assets, "a=2 c=1 "}, {store.Meta, "d= "}, {store.Accounts, ""}} {
		p = page{}
		status := call("/scan", map[string]any{"family": c.f, "low": []byte("a"), "high": []byte("z"), "limit": 10}, &p)
		got := ""
		for _, r := range p.Rows {
			got += string(r.Key) + "=" + string(r.Value) + " "
		}
		if status != http.StatusOK || got != c.want {
			t.Errorf("%s: %d %q %s", c.f, status, got, p.Error)
		}
	}
	if s.Head() != head {
		t.Errorf("the log's head is %s, was %s", s.Head(), head)
	}
	tail, err := s.Since(store.Position{Incarnation: head.Incarnation, Sequence: head.Sequence})
	if err != nil {
		t.Fatal(err)
	}
	defer tail.Close()
	if c, more, err := tail.Next(); more || err != nil {
		t.Errorf("the log tells of %+v, %v", c, err)
	}
}

// Calls that will not do change nothing.
func TestTamperRefuses(t *testing.T) {
	call := served(t, open(t))
	for path, with := range map[string]any{
		"/scan":   map[string]any{"family": 99, "limit": 1},
		"/write":  map[string]any{"ops": []any{}},
		"/scan?":  map[string]any{"family": 0, "limit": ScanRowsMax + 1},
		"/write?": map[string]any{"rows": 1},
	} {
		var p page
		if status := call(path, with, &p); status != http.StatusBadRequest || p.Error == "" {
			t.Errorf("%s: %d %+v", path, status, p)
		}
	}
}

// loggedOnly is a store that cannot write without its log.
type loggedOnly struct{ store.Store }

func TestTamperLoggedOnly(t *testing.T) {
	call := served(t, loggedOnly{open(t)})
	var p page
	ops := []map[string]any{{"family": store.Meta, "key": []byte("d"), "value": []byte("1")}}
	if status := call("/write", map[string]any{"ops": ops}, &p); status != http.StatusBadRequest || p.Error == "" {
		t.Errorf("%d %+v", status, p)
	}
}

// Where others may enter no socket is made.
func TestListenOpenFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(filepath.Join(dir, "s")); fault.ReasonOf(err) != "socket_folder_open" {
		t.Error(err)
	}
	if _, err := Listen(filepath.Join(dir, "none", "s")); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
}
