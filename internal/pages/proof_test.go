// SPDX-License-Identifier: Apache-2.0

package pages

import (
	"bytes"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// provable is a tree with a section of 6 pages (1 and 4 absent) and one of a single page.
func provable() (*Tree, *Snapshot) {
	s := NewSpace()
	c := NewColumn[uint64](s, 3, 1<<20)
	for _, page := range []uint64{0, 2, 3, 5} {
		*c.Mut(page * 2048) = page + 1
	}
	*NewColumn[uint8](s, 8, 9).Mut(1) = 7
	tree, sn := NewTree(), s.Snapshot()
	tree.Update(sn)
	return tree, sn
}

// TestProofTamper flips every byte of encoded proofs and some of the page: nothing but the original verifies.
func TestProofTamper(t *testing.T) {
	tree, sn := provable()
	for _, at := range []struct {
		section uint32
		page    uint64
	}{{3, 0}, {3, 4}, {3, 5}, {3, 6}, {3, 1 << 50}, {8, 0}, {8, 1}, {1, 0}, {9, 3}} {
		v, _ := sn.Section(at.section)
		if v.zero == nil {
			v.zero = new(Page)
		}
		p, _ := v.Page(at.page)
		data := bytes.Clone(p.Bytes())
		encoded, err := tree.Proof(at.section, at.page).AppendBinary(nil)
		if err != nil || len(encoded) > ProofBytesMax {
			t.Fatal(err)
		}
		proof, err := DecodeProof(encoded)
		if err != nil {
			t.Fatal(err)
		}
		if err := Verify(tree.Root(), proof, data); err != nil {
			t.Fatalf("%+v: %v", at, err)
		}
		for i := range encoded {
			bad := bytes.Clone(encoded)
			bad[i] ^= 1 << (i % 8)
			tampered, err := DecodeProof(bad)
			if err == nil && Verify(tree.Root(), tampered, data) == nil && !absentBoth(at.section, at.page, tampered) {
				t.Errorf("%+v: byte %d of the proof does not matter", at, i)
			}
		}
		for _, i := range []int{0, 1, 77, PageBytes - 1} {
			data[i] ^= 4
			if !fault.Is(Verify(tree.Root(), proof, data), fault.Corrupt) {
				t.Errorf("%+v: byte %d of the page does not matter", at, i)
			}
			data[i] ^= 4
		}
		if Verify(chain.Hash{1}, proof, data) == nil || Verify(tree.Root(), proof, data[1:]) == nil {
			t.Errorf("%+v: another root or length verifies", at)
		}
	}
}

// absentBoth reports whether a proof that a page is zero became one for another page that is zero.
func absentBoth(section uint32, page uint64, p Proof) bool {
	_, present := p.row()
	return !present && (p.Section != section || p.Page != page)
}

func TestProofMalformed(t *testing.T) {
	tree, _ := provable()
	good := tree.Proof(3, 2)
	for name, spoil := range map[string]func(*Proof){
		"rows disorder": func(p *Proof) { p.Rows[0], p.Rows[1] = p.Rows[1], p.Rows[0] },
		"row twice":     func(p *Proof) { p.Rows[1] = p.Rows[0] },
		"no pages":      func(p *Proof) { p.Rows[1].Pages = 0 },
		"many pages":    func(p *Proof) { p.Rows[1].Pages = PagesMax + 1 },
		"no record":     func(p *Proof) { p.Rows[1].RecordBytes = 0 },
		"large record":  func(p *Proof) { p.Rows[1].RecordBytes = PageBytes + 1 },
		"short path":    func(p *Proof) { p.Path = p.Path[1:] },
		"long path":     func(p *Proof) { p.Path = append(p.Path, chain.Hash{}) },
		"useless path":  func(p *Proof) { p.Page = 6 },
		"many rows":     func(p *Proof) { p.Rows = make([]SectionRoot, SectionsMax+1) },
	} {
		p := tree.Proof(3, 2)
		spoil(&p)
		if _, err := p.AppendBinary(nil); !fault.Is(err, fault.Corrupt) {
			t.Errorf("%s: encoded", name)
		}
		if !fault.Is(Verify(tree.Root(), p, make([]byte, PageBytes)), fault.Corrupt) {
			t.Errorf("%s: verified", name)
		}
	}
	encoded, err := good.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	for n := range encoded {
		if _, err := DecodeProof(encoded[:n]); !fault.Is(err, fault.Corrupt) {
			t.Errorf("the first %d bytes decode", n)
		}
	}
	if _, err := DecodeProof(append(encoded, 0)); !fault.Is(err, fault.Corrupt) {
		t.Error("a byte behind decodes")
	}
}

// FuzzDecodeProof checks that no input panics and that what decodes has that one encoding.
func FuzzDecodeProof(f *testing.F) {
	tree, _ := provable()
	for page := range uint64(7) {
		b, _ := tree.Proof(3, page).AppendBinary(nil)
		f.Add(b)
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := DecodeProof(b)
		if err != nil {
			return
		}
		again, err := p.AppendBinary(nil)
		if err != nil || !bytes.Equal(again, b) {
			t.Errorf("%x decodes and encodes to %x, %v", b, again, err)
		}
	})
}
