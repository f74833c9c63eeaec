// SPDX-License-Identifier: Apache-2.0

package certify

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

func TestAVoteIsDurableBeforeItIsSentOrCounts(t *testing.T) {
	s := newStage(t, 4, nil)
	s.step(received(1, 1, 0), received(2, 1, 0), received(3, 1, 0))
	out := s.step(Executed{voteOf(0, 1, 0)})
	if len(out.Persist) != 1 || len(out.Send) != 0 || len(out.Certified) != 0 {
		t.Fatalf("before the vote is durable: %+v", out)
	}
	out = s.step(Signed{1})
	if len(out.Send) != 3 || len(out.Certified) != 1 {
		t.Fatalf("after it is durable: %+v", out)
	}
	if m := s.sentTo(2); len(m) != 1 || !reflect.DeepEqual(*m[0].Vote, voteOf(0, 1, 0)) {
		t.Errorf("sent %+v", m)
	}
	if out := s.step(Signed{1}, Signed{7}); len(out.Send) != 0 {
		t.Errorf("durable twice: %+v", out)
	}
}

func TestQuorum(t *testing.T) {
	for _, c := range []struct {
		name  string
		n     int
		votes []int // besides the own one
		want  []int
	}{
		{"alone", 1, nil, []int{0}},
		{"three of four", 4, []int{3, 1}, []int{0, 1, 3}},
		{"two of four", 4, []int{3}, nil},
		{"five of seven", 7, []int{6, 2, 3, 5}, []int{0, 2, 3, 5, 6}},
		{"four of seven", 7, []int{1, 2, 3}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t, c.n, nil)
			certs := s.execute(1).Certified
			for _, v := range c.votes {
				certs = append(certs, s.step(received(v, 1, 0)).Certified...)
			}
			if c.want == nil {
				if len(certs) != 0 || s.core.Certificate(1) != nil {
					t.Fatalf("certified by %v", signers(certs[0]))
				}
				return
			}
			if len(certs) != 1 || !slices.Equal(signers(certs[0]), c.want) || s.core.Certificate(1) != certs[0] {
				t.Fatalf("certified by %v", certs)
			}
			if x := certs[0]; x.Epoch != testEpoch || x.Height != 1 || x.Header != hashOf(1, 0) {
				t.Errorf("certificate %+v", x)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	other := voteOf(1, 5, 0)
	other.Epoch++
	for _, c := range []struct {
		want string
		in   Input
	}{
		{"unknown_sender", received(4, 5, 0)},
		{"own_sender", received(0, 5, 0)},
		{"wrong_sender", Received{From: 2, Vote: voteOf(1, 5, 0)}},
		{"wrong_epoch", Received{From: 1, Vote: other}},
		{"published", received(1, 96, 0)},
		{"ahead", received(1, 133, 0)},
		{"known", received(1, 102, 0)},
		{"proved", received(2, 102, 5)},
		{"wrong_root", Received{From: 3, Vote: withRoot(voteOf(3, 101, 0), 0)}},
		{"wrong_root", received(3, 104, 100)},
		{"unknown_sender", Wanted{From: 9, Height: 1}},
		{"own_sender", Wanted{From: 0, Height: 1}},
		{"not_executed", Wanted{From: 1, Height: 102}},
		{"not_executed", ReceivedCertificate{From: 1, Certificate: certificateOf(102, 0, 1, 2, 3)}},
		{"published", ReceivedCertificate{From: 1, Certificate: certificateOf(96, 0, 1, 2, 3)}},
		{"no_quorum", ReceivedCertificate{From: 1, Certificate: certificateOf(101, 0, 1, 2)}},
		{"no_quorum", ReceivedCertificate{From: 1, Certificate: certificateOf(101, 0, 0, 1, 2, 3, 3)}},
		{"wrong_signers", ReceivedCertificate{From: 1, Certificate: certificateOf(101, 0, 1, 2, 2)}},
		{"wrong_signers", ReceivedCertificate{From: 1, Certificate: certificateOf(101, 0, 3, 2, 1)}},
		{"wrong_signers", ReceivedCertificate{From: 1, Certificate: certificateOf(101, 0, 1, 2, 4)}},
		{"known", ReceivedCertificate{From: 1, Certificate: certificateOf(103, 0, 1, 2, 3)}},
		{"known", ReceivedCertificate{From: 1, Certificate: certificateOf(104, 7, 1, 2, 3)}},
		{"own_sender", ReceivedCertificate{From: 0, Certificate: certificateOf(101, 0, 1, 2, 3)}},
	} {
		t.Run(c.want, func(t *testing.T) {
			s := newStage(t, 4, func(c *CoreConfig) { c.Published = 100 })
			s.execute(101)
			s.step(received(1, 102, 0), received(2, 102, 0), received(2, 102, 1))
			s.execute(103)
			s.step(ReceivedCertificate{From: 1, Certificate: certificateOf(103, 0, 1, 2, 3)})
			rooted := voteOf(0, 104, 0)
			rooted.Hash = hashOf(104, 100)
			s.step(Executed{rooted}, ReceivedCertificate{From: 1, Certificate: certificateOf(104, 8, 1, 2, 3)})
			s.refused(c.want, c.in)
		})
	}
}

// A vote with a wrong state root counts for nothing, and its validator may still send a right one.
func TestAWrongRootIsDropped(t *testing.T) {
	s := newStage(t, 4, nil)
	s.step(Received{From: 1, Vote: withRoot(voteOf(1, 4, 0), 0)}, received(2, 4, 0))
	if out := s.execute(4); len(out.Certified) != 0 || !slices.Equal(out.Refused, []string{"wrong_root"}) {
		t.Fatalf("%d certified, refused %v", len(out.Certified), out.Refused)
	}
	out := s.step(received(1, 4, 0))
	if len(out.Certified) != 1 {
		t.Fatalf("%d certified, refused %v", len(out.Certified), out.Refused)
	}
	for _, x := range out.Certified[0].Signatures {
		if len(x.Root) != 3309 {
			t.Errorf("validator %d did not sign the root", x.Validator)
		}
	}
}

func TestEvidence(t *testing.T) {
	s := newStage(t, 4, nil)
	s.execute(1)
	if out := s.step(received(3, 1, 1), received(3, 1, 0)); len(out.Evidence) != 1 || len(out.Certified) != 0 {
		t.Fatalf("got %+v", out)
	}
	e := s.core.Evidence()
	if len(e) != 1 || !reflect.DeepEqual(e[0], Evidence{First: voteOf(3, 1, 1), Second: voteOf(3, 1, 0)}) {
		t.Fatalf("kept %+v", e)
	}
	s.refused("proved", received(3, 1, 2))
	if out := s.step(received(1, 1, 0)); len(out.Certified) != 0 {
		t.Fatal("the second vote of a liar counted")
	}
	if out := s.step(received(2, 1, 0)); len(out.Certified) != 1 || !slices.Equal(signers(out.Certified[0]), []int{0, 1, 2}) {
		t.Fatalf("got %+v", out)
	}
	for h := chain.Height(2); h < 10; h++ {
		s.step(received(3, h, 1), received(3, h, 2), received(2, h, 1), received(2, h, 2))
	}
	if n := len(s.core.Evidence()); n != 6 {
		t.Errorf("%d pieces of evidence on two validators are kept, of 3 each", n)
	}
}

// A second vote that comes after a height was published is noticed while the tail lasts.
func TestLateEvidence(t *testing.T) {
	s := newStage(t, 4, nil)
	s.execute(1)
	s.step(received(1, 1, 0), received(2, 1, 0), Published{4})
	if out := s.step(received(2, 1, 1)); len(out.Evidence) != 1 {
		t.Errorf("got %+v", out)
	}
	s.step(Published{5})
	s.refused("published", received(1, 1, 1))
	if len(s.core.slots) != 0 || s.core.Certificate(1) != nil {
		t.Error("a height behind the tail is kept")
	}
}

func TestDivergedByVotes(t *testing.T) {
	for _, late := range []bool{false, true} {
		s := newStage(t, 4, nil)
		votes := []Input{received(1, 4, 1), received(2, 4, 1), received(3, 4, 1)}
		inputs := append(votes, Input(Executed{voteOf(0, 4, 0)}))
		if late {
			s.execute(4)
			inputs = votes
		}
		out, err := s.core.Step(inputs...)
		if !fault.Is(err, fault.Halted) || out.Diverged == nil {
			t.Fatalf("got %+v, %v", out, err)
		}
		if d := out.Diverged; d.Other.Header != hashOf(4, 1) || len(d.Other.Signatures) != 3 || d.Own.Hash != hashOf(4, 0) || len(d.Other.Signatures[0].Root) != 0 {
			t.Errorf("got %+v", d)
		}
		if len(out.Persist)+len(out.Send)+len(out.Certified) != 0 {
			t.Errorf("a node that diverged does %+v", out)
		}
		if _, err := s.core.Step(Tick{}); !fault.Is(err, fault.Halted) {
			t.Errorf("after the halt: %v", err)
		}
	}
}

// Signatures do not say their height: one peer could show those of another height.
func TestOnePeersCertificateDoesNotHalt(t *testing.T) {
	s := newStage(t, 4, nil)
	s.execute(1)
	s.step(ReceivedCertificate{From: 3, Certificate: certificateOf(1, 1, 1, 2, 3)})
	s.step(ReceivedCertificate{From: 2, Certificate: certificateOf(1, 2, 1, 2, 3)})
	out, err := s.core.Step(ReceivedCertificate{From: 1, Certificate: certificateOf(1, 2, 1, 2, 3)})
	if !fault.Is(err, fault.Halted) || out.Diverged == nil || out.Diverged.Other.Header != hashOf(1, 2) {
		t.Errorf("two peers agree: %+v, %v", out, err)
	}
}

func TestStuck(t *testing.T) {
	for _, c := range []struct {
		name string
		n    int
		in   []Input
		want bool
	}{
		{"two against two", 4, []Input{received(1, 1, 0), received(2, 1, 1), received(3, 1, 1)}, true},
		{"one is missing", 4, []Input{received(1, 1, 1), received(2, 1, 1)}, false},
		{"three ways", 4, []Input{received(1, 1, 1), received(2, 1, 2)}, true},
		{"a liar may sign anything yet", 4, []Input{received(3, 1, 0), received(3, 1, 1), received(1, 1, 1), received(2, 1, 1)}, false},
		{"seven", 7, []Input{received(1, 1, 0), received(2, 1, 0), received(3, 1, 1), received(4, 1, 1), received(5, 1, 1)}, true},
		{"seven, one less", 7, []Input{received(1, 1, 0), received(2, 1, 0), received(3, 1, 1), received(4, 1, 1)}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStage(t, c.n, nil)
			stuck := s.execute(1).Stuck
			for _, in := range c.in {
				stuck = append(stuck, s.step(in).Stuck...)
			}
			if c.want != (len(stuck) == 1) || len(stuck) > 1 {
				t.Fatalf("stuck: %v", stuck)
			}
			if out := s.step(received(c.n-1, 1, 9)); c.want && len(out.Stuck) != 0 {
				t.Error("told twice")
			}
		})
	}
}

func TestOneHeaderAHeight(t *testing.T) {
	for name, c := range map[string]struct {
		in   Executed
		want fault.Kind
	}{
		"another header":  {Executed{voteOf(0, 2, 1)}, fault.Halted},
		"an older height": {Executed{voteOf(0, 1, 0)}, fault.Halted},
		"another epoch":   {Executed{Vote{Epoch: 9, Height: 3}}, fault.Halted},
		"beyond":          {Executed{voteOf(0, 33, 0)}, fault.TryLater},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, 4, nil)
			s.execute(2)
			if err := s.core.MaySign(c.in.Vote.Epoch, c.in.Vote.Height, c.in.Vote.Hash); !fault.Is(err, c.want) {
				t.Errorf("may sign: %v", err)
			}
			if out, err := s.core.Step(c.in); !fault.Is(err, fault.Halted) || !reflect.DeepEqual(out, Output{}) {
				t.Errorf("got %+v, %v", out, err)
			}
			if err := s.core.MaySign(testEpoch, 3, chain.Hash{}); !fault.Is(err, fault.Halted) {
				t.Errorf("after the halt: %v", err)
			}
		})
	}
	s := newStage(t, 4, nil)
	s.execute(2)
	if out := s.step(Executed{voteOf(0, 2, 0)}); !reflect.DeepEqual(out, Output{}) {
		t.Errorf("the same header again: %+v", out)
	}
}

