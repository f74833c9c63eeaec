// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Bounds of a V10 port's client.
const (
	callTimeout    = 15 * time.Second
	answerBytesMax = 1 << 20
	lineBytesMax   = 96 << 20 // V10's largest write is 64 MiB, and base64 adds a third
	silenceMax     = 10 * time.Second
	pauseMin       = 100 * time.Millisecond
	pauseMax       = 2 * time.Second
)

// ReasonUnreachable is that of a V10 that does not answer, or not to the end. It is tried again.
const ReasonUnreachable = "v10_unreachable"

// v10Port is where V10 serves its change log.
type v10Port struct {
	base string
	http *http.Client
}

// barrier has V10 write the next barrier.
func (p *v10Port) barrier(ctx context.Context) (generation uint64, incarnation string, sequence uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, err := p.do(ctx, http.MethodPost, "/barrier")
	if err != nil {
		return 0, "", 0, err
	}
	defer answer.Body.Close()
	var l v10Line
	text, err := io.ReadAll(io.LimitReader(answer.Body, answerBytesMax))
	if err != nil {
		return 0, "", 0, unreachable(err)
	}
	if err := json.Unmarshal(text, &l); err != nil {
		return 0, "", 0, unreachable(err)
	}
	if l.Error != nil {
		return 0, "", 0, l.err()
	}
	incarnation, sequence, err = place(l.Position)
	return l.Generation, incarnation, sequence, err
}

func (p *v10Port) do(ctx context.Context, method, path string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, p.base+path, nil)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "V10's address")
	}
	answer, err := p.http.Do(r)
	if err != nil {
		return nil, unreachable(err)
	}
	return answer, nil
}

func unreachable(err error) error {
	return &fault.Error{Kind: fault.Unavailable, Reason: ReasonUnreachable, Text: "V10 did not answer, or not to the end", Cause: err}
}

// v10Tail reads V10's log from behind a write on, and goes on at the next write when the stream breaks.
type v10Tail struct {
	port        *v10Port
	log         v10Log
	incarnation string
	sequence    uint64
	each        func([]event)
	said        func(error)
}

// run ends with ctx, or with what time does not mend.
func (t *v10Tail) run(ctx context.Context) error {
	wait := pauseMin
	for {
		before := t.sequence
		err := t.stream(ctx)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case !mends(err):
			return err
		case t.sequence > before:
			wait = pauseMin
		}
		t.said(err)
		if pauseFor(ctx, wait) != nil {
			return ctx.Err()
		}
		wait = min(2*wait, pauseMax)
	}
}

// mends reports whether time mends an error of a log's.
func mends(err error) bool {
	if fault.ReasonOf(err) == ReasonUnknownRow {
		return false
	}
	switch fault.KindOf(err) {
	case fault.Unavailable, fault.TryLater, fault.Timeout, fault.Halted:
		return true
	}
	return false
}

func pauseFor(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

var errSilent = fault.Reasoned(fault.Unavailable, ReasonUnreachable, "V10 said nothing for %s", silenceMax)

// stream reads one answer of V10's, which does not end by itself.
func (t *v10Tail) stream(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(silenceMax, func() { cancel(errSilent) })
	defer watchdog.Stop()
	answer, err := t.port.do(ctx, http.MethodGet, "/changes?since="+url.QueryEscape(t.incarnation+":"+strconv.FormatUint(t.sequence, 10)))
	if err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	defer answer.Body.Close()
	in := bufio.NewReaderSize(answer.Body, 256<<10)
	for {
		text, err := readLine(in)
		if err != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		if err := t.line(text); err != nil {
			return err
		}
		watchdog.Reset(silenceMax)
	}
}

// readLine reads a whole line. One that is cut off is none.
func readLine(in *bufio.Reader) ([]byte, error) {
	text, err := in.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return text, orUnreachable(err)
	}
	whole := append([]byte(nil), text...)
	for errors.Is(err, bufio.ErrBufferFull) {
		if len(whole) > lineBytesMax {
			return nil, fault.Reasoned(fault.Corrupt, ReasonMalformed, "a line of V10's log has more than %d bytes", lineBytesMax)
		}
		text, err = in.ReadSlice('\n')
		whole = append(whole, text...)
	}
	return whole, orUnreachable(err)
}

func orUnreachable(err error) error {
	if err == nil {
		return nil
	}
	return unreachable(err)
}

// line takes a write, or a sign of life.
func (t *v10Tail) line(text []byte) error {
	var l v10Line
	if err := json.Unmarshal(text, &l); err != nil {
		return &fault.Error{Kind: fault.Corrupt, Reason: ReasonMalformed, Text: "a line of V10's log", Cause: err}
	}
	if l.Error != nil {
		return l.err()
	}
	at := l.Position
	if l.Head != "" {
		at = l.Head
	}
	incarnation, sequence, err := place(at)
	switch {
	case err != nil:
		return err
	case incarnation != t.incarnation:
		return fault.Reasoned(fault.Conflict, ReasonIncarnation, "V10 lives as %s, and lived as %s when the run began: it was restored from a copy; compare both ledgers anew", incarnation, t.incarnation)
	case l.Head != "" || sequence <= t.sequence:
		return nil
	}
	events, err := t.log.take(l.Origin, l.Ops)
	if err != nil {
		return err
	}
	t.sequence = sequence
	t.each(events)
	return nil
}
