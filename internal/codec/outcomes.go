// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Outcomes is the outcome array of one batch: a code each and, for single transactions, a result number each (the account,
// asset or institution made; else 0).
type Outcomes struct {
	Codes   []chain.Outcome
	Results []uint32 // empty for client batches, else as long as Codes
}

// Packed forms.
const (
	packedUniform = 0 // one code for all, no results
	packedCodes   = 1 // a code each, no results
	packedResults = 2 // a code and a result each
)

// AppendFlat appends the canonical array, which is hashed into the executed header: the codes, then the results (u32).
func (o Outcomes) AppendFlat(dst []byte) []byte {
	for _, c := range o.Codes {
		dst = append(dst, byte(c))
	}
	for _, r := range o.Results {
		dst = binary.LittleEndian.AppendUint32(dst, r)
	}
	return dst
}

// Hash is the BLAKE3 of the canonical array.
func (o Outcomes) Hash() chain.Hash {
	return Sum(o.AppendFlat(make([]byte, 0, len(o.Codes)+4*len(o.Results))))
}

// AppendPacked appends the short form for disk and wire: 6 bytes when all codes are equal and there are no results. There
// are 1 to chain.BatchLegsMax codes, and no results or as many; else an invariant is broken.
func (o Outcomes) AppendPacked(dst []byte) []byte {
	fault.Invariant(len(o.Codes) > 0 && len(o.Codes) <= chain.BatchLegsMax, "an outcome array's length is out of bounds")
	fault.Invariant(len(o.Results) == 0 || len(o.Results) == len(o.Codes), "an outcome array has codes without results")
	w := writer{dst}
	switch {
	case len(o.Results) > 0:
		w.u8(packedResults)
		w.u32(uint32(len(o.Codes)))
		return o.AppendFlat(w.b)
	case o.uniform():
		w.u8(packedUniform)
		w.u32(uint32(len(o.Codes)))
		w.u8(uint8(o.Codes[0]))
		return w.b
	default:
		w.u8(packedCodes)
		w.u32(uint32(len(o.Codes)))
		return o.AppendFlat(w.b)
	}
}

// uniform reports whether all codes are equal; there is at least one.
func (o Outcomes) uniform() bool {
	for _, c := range o.Codes {
		if c != o.Codes[0] {
			return false
		}
	}
	return true
}

// UnpackOutcomes reads the short form.
func UnpackOutcomes(b []byte) (Outcomes, error) {
	r := reader{b: b, what: "outcomes"}
	form, n := r.u8(), int(r.u32())
	if n > chain.BatchLegsMax {
		r.fail("%d outcomes", n)
		n = 0
	}
	o := Outcomes{Codes: make([]chain.Outcome, n)}
	switch form {
	case packedUniform:
		code := chain.Outcome(r.u8())
		for i := range o.Codes {
			o.Codes[i] = code
		}
	case packedCodes, packedResults:
		for i, c := range r.take(n) {
			o.Codes[i] = chain.Outcome(c)
		}
		if form == packedResults {
			o.Results = make([]uint32, n)
			for i := range o.Results {
				o.Results[i] = r.u32()
			}
		}
	default:
		r.fail("packed form %d", form)
	}
	// One value, one form: a uniform array has no other packing, and an empty array does not exist.
	if r.err == nil && (n == 0 || (form == packedCodes && o.uniform())) {
		r.fail("packed form %d does not fit %d outcomes", form, n)
	}
	return o, r.done()
}
