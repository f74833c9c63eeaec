// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/aurigraph/aurigraph/internal/sync/bus"
	"github.com/aurigraph/aurigraph/internal/sync/control"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	"github.com/aurigraph/aurigraph/internal/sync/v10port"
)

// helpFor says what helps a direction that does not go on.
func helpFor(d *directionJSON) string {
	switch d.State {
	case control.StateHeld:
		if d.Held == nil {
			return ""
		}
		return fmt.Sprintf("look with `aurigraph sync dlq show %s %s`, mend it and `aurigraph sync retry %s`, or `aurigraph sync skip %s --reason TEXT`",
			d.Direction, d.Held.Position, d.Direction, d.Direction)
	case control.StateCopying:
		return "wait: `aurigraph copy status` says how long"
	case control.StateTrouble:
		return helpForReason(d.Reason)
	}
	if d.Capture != nil && d.Capture.State == control.StateTrouble {
		return helpForReason(d.Capture.Reason)
	}
	return ""
}

// helpForReason says what helps against the reason of a trouble.
func helpForReason(reason string) string {
	switch reason {
	case "inbox_closed":
		return "let V10's changes in: `aurigraph sync start`"
	case v10port.ReasonUnreachable:
		return "start V10 again: `aurigraph v10 serve` with its --changes"
	case bus.ReasonUnreachable, bus.ReasonNotAuthorized:
		return "see to the brokers; nothing is lost meanwhile"
	case bus.ReasonTopicMissing, bus.ReasonTopicShape:
		return "make the topics: `aurigraph sync init`; then see docs/runbooks/sync-lag.md"
	case envelope.ReasonGap, envelope.ReasonFork, envelope.ReasonOtherIncarnation, bus.ReasonTopicRecreated, bus.ReasonLogTruncated, v10port.ReasonAhead:
		return "it does not mend itself: docs/runbooks/divergence.md"
	case envelope.ReasonUnknownSchema, envelope.ReasonUnknownVersion:
		return "the other side is newer: upgrade this one and start it again"
	case envelope.ReasonTampered, envelope.ReasonMalformed, envelope.ReasonOversized:
		return "somebody without the key writes into the topics: docs/runbooks/divergence.md"
	}
	return "docs/runbooks/sync-lag.md"
}

// table shows the picture to a person.
func (p *syncPicture) table(row func(...any)) {
	row("DIRECTION", "STATE", "APPLIED", "PUBLISHED", "CHANGES", "SKIPPED", "PER S", "LAG", "P50", "P99", "")
	for _, d := range p.directions() {
		p50, p99 := orDash(msText(d.P50Ms), d.Samples > 0), orDash(msText(d.P99Ms), d.Samples > 0)
		name := map[string]string{"v10": "v10 to v11", "v11": "v11 to v10"}[d.Direction]
		row(name, d.State, orDash(d.Position, d.Position != ""), orDash(d.Stated, d.Stated != ""), d.Applied, d.Skipped, d.PerSecond, msText(d.LagMs), p50, p99, d.note())
	}
	for _, d := range p.directions() {
		d.more(row)
	}
	row()
	for _, c := range []*control.Capture{p.V10ToV11.Capture, p.V11ToV10.Capture} {
		if c != nil {
			row(c.Direction+" told", fmt.Sprintf("up to %d of %d", c.Position, c.Head), c.State, c.Reason)
		}
	}
	if p.V10 != nil {
		row("v10", fmt.Sprintf("head %d, V11's changes up to %s", p.V10.Head, orDash(p.V10.Applied, p.V10.Applied != "")), "life "+p.V10.Incarnation)
	}
	if p.Inbox != nil {
		row("v11", fmt.Sprintf("inbox at %s, %d applied, %d skipped", p.Inbox.Position, p.Inbox.Applied, p.Inbox.Skipped), orDash(fmt.Sprintf("life %d", p.Inbox.Life), p.Inbox.Life > 0))
	}
	if v := p.Verified; v != nil {
		row("compared", map[bool]string{true: "equal", false: "NOT EQUAL"}[v.Equal], fmt.Sprintf("%d rows, %s ago", v.Rows, time.Since(v.At).Round(time.Second)), v.File)
	}
	for _, x := range p.Halves {
		if x.State == stateSilent {
			row("no answer", x.Name, x.Error)
		}
	}
}

// note is what is said of a direction in its line.
func (d *directionJSON) note() string {
	var words []string
	if d.Reason != "" {
		words = append(words, d.Reason)
	}
	if d.RateMax > 0 {
		words = append(words, fmt.Sprintf("bound to %d/s", d.RateMax))
	}
	if d.State == stateSilent {
		words = append(words, "nobody who applies it answers")
	}
	return strings.Join(words, ", ")
}

// more are the lines about what holds a direction, and what helps.
func (d *directionJSON) more(row func(...any)) {
	if h := d.Held; h != nil {
		letter := "its letter is in " + d.Direction + ".dlq"
		if !h.Letter {
			letter = "its letter is not in " + d.Direction + ".dlq yet"
		}
		row()
		row("HELD", d.Direction, fmt.Sprintf("%s at %s: %s, tried %d times; %s", h.Kind, h.Position, h.Reason, h.Tries, letter))
		row("", "", h.Text)
	}
	if d.Error != "" {
		row("", d.Direction, d.Error)
	}
	if d.Help != "" {
		row("HELP", d.Direction, d.Help)
	}
}
