// SPDX-License-Identifier: Apache-2.0

package v10

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// base36OfBig writes an id by its definition, with big numbers.
func base36OfBig(id TxID) string {
	n := new(big.Int).SetUint64(uint64(id.Height))
	n.Lsh(n, 20)
	n.Add(n, big.NewInt(int64(id.Batch)<<13+int64(id.Item)))
	digits := n.Text(36)
	if short := 9 - len(digits); short > 0 {
		digits = strings.Repeat("0", short) + digits
	}
	return fmt.Sprintf("tx_%d_%s", id.Ms, digits)
}

// unitsOfRat reads a decimal by its definition: the number of smallest units if that is whole, positive and fits.
func unitsOfRat(text string, scale uint8) (chain.Amount, bool) {
	r, ok := new(big.Rat).SetString(text)
	if !ok || r.Sign() <= 0 {
		return chain.Amount{}, false
	}
	r.Mul(r, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(scale)), nil)))
	if !r.IsInt() || r.Num().BitLen() > 128 {
		return chain.Amount{}, false
	}
	lo := new(big.Int).And(r.Num(), new(big.Int).SetUint64(^uint64(0))).Uint64()
	return chain.Amount{Lo: lo, Hi: new(big.Int).Rsh(r.Num(), 64).Uint64()}, true
}
