// SPDX-License-Identifier: Apache-2.0

package pages

import (
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Sizes of an encoded proof in bytes.
const (
	proofHeadBytes = 1 + 4 + 8
	rowBytes       = 48
	hashBytes      = 32
	ProofBytesMax  = proofHeadBytes + 4 + SectionsMax*rowBytes + 1 + depthMax*hashBytes
)

// proofVersion is the first byte of an encoded proof.
const proofVersion = 1

// Proof shows what a page of a section is under a state root. It carries the whole section table, so that it also
// proves that a page beyond a section's last, or of a section without a row, is zero.
type Proof struct {
	Section uint32
	Page    uint64
	Rows    []SectionRoot
	Path    []chain.Hash // siblings from the leaf up; empty where the table alone shows that the page is zero
}

// Proof proves a page under the root of the last Update.
func (t *Tree) Proof(section uint32, page uint64) Proof {
	p := Proof{Section: section, Page: page, Rows: append([]SectionRoot(nil), t.rows...)}
	row, ok := p.row()
	if !ok {
		return p
	}
	st, i := t.sections[section], int(page)
	for k := range depthOf(row.Pages) {
		p.Path = append(p.Path, *st.node(t.hasher, k, i^1))
		i /= 2
	}
	return p
}

// row returns the row of the proof's section, and false if its page is not among that row's.
func (p *Proof) row() (SectionRoot, bool) {
	for _, r := range p.Rows {
		if r.Section == p.Section {
			return r, p.Page < r.Pages
		}
	}
	return SectionRoot{}, false
}

// Verify checks that data, of PageBytes, is the page that p speaks of in the state of root. What does not fit is
// Corrupt.
func Verify(root chain.Hash, p Proof, data []byte) error {
	if err := p.check(); err != nil {
		return err
	}
	h := newHasher()
	if len(data) != PageBytes || h.top(p.Rows) != root {
		return fault.New(fault.Corrupt, "the proof of section %d, page %d is for another root than %v", p.Section, p.Page, root)
	}
	sum, want, i := h.leaf(data), h.zero[0], p.Page
	if row, ok := p.row(); ok {
		want = row.Root
	}
	for k := range p.Path {
		left, right := &sum, &p.Path[k]
		if i&1 == 1 {
			left, right = right, left
		}
		sum, i = h.pair(left, right), i/2
	}
	if sum != want {
		return fault.New(fault.Corrupt, "the bytes are not page %d of section %d under root %v", p.Page, p.Section, root)
	}
	return nil
}

// check reports what no honest tree makes.
func (p *Proof) check() error {
	if len(p.Rows) > SectionsMax {
		return fault.New(fault.Corrupt, "a proof has %d sections, more than %d", len(p.Rows), SectionsMax)
	}
	for i, r := range p.Rows {
		ascends := i == 0 || p.Rows[i-1].Section < r.Section
		if !ascends || r.Pages == 0 || r.Pages > PagesMax || r.RecordBytes == 0 || r.RecordBytes > PageBytes {
			return fault.New(fault.Corrupt, "a proof's row %d is malformed", i)
		}
	}
	depth := 0
	if row, ok := p.row(); ok {
		depth = depthOf(row.Pages)
	}
	if len(p.Path) != depth {
		return fault.New(fault.Corrupt, "a proof's path has %d hashes, not %d", len(p.Path), depth)
	}
	return nil
}

// AppendBinary appends the canonical encoding: see FORMAT.md.
func (p Proof) AppendBinary(b []byte) ([]byte, error) {
	if err := p.check(); err != nil {
		return b, err
	}
	b = append(b, proofVersion)
	b = binary.LittleEndian.AppendUint32(b, p.Section)
	b = binary.LittleEndian.AppendUint64(b, p.Page)
	b = appendRows(b, p.Rows)
	b = append(b, byte(len(p.Path)))
	for i := range p.Path {
		b = append(b, p.Path[i][:]...)
	}
	return b, nil
}

// DecodeProof reads an encoded proof. There is one encoding of each proof; all else is Corrupt.
func DecodeProof(b []byte) (Proof, error) {
	malformed := fault.New(fault.Corrupt, "malformed proof of %d bytes", len(b))
	if len(b) < proofHeadBytes+4+1 || len(b) > ProofBytesMax || b[0] != proofVersion {
		return Proof{}, malformed
	}
	p := Proof{Section: binary.LittleEndian.Uint32(b[1:]), Page: binary.LittleEndian.Uint64(b[5:])}
	rows := binary.LittleEndian.Uint32(b[proofHeadBytes:])
	b = b[proofHeadBytes+4:]
	if rows > SectionsMax || len(b) < int(rows)*rowBytes+1 {
		return Proof{}, malformed
	}
	for range rows {
		p.Rows = append(p.Rows, SectionRoot{
			Section:     binary.LittleEndian.Uint32(b),
			RecordBytes: binary.LittleEndian.Uint32(b[4:]),
			Pages:       binary.LittleEndian.Uint64(b[8:]),
			Root:        chain.Hash(b[16:rowBytes]),
		})
		b = b[rowBytes:]
	}
	hashes := int(b[0])
	b = b[1:]
	if len(b) != hashes*hashBytes {
		return Proof{}, malformed
	}
	for range hashes {
		p.Path = append(p.Path, chain.Hash(b[:hashBytes]))
		b = b[hashBytes:]
	}
	if err := p.check(); err != nil {
		return Proof{}, err
	}
	return p, nil
}
