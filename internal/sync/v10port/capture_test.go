// SPDX-License-Identifier: Apache-2.0

package v10port

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

var life = envelope.Incarnation{1, 2, 3}

// script is a V10 that answers call by call, without a network. The last answer to a path stays.
type script struct {
	answers map[string][]func(*http.Request) (*http.Response, error)
	calls   []string
}

// RoundTrip implements http.RoundTripper.
func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	s.calls = append(s.calls, r.URL.RequestURI())
	next := s.answers[r.URL.Path]
	if len(next) > 1 {
		s.answers[r.URL.Path] = next[1:]
	}
	return next[0](r)
}

func (s *script) client() *Client { return NewClient("http://v10", &http.Client{Transport: s}) }

func says(code int, body io.Reader) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{StatusCode: code, Status: fmt.Sprint(code), Body: io.NopCloser(body)}, nil
	}
}

func words(code int, lines ...string) func(*http.Request) (*http.Response, error) {
	text := strings.Join(lines, "")
	return func(r *http.Request) (*http.Response, error) { return says(code, strings.NewReader(text))(r) }
}

func breaks(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF }

// hangs says lines and then nothing, until the reader goes.
func hangs(lines ...string) func(*http.Request) (*http.Response, error) {
	return func(r *http.Request) (*http.Response, error) {
		body := &hanging{strings.NewReader(strings.Join(lines, "")), r.Context()}
		return &http.Response{StatusCode: 200, Body: io.NopCloser(body)}, nil
	}
}

type hanging struct {
	text *strings.Reader
	ctx  context.Context
}

// Read implements io.Reader.
func (h *hanging) Read(p []byte) (int, error) {
	if h.text.Len() > 0 {
		return h.text.Read(p)
	}
	<-h.ctx.Done()
	return 0, h.ctx.Err()
}

func head(sequence uint64) string { return fmt.Sprintf(`{"position":"%s:%d"}`, life, sequence) }

func beat(sequence uint64) string { return fmt.Sprintf("{\"head\":\"%s:%d\"}\n", life, sequence) }

func wrong(kind fault.Kind, reason string) string {
	return fmt.Sprintf("{\"error\":{\"kind\":%q,\"reason\":%q,\"text\":\"words\"}}\n", kind.String(), reason)
}

// barrier is a line with one change.
func barrier(sequence, generation uint64) string {
	raw, err := json.Marshal(line{Position: fmt.Sprintf("%s:%d", life, sequence), Ops: []Op{put("meta", `{"ms":5}`, "g", generation)}})
	if err != nil {
		panic(err)
	}
	return string(raw) + "\n"
}

// shelf is a sink that keeps what it takes.
type shelf struct {
	at     envelope.Position
	drafts []Draft
	err    error
	failed error
}

// Source implements Sink.
func (s *shelf) Source() envelope.Source {
	return envelope.Source{Ledger: envelope.LedgerID{1}, Origin: envelope.V10, Life: 1, Incarnation: life}
}

// Tip implements Sink.
func (s *shelf) Tip() (envelope.Position, uint64) { return s.at, s.at.Major }

// Newest implements Sink.
func (s *shelf) Newest() (uint64, bool) {
	if len(s.drafts) == 0 {
		return 0, false
	}
	return s.at.Major - 1, true
}

// Confirm implements Sink.
func (s *shelf) Confirm(d Draft) error {
	if !reflect.DeepEqual(d, s.drafts[len(s.drafts)-1]) {
		return fault.Reasoned(fault.Conflict, envelope.ReasonFork, "another one")
	}
	return nil
}

// Failed implements Sink.
func (s *shelf) Failed() error { return s.failed }

// Publish implements Sink.
func (s *shelf) Publish(_ context.Context, d Draft) error {
	if s.err != nil {
		return s.err
	}
	s.at, s.drafts = d.Position, append(s.drafts, d)
	return nil
}

