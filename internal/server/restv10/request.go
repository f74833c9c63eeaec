// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/aurigraph/aurigraph/internal/access"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// request is one request that found its row.
type request struct {
	*http.Request
	row    *v10.Endpoint
	params v10.Params
	caller *access.Caller // nil where a row is for everybody
	leave  func()         // the caller leaves
	body   []byte
	begin  time.Time

	idKey   string       // for its payments, made of the proxy's request id; empty: none
	charged int64        // bytes of the body, as the server counts them
	acted   []string     // accounts that the request acted for, for the trail
	height  chain.Height // of the block that certified it
	home    int          // V10's status, if V10 did what was asked for

	upgrade http.ResponseWriter // where the row may take the connection over
}

// readBody reads the body of a method that has one, up to its row's bound. It counts what it reads in bodies; at bodiesBytesMax it
// is TryLater. Each part of a body has partTimeout, and the whole readTimeout.
func (q *request) readBody(w http.ResponseWriter, bodies *atomic.Int64) error {
	if q.row.Method == http.MethodGet {
		return nil
	}
	most := q.bodyBytesMax()
	if q.ContentLength > most {
		return tooLarge(w)
	}
	if q.ContentLength > 0 && q.ContentLength <= bodyPartBytes {
		return q.readShort(w, bodies)
	}
	var buf bytes.Buffer
	if q.ContentLength > 0 {
		buf.Grow(bodyPartBytes + bytes.MinRead)
	}
	in := http.MaxBytesReader(w, q.Request.Body, most)
	control := http.NewResponseController(w)
	for part, end := 0, q.begin.Add(readTimeout); ; part++ {
		if q.ContentLength != 0 {
			_ = control.SetReadDeadline(earlier(time.Now().Add(partTimeout), end)) // a connection without deadlines has none to pass
		}
		n, err := io.CopyN(&buf, in, bodyPartBytes)
		q.charged += n
		if bodies.Add(n) > bodiesBytesMax {
			w.Header().Set("Connection", "close")
			return errOverload()
		}
		if errors.Is(err, io.EOF) {
			q.body = buf.Bytes()
			if part > 0 { // else the library has done it: it begins to listen for the client's end with the last byte
				_ = control.SetReadDeadline(time.Time{})
			}
			return nil
		}
		if err != nil {
			return bodyError(w, err)
		}
	}
}

// readShort reads a body of one part whose length is known; the HTTP library lets nobody read beyond it.
func (q *request) readShort(w http.ResponseWriter, bodies *atomic.Int64) error {
	_ = http.NewResponseController(w).SetReadDeadline(earlier(time.Now().Add(partTimeout), q.begin.Add(readTimeout)))
	q.body = make([]byte, q.ContentLength)
	n, err := io.ReadFull(q.Request.Body, q.body)
	q.charged = int64(n)
	switch {
	case bodies.Add(q.charged) > bodiesBytesMax:
		w.Header().Set("Connection", "close")
		return errOverload()
	case err != nil:
		return bodyError(w, err)
	}
	return nil
}

// bodyBytesMax is the bound of the row's body.
func (q *request) bodyBytesMax() int64 {
	if q.row.AccountKey == v10.KeyBatchFrom {
		return v10.BatchBytesMax
	}
	return v10.BodyBytesMax
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// bodyError is why a body could not be read. Where the next request begins is not known then, so the connection ends with the answer.
func bodyError(w http.ResponseWriter, err error) error {
	if large := (*http.MaxBytesError)(nil); errors.As(err, &large) {
		return tooLarge(w)
	}
	w.Header().Set("Connection", "close")
	if late := net.Error(nil); errors.As(err, &late) && late.Timeout() {
		return problem{v10.Problem{Code: http.StatusRequestTimeout, Text: "The request's body came too slowly"}}
	}
	return fault.Wrap(fault.Invalid, err, "The request ended before its body did")
}

// tooLarge refuses a body; what is left of it is not read, so the connection ends with the answer.
func tooLarge(w http.ResponseWriter) error {
	w.Header().Set("Connection", "close")
	return fault.Reasoned(fault.Invalid, v10.ReasonTooLarge, v10.TextTooLarge)
}

// decode reads the body into a request of package v10.
func (q *request) decode(into any) error { return v10.Decode(q.body, into) }

// param is a member of the query string, unescaped; the first one counts. What is not escaped properly stands for itself, as with
// Express.
func (q *request) param(name string) string {
	raw := q.URL.RawQuery
	if len(raw) > queryBytesMax {
		raw = raw[:queryBytesMax]
	}
	for pair := range strings.SplitSeq(raw, "&") {
		key, value, _ := strings.Cut(pair, "=")
		if unescapeQuery(key) == name {
			return unescapeQuery(value)
		}
	}
	return ""
}

func unescapeQuery(s string) string {
	plain, err := url.QueryUnescape(s)
	if err != nil {
		return s
	}
	return plain
}

// number is an integer member of the query string, or otherwise if it is absent.
func (q *request) number(name string, otherwise, least, most uint64) (uint64, error) {
	text := q.param(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n < least || n > most {
		return 0, fault.Reasoned(fault.Invalid, "query_"+name, "%s must be a whole number from %d to %d", name, least, most)
	}
	return n, nil
}

// limit is ?limit=.
func (q *request) limit(otherwise int) (int, error) {
	n, err := q.number("limit", uint64(otherwise), 1, v10.ListMax)
	return int(n), err
}

// time is a member of the query string that is a time, or otherwise if it is absent.
func (q *request) time(name string, otherwise v10.Time) (v10.Time, error) {
	text := q.param(name)
	if text == "" {
		return otherwise, nil
	}
	return v10.ParseTime(text)
}

// name is the account's name in the path.
func (q *request) name() (string, error) {
	name := q.params.Get("id")
	return name, v10.CheckName("id", name)
}

// text is a path's value that people read in errors and logs.
func (q *request) text(param string) (string, error) {
	v := q.params.Get(param)
	if !utf8.ValidString(v) {
		return "", fault.Reasoned(fault.Invalid, "path_not_utf8", "%s is not valid UTF-8", param)
	}
	return v, nil
}
