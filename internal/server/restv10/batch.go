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
	"slices"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/hop"
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
	l := s.sort(ctx, q, items, 0)
	if len(l.away) == len(items) {
		return nil, errAway // as it came
	}
	l.toHome = l.batchToHome
	l.pay(ctx)
	if moved := l.moved(); len(moved) > 0 && s.sendsOn(q) {
		l.batchToHome(ctx, moved)
	}
	if slices.ContainsFunc(l.fates, func(f fate) bool { return f.home != nil }) {
		return raw{body: batchAnswer(l.fates)}, nil
	}
	return raw{body: l.answer()}, nil
}

// answer is batchAnswer for a batch that was made here, of which there are many.
func (l *several) answer() []byte {
	w := v10.NewBatchWriter(make([]byte, 0, 96*len(l.items)+64))
	for i := range l.fates {
		if err := fateError(&l.fates[i]); err != nil {
			w.Refused(problemOf(err))
		} else {
			w.Accepted(idOf(&l.fates[i].Result))
		}
	}
	return w.End()
}

// payLines answers a line of NDJSON for each line of the request, while the request still comes.
func (s *Server) payLines(ctx context.Context, q *request, w http.ResponseWriter) error {
	p := &linePayer{server: s, request: q, out: w, control: http.NewResponseController(w)}
	defer p.hangUp()
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

	home *hop.Numbered // to V10; nil: none of its payments has come yet
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
	for i, f := range p.pay(ctx, int(first)) {
		line := v10.StreamLine{Line: first + uint64(i) + 1, BatchResult: resultOf(&f)}
		p.text = append(append(p.text, v10.Marshal(line)...), '\n')
	}
	p.items = p.items[:0]
	_ = p.control.SetWriteDeadline(time.Now().Add(lineTimeout))
	_, err := p.out.Write(p.text)
	return err == nil && p.control.Flush() == nil
}

// pay makes the collected payments, each where it belongs.
func (p *linePayer) pay(ctx context.Context, first int) []fate {
	l := p.server.sort(ctx, p.request, p.items, first)
	l.toHome = func(ctx context.Context, places []int) { p.toHome(ctx, l, places) }
	l.pay(ctx)
	if n := len(l.moved()); n > 0 && p.server.sendsOn(p.request) {
		p.server.metrics.notSentOn.WithLabelValues(notSentMoved).Add(float64(n)) // their lines have passed
	}
	return l.fates
}