func TestVotesAreSentAgain(t *testing.T) {
	s := newStage(t, 4, nil)
	s.execute(1)
	s.step(Executed{voteOf(0, 2, 0)})
	for range 4 {
		if out := s.step(Tick{}); len(out.Send) != 0 {
			t.Fatal("too early")
		}
	}
	if out := s.step(Tick{}); out.Resent != 1 || len(out.Send) != 5 {
		t.Fatalf("sent %+v", out)
	}
	wanted := 0
	for to := 1; to < 4; to++ {
		for _, m := range s.sentTo(to) {
			if m.Vote != nil && m.Vote.Height != 1 {
				t.Error("a vote that is not durable was sent")
			}
			if m.Wanted == 1 {
				wanted++
			}
		}
	}
	if wanted != 2 {
		t.Errorf("%d peers were asked, f+1 is 2", wanted)
	}
	s.step(received(1, 1, 0), received(2, 1, 0))
	for range 9 {
		if out := s.step(Tick{}); out.Resent != 0 {
			t.Error("a certified height was sent again")
		}
	}
}

func TestResentHeightsAreBounded(t *testing.T) {
	s := newStage(t, 4, func(c *CoreConfig) { c.WindowMax = 200 })
	for h := chain.Height(1); h <= 100; h++ {
		s.execute(h)
	}
	s.step(Tick{}, Tick{}, Tick{}, Tick{})
	if a, b := s.step(Tick{}).Resent, s.step(Tick{}).Resent; a != resentPerTickMax || b != 100-resentPerTickMax {
		t.Errorf("sent again %d and %d", a, b)
	}
}

