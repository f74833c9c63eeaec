// SPDX-License-Identifier: Apache-2.0

package node

import (
	"runtime"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/commit"
	"github.com/aurigraph/aurigraph/internal/exec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/hugepage"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/lane"
	"github.com/aurigraph/aurigraph/internal/ledger"
	"github.com/aurigraph/aurigraph/internal/pages"
	"github.com/aurigraph/aurigraph/internal/store"
)

// State is a ledger that stands at some height, ready to execute what follows.
type State struct {
	Space   *pages.Space
	Tree    *pages.Tree // up to date with Space
	Ledger  *ledger.Ledger
	Machine *exec.Machine
	Lane    lane.Position // own lane's newest entry in the state
	Height  chain.Height  // 0: genesis
	Skipped []error       // checkpoints that could not be used
}

// GenesisState executes the genesis.
func GenesisState(g *chain.Genesis) (*State, error) {
	space := newSpace()
	l := newLedger(space)
	if err := l.InitGenesis(g); err != nil {
		return nil, err
	}
	return &State{
		Space: space, Tree: pages.NewTree(), Ledger: l,
		Machine: exec.New(l, exec.Tip{Hash: codec.GenesisHash(g), TimeUs: g.TimeUs, LastUs: g.TimeUs}),
	}, nil
}

// newSpace makes a space whose pages lie in huge pages of the machine, where it has them.
// They are given back when nothing refers to the space any more.
func newSpace() *pages.Space {
	m := &spaceMemory{reserve: hugepage.NewReserve(pages.SlabPages * pages.PageBytes)}
	space := pages.NewSpaceIn(m.slab)
	runtime.AddCleanup(space, (*spaceMemory).release, m)
	return space
}

// spaceMemory is what a space has of the machine's huge pages. Whoever writes to the space owns it.
type spaceMemory struct {
	reserve *hugepage.Reserve
	taken   [][]byte
}

func (m *spaceMemory) slab() []pages.Page {
	mem, err := m.reserve.Take()
	if err != nil {
		return make([]pages.Page, pages.SlabPages)
	}
	m.taken = append(m.taken, mem)
	return pages.InMemory(mem)
}

func (m *spaceMemory) release() {
	m.reserve.Release()
	for _, mem := range m.taken {
		hugepage.Release(mem)
	}
}

func newLedger(space *pages.Space) *ledger.Ledger {
	return ledger.New(space, func(publicKey []byte) (chain.Address, bool) {
		p, err := keys.ParsePublic(publicKey)
		if err != nil {
			return chain.Address{}, false
		}
		if _, err := keys.NewVerifier(p); err != nil {
			return chain.Address{}, false
		}
		return p.Address(), true
	})
}

// recoverState loads the newest checkpoint whose root a certified header carries, else the genesis.
func recoverState(g *chain.Genesis, s store.Reader, checkpoints *checkpoint.Store) (*State, error) {
	loaded, skipped, err := checkpoints.LoadVerified(func(m checkpoint.Meta) bool { return certifiedRoot(s, m) })
	if fault.Is(err, fault.NotFound) || (err != nil && fault.Is(err, fault.Corrupt)) {
		state, genesisErr := GenesisState(g)
		if genesisErr != nil {
			return nil, genesisErr
		}
		state.Skipped = skipped
		return state, nil
	}
	if err != nil {
		return nil, err
	}
	state, err := StateAt(g, s, loaded)
	if err != nil {
		return nil, err
	}
	state.Skipped = skipped
	return state, nil
}

// certifiedRoot reports whether the header that owes m's root carries it.
func certifiedRoot(s store.Reader, m checkpoint.Meta) bool {
	if _, err := store.ReadBeginning(s, m.Height, m.Root); err == nil {
		return true
	}
	h, err := readHeader(s, m.Height+chain.RootDelay)
	return err == nil && h.RootAt == m.Height && h.StateRoot == m.Root
}

// StateAt makes a loaded checkpoint executable. The store must hold the headers of its height and of the
// chain.RootDelay heights after it, which carry the roots that are still open at it.
func StateAt(g *chain.Genesis, s store.Reader, loaded *checkpoint.Loaded) (*State, error) {
	at := loaded.Meta.Height
	pos, err := commit.ParsePosition(loaded.Meta.Blob)
	if err != nil {
		return nil, err
	}
	l := newLedger(loaded.Space)
	if err := l.Attach(); err != nil {
		return nil, err
	}
	h, err := readHeader(s, at)
	if err != nil {
		return nil, fault.Wrap(fault.Corrupt, err, "the header of checkpoint %d", at)
	}
	_, err = store.ReadBeginning(s, at, loaded.Meta.Root)
	begins := err == nil
	m := exec.New(l, exec.Tip{Height: at, Hash: codec.HeaderHash(h), TimeUs: h.TimeUs, LastRoot: at, LastUs: h.TimeUs, Begins: begins})
	if begins {
		return &State{Space: loaded.Space, Tree: loaded.Tree, Ledger: l, Machine: m, Lane: pos, Height: at}, nil
	}
	if err := reopenRoots(m, s, at); err != nil {
		return nil, err
	}
	return &State{Space: loaded.Space, Tree: loaded.Tree, Ledger: l, Machine: m, Lane: pos, Height: at}, nil
}

// reopenRoots gives the machine the roots that were due up to a checkpoint and appear in headers after it.
func reopenRoots(m *exec.Machine, s store.Reader, at chain.Height) error {
	for h := at + 1; h <= at+chain.RootDelay; h++ {
		header, err := readHeader(s, h)
		if err != nil {
			return fault.Wrap(fault.Corrupt, err, "header %d, which carries a root due before checkpoint %d", h, at)
		}
		if header.RootAt != 0 {
			m.Restore(header.RootAt, header.StateRoot)
		}
	}
	return nil
}

func readHeader(s store.Reader, h chain.Height) (*chain.ExecutedHeader, error) {
	raw, err := store.ReadHeaderAhead(s, h)
	if err != nil {
		return nil, err
	}
	return codec.DecodeHeader(raw)
}
