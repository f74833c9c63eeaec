// SPDX-License-Identifier: Apache-2.0

package changefeed

import (
	"bufio"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/legacy/store"
	"github.com/aurigraph/aurigraph/legacy/store/pebble"
	"github.com/aurigraph/aurigraph/legacy/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func start(t *testing.T) (s store.Store, base string, client *http.Client) {
	t.Helper()
	s, err := pebble.Open(t.TempDir(), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- Serve(ctx, l, Config{Store: s}) }()
	client = &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() {
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
		client.CloseIdleConnections()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, "http://" + l.Addr().String(), client
}

func ask(t *testing.T, client *http.Client, method, address string) (int, Line) {
	t.Helper()
	r, err := http.NewRequest(method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var l Line
	if err := json.NewDecoder(answer.Body).Decode(&l); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, l
}

// TestStream follows a store from before its first write: what was there, what comes, and the head while nothing comes.
func TestStream(t *testing.T) {
	s, base, client := start(t)
	begin := s.Head()
	first := storetest.Put(t, s, store.Accounts, "alice", "5")
	answer, err := client.Get(base + "/changes?since=" + begin.String())
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	in := bufio.NewScanner(answer.Body)
	next := func() (l Line) {
		t.Helper()
		if !in.Scan() {
			t.Fatal("the stream ended: ", in.Err())
		}
		if err := json.Unmarshal(in.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		return l
	}
	if l := next(); l.Position != first.String() || l.Ops[0].Family != "accounts" || string(l.Ops[0].Key) != "alice" || string(l.Ops[0].Value) != "5" {
		t.Errorf("%+v", l)
	}
	if l := next(); l.Head != first.String() || len(l.Ops) != 0 {
		t.Errorf("no heartbeat but %+v", l)
	}
	var b store.Batch
	b.Mark([]byte("v11:7"))
	b.Delete(store.Accounts, []byte("alice"))
	second, err := s.Apply(&b)
	if err != nil {
		t.Fatal(err)
	}
	l := next()
	for l.Head != "" {
		l = next()
	}
	if l.Position != second.String() || string(l.Origin) != "v11:7" || !l.Ops[0].Delete {
		t.Errorf("%+v", l)
	}
}

func TestRefusals(t *testing.T) {
	s, base, client := start(t)
	begin := s.Head()
	p := storetest.Put(t, s, store.Meta, "k", "v")
	if code, l := ask(t, client, "GET", base+"/head"); code != 200 || l.Position != p.String() {
		t.Errorf("%d %+v", code, l)
	}
	if code, l := ask(t, client, "POST", base+"/trim?position="+p.String()); code != 200 || l.Position != p.String() {
		t.Errorf("%d %+v", code, l)
	}
	other, ahead := p, p
	other.Incarnation[0] ^= 1
	ahead.Sequence++
	for call, want := range map[string]struct {
		code   int
		reason string
	}{
		"GET /changes?since=" + begin.String():         {410, store.ReasonGap},
		"GET /changes?since=" + other.String():         {409, store.ReasonOtherIncarnation},
		"GET /changes?since=" + ahead.String():         {409, store.ReasonAhead},
		"GET /changes":                                 {400, "invalid"},
		"GET /nothing":                                 {404, "not_found"},
		"POST /trim?position=" + ahead.String():        {409, store.ReasonAhead},
		"POST /checkpoint?dir=relative":                {400, "invalid"},
		"POST /checkpoint?dir=" + url.QueryEscape("/"): {503, "unavailable"},
	} {
		method, path, _ := strings.Cut(call, " ")
		code, l := ask(t, client, method, base+path)
		if code != want.code || l.Error == nil || l.Error.Reason != want.reason {
			t.Errorf("%s: %d %+v", call, code, l.Error)
		}
	}
	dir := filepath.Join(t.TempDir(), "copy")
	if code, l := ask(t, client, "POST", base+"/checkpoint?dir="+url.QueryEscape(dir)); code != 200 || l.Position != p.String() {
		t.Errorf("%d %+v", code, l)
	}
}

// TestBare leaves out the rows of batches with a mark that the reader would pass over, and of no others.
func TestBare(t *testing.T) {
	s, base, client := start(t)
	begin := s.Head()
	for _, mark := range []string{"", "sync:v11:7.0", "other"} {
		var b store.Batch
		b.Put(store.Accounts, []byte("alice"), []byte("5"))
		if mark != "" {
			b.Mark([]byte(mark))
		}
		if _, err := s.Apply(&b); err != nil {
			t.Fatal(err)
		}
	}
	answer, err := client.Get(base + "/changes?bare=sync:&since=" + begin.String())
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	in := json.NewDecoder(answer.Body)
	for _, want := range []struct {
		origin string
		ops    int
	}{{"", 1}, {"sync:v11:7.0", 0}, {"other", 1}} {
		var l Line
		if err := in.Decode(&l); err != nil || string(l.Origin) != want.origin || len(l.Ops) != want.ops || l.Position == "" {
			t.Errorf("%+v %v, want %+v", l, err, want)
		}
	}
}