// TestCaptureEnds has V10 say, or the sink, what ends a capture. Time mends none of these, whatever its kind.
func TestCaptureEnds(t *testing.T) {
	other := envelope.Incarnation{9}
	for name, test := range map[string]struct {
		head, changes string
		sink          error
		reason        string
	}{
		"the log does not reach back": {head(9), wrong(fault.Pruned, "gap"), nil, "gap"},
		"V10 lost what it told":       {head(9), wrong(fault.Conflict, "ahead"), nil, "ahead"},
		"the log is damaged":          {head(9), beat(9) + wrong(fault.Corrupt, "corrupt"), nil, "corrupt"},
		"another life":                {fmt.Sprintf(`{"position":"%s:9"}`, other), "", nil, envelope.ReasonOtherIncarnation},
		"another life in the stream":  {head(9), fmt.Sprintf("{\"head\":\"%s:9\"}\n", other), nil, envelope.ReasonOtherIncarnation},
		"no position":                 {head(9), "{\"head\":\"9\"}\n", nil, "corrupt"},
		"no JSON":                     {head(9), "hello\n", nil, "corrupt"},
		"a row that nobody knows":     {head(9), strings.ReplaceAll(barrier(9, 1), `"meta"`, `"loans"`), nil, ReasonUnknownRow},
		"the sink":                    {head(9), barrier(9, 1), fault.Reasoned(fault.Unavailable, "publisher_closed", "no"), "publisher_closed"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{answers: map[string][]func(*http.Request) (*http.Response, error){
					"/head": {words(200, test.head)}, "/changes": {words(200, test.changes)},
				}}
				err := Capture(t.Context(), CaptureConfig{Client: s.client(), Sink: &shelf{err: test.sink}, Keys: plainKeys{}})
				if err == nil || fault.ReasonOf(err) != test.reason {
					t.Errorf("%v (%s)", err, fault.ReasonOf(err))
				}
			})
		})
	}
}

// TestCaptureGoesOn has everything go wrong that mends itself: no answer, a line cut off, a V10 that is starting, one that is silent. Each
// time it goes on behind what the sink has, and nothing is published twice or left out.
func TestCaptureGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{answers: map[string][]func(*http.Request) (*http.Response, error){
			"/head": {breaks, words(503, wrong(fault.Unavailable, "stopping")), words(502, "<html>"), words(200, head(9))},
			"/changes": {
				breaks,
				words(200, barrier(3, 1)+barrier(4, 2)[:50]),
				words(200, barrier(3, 1), barrier(4, 2), wrong(fault.Halted, "halted")),
				hangs(barrier(4, 2), beat(4), barrier(6, 3)[:20]),
				hangs(barrier(4, 2), barrier(6, 3)),
			},
		}}
		sink := &shelf{at: envelope.EndOf(2)}
		var troubles, heard int
		ctx, cancel := context.WithCancel(t.Context())
		began := time.Now()
		err := Capture(ctx, CaptureConfig{Client: s.client(), Sink: sink, Keys: plainKeys{}, Heard: func(head uint64, trouble error) {
			if trouble != nil {
				troubles++
			}
			if heard = int(head); head == 6 {
				cancel()
			}
		}})
		if err != nil || troubles != 7 || heard != 6 {
			t.Errorf("%v, %d troubles", err, troubles)
		}
		var got []uint64
		for _, d := range sink.drafts {
			got = append(got, d.Position.Major)
		}
		if fmt.Sprint(got) != "[3 4 6]" {
			t.Errorf("published %v", got)
		}
		if since := time.Since(began); since < silenceMax || since > silenceMax+20*time.Second {
			t.Errorf("it took %s; a silent V10 is left after %s", since, silenceMax)
		}
		if last := s.calls[len(s.calls)-1]; !strings.HasSuffix(last, "%3A3") {
			t.Errorf("it went on with %s", last)
		}
	})
}

