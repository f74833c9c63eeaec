// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/seglog/faultfs"
)

// council is a network's sealers, each on its own disk.
type council struct {
	t       testing.TB
	e       *Epoch
	disks   []*faultfs.FS
	hosts   []*host
	sealers []*Sealer
	verdict chain.Verdict // that plan asks for
}

func newCouncil(t testing.TB, n int) *council {
	c := &council{t: t, e: epochOf(t, n), verdict: chain.VerdictUnchanged}
	for v := range chain.ValidatorNo(n) {
		c.disks = append(c.disks, newDisk(t))
		c.hosts = append(c.hosts, &host{known: knownTo(t, c.e, v, 42, 44, 0)})
		c.sealers = append(c.sealers, open(t, c.e, v, c.disks[v], c.hosts[v]))
	}
	return c
}

// plan asks some to reveal.
func (c *council) plan(next *chain.Membership, who ...chain.ValidatorNo) *Plan {
	c.t.Helper()
	p := &Plan{Next: *next, Verdict: c.verdict}
	for _, v := range who {
		r, err := c.sealers[v].Reveal(c.t.Context(), testChain, testEpoch)
		if err != nil {
			c.t.Fatal(err)
		}
		p.Reveals = append(p.Reveals, r)
	}
	return p
}

func (c *council) claims(p *Plan, who ...chain.ValidatorNo) (list []*Claim) {
	c.t.Helper()
	for _, v := range who {
		x, err := c.sealers[v].Prepare(c.t.Context(), p)
		if err != nil {
			c.t.Fatal(err)
		}
		list = append(list, x)
	}
	return list
}

func TestSealerEndsAnEpoch(t *testing.T) {
	c, ctx := newCouncil(t, 4), t.Context()
	where, err := c.sealers[1].Where(ctx)
	if err != nil || where.Refused || where.Validator != 1 || where.Chain != testChain || where.Base != testBase || where.Membership.Epoch != testEpoch {
		t.Fatalf("%+v %v", where, err)
	}
	p := c.plan(c.e.Without([]chain.ValidatorNo{3}), 0, 1, 2)
	if !c.hosts[1].refused || !c.sealers[1].Refused() {
		t.Fatal("it revealed and signs on")
	}
	claims := c.claims(p, 0, 1)
	proved := &chain.ProvedHandover{HeaderBytes: claims[0].Header}
	for v := range 3 { // 2 cannot compute it and trusts the two others
		a, err := c.sealers[v].Sign(ctx, p, claims)
		if err != nil {
			t.Fatal(err)
		}
		proved.Seal = append(proved.Seal, *a)
	}
	d, err := c.e.Check(p)
	if err != nil {
		t.Fatal(err)
	}
	h, err := c.e.Agree(d, &p.Next, claims)
	if err != nil {
		t.Fatal(err)
	}
	proved.Handover = *h
	for range 2 {
		if err := c.sealers[0].Finish(ctx, proved); err != nil || c.hosts[0].finished != proved {
			t.Fatal(err)
		}
	}
	few := *proved
	few.Seal = few.Seal[:2]
	wantFault(t, c.sealers[1].Finish(ctx, &few), fault.Invalid, "no_quorum")
	if c.hosts[1].finished != nil {
		t.Error("it took a handover that no quorum signed")
	}
}

