// SPDX-License-Identifier: Apache-2.0

package pages

import (
	"bytes"
	"encoding/binary"
	"sync"
	"testing"
	"unsafe"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/zeebo/blake3"
	"pgregory.net/rapid"
)

type wide struct {
	A uint64
	B [3]uint32
	C int32
} // 24 bytes: 682 a page, 16 left over

// violates runs f and reports whether it broke an invariant.
func violates(f func()) (broken bool) {
	var err error
	defer func() { broken = err != nil }()
	defer fault.Recover(&err)
	f()
	return
}

// content is a state as the specification sees it: the non-zero pages only.
type content map[uint32]map[uint64][]byte

func (m content) set(section uint32, page uint64, offset int, b []byte) {
	if m[section] == nil {
		m[section] = map[uint64][]byte{}
	}
	if m[section][page] == nil {
		m[section][page] = make([]byte, PageBytes)
	}
	copy(m[section][page][offset:], b)
}

func (m content) clone() content {
	c := content{}
	for section, pages := range m {
		for page, b := range pages {
			c.set(section, page, 0, b)
		}
	}
	return c
}

func (m content) page(section uint32, page uint64) []byte {
	if b := m[section][page]; b != nil {
		return b
	}
	return make([]byte, PageBytes)
}

func sum(context string, parts ...[]byte) (h chain.Hash) {
	blake3.DeriveKey(context, bytes.Join(parts, nil), h[:])
	return h
}

// root is FORMAT.md, written down a second time, recursively and without any cache but that of the zero page.
func (m content) root(sizes map[uint32]uint32) chain.Hash {
	zeroPage := make([]byte, PageBytes)
	zeroLeaf := sum(pageContext, zeroPage)
	var table []byte
	rows := uint32(0)
	for section := range uint32(10) {
		count := uint64(0)
		for page, b := range m[section] {
			if !bytes.Equal(b, zeroPage) {
				count = max(count, page+1)
			}
		}
		if count == 0 {
			continue
		}
		var tree func(from, n uint64) chain.Hash
		tree = func(from, n uint64) chain.Hash {
			if n == 1 {
				if m[section][from] == nil {
					return zeroLeaf
				}
				return sum(pageContext, m[section][from])
			}
			left, right := tree(from, n/2), tree(from+n/2, n/2)
			return sum(nodeContext, left[:], right[:])
		}
		n := uint64(1)
		for n < count {
			n *= 2
		}
		h := tree(0, n)
		table = binary.LittleEndian.AppendUint32(table, section)
		table = binary.LittleEndian.AppendUint32(table, sizes[section])
		table = binary.LittleEndian.AppendUint64(table, count)
		table = append(table, h[:]...)
		rows++
	}
	return sum(rootContext, binary.LittleEndian.AppendUint32(nil, rows), table)
}

// heldSnapshot is a snapshot and what it must show until its release.
type heldSnapshot struct {
	sn   *Snapshot
	want content
}

func (h heldSnapshot) check(t *rapid.T) {
	for _, v := range h.sn.Sections() {
		for page := range v.Pages() + 1 {
			got, born := v.Page(page)
			if !bytes.Equal(got.Bytes(), h.want.page(v.Section, page)) {
				t.Fatalf("snapshot %d: section %d page %d changed", h.sn.Epoch(), v.Section, page)
			}
			if born > h.sn.Epoch() {
				t.Fatalf("snapshot %d shows a page of %d", h.sn.Epoch(), born)
			}
		}
	}
}

