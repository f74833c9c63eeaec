// SPDX-License-Identifier: Apache-2.0

package commit

import (
	"sync"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// cutsMax bounds the published blocks whose time is kept until a checkpoint contains them. Of more the newest are not
// measured.
const cutsMax = 16384

// cuts remembers when the blocks were cut that no checkpoint contains yet.
type cuts struct {
	mu    sync.Mutex
	first chain.Height
	times []uint64 // by height from first, the proposer's clock
}

func (c *cuts) note(h *chain.ExecutedHeader) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.times) == 0 {
		c.first = h.Height
	}
	if len(c.times) < cutsMax && h.Height == c.first+chain.Height(len(c.times)) {
		c.times = append(c.times, h.TimeUs)
	}
}

// upTo takes the times of the blocks up to a height out.
func (c *cuts) upTo(at chain.Height) []uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.times) == 0 || at < c.first {
		return nil
	}
	n := min(int(at-c.first)+1, len(c.times))
	done := c.times[:n:n]
	c.times, c.first = append([]uint64(nil), c.times[n:]...), c.first+chain.Height(n)
	return done
}
