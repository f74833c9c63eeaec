// SPDX-License-Identifier: Apache-2.0

package hop

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// NoItem stands in a part for a payment that is not in it: the ledger refuses it, and all others keep their numbers, by which their keys
// are told apart.
const NoItem = "{}"

// skipTogether is how many lines that are not in a part are sent at once.
const skipTogether = 1024

// errUnread leaves open what was done.
var errUnread = fault.Reasoned(fault.Timeout, ReasonUnknown, "The answer cannot be read: nobody knows yet what became of it")

// Batch has the ledger make the items at places, in order and at least one, of a batch; q is the batch's request. It returns their answers in
// that order. A batch that was not taken is a *Refusal; other errors are those of Forward.
func (c *Client) Batch(ctx context.Context, q *Request, items []v10.BatchItem, places []int) ([]v10.BatchResult, error) {
	part := *q
	part.Body = partOf(items, places)
	a, err := c.Forward(ctx, &part)
	if err != nil {
		return nil, err
	}
	if a.Code != http.StatusOK {
		return nil, &Refusal{*a}
	}
	var said struct{ Results []v10.BatchResult }
	if json.Unmarshal(a.Body, &said) != nil || len(said.Results) != places[len(places)-1]+1 {
		return nil, errUnread
	}
	answers := make([]v10.BatchResult, len(places))
	for i, at := range places {
		answers[i] = said.Results[at]
	}
	return answers, nil
}

// partOf writes a batch up to its last place, with NoItem for all that have none.
func partOf(items []v10.BatchItem, places []int) []byte {
	body := make([]byte, 0, 128*len(items))
	body = append(body, `{"transactions":[`...)
	next := 0
	for i := range places[len(places)-1] + 1 {
		if i > 0 {
			body = append(body, ',')
		}
		if places[next] != i {
			body = append(body, NoItem...)
			continue
		}
		body = append(body, v10.Marshal(items[i].Submit)...)
		next++
	}
	return append(body, "]}"...)
}

// Numbered is a stream beside a client's, to which each line is sent under the number that it has in the client's: keys are by line. It is for
// one goroutine.
type Numbered struct {
	lines *Lines
	told  uint64 // lines that were sent
}

// Numbered makes a stream. It is opened by what is exchanged first.
func (c *Client) Numbered(q *Request) *Numbered { return &Numbered{lines: c.Lines(q)} }

// Close ends the stream.
func (n *Numbered) Close() { n.lines.Close() }

// Exchange has the ledger make the lines at places, in order and at least one, of items, of which the first follows so many in the client's
// stream. It returns their answers in that order. A stream that was not taken is a *Refusal; other errors are those of Lines.
func (n *Numbered) Exchange(ctx context.Context, first uint64, items []v10.BatchItem, places []int) ([]v10.BatchResult, error) {
	if err := n.skipTo(ctx, first); err != nil {
		return nil, err
	}
	lines := make([][]byte, 0, places[len(places)-1]+1)
	next := 0
	for i := range places[len(places)-1] + 1 {
		if places[next] != i {
			lines = append(lines, []byte(NoItem))
			continue
		}
		lines = append(lines, v10.Marshal(items[i].Submit))
		next++
	}
	said, err := n.lines.Exchange(ctx, lines)
	n.told += uint64(len(lines))
	if err != nil {
		return nil, err
	}
	answers := make([]v10.BatchResult, len(places))
	for i, at := range places {
		line := v10.StreamLine{}
		if json.Unmarshal(said[at], &line) != nil || line.Line != first+uint64(at)+1 {
			answers[i] = v10.BatchResult{Status: v10.StatusUnknown, Error: v10.TextUnknown}
			continue
		}
		answers[i] = line.BatchResult
	}
	return answers, nil
}

// skipTo sends what the ledger refuses, up to a line. If that fails nothing was sent of those that have their turn now.
func (n *Numbered) skipTo(ctx context.Context, line uint64) error {
	for n.told < line {
		lines := make([][]byte, min(line-n.told, skipTogether))
		for i := range lines {
			lines[i] = []byte(NoItem)
		}
		if _, err := n.lines.Exchange(ctx, lines); err != nil {
			if refused := (*Refusal)(nil); errors.As(err, &refused) {
				return err
			}
			return Broken()
		}
		n.told += uint64(len(lines))
	}
	return nil
}

// Words are what a client of V10's dialect is told of each payment of a part that was not taken. A broken answer leaves open what was done.
func (r *Refusal) Words() v10.Problem {
	if r.Code < http.StatusBadRequest || r.Code >= http.StatusInternalServerError && r.Code != http.StatusServiceUnavailable {
		return v10.ProblemOf(errUnread)
	}
	var said struct{ Error string }
	if json.Unmarshal(r.Body, &said) != nil || said.Error == "" {
		said.Error = http.StatusText(r.Code)
	}
	return v10.Problem{Code: r.Code, Text: said.Error}
}