func TestSealerRefuses(t *testing.T) {
	c, ctx := newCouncil(t, 4), t.Context()
	_, err := c.sealers[0].Reveal(ctx, testChain, testEpoch+1)
	wantFault(t, err, fault.Conflict, "other_epoch")
	_, err = c.sealers[0].Reveal(ctx, testChain+1, testEpoch)
	wantFault(t, err, fault.Conflict, "other_epoch")
	if c.sealers[0].Refused() || c.hosts[0].refused {
		t.Fatal("a question about another epoch stops the certifier")
	}
	p := c.plan(c.e.Without(nil), 0, 1, 2)
	old := *p
	old.Next.Epoch--
	_, err = c.sealers[0].Prepare(ctx, &old)
	wantFault(t, err, fault.Conflict, "other_epoch")
	lone := c.claims(p, 0)
	_, err = c.sealers[0].Sign(ctx, p, lone)
	wantFault(t, err, fault.Unavailable, "no_agreement")
	c.hosts[1].cannot = fault.New(fault.Conflict, "it executed something else")
	_, err = c.sealers[1].Prepare(ctx, p)
	wantFault(t, err, fault.Conflict, "")
	claims := c.claims(p, 0, 2)

	// A certificate that came after the reveal.
	c.hosts[1].known = knownTo(t, c.e, 1, 45, 45, 0)
	_, err = c.sealers[1].Sign(ctx, p, claims)
	wantFault(t, err, fault.Conflict, "below_certificate")
	c.hosts[1].known = knownTo(t, c.e, 1, 44, 44, 0)
	if _, err = c.sealers[1].Sign(ctx, p, claims); err != nil {
		t.Error(err)
	}
	// A quorum of seals below a certificate: more lie than may.
	proved := c.proved(p, claims, 0, 1, 2)
	c.hosts[1].known = knownTo(t, c.e, 1, 45, 45, 0)
	wantFault(t, c.sealers[1].Finish(ctx, proved), fault.Halted, "")
	// That the node cannot say what it knows is no contradiction.
	c.sealers[1].cfg.Host = failing{fault.New(fault.Unavailable, "the store is being closed")}
	wantFault(t, c.sealers[1].Finish(ctx, proved), fault.Unavailable, "")
}

// proved is the handover that some sign.
func (c *council) proved(p *Plan, claims []*Claim, who ...chain.ValidatorNo) *chain.ProvedHandover {
	c.t.Helper()
	d, err := c.e.Check(p)
	if err != nil {
		c.t.Fatal(err)
	}
	h, err := c.e.Agree(d, &p.Next, claims)
	if err != nil {
		c.t.Fatal(err)
	}
	x := &chain.ProvedHandover{Handover: *h, HeaderBytes: claims[0].Header}
	for _, v := range who {
		a, err := c.sealers[v].Sign(c.t.Context(), p, claims)
		if err != nil {
			c.t.Fatal(err)
		}
		x.Seal = append(x.Seal, *a)
	}
	return x
}

func TestSealerSignsOnce(t *testing.T) {
	c, ctx := newCouncil(t, 4), t.Context()
	p := c.plan(c.e.Without([]chain.ValidatorNo{3}), 0, 1, 2)
	claims := c.claims(p, 0, 1, 2)
	first, err := c.sealers[0].Sign(ctx, p, claims)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // also in its next life
		again, err := c.sealers[0].Sign(ctx, p, claims)
		if err != nil || !bytes.Equal(again.Signature, first.Signature) {
			t.Fatal(again, err)
		}
		other := c.plan(c.e.Without([]chain.ValidatorNo{2}), 0, 1, 3)
		if s := other.Reveals[0].Signed; s == nil || s.Height != 44 || other.Reveals[0].Next == nil || other.Reveals[1].Signed != nil {
			t.Fatalf("what it signed is not revealed: %+v", s)
		}
		_, err = c.sealers[0].Sign(ctx, other, c.claims(other, 0, 1, 3))
		wantFault(t, err, fault.Conflict, "signed_other")
		c.sealers[0] = open(t, c.e, 0, c.disks[0], c.hosts[0])
		if !c.sealers[0].Refused() {
			t.Fatal("a restart forgets that it refused")
		}
	}
	// What f+1 signed is taken up again, with the membership that it names and no other.
	if _, err := c.sealers[1].Sign(ctx, p, claims); err != nil {
		t.Fatal(err)
	}
	_, err = c.e.Check(c.plan(c.e.Without(nil), 0, 1, 2))
	wantFault(t, err, fault.Conflict, "other_membership")
	again := c.plan(&p.Next, 0, 1, 2)
	if d, err := c.e.Check(again); err != nil || d.Taken == nil || d.Point != pointAt(44, 0) {
		t.Fatalf("%+v %v", d, err)
	}
	if _, err := c.sealers[2].Sign(ctx, again, c.claims(again, 0, 1, 2)); err != nil {
		t.Error(err)
	}
	wrong := func(*Choice, *chain.Membership) chain.Hash { return chain.Hash{66} }
	c.hosts[0].root, c.hosts[1].root = wrong, wrong
	_, err = c.sealers[2].Sign(ctx, again, c.claims(again, 0, 1))
	wantFault(t, err, fault.Conflict, "other_root")
}

