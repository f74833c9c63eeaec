// SPDX-License-Identifier: Apache-2.0

package guard

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/hop"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// members are the members of a body that name who is debited.
var members = map[v10.AccountKey]string{v10.KeyBodyFrom: "from", v10.KeyBodyIssuer: "issuer"}

// slotOf reads whose slot a request debits. Without one it is of a request that debits nobody. A body in which nobody can be found is refused:
// it must not depend on how V10 reads it.
func (p *proxy) slotOf(q *request) (slot uint16, debits bool, err error) {
	member := members[q.row.AccountKey]
	if member == "" {
		return 0, false, nil
	}
	account, err := v10.MemberOf(q.body, member)
	if err == nil {
		err = v10.CheckName(member, account)
	}
	return p.g.cfg.Named.Slot(account), true, err
}

// single passes on a request that debits one account, or none.
func (p *proxy) single(ctx context.Context, w http.ResponseWriter, q *request) error {
	slot, debits, err := p.slotOf(q)
	if err != nil {
		return err
	}
	h := holding{p: p}
	defer h.end()
	for sent := 0; sent < againMax; { // what waits is bounded by its time: while V10 applies, views follow each other by the millisecond
		s := p.g.current.Load()
		at := open
		if debits {
			at = s.sides[slot]
		}
		var done bool
		switch {
		case at == open:
			sent++
			done, err = p.toV10(ctx, w, q, s)
		case at == atV11 && !q.hopped:
			done, err = p.toV11(ctx, w, q)
			if !done && err == nil { // the slot came back, or whom it asked does not know yet that it went: this guard cannot tell
				err = h.again(ctx, s)
			}
		default:
			err = h.wait(ctx, s)
		}
		if done || err != nil {
			return err
		}
	}
	return fault.Reasoned(fault.TryLater, reasonAgain, "The account moves between the ledgers: nothing was done, send it again in a moment")
}

// toV10 lets a write through with the generation of the view in which its slot is open. Not done: a newer barrier of this guard came before it.
func (p *proxy) toV10(ctx context.Context, w http.ResponseWriter, q *request, s *served) (done bool, err error) {
	resp, err := p.v10.send(ctx, q, v10.HeaderGeneration, strconv.FormatUint(s.Generation, 10))
	if err != nil {
		return false, err
	}
	if newest, old := oldGeneration(resp); old {
		forget(resp)
		p.g.metrics.again.Inc()
		return false, p.g.outran(ctx, newest)
	}
	p.g.metrics.requests.WithLabelValues(wayV10).Inc()
	passOn(w, resp)
	return true, nil
}

// probeBody asks for what no V10 grants. One that compares generations does not even look at it.
const (
	probePath = "/api/v10/assets/" + v10.DefaultAsset + "/redeem"
	probeBody = `{"issuer":"aurigraph-guard-probe","amount":1}`
)

// probe finds out whether V10 compares generations, by a write of none: it leaves no trace on one that does.
func (p *proxy) probe(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, portTimeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.base.String()+probePath, nil)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "the address of V10's REST")
	}
	resp, err := p.v10.send(ctx, &request{Request: r, body: []byte(probeBody)}, "Content-Type", "application/json")
	if err != nil {
		return err
	}
	defer forget(resp)
	if _, old := oldGeneration(resp); !old {
		return fault.Reasoned(fault.Refused, ReasonNoGenerations,
			"V10 answered %d to a write that no guard let through: it does not compare generations, or --v10 and --changes are of different ledgers", resp.StatusCode)
	}
	return nil
}

// oldGeneration reports V10's word that it executed nothing because of a newer barrier, and that barrier's generation.
func oldGeneration(resp *http.Response) (newest uint64, old bool) {
	values := resp.Header[v10.HeaderGeneration]
	if resp.StatusCode != http.StatusConflict || len(values) != 1 {
		return 0, false
	}
	newest, err := strconv.ParseUint(values[0], 10, 64)
	return newest, err == nil
}

