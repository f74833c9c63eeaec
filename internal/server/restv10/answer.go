// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"maps"
	"net/http"
	"strconv"
	"time"

	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

const contentJSON = "application/json; charset=utf-8"

// Values of headers that nearly every answer has. Nobody changes them.
var (
	typeJSON  = []string{contentJSON}
	anyOrigin = []string{"*"}
)

// raw is an answer that is encoded already, or that is not an ordinary 200.
type raw struct {
	code       int         // 0: 200
	content    string      // type; empty: JSON
	attachment string      // file name; empty: none
	header     http.Header // of an answer that is another server's, which is passed on whole
	body       []byte
}

// send answers with what a handler returned. A 200 has Express's weak ETag; who names it in If-None-Match gets 304 and no body.
func (s *Server) send(w http.ResponseWriter, q *request, answer any) {
	a, ok := answer.(raw)
	if !ok {
		a.body = v10.Marshal(answer)
	}
	if a.code == 0 {
		a.code = http.StatusOK
	}
	h := w.Header()
	if a.header != nil {
		s.pass(w, q, &a)
		return
	}
	if a.attachment != "" {
		h.Set("Content-Disposition", `attachment; filename="`+a.attachment+`"`)
	}
	if a.code == http.StatusOK {
		var buf [64]byte
		etag := string(v10.AppendETag(buf[:0], a.body))
		h["Etag"] = []string{etag} // the form that Go's library writes and looks for
		if q.row.Method == http.MethodGet && v10.Fresh(q.Header.Get("If-None-Match"), etag) {
			w.WriteHeader(http.StatusNotModified)
			s.metrics.answered(q.row, http.StatusNotModified, q.begin)
			return
		}
	}
	s.write(w, a.code, a.content, a.body)
	s.metrics.answered(q.row, a.code, q.begin)
}

// pass passes another server's answer on.
func (s *Server) pass(w http.ResponseWriter, q *request, a *raw) {
	if a.code >= http.StatusBadRequest {
		s.refusals.Add(1)
	}
	maps.Copy(w.Header(), a.header)
	s.write(w, a.code, a.header.Get("Content-Type"), a.body)
	s.metrics.answered(q.row, a.code, q.begin)
}

// refuse answers an error in the form of its row; a row of nil is an unknown path.
func (s *Server) refuse(w http.ResponseWriter, row *v10.Endpoint, p v10.Problem, begin time.Time) {
	s.refusals.Add(1)
	family := v10.FamilyPlain
	if row != nil {
		family = row.Errors
	}
	if p.RetryAfterS > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(p.RetryAfterS))
	}
	if p.Code == http.StatusUpgradeRequired {
		w.Header().Set("Upgrade", "websocket")
	}
	s.write(w, p.Code, "", p.Append(nil, family))
	s.metrics.answered(row, p.Code, begin)
}

func (s *Server) write(w http.ResponseWriter, code int, content string, body []byte) {
	h := w.Header()
	if content == "" {
		h["Content-Type"] = typeJSON
	} else {
		h.Set("Content-Type", content)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(code)
	_, _ = w.Write(body) // a client that went away is nobody's to tell
}
