// SPDX-License-Identifier: Apache-2.0

package certify

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
)

const testEpoch = chain.Epoch(3)

// rootEvery says which heights of a test carry a state root.
const rootEvery = 4

// hashOf is the header hash of a height in a history: 0 is the right one.
func hashOf(h chain.Height, history int) chain.Hash {
	return codec.Sum(fmt.Appendf(nil, "header %d of history %d", h, history))
}

// voteOf is a vote whose signatures are only of the right length: a core looks no further.
func voteOf(validator int, h chain.Height, history int) Vote {
	v := Vote{Epoch: testEpoch, Height: h, Validator: chain.ValidatorNo(validator), Hash: hashOf(h, history)}
	v.Signature = bytes.Repeat([]byte{byte(validator + 1)}, 64)
	binary.LittleEndian.PutUint64(v.Signature, uint64(h))
	if h%rootEvery == 0 {
		v.RootAt, v.StateRoot = h/2, hashOf(h/2, 100+history)
		v.RootSig = bytes.Repeat([]byte{byte(validator + 1)}, 3309)
	}
	return v
}

// withRoot is voteOf over another state root than its header carries.
func withRoot(v Vote, history int) Vote {
	v.RootAt, v.StateRoot, v.RootSig = 1, hashOf(1, 200+history), bytes.Repeat([]byte{9}, 3309)
	return v
}

func coreConfig(self, n int) CoreConfig {
	return CoreConfig{
		Self: chain.ValidatorNo(self), Epoch: testEpoch, Validators: n,
		WindowMax: 32, TailMax: 4, LeadMin: 8, RetryTicks: 5, EvidenceMax: 3,
	}
}

// stage is a core with what came out of it.
type stage struct {
	t    testing.TB
	core *Core
	out  Output // of the last step
}

func newStage(t testing.TB, n int, change func(*CoreConfig)) *stage {
	cfg := coreConfig(0, n)
	if change != nil {
		change(&cfg)
	}
	return &stage{t: t, core: NewCore(cfg, &Recovered{votes: map[chain.Height]*Vote{}})}
}

func (s *stage) step(in ...Input) Output {
	s.t.Helper()
	var err error
	if s.out, err = s.core.Step(in...); err != nil {
		s.t.Fatal(err)
	}
	return s.out
}

// execute makes the core execute and sign a height.
func (s *stage) execute(h chain.Height) Output {
	s.t.Helper()
	return s.step(Executed{voteOf(0, h, 0)}, Signed{h})
}

func received(from int, h chain.Height, history int) Input {
	return Received{From: chain.ValidatorNo(from), Vote: voteOf(from, h, history)}
}

func (s *stage) refused(want string, in Input) {
	s.t.Helper()
	if out := s.step(in); len(out.Refused) != 1 || out.Refused[0] != want {
		s.t.Fatalf("%+v was refused by %v, want %q", in, out.Refused, want)
	}
}

// certificateOf is a certificate of a history signed by some validators.
func certificateOf(h chain.Height, history int, signers ...int) *chain.Certificate {
	x := &chain.Certificate{Epoch: testEpoch, Height: h, Header: hashOf(h, history)}
	for _, i := range signers {
		v := voteOf(i, h, history)
		x.Signatures = append(x.Signatures, v.signature())
	}
	return x
}

func signers(x *chain.Certificate) (list []int) {
	for _, s := range x.Signatures {
		list = append(list, int(s.Validator))
	}
	return list
}

// sentTo lists what frames of the last output say to a peer.
func (s *stage) sentTo(to int) (list []Message) {
	s.t.Helper()
	for _, x := range s.out.Send {
		if int(x.To) == to {
			m, err := ParseFrame(x.Frame)
			if err != nil {
				s.t.Fatal(err)
			}
			list = append(list, m)
		}
	}
	return list
}
