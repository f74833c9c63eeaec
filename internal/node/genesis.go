// SPDX-License-Identifier: Apache-2.0

package node

import (
	"bytes"
	"encoding/json"
	"io"
	"os"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/store"
)

// genesisBytesMax bounds a genesis file.
const genesisBytesMax = 256 << 20

// ReadGenesis reads and checks a genesis file. Unknown fields are errors, and so is an account without a slot.
func ReadGenesis(path string) (*chain.Genesis, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.Wrap(fault.NotFound, err, "open the genesis")
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, genesisBytesMax+1))
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read the genesis")
	}
	if len(text) > genesisBytesMax {
		return nil, fault.New(fault.Invalid, "genesis %s is longer than %d bytes", path, genesisBytesMax)
	}
	g, err := parseGenesis(text)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "genesis %s", path)
	}
	return g, nil
}

func parseGenesis(text []byte) (*chain.Genesis, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	g := &chain.Genesis{}
	if err := d.Decode(g); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fault.New(fault.Invalid, "something follows its end")
	}
	if err := wantSlots(text); err != nil {
		return nil, err
	}
	return g, g.Validate()
}

// wantSlots refuses an account that names no slot. Read as 0 it would put a portable account into slot 0, whatever its
// alias says, and the same native account could be written in two ways with two genesis hashes.
func wantSlots(text []byte) error {
	var g struct {
		Accounts []struct {
			Slot *uint16 `json:"slot"`
		} `json:"accounts"`
	}
	if err := json.Unmarshal(text, &g); err != nil {
		return err
	}
	for i, a := range g.Accounts {
		if a.Slot == nil {
			return fault.New(fault.Invalid, "accounts[%d].slot is missing: write %d for an account native to V11, else the slot of its alias", i, chain.SlotNone)
		}
	}
	return nil
}

// metaGenesis names the genesis hash in the block store.
const metaGenesis = "genesis"

// bindGenesis ties a block store to its genesis, once; a folder of another chain is refused.
func bindGenesis(s store.Store, g *chain.Genesis) error {
	want := codec.GenesisHash(g)
	have, err := store.ReadMeta(s, metaGenesis)
	switch {
	case fault.Is(err, fault.NotFound):
		var c store.Changes
		store.WriteMeta(&c, metaGenesis, want[:])
		return s.Apply(&c, true)
	case err != nil:
		return err
	case !bytes.Equal(have, want[:]):
		return fault.New(fault.Conflict, "this folder holds the chain of genesis %x, the settings name genesis %s: use another folder", have, want)
	}
	return nil
}
