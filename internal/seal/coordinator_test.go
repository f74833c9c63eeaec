// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/epoch"
	"github.com/aurigraph/aurigraph/internal/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// faulty is a validator whose answers are changed. Nil functions leave them as they are.
type faulty struct {
	Validator
	delay   time.Duration
	away    func(step string) bool
	reveal  func(*Reveal)
	prepare func(*Claim)
	sign    func(*chain.Approval)
}

func (f *faulty) reach(ctx context.Context, step string) error {
	if f.away != nil && f.away(step) {
		return fault.New(fault.Unavailable, "nobody is there")
	}
	select {
	case <-time.After(f.delay):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *faulty) Where(ctx context.Context) (*Where, error) {
	if err := f.reach(ctx, "where"); err != nil {
		return nil, err
	}
	return f.Validator.Where(ctx)
}

func (f *faulty) Reveal(ctx context.Context, id chain.ChainID, e chain.Epoch) (*Reveal, error) {
	if err := f.reach(ctx, "reveal"); err != nil {
		return nil, err
	}
	r, err := f.Validator.Reveal(ctx, id, e)
	if err == nil && f.reveal != nil {
		f.reveal(r)
	}
	return r, err
}

func (f *faulty) Prepare(ctx context.Context, p *Plan) (*Claim, error) {
	if err := f.reach(ctx, "prepare"); err != nil {
		return nil, err
	}
	c, err := f.Validator.Prepare(ctx, p)
	if err == nil && f.prepare != nil {
		f.prepare(c)
	}
	return c, err
}

func (f *faulty) Sign(ctx context.Context, p *Plan, claims []*Claim) (*chain.Approval, error) {
	if err := f.reach(ctx, "sign"); err != nil {
		return nil, err
	}
	a, err := f.Validator.Sign(ctx, p, claims)
	if err == nil && f.sign != nil {
		f.sign(a)
	}
	return a, err
}

func (f *faulty) Finish(ctx context.Context, p *chain.ProvedHandover) error {
	if err := f.reach(ctx, "finish"); err != nil {
		return err
	}
	return f.Validator.Finish(ctx, p)
}

// moving is a validator that restarts: when it finishes it is in the next epoch some time later, and out of reach until then.
type moving struct {
	*Sealer
	t       testing.TB
	restart time.Duration
	next    *Sealer
	at      time.Time
}

func (m *moving) Where(ctx context.Context) (*Where, error) {
	switch {
	case m.next == nil:
		return m.Sealer.Where(ctx)
	case time.Now().Before(m.at):
		return nil, fault.New(fault.Unavailable, "it restarts")
	}
	return m.next.Where(ctx)
}

func (m *moving) Finish(ctx context.Context, p *chain.ProvedHandover) error {
	if m.next != nil {
		return m.next.Finish(ctx, p)
	}
	if err := m.Sealer.Finish(ctx, p); err != nil || p.Next.Find(m.cfg.Self) == nil {
		return err
	}
	set, err := epoch.NewSet(testChain, &p.Next)
	if err != nil {
		return err
	}
	m.next = open(m.t, &Epoch{Set: set, Base: Point{p.Height, p.Header}}, m.cfg.Self, newDisk(m.t), &host{known: &Known{}})
	m.at = time.Now().Add(m.restart)
	return nil
}

// voters is a council as a coordinator meets it.
func (c *council) voters() (list []Voter) {
	for i, s := range c.sealers {
		list = append(list, Voter{Name: "socket" + string(rune('0'+i)), Validator: &moving{Sealer: s, t: c.t, restart: time.Second}})
	}
	return list
}

func away(steps ...string) func(string) bool {
	return func(step string) bool { return len(steps) == 0 || slices.Contains(steps, step) }
}

// run carries a seal out within a minute.
func runSeal(t *testing.T, c *Coordinator) (*Report, error) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	return c.Run(ctx)
}

