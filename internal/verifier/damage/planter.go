// SPDX-License-Identifier: Apache-2.0

package damage

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/bus"
)

// SettledAfter is how old a row must be to be damaged.
const SettledAfter = 3 * time.Second

// Config says where a pair is.
type Config struct {
	Socket   string // V10's test socket
	Index    string // folder of index.db
	Imported string // folder of imported.db
	Bus      bus.Config
	Seed     uint64 // of where damage is planted
}

// Planted is damage that is there, and what is to be found of it.
type Planted struct {
	ID      string   `json:"id"`
	Finding string   `json:"finding"`
	Also    []string `json:"also,omitempty"`
	// Keys are the rows that are damaged, as findings name them. Behind * is the end of a name, behind # that of one that begins with a
	// hash of the verifier's run.
	Keys []string `json:"keys"`
}

// Names reports whether a finding names it.
func (p *Planted) Names(kind, key string) bool { return kind == p.Finding && p.at(key) }

// Explains reports whether a finding follows from it.
func (p *Planted) Explains(kind, key string) bool {
	if p.Names(kind, key) {
		return true
	}
	for _, a := range p.Also {
		if a == kind && p.at(key) {
			return true
		}
	}
	return false
}

func (p *Planted) at(key string) bool {
	return slices.ContainsFunc(p.Keys, func(k string) bool { return matches(k, key) })
}

// matches reports whether a key is a finding's.
func matches(k, key string) bool {
	if end, is := strings.CutPrefix(k, "*"); is {
		return strings.HasSuffix(key, end)
	}
	if end, is := strings.CutPrefix(k, aHash); is {
		hash, fits := strings.CutSuffix(key, end)
		_, err := strconv.ParseUint(hash, 16, 64)
		return fits && err == nil && len(hash) > hashDigitsMin
	}
	return k == key
}

// hashDigitsMin is fewer than a hash of a run has, but for one of millions.
const hashDigitsMin = 9

// Planter plants damage in one pair. One goroutine uses it.
type Planter struct {
	cfg      Config
	v10      *v10Rows
	index    *sqlite.Conn
	imported *sqlite.Conn
	random   *rand.Rand
	used     map[string]bool // places that have damage
	undo     []func(context.Context) error
	effect   bool // the newest change of V10's rows changed something
}

// New reaches the pair.
func New(cfg Config) (*Planter, error) {
	p := &Planter{cfg: cfg, v10: newV10Rows(cfg.Socket), random: rand.New(rand.NewPCG(cfg.Seed, 1)), used: map[string]bool{}}
	var err error
	if p.index, err = openTables(cfg.Index, "index.db"); err == nil {
		p.imported, err = openTables(cfg.Imported, "imported.db")
	}
	if err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// Close lets the pair go. Damage that is there stays.
func (p *Planter) Close() (err error) {
	p.v10.close()
	for _, c := range []*sqlite.Conn{p.index, p.imported} {
		if c != nil {
			err = errors.Join(err, c.Close())
		}
	}
	return err
}

// Plant plants damage of a kind.
func (p *Planter) Plant(ctx context.Context, id string) (*Planted, error) {
	k, known := byID()[id]
	if !known {
		return nil, fault.New(fault.Invalid, "nothing is known of damage %q", id)
	}
	keys, err := k.plant(ctx, p)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "plant %s", id)
	}
	return &Planted{ID: id, Finding: k.Finding, Also: k.Also, Keys: keys}, nil
}

// Undo takes back what was planted, the last first. What is planted next may lie at the same rows.
func (p *Planter) Undo(ctx context.Context) error {
	err := p.undoAll(ctx)
	clear(p.used)
	return err
}

// passing is what Pass plants: rows that are written while somebody reads them. What is found of each lies at its own rows: of two that make one
// sum wrong, one after the other, it would rightly be said twice that the sum is wrong.
var passing = []string{"index-amount-off-by-one", "v10-amount", "index-payee", "v10-balance-spelling", "index-swapped"}

// Pass takes back what was there and plants something at rows that had no damage before, for a moment.
func (p *Planter) Pass(ctx context.Context) error {
	if err := p.undoAll(ctx); err != nil {
		return err
	}
	_, err := p.Plant(ctx, passing[p.random.IntN(len(passing))])
	return err
}

func (p *Planter) undoAll(ctx context.Context) error {
	for len(p.undo) > 0 {
		last := len(p.undo) - 1
		if err := p.undo[last](ctx); err != nil {
			return err
		}
		p.undo = p.undo[:last]
	}
	return nil
}

// take reports whether a place has no damage yet, and takes it.
func (p *Planter) take(place string) bool {
	if p.used[place] {
		return false
	}
	p.used[place] = true
	return true
}

// free reports whether places have no damage.
func (p *Planter) free(places ...string) bool {
	return !slices.ContainsFunc(places, func(place string) bool { return p.used[place] })
}

// takeAll takes places if all of them are free.
func (p *Planter) takeAll(places ...string) bool {
	if !p.free(places...) {
		return false
	}
	for _, place := range places {
		p.used[place] = true
	}
	return true
}

// nothing is the error of a kind that a pair has no row for.
func nothing(what string) error {
	return fault.New(fault.NotFound, "the pair has no %s to damage: let payments run for longer", what)
}