// TestSpaceModel compares a Space with a map, under random writes, new columns, and snapshots held and released in any
// order; trees follow snapshots in any order, too.
func TestSpaceModel(t *testing.T) {
	sizes := map[uint32]uint32{1: 16, 2: 24, 3: 1, 4: 8}
	rapid.Check(t, func(t *rapid.T) {
		s, model, tree := NewSpace(), content{}, NewTree()
		amounts := NewColumn[chain.Amount](s, 1, 5000)
		wides := NewColumn[wide](s, 2, 682*9)
		var bytesColumn *Column[uint8]
		late := NewColumn[[2]uint32](s, 4, 1<<20)
		var held []heldSnapshot
		index := func(recordsMax int) uint64 { return uint64(rapid.IntRange(0, recordsMax-1).Draw(t, "i")) }
		value := rapid.SampledFrom([]uint64{0, 0, 1, 77, 1 << 60})
		t.Repeat(map[string]func(*rapid.T){
			"amount": func(t *rapid.T) {
				i, v := index(5000), value.Draw(t, "v")
				amounts.Mut(i).Lo = v
				if amounts.Owned(i) != amounts.Mut(i) || amounts.Peek(i) != amounts.Mut(i) {
					t.Fatal("a written record is not owned")
				}
				page, offset := Locate[chain.Amount](i)
				model.set(1, page, offset, binary.LittleEndian.AppendUint64(nil, v))
				if amounts.Ref(i).Lo != v {
					t.Fatal("a write is lost")
				}
			},
			"wide": func(t *rapid.T) {
				i, v := index(682*9), value.Draw(t, "v")
				wides.Mut(i).B[1] = uint32(v)
				page, offset := Locate[wide](i)
				model.set(2, page, offset+12, binary.LittleEndian.AppendUint32(nil, uint32(v)))
			},
			"late": func(t *rapid.T) {
				i, v := index(30*2048), value.Draw(t, "v")
				late.Mut(i)[1] = uint32(v)
				page, offset := Locate[[2]uint32](i)
				model.set(4, page, offset+4, binary.LittleEndian.AppendUint32(nil, uint32(v)))
			},
			"bytes": func(t *rapid.T) {
				if bytesColumn == nil {
					bytesColumn = NewColumn[uint8](s, 3, 40000)
				}
				i := index(40000)
				*bytesColumn.Mut(i) = 9
				model.set(3, i/PageBytes, int(i%PageBytes), []byte{9})
			},
			"snapshot": func(t *rapid.T) {
				if len(held) < 5 {
					held = append(held, heldSnapshot{s.Snapshot(), model.clone()})
				}
			},
			"release": func(t *rapid.T) {
				if len(held) > 0 {
					i := rapid.IntRange(0, len(held)-1).Draw(t, "which")
					held[i].check(t)
					held[i].sn.Release()
					held = append(held[:i:i], held[i+1:]...)
				}
			},
			"root": func(t *rapid.T) {
				if len(held) == 0 {
					return
				}
				h := held[rapid.IntRange(0, len(held)-1).Draw(t, "which")]
				if got, want := tree.Update(h.sn), h.want.root(sizes); got != want || tree.Root() != want {
					t.Fatalf("root %v, want %v", got, want)
				}
				section, page := uint32(rapid.IntRange(0, 5).Draw(t, "section")), uint64(rapid.IntRange(0, 40).Draw(t, "page"))
				if err := Verify(tree.Root(), tree.Proof(section, page), h.want.page(section, page)); err != nil {
					t.Fatal(err)
				}
				if section, page, differs := tree.FirstDifference(h.sn); differs {
					t.Fatal("differs from itself", section, page)
				}
			},
			"": func(t *rapid.T) {
				for _, h := range held {
					h.check(t)
				}
				if st := s.Stats(); st.Present < 0 || st.Retired > 5*60 {
					t.Fatalf("%+v", st)
				}
			},
		})
	})
}