func TestCoordinator(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(k *council, v []Voter)
		without []string
		height  chain.Height // 0: it fails
		running int
		kind    fault.Kind
		reason  string
	}{
		{"all are well", func(*council, []Voter) {}, nil, 44, 4, 0, ""},
		{"one is away", func(_ *council, v []Voter) { v[3].Validator = &faulty{Validator: v[3], away: away()} }, nil, 44, 3, 0, ""},
		{"one is slow", func(_ *council, v []Voter) { v[1].Validator = &faulty{Validator: v[1], delay: time.Second} }, nil, 44, 4, 0, ""},
		{"one hangs", func(_ *council, v []Voter) { v[1].Validator = &faulty{Validator: v[1], delay: time.Hour} }, nil, 44, 3, 0, ""},
		{"one is left out by name", func(*council, []Voter) {}, []string{"node3"}, 44, 3, 0, ""},
		{"one is left out by number, twice", func(*council, []Voter) {}, []string{"3", "node3"}, 44, 3, 0, ""},
		{"one says of itself what it did not sign", func(_ *council, v []Voter) {
			v[2].Validator = &faulty{Validator: v[2], reveal: func(r *Reveal) { r.Votes = nil }}
		}, nil, 44, 4, 0, ""},
		{"one says that it is another", func(k *council, v []Voter) { v[2].Validator = &faulty{Validator: impostor{v[2], v[1]}} }, nil, 44, 4, 0, ""},
		{"one claims another state", func(k *council, _ []Voter) {
			k.hosts[2].root = func(*Choice, *chain.Membership) chain.Hash { return chain.Hash{66} }
		}, nil, 44, 4, 0, ""},
		{"one spoils its claim", func(_ *council, v []Voter) {
			v[2].Validator = &faulty{Validator: v[2], prepare: func(c *Claim) { c.Root[0]++ }}
		}, nil, 44, 4, 0, ""},
		{"one signs something else", func(_ *council, v []Voter) {
			v[2].Validator = &faulty{Validator: v[2], sign: func(a *chain.Approval) { a.Signature[0]++ }}
		}, nil, 44, 4, 0, ""},
		{"one cannot reach the height", func(k *council, _ []Voter) { k.hosts[0].cannot = fault.New(fault.Conflict, "deceived") }, nil, 44, 4, 0, ""},
		{"two cannot yet", func(k *council, _ []Voter) {
			for _, h := range k.hosts[:2] {
				h.cannot = fault.New(fault.TryLater, "fetching")
				time.AfterFunc(5*time.Second, func() { h.mu.Lock(); h.cannot = nil; h.mu.Unlock() })
			}
		}, nil, 44, 4, 0, ""},
		{"two cannot at all, and trust the others", func(k *council, _ []Voter) {
			for _, h := range k.hosts[:2] {
				h.cannot = fault.New(fault.TryLater, "fetching")
			}
		}, nil, 44, 4, 0, ""},
		{"nobody can", func(k *council, _ []Voter) {
			for _, h := range k.hosts {
				h.cannot = fault.New(fault.Conflict, "deceived")
			}
		}, nil, 0, 0, fault.Unavailable, "no_agreement"},
		{"two are away", func(_ *council, v []Voter) {
			v[2].Validator, v[3].Validator = &faulty{Validator: v[2], away: away()}, &faulty{Validator: v[3], away: away()}
		}, nil, 0, 0, fault.Unavailable, "no_quorum"},
		{"two go before they reveal", func(_ *council, v []Voter) {
			v[2].Validator, v[3].Validator = &faulty{Validator: v[2], away: away("reveal")}, &faulty{Validator: v[3], away: away("reveal")}
		}, nil, 0, 0, fault.Unavailable, "no_quorum"},
		{"two go before they sign", func(_ *council, v []Voter) {
			v[2].Validator, v[3].Validator = &faulty{Validator: v[2], away: away("sign")}, &faulty{Validator: v[3], away: away("sign")}
		}, nil, 0, 0, fault.Unavailable, "no_quorum"},
		{"two go before they finish", func(_ *council, v []Voter) {
			v[2].Validator, v[3].Validator = &faulty{Validator: v[2], away: away("finish")}, &faulty{Validator: v[3], away: away("finish")}
		}, nil, 44, 2, fault.Timeout, ""},
		{"two are left out", func(*council, []Voter) {}, []string{"node2", "node3"}, 0, 0, fault.Invalid, "too_many_left_out"},
		{"a stranger is left out", func(*council, []Voter) {}, []string{"node9"}, 0, 0, fault.Invalid, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newCouncil(t, 4)
				voters := k.voters()
				c.change(k, voters)
				r, err := runSeal(t, &Coordinator{Voters: voters, Without: c.without})
				if c.kind != fault.Internal || c.reason != "" {
					wantFault(t, err, c.kind, c.reason)
				} else if err != nil {
					t.Fatal(err)
				}
				if r.Sealed != (c.height > 0) || r.running() != c.running || r.Sealed && r.Handover.Height != c.height {
					t.Errorf("sealed %v, %d run: %+v", r.Sealed, r.running(), r.Rows)
				}
			})
		})
	}
}

// impostor says that it is the other, and answers for itself.
type impostor struct {
	Validator
	other Validator
}

func (i impostor) Where(ctx context.Context) (*Where, error) { return i.other.Where(ctx) }

