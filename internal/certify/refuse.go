// SPDX-License-Identifier: Apache-2.0

package certify

import "github.com/aurigraph/aurigraph/internal/chain"

// Refuse ends signing for this life of the certifier: once it returns, no vote is made any more, and Sign waits for its context
// to end unless the header was signed before. Whoever refuses for good says so before each start.
func (c *Certifier) Refuse() {
	c.signing.Lock()
	defer c.signing.Unlock()
	c.refuses = true
}

// signed reports whether a header was signed before, in this life or an earlier one.
func (c *Certifier) signed(h chain.Height, hash chain.Hash) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	own := c.core.Own(h)
	return own != nil && own.Hash == hash
}

// VotesAbove lists what this node signed above a height, ascending and without a gap, those on their way to the log among them.
// After Refuse it is all that it ever signs in this epoch.
func (c *Certifier) VotesAbove(h chain.Height) (votes []Vote) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for h++; ; h++ {
		v := c.core.Own(h)
		if v == nil {
			return votes
		}
		votes = append(votes, *v)
	}
}
