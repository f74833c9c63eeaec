// SPDX-License-Identifier: Apache-2.0

package sim

// event is something that happens at a moment of virtual time.
type event struct {
	at    int64  // microseconds since the run began
	order uint64 // of two events of one moment the one that was planned first comes first
	node  int    // whose code runs; nobody's if negative
	do    func()
}

func (e *event) before(o *event) bool { return e.at < o.at || e.at == o.at && e.order < o.order }

// queue is a binary heap of events. Its order is total, so a run is a function of its seed.
type queue struct {
	heap    []event
	planned uint64
}

func (q *queue) push(at int64, node int, do func()) {
	q.planned++
	q.heap = append(q.heap, event{at, q.planned, node, do})
	for i := len(q.heap) - 1; i > 0; {
		parent := (i - 1) / 2
		if !q.heap[i].before(&q.heap[parent]) {
			return
		}
		q.heap[i], q.heap[parent] = q.heap[parent], q.heap[i]
		i = parent
	}
}

func (q *queue) pop() event {
	top, last := q.heap[0], len(q.heap)-1
	q.heap[0] = q.heap[last]
	q.heap[last] = event{}
	q.heap = q.heap[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			return top
		}
		if child+1 < last && q.heap[child+1].before(&q.heap[child]) {
			child++
		}
		if !q.heap[child].before(&q.heap[i]) {
			return top
		}
		q.heap[i], q.heap[child] = q.heap[child], q.heap[i]
		i = child
	}
}
