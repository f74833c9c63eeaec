// SPDX-License-Identifier: Apache-2.0

package bus

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
)

// beat tells all topics, again and again, up to where they have everything, and asks whether they are still the same topics.
func (p *Publisher) beat() {
	defer close(p.beating)
	ticker := time.NewTicker(HeartbeatInterval)
	defer ticker.Stop()
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-p.early:
			p.state()
		case <-ticker.C:
			p.state()
			p.watch()
		}
	}
}

func (p *Publisher) beatSoon() {
	select {
	case p.early <- struct{}{}:
	default:
	}
}

// state sends a heart-beat to each topic that took the last ones.
func (p *Publisher) state() {
	for _, t := range envelope.Topics() {
		if !p.mayBeat(t) {
			continue
		}
		record, err := p.heartbeat(t)
		if err != nil {
			_ = p.fail(err)
			return
		}
		p.client.Produce(p.ctx, record, func(r *kgo.Record, err error) {
			if err != nil {
				_ = p.fail(p.refused(err, r.Topic))
				return
			}
			p.mu.Lock()
			defer p.mu.Unlock()
			p.beatsOpen[t]--
		})
	}
}

func (p *Publisher) mayBeat(t envelope.Topic) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unstated = 0
	if p.beatsOpen[t] >= heartbeatsOpenMax {
		return false
	}
	p.beatsOpen[t]++
	return true
}

func (p *Publisher) heartbeat(t envelope.Topic) (*kgo.Record, error) {
	p.mu.Lock()
	tip, homeVersion := p.window.frontier, p.homeVersion
	p.mu.Unlock()
	r := &envelope.Record{
		Source: p.cfg.Source, Position: tip.Position, Previous: tip.Position, PreviousTag: tip.Tag, Since: tip.Since, End: tip.End,
		HomeVersion: homeVersion, Change: &envelope.Heartbeat{TimeMs: uint64(p.cfg.Now().UnixMilli())},
	}
	wire, err := envelope.Seal(&p.key, r)
	if err != nil {
		return nil, err
	}
	return &kgo.Record{Topic: p.cfg.topic(t, p.cfg.Source.Origin), Value: wire}, nil
}

// watch fails the publisher if a topic was deleted or made anew: what was in it is lost, and going on would hide that.
func (p *Publisher) watch() {
	ctx, cancel := context.WithTimeout(p.ctx, askTimeout)
	defer cancel()
	err := p.cfg.sameTopics(ctx, p.client, p.cfg.Source.Origin, p.ids)
	if p.ctx.Err() != nil {
		return
	}
	if err != nil && !fault.Is(err, fault.Unavailable) {
		_ = p.fail(err)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.trouble = err
}