// A header that ends its epoch by a change has nothing to seal.
func TestChangeIsNotSealed(t *testing.T) {
	header := codec.AppendHeader(nil, &chain.ExecutedHeader{Chain: testChain, Epoch: testEpoch, Height: 50, Next: chain.Hash{1}})
	d := &Decision{Choice: &Choice{Point: Point{50, codec.Sum(header)}}}
	wantFault(t, checkLast(header, d), fault.Conflict, "epoch_ended")
	wantFault(t, checkLast(header[1:], d), fault.Internal, "")
	broken := []byte("no header")
	wantFault(t, checkLast(broken, &Decision{Choice: &Choice{Point: Point{50, codec.Sum(broken)}}}), fault.Invalid, "")
}

func TestOpenRefuses(t *testing.T) {
	e := epochOf(t, 4)
	h := &host{known: knownTo(t, e, 0, 42, 44, 0)}
	fs := newDisk(t)
	_, err := Open(fs, "data/seal", Config{Epoch: e, Self: 1, Key: headerKey(t, 0), Host: h})
	wantFault(t, err, fault.Invalid, "")
	s := open(t, e, 0, fs, h)
	if _, err := s.Reveal(t.Context(), testChain, testEpoch); err != nil {
		t.Fatal(err)
	}
	_, err = Open(fs, "data/seal", Config{Epoch: e, Self: 1, Key: headerKey(t, 1), Host: h})
	wantFault(t, err, fault.Conflict, "")
	written := fs.Bytes("data/seal")
	for at := range written {
		broken := bytes.Clone(written)
		broken[at] ^= 1
		fs.Put("data/seal", broken)
		if _, err := Open(fs, "data/seal", Config{Epoch: e, Self: 0, Key: headerKey(t, 0), Host: h}); !fault.Is(err, fault.Corrupt) {
			t.Fatalf("byte %d: %v", at, err)
		}
	}
	for _, bad := range [][]byte{nil, written[:9], append(bytes.Clone(written), 0), make([]byte, recordBytesMax+1)} {
		fs.Put("data/seal", bad)
		if _, err := Open(fs, "data/seal", Config{Epoch: e, Self: 0, Key: headerKey(t, 0), Host: h}); !fault.Is(err, fault.Corrupt) {
			t.Fatalf("%d bytes: %v", len(bad), err)
		}
	}
	// The record of an epoch that ended binds nobody; one of an epoch to come means that the data is old.
	for epoch, want := range map[chain.Epoch]fault.Kind{testEpoch - 1: fault.Internal, testEpoch + 1: fault.Conflict} {
		fs.Put("data/seal", appendRecord(nil, &record{chain: testChain, epoch: epoch, validator: 0}))
		s, err := Open(fs, "data/seal", Config{Epoch: e, Self: 0, Key: headerKey(t, 0), Host: h})
		if epoch < testEpoch && (err != nil || s.Refused()) || epoch > testEpoch && !fault.Is(err, want) {
			t.Errorf("epoch %d: %v", epoch, err)
		}
	}
}

