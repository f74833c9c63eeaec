// SPDX-License-Identifier: Apache-2.0

package v10port

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// Sink takes the changes: bus.Publisher does, which seals them, and says every second up to where it has everything.
type Sink interface {
	// Source is whose changes it takes.
	Source() envelope.Source
	// Tip is the newest change that it took, or where the direction begins; after is the major from which to ask V10's log again.
	Tip() (at envelope.Position, after uint64)
	// Newest is from where to ask V10's log so that it tells the newest change once more. Not known: that change is not there any more.
	Newest() (since uint64, known bool)
	// Confirm compares the newest change with what V10 says there now. Its errors are final: V10 was put back to an earlier state.
	Confirm(d Draft) error
	// Failed is why the sink takes nothing more, nil while it does.
	Failed() error
	// Publish takes the next change. Timeout: ctx ended first. All other errors are final.
	Publish(ctx context.Context, d Draft) error
}

// CaptureConfig is what Capture is told.
type CaptureConfig struct {
	Client *Client
	Sink   Sink
	Keys   SharedKeys
	Log    *slog.Logger // nil: none
	// Heard is called with V10's head whenever V10 says something, and with the error while it does not. It may be nil.
	Heard func(head uint64, trouble error)
	// Registerer takes metrics; nil: none.
	Registerer prometheus.Registerer
}

// Capture gives V10's changes to the sink until ctx ends, which is nil, or they cannot go on, which is told with its reason.
func Capture(ctx context.Context, cfg CaptureConfig) error {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Heard == nil {
		cfg.Heard = func(uint64, error) {}
	}
	c := &capture{CaptureConfig: cfg, metrics: newCaptureMetrics()}
	unregister, err := c.metrics.register(cfg.Registerer)
	if err != nil {
		return err
	}
	defer unregister()
	for {
		err := c.follow(ctx)
		if ctx.Err() != nil {
			return nil
		}
		count(c.metrics.troubles, err)
		if c.confirming && fault.ReasonOf(err) == envelope.ReasonGap {
			c.unconfirmed = true // the newest change has left V10's log; what follows it may be there
			continue
		}
		if !mayMend(err) {
			c.Log.Error("V10's changes are captured no more", obs.KeyReason, fault.ReasonOf(err), obs.KeyErr, err.Error())
			return err
		}
		c.Heard(0, err)
		c.Log.Warn("V10's changes are not heard; trying again", obs.KeyReason, fault.ReasonOf(err), obs.KeyErr, err.Error())
		c.pause.wait(ctx)
	}
}

type capture struct {
	CaptureConfig
	metrics *captureMetrics
	pause   pause
	at      envelope.Position // of the sink's newest
	// confirming: V10 has not told the newest change again yet. unconfirmed: it cannot.
	confirming, unconfirmed bool
}

// follow reads one stream of changes. It always ends with an error.
func (c *capture) follow(ctx context.Context) error {
	life, head, err := c.Client.Head(ctx)
	if err != nil {
		return err
	}
	source := c.Sink.Source()
	if life != source.Incarnation {
		return fault.Reasoned(fault.Conflict, envelope.ReasonOtherIncarnation,
			"V10 lives as %s, and the records are those of %s: it was restored from a copy; compare both ledgers before its changes are let in", life, source)
	}
	var after uint64
	c.at, after = c.Sink.Tip()
	if head < c.at.Major {
		return fault.Reasoned(fault.Conflict, ReasonAhead, "V10 stands at %d, and had told what it did up to %s: it was put back to an earlier state", head, c.at)
	}
	since, known := c.Sink.Newest()
	if c.confirming = known && !c.unconfirmed; c.confirming {
		after = min(after, since)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(silenceMax, func() { cancel(errSilent) })
	defer watchdog.Stop()
	answer, err := c.Client.do(ctx, http.MethodGet, "/changes?bare="+url.QueryEscape(OriginPrefix)+"&since="+url.QueryEscape(life.String()+":"+strconv.FormatUint(after, 10)), nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	in := bufio.NewReaderSize(answer.Body, 256<<10)
	for {
		text, err := readLine(in)
		if err != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		watchdog.Stop() // a sink may wait for its brokers as long as it must
		if err := c.line(ctx, life, text); err != nil {
			return err
		}
		watchdog.Reset(silenceMax)
	}
}

var errSilent = fault.Reasoned(fault.Unavailable, ReasonUnreachable, "V10 said nothing for %s", silenceMax)

// readLine reads a whole line. One that is cut off is none.
func readLine(in *bufio.Reader) ([]byte, error) {
	text, err := in.ReadSlice('\n')
	if err == nil {
		return text, nil
	}
	whole := append([]byte(nil), text...)
	for errors.Is(err, bufio.ErrBufferFull) && len(whole) < lineBytesMax {
		text, err = in.ReadSlice('\n')
		whole = append(whole, text...)
	}
	switch {
	case err == nil:
		return whole, nil
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, fault.New(fault.Corrupt, "a line of V10's changes has more than %d bytes", lineBytesMax)
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return nil, unreachable(err)
}

// line takes a line of the stream.
func (c *capture) line(ctx context.Context, life envelope.Incarnation, text []byte) error {
	if err := c.Sink.Failed(); err != nil { // which nothing else tells while V10 does nothing
		return &final{err}
	}
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return fault.Wrap(fault.Corrupt, err, "a line of V10's changes")
	}
	place := l.Position
	switch {
	case l.Error != nil:
		return l.Error.err()
	case l.Head != "":
		place = l.Head
	}
	is, sequence, err := parsePlace(place)
	if err != nil {
		return err
	}
	if is != life {
		return fault.Reasoned(fault.Conflict, envelope.ReasonOtherIncarnation, "V10 lives as %s, and began to tell as %s", is, life)
	}
	if l.Head == "" {
		if err := c.batch(ctx, &Batch{Sequence: sequence, Origin: l.Origin, Ops: l.Ops}); err != nil {
			return err
		}
	}
	c.metrics.head.Set(float64(sequence))
	c.Heard(sequence, nil)
	c.pause.reset()
	return nil
}

// batch publishes what V10 did in a batch, but for what the sink has.
func (c *capture) batch(ctx context.Context, b *Batch) error {
	drafts, err := Translate(c.Keys, b)
	if err != nil {
		return err
	}
	if len(drafts) == 0 {
		c.metrics.skipped.Inc()
	}
	for i := range drafts {
		if !c.at.Before(drafts[i].Position) {
			if err := c.confirm(drafts[i]); err != nil {
				return err
			}
			continue
		}
		if c.confirming {
			return c.notThere()
		}
		if err := c.Sink.Publish(ctx, drafts[i]); err != nil {
			return &final{err}
		}
		c.at = drafts[i].Position
		c.metrics.changes.WithLabelValues(drafts[i].Change.Topic().String()).Inc()
	}
	if c.confirming && c.at.Major <= b.Sequence {
		return c.notThere()
	}
	c.metrics.at.Set(float64(b.Sequence))
	return nil
}

// confirm has a change that was told before compared, if it is the newest one.
func (c *capture) confirm(d Draft) error {
	if !c.confirming || d.Position != c.at {
		return nil
	}
	c.confirming = false
	if err := c.Sink.Confirm(d); err != nil {
		return &final{err}
	}
	return nil
}

func (c *capture) notThere() error {
	return fault.Reasoned(fault.Conflict, envelope.ReasonFork,
		"V10 no longer has the change at %s that it told: it was put back to an earlier state; compare both ledgers before anything is told", c.at)
}
