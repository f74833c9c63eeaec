// SPDX-License-Identifier: Apache-2.0

package check

import (
	"fmt"
	"reflect"
	"sync"
	"sync/atomic"
)

const (
	chunkSize       = 512      // states that a worker expands at a time
	chunksAtOnce    = 64       // chunks expanded before their results are stored: bounds the buffers
	statesMax       = 32 << 20 // default of Options.StatesMax
	workersDefault  = 2
	refsPerShardMax = 1<<(32-shardBits) - 1
)

// found is a successor on its way to its shard.
type found[S comparable] struct {
	state  S
	hash   uint64
	parent ref
}

// broken is a violation: of a step, or of the state that is stored at to.
type broken struct {
	what string
	from ref // whose step it is; not used for a state
	step int // index among its steps
	to   ref // noRef for a step
}

type chunk[S comparable] struct {
	found  [shardCount][]found[S]
	broken *broken             // by a step
	states [shardCount]*broken // by a state, new in a shard
	steps  int64
	kinds  [kindsMax]int64
}

type search[S comparable] struct {
	spec    Spec[S]
	options Options
	shards  [shardCount]*shard[S]
	chunks  []chunk[S]
	report  Report
}

// Run explores spec. It returns an error for a state type that it cannot hash, and ErrTooLarge, with the counts so far, at the bound.
func Run[S comparable](spec Spec[S], options Options) (Report, error) {
	if err := checkType(reflect.TypeFor[S]()); err != nil {
		return Report{}, err
	}
	if options.StatesMax == 0 {
		options.StatesMax = statesMax
	}
	options.StatesMax = min(options.StatesMax, refsPerShardMax)
	if options.Workers == 0 {
		options.Workers = workersDefault
	}
	x := &search[S]{spec: spec, options: options, chunks: make([]chunk[S], chunksAtOnce)}
	for i := range x.shards {
		x.shards[i] = &shard[S]{}
	}
	if what := x.begin(); what != "" {
		x.report.Violation = what
		return x.report, nil
	}
	if err := x.levels(); err != nil || x.report.Violation != "" || !options.Progress || spec.Goal == nil {
		return x.report, err
	}
	x.progress()
	return x.report, nil
}

func (x *search[S]) begin() string {
	for i := range x.spec.Initial {
		s := &x.spec.Initial[i]
		if what := x.spec.Violation(s); what != "" {
			return what + ", before any step"
		}
		hash := hashOf(s)
		x.shards[hash%shardCount].add(s, hash, noRef)
	}
	x.report.States = x.count()
	return ""
}

func (x *search[S]) count() (n int64) {
	for _, sh := range x.shards {
		n += int64(sh.count)
	}
	return n
}

// levels expands one level after the other until none is new.
func (x *search[S]) levels() error {
	var from [shardCount]uint32
	for {
		var to [shardCount]uint32
		var frontier []ref
		for i, sh := range x.shards {
			to[i] = sh.count
			for place := from[i]; place < to[i]; place++ {
				frontier = append(frontier, place<<shardBits|uint32(i))
			}
		}
		if len(frontier) == 0 {
			x.report.Depth--
			return nil
		}
		if b := x.level(frontier); b != nil {
			x.report.Violation = b.what
			x.report.Trace = x.trace(b)
			x.report.Depth++
			return nil
		}
		x.report.States = x.count()
		if x.report.States > int64(x.options.StatesMax) {
			return fmt.Errorf("%w: %d after %d steps", ErrTooLarge, x.options.StatesMax, x.report.Depth)
		}
		from = to
		x.report.Depth++
	}
}

// level expands the states of frontier and returns the first violation in its order.
func (x *search[S]) level(frontier []ref) *broken {
	var first *broken
	for len(frontier) > 0 {
		part := frontier[:min(len(frontier), chunkSize*chunksAtOnce)]
		frontier = frontier[len(part):]
		n := (len(part) + chunkSize - 1) / chunkSize
		x.parallel(n, func(i int) {
			x.expand(&x.chunks[i], part[i*chunkSize:min(len(part), (i+1)*chunkSize)])
		})
		x.parallel(shardCount, func(i int) { x.store(i, n) })
		for i := range n {
			x.report.Steps += x.chunks[i].steps
			for kind, n := range &x.chunks[i].kinds {
				x.report.Kinds[kind] += n
			}
			for _, b := range append(x.chunks[i].states[:], x.chunks[i].broken) {
				if first == nil {
					first = b
				}
			}
		}
		if first != nil {
			return first
		}
	}
	return nil
}

// parallel calls f(0) to f(n-1) on the workers.
func (x *search[S]) parallel(n int, f func(int)) {
	var next atomic.Int64
	var wait sync.WaitGroup
	for range min(n, x.options.Workers) {
		wait.Go(func() {
			for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
				f(int(i))
			}
		})
	}
	wait.Wait()
}

// expand fills c with the successors of part. It stops at a violation: nothing behind it can be reported.
func (x *search[S]) expand(c *chunk[S], part []ref) {
	for i := range c.found {
		c.found[i] = c.found[i][:0]
	}
	c.broken, c.steps, c.states, c.kinds = nil, 0, [shardCount]*broken{}, [kindsMax]int64{}
	var steps []Step[S]
	for _, from := range part {
		steps = x.spec.Next(x.state(from), steps[:0])
		c.steps += int64(len(steps))
		for i := range steps {
			c.kinds[steps[i].Action>>8]++
			if steps[i].Broken != "" {
				c.broken = &broken{what: steps[i].Broken, from: from, step: i, to: noRef}
				return
			}
			hash := hashOf(&steps[i].To)
			to := &c.found[hash%shardCount]
			*to = append(*to, found[S]{steps[i].To, hash, from})
		}
	}
}

func (x *search[S]) store(shard, chunks int) {
	sh := x.shards[shard]
	for i := range chunks {
		c := &x.chunks[i]
		for j := range c.found[shard] {
			f := &c.found[shard][j]
			if !sh.add(&f.state, f.hash, f.parent) || c.states[shard] != nil {
				continue
			}
			if what := x.spec.Violation(&f.state); what != "" {
				c.states[shard] = &broken{what: what, to: (sh.count-1)<<shardBits | uint32(shard)}
			}
		}
	}
}

func (x *search[S]) state(r ref) *S { return x.shards[r%shardCount].at(r >> shardBits) }

// trace tells the steps to a violation. Actions are not stored: the step is the first that leads from one state to the next.
func (x *search[S]) trace(b *broken) []string {
	if b.to != noRef {
		return x.path(b.to)
	}
	from := x.state(b.from)
	last := x.spec.Next(from, nil)[b.step]
	return append(x.path(b.from), x.spec.Name(last.Action, from, &last.To))
}

func (x *search[S]) path(to ref) []string {
	var refs []ref
	for r := to; r != noRef; r = x.shards[r%shardCount].parent(r >> shardBits) {
		refs = append(refs, r)
	}
	var lines []string
	for i := len(refs) - 1; i > 0; i-- {
		from, next := x.state(refs[i]), x.state(refs[i-1])
		for _, step := range x.spec.Next(from, nil) {
			if step.To == *next {
				lines = append(lines, x.spec.Name(step.Action, from, next))
				break
			}
		}
	}
	return lines
}
