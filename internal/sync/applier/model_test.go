// SPDX-License-Identifier: Apache-2.0

package applier

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

func syncKey(t testing.TB) *envelope.Key {
	t.Helper()
	k, err := envelope.NewKey(bytes.Repeat([]byte{5}, envelope.SecretBytesMin))
	must(t, err)
	return &k
}

// v10Model is V10, in a few words: what it holds, and what it says of each change.
type v10Model struct {
	t        testing.TB
	r        *rand.Rand
	tape     *tape
	key      *envelope.Key
	accounts []string
	balances map[string]uint64 // of account and asset
	issuers  map[string]string // of assets
	assets   []string
	keys     map[chain.IdempotencyKey]chain.Outcome
	n        uint64
	round    uint64
	barrier  uint64
}

func newModel(t testing.TB, r *rand.Rand) *v10Model {
	return &v10Model{
		t: t, r: r, tape: newTape(), key: syncKey(t), accounts: []string{"treasury", "alice", "bob"}, assets: []string{"AUR"},
		balances: map[string]uint64{"alice AUR": 1000, "bob AUR": 1000}, issuers: map[string]string{"AUR": "treasury"}, keys: map[chain.IdempotencyKey]chain.Outcome{},
	}
}

func (m *v10Model) say(c envelope.Change) *envelope.Record {
	return m.tape.add(m.t, m.key, 1, m.r.IntN(2) == 0, c)
}

func (m *v10Model) deed(keyed bool, o chain.Outcome) envelope.Deed {
	m.n++
	d := envelope.Deed{ID: v10.TxIDAt(1_700_000_000_000+m.n, chain.Height(m.n/3), v10.LegacyPlaceMin+uint32(m.n%5)), Outcome: o}
	if keyed {
		d.Request = &envelope.Request{Body: [16]byte{8}, Caller: "shop"}
		binary.BigEndian.PutUint64(d.Request.Key[:], m.n)
		m.keys[d.Request.Key] = o
	}
	return d
}

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

// open is a name that V10 did not have before.
func (m *v10Model) open() string {
	name := fmt.Sprintf("Kunde %d/EUR", len(m.accounts))
	m.accounts = append(m.accounts, name)
	return name
}

// step makes one change of V10 and says it.
func (m *v10Model) step() {
	switch m.r.IntN(12) {
	case 0:
		m.say(&envelope.AccountOpened{Deed: m.deed(false, chain.OK), Alias: m.open()})
	case 1:
		code, issuer := fmt.Sprintf("EUR.%d", len(m.assets)), pick(m.r, m.accounts)
		m.assets, m.issuers[code] = append(m.assets, code), issuer
		m.say(&envelope.AssetCreated{Deed: m.deed(false, chain.OK), Code: code, Scale: 2, Issuer: issuer})
	case 2:
		code, to, n := pick(m.r, m.assets), pick(m.r, m.accounts), 1+m.r.Uint64N(500)
		m.balances[to+" "+code] += n
		m.say(&envelope.Issued{Deed: m.deed(false, chain.OK), Asset: code, Issuer: m.issuers[code], To: to, Amount: chain.Units(n)})
	case 3:
		code := pick(m.r, m.assets)
		if has := m.balances[m.issuers[code]+" "+code]; has > 0 {
			n := 1 + m.r.Uint64N(has)
			m.balances[m.issuers[code]+" "+code] -= n
			m.say(&envelope.Redeemed{Deed: m.deed(false, chain.OK), Asset: code, Issuer: m.issuers[code], Amount: chain.Units(n)})
		}
	case 4:
		m.round++
		m.say(&envelope.Round{Number: m.round, TimeMs: m.round})
	case 5:
		d := m.deed(true, chain.UnknownAccount)
		m.say(&envelope.Refusal{TimeMs: 1, Request: *d.Request, Outcome: chain.UnknownAccount, Reason: "unknown_account"})
	case 6:
		m.barrier++
		m.say(&envelope.Barrier{Generation: m.barrier})
	default:
		m.pay()
	}
}