// TestCaptureConfirms has V10 tell the newest change again, or something else in its place: then nothing more is published. Where its log does not
// reach back so far any more, what follows is taken.
func TestCaptureConfirms(t *testing.T) {
	foreign := strings.Replace(barrier(4, 2), `"ops"`, `"origin":"`+base64.StdEncoding.EncodeToString([]byte("x"))+`","ops"`, 1)
	for name, test := range map[string]struct {
		head    uint64
		changes []string // of one try after the other
		failed  error
		reason  string
		want    string
	}{
		"the same":                 {9, []string{barrier(4, 2) + barrier(5, 3) + wrong(fault.Corrupt, "end")}, nil, "end", "[4 5]"},
		"another one":              {9, []string{barrier(4, 7) + barrier(5, 3)}, nil, envelope.ReasonFork, "[4]"},
		"none":                     {9, []string{barrier(5, 3)}, nil, envelope.ReasonFork, "[4]"},
		"a batch of somebody else": {9, []string{foreign}, nil, ReasonUnknownOrigin, "[4]"},
		"V10 stands before it":     {3, []string{beat(3)}, nil, ReasonAhead, "[4]"},
		"it has left V10's log": {
			9, []string{wrong(fault.Pruned, envelope.ReasonGap), barrier(5, 3) + wrong(fault.Corrupt, "end")}, nil, "end", "[4 5]",
		},
		"all has left V10's log":   {9, []string{wrong(fault.Pruned, envelope.ReasonGap)}, nil, envelope.ReasonGap, "[4]"},
		"the sink ended meanwhile": {9, []string{beat(9)}, fault.Reasoned(fault.Conflict, "topic_recreated", "gone"), "topic_recreated", "[4]"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{answers: map[string][]func(*http.Request) (*http.Response, error){"/head": {words(200, head(test.head))}}}
				for _, text := range test.changes {
					s.answers["/changes"] = append(s.answers["/changes"], words(200, text))
				}
				told := Draft{Position: envelope.Position{Major: 4}, End: true, Change: &envelope.Barrier{Generation: 2, TimeMs: 5}}
				sink := &shelf{at: told.Position, drafts: []Draft{told}, failed: test.failed}
				err := Capture(t.Context(), CaptureConfig{Client: s.client(), Sink: sink, Keys: plainKeys{}})
				if fault.ReasonOf(err) != test.reason {
					t.Errorf("%v (%s)", err, fault.ReasonOf(err))
				}
				var got []uint64
				for _, d := range sink.drafts {
					got = append(got, d.Position.Major)
				}
				if fmt.Sprint(got) != test.want {
					t.Errorf("published %v", got)
				}
			})
		})
	}
}

func TestReadLineIsBounded(t *testing.T) {
	endless := io.MultiReader(strings.NewReader("{"), endlessSpaces{})
	s := &script{answers: map[string][]func(*http.Request) (*http.Response, error){"/head": {words(200, head(9))}, "/changes": {says(200, endless)}}}
	err := Capture(t.Context(), CaptureConfig{Client: s.client(), Sink: &shelf{}, Keys: plainKeys{}})
	if !fault.Is(err, fault.Corrupt) {
		t.Error(err)
	}
}

type endlessSpaces struct{}

