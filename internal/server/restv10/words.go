// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"context"
	"maps"
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/custody"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// names writes accounts by their V10 names, or by their addresses where those are not known. Number 0 is nobody.
func (s *Server) names(ctx context.Context, numbers []chain.AccountNo) (map[chain.AccountNo]string, error) {
	slices.Sort(numbers)
	numbers = slices.Compact(numbers)
	if len(numbers) > 0 && numbers[0] == 0 {
		numbers = numbers[1:]
	}
	out := make(map[chain.AccountNo]string, len(numbers))
	for part := range slices.Chunk(numbers, custody.NamesMax) {
		names, err := s.parts.Desk.Names(ctx, part)
		if err != nil {
			return nil, err
		}
		maps.Copy(out, names)
	}
	return out, nil
}

// units writes amounts of assets, and asks for each asset once.
type units struct {
	server *Server
	known  map[chain.AssetNo]word
}

type word struct {
	code  string
	scale uint8
}

func (s *Server) units() *units { return &units{server: s, known: map[chain.AssetNo]word{}} }

// write is an asset's code and an amount of it as a number. Asset 0, of what names none, is the default asset.
func (u *units) write(ctx context.Context, asset chain.AssetNo, amount chain.Amount) (string, v10.Decimal, error) {
	w, ok := u.known[asset]
	switch {
	case ok:
	case asset == 0:
		w = word{v10.DefaultAsset, v10.DefaultScale}
	default:
		a, err := u.server.parts.Reader.Asset(ctx, asset)
		if err == nil {
			w = word{a.Code, a.Scale}
		} else if !fault.Is(err, fault.NotFound) { // a refused payment may name what does not exist
			return "", v10.Decimal{}, err
		}
		u.known[asset] = w
	}
	return w.code, v10.DecimalOf(amount, w.scale, false), nil
}

// hexHash writes a hash as V10's clients know hashes.
func hexHash(h chain.Hash) string { return "0x" + h.String() }
