// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"cmp"
	"context"
	"errors"
	"net/http"

	"github.com/aurigraph/aurigraph/internal/custody"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/hop"
)

// Why a request that belongs to V10 is not sent on, in counters.
const (
	notSentNoHome = "no_home"    // nobody told the server where V10 is
	notSentTwice  = "second_hop" // it was sent on before
	notSentMoved  = "moved"      // its slot moved while a stream went on
)

// errAway is why V10 must do what was asked for.
var errAway = fault.Reasoned(fault.Refused, custody.ReasonNotHome, "V10 serves this account")

// isAway reports whether V10 must do it, and nothing was done here.
func isAway(err error) bool { return err != nil && fault.ReasonOf(err) == custody.ReasonNotHome }

// atHome gives an error of a look-up its meaning: an asset of which nobody here knows may be V10's newest, if the account is V10's.
func (s *Server) atHome(ctx context.Context, q *request, account, code string, err error) error {
	if fault.ReasonOf(err) == reasonNoAsset && s.goesHome(ctx, q, account, code) {
		return errAway
	}
	return err
}

// goesHome reports whether a debit is V10's and will be sent on.
func (s *Server) goesHome(ctx context.Context, q *request, account, code string) bool {
	if s.parts.Home == nil || len(q.Header[hop.Header]) > 0 {
		return false
	}
	away, err := s.parts.Desk.Away(ctx, []custody.Debit{{Account: account, Asset: code}})
	return err == nil && away[0]
}

// sendsOn reports whether what belongs to V10 may be sent on, and counts why not.
func (s *Server) sendsOn(q *request) bool {
	switch {
	case s.parts.Home == nil:
		s.metrics.notSentOn.WithLabelValues(notSentNoHome).Inc()
	case len(q.Header[hop.Header]) > 0:
		s.metrics.notSentOn.WithLabelValues(notSentTwice).Inc()
	default:
		return true
	}
	return false
}

// sendOn has V10 do what a request asks for, and passes its answer on as it is. Who calls was asked here, and the trail has it.
func (s *Server) sendOn(ctx context.Context, q *request, away error) (any, error) {
	if !s.sendsOn(q) {
		return nil, away
	}
	r := s.homeRequest(q)
	r.Body = q.body
	a, err := s.parts.Home.Forward(ctx, r)
	s.metrics.sentOn.WithLabelValues(hopResult(a, err)).Inc()
	if err != nil {
		return nil, err
	}
	q.home = a.Code
	return raw{code: a.Code, header: a.Header, body: a.Body}, nil
}

// hopResult is what became of a request that was sent on, in counters.
func hopResult(a *hop.Answer, err error) string {
	switch {
	case err != nil:
		return fault.ReasonOf(err)
	case a.Code < http.StatusBadRequest:
		return "done"
	}
	return "refused"
}

// homeRequest is a request for V10 without a body. A proxy's id is a key there as it is here, in the same words: so whoever is asked
// again knows it.
func (s *Server) homeRequest(q *request) *hop.Request {
	r := &hop.Request{
		Method: q.Method, Target: requestPath(q.Request), ContentType: q.Header.Get("Content-Type"), Key: cmp.Or(q.Header.Get(keyHeader), q.idKey),
		Others: http.Header{},
	}
	if q.URL.RawQuery != "" {
		r.Target += "?" + q.URL.RawQuery
	}
	for _, name := range [...]string{requestIDHeader, proxyIDHeader, "Accept"} {
		if values := q.Header[name]; len(values) > 0 {
			r.Others[name] = values
		}
	}
	return r
}

// partError counts a part that was sent on, and gives V10's refusal of all of it its words.
func (s *Server) partError(err error) error {
	refused := (*hop.Refusal)(nil)
	switch {
	case err == nil:
		s.metrics.sentOn.WithLabelValues("done").Inc()
		return nil
	case errors.As(err, &refused):
		s.metrics.sentOn.WithLabelValues(hopResult(&refused.Answer, nil)).Inc()
		return problem{refused.Words()}
	}
	s.metrics.sentOn.WithLabelValues(hopResult(nil, err)).Inc()
	return err
}