func TestRefusalsAreCounted(t *testing.T) {
	e := epochOf(t, 4)
	registry := prometheus.NewRegistry()
	cfg := Config{Epoch: e, Self: 0, Key: headerKey(t, 0), Host: &host{known: &Known{}}, Metrics: registry}
	s, err := Open(newDisk(t), "data/seal", cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Reveal(t.Context(), testChain, 9); err == nil {
		t.Fatal("it revealed")
	}
	families, err := registry.Gather()
	if err != nil || len(families) != 1 || families[0].GetName() != "aurigraph_seal_refused_total" || families[0].Metric[0].Counter.GetValue() != 1 {
		t.Errorf("%v %v", families, err)
	}
	_, err = Open(newDisk(t), "data/seal", cfg)
	wantFault(t, err, fault.Internal, "")
}

// One prepares at a time; the second is told to come again.
func TestPrepareIsBusy(t *testing.T) {
	c := newCouncil(t, 4)
	p := c.plan(c.e.Without(nil), 0, 1, 2)
	c.sealers[0].busy <- struct{}{}
	_, err := c.sealers[0].Prepare(t.Context(), p)
	wantFault(t, err, fault.TryLater, "busy")
	<-c.sealers[0].busy
	if _, err := c.sealers[0].Prepare(t.Context(), p); err != nil {
		t.Error(err)
	}
}

// The power goes at every operation of the disk. Whatever left the sealer holds in its next life: it refuses on, and it
// signs what it signed.
func TestPowerGoesAtEveryRecord(t *testing.T) {
	c := newCouncil(t, 4)
	p := c.plan(c.e.Without(nil), 1, 2, 3)
	claims := c.claims(p, 1, 2, 3)
	d, err := c.e.Check(p)
	if err != nil {
		t.Fatal(err)
	}
	h, err := c.e.Agree(d, &p.Next, claims)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; ; n++ {
		fs := newDisk(t)
		s := open(t, c.e, 0, fs, c.hosts[0])
		fs.StopAfter(n)
		_, revealErr := s.Reveal(t.Context(), testChain, testEpoch)
		approval, signErr := s.Sign(t.Context(), p, claims)
		for seed := range uint64(20) {
			found := open(t, c.e, 0, fs.Crash(seed), c.hosts[0])
			if revealErr == nil && !found.Refused() {
				t.Fatalf("operation %d, seed %d: it revealed, and forgot that it refused", n, seed)
			}
			if signErr == nil && (found.kept.handover == nil || codec.HandoverHash(found.kept.handover) != codec.HandoverHash(h) || !bytes.Equal(found.kept.signature, approval.Signature)) {
				t.Fatalf("operation %d, seed %d: it forgot what it signed", n, seed)
			}
		}
		if revealErr == nil && signErr == nil {
			return
		}
		if (revealErr != nil) != (s.failed != nil && s.kept == nil) || !s.Refused() && revealErr != nil {
			t.Fatalf("operation %d: %v %v, and it goes on", n, revealErr, signErr)
		}
	}
}

// A host that fails stops its sealer with its own error, and nothing is signed.
func TestHostFails(t *testing.T) {
	c := newCouncil(t, 4)
	p := c.plan(c.e.Without(nil), 1, 2, 3)
	claims := c.claims(p, 1, 2, 3)
	broken := failing{errors.New("no disk")}
	s, err := Open(c.disks[0], "data/seal", Config{Epoch: c.e, Self: 0, Key: headerKey(t, 0), Host: broken})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Reveal(t.Context(), testChain, testEpoch); !errors.Is(err, broken.error) {
		t.Error(err)
	}
	if _, err := s.Sign(t.Context(), p, claims); !errors.Is(err, broken.error) {
		t.Error(err)
	}
	c.hosts[0].known.Votes = make([]Vote, VotesMax+1)
	_, err = c.sealers[0].Reveal(t.Context(), testChain, testEpoch)
	wantFault(t, err, fault.Internal, "")
	c.hosts[0].known = knownTo(t, c.e, 1, 42, 44, 0) // another's votes
	_, err = c.sealers[0].Reveal(t.Context(), testChain, testEpoch)
	wantFault(t, err, fault.Internal, "")
}

type failing struct{ error }

func (f failing) Refuse(context.Context) error { return f.error }

func (f failing) Reveal(context.Context) (*Known, error) { return nil, f.error }

func (f failing) Prepare(context.Context, *Choice, *chain.Membership, chain.Verdict) (*Prepared, error) {
	return nil, f.error
}

func (f failing) Finish(context.Context, *chain.ProvedHandover) error { return f.error }

// A certificate with signatures for a state root is revealed without them, and one of an older epoch not at all.
func TestRevealIsBare(t *testing.T) {
	c := newCouncil(t, 4)
	for i := range c.hosts[0].known.Certificate.Signatures {
		c.hosts[0].known.Certificate.Signatures[i].Root = make([]byte, keys.MLDSA65.SignatureBytes())
	}
	r, err := c.sealers[0].Reveal(t.Context(), testChain, testEpoch)
	if err != nil || len(r.Certificate.Signatures[0].Root) != 0 || len(c.hosts[0].known.Certificate.Signatures[0].Root) == 0 {
		t.Fatal(r, err)
	}
	c.hosts[0].known = &Known{Certificate: &chain.Certificate{Epoch: testEpoch - 1, Height: testBase.Height}}
	if r, err = c.sealers[0].Reveal(t.Context(), testChain, testEpoch); err != nil || r.Certificate != nil || r.Top(c.e) != testBase {
		t.Error(r, err)
	}
}
