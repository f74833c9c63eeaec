// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"context"
	"net/http"

	"github.com/aurigraph/aurigraph/internal/custody"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/hop"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// fate is what became of one payment of several.
type fate struct {
	custody.Answer
	home *v10.BatchResult // V10's answer; nil: it was not made there
}

// fateError is why a payment was not made here, nil if it was.
func fateError(f *fate) error {
	if f.Err != nil {
		return f.Err
	}
	return paymentError(f.Outcome)
}

// several are payments of one request. Those that V10 must make go there while the others are made here; each side keeps the order in
// which they came.
type several struct {
	server  *Server
	request *request
	items   []v10.BatchItem
	first   int // number of the first one in its request
	fates   []fate

	here   []custody.Payment
	places []int // of those in items
	away   []int // places of those that V10 must make
	// toHome has V10 make payments, and fills in their fates.
	toHome func(ctx context.Context, places []int)
}

// sort says of each payment where it belongs, or why it can be made nowhere.
func (s *Server) sort(ctx context.Context, q *request, items []v10.BatchItem, first int) *several {
	l := &several{server: s, request: q, items: items, first: first, fates: make([]fate, len(items))}
	var lost []int // whose asset nobody here knows
	for i := range items {
		p, err := custody.Payment{}, items[i].Err
		if err == nil {
			p, err = s.payment(ctx, q, &items[i].Submit, first+i)
		}
		if err == nil {
			l.here, l.places = append(l.here, p), append(l.places, i)
			continue
		}
		l.fates[i].Err = err
		if fault.ReasonOf(err) == reasonNoAsset {
			lost = append(lost, i)
		}
	}
	if s.parts.Home != nil && len(q.Header[hop.Header]) == 0 {
		l.part(ctx, lost)
	}
	return l
}

// part takes out what V10 must make. What cannot be asked for now the desk will tell.
func (l *several) part(ctx context.Context, lost []int) {
	candidates := append(append(make([]int, 0, len(l.items)), l.places...), lost...)
	if len(candidates) == 0 {
		return
	}
	debits := make([]custody.Debit, len(candidates))
	for i, at := range candidates {
		debits[i] = custody.Debit{Account: l.items[at].From, Asset: l.items[at].Asset()}
	}
	answers, err := l.server.parts.Desk.Away(ctx, debits)
	if err != nil {
		return
	}
	gone := make([]bool, len(l.items))
	for i, at := range candidates {
		gone[at] = answers[i]
	}
	here, places := l.here[:0], l.places[:0]
	for i, at := range l.places {
		if !gone[at] {
			here, places = append(here, l.here[i]), append(places, at)
		}
	}
	l.here, l.places = here, places
	for at := range gone {
		if gone[at] {
			l.away = append(l.away, at)
		}
	}
}

// pay makes all payments, each where it belongs.
func (l *several) pay(ctx context.Context) {
	there := make(chan error, 1)
	go func() (err error) {
		defer func() { there <- err }()
		defer fault.Recover(&err)
		if len(l.away) > 0 {
			l.toHome(ctx, l.away)
		}
		return nil
	}()
	l.payHere(ctx)
	if err := <-there; err != nil {
		l.fail(l.away, err)
	}
}

func (l *several) payHere(ctx context.Context) {
	if len(l.here) == 0 {
		return
	}
	for i, a := range l.server.payAll(ctx, l.here) {
		l.fates[l.places[i]].Answer = a
		l.request.height = max(l.request.height, a.Height)
	}
}

// moved lists payments made nowhere because their slots moved meanwhile.
func (l *several) moved() (places []int) {
	for _, at := range l.places {
		if isAway(fateError(&l.fates[at])) {
			places = append(places, at)
		}
	}
	return places
}

func (l *several) fail(places []int, err error) {
	for _, at := range places {
		l.fates[at].Err = err
	}
}

// batchToHome has V10 make items of a batch.
func (l *several) batchToHome(ctx context.Context, places []int) {
	answers, err := l.server.parts.Home.Batch(ctx, l.server.homeRequest(l.request), l.items, places)
	l.answered(places, answers, l.server.partError(err))
}

// answered fills in what V10 answered to a part.
func (l *several) answered(places []int, answers []v10.BatchResult, err error) {
	if err != nil {
		l.fail(places, err)
		return
	}
	for i, at := range places {
		l.fates[at].home = &answers[i]
	}
}

// resultOf writes a payment's fate.
func resultOf(f *fate) v10.BatchResult {
	if f.home != nil {
		return *f.home
	}
	err := fateError(f)
	if err == nil {
		return v10.BatchResult{TransactionID: idOf(&f.Result).String(), Status: v10.StatusSubmitted}
	}
	p := problemOf(err)
	if p.Code == http.StatusGatewayTimeout {
		return v10.BatchResult{Status: v10.StatusUnknown, Error: p.Text}
	}
	return v10.BatchResult{Status: v10.StatusRefused, Error: p.Text}
}

// batchAnswer puts the answers of both ledgers together, as one alone would write them.
func batchAnswer(fates []fate) []byte {
	results := make([]v10.BatchResult, len(fates))
	for i := range fates {
		results[i] = resultOf(&fates[i])
	}
	return v10.Marshal(v10.BatchAnswerOf(results))
}
