// SPDX-License-Identifier: Apache-2.0

package pages

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/zeebo/blake3"
)

// Contexts of BLAKE3's derive_key mode: what is hashed as one kind cannot be read as another.
const (
	pageContext = "aurigraph state page v1"
	nodeContext = "aurigraph state node v1"
	rootContext = "aurigraph state root v1"
)

// depthMax is the depth of a section of PagesMax pages.
const depthMax = 22

// SectionRoot is a row of the table that the state root hashes. Sections without a non-zero byte have no row.
type SectionRoot struct {
	Section     uint32
	RecordBytes uint32
	Pages       uint64 // up to the last page with a non-zero byte
	Root        chain.Hash
}

// hasher makes the three kinds of hashes. Its zero table holds the roots of all-zero trees by depth.
type hasher struct {
	page, node, root *blake3.Hasher
	zero             [depthMax + 1]chain.Hash
}

func newHasher() *hasher {
	h := &hasher{page: blake3.NewDeriveKey(pageContext), node: blake3.NewDeriveKey(nodeContext), root: blake3.NewDeriveKey(rootContext)}
	h.zero[0] = h.leaf(new(Page).Bytes())
	for k := range depthMax {
		h.zero[k+1] = h.pair(&h.zero[k], &h.zero[k])
	}
	return h
}

func (h *hasher) leaf(page []byte) (sum chain.Hash) {
	h.page.Reset()
	h.page.Write(page)
	h.page.Sum(sum[:0])
	return sum
}

func (h *hasher) pair(left, right *chain.Hash) (sum chain.Hash) {
	h.node.Reset()
	h.node.Write(left[:])
	h.node.Write(right[:])
	h.node.Sum(sum[:0])
	return sum
}

func (h *hasher) top(rows []SectionRoot) (sum chain.Hash) {
	h.root.Reset()
	h.root.Write(appendRows(nil, rows))
	h.root.Sum(sum[:0])
	return sum
}

// appendRows writes the table as FORMAT.md defines it: what the root hashes is also what a proof carries.
func appendRows(b []byte, rows []SectionRoot) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(len(rows)))
	for _, r := range rows {
		b = binary.LittleEndian.AppendUint32(b, r.Section)
		b = binary.LittleEndian.AppendUint32(b, r.RecordBytes)
		b = binary.LittleEndian.AppendUint64(b, r.Pages)
		b = append(b, r.Root[:]...)
	}
	return b
}

// depthOf is the depth of the least perfect binary tree with n leaves.
func depthOf(n uint64) int { return bits.Len64(n - 1) }

// Tree is the hash tree over a Space, kept up to date from its snapshots. One goroutine uses it; it may be another than
// the writer's. It costs about 64 B a page.
type Tree struct {
	space    *Space // whose epochs the trees hold; nil before the first Update
	hasher   *hasher
	sections map[uint32]*sectionTree
	rows     []SectionRoot // of the last Update
	root     chain.Hash
}

// sectionTree is the perfect tree of a section without its all-zero right part: level k has one hash for each 2^k
// leaves begun, and a missing node stands for hasher.zero[k]. So no node depends on the number of pages.
type sectionTree struct {
	born   []uint64
	levels [][]chain.Hash
}

// NewTree makes an empty tree. Its first Update hashes everything.
func NewTree() *Tree {
	t := &Tree{hasher: newHasher(), sections: map[uint32]*sectionTree{}}
	t.root = t.hasher.top(nil)
	return t
}

// Root returns the state root of the last Update.
func (t *Tree) Root() chain.Hash { return t.root }

// Rows returns the table behind Root, in ascending order of section. The caller may not change it.
func (t *Tree) Rows() []SectionRoot { return t.rows }

// Update makes t the tree of sn and returns the state root. It hashes the pages that differ from the last Update's; any
// order of snapshots is allowed, but all must be of one Space.
func (t *Tree) Update(sn *Snapshot) chain.Hash {
	fault.Invariant(t.space == nil || t.space == sn.space, "a tree follows one space")
	t.space = sn.space
	t.rows = nil
	for _, v := range sn.views {
		st := t.sections[v.Section]
		if st == nil {
			st = &sectionTree{levels: make([][]chain.Hash, 1)}
			t.sections[v.Section] = st
		}
		st.update(t.hasher, v)
		if n := st.pages(t.hasher); n > 0 {
			t.rows = append(t.rows, SectionRoot{v.Section, v.RecordBytes, n, st.levels[depthOf(n)][0]})
		}
	}
	for section, st := range t.sections {
		if _, ok := sn.Section(section); !ok {
			st.update(t.hasher, View{}) // sn is older than the section
		}
	}
	t.root = t.hasher.top(t.rows)
	return t.root
}

