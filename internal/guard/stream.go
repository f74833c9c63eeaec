// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/hop"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// Bounds of streams.
const (
	streamsMax    = 256
	linesTogether = 1024             // of what is read already
	lineTimeout   = 30 * time.Second // for the client to send the next, or to take an answer
)

// reasonStreams: TryLater, too many streams are open.
const reasonStreams = "guard_streams"

// stream answers a line for each line of the client's, which goes to its payer's home by a stream of its own.
func (p *proxy) stream(w http.ResponseWriter, q *request) {
	if p.streams.Add(1) > streamsMax {
		p.streams.Add(-1)
		p.refuse(w, q.row, fault.Reasoned(fault.TryLater, reasonStreams, "%d streams are open already", streamsMax))
		return
	}
	defer p.streams.Add(-1)
	s := &lineStream{p: p, q: q, w: w, control: http.NewResponseController(w)}
	defer s.hangUp()
	if err := s.control.EnableFullDuplex(); err != nil {
		p.refuse(w, q.row, fault.Wrap(fault.Internal, err, "answer while the request comes"))
		return
	}
	ctx, cancel := context.WithTimeout(q.Context(), time.Duration(q.row.DeadlineMs)*time.Millisecond+deadlineMargin)
	defer cancel()
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Content-Type", q.row.Content)
	h.Set("Connection", "close") // who answers before all is read cannot use the connection again
	in := bufio.NewReaderSize(q.Body, v10.LineBytesMax+1)
	for more := true; more && ctx.Err() == nil; {
		more = s.next(in)
		if !more || len(s.items) == linesTogether || in.Buffered() == 0 {
			more = s.flush(ctx) && more
		}
	}
	p.g.metrics.requests.WithLabelValues(wayParted).Inc()
}

// lineStream collects lines, has them made together, and answers them in order.
type lineStream struct {
	p       *proxy
	q       *request
	w       http.ResponseWriter
	control *http.ResponseController
	items   []v10.BatchItem
	lines   uint64 // read so far
	text    []byte

	here       *hop.Numbered // to V10; nil: none is open
	generation uint64        // with which it was opened
	away       *hop.Numbered
}

// next reads a line, and reports whether another may follow.
func (s *lineStream) next(in *bufio.Reader) bool {
	if s.lines == v10.StreamLinesMax {
		return false
	}
	_ = s.control.SetReadDeadline(time.Now().Add(lineTimeout)) // a connection without deadlines has none to pass
	line, err := in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		s.add(v10.BatchItem{Err: fault.Reasoned(fault.Invalid, v10.ReasonTooLarge, "a line is longer than %d bytes", v10.LineBytesMax)})
		return false // where the next one begins is not known
	}
	if line = bytes.TrimSpace(line); len(line) > 0 && (err == nil || errors.Is(err, io.EOF)) {
		item := v10.BatchItem{}
		item.Submit, item.Err = v10.DecodeSubmit(line)
		s.add(item)
	}
	return err == nil
}

func (s *lineStream) add(item v10.BatchItem) {
	s.items = append(s.items, item)
	s.lines++
}

// flush has the collected lines made, and answers them. It is false if the client is gone.
func (s *lineStream) flush(ctx context.Context) bool {
	if len(s.items) == 0 {
		return true
	}
	first := s.lines - uint64(len(s.items))
	ps := s.p.partsOf(s.q, s.items)
	ps.here = func(at *served) maker {
		return func(ctx context.Context, places []int) ([]v10.BatchResult, error) {
			return s.toV10(ctx, at, first, places)
		}
	}
	ps.away = func(ctx context.Context, places []int) ([]v10.BatchResult, error) { return s.toV11(ctx, first, places) }
	if err := ps.make(ctx); err != nil {
		for _, at := range ps.left {
			ps.refuse(at, v10.ProblemOf(err))
		}
	}
	s.text = s.text[:0]
	for i, r := range ps.results {
		s.text = append(append(s.text, v10.Marshal(v10.StreamLine{Line: first + uint64(i) + 1, BatchResult: r})...), '\n')
	}
	s.items = s.items[:0]
	_ = s.control.SetWriteDeadline(time.Now().Add(lineTimeout)) // as above
	_, err := s.w.Write(s.text)
	return err == nil && s.control.Flush() == nil
}

// toV10 sends lines on the stream to V10. One that was let through under an older generation is of no use any more.
func (s *lineStream) toV10(ctx context.Context, at *served, first uint64, places []int) ([]v10.BatchResult, error) {
	if s.here != nil && s.generation != at.Generation {
		s.here.Close()
		s.here = nil
	}
	if s.here == nil {
		s.here, s.generation = s.p.parts10.Numbered(stamped(partRequest(s.q), at.Generation)), at.Generation
	}
	answers, err := s.here.Exchange(ctx, first, s.items, places)
	if err != nil {
		s.here.Close()
		s.here = nil
	}
	return answers, err
}

func (s *lineStream) toV11(ctx context.Context, first uint64, places []int) ([]v10.BatchResult, error) {
	if s.away == nil {
		s.away = s.p.parts11.Numbered(partRequest(s.q))
	}
	answers, err := s.away.Exchange(ctx, first, s.items, places)
	if err != nil {
		s.away.Close()
		s.away = nil
	}
	return answers, err
}

// hangUp ends both streams.
func (s *lineStream) hangUp() {
	for _, n := range [...]*hop.Numbered{s.here, s.away} {
		if n != nil {
			n.Close()
		}
	}
}
