// SPDX-License-Identifier: Apache-2.0

package check

// edges are the steps without faults out of one shard's states, in their order.
type edges struct {
	first []uint32 // of each place, one more at the end
	to    []ref
}

// progress marks the states from which a goal can be reached without faults, and reports the nearest one to the start from which
// none can.
func (x *search[S]) progress() {
	var graph [shardCount]edges
	var good [shardCount][]bool
	x.parallel(shardCount, func(i int) { graph[i], good[i] = x.edgesOf(i) })
	for i := range good {
		for _, is := range good[i] {
			if is {
				x.report.Goals++
			}
		}
	}
	for sweep(&graph, &good) {
	}
	nearest, depth := noRef, 0
	for i := range good {
		for place, is := range good[i] {
			if is {
				continue
			}
			x.report.Stuck++
			r := uint32(place)<<shardBits | uint32(i)
			if d := x.depthOf(r); nearest == noRef || d < depth {
				nearest, depth = r, d
			}
		}
	}
	if nearest != noRef {
		x.report.Violation = NoProgress
		x.report.Trace = x.path(nearest)
	}
}

func (x *search[S]) edgesOf(i int) (edges, []bool) {
	sh := x.shards[i]
	e := edges{first: make([]uint32, 0, sh.count+1)}
	good := make([]bool, sh.count)
	var steps []Step[S]
	for place := range sh.count {
		e.first = append(e.first, uint32(len(e.to)))
		s := sh.at(place)
		if good[place] = x.spec.Goal(s); good[place] {
			continue // no way on is needed
		}
		steps = x.spec.Next(s, steps[:0])
		for j := range steps {
			if !steps[j].Fault {
				hash := hashOf(&steps[j].To)
				to := uint32(hash % shardCount)
				e.to = append(e.to, x.shards[to].find(&steps[j].To, hash)<<shardBits|to)
			}
		}
	}
	e.first = append(e.first, uint32(len(e.to)))
	return e, good
}

// sweep carries goodness one or more steps back and reports whether anything changed. States found later come first: most
// of what they lead to was found later still.
func sweep(graph *[shardCount]edges, good *[shardCount][]bool) bool {
	changed, longest := false, 0
	for i := range good {
		longest = max(longest, len(good[i]))
	}
	for place := longest - 1; place >= 0; place-- {
		for i := range graph {
			if place < len(good[i]) && !good[i][place] && leadsOn(&graph[i], place, good) {
				good[i][place], changed = true, true
			}
		}
	}
	return changed
}

func leadsOn(e *edges, place int, good *[shardCount][]bool) bool {
	for _, r := range e.to[e.first[place]:e.first[place+1]] {
		if good[r%shardCount][r>>shardBits] {
			return true
		}
	}
	return false
}

func (x *search[S]) depthOf(r ref) (n int) {
	for ; r != noRef; r = x.shards[r%shardCount].parent(r >> shardBits) {
		n++
	}
	return n
}
