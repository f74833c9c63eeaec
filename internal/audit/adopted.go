// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/store"
)

// metaAdopted names the record of states that were taken from peers, as the format document of package store has it.
const metaAdopted = "adopted"

// holesMax bounds the holes that a record names.
const holesMax = 256

// adopted tells which heights are not here, because the node went on from a peer's state behind them.
type adopted struct {
	height chain.Height // of the newest state; 0: there never was one
	holes  []hole       // ascending
	ahead  [][]byte     // headers of the heights after it, which carry the roots that are still open at it
}

// hole is a run of heights, both ends among them.
type hole struct{ from, to chain.Height }

func (a *adopted) missing(h chain.Height) bool {
	for _, x := range a.holes {
		if h >= x.from && h <= x.to {
			return true
		}
	}
	return false
}

// parseAdopted reads the record; false if it is malformed.
func parseAdopted(b []byte) (a adopted, ok bool) {
	le := binary.LittleEndian
	if len(b) < 12 {
		return a, false
	}
	a.height = chain.Height(le.Uint64(b))
	n := int(le.Uint32(b[8:]))
	if b = b[12:]; n > holesMax || len(b) < 16*n+4 {
		return a, false
	}
	for ; n > 0; n-- {
		a.holes = append(a.holes, hole{chain.Height(le.Uint64(b)), chain.Height(le.Uint64(b[8:]))})
		b = b[16:]
	}
	n = int(le.Uint32(b))
	for b = b[4:]; n > 0; n-- {
		if len(b) < 4 || int64(le.Uint32(b)) > int64(len(b)-4) {
			return a, false
		}
		end := 4 + le.Uint32(b)
		a.ahead, b = append(a.ahead, b[4:end]), b[end:]
	}
	return a, len(b) == 0
}

// readAdopted finds out which heights are not here. What lies behind a hole is proved by its certificates, not by what lies
// before it.
func (a *audit) readAdopted() {
	raw, err := store.ReadMeta(a.store, metaAdopted)
	if err != nil {
		return // checkRows reads all records
	}
	found, ok := parseAdopted(raw)
	after := chain.Height(0)
	for _, h := range found.holes {
		ok = ok && h.from > after && h.to >= h.from && h.to < found.height
		after = h.to
	}
	if !ok || found.height == 0 || found.height > a.head || len(found.ahead) > chain.RootDelay {
		a.problem(a.cfg.Data("blocks"), "meta "+metaAdopted, "the record of %d bytes, of height %d with %d holes, cannot be: the chain ends at %d", len(raw), found.height, len(found.holes), a.head)
		return
	}
	a.adopted = found
	for _, h := range found.holes {
		a.note("heights %d to %d are not here: the node went on from a peer's state behind them", h.from, h.to)
	}
	a.checkAhead()
}

// checkAhead wants the headers that came with a state to follow its own, and those of published heights to be theirs.
func (a *audit) checkAhead() {
	raw, err := store.ReadHeader(a.store, a.adopted.height)
	if err != nil {
		return // the chain walk says so
	}
	for i, next := range a.adopted.ahead {
		h := a.adopted.height + chain.Height(i) + 1
		header, err := codec.DecodeHeader(next)
		published, readErr := store.ReadHeader(a.store, h)
		if err != nil || header.Height != h || header.Previous != codec.Sum(raw) || readErr == nil && !bytes.Equal(published, next) {
			a.problem(a.cfg.Data("blocks"), "meta "+metaAdopted, "the header of height %d in it is not that of the chain", h)
			return
		}
		raw = next
	}
}

// readHeaderAhead reads a header, also one that only came with a peer's state.
func (a *audit) readHeaderAhead(h chain.Height) (*chain.ExecutedHeader, error) {
	header, err := a.readHeader(h)
	if err == nil || h <= a.adopted.height || h-a.adopted.height > chain.Height(len(a.adopted.ahead)) {
		return header, err
	}
	return codec.DecodeHeader(a.adopted.ahead[h-a.adopted.height-1])
}
