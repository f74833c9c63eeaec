// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/aurigraph/aurigraph/internal/access/trail"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// requestIDHeader is the client's or its proxy's own word for a request. Where there is none, that of our proxy stands in the trail.
const requestIDHeader = "X-Request-Id"

// audits reports whether what a row does is written down.
func (s *Server) audits(row *v10.Endpoint) bool {
	return s.parts.Trail != nil && row.Writes() && row.Retry != v10.RetryRead
}

// note writes down what a caller did, whatever became of it.
func (s *Server) note(q *request, err error) {
	if !s.audits(q.row) || q.caller == nil {
		return
	}
	e := trail.Entry{
		What: q.row.Method + " " + q.row.Path, Accounts: q.acted, Result: "ok", Height: uint64(q.height),
		Request: cmp.Or(q.Header.Get(requestIDHeader), strings.TrimPrefix(q.idKey, proxyIDSpace)),
	}
	e.Who, e.Person = q.caller.Who()
	switch {
	case err != nil:
		e.Result = reasonOf(err)
	case q.home != 0:
		e.Result = "v10_" + strconv.Itoa(q.home)
	}
	if err := s.parts.Trail.Append(&e); err != nil {
		s.parts.Log.Error("what was done is not in the audit trail", obs.KeyMethod, e.What, obs.Err(err))
	}
}

// reasonOf is the word for a refusal, also for one of the ledger.
func reasonOf(err error) string {
	if p, ok := err.(problem); ok {
		return p.Text
	}
	return fault.ReasonOf(err)
}
