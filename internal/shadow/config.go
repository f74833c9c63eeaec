// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	_ "embed" // the rules
	"io"
	"log/slog"
	"net/url"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/hop"
	"github.com/aurigraph/aurigraph/internal/router"
	"github.com/aurigraph/aurigraph/internal/v10diff"
)

// Defaults and bounds.
const (
	ShareBPDefault   = 100
	QueueDefault     = 1024
	WorkersDefault   = 16
	PerSecondDefault = 200
	AskDefault       = 5 * time.Second
	ServersMax       = 64
	workersMax       = 256
	queueMax         = 1 << 16
	wholeBP          = 10_000
	answerBytesMax   = 4 << 20
	uriBytesMax      = 8 << 10 // of a path and its query
	headerBytesMax   = 8 << 10 // of what travels with a read
	dialMax          = 3 * time.Second
	idleMax          = 4 * time.Second // below what servers keep an idle connection for
	classesMax       = 256
)

// pausesDefault are between tries. A sync that is well is through within the first; one that is later than all of them is the rail's business.
var pausesDefault = []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond, 1600 * time.Millisecond, 3200 * time.Millisecond}

// Config says who is asked. A number that is 0 takes its default.
type Config struct {
	V10   string         // URL of V10's guard, or of V10
	V11   []string       // URLs of servers of V11 that mean the same
	Rules []v10diff.Rule // what may differ; nil: DefaultRules()

	ShareBP      int           // how many of the reads of each endpoint are compared, in basis points; default 100, which is 1 %
	QueueMax     int           // reads that wait; default 1024
	Workers      int           // comparisons under way; default 16
	PerSecondMax int           // tries a second, of three requests each; default 200
	AskMax       time.Duration // for an answer; default 5 s

	Told    func(*router.Outcome) // called for each comparison, by several at once; it must not wait. nil: nobody wants to know
	Metrics prometheus.Registerer // nil: none
	Log     *slog.Logger          // nil: nothing is told
}

//go:embed rules.yaml
var rulesText []byte

// DefaultRules are what two ledgers in step may answer differently, and then those of the dialect.
func DefaultRules() []v10diff.Rule {
	rules, err := v10diff.ReadRules(rulesText)
	fault.Invariant(err == nil, "rules.yaml: %v", err)
	return append(rules, v10diff.DefaultRules()...)
}

func orDefault[T int | time.Duration](v *T, otherwise T) {
	if *v == 0 {
		*v = otherwise
	}
}

// complete fills in defaults and reads the addresses of both sides.
func (c *Config) complete() (sides [2][]*url.URL, err error) {
	orDefault(&c.ShareBP, ShareBPDefault)
	orDefault(&c.QueueMax, QueueDefault)
	orDefault(&c.Workers, WorkersDefault)
	orDefault(&c.PerSecondMax, PerSecondDefault)
	orDefault(&c.AskMax, AskDefault)
	if c.Rules == nil {
		c.Rules = DefaultRules()
	}
	if c.Log == nil {
		c.Log = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	switch {
	case c.ShareBP < 1 || c.ShareBP > wholeBP:
		return sides, bad("a share of %d basis points, must be 1 to %d", c.ShareBP, wholeBP)
	case c.QueueMax < 1 || c.QueueMax > queueMax || c.Workers < 1 || c.Workers > workersMax || c.PerSecondMax < 1 || c.AskMax < 0:
		return sides, bad("a queue of 1 to %d reads, 1 to %d comparisons under way, and at least one try a second are needed", queueMax, workersMax)
	case len(c.V11) == 0 || len(c.V11) > ServersMax:
		return sides, bad("%d servers of V11, must be 1 to %d", len(c.V11), ServersMax)
	}
	for side, texts := range map[router.Side][]string{router.V10: {c.V10}, router.V11: c.V11} {
		for _, text := range texts {
			u, err := hop.CheckURL(text)
			if err != nil {
				return sides, err
			}
			sides[side] = append(sides[side], u)
		}
	}
	return sides, nil
}

func bad(format string, args ...any) error {
	return fault.New(fault.Invalid, "shadow: "+format, args...)
}