// pay pays a known account or a new one, or is refused; what went to its home is said too, and is no word of V10's.
func (m *v10Model) pay() {
	from, to, code := pick(m.r, m.accounts), pick(m.r, m.accounts), pick(m.r, m.assets)
	if m.r.IntN(4) == 0 {
		to = m.open()
	}
	keyed, n := m.r.IntN(2) == 0, 1+m.r.Uint64N(100)
	if from == to {
		return
	}
	o := chain.OK
	switch {
	case m.r.IntN(10) == 0:
		o, keyed = chain.NotHome, false
	case m.balances[from+" "+code] < n:
		o = chain.InsufficientFunds
	default:
		m.balances[from+" "+code] -= n
		m.balances[to+" "+code] += n
	}
	m.say(&envelope.Transfer{Deed: m.deed(keyed, o), From: from, To: to, Asset: code, Amount: chain.Units(n)})
}

// compare wants the ledger to hold exactly what V10 holds.
func (m *v10Model) compare(w *world) {
	m.t.Helper()
	for _, name := range m.accounts {
		for _, code := range m.assets {
			if got := w.balance(name, code); got != chain.Units(m.balances[name+" "+code]) {
				m.t.Errorf("%s has %v %s, on V10 %d", name, got, code, m.balances[name+" "+code])
			}
		}
	}
	for key, o := range m.keys {
		if v, found := w.l.Keyed(gateway, key); !found || v.Outcome != o {
			m.t.Errorf("a key has %v (found %v), on V10 %v", v.Outcome, found, o)
		}
	}
	for no, name := range w.names {
		if found, _ := w.l.AccountByAlias(aliasKey.Tag(name)); found != no {
			m.t.Errorf("the vault calls account %d by a name of account %d", no, found)
		}
	}
}

func newApplier(t testing.TB, w *world, p *tape) *Applier {
	t.Helper()
	a, err := New(Config{Chain: testChain, Ledger: chain.Hash(testSource.Ledger), Signer: signer(t, 2), AliasKey: aliasKey, Channel: syncChannel, BatchMax: 1 + rand.IntN(40)},
		Parts{Chain: w, Open: p.open, Vault: w})
	must(t, err)
	return a
}

// sayable are the records that the ledger has to take.
func (m *v10Model) sayable() (n uint64, last chain.SyncPosition) {
	for _, r := range m.tape.records {
		if c, ok := r.Change.(*envelope.Transfer); ok && c.Outcome == chain.NotHome {
			continue
		}
		n, last = n+1, chain.SyncPosition(r.Position)
	}
	return n, last
}

// TestEachChangeOnce: V10's random history, applied by two appliers that are restarted while answers get lost, readers break and
// batches come late, leaves the ledger with V10's balances and answers, and every change made once.
func TestEachChangeOnce(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 9))
				m, w := newModel(t, r), newWorld(t)
				for range 150 {
					m.step()
				}
				chance := rand.New(rand.NewPCG(seed, 10)) // used under the world's lock
				w.trouble = func() mishap {
					if chance.IntN(3) > 0 {
						return none
					}
					return mishap(chance.IntN(int(refused) + 1))
				}
				breaks := rand.New(rand.NewPCG(seed, 11)) // used under the tape's lock
				m.tape.breaks = func() bool { return breaks.IntN(15) == 0 }
				n, last := m.sayable()
				runUntil(t, w, m.tape, r, last)
				if in := w.l.Inbox(); in.Applied != n || in.Position != last || in.Round != m.round || in.Barrier != m.barrier {
					t.Errorf("%+v, want %d changes up to %v", in, n, last)
				}
				m.compare(w)
			})
		})
	}
}

// runUntil keeps two appliers running, each for a random while, until the inbox is at a place.
func runUntil(t *testing.T, w *world, p *tape, r *rand.Rand, last chain.SyncPosition) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	there := func() bool { in, _ := w.Inbox(ctx); return in.Position == last }
	var both sync.WaitGroup
	for i := range uint64(2) {
		lives := rand.New(rand.NewPCG(r.Uint64(), i))
		both.Go(func() {
			for !there() && ctx.Err() == nil {
				life, end := context.WithTimeout(ctx, time.Duration(lives.IntN(5000))*time.Millisecond)
				a := newApplier(t, w, p)
				if err := a.Run(life); err != nil {
					t.Error(err)
				}
				end()
				if s := a.Status(); s.Held != nil {
					t.Errorf("%v is held: %v %s", s.Held.Record.Position, s.Held.Outcome, s.Held.Text)
				}
			}
		})
	}
	both.Wait()
	if !there() {
		t.Fatalf("an hour was not enough: %+v", w.l.Inbox())
	}
}