func TestWanted(t *testing.T) {
	s := newStage(t, 4, nil)
	s.execute(1)
	s.execute(2)
	s.step(received(1, 1, 0), received(2, 1, 0))
	s.step(Wanted{From: 3, Height: 1})
	if m := s.sentTo(3); len(m) != 1 || m[0].Certificate == nil || m[0].Certificate.Height != 1 {
		t.Errorf("for a certified height: %+v", m)
	}
	s.step(Wanted{From: 3, Height: 2})
	if m := s.sentTo(3); len(m) != 1 || m[0].Vote == nil || m[0].Vote.Height != 2 {
		t.Errorf("for an executed height: %+v", m)
	}
	s.step(Published{10})
	if out := s.step(Wanted{From: 3, Height: 1}); !slices.Equal(out.Serve, []Serve{{3, 1}}) {
		t.Errorf("for a forgotten height: %+v", out)
	}
	for range wantedPerTickMax - 3 {
		s.step(Wanted{From: 3, Height: 1})
	}
	s.refused("wanted_often", Wanted{From: 3, Height: 1})
	s.step(Wanted{From: 2, Height: 1})
	if out := s.step(Tick{}, Wanted{From: 3, Height: 1}); len(out.Serve) != 1 {
		t.Errorf("after a tick: %+v", out)
	}
}

