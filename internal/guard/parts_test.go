// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// givesBob moves bob's slot to V11.
func (w *world) givesBob() {
	w.t.Helper()
	w.fences(1, slotRange(bob))
	version := w.moves.make(ToV11, 3, slotRange(bob))
	w.until("moved", func() bool { return w.Status().HomeVersion == version })
}

func batchOf(items ...string) string { return `{"transactions":[` + strings.Join(items, ",") + "]}" }

// batch has a batch made, and returns a letter for each item: whose answer it is (a of V10, b of V11), or r for a refusal.
func (w *world) batch(body string, headers ...string) (letters string, a reply) {
	w.t.Helper()
	a = w.call("POST", w.rest+"/api/v10/transactions/batch", body, headers...)
	if a.code != 200 {
		return "", a
	}
	var said v10.BatchAnswer
	must(w.t, json.Unmarshal([]byte(a.body), &said))
	for _, r := range said.Results {
		letters += letterOf(&r)
	}
	if said.Accepted+said.Refused != said.Total || len(said.Results) != said.Total || said.Refused != strings.Count(letters, "r") {
		w.t.Errorf("%+v", said)
	}
	return letters, a
}

func letterOf(r *v10.BatchResult) string {
	switch {
	case r.Status != v10.StatusSubmitted:
		return "r"
	case r.TransactionID == "v11:"+bob:
		return "b"
	}
	return "a"
}

// TestBatch: each item is made where its payer is, a repeat under a key is the same, and a batch of one side passes as it came.
func TestBatch(t *testing.T) {
	w := newWorld(t)
	w.guard()
	ofAlice, ofBob := payment(alice, "shop"), payment(bob, "shop")
	whole := `{"note":"stays","transactions":[` + ofAlice + `, ` + ofBob + "]}"
	if letters, a := w.batch(whole); letters != "aa" || a.header.Get("ETag") == "" {
		t.Error(letters, a)
	}
	w.givesBob()
	var first string
	for range 2 {
		letters, a := w.batch(batchOf(ofBob, ofAlice, `{"from":"x"}`, ofBob, ofAlice), "Idempotency-Key", "k")
		if letters != "barba" {
			t.Error(letters, a)
		}
		if first == "" {
			first = a.body
		} else if a.body != first {
			t.Errorf("%s, first %s", a.body, first)
		}
	}
	if got := w.balance("shop"); got != "4" {
		t.Errorf("the shop has %s", got)
	}
	want := "POST /api/v10/transactions/batch k " + batchOf(ofBob, "{}", "{}", ofBob)
	if heard := w.v11.heard(); len(heard) != 2 || !strings.HasPrefix(heard[0], `POST /api/v10/transactions/batch k {"transactions":[{"from":"bob"`) ||
		strings.Count(heard[0], "{}") != strings.Count(want, "{}") {
		t.Error(heard)
	}
	if letters, a := w.batch(batchOf(ofBob, ofBob)); letters != "bb" {
		t.Error(letters, a)
	}
	for body, code := range map[string]int{"{}": 400, `{"transactions":[]}`: 400, "[": 400, batchOf(strings.Repeat(" ", v10.BatchBytesMax)): 413} {
		if _, a := w.batch(body); a.code != code {
			t.Errorf("%.20s: %d", body, a.code)
		}
	}
}

// TestBatchWaits: while a payer's slot moves the whole batch waits; then it is told that nothing was done, or each item goes to its home.
func TestBatchWaits(t *testing.T) {
	w := newWorld(t)
	w.guard()
	w.fences(1, slotRange(bob))
	both := batchOf(payment(alice, "shop"), payment(bob, "shop"))
	paid := make(chan string, 1)
	go func() {
		a, err := ask1("POST", w.rest+"/api/v10/transactions/batch", both)
		if err != nil {
			a.body = err.Error()
		}
		paid <- a.body
	}()
	w.until("waiting", func() bool { return w.Status().Held == 1 })
	if w.balance("shop") != "0" {
		t.Error("a part of it was made")
	}
	w.moves.make(ToV11, 3, slotRange(bob))
	if body := <-paid; !strings.Contains(body, "v11:bob") || !strings.Contains(body, `"accepted":2`) || w.balance("shop") != "1" {
		t.Error(body)
	}
	must(t, w.end())
	w.hold = 1
	w.guard()
	w.fences(2, slotRange(alice))
	if _, a := w.batch(both); a.code != http.StatusServiceUnavailable || w.balance("shop") != "1" || len(w.v11.heard()) != 1 {
		t.Error(a, w.v11.heard())
	}
	// What V11 sends here and does not own goes nowhere else.
	if _, a := w.batch(batchOf(payment(bob, "shop")), "X-Aurigraph-Hop", "1"); a.code != http.StatusServiceUnavailable {
		t.Error(a)
	}
}

