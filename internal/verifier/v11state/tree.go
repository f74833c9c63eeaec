// SPDX-License-Identifier: Apache-2.0

package v11state

import (
	"context"
	"encoding/binary"
	"math/bits"

	"github.com/zeebo/blake3"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// depthMax is that of a tree over pagesMax leaves.
const depthMax = 22

// tree hashes the leaves of one section as they come, in order, with one hash a level. Zero leaves wait until another one follows: the
// last ones have no part in the root.
type tree struct {
	page, node *blake3.Hasher
	empty      [depthMax + 1]chain.Hash // roots of trees of zero leaves, by depth
	left       [depthMax + 1]chain.Hash // left nodes that wait for their right ones; which, the bits of count say
	count      uint64
	zeros      uint64
}

func newTree() *tree {
	t := &tree{page: blake3.NewDeriveKey("aurigraph state page v1"), node: blake3.NewDeriveKey("aurigraph state node v1")}
	t.empty[0] = digest(t.page, make([]byte, pageBytes))
	for k := range depthMax {
		t.empty[k+1] = digest(t.node, t.empty[k][:], t.empty[k][:])
	}
	return t
}

func digest(h *blake3.Hasher, parts ...[]byte) (sum chain.Hash) {
	h.Reset()
	for _, p := range parts {
		_, _ = h.Write(p) // a hash takes everything
	}
	h.Sum(sum[:0])
	return sum
}

// add takes the next page.
func (t *tree) add(page []byte) {
	if zero(page) {
		t.zeros++
		return
	}
	for ; t.zeros > 0; t.zeros-- {
		t.push(t.empty[0])
	}
	t.push(digest(t.page, page))
}

// addAbsent takes n pages that are not there.
func (t *tree) addAbsent(n uint64) { t.zeros += n }

func (t *tree) push(node chain.Hash) {
	k := 0
	for ; t.count>>k&1 == 1; k++ {
		node = t.pair(k, &t.left[k], &node)
	}
	t.left[k] = node
	t.count++
}

// pair is the node above two of depth k.
func (t *tree) pair(k int, left, right *chain.Hash) chain.Hash {
	if *left == t.empty[k] && *right == t.empty[k] {
		return t.empty[k+1]
	}
	return digest(t.node, left[:], right[:])
}

// root ends a section: how many pages it has, and its root if it has one. The tree is as new then.
func (t *tree) root() (pages uint64, root chain.Hash) {
	pages = t.count
	t.count, t.zeros = 0, 0
	if pages == 0 {
		return 0, root
	}
	depth := bits.Len64(pages - 1)
	if pages == 1<<depth {
		return pages, t.left[depth]
	}
	k := bits.TrailingZeros64(pages)
	node := t.left[k]
	for ; k < depth; k++ {
		switch {
		case k == bits.TrailingZeros64(pages), pages>>k&1 == 0:
			node = t.pair(k, &node, &t.empty[k])
		default:
			node = t.pair(k, &t.left[k], &node)
		}
	}
	return pages, node
}

// topTable is what the state root hashes: the sections that have a page that is not zero.
type topTable struct {
	rows  uint32
	bytes []byte
}

func (t *topTable) add(section, recordBytes uint32, pages uint64, root *chain.Hash) {
	if pages == 0 {
		return
	}
	t.rows++
	t.bytes = binary.LittleEndian.AppendUint32(t.bytes, section)
	t.bytes = binary.LittleEndian.AppendUint32(t.bytes, recordBytes)
	t.bytes = append(binary.LittleEndian.AppendUint64(t.bytes, pages), root[:]...)
}

func (t *topTable) root() chain.Hash {
	return digest(blake3.NewDeriveKey("aurigraph state root v1"), binary.LittleEndian.AppendUint32(nil, t.rows), t.bytes)
}

// verify hashes all pages, and wants the root that the header names.
func (f *file) verify(ctx context.Context) error {
	t, rows, places := newTree(), topTable{}, uint64(0)
	for _, s := range f.sections {
		n, err := f.verifySection(ctx, t, s)
		if err != nil {
			return err
		}
		places += n
		pages, root := t.root()
		rows.add(s.number, s.recordBytes, pages, &root)
	}
	if places != uint64(f.header.slots) {
		return fault.New(fault.Corrupt, "a page has two places in the file")
	}
	if root := rows.root(); root != f.header.root {
		return fault.New(fault.Corrupt, "the pages of height %d hash to %s, and the header names %s", f.header.height, root, f.header.root)
	}
	return nil
}

// verifySection hashes the pages of a section, and returns how many have a place in the file.
func (f *file) verifySection(ctx context.Context, t *tree, s section) (places uint64, err error) {
	c := f.cursor(s.number)
	for p := range int64(s.pages) {
		if p%256 == 0 && ctx.Err() != nil {
			return 0, fault.Wrap(fault.Timeout, ctx.Err(), "read a checkpoint")
		}
		slot, _, err := c.entry(p)
		if err != nil {
			return 0, err
		}
		if slot == 0 {
			t.addAbsent(1)
			continue
		}
		if err := c.load(p); err != nil {
			return 0, err
		}
		places++
		t.add(c.page[:])
	}
	return places, nil
}
