// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/aurigraph/aurigraph/internal/hop"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// toHome has V10 make lines of a stream, by a stream of its own that lives as long as this one. V10 is sent something for every line before
// them, so that its numbers are the client's: keys are by line.
func (p *linePayer) toHome(ctx context.Context, l *several, places []int) {
	if p.home == nil {
		p.home = p.server.parts.Home.Lines(p.server.homeRequest(p.request))
	}
	err := p.skipTo(ctx, uint64(l.first))
	if err != nil {
		l.fail(places, p.sentOn(err))
		return
	}
	last := places[len(places)-1]
	lines := make([][]byte, 0, last+1)
	for i, next := 0, 0; i <= last; i++ {
		if places[next] != i {
			lines = append(lines, []byte(noItem))
			continue
		}
		lines = append(lines, v10.Marshal(l.items[i].Submit))
		next++
	}
	answers, err := p.home.Exchange(ctx, lines)
	p.told += uint64(len(lines))
	if err = p.sentOn(err); err != nil {
		l.fail(places, err)
		return
	}
	for _, at := range places {
		said := v10.StreamLine{}
		if json.Unmarshal(answers[at], &said) != nil || said.Line != uint64(l.first+at)+1 {
			l.fates[at].Err = errHomeAnswer
			continue
		}
		l.fates[at].home = &said.BatchResult
	}
}

// skipTo sends V10 what it refuses, up to a line.
func (p *linePayer) skipTo(ctx context.Context, line uint64) error {
	for p.told < line {
		lines := make([][]byte, min(line-p.told, linesTogether))
		for i := range lines {
			lines[i] = []byte(noItem)
		}
		if _, err := p.home.Exchange(ctx, lines); err != nil {
			return unsentLine(err)
		}
		p.told += uint64(len(lines))
	}
	return nil
}

// unsentLine is the error of lines that had their turn only later: of those nothing was sent.
func unsentLine(err error) error {
	if refused := (*hop.Refusal)(nil); errors.As(err, &refused) {
		return err
	}
	return hop.Broken()
}

// sentOn counts lines that were sent on, and gives V10's refusal of all of them its meaning.
func (p *linePayer) sentOn(err error) error {
	refused := (*hop.Refusal)(nil)
	switch {
	case err == nil:
		p.server.metrics.sentOn.WithLabelValues("done").Inc()
		return nil
	case errors.As(err, &refused):
		p.server.metrics.sentOn.WithLabelValues("refused").Inc()
		return homeProblem(&refused.Answer)
	}
	p.server.metrics.sentOn.WithLabelValues(hopResult(nil, err)).Inc()
	return err
}

// hangUp ends the stream to V10.
func (p *linePayer) hangUp() {
	if p.home != nil {
		p.home.Close()
	}
}