// liveStream is a stream whose lines a test sends one by one.
type liveStream struct {
	t    *testing.T
	in   *io.PipeWriter
	out  *bufio.Reader
	sent int
}

func (w *world) stream(t *testing.T, key string) *liveStream {
	t.Helper()
	body, in := io.Pipe()
	r, err := http.NewRequest("POST", w.rest+"/api/v10/transactions/stream", body)
	must(t, err)
	r.Header.Set("Idempotency-Key", key)
	s := &liveStream{t: t, in: in}
	answered := make(chan *http.Response, 1)
	go func() {
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Error(err)
		}
		answered <- resp
	}()
	_, err = in.Write([]byte(payment(alice, "shop") + "\n"))
	must(t, err)
	resp := <-answered
	if resp == nil {
		t.FailNow()
	}
	t.Cleanup(func() { _ = in.Close(); _ = resp.Body.Close() })
	s.out, s.sent = bufio.NewReader(resp.Body), 1
	if got := s.next(); got != "a" {
		t.Fatal(got)
	}
	return s
}

// next reads an answer, and checks its number.
func (s *liveStream) next() string {
	s.t.Helper()
	text, err := s.out.ReadBytes('\n')
	must(s.t, err)
	var line v10.StreamLine
	must(s.t, json.Unmarshal(text, &line))
	if line.Line != uint64(s.sent) {
		s.t.Errorf("%s is not line %d", text, s.sent)
	}
	return letterOf(&line.BatchResult)
}

func (s *liveStream) line(text string) string {
	s.t.Helper()
	_, err := s.in.Write([]byte(text + "\n"))
	must(s.t, err)
	s.sent++
	return s.next()
}

// TestStream: a stream lives through fences of other slots and the move of its own; sent again under its key it pays nothing twice.
func TestStream(t *testing.T) {
	w := newWorld(t)
	w.v11.lines = true
	w.guard()
	var second bool
	for range 2 {
		s := w.stream(t, "k")
		if got := s.line(payment(bob, "shop")); got != "a" && !second {
			t.Error(got)
		}
		if got := s.line("{"); got != "r" {
			t.Error(got)
		}
		if !second {
			w.givesBob() // whose barrier ends what the stream to V10 was let through with
		}
		if got := s.line(payment(alice, "shop")); got != "a" {
			t.Error(got)
		}
		if got := s.line(payment(bob, "shop")); got != "b" {
			t.Error(got)
		}
		must(t, s.in.Close())
		if rest, err := io.ReadAll(s.out); err != nil || len(rest) > 0 {
			t.Errorf("%s %v", rest, err)
		}
		if got := w.balance("shop"); got != "3" {
			t.Errorf("the shop has %s", got)
		}
		second = true
	}
}

// TestStreamOfMany: lines that are sent together come back in order, each from its home.
func TestStreamOfMany(t *testing.T) {
	w := newWorld(t)
	w.v11.lines = true
	w.guard()
	w.givesBob()
	const n = 3000
	var body strings.Builder
	for i := range n {
		fmt.Fprintln(&body, payment([]string{alice, bob}[i%2], "shop"))
	}
	a := w.call("POST", w.rest+"/api/v10/transactions/stream", body.String())
	lines := strings.Split(strings.TrimSpace(a.body), "\n")
	if len(lines) != n || w.balance("shop") != fmt.Sprint(n/2) {
		t.Fatalf("%d lines, %s paid", len(lines), w.balance("shop"))
	}
	for i, text := range lines {
		var line v10.StreamLine
		must(t, json.Unmarshal([]byte(text), &line))
		if line.Line != uint64(i)+1 || letterOf(&line.BatchResult) != []string{"a", "b"}[i%2] {
			t.Fatal(text)
		}
	}
}