// TestRootIgnoresHistory reaches one content by several ways.
func TestRootIgnoresHistory(t *testing.T) {
	root := func(write func(s *Space, c *Column[uint64])) chain.Hash {
		s := NewSpace()
		write(s, NewColumn[uint64](s, 5, 1<<20))
		sn := s.Snapshot()
		defer sn.Release()
		return NewTree().Update(sn)
	}
	want := root(func(_ *Space, c *Column[uint64]) { *c.Mut(3) = 4 })
	for name, write := range map[string]func(*Space, *Column[uint64]){
		"touched pages behind": func(_ *Space, c *Column[uint64]) { c.Mut(1 << 19); *c.Mut(3) = 4; c.Mut(2048) },
		"written and zeroed": func(_ *Space, c *Column[uint64]) {
			*c.Mut(1<<20 - 1) = 8
			*c.Mut(3) = 4
			*c.Mut(1<<20 - 1) = 0
		},
		"other column": func(s *Space, c *Column[uint64]) { *c.Mut(3) = 4; NewColumn[uint8](s, 1, 1).Mut(0) },
		"snapshots between": func(s *Space, c *Column[uint64]) {
			*c.Mut(3) = 3
			s.Snapshot()
			*c.Mut(3) = 4
			s.Snapshot().Release()
		},
	} {
		if root(write) != want {
			t.Errorf("%s: another root", name)
		}
	}
	empty := root(func(_ *Space, c *Column[uint64]) { c.Mut(9999) })
	if empty != NewTree().Root() || empty != (content{}).root(nil) {
		t.Error("a state of zeros is not the empty state")
	}
}

// TestGolden pins the definition: a change of it is a change of every chain's roots.
func TestGolden(t *testing.T) {
	s := NewSpace()
	*NewColumn[uint64](s, 2, 1<<16).Mut(5000) = 0x0102030405060708
	*NewColumn[chain.Amount](s, 1, 10).Mut(1) = chain.Amount{Lo: 1, Hi: 2}
	const want = "e3d62a8deb4971850db746cb356c9933e403b5fd35defea95289b5224b8aa58c"
	tree := NewTree()
	if got := tree.Update(s.Snapshot()).String(); got != want {
		t.Errorf("root %s, want %s", got, want)
	}
	if rows := tree.Rows(); len(rows) != 2 || rows[0].Section != 1 || rows[1].Pages != 3 || rows[1].RecordBytes != 8 {
		t.Errorf("%+v", rows)
	}
}

// TestPageReuse checks that memory stops growing: three spare copies serve any number of rounds.
func TestPageReuse(t *testing.T) {
	s := NewSpace()
	c := NewColumn[uint64](s, 1, 1<<20)
	last, long := s.Snapshot(), (*Snapshot)(nil)
	for round := range 50 {
		for page := range uint64(100) {
			*c.Mut(page * 2048) = uint64(round)
		}
		next := s.Snapshot()
		last.Release()
		last = next
		if round == 10 {
			long = s.Snapshot() // held to the end: it must not keep what it does not see
		}
	}
	if st := s.Stats(); st.Present+st.Retired+st.Free > 5*SlabPages || st.Present < 100 {
		t.Errorf("%+v", st)
	}
	if *At[uint64](long, 1, 2048) != 10 || *At[uint64](last, 1, 2048) != 49 || *At[uint64](last, 9, 1) != 0 {
		t.Error("snapshots are mixed up")
	}
	if !violates(func() { At[uint8](last, 1, 0) }) {
		t.Error("a wrong record size was read")
	}
	last.Release()
	long.Release()
	before := s.Stats()
	*c.Mut(0) = 1
	if s.Stats() != before {
		t.Error("a page that nobody sees was copied")
	}
}

// TestReusedPageIsZero gives a page with old content to a record that was never written.
func TestReusedPageIsZero(t *testing.T) {
	s := NewSpace()
	c := NewColumn[uint64](s, 1, 1<<20)
	var held []*Snapshot
	for range 3 {
		for page := range uint64(100) {
			for i := range uint64(4) {
				*c.Mut(page*2048 + 7*i) = 1
			}
		}
		held = append(held, s.Snapshot())
	}
	for _, sn := range held {
		sn.Release()
	}
	s.pool.sweep()
	if s.Stats().Free < 200 {
		t.Fatalf("%+v", s.Stats())
	}
	for page := uint64(100); page < 300; page++ {
		if c.Mut(page * 2048); *c.current[page] != *s.zero {
			t.Fatal("a new page holds old records")
		}
	}
}