// A node far behind asks at once, f+1 of those who are ahead, also of those too far ahead for its window.
func TestAPeerAheadIsAskedAtOnce(t *testing.T) {
	s := newStage(t, 7, nil)
	s.step(received(1, 20, 0), received(2, 1000, 0), received(3, 20, 0), received(4, 20, 0), received(5, 8, 0))
	s.step(Executed{voteOf(0, 1, 0)})
	asked := 0
	for to := 1; to < 7; to++ {
		if m := s.sentTo(to); len(m) == 1 && m[0].Wanted == 1 {
			asked++
			if to > 4 {
				t.Errorf("validator %d was asked", to)
			}
		}
	}
	if asked != 3 {
		t.Errorf("%d were asked", asked)
	}
	out := s.step(ReceivedCertificate{From: 1, Certificate: certificateOf(1, 0, 1, 2, 3, 4, 5)})
	if len(out.Certified) != 0 {
		t.Error("certified before the own vote is durable")
	}
	if out := s.step(Signed{1}); len(out.Certified) != 1 {
		t.Errorf("got %+v", out)
	}
}

func TestPublishedHeightsAreForgotten(t *testing.T) {
	s := newStage(t, 4, nil)
	for h := chain.Height(1); h <= 32; h++ {
		s.execute(h)
		s.step(received(1, h, 0))
	}
	s.step(Published{20}, Published{10})
	if len(s.core.slots) != 16 || len(s.core.open) != 12 || s.core.open[0] != 21 {
		t.Errorf("%d heights kept, %d open from %d", len(s.core.slots), len(s.core.open), s.core.open[0])
	}
	s.step(Published{1 << 60})
	if len(s.core.slots) != 0 || len(s.core.open) != 0 || s.core.floor != 1<<60-4 {
		t.Errorf("%d heights kept, floor %d", len(s.core.slots), s.core.floor)
	}
}

