// SPDX-License-Identifier: Apache-2.0

package access

import (
	"crypto/sha256"
	"sync"
	"time"
)

const (
	// verifiedMax bounds the tokens whose signatures are remembered: about 16 MiB. Verifying one costs 60 µs, as much as all else of a request.
	verifiedMax = 16_384
	// verifiedFor is how long a signature is not looked at again: so long a key goes on that a provider has withdrawn.
	verifiedFor = 30 * time.Second
)

// verified remembers tokens whose signature was good. What they say is looked at each time: when they end, and what was revoked.
type verified struct {
	mu         sync.Mutex // guards all below
	young, old map[[sha256.Size]byte]signedClaims
}

// signedClaims are of a good signature. They are shared: nobody changes them.
type signedClaims struct {
	claims *claims
	from   *provider
	at     time.Time
}

func newVerified() *verified { return &verified{young: map[[sha256.Size]byte]signedClaims{}} }

func (v *verified) get(text string) (signedClaims, bool) {
	sum := sha256.Sum256([]byte(text))
	v.mu.Lock()
	defer v.mu.Unlock()
	got, ok := v.young[sum]
	if !ok {
		got, ok = v.old[sum]
	}
	return got, ok && time.Since(got.at) < verifiedFor
}

func (v *verified) put(text string, c *claims, from *provider) {
	sum := sha256.Sum256([]byte(text))
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.young) >= verifiedMax/2 {
		v.old, v.young = v.young, map[[sha256.Size]byte]signedClaims{}
	}
	v.young[sum] = signedClaims{c, from, time.Now()}
}
