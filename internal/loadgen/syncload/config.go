// SPDX-License-Identifier: Apache-2.0

package syncload

import (
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Embedded says that the broker is one of the bench's own.
const Embedded = "embedded"

// Config is a run.
type Config struct {
	Dir        string // network folder; kept
	Kafka      string // Embedded, or host:port
	Store      string // what keeps V10
	Index      string // URL of the query index; empty: in a file
	Rate       int    // payments a second each way, while latency is measured
	Duration   time.Duration
	Step       time.Duration // how long each rate of the search for the sustained one is held
	SustainMax int           // the highest rate of that search; 0: there is none
	Accounts   int           // that pay, of each ledger
	Hops       bool          // also read the topics, to say where latency goes
	Seed       uint64        // of arrivals, payers, payees and amounts
}

// Limits of a run.
const (
	rateMin, rateMax         = 100, 20_000
	durationMin, durationMax = time.Second, 24 * time.Hour
	stepMin                  = time.Second
	sustainMax               = 100_000
	accountsMin, accountsMax = 64, 65_536
)

// DefaultConfig is the run that the figures in the docs are of.
func DefaultConfig() Config {
	return Config{Kafka: Embedded, Rate: 1000, Duration: 20 * time.Second, Step: 6 * time.Second, SustainMax: 20_000, Accounts: 2048, Seed: 1}
}

// Validate checks the run's settings.
func (c Config) Validate() error {
	bad := func(format string, args ...any) error { return fault.New(fault.Invalid, format, args...) }
	switch {
	case c.Kafka == "":
		return bad("--kafka must be %s or HOST:PORT", Embedded)
	case c.Rate < rateMin || c.Rate > rateMax:
		return bad("--rate %d, must be %d to %d payments a second", c.Rate, rateMin, rateMax)
	case c.Duration < durationMin || c.Duration > durationMax:
		return bad("--duration %s, must be %s to %s", c.Duration, durationMin, durationMax)
	case c.Step < stepMin || c.Step > durationMax:
		return bad("--step %s, must be %s to %s", c.Step, stepMin, durationMax)
	case c.SustainMax < 0 || c.SustainMax > sustainMax:
		return bad("--sustain %d, must be 0 to %d payments a second", c.SustainMax, sustainMax)
	case c.Accounts < accountsMin || c.Accounts > accountsMax:
		return bad("--accounts %d, must be %d to %d", c.Accounts, accountsMin, accountsMax)
	}
	return nil
}

// Bounds of what is sampled. A sample asks again and again until it sees the payment: a few at a time do not load the machine.
const (
	samplesWanted = 240
	sampleRateMin = 8
	sampleRateMax = 16
)

// sampleRate is how many payments a second each way are read by a client.
func (c Config) sampleRate() int {
	perS := int(samplesWanted / c.Duration.Seconds())
	return min(max(perS, sampleRateMin), sampleRateMax, c.Rate/2)
}

// samplesMax is more than all payments that are read by clients, each way: those of one ledger alone, and of both at once.
func (c Config) samplesMax() int {
	return 2 * (int(float64(c.sampleRate())*c.Duration.Seconds()) + 1)
}

// steps are the rates of the search for the sustained one: a little more than round figures, so that one that is kept is not missed by
// what the edges of a measurement leave out.
func (c Config) steps() (out []int) {
	for _, perS := range []int{5_000, 10_000, 20_000, 40_000, 80_000} {
		if perS <= c.SustainMax {
			out = append(out, perS+perS/16)
		}
	}
	if len(out) == 0 && c.SustainMax > 0 {
		out = append(out, c.SustainMax)
	}
	return out
}