// outran says whether a newer generation is this guard's own: then what was refused may be sent again. If it is another's, this guard ends.
func (g *Guard) outran(ctx context.Context, newest uint64) error {
	for {
		s := g.current.Load()
		switch {
		case s.Generation >= newest:
			return nil
		case !s.Barring:
			err := overtaken(s.Generation, fault.New(fault.Conflict, "V10 knows generation %d, this guard has %d", newest, s.Generation))
			g.fail(err)
			return errEnding
		}
		select {
		case <-s.changed:
		case <-g.failed:
			return errEnding
		case <-ctx.Done():
			return fault.Reasoned(fault.TryLater, reasonMoving, textMoving)
		}
	}
}

var errEnding = fault.Reasoned(fault.TryLater, reasonEnding, "The guard ends: nothing was done, send it again in a moment")

const textMoving = "The account is moving to the other ledger: nothing was done, send it again in a moment"

// notHomeText is V11's answer to a debit of a slot that V10 owns, which it does not send back.
var notHomeText = v10.ProblemOfOutcome(chain.NotHome).Text

// refusalBytesMax is how much of a refusal is read to see whether it is that.
const refusalBytesMax = 4 << 10

// toV11 sends a request to V11, which does not send it back. Not done: V11 says that the slot is V10's, and nothing was done.
func (p *proxy) toV11(ctx context.Context, w http.ResponseWriter, q *request) (done bool, err error) {
	resp, err := p.v11.send(ctx, q, hop.Header, "1")
	if err != nil {
		return false, err
	}
	if resp.StatusCode == http.StatusServiceUnavailable {
		text, err := io.ReadAll(io.LimitReader(resp.Body, refusalBytesMax))
		if err == nil && bytes.Contains(text, []byte(notHomeText)) {
			forget(resp)
			return false, nil
		}
		rest := resp.Body
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(text), rest), rest}
	}
	p.g.metrics.requests.WithLabelValues(wayV11).Inc()
	passOn(w, resp)
	return true, nil
}

// holding is a request that may have to wait for its slot, all in all for at most Config.Hold.
type holding struct {
	p     *proxy
	began time.Time
	timer *time.Timer // nil: it has not waited yet
	pause time.Duration
}

// Pauses between two questions to a V11 that may be behind this guard.
const (
	againFirst = 5 * time.Millisecond
	againLast  = 160 * time.Millisecond
)

// wait waits until another view than s is there. TryLater: too long, or too many wait.
func (h *holding) wait(ctx context.Context, s *served) error { return h.until(ctx, s, nil) }

// again waits like wait, but not longer than a while, which grows.
func (h *holding) again(ctx context.Context, s *served) error {
	h.pause = min(max(2*h.pause, againFirst), againLast)
	t := time.NewTimer(h.pause)
	defer t.Stop()
	return h.until(ctx, s, t.C)
}

func (h *holding) until(ctx context.Context, s *served, soon <-chan time.Time) error {
	p := h.p
	if h.timer == nil {
		if p.held.Add(1) > int64(p.g.cfg.HeldMax) {
			p.held.Add(-1)
			return fault.Reasoned(fault.TryLater, reasonHeld, textMoving)
		}
		h.began, h.timer = time.Now(), time.NewTimer(p.g.cfg.Hold)
	}
	select {
	case <-s.changed:
		return nil
	case <-soon:
		return nil
	case <-h.timer.C:
		return fault.Reasoned(fault.TryLater, reasonMoving, textMoving)
	case <-ctx.Done():
		return fault.Reasoned(fault.TryLater, reasonMoving, textMoving)
	case <-p.ending:
	case <-p.g.failed:
	}
	return errEnding
}

// end counts how long it waited.
func (h *holding) end() {
	if h.timer == nil {
		return
	}
	h.timer.Stop()
	h.p.held.Add(-1)
	h.p.g.metrics.held.Observe(time.Since(h.began).Seconds())
}
