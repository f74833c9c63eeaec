// SPDX-License-Identifier: Apache-2.0

package alarm

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// answerBytesMax bounds what a server may say.
const answerBytesMax = 16 << 20

// Reasons of errors.
const (
	ReasonUnreachable = "alarm_unreachable" // Unavailable
	ReasonAnswer      = "alarm_answer"      // Unavailable: it is no Prometheus, or not well
)

// Rule is an alert that a server has.
type Rule struct {
	Name     string
	Severity string        // its label
	Firing   bool          // now, for at least one target
	Trouble  string        // why it is not worked out; empty: it is
	Age      time.Duration // since it was worked out, by the server's clock
}

// answered is what a Prometheus says.
type answered struct {
	Status string `json:"status"`
	Error  string `json:"error"`
	Data   struct {
		Groups []struct {
			Rules []struct {
				Type           string            `json:"type"`
				Name           string            `json:"name"`
				State          string            `json:"state"`
				Health         string            `json:"health"`
				LastError      string            `json:"lastError"`
				LastEvaluation time.Time         `json:"lastEvaluation"`
				Labels         map[string]string `json:"labels"`
			} `json:"rules"`
		} `json:"groups"`
	} `json:"data"`
}

// Ask asks the Prometheus at a URL for its alerts.
func Ask(ctx context.Context, c *http.Client, base string) ([]Rule, error) {
	url := strings.TrimSuffix(base, "/") + "/api/v1/rules?type=alert"
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "%s", base)
	}
	answer, err := c.Do(r)
	if err != nil {
		return nil, fault.Reasoned(fault.Unavailable, ReasonUnreachable, "the Prometheus at %s does not answer: %v", base, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, answerBytesMax+1))
	switch {
	case err != nil:
		return nil, fault.Reasoned(fault.Unavailable, ReasonUnreachable, "the Prometheus at %s breaks off: %v", base, err)
	case len(text) > answerBytesMax:
		return nil, fault.Reasoned(fault.Unavailable, ReasonAnswer, "%s answers with more than %d bytes", base, answerBytesMax)
	case answer.StatusCode != http.StatusOK:
		return nil, fault.Reasoned(fault.Unavailable, ReasonAnswer, "%s answers %d: %.200q", base, answer.StatusCode, text)
	}
	now, err := http.ParseTime(answer.Header.Get("Date"))
	if err != nil {
		return nil, fault.Reasoned(fault.Unavailable, ReasonAnswer, "%s does not say what time it is: is it a Prometheus?", base)
	}
	return Read(text, now)
}

// Read reads the answer of a server whose clock shows now.
func Read(text []byte, now time.Time) ([]Rule, error) {
	var a answered
	if err := json.Unmarshal(text, &a); err != nil || a.Status != "success" {
		return nil, fault.Reasoned(fault.Unavailable, ReasonAnswer, "this is no list of a Prometheus's alerts: %.200q", text)
	}
	rules := []Rule{}
	for _, g := range a.Data.Groups {
		for i := range g.Rules {
			r := &g.Rules[i]
			if r.Type != "alerting" {
				continue
			}
			one := Rule{Name: r.Name, Severity: r.Labels["severity"], Firing: r.State == "firing", Age: max(0, now.Sub(r.LastEvaluation))}
			switch r.Health {
			case "ok":
			case "unknown":
				one.Trouble = "it was not worked out yet"
			default:
				one.Trouble = "it cannot be worked out: " + r.LastError
			}
			rules = append(rules, one)
		}
	}
	return rules, nil
}
