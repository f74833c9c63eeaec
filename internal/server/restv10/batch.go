// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/aurigraph/aurigraph/internal/custody"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// payMany answers a batch: each item for itself.
func (s *Server) payMany(ctx context.Context, q *request) (any, error) {
	items, err := v10.DecodeBatch(nil, q.body)
	if err != nil {
		return nil, err
	}
	if err := q.caller.Pay(len(items)); err != nil {
		return nil, err
	}
	w := v10.NewBatchWriter(make([]byte, 0, 96*len(items)+64))
	for _, a := range s.payItems(ctx, q, items, 0) {
		if err := fateError(&a); err != nil {
			w.Refused(problemOf(err))
		} else {
			w.Accepted(idOf(&a.Result))
		}
	}
	return raw{body: w.End()}, nil
}

// fateError is why a payment was not made, nil if it was.
func fateError(a *custody.Answer) error {
	if a.Err != nil {
		return a.Err
	}
	return paymentError(a.Outcome)
}

// payItems makes those payments of a batch that can be, and answers all. first is the number of the first one in its request.
func (s *Server) payItems(ctx context.Context, q *request, items []v10.BatchItem, first int) []custody.Answer {
	out := make([]custody.Answer, len(items))
	ps, places := make([]custody.Payment, 0, len(items)), make([]int, 0, len(items))
	for i := range items {
		p, err := custody.Payment{}, items[i].Err
		if err == nil {
			p, err = s.payment(ctx, q, &items[i].Submit, first+i)
		}
		if err != nil {
			out[i].Err = err
			continue
		}
		ps, places = append(ps, p), append(places, i)
	}
	if len(ps) == 0 {
		return out
	}
	for i, a := range s.payAll(ctx, ps) {
		out[places[i]] = a
		q.height = max(q.height, a.Height)
	}
	return out
}

// payLines answers a line of NDJSON for each line of the request, while the request still comes.
func (s *Server) payLines(ctx context.Context, q *request, w http.ResponseWriter) error {
	p := &linePayer{server: s, request: q, out: w, control: http.NewResponseController(w)}
	if err := p.control.EnableFullDuplex(); err != nil {
		return fault.Wrap(fault.Internal, err, "answer while the request comes")
	}
	h := w.Header()
	h.Set("Content-Type", q.row.Content)
	h.Set("Connection", "close") // who answers before all is read cannot use the connection again
	in := bufio.NewReaderSize(q.Body, v10.LineBytesMax+1)
	for more := true; more && ctx.Err() == nil; {
		more = p.next(in)
		if !more || len(p.items) == linesTogether || in.Buffered() == 0 {
			more = p.flush(ctx) && more
		}
	}
	return nil
}

// linePayer collects lines, pays them together, and answers them in order.
type linePayer struct {
	server  *Server
	request *request
	out     http.ResponseWriter
	control *http.ResponseController
	items   []v10.BatchItem
	lines   uint64 // read so far
	text    []byte
}

// next reads a line, and reports whether another may follow.
func (p *linePayer) next(in *bufio.Reader) bool {
	if p.lines == v10.StreamLinesMax {
		return false
	}
	_ = p.control.SetReadDeadline(time.Now().Add(lineTimeout)) // a connection without deadlines has none to pass
	line, err := in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		p.add(v10.BatchItem{Err: fault.Reasoned(fault.Invalid, v10.ReasonTooLarge, "the line is longer than %d bytes", v10.LineBytesMax)})
		return false // where the next one begins is not known
	}
	if line = bytes.TrimSpace(line); len(line) > 0 && (err == nil || errors.Is(err, io.EOF)) {
		item := v10.BatchItem{}
		item.Submit, item.Err = v10.DecodeSubmit(line)
		p.add(item)
	}
	return err == nil
}

func (p *linePayer) add(item v10.BatchItem) {
	p.items = append(p.items, item)
	p.lines++
}

// flush pays and answers what was collected. It is false if the client is gone. Keys are by line, so that a stream that is sent
// again pays nothing twice.
func (p *linePayer) flush(ctx context.Context) bool {
	if len(p.items) == 0 {
		return true
	}
	if err := p.request.caller.Pay(len(p.items)); err != nil {
		for i := range p.items {
			p.items[i].Err = cmp.Or(p.items[i].Err, err)
		}
	}
	first := p.lines - uint64(len(p.items))
	p.text = p.text[:0]
	for i, a := range p.server.payItems(ctx, p.request, p.items, int(first)) {
		line := v10.StreamLine{Line: first + uint64(i) + 1, BatchResult: resultOf(&a)}
		p.text = append(append(p.text, v10.Marshal(line)...), '\n')
	}
	p.items = p.items[:0]
	_ = p.control.SetWriteDeadline(time.Now().Add(lineTimeout))
	_, err := p.out.Write(p.text)
	return err == nil && p.control.Flush() == nil
}

func resultOf(a *custody.Answer) v10.BatchResult {
	err := fateError(a)
	if err == nil {
		return v10.BatchResult{TransactionID: idOf(&a.Result).String(), Status: v10.StatusSubmitted}
	}
	p := problemOf(err)
	if p.Code == http.StatusGatewayTimeout {
		return v10.BatchResult{Status: v10.StatusUnknown, Error: p.Text}
	}
	return v10.BatchResult{Status: v10.StatusRefused, Error: p.Text}
}