// Read implements io.Reader.
func (endlessSpaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// pile hands out records, and then ends.
type pile struct{ records []*envelope.Record }

var errEmpty = errors.New("that was all")

// Next implements Records.
func (p *pile) Next(_ context.Context, limit int) ([]*envelope.Record, error) {
	if len(p.records) == 0 {
		return nil, errEmpty
	}
	n := min(limit, len(p.records))
	out := p.records[:n]
	p.records = p.records[n:]
	return out, nil
}

func syncKey(t *testing.T, fill byte) envelope.Key {
	t.Helper()
	k, err := envelope.NewKey(bytes.Repeat([]byte{fill}, envelope.SecretBytesMin))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// chained makes n records that follow each other, the later half with another key.
func chained(t *testing.T, n int, keys ...envelope.Key) []*envelope.Record {
	t.Helper()
	var out []*envelope.Record
	last := &envelope.Record{}
	for i := range n {
		r := &envelope.Record{
			Source:   envelope.Source{Ledger: envelope.LedgerID{1}, Origin: envelope.V11, Life: 1, Incarnation: life},
			Position: envelope.Position{Major: uint64(i + 1)}, Previous: last.Position, PreviousTag: last.Tag, Since: uint64(i), End: true,
			Change: &envelope.AccountOpened{Deed: envelope.Deed{ID: v10.TxIDAt(1, chain.Height(i+1), 0)}, Alias: "a"},
		}
		if _, err := envelope.Seal(&keys[2*i/n%len(keys)], r); err != nil {
			t.Fatal(err)
		}
		out, last = append(out, r), r
	}
	return out
}

// port is a V10 that opens and counts what it is sent.
type port struct {
	t     *testing.T
	keys  []envelope.Key
	got   []*envelope.Record
	calls int
	fails func(call int, records []*envelope.Record) (code int, body string)
}

// RoundTrip implements http.RoundTripper.
func (p *port) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil || len(body) > ApplyBytesMax {
		p.t.Errorf("%d bytes, %v", len(body), err)
	}
	var records []*envelope.Record
	for len(body) > 0 {
		n := binary.BigEndian.Uint32(body)
		record, err := envelope.Open(p.keys, body[4:4+n])
		if err != nil {
			p.t.Fatal(err)
		}
		records, body = append(records, record), body[4+n:]
	}
	p.calls++
	if p.fails != nil {
		if code, text := p.fails(p.calls, records); code != 0 {
			if code == 1 {
				return nil, io.ErrUnexpectedEOF
			}
			return words(code, text)(r)
		}
	}
	p.got = append(p.got, records...)
	last := records[len(records)-1]
	text, err := json.Marshal(line{Inbox: ptr(inboxOf(&envelope.Start{Source: last.Source, Position: last.Position, Tag: last.Tag}))})
	if err != nil {
		p.t.Fatal(err)
	}
	return words(200, string(text))(r)
}

func ptr[T any](v T) *T { return &v }

// TestApplySends records made with two keys, over failures that mend themselves: all come, in order, with the tags that they had.
func TestApplySends(t *testing.T) {
	old, present := syncKey(t, 1), syncKey(t, 2)
	records := chained(t, 1200, old, present)
	synctest.Test(t, func(t *testing.T) {
		p := &port{t: t, keys: []envelope.Key{old, present}, fails: func(call int, _ []*envelope.Record) (int, string) {
			switch call {
			case 1:
				return 1, ""
			case 2:
				return 503, wrong(fault.TryLater, "queue_full")
			case 4:
				return 503, wrong(fault.Halted, "halted")
			case 5:
				return 503, wrong(fault.Unavailable, "home_ahead")
			}
			return 0, ""
		}}
		var last envelope.Position
		err := Apply(t.Context(), ApplyConfig{
			Client: NewClient("http://v10", &http.Client{Transport: p}), Records: &pile{records}, Keys: []envelope.Key{present, old},
			Applied: func(s envelope.Start, _ int) { last = s.Position },
		})
		if !errors.Is(err, errEmpty) || len(p.got) != len(records) || last != records[len(records)-1].Position || p.calls != 2+4 {
			t.Fatalf("%v, %d records in %d calls, at %s", err, len(p.got), p.calls, last)
		}
		for i, r := range p.got {
			if r.Tag != records[i].Tag || r.Position != records[i].Position {
				t.Fatalf("record %d is another one", i)
			}
		}
	})
	p := &port{t: t, keys: []envelope.Key{old, present}}
	a := &apply{ApplyConfig{Client: NewClient("http://v10", &http.Client{Transport: p}), Keys: p.keys, Applied: func(envelope.Start, int) {}}, newApplyMetrics()}
	if err := a.seal(chained(t, ApplyRecordsMax+1, old), func(s sealed) error { return a.send(t.Context(), s) }); err != nil || p.calls != 2 {
		t.Errorf("%v in %d calls", err, p.calls)
	}
	err := Apply(t.Context(), ApplyConfig{Client: a.Client, Records: &pile{records}, Keys: []envelope.Key{syncKey(t, 3)}})
	if fault.ReasonOf(err) != envelope.ReasonUnknownKey {
		t.Error(err)
	}
}

// TestApplyEnds has V10 refuse: a record, which is named after those before it were sent; or all.
func TestApplyEnds(t *testing.T) {
	key := syncKey(t, 1)
	records := chained(t, 30, key)
	refuses := func(reason, at string) *port {
		return &port{t: t, keys: []envelope.Key{key}, fails: func(_ int, sent []*envelope.Record) (int, string) {
			for _, r := range sent {
				if at == "" || r.Position.String() == at {
					return 409, fmt.Sprintf(`{"error":{"kind":"conflict","reason":%q,"text":"words","at":%q}}`, reason, at)
				}
			}
			return 0, ""
		}}
	}
	for at, before := range map[string]int{"1.0": 0, "17.0": 16, "30.0": 29} {
		p := refuses("underflow", at)
		err := Apply(t.Context(), ApplyConfig{Client: NewClient("http://v10", &http.Client{Transport: p}), Records: &pile{records}, Keys: p.keys})
		var held *HeldError
		if !errors.As(err, &held) || held.Record.Position.String() != at || len(p.got) != before || fault.ReasonOf(err) != "underflow" || !fault.Is(err, fault.Conflict) {
			t.Errorf("%s: %v, %d before it", at, err, len(p.got))
		}
	}
	for _, at := range []string{"", "99.0"} { // of all, or of a record that nobody sent
		p := refuses("inbox_elsewhere", at)
		p.fails = func(int, []*envelope.Record) (int, string) {
			return 409, fmt.Sprintf(`{"error":{"kind":"conflict","reason":"inbox_elsewhere","text":"words","at":%q}}`, at)
		}
		err := Apply(t.Context(), ApplyConfig{Client: NewClient("http://v10", &http.Client{Transport: p}), Records: &pile{records}, Keys: p.keys})
		var held *HeldError
		if errors.As(err, &held) || fault.ReasonOf(err) != "inbox_elsewhere" || p.calls != 1 {
			t.Errorf("%v in %d calls", err, p.calls)
		}
	}
}

// TestClientReads what V10 answers, and nothing else.
func TestClientReads(t *testing.T) {
	at := envelope.Start{
		Source:   envelope.Source{Ledger: envelope.LedgerID{5}, Origin: envelope.V11, Life: 3, Incarnation: life},
		Position: envelope.Position{Major: 7, Minor: 2}, Tag: envelope.Tag{8},
	}
	good, err := json.Marshal(line{Inbox: ptr(inboxOf(&at))})
	if err != nil {
		t.Fatal(err)
	}
	for text, ok := range map[string]bool{
		string(good): true,
		"{}":         false,
		strings.Replace(string(good), "7.2", "7", 1):                                     false,
		strings.Replace(string(good), at.Tag.String(), "08", 1):                          false,
		strings.Replace(string(good), at.Tag.String(), strings.Repeat("zz", 32), 1):      false,
		strings.Replace(string(good), at.Tag.String(), at.Tag.String()+"00", 1):          false,
		strings.Replace(string(good), `"life":3`, `"life":0`, 1):                         false,
		strings.Replace(string(good), at.Source.Ledger.String(), at.Tag.String()[:6], 1): false,
	} {
		s := &script{answers: map[string][]func(*http.Request) (*http.Response, error){"/applied": {words(200, text)}}}
		got, err := s.client().Inbox(t.Context())
		if (err == nil) != ok || ok && got != at {
			t.Errorf("%s: %+v %v", text, got, err)
		}
	}
	for text, ok := range map[string]bool{head(4): true, `{"position":"4"}`: false, `{"position":"` + life.String() + `:04"}`: false, "{": false} {
		s := &script{answers: map[string][]func(*http.Request) (*http.Response, error){"/head": {words(200, text)}}}
		if is, sequence, err := s.client().Head(t.Context()); (err == nil) != ok || ok && (is != life || sequence != 4) {
			t.Errorf("%s: %d %v", text, sequence, err)
		}
	}
}