func TestCoordinatorSaysWhatItSees(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newCouncil(t, 4)
		k.hosts[1].known = knownTo(t, k.e, 1, 43, 45, 0)
		k.hosts[2].known = knownTo(t, k.e, 2, 43, 45, 0)
		voters := k.voters()
		voters[3].Validator = &faulty{Validator: voters[3], away: away()}
		var stages []string
		r, err := runSeal(t, &Coordinator{Voters: voters, Progress: func(s string) { stages = append(stages, s) }})
		if err != nil {
			t.Fatal(err)
		}
		one, gone := r.Rows[1], r.Rows[3]
		if one.Name != "node1" || one.Certified != 43 || one.Voted != 45 || !one.Revealed || !one.Claimed || !one.Approved || !one.Running || one.Err != nil {
			t.Errorf("%+v", one)
		}
		if gone.Name != "socket3" || gone.Revealed || !fault.Is(gone.Err, fault.Unavailable) {
			t.Errorf("%+v", gone)
		}
		if d := r.Decision; d.Height != 45 || !slices.Equal(d.Signers, []chain.ValidatorNo{1, 2}) || len(stages) != 5 || !strings.Contains(stages[2], "45") {
			t.Errorf("%+v %q", d, stages)
		}
	})
}

// One coordinator stops after two have signed. The next takes their handover up again, whatever it was asked for, and brings
// the epoch to its end; a third finds that it is over.
func TestCoordinatorGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newCouncil(t, 4)
		voters := k.voters()
		k.halfSigned(k.e.Without([]chain.ValidatorNo{3}), 0, 1)
		r, err := runSeal(t, &Coordinator{Voters: voters, Epoch: testEpoch})
		if err != nil || !r.Sealed || len(r.Handover.Next.Members) != 3 || r.Decision.Taken == nil || r.Rows[0].SignedBefore == nil || r.running() != 3 {
			t.Fatalf("%+v %v", r, err)
		}
		_, err = runSeal(t, &Coordinator{Voters: voters, Epoch: testEpoch})
		wantFault(t, err, fault.Conflict, "other_epoch")
	})
}

// gone is a validator that is in the next epoch when it is asked to reveal.
type gone struct{ *Sealer }

func (g gone) Reveal(context.Context, chain.ChainID, chain.Epoch) (*Reveal, error) {
	return nil, g.otherEpoch(testChain, testEpoch)
}

// A coordinator that another one overtakes says so, if more than f validators do.
func TestCoordinatorIsOvertaken(t *testing.T) {
	for n, want := range map[int]string{1: "", 2: "other_epoch", 4: "other_epoch"} {
		synctest.Test(t, func(t *testing.T) {
			k := newCouncil(t, 4)
			voters := k.voters()
			for i := range n {
				voters[i].Validator = gone{k.sealers[i]}
			}
			_, err := runSeal(t, &Coordinator{Voters: voters})
			if (err != nil) != (want != "") || err != nil && fault.ReasonOf(err) != want {
				t.Errorf("%d of 4 are in another epoch: %v", n, err)
			}
		})
	}
}

func (c *council) halfSigned(next *chain.Membership, who ...chain.ValidatorNo) {
	p := c.plan(next, 0, 1, 2)
	claims := c.claims(p, 0, 1, 2)
	for _, v := range who {
		if _, err := c.sealers[v].Sign(c.t.Context(), p, claims); err != nil {
			c.t.Fatal(err)
		}
	}
}

// Who signed another handover alone holds nobody up, unless his signature is needed; then he says what to ask for.
func TestCoordinatorMeetsAnotherHandover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newCouncil(t, 4)
		k.halfSigned(k.e.Without([]chain.ValidatorNo{3}), 0)
		voters := k.voters()
		r, err := runSeal(t, &Coordinator{Voters: slices.Clone(voters[:3])})
		wantFault(t, err, fault.Unavailable, "no_quorum")
		if !strings.Contains(err.Error(), "node0: validator 0 signed a handover at height 44 to 3 validators before") || r.Sealed {
			t.Error(err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		k := newCouncil(t, 4)
		k.halfSigned(k.e.Without([]chain.ValidatorNo{3}), 0)
		if r, err := runSeal(t, &Coordinator{Voters: k.voters()}); err != nil || len(r.Handover.Next.Members) != 4 {
			t.Error(r, err)
		}
	})
}

// A person who stops the command ends it at once, with all that it started.
func TestCoordinatorStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newCouncil(t, 4)
		voters := k.voters()
		for i := range voters {
			voters[i].Validator = &faulty{Validator: voters[i], delay: 10 * time.Second}
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(15*time.Second, cancel)
		begin := time.Now()
		if r, err := (&Coordinator{Voters: voters}).Run(ctx); err == nil || r.Sealed || time.Since(begin) != 15*time.Second {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
	})
}
