// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/store"
)

// checkGap wants the headers that came below a peer's state to lie in holes, each named by the one above it. Where the heights
// above were let go too, nothing is left that names the highest one.
func (a *audit) checkGap() error {
	it, err := a.store.Iter(store.Prefix([]byte{tableGap}))
	if err != nil {
		return err
	}
	for it.Next() {
		if len(it.Key()) != 9 {
			a.problem(a.cfg.Data("blocks"), fmt.Sprintf("key %x", it.Key()), "the row of the headers below a peer's state is malformed")
			continue
		}
		h := chain.Height(binary.BigEndian.Uint64(it.Key()[1:]))
		header, err := codec.DecodeHeader(it.Value())
		switch above, aboveErr := a.gapHeader(h + 1); {
		case err != nil || header.Height != h || !a.adopted.missing(h):
			a.wrong(h, "the header below a peer's state is of no height that is not here")
		case aboveErr == nil && above.Previous != codec.Sum(it.Value()):
			a.wrong(h, "the header below a peer's state is %s, the one above names %s", codec.Sum(it.Value()), above.Previous)
		}
	}
	return errors.Join(it.Err(), it.Close())
}

// gapHeader reads a header, also one that came below a peer's state.
func (a *audit) gapHeader(h chain.Height) (*chain.ExecutedHeader, error) {
	raw, err := store.ReadAnyHeader(a.store, h)
	if err != nil {
		return nil, err
	}
	return codec.DecodeHeader(raw)
}
