// SPDX-License-Identifier: Apache-2.0

package changefeed

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy/ledger"
	"github.com/aurigraph/aurigraph/legacy/store"
	"github.com/aurigraph/aurigraph/legacy/store/pebble"
)

var v11 = envelope.Source{Ledger: envelope.LedgerID{1}, Origin: envelope.V11, Life: 1, Incarnation: envelope.Incarnation{2}}

func syncKey(t testing.TB, fill byte) envelope.Key {
	t.Helper()
	k, err := envelope.NewKey(bytes.Repeat([]byte{fill}, envelope.SecretBytesMin))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// world is a ledger whose inbox is open, and the handler of its port.
type world struct {
	*feed
	l *ledger.Ledger
	s store.Store
}

func open(t testing.TB, keys ...envelope.Key) *world {
	t.Helper()
	s, err := pebble.Open(t.TempDir(), pebble.Options{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(s, ledger.Config{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ran := make(chan error, 1)
	go func() { ran <- l.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ran; err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &world{&feed{Store: s, cfg: Config{Store: s, Ledger: l, Keys: keys}}, l, s}
}

func (w *world) call(t testing.TB, method, path string, body []byte) (int, Line) {
	t.Helper()
	answer := httptest.NewRecorder()
	w.ServeHTTP(answer, httptest.NewRequest(method, path, bytes.NewReader(body)))
	var l Line
	if err := json.Unmarshal(answer.Body.Bytes(), &l); err != nil {
		t.Fatalf("%s %s: %v in %q", method, path, err, answer.Body)
	}
	return answer.Code, l
}

// ready opens the inbox and gives all slots to the other ledger.
func (w *world) ready(t testing.TB) {
	t.Helper()
	row, err := json.Marshal(ledger.InboxRowOf(&ledger.Inbox{Source: v11, Position: envelope.EndOf(4)}))
	if err != nil {
		t.Fatal(err)
	}
	if code, l := w.call(t, "POST", "/inbox", row); code != 200 || l.Inbox.Position != envelope.EndOf(4).String() {
		t.Fatal(code, l)
	}
	if code, l := w.call(t, "POST", "/homes", []byte(`[{"version":1,"from":0,"to":9999,"other":true}]`)); code != 200 || l.Homes.Version != 1 {
		t.Fatal(code, l)
	}
}

func sealed(t testing.TB, k *envelope.Key, r *envelope.Record) []byte {
	t.Helper()
	wire, err := envelope.Seal(k, r)
	if err != nil {
		t.Fatal(err)
	}
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(wire))), wire...)
}

func payment(units uint64) *envelope.Record {
	return &envelope.Record{
		Source: v11, Position: envelope.Position{Major: 5}, Previous: envelope.EndOf(4), Since: 4, End: true, HomeVersion: 1,
		Change: &envelope.Transfer{Deed: envelope.Deed{ID: v10.TxIDAt(9, 5, 0)}, From: ledger.Treasury, To: "ann", Asset: v10.DefaultAsset, Amount: chain.Units(units)},
	}
}

func TestApplyOverHTTP(t *testing.T) {
	key, stranger := syncKey(t, 1), syncKey(t, 2)
	w := open(t, syncKey(t, 3), key)
	if code, l := w.call(t, "GET", "/applied", nil); code != 409 || l.Error.Reason != ledger.ReasonInboxClosed {
		t.Error(code, l.Error)
	}
	w.ready(t)
	good := sealed(t, &key, payment(5))
	for name, test := range map[string]struct {
		body   []byte
		code   int
		reason string
	}{
		"nothing":         {nil, 400, "invalid"},
		"cut in the size": {good[:3], 400, "invalid"},
		"cut":             {good[:len(good)-1], 400, "invalid"},
		"and cut":         {append(bytes.Clone(good), 0, 0, 1), 400, "invalid"},
		"tampered":        {append(bytes.Clone(good[:len(good)-1]), good[len(good)-1]^1), 500, envelope.ReasonTampered},
		"not ours":        {sealed(t, &stranger, payment(5)), 503, envelope.ReasonUnknownKey},
		"too much":        {sealed(t, &key, payment(1<<62)), 409, ledger.ReasonUnderflow},
		"too large":       {bytes.Repeat(good, ApplyBytesMax/len(good)+1), 400, "invalid"},
		"too many":        {bytes.Repeat(good, ledger.ApplyRecordsMax+1), 400, "invalid"},
	} {
		before := w.s.Head()
		code, l := w.call(t, "POST", "/apply", test.body)
		if code != test.code || l.Error == nil || l.Error.Reason != test.reason || w.s.Head() != before {
			t.Errorf("%s: %d %+v", name, code, l.Error)
		}
		if l.Error != nil && (l.Error.At == "5.0") != (name == "too much") {
			t.Errorf("%s: at %q", name, l.Error.At)
		}
	}
	for range 2 { // the second is a double
		if code, l := w.call(t, "POST", "/apply", good); code != 200 || l.Inbox.Position != "5.0" {
			t.Error(code, l)
		}
	}
	if units, err := w.l.Balance("ann", v10.DefaultAsset); err != nil || units != chain.Units(5) {
		t.Error(units, err)
	}
	keyless := open(t)
	if code, l := keyless.call(t, "POST", "/apply", good); code != 409 || l.Error.Reason != ledger.ReasonInboxClosed {
		t.Error(code, l.Error)
	}
}

// TestGuardBarrier: the barrier of a guard, and that of one that goes on.
func TestGuardBarrier(t *testing.T) {
	w := open(t)
	for _, c := range []struct {
		path              string
		code              int
		generation, guard uint64
		reason            string
	}{
		{"/barrier", 200, 1, 0, ""},
		{"/barrier?guard=1", 200, 2, 0, ""},
		{"/barrier?guard=1&after=2", 200, 3, 2, ""},
		{"/barrier?guard=1&after=2", 409, 0, 0, v10.ReasonOldGeneration},
		{"/barrier?guard=1", 200, 4, 3, ""},
		{"/barrier", 200, 5, 4, ""},
		{"/barrier?guard=1&after=x", 400, 0, 0, "invalid"},
		{"/barrier?after=4", 400, 0, 0, "invalid"},
		{"/barrier?guard=2", 400, 0, 0, "invalid"},
	} {
		code, l := w.call(t, "POST", c.path, nil)
		if code != c.code || l.Generation != c.generation || l.Guard != c.guard || c.reason != "" && (l.Error == nil || l.Error.Reason != c.reason) {
			t.Errorf("%s: %d %+v %+v", c.path, code, l, l.Error)
		}
	}
}

// TestMark looks at the log: what was applied bears the mark, and nothing else does.
func TestMark(t *testing.T) {
	key := syncKey(t, 1)
	w := open(t, key)
	begin := w.s.Head()
	w.ready(t)
	if code, _ := w.call(t, "POST", "/apply", sealed(t, &key, payment(5))); code != 200 {
		t.Fatal(code)
	}
	if code, l := w.call(t, "POST", "/barrier", nil); code != http.StatusOK || l.Generation != 1 || l.Position != w.s.Head().String() {
		t.Error(code, l)
	}
	tail, err := w.s.Since(begin)
	if err != nil {
		t.Fatal(err)
	}
	defer tail.Close()
	var marks []string
	for {
		c, more, err := tail.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			break
		}
		marks = append(marks, string(c.Origin))
	}
	if got := strings.Join(marks, "|"); got != "||sync:v11:5.0|" {
		t.Errorf("marks %q", got)
	}
}

// FuzzApply sends anything: it must be answered, and change nothing unless it is the one record that is made with the key.
func FuzzApply(f *testing.F) {
	key := syncKey(f, 1)
	w := open(f, key)
	w.ready(f)
	good := sealed(f, &key, payment(5))
	f.Add(good)
	f.Add(append(bytes.Clone(good), good...))
	f.Add([]byte{0, 0, 0, 0})
	f.Add([]byte{255, 255, 255, 255, 1})
	f.Fuzz(func(t *testing.T, body []byte) {
		before := w.s.Head()
		records, err := openAll(w.cfg.Keys, body)
		code, l := w.call(t, "POST", "/apply", body)
		switch {
		case code == 200 && err != nil:
			t.Fatalf("%x was applied: %v", body, err)
		case code == 200 && !bytes.Equal(body[:min(len(good), len(body))], good):
			t.Fatalf("%x was applied, and nobody with the key made it", body)
		case code != 200 && (l.Error == nil || w.s.Head() != before):
			t.Fatalf("%d %+v", code, l)
		}
		for _, r := range records {
			if r.Change == nil {
				t.Fatal("a record without a change was opened")
			}
		}
	})
}

func TestUnknownCallsAndWords(t *testing.T) {
	w := open(t)
	for call, reason := range map[string]string{
		"POST /inbox":   "invalid",
		"POST /homes":   "invalid",
		"DELETE /apply": "not_found",
	} {
		method, path, _ := strings.Cut(call, " ")
		for _, body := range []string{"", "{", `{"nonsense":1}`} {
			if code, l := w.call(t, method, path, []byte(body)); code < 400 || l.Error.Reason != reason {
				t.Errorf("%s %q: %d %+v", call, body, code, l.Error)
			}
		}
	}
	if _, l := w.call(t, "GET", "/homes", nil); l.Homes == nil || l.Homes.Version != 0 {
		t.Errorf("%+v", l)
	}
	w.feed.cfg.Ledger = nil
	if code, l := w.call(t, "POST", "/barrier", nil); code != 404 || l.Error.Reason != fault.NotFound.String() {
		t.Errorf("%d %+v", code, l.Error)
	}
}
