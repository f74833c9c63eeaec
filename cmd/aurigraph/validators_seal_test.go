// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/epoch"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/seal"
	"github.com/aurigraph/aurigraph/internal/seglog/disk"
	"github.com/aurigraph/aurigraph/internal/server/admin"
)

// conclave is a network's folder in which validators without a node listen on their sockets. Each signed the headers of
// heights 1 to 5; none has a certificate.
type conclave struct {
	t       *testing.T
	network *network.Network
	epoch   *seal.Epoch
	cannot  error // reach the height; of all
}

func newConclave(t *testing.T) *conclave {
	t.Helper()
	n, err := network.Create(filepath.Join(t.TempDir(), "net"), network.Options{Name: "conclave", Nodes: 4})
	if err != nil {
		t.Fatal(err)
	}
	m := &chain.Membership{Epoch: 1}
	for i, node := range n.Nodes {
		m.Members = append(m.Members, chain.Member{
			No: chain.ValidatorNo(i), JoinEpoch: 1, Name: node.ID, Ed25519: sealKey(t, keys.Ed25519, i).Public().Bytes()[1:], MLDSA65: sealKey(t, keys.MLDSA65, i).Public().Bytes()[1:],
		})
	}
	return &conclave{t: t, network: n, epoch: setOf(t, m, seal.Point{})}
}

func sealKey(t *testing.T, s keys.Scheme, i int) keys.Signer {
	t.Helper()
	k, err := keys.FromSeed(s, [keys.SeedBytes]byte{byte(s), byte(i + 1)})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func setOf(t *testing.T, m *chain.Membership, base seal.Point) *seal.Epoch {
	set, err := epoch.NewSet(7, m)
	if err != nil {
		t.Fatal(err)
	}
	return &seal.Epoch{Set: set, Base: base}
}

func sealHeader(h chain.Height) ([]byte, chain.Hash) {
	b := codec.AppendHeader(nil, &chain.ExecutedHeader{Chain: 7, Epoch: 1, Height: h})
	return b, codec.Sum(b)
}

// listen lets a validator answer until the test ends.
func (c *conclave) listen(i int) string {
	c.t.Helper()
	folder := c.network.Path(c.network.Nodes[i].Dir)
	l, err := admin.Listen(folder)
	if err != nil {
		c.t.Fatal(err)
	}
	p := &prelate{conclave: c, no: i}
	p.open(c.epoch)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- admin.Serve(ctx, l, admin.Doors{Seal: p}, slog.New(slog.DiscardHandler)) }()
	c.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			c.t.Error(err)
		}
	})
	return admin.SocketPath(folder)
}

// prelate is one of them: a sealer, and the host behind it.
type prelate struct {
	*conclave
	no int
	mu sync.Mutex // guards at
	at *seal.Sealer
}

func (p *prelate) open(e *seal.Epoch) {
	dir := p.network.Path(p.network.Nodes[p.no].Dir)
	s, err := seal.Open(disk.OS(), filepath.Join(dir, seal.RecordName), seal.Config{Epoch: e, Self: chain.ValidatorNo(p.no), Key: sealKey(p.t, keys.Ed25519, p.no), Host: vestry{p}})
	if err != nil {
		p.t.Error(err)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = s
}

func (p *prelate) now() *seal.Sealer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at
}

func (p *prelate) Where(ctx context.Context) (*seal.Where, error) { return p.now().Where(ctx) }

func (p *prelate) Reveal(ctx context.Context, id chain.ChainID, e chain.Epoch) (*seal.Reveal, error) {
	return p.now().Reveal(ctx, id, e)
}

func (p *prelate) Prepare(ctx context.Context, plan *seal.Plan) (*seal.Claim, error) {
	return p.now().Prepare(ctx, plan)
}

func (p *prelate) Sign(ctx context.Context, plan *seal.Plan, claims []*seal.Claim) (*chain.Approval, error) {
	return p.now().Sign(ctx, plan, claims)
}

func (p *prelate) Finish(ctx context.Context, x *chain.ProvedHandover) error {
	return p.now().Finish(ctx, x)
}

// vestry is a prelate as its sealer's host.
type vestry struct{ *prelate }

func (v vestry) Refuse(context.Context) error { return nil }

func (v vestry) Reveal(context.Context) (*seal.Known, error) {
	k := &seal.Known{}
	for h := chain.Height(1); h <= 5; h++ {
		_, hash := sealHeader(h)
		signature, err := sealKey(v.t, keys.Ed25519, v.no).Sign(keys.HeaderMessage(7, hash))
		if err != nil {
			return nil, err
		}
		k.Votes = append(k.Votes, seal.Vote{Point: seal.Point{Height: h, Header: hash}, Signature: signature})
	}
	return k, nil
}

func (v vestry) Prepare(_ context.Context, c *seal.Choice, _ *chain.Membership, verdict chain.Verdict) (*seal.Prepared, error) {
	b, _ := sealHeader(c.Height)
	x := &seal.Prepared{Header: b, Root: chain.Hash{1}}
	if verdict == chain.VerdictToV10 {
		x.HomeVersion = 5
	}
	return x, v.cannot
}

func (v vestry) Finish(_ context.Context, x *chain.ProvedHandover) error {
	if x.Next.Find(chain.ValidatorNo(v.no)) != nil {
		v.open(setOf(v.t, &x.Next, seal.Point{Height: x.Height, Header: x.Header}))
	}
	return nil
}

