// SPDX-License-Identifier: Apache-2.0

package reverse

import "time"

// Defaults of Config.
const (
	BehindMaxDefault = 10 * time.Second
	FirstDefault     = 1000 // legs a second
	LegsMinDefault   = 1000
)

// Config sets a window. Zero values mean the defaults.
type Config struct {
	BehindMax time.Duration // how long V10 may need for what it is owed
	First     float64       // rate in legs a second until one is measured
	LegsMin   uint64        // least window
}

// blocksMax bounds memory: beyond it blocks count as one, which V10 has applied when it has applied the last.
const blocksMax = 1 << 14

// block is what one block has for V10.
type block struct {
	height uint64
	legs   uint64
	at     time.Duration // when it was counted
}

// Window is what is let in and not applied by V10 yet, and how much that may be.
type Window struct {
	cfg  Config
	rate rate

	blocks  []block // counted and not applied, ascending
	owed    uint64  // of blocks
	ahead   uint64  // let in here, in no block yet
	settled []block // let in here, in blocks that are not counted yet, ascending
	unseen  uint64  // of settled
	counted uint64  // height up to which blocks are counted
	applied uint64  // height
	early   uint64  // legs of blocks that V10 had applied when they were counted, since it was heard
	full    bool    // something came while the window was full, since then
	spare   spare
}

// New makes a window of a V10 of which nothing is known.
func New(cfg Config) *Window {
	if cfg.BehindMax == 0 {
		cfg.BehindMax = BehindMaxDefault
	}
	if cfg.First == 0 {
		cfg.First = FirstDefault
	}
	if cfg.LegsMin == 0 {
		cfg.LegsMin = LegsMinDefault
	}
	return &Window{cfg: cfg, rate: rate{perSecond: cfg.First}}
}

// Begin forgets blocks: V10 has applied up to a height, and those above it are counted anew. What was let in, and the rate, stay.
func (w *Window) Begin(height uint64) {
	w.blocks, w.owed, w.counted, w.applied = nil, 0, height, height
	w.unseen, w.settled = drop(w.settled, height, w.unseen)
	w.rate.idle()
}

// Owed is how many legs V10 has not applied, those included that are on their way into a block.
func (w *Window) Owed() uint64 { return w.owed + w.ahead + w.unseen }

// Limit is how many they may be.
func (w *Window) Limit() uint64 {
	return max(w.cfg.LegsMin, uint64(w.rate.perSecond*w.cfg.BehindMax.Seconds()))
}

// PerSecond is the measured rate, in legs.
func (w *Window) PerSecond() float64 { return w.rate.perSecond }

// Admit lets legs in, or not now.
func (w *Window) Admit(legs uint64, now time.Duration) bool {
	if w.Owed() >= w.Limit() {
		w.full = true
		if !w.spare.take(float64(legs), w.rate.perSecond/spareShare, now) {
			return false
		}
	}
	w.ahead += legs
	return true
}

// Settled says that admitted legs are in the block of a height; 0: they never will be in any.
func (w *Window) Settled(legs, height uint64) {
	w.ahead -= min(legs, w.ahead)
	if height > w.counted {
		w.settled = join(w.settled, block{height: height, legs: legs})
		w.unseen += legs
	}
}

// Executed counts what a block has for V10. Blocks come in the order of their heights.
func (w *Window) Executed(height, legs uint64, now time.Duration) {
	if height <= w.counted {
		return
	}
	w.counted = height
	w.unseen, w.settled = drop(w.settled, height, w.unseen)
	if height <= w.applied {
		w.early += legs
		return
	}
	if legs > 0 {
		w.blocks = join(w.blocks, block{height, legs, now})
		w.owed += legs
	}
}

// Applied says up to which height V10 has applied everything.
func (w *Window) Applied(height uint64, now time.Duration) {
	before := w.owed + w.early
	w.applied = max(w.applied, height)
	w.owed, w.blocks = drop(w.blocks, w.applied, w.owed)
	behind := w.full && w.Owed() > 0 || len(w.blocks) > 0 && now-w.blocks[0].at >= BehindFrom
	w.early, w.full = 0, false
	w.rate.look(before-w.owed, behind, now)
}

// join puts a block behind others. At the bound it becomes one with the last.
func join(blocks []block, b block) []block {
	if n := len(blocks); n > 0 && (blocks[n-1].height >= b.height || n >= blocksMax) {
		blocks[n-1].height = max(blocks[n-1].height, b.height)
		blocks[n-1].legs += b.legs
		return blocks
	}
	return append(blocks, b)
}

// drop takes away blocks up to a height, and returns what is left of their sum.
func drop(blocks []block, height, sum uint64) (uint64, []block) {
	n := 0
	for n < len(blocks) && blocks[n].height <= height {
		sum -= blocks[n].legs
		n++
	}
	return sum, append(blocks[:0], blocks[n:]...)
}
