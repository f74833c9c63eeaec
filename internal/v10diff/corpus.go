// SPDX-License-Identifier: Apache-2.0

package v10diff

import (
	"bufio"
	"bytes"
	_ "embed" // the requests of the dialect
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// Request is one line of a corpus. In Path, Headers and Body, $NAME stands for what was saved under that name from an earlier
// answer of the same server, $RUN for a word that no other run has used, $PAYER for an account of that server that can pay, and
// $$ for a $.
type Request struct {
	Method  string            `json:"method,omitempty"`  // GET if not given
	Path    string            `json:"path"`              // and query, as it stands in the request line
	Headers map[string]string `json:"headers,omitempty"` // an empty one is not sent
	Body    json.RawMessage   `json:"body,omitempty"`    // a JSON value, sent as it stands here; a string is sent as its text
	Pad     int               `json:"pad,omitempty"`     // so many spaces behind the body
	Save    map[string]string `json:"save,omitempty"`    // NAME: where in the answer, such as nodes[0].id
	Until   string            `json:"until,omitempty"`   // of a read that may lag: ask both again for so long, such as 10s, until they agree
	Events  int               `json:"events,omitempty"`  // read so many server-sent events, and no further
	Read    bool              `json:"read,omitempty"`    // it changes nothing, though its method writes; the dialect's own are known

	until time.Duration
	row   string // METHOD /path/{of}/the/table, or as asked if it has none
	reads bool
}

// Bounds of a corpus.
const (
	corpusMax    = 1_000_000
	lineBytesMax = 8 << 20
	untilMax     = time.Minute
	eventsMax    = 16
	padMax       = 32 << 20
	runBytesMax  = 16
)

//go:embed corpus.jsonl
var defaultCorpus []byte

// DefaultCorpusText is the corpus of the dialect as it is written to a file.
func DefaultCorpusText() []byte { return bytes.Clone(defaultCorpus) }

// DefaultCorpus asks for every served row of the dialect and for each class of errors. It needs an account with 2,000 AUR on
// either server, and pays from it to accounts of its own.
func DefaultCorpus() []Request {
	corpus, err := ReadCorpus(bytes.NewReader(defaultCorpus))
	fault.Invariant(err == nil, "corpus.jsonl: %v", err)
	return corpus
}

// ReadCorpus reads lines of JSON; empty ones and those that begin with # are passed over. Invalid: a line is no request, which the
// text names, or there are none, or more than a million.
func ReadCorpus(r io.Reader) ([]Request, error) {
	in := bufio.NewScanner(r)
	in.Buffer(nil, lineBytesMax)
	var corpus []Request
	for n := 1; in.Scan(); n++ {
		line := bytes.TrimSpace(in.Bytes())
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		if len(corpus) == corpusMax {
			return nil, fault.New(fault.Invalid, "more than %d requests", corpusMax)
		}
		one, err := parseRequest(line)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "line %d", n)
		}
		corpus = append(corpus, one)
	}
	switch err := in.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fault.New(fault.Invalid, "a line is longer than %d bytes", lineBytesMax)
	case err != nil:
		return nil, fault.Wrap(fault.Unavailable, err, "read the corpus")
	case len(corpus) == 0:
		return nil, fault.New(fault.Invalid, "the corpus has no request")
	}
	return corpus, nil
}

func parseRequest(line []byte) (r Request, err error) {
	in := json.NewDecoder(bytes.NewReader(line))
	in.DisallowUnknownFields()
	if err := in.Decode(&r); err != nil {
		return r, err
	}
	if in.More() {
		return r, fault.New(fault.Invalid, "something follows the request")
	}
	r.Body = bytes.Clone(r.Body)
	return r, r.prepare()
}

func (r *Request) prepare() (err error) {
	if r.Method == "" {
		r.Method = http.MethodGet
	}
	if r.Until != "" {
		r.until, err = time.ParseDuration(r.Until)
	}
	r.note()
	switch {
	case err != nil || r.until < 0 || r.until > untilMax:
		return fault.New(fault.Invalid, "until %q: write a time such as 10s, at most %s", r.Until, untilMax)
	case !strings.HasPrefix(r.Path, "/") || strings.ContainsAny(r.Path, " \r\n"):
		return fault.New(fault.Invalid, "path %q: write a path as it stands in a request, beginning with /", r.Path)
	case r.Events < 0 || r.Events > eventsMax:
		return fault.New(fault.Invalid, "events %d: at most %d", r.Events, eventsMax)
	case r.Pad < 0 || r.Pad > padMax:
		return fault.New(fault.Invalid, "pad %d: at most %d", r.Pad, padMax)
	case r.until > 0 && !r.reads:
		return fault.New(fault.Invalid, "until goes with reads: a write is sent once")
	}
	return nil
}

// note finds the row of the table that r asks for.
func (r *Request) note() {
	path, _, _ := strings.Cut(variable.ReplaceAllString(r.Path, "x"), "?")
	r.reads = r.Read || r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
	r.row = r.Method + " " + path
	e, _, err := v10.Match(r.Method, path)
	if err != nil {
		return
	}
	r.row = e.Method + " " + e.Path
	r.reads = r.reads || e.Retry == v10.RetryRead
}

// payload is what is sent as the body, before variables.
func (r *Request) payload() string {
	var text string
	if len(r.Body) > 0 && r.Body[0] == '"' && json.Unmarshal(r.Body, &text) == nil {
		return text
	}
	return string(r.Body)
}