func TestValidatorsSeal(t *testing.T) {
	c := newConclave(t)
	for i := range 3 {
		c.listen(i)
	}
	r := want(t, exitDone, "validators", "seal", "--network", c.network.Dir, "--without", "node3")
	for _, part := range []string{
		"epoch       1 of chain 7, 4 validators, quorum 3", "ends at     height 5, signed by node0, node1, node2: it may have been certified",
		"next        epoch 2 with node0, node1, node2: 3 of 3 run", "node1      runs", "node3      silent",
	} {
		if !strings.Contains(r.out, part) {
			t.Errorf("%q is not in\n%s", part, r.out)
		}
	}
	// Once more it is the next epoch's end that is asked for; with --epoch it is not.
	m := answer(t, exitRefused, "validators", "seal", "--network", c.network.Dir, "--epoch", "1")
	if e := m["error"].(map[string]any); e["reason"] != "other_epoch" || m["epoch"] != 2.0 || m["sealed"] != false {
		t.Errorf("%+v", m)
	}
}

func TestValidatorsSealOverSockets(t *testing.T) {
	c := newConclave(t)
	words := []string{"validators", "seal"}
	for i := range 4 {
		words = append(words, "--socket", c.listen(i))
	}
	m := answer(t, exitDone, words...)
	if m["next_epoch"] != 2.0 || m["height"] != 5.0 || m["running"] != 4.0 || m["sealed"] != true || len(m["next_members"].([]any)) != 4 || m["error"] != nil || m["verdict"] != "unchanged" || m["home_version"] != nil {
		t.Errorf("%+v", m)
	}
	first := m["validators"].([]any)[0].(map[string]any)
	if first["id"] != "node0" || first["state"] != sealRuns || first["voted"] != 5.0 || first["root"] != (chain.Hash{1}).String() {
		t.Errorf("%+v", first)
	}
}

// What the seal means is asked for, shown and told; the next epoch can be ended without it.
func TestValidatorsSealToV10(t *testing.T) {
	c := newConclave(t)
	for i := range 4 {
		c.listen(i)
	}
	m := answer(t, exitDone, "validators", "seal", "--network", c.network.Dir, "--to-v10")
	if m["verdict"] != "to_v10" || m["home_version"] != 5.0 || m["sealed"] != true {
		t.Errorf("%+v", m)
	}
	c = newConclave(t)
	for i := range 4 {
		c.listen(i)
	}
	r := want(t, exitDone, "validators", "seal", "--network", c.network.Dir, "--to-v10")
	if !strings.Contains(r.out, "all slots are V10's, by version 5 of the home table") {
		t.Error(r.out)
	}
}

// What it cannot do it says, with all that it saw.
func TestValidatorsSealFails(t *testing.T) {
	c := newConclave(t)
	for i := range 2 {
		c.listen(i)
	}
	m := answer(t, exitFailed, "validators", "seal", "--network", c.network.Dir, "--timeout", "5s")
	if e := m["error"].(map[string]any); e["reason"] != "no_quorum" || m["sealed"] != false {
		t.Errorf("%+v", m)
	}
	c.cannot = fault.New(fault.Conflict, "it executed something else")
	c.listen(2)
	r := want(t, exitFailed, "validators", "seal", "--network", c.network.Dir, "--timeout", "8s")
	if !strings.Contains(r.out, "ends at  height 5") || !strings.Contains(r.out, "it executed something else") || !strings.Contains(r.err, "fewer than 2 validators claim one state") {
		t.Errorf("%s%s", r.out, r.err)
	}
	if _, err := os.Stat(filepath.Join(c.network.Path(c.network.Nodes[0].Dir), seal.RecordName)); err != nil {
		t.Error("nothing was refused:", err)
	}
}

func TestValidatorsSealUsage(t *testing.T) {
	dir := t.TempDir()
	for _, words := range [][]string{
		{"--timeout", "1s"}, {"--endpoint", "a:1", "--trust", "x"}, {"--socket", "a", "--network", dir}, {"what"},
	} {
		if r := cli(t, append([]string{"validators", "seal"}, words...)...); r.code != exitRefused {
			t.Errorf("%q: exit %d, %s%s", words, r.code, r.out, r.err)
		}
	}
	want(t, exitFailed, "validators", "seal", "--network", filepath.Join(dir, "none"))
	want(t, exitFailed, "validators", "seal", "--socket", filepath.Join(dir, "none"), "--timeout", "5s")
}

func TestSealStates(t *testing.T) {
	for want, row := range map[string]seal.Row{
		sealSilent: {}, sealFound: {Known: true}, sealLeftOut: {Known: true, LeftOut: true}, sealRevealed: {Known: true, Revealed: true},
		sealPrepared: {Revealed: true, Claimed: true}, sealSigned: {Claimed: true, Approved: true}, sealRuns: {Approved: true, Running: true},
	} {
		if got := sealState(&row, true); got != want {
			t.Errorf("%+v is %s, must be %s", row, got, want)
		}
	}
	j := &sealJSON{TakenUp: true}
	if certified := (&sealJSON{Certified: true}); fmt.Sprint(j.why(), certified.why()) != "as an earlier run chosecertified" {
		t.Error(j.why(), certified.why())
	}
}
