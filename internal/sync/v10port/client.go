// SPDX-License-Identifier: Apache-2.0

package v10port

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// Bounds of a client.
const (
	callTimeout    = 15 * time.Second
	answerBytesMax = 1 << 20
	// lineBytesMax bounds a batch in a line: V10's largest is 64 MiB, and base64 adds a third.
	lineBytesMax = 96 << 20
	// silenceMax is how long a stream may say nothing; V10 says where it stands every second.
	silenceMax = 10 * time.Second
	backoffMin = 100 * time.Millisecond
	backoffMax = 2 * time.Second
)

// ReasonUnreachable is that of errors which say that V10 did not answer, or not to the end.
const ReasonUnreachable = "v10_unreachable"

// ReasonAhead is that of a V10 that stands before what it told; its log says so too.
const ReasonAhead = "ahead"

// Client calls V10's port. It is safe for any number of goroutines.
type Client struct {
	base string
	http *http.Client
}

// NewClient calls the port at base, as in "http://127.0.0.1:4005". A nil client is one of its own.
func NewClient(base string, client *http.Client) *Client {
	if client == nil {
		client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4, IdleConnTimeout: time.Minute}}
	}
	return &Client{base, client}
}

// Close closes connections that nobody uses.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Head returns which life of V10 it is, and the sequence of its newest durable batch.
func (c *Client) Head(ctx context.Context) (envelope.Incarnation, uint64, error) {
	l, err := c.call(ctx, http.MethodGet, "/head", nil)
	if err != nil {
		return envelope.Incarnation{}, 0, err
	}
	return parsePlace(l.Position)
}

// Barrier has V10 hand out the next generation, durably, and returns it with its place in V10's order.
func (c *Client) Barrier(ctx context.Context) (generation, sequence uint64, err error) {
	l, err := c.call(ctx, http.MethodPost, "/barrier", nil)
	if err != nil {
		return 0, 0, err
	}
	_, sequence, err = parsePlace(l.Position)
	return l.Generation, sequence, err
}

// Inbox returns where V10 stands in the order of the other ledger. Refused, "inbox_closed": it was not opened.
func (c *Client) Inbox(ctx context.Context) (envelope.Start, error) {
	l, err := c.call(ctx, http.MethodGet, "/applied", nil)
	return startOf(l, err)
}

// AppliedHeight is the newest block of the other ledger that V10 has applied whole. Refused, "inbox_closed": V10's inbox was not opened.
func (c *Client) AppliedHeight(ctx context.Context) (uint64, error) {
	l, err := c.call(ctx, http.MethodGet, "/applied", nil)
	return l.Height, err
}

// OpenInbox lets records of a ledger in, from a position on. Again with the same words it is nothing.
func (c *Client) OpenInbox(ctx context.Context, s envelope.Start) (envelope.Start, error) {
	body, err := json.Marshal(inboxOf(&s))
	if err != nil {
		return s, fault.Wrap(fault.Internal, err, "encode an inbox")
	}
	l, err := c.call(ctx, http.MethodPost, "/inbox", body)
	return startOf(l, err)
}

// Skip has V10 pass over the record that it stands before, on a sealed skip. Again it is nothing.
func (c *Client) Skip(ctx context.Context, sealed []byte) (envelope.Start, error) {
	l, err := c.call(ctx, http.MethodPost, "/skip", sealed)
	return startOf(l, err)
}

// resolutionsMax bounds what Resolutions returns.
const resolutionsMax = 100_000

// Resolutions are all that persons decided of V11's records, in order.
func (c *Client) Resolutions(ctx context.Context) (all []Resolution, err error) {
	path := "/resolutions"
	for len(all) < resolutionsMax {
		l, err := c.call(ctx, http.MethodGet, path, nil)
		if err != nil || len(l.Resolutions) == 0 {
			return all, err
		}
		all = append(all, l.Resolutions...)
		last := &all[len(all)-1]
		path = "/resolutions?after=" + strconv.FormatUint(uint64(last.Life), 10) + "/" + url.QueryEscape(last.Position)
	}
	return all, nil
}

func startOf(l line, err error) (envelope.Start, error) {
	switch {
	case err != nil:
		return envelope.Start{}, err
	case l.Inbox == nil:
		return envelope.Start{}, fault.New(fault.Corrupt, "V10 answered without its inbox")
	}
	return l.Inbox.start()
}

// call makes one call. The error is V10's, or Unavailable with ReasonUnreachable; then nobody knows whether it did anything.
func (c *Client) call(ctx context.Context, method, path string, body []byte) (l line, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	answer, err := c.do(ctx, method, path, body)
	if err != nil {
		return l, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, answerBytesMax))
	if err == nil {
		err = json.Unmarshal(text, &l)
	}
	switch {
	case err != nil:
		return l, unreachable(err)
	case l.Error != nil:
		return l, &refusal{l.Error.err(), l.Error.At}
	case answer.StatusCode != http.StatusOK:
		return l, unreachable(fault.New(fault.Unavailable, "status %s", answer.Status))
	}
	return l, nil
}

func (c *Client) do(ctx context.Context, method, path string, body []byte) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "V10's address")
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, unreachable(err)
	}
	return answer, nil
}

func unreachable(err error) error {
	return &fault.Error{Kind: fault.Unavailable, Reason: ReasonUnreachable, Text: "V10 did not answer, or not to the end", Cause: err}
}

// refusal is what V10 answered instead, and of which record, if of one.
type refusal struct {
	error
	at string
}

// Unwrap returns V10's words.
func (r *refusal) Unwrap() error { return r.error }

// final is an error that trying again does not mend, whatever its kind: the sink's.
type final struct{ error }

// Unwrap returns the sink's words.
func (f *final) Unwrap() error { return f.error }

// mayMend reports whether time mends an error of V10's. Halted is one: V10 is started anew then.
func mayMend(err error) bool {
	var f *final
	if errors.As(err, &f) {
		return false
	}
	switch fault.KindOf(err) {
	case fault.TryLater, fault.Timeout, fault.Halted:
		return true
	case fault.Unavailable:
		reason := fault.ReasonOf(err)
		return reason != ReasonUnknownRow && reason != ReasonUnknownOrigin
	}
	return false
}

// pause waits longer each time, until ctx ends.
type pause struct{ next time.Duration }

func (p *pause) wait(ctx context.Context) {
	p.next = min(max(2*p.next, backoffMin), backoffMax)
	timer := time.NewTimer(p.next)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (p *pause) reset() { p.next = 0 }
