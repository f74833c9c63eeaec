// SPDX-License-Identifier: Apache-2.0

package hop

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Refusal is the other ledger's answer to a stream that it did not take.
type Refusal struct{ Answer }

// Error says what the answer was.
func (r *Refusal) Error() string {
	return "the other ledger refused the stream: " + http.StatusText(r.Code)
}

// Lines is a request whose body is written line by line while its answer, a line for each, is read. It is for one goroutine.
type Lines struct {
	client  *Client
	request *Request
	sent    sending
	in      *io.PipeWriter // nil: nothing was sent yet
	head    chan head      // of one place
	body    io.ReadCloser
	out     *bufio.Reader
	cancel  context.CancelFunc
	ended   bool
}

type head struct {
	resp *http.Response
	err  error
}

// Lines makes a stream. It is opened by what is exchanged first.
func (c *Client) Lines(q *Request) *Lines { return &Lines{client: c, request: q} }

// Exchange sends lines and returns their answers, in order, for which there is TimeMax. ctx of the first call bounds the stream. An error is of all lines: TryLater says
// that none of them was sent, Timeout that nobody knows. A stream that failed once takes no more lines.
func (l *Lines) Exchange(ctx context.Context, lines [][]byte) (answers [][]byte, err error) {
	if l.ended {
		return nil, Broken()
	}
	if l.in == nil {
		if err := l.open(ctx); err != nil {
			l.ended = true
			return nil, err
		}
	}
	late := time.AfterFunc(l.client.cfg.TimeMax, l.cancel)
	defer late.Stop()
	text := append(bytes.Join(lines, []byte{'\n'}), '\n')
	wrote := make(chan error, 1)
	go func() {
		_, err := l.in.Write(text)
		wrote <- err
	}()
	answers, err = l.read(len(lines))
	if err != nil {
		l.end()
	}
	<-wrote // all was taken, or the request has ended and takes no more
	return answers, err
}

func (l *Lines) open(ctx context.Context) error {
	if err := l.client.enter(); err != nil {
		return err
	}
	ctx, l.cancel = context.WithCancel(ctx)
	out, in := io.Pipe()
	// The library waits for the body that it writes before it says that a connection is lost.
	l.sent.lost = func() { _ = in.CloseWithError(io.ErrUnexpectedEOF) } // a pipe's end cannot fail
	r, err := l.client.request(l.sent.watch(ctx), l.request, out)
	if err != nil {
		l.cancel()
		l.client.leave()
		return err
	}
	r.Close = true // else a server that refuses the stream would wait for its end before it says so
	l.in, l.head = in, make(chan head, 1)
	go func() {
		resp, err := l.client.transport.RoundTrip(r)
		if err != nil {
			_ = out.CloseWithError(err) // whoever writes stops; a pipe's end cannot fail
		}
		l.head <- head{resp, err}
	}()
	return nil
}

// read reads the answers of so many lines.
func (l *Lines) read(n int) ([][]byte, error) {
	if l.body == nil {
		h := <-l.head
		if h.err != nil {
			return nil, l.sent.failed(h.err)
		}
		if h.resp.StatusCode != http.StatusOK {
			return nil, refusalOf(h.resp)
		}
		l.body, l.out = h.resp.Body, bufio.NewReaderSize(h.resp.Body, LineBytesMax)
	}
	answers := make([][]byte, n)
	for i := range answers {
		line, err := l.out.ReadSlice('\n')
		if err != nil {
			return nil, unknown(err)
		}
		answers[i] = bytes.Clone(line)
	}
	return answers, nil
}

func refusalOf(resp *http.Response) error {
	a, err := answerOf(resp)
	if err != nil {
		return err
	}
	return &Refusal{*a}
}

// end cuts the request off, so that nothing waits for it any more.
func (l *Lines) end() {
	if l.ended {
		return
	}
	l.ended = true
	_ = l.in.CloseWithError(errors.New("the stream has ended")) // a pipe's end cannot fail
	l.cancel()
	if l.body != nil {
		_ = l.body.Close() // all that was wanted of it is read
	}
	l.client.leave()
}

// Close ends the stream. Every line that was sent has its answer, so nobody waits for the server's own end.
func (l *Lines) Close() {
	if l.in == nil || l.ended {
		return
	}
	_ = l.in.Close() // a pipe's end cannot fail
	l.end()
}

// Broken is the error of lines that come after a stream has ended: nothing was done.
func Broken() error {
	return fault.Reasoned(fault.TryLater, ReasonBroken, "The stream to the ledger that serves the account has ended: nothing was done, send it again")
}