// TestReleaseElsewhere reads and releases snapshots on other goroutines while the writer goes on: for the race detector.
func TestReleaseElsewhere(t *testing.T) {
	s := NewSpace()
	c := NewColumn[uint64](s, 1, 1<<16)
	var readers sync.WaitGroup
	slots := make(chan struct{}, 4)
	for round := range uint64(200) {
		for page := range uint64(8) {
			*c.Mut(page*2048 + round) = round
		}
		slots <- struct{}{}
		sn := s.Snapshot()
		readers.Go(func() {
			for page := range uint64(8) {
				if got := *At[uint64](sn, 1, page*2048+round); got != round {
					t.Errorf("%d, want %d", got, round)
				}
			}
			sn.Release()
			<-slots
		})
	}
	readers.Wait()
}

func TestInvariants(t *testing.T) {
	type padded struct {
		A uint8
		B uint32
	}
	type tail struct {
		A uint32
		B uint8
	}
	type blank struct{ _ uint32 }
	type pointer struct{ P *uint32 }
	s := NewSpace()
	c := NewColumn[uint32](s, 1, 5000)
	tree := NewTree()
	tree.Update(s.Snapshot())
	sn := s.Snapshot()
	sn.Release()
	for name, f := range map[string]func(){
		"padding":       func() { NewColumn[padded](s, 9, 1) },
		"tail padding":  func() { NewColumn[tail](s, 9, 1) },
		"blank":         func() { NewColumn[blank](s, 9, 1) },
		"pointer":       func() { NewColumn[pointer](s, 9, 1) },
		"string":        func() { NewColumn[string](s, 9, 1) },
		"bool":          func() { NewColumn[[4]bool](s, 9, 1) },
		"int":           func() { NewColumn[int](s, 9, 1) },
		"float":         func() { NewColumn[float64](s, 9, 1) },
		"empty":         func() { NewColumn[struct{}](s, 9, 1) },
		"large":         func() { NewColumn[[PageBytes + 1]uint8](s, 9, 1) },
		"twice":         func() { NewColumn[uint32](s, 1, 5000) },
		"no records":    func() { NewColumn[uint32](s, 9, 0) },
		"many records":  func() { NewColumn[[PageBytes]uint8](s, 9, PagesMax+1) },
		"read beyond":   func() { c.Ref(5000) },
		"write beyond":  func() { c.Mut(5000) },
		"far beyond":    func() { c.Mut(1 << 63) },
		"released":      func() { sn.Release() },
		"two spaces":    func() { tree.Update(NewSpace().Snapshot()) },
		"too many live": func() { fresh := NewSpace(); repeat(SnapshotsMax+1, func() { fresh.Snapshot() }) },
		"too many sections": func() {
			fresh := NewSpace()
			for section := range uint32(SectionsMax + 1) {
				NewColumn[uint8](fresh, section, 1)
			}
		},
	} {
		if !violates(f) {
			t.Errorf("%s: accepted", name)
		}
	}
	c.Mut(0)
	if !violates(func() { c.Ref(5000) }) || !violates(func() { c.Mut(5000) }) {
		t.Error("an index beyond recordsMax is served from the last page's tail")
	}
	if c.Owned(4999) != nil || c.Owned(5000) != nil || c.Owned(1<<40) != nil || c.Peek(5000) != nil || *c.Owned(1) != 0 {
		t.Error("a record is owned that is not")
	}
	if *c.Ref(4999) != 0 || c.Len() != 4096 || c.Section() != 1 {
		t.Error(c.Len(), c.Section())
	}
	c.Mut(4999)
	if c.Len() != 5000 {
		t.Error(c.Len())
	}
}

func repeat(n int, f func()) {
	for range n {
		f()
	}
}