// Whatever peers send, a core holds no more than its window.
func TestMemoryIsBounded(t *testing.T) {
	s := newStage(t, 4, func(c *CoreConfig) { c.Published = 50 })
	r := rand.New(rand.NewPCG(1, 1))
	for range 20000 {
		from, h := 1+r.IntN(3), chain.Height(r.IntN(200))
		s.step(received(from, h, r.IntN(3)))
		s.step(ReceivedCertificate{From: chain.ValidatorNo(from), Certificate: certificateOf(h, r.IntN(3), 1, 2, 3)})
	}
	if n := len(s.core.slots); n > 36 {
		t.Errorf("%d heights are kept", n)
	}
	if n := len(s.core.Evidence()); n != 9 {
		t.Errorf("%d pieces of evidence", n)
	}
}

// What comes of a height does not depend on the order in which its votes arrive.
func TestOrderDoesNotMatter(t *testing.T) {
	ends := map[string]int{}
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 2))
		n := []int{4, 7, 10}[r.IntN(3)]
		inputs := []Input{Executed{voteOf(0, 1, 0)}, Signed{1}}
		for from := 1; from < n; from++ {
			if r.IntN(8) > 0 {
				inputs = append(inputs, received(from, 1, min(1, r.IntN(4)*r.IntN(2))))
			}
		}
		var want string
		for range 5 {
			r.Shuffle(len(inputs), func(i, j int) { inputs[i], inputs[j] = inputs[j], inputs[i] })
			i, j := slices.Index(inputs, Input(Signed{1})), slices.IndexFunc(inputs, func(in Input) bool { _, ok := in.(Executed); return ok })
			if i < j {
				inputs[i], inputs[j] = inputs[j], inputs[i]
			}
			end := conclusion(newStage(t, n, nil).core, inputs)
			if want == "" {
				want = end
				ends[end]++
			}
			if end != want {
				t.Fatalf("seed %d: %s in one order, %s in another", seed, want, end)
			}
		}
	}
	if len(ends) != 4 {
		t.Errorf("the inputs do not lead to all ends: %v", ends)
	}
}

func conclusion(c *Core, inputs []Input) string {
	end := "open"
	for _, in := range inputs {
		out, err := c.Step(in)
		switch {
		case err != nil:
			return "diverged"
		case len(out.Certified) > 0:
			end = "certified"
		case len(out.Stuck) > 0:
			end = "stuck"
		}
	}
	return end
}