// pages returns the number of leaves up to the last that is not of a zero page.
func (st *sectionTree) pages(h *hasher) uint64 {
	n := len(st.levels[0])
	for n > 0 && st.levels[0][n-1] == h.zero[0] {
		n--
	}
	return uint64(n)
}

func (st *sectionTree) update(h *hasher, v View) {
	var changed []int
	if have := len(st.born); len(v.pages) > have {
		st.grow(h, len(v.pages))
		if have > 0 {
			// The path of leaf 0 holds every node that is new and yet above old leaves.
			changed = append(changed, 0)
		}
	}
	for p := range st.born {
		page, born := v.Page(uint64(p))
		if st.born[p] == born {
			continue
		}
		st.born[p] = born
		leaf := h.zero[0]
		if born != 0 {
			leaf = h.leaf(page.Bytes())
		}
		if leaf != st.levels[0][p] {
			st.levels[0][p] = leaf
			changed = append(changed, p)
		}
	}
	st.rehash(h, changed)
}

// grow adds zero leaves, and the nodes above them, up to n.
func (st *sectionTree) grow(h *hasher, n int) {
	st.born = append(st.born, make([]uint64, n-len(st.born))...)
	for k := 0; ; k++ {
		if k == len(st.levels) {
			st.levels = append(st.levels, nil)
		}
		level := st.levels[k]
		st.levels[k] = append(level, slices.Repeat([]chain.Hash{h.zero[k]}, n-len(level))...)
		if n == 1 {
			return
		}
		n = (n + 1) / 2
	}
}

// rehash recomputes the nodes above the changed leaves, whose numbers ascend but for repeats; it overwrites them.
func (st *sectionTree) rehash(h *hasher, changed []int) {
	for k := range len(st.levels) - 1 {
		above := changed[:0]
		for _, i := range changed {
			if parent := i / 2; len(above) == 0 || above[len(above)-1] != parent {
				st.levels[k+1][parent] = st.parent(h, k, parent)
				above = append(above, parent)
			}
		}
		changed = above
	}
}

// parent computes node i of level k+1.
func (st *sectionTree) parent(h *hasher, k, i int) chain.Hash {
	left, right := st.node(h, k, 2*i), st.node(h, k, 2*i+1)
	if *left == h.zero[k] && *right == h.zero[k] {
		return h.zero[k+1]
	}
	return h.pair(left, right)
}

func (st *sectionTree) node(h *hasher, k, i int) *chain.Hash {
	if i < len(st.levels[k]) {
		return &st.levels[k][i]
	}
	return &h.zero[k]
}

// FirstDifference names the first page, by section and number, in which sn differs from what t was last updated to, and
// false if there is none. It hashes all of sn, which may be of any Space: it is for finding out why two roots differ.
func (t *Tree) FirstDifference(sn *Snapshot) (section uint32, page uint64, differs bool) {
	sections := make([]uint32, 0, len(sn.views)+len(t.sections))
	for _, v := range sn.views {
		sections = append(sections, v.Section)
	}
	for section := range t.sections {
		sections = append(sections, section)
	}
	slices.Sort(sections)
	for _, section := range slices.Compact(sections) {
		v, _ := sn.Section(section)
		if page, differs := t.differs(section, v); differs {
			return section, page, true
		}
	}
	return 0, 0, false
}

func (t *Tree) differs(section uint32, v View) (uint64, bool) {
	var leaves []chain.Hash
	if st := t.sections[section]; st != nil {
		leaves = st.levels[0]
	}
	for p := range max(len(leaves), len(v.pages)) {
		mine, theirs := t.hasher.zero[0], t.hasher.zero[0]
		if p < len(leaves) {
			mine = leaves[p]
		}
		if page, born := v.Page(uint64(p)); born != 0 {
			theirs = t.hasher.leaf(page.Bytes())
		}
		if mine != theirs {
			return uint64(p), true
		}
	}
	return 0, false
}