func TestLoad(t *testing.T) {
	s := NewSpace()
	page := bytes.Repeat([]byte{1}, PageBytes)
	for _, err := range []error{s.LoadSection(7, 8), s.LoadPage(7, 20, page), s.LoadPage(7, 1, page), s.LoadSection(3, 24), s.LoadSection(8, 8)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		err  error
		kind fault.Kind
	}{
		"section twice": {s.LoadSection(7, 8), fault.Conflict},
		"page twice":    {s.LoadPage(7, 1, page), fault.Conflict},
		"no section":    {s.LoadPage(4, 1, page), fault.Conflict},
		"short page":    {s.LoadPage(7, 2, page[1:]), fault.Corrupt},
		"far page":      {s.LoadPage(7, PagesMax, page), fault.Corrupt},
		"zero size":     {s.LoadSection(9, 0), fault.Corrupt},
		"large size":    {s.LoadSection(9, PageBytes+1), fault.Corrupt},
	} {
		if !fault.Is(c.err, c.kind) {
			t.Errorf("%s: %v", name, c.err)
		}
	}
	if !violates(func() { NewColumn[uint32](s, 7, 1<<20) }) || !violates(func() { NewColumn[uint64](s, 7, 2048*20) }) {
		t.Error("a column that does not fit adopted loaded pages")
	}
	c := NewColumn[uint64](s, 7, 2048*21)
	NewColumn[wide](s, 3, 5).Mut(0).A = 1
	if *c.Ref(2048 * 20) != 0x0101010101010101 || *c.Ref(0) != 0 || c.Len() != 2048*21 {
		t.Error("loaded pages are lost")
	}
	*c.Mut(2048) = 5
	if !fault.Is(s.LoadPage(7, 3, page), fault.Conflict) {
		t.Error("a column in use was loaded")
	}
	sn := s.Snapshot()
	if *At[uint64](sn, 7, 2048) != 5 || *At[uint64](sn, 7, 2049) != 0x0101010101010101 || sn.Space() != s {
		t.Error("a loaded page is wrong in a snapshot")
	}
	if !fault.Is(s.LoadSection(70, 8), fault.Conflict) || !fault.Is(s.LoadPage(8, 0, page), fault.Conflict) {
		t.Error("a space in use was loaded")
	}
}

func TestFirstDifference(t *testing.T) {
	build := func(write func(a *Column[uint64])) *Snapshot {
		s := NewSpace()
		a := NewColumn[uint64](s, 4, 1<<20)
		*a.Mut(9 * 2048) = 1
		write(a)
		return s.Snapshot()
	}
	tree := NewTree()
	tree.Update(build(func(*Column[uint64]) {}))
	for name, c := range map[string]struct {
		sn            *Snapshot
		section, page uint64
	}{
		"in":     {build(func(a *Column[uint64]) { *a.Mut(7 * 2048) = 1; *a.Mut(8 * 2048) = 1 }), 4, 7},
		"behind": {build(func(a *Column[uint64]) { *a.Mut(70 * 2048) = 1 }), 4, 70},
		"before": {build(func(a *Column[uint64]) { *NewColumn[uint8](a.space, 2, 1).Mut(0) = 1 }), 2, 0},
		"gone":   {NewSpace().Snapshot(), 4, 9},
	} {
		section, page, differs := tree.FirstDifference(c.sn)
		if !differs || uint64(section) != c.section || page != c.page {
			t.Errorf("%s: section %d page %d %v", name, section, page, differs)
		}
	}
}

func TestSpaceInGivenMemory(t *testing.T) {
	mem := make([]uint64, 2*PageBytes/8)
	for i := range mem {
		mem[i] = ^uint64(0) // what slab gives need not be zero
	}
	slabs := 0
	s := NewSpaceIn(func() []Page {
		slabs++
		return InMemory(unsafe.Slice((*byte)(unsafe.Pointer(&mem[0])), len(mem)*8))
	})
	c := NewColumn[uint64](s, 1, 1<<20)
	*c.Mut(3) = 5
	if *c.Ref(3) != 5 || *c.Ref(2) != 0 || slabs != 1 || min(mem[PageBytes/8+3], mem[3]) != 5 {
		t.Error("the page is not a zeroed one of the given memory", *c.Ref(3), *c.Ref(2), slabs)
	}
}
