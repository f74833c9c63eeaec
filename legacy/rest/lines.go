// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
	"github.com/aurigraph/aurigraph/legacy/ledger"
)

// Bounds of streams.
const (
	linesTogether = 1024             // of what is read already, lines that share a submission
	lineTimeout   = 30 * time.Second // for the client to send the next, or to take an answer
	streamsMax    = 256
)

// serveStream gives a stream its bounds, and says how it ended if nothing was sent yet.
func (s *Server) serveStream(w http.ResponseWriter, c *call, run stream) {
	if s.streamed.Add(1) > streamsMax {
		s.streamed.Add(-1)
		s.refuse(w, c.row, fault.Reasoned(fault.TryLater, "streams", "%d streams are open already", streamsMax))
		return
	}
	defer s.streamed.Add(-1)
	if err := run(c, w); err != nil {
		s.refuse(w, c.row, err)
		return
	}
	s.count(string(c.row.Group), http.StatusOK)
}

// payLines answers a line of NDJSON for each line of the request, while the request still comes.
func (s *Server) payLines(c *call, w http.ResponseWriter) error {
	control := http.NewResponseController(w)
	if err := control.EnableFullDuplex(); err != nil {
		return fault.Wrap(fault.Internal, err, "answer while the request comes")
	}
	h := w.Header()
	h.Set("Content-Type", c.row.Content)
	// Who answers before all is read cannot use the connection again.
	h.Set("Connection", "close")
	in := bufio.NewReaderSize(c.Body, v10.LineBytesMax)
	p := &linePayer{s: s, c: c, w: w, control: control}
	for p.line < v10.StreamLinesMax {
		text, err := p.next(in)
		if errors.Is(err, bufio.ErrBufferFull) {
			p.add(v10.BatchItem{Err: fault.Reasoned(fault.Invalid, v10.ReasonTooLarge, "a line is longer than %d bytes", v10.LineBytesMax)})
			err = io.ErrUnexpectedEOF // where the next one begins is not known
		} else if text = bytes.TrimSpace(text); len(text) > 0 {
			item := v10.BatchItem{}
			item.Submit, item.Err = v10.DecodeSubmit(text)
			p.add(item)
		}
		if err != nil || len(p.items) == linesTogether || in.Buffered() == 0 {
			if !p.flush() {
				return nil
			}
		}
		if err != nil {
			break
		}
	}
	p.flush()
	return nil
}

// linePayer collects lines and answers them.
type linePayer struct {
	s       *Server
	c       *call
	w       http.ResponseWriter
	control *http.ResponseController
	items   []v10.BatchItem
	line    uint64 // read so far
	out     []byte
}

func (p *linePayer) next(in *bufio.Reader) ([]byte, error) {
	// A connection that has no deadlines is one of a test.
	_ = p.control.SetReadDeadline(time.Now().Add(lineTimeout))
	return in.ReadSlice('\n')
}

func (p *linePayer) add(item v10.BatchItem) {
	p.line++
	p.items = append(p.items, item)
}

// flush pays and answers what is collected. It is false if the client is gone.
func (p *linePayer) flush() bool {
	if len(p.items) == 0 {
		return true
	}
	results := make([]ledger.Result, len(p.items))
	// Keys are by line, so that a stream that is sent again pays nothing twice.
	if err := p.s.payItems(p.c, p.items, results, int(p.line)-len(p.items)); err != nil {
		for i := range results {
			if results[i].Err == nil {
				results[i].Err = err
			}
		}
	}
	p.out = p.out[:0]
	for i, r := range results {
		answer := v10.StreamLine{Line: p.line - uint64(len(results)-1-i)}
		answer.BatchResult = resultOf(r)
		p.out = append(append(p.out, v10.Marshal(answer)...), '\n')
	}
	p.items = p.items[:0]
	_ = p.control.SetWriteDeadline(time.Now().Add(lineTimeout))
	_, err := p.w.Write(p.out)
	return err == nil && p.control.Flush() == nil
}

func resultOf(r ledger.Result) v10.BatchResult {
	err := errorOf(r)
	if err == nil {
		return v10.BatchResult{TransactionID: r.ID.String(), Status: v10.StatusSubmitted}
	}
	p := problemOf(err)
	if p.Code == http.StatusGatewayTimeout {
		return v10.BatchResult{Status: v10.StatusUnknown, Error: p.Text}
	}
	return v10.BatchResult{Status: v10.StatusRefused, Error: p.Text}
}
