// SPDX-License-Identifier: Apache-2.0

package lane

import (
	"sync"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// graceTicks is how long an ordered entry may be on its way from its lane's owner before others are asked for it.
const graceTicks = 5

// repeatTicks is how often the core is told again of an entry: it may have been full.
const repeatTicks = 50

// wantedMax bounds the entries looked for: what a node that catches up has in sight.
const wantedMax = 4096

// wanted is what was ordered and is not here.
type wanted struct {
	mu   *sync.Mutex
	at   map[chain.Hash]int // ticks since it is wanted
	came chan struct{}      // closed and made anew when a wanted entry arrives
}

func newWanted() wanted {
	return wanted{mu: &sync.Mutex{}, at: map[chain.Hash]int{}, came: make(chan struct{})}
}

// add looks for an entry from now on. At the bound it does nothing: who fetches adds it again.
func (w *wanted) add(d chain.Hash) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.at[d]; !ok && len(w.at) < wantedMax {
		w.at[d] = 0
	}
}

// due is told that a tick passed, and returns what is to be asked for.
func (w *wanted) due() []chain.Hash {
	w.mu.Lock()
	defer w.mu.Unlock()
	var late []chain.Hash
	for d := range w.at {
		w.at[d]++
		if w.at[d] == graceTicks || w.at[d]%repeatTicks == 0 {
			late = append(late, d)
		}
	}
	return late
}

// next is closed when one of the wanted entries arrives.
func (w *wanted) next() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.came
}

func (w *wanted) arrived(d chain.Hash) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.at[d]; !ok {
		return
	}
	delete(w.at, d)
	close(w.came)
	w.came = make(chan struct{})
}

// drop looks for an entry no longer.
func (w *wanted) drop(d chain.Hash) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.at, d)
}
