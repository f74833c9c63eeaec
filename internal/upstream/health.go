// SPDX-License-Identifier: Apache-2.0

package upstream

import "time"

// health is what one group knows of one validator. It is well, left out until a time, or from then on on trial, with one call in
// flight until one succeeds.
type health struct {
	window   window // hits are faults
	failures int    // in a row
	until    time.Duration
	out      bool // left out or on trial
	trial    bool // the call that tries it is under way
	pauses   int  // lately
	since    time.Duration
	round    uint64 // what began in another one says nothing
}

// trying is whether a call may be the one that tries a validator that was left out.
type trying uint8

const (
	triesAtOnce trying = iota // it can be sent to another one after that
	triesLate                 // if for PauseMin nothing else came by
	triesNever                // it lives long
)

// standing is how a validator stands when one is picked.
type standing uint8

const (
	standsWell  standing = iota // it can be called, on trial too if nobody tries it
	standsTried                 // it has failed this very call, and is well
	standsOut                   // it is left out: only when there is no other
)

func (h *health) standing(cfg EjectionConfig, now time.Duration, t trying) standing {
	if h.out && !h.onTrial(cfg, now, t) {
		return standsOut
	}
	return standsWell
}

// onTrial reports whether a call may try it.
func (h *health) onTrial(cfg EjectionConfig, now time.Duration, t trying) bool {
	switch {
	case !h.out || h.trial || t == triesNever:
		return false
	case t == triesLate:
		return now >= h.until+cfg.PauseMin
	}
	return now >= h.until
}

// leaveOut begins a pause, each twice as long as the one before, unless it was well for a long time between them.
func (h *health) leaveOut(cfg EjectionConfig, now time.Duration) {
	if !h.out && now-h.since > cfg.PauseMax {
		h.pauses = 0
	}
	pause := cfg.PauseMax
	if h.pauses < 32 && cfg.PauseMin<<h.pauses < cfg.PauseMax {
		pause = cfg.PauseMin << h.pauses
	}
	h.pauses++
	*h = health{until: now + pause, out: true, pauses: h.pauses, round: h.round + 1}
}

func (h *health) takeBack(now time.Duration) {
	*h = health{since: now, pauses: h.pauses, round: h.round + 1}
}

// outlier reports whether a validator fails so much more often than its peers that it is it, and not what they share.
func outlier(cfg EjectionConfig, own, peers counted) bool {
	return own.calls >= cfg.SamplesMin && peers.calls >= cfg.SamplesMin &&
		own.share() >= cfg.ShareMin && own.share() >= OutlierFactor*peers.share()
}
