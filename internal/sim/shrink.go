// SPDX-License-Identifier: Apache-2.0

package sim

import (
	"fmt"
	"slices"
	"strings"
)

// shrinkRunsMax bounds the runs that shrinking takes.
const shrinkRunsMax = 120

// Shrunk is a failing run made small.
type Shrunk struct {
	Options Options
	Result  *Result
	Runs    int // that it took
}

// Shrink looks for a smaller run that breaks the same promise: with fewer episodes, and with faults that end earlier. What
// it returns fails; if nothing smaller does, that is the run it was given.
func (r *Runner) Shrink(o Options) Shrunk {
	s := shrinker{runner: r, best: Shrunk{Options: o, Result: r.Run(o), Runs: 1}}
	if s.best.Result.Failure == nil {
		return s.best
	}
	for step := len(s.best.Result.Episodes); step > 0; step /= 2 {
		s.dropEpisodes(step)
	}
	s.endEarlier()
	return s.best
}

type shrinker struct {
	runner *Runner
	best   Shrunk
}

// try makes a run and keeps it if it breaks the same promise.
func (s *shrinker) try(o Options) bool {
	if s.best.Runs >= shrinkRunsMax {
		return false
	}
	s.best.Runs++
	x := s.runner.Run(o)
	if x.Failure == nil || x.Failure.Check != s.best.Result.Failure.Check {
		return false
	}
	s.best.Options, s.best.Result = o, x
	return true
}

// dropEpisodes leaves out so many episodes at a time, wherever the run still fails without them.
func (s *shrinker) dropEpisodes(step int) {
	left := slices.Clone(s.best.Result.Episodes)
	for at := 0; at < len(left); at += step {
		o := s.best.Options
		o.Without = append(slices.Clone(o.Without), left[at:min(at+step, len(left))]...)
		slices.Sort(o.Without)
		s.try(o)
	}
}

// endEarlier halves the time in which faults happen.
func (s *shrinker) endEarlier() {
	for ms := int64(s.best.Result.StormMs) / 2; ms > 0; ms /= 2 {
		o := s.best.Options
		o.StormMillis = ms
		if !s.try(o) {
			return
		}
	}
}

// Command is the command line that repeats a run.
func (o *Options) Command(program string) string {
	words := []string{program, "sim", "--seed", fmt.Sprint(o.Seed), "--seeds", "1"}
	if len(o.Without) > 0 {
		list := make([]string, len(o.Without))
		for i, id := range o.Without {
			list[i] = fmt.Sprint(id)
		}
		words = append(words, "--without", strings.Join(list, ","))
	}
	if o.StormMillis > 0 {
		words = append(words, "--storm-ms", fmt.Sprint(o.StormMillis))
	}
	if o.Bug != "" {
		words = append(words, "--bug", string(o.Bug))
	}
	return strings.Join(words, " ")
}
