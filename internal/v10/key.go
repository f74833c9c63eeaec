// SPDX-License-Identifier: Apache-2.0

package v10

import (
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// KeyBytesMax bounds an Idempotency-Key.
const KeyBytesMax = 255

// CheckKey says whether an Idempotency-Key is one: 1 to KeyBytesMax visible ASCII characters. Invalid otherwise: a key that is cut
// or changed on its way would make two requests one.
func CheckKey(key string) error {
	good := len(key) >= 1 && len(key) <= KeyBytesMax
	for i := range len(key) {
		good = good && key[i] > ' ' && key[i] < 0x7f
	}
	if !good {
		return fault.Reasoned(fault.Invalid, "idempotency_key", "Idempotency-Key must have 1 to %d visible ASCII characters", KeyBytesMax)
	}
	return nil
}

// AppendCanonical appends p as bytes that are the same for every body that means the same payment: whoever sends a key again
// may write the amount, the members' order or the spaces otherwise. units is p's amount in the asset's scale.
func (p *Submit) AppendCanonical(dst []byte, units chain.Amount) []byte {
	for _, s := range [...]string{p.From, p.To, p.Asset()} {
		dst = append(dst, byte(len(s)>>8), byte(len(s)))
		dst = append(dst, s...)
	}
	dst = binary.LittleEndian.AppendUint64(dst, units.Lo)
	return binary.LittleEndian.AppendUint64(dst, units.Hi)
}
