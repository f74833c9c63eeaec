// SPDX-License-Identifier: Apache-2.0

package ledger

import "github.com/aurigraph/aurigraph/internal/chain"

// nonceRecord is an account's replay window, as IPsec keeps it (RFC 4303, 3.4.3): the highest nonce used, and for each
// of the chain.NonceWindow nonces from it down whether it was used. Bit i of Bits stands for High-i.
type nonceRecord struct {
	High uint64
	Bits [chain.NonceWindow / 64]uint64
}

// check says why nonce n cannot be used now, or OK.
func (r *nonceRecord) check(n uint64) chain.Outcome {
	if n > r.High {
		if n-r.High > chain.SequenceJumpMax {
			return chain.FutureSequence
		}
		return chain.OK
	}
	age := r.High - n
	if age >= chain.NonceWindow || r.Bits[age/64]>>(age%64)&1 != 0 {
		return chain.NonceUsed
	}
	return chain.OK
}

// use marks a nonce that passed check.
func (r *nonceRecord) use(n uint64) {
	if n > r.High {
		r.shift(n - r.High)
		r.High = n
	}
	age := r.High - n
	r.Bits[age/64] |= 1 << (age % 64)
}

// shift moves the window up.
func (r *nonceRecord) shift(by uint64) {
	if by >= chain.NonceWindow {
		r.Bits = [len(r.Bits)]uint64{}
		return
	}
	words, rest := int(by/64), by%64
	for i := len(r.Bits) - 1; i >= 0; i-- {
		var w uint64
		if from := i - words; from >= 0 {
			w = r.Bits[from] << rest
			if from > 0 {
				w |= r.Bits[from-1] >> (64 - rest) // by Go's rules 0 if rest is 0
			}
		}
		r.Bits[i] = w
	}
}

// checkValidity says why something valid until a height cannot execute now, or OK.
func (l *Ledger) checkValidity(until chain.Height) chain.Outcome {
	now := l.meta.Ref(0).Height
	switch {
	case until < now:
		return chain.Expired
	case until-now > chain.ValidityBlocksMax:
		return chain.BadField
	}
	return chain.OK
}

func channelIndex(institution chain.InstitutionNo, channel uint8) uint64 {
	return uint64(institution)*chain.ChannelsMax + uint64(channel)
}

// checkSequence says why a channel cannot go on with sequence s, or OK.
func checkSequence(last, s uint64) chain.Outcome {
	switch {
	case s <= last:
		return chain.Stale
	case s-last > chain.SequenceJumpMax:
		return chain.FutureSequence
	}
	return chain.OK
}