func TestRecoveredVotesAreSentAgain(t *testing.T) {
	signed := voteOf(0, 5, 0)
	signed.Signature[9] = 77
	records := []Record{{Seq: 1, Kind: recordVote, Meta: appendVote(nil, &signed)}}
	found, err := Recover(Start{Epoch: testEpoch, Published: 4}, slices.Values(records))
	if err != nil {
		t.Fatal(err)
	}
	cfg := coreConfig(0, 4)
	cfg.Published = 4
	s := &stage{t: t, core: NewCore(cfg, found)}
	if err := s.core.MaySign(testEpoch, 5, hashOf(5, 1)); !fault.Is(err, fault.Halted) {
		t.Errorf("another header may be signed: %v", err)
	}
	out := s.step(Executed{voteOf(0, 5, 0)})
	if len(out.Persist) != 0 || len(out.Send) != 3 || !reflect.DeepEqual(*s.sentTo(1)[0].Vote, signed) {
		t.Errorf("got %+v", out)
	}
	if out, err := NewCore(cfg, found).Step(Executed{voteOf(0, 5, 1)}); !fault.Is(err, fault.Halted) {
		t.Errorf("another header: %+v, %v", out, err)
	}
}

func TestRecover(t *testing.T) {
	record := func(seq uint64, epoch chain.Epoch, validator int, h chain.Height) Record {
		v := voteOf(validator, h, 0)
		v.Epoch = epoch
		return Record{Seq: seq, Kind: recordVote, Meta: appendVote(nil, &v)}
	}
	good := record(1, testEpoch, 0, 5)
	for _, c := range []struct {
		name      string
		records   []Record
		published chain.Height
		fetched   chain.Height
		want      string // of votes, floor and last; "" is Corrupt
	}{
		{"nothing", nil, 0, 0, "0 votes, floor 0, last 0"},
		{"all", []Record{good, record(2, testEpoch, 0, 6), record(3, testEpoch, 0, 8)}, 5, 0, "2 votes, floor 0, last 8"},
		{"cut", []Record{record(7, testEpoch, 0, 6)}, 5, 0, "1 votes, floor 6, last 6"},
		{"an epoch before", []Record{record(7, testEpoch-1, 0, 6), record(8, testEpoch, 0, 3)}, 2, 0, "1 votes, floor 0, last 3"},
		{"only an epoch before", []Record{record(7, testEpoch-1, 0, 6)}, 6, 0, "0 votes, floor 0, last 0"},
		{"an end that was lost", []Record{good}, 6, 0, ""},
		{"a log that was lost", nil, 1, 0, ""},
		{"a checkpoint of a peer", []Record{good}, 60, 60, "0 votes, floor 0, last 5"},
		{"less than the checkpoint and more", []Record{good}, 61, 60, ""},
		{"the same height twice", []Record{good, record(2, testEpoch, 0, 5)}, 0, 0, ""},
		{"a height that goes back", []Record{good, record(2, testEpoch, 0, 4)}, 0, 0, ""},
		{"an epoch that goes back", []Record{good, record(2, testEpoch-1, 0, 9)}, 0, 0, ""},
		{"a later epoch", []Record{record(1, testEpoch+1, 0, 5)}, 0, 0, ""},
		{"another validator", []Record{record(1, testEpoch, 1, 5)}, 0, 0, ""},
		{"another kind", []Record{{Seq: 1, Kind: 9, Meta: good.Meta}}, 0, 0, ""},
		{"half a vote", []Record{{Seq: 1, Kind: recordVote, Meta: good.Meta[:30]}}, 0, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := Recover(Start{Epoch: testEpoch, Published: c.published, Fetched: c.fetched}, slices.Values(c.records))
			if c.want == "" {
				if !fault.Is(err, fault.Corrupt) {
					t.Fatalf("got %+v, %v", r, err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprintf("%d votes, floor %d, last %d", len(r.votes), r.floor, r.last); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// What the log let go may have been signed otherwise: it is not signed again.
func TestForgottenHeightsAreNotSigned(t *testing.T) {
	c := NewCore(coreConfig(0, 4), &Recovered{votes: map[chain.Height]*Vote{}, floor: 6, last: 8})
	for h, want := range map[chain.Height]bool{5: false, 6: false, 8: false, 9: true} {
		if err := c.MaySign(testEpoch, h, hashOf(h, 0)); (err == nil) != want {
			t.Errorf("height %d: %v", h, err)
		}
	}
	if err := c.MaySign(testEpoch, 5, hashOf(5, 0)); !strings.Contains(err.Error(), "vote log") {
		t.Errorf("the reason is %v", err)
	}
}
