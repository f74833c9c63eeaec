// SPDX-License-Identifier: Apache-2.0

package certify

import (
	"bytes"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/seglog/faultfs"
)

// TestContradictedIsTold signs a height, restarts and computes another header for it: what was decided then is told with it.
func TestContradictedIsTold(t *testing.T) {
	var told []Contradicted
	fs := faultfs.New()
	cfg := testConfig(t, 0, 4, outlet{&wire{lose: func(chain.ValidatorNo, chain.ValidatorNo, []byte) bool { return true }}, 0})
	cfg.OnContradicted = func(c Contradicted) { told = append(told, c) }
	n := start(t, nil, fs, 0, cfg)
	x, hash := header(1, 0)
	x.Proposal = chain.Hash{7}
	if err := n.Sign(testContext(t), x, hash); err != nil {
		t.Fatal(err)
	}
	if at := n.Newest(); at != 1 {
		t.Errorf("the newest is %d", at)
	}
	if err := n.stop(); err != nil {
		t.Fatal(err)
	}
	n = start(t, nil, fs, 0, cfg)
	defer func() { _ = n.stop() }()
	if at := n.Newest(); at != 1 {
		t.Errorf("after a restart the newest is %d", at)
	}
	other, otherHash := header(1, 1)
	if err := n.Sign(testContext(t), other, otherHash); !fault.Is(err, fault.Halted) {
		t.Fatal(err)
	}
	if len(told) != 1 || told[0].Own.Hash != hash || told[0].Own.Decided != x.Proposal || told[0].Header != other || told[0].Hash != otherHash {
		t.Errorf("told %+v", told)
	}
}

// TestRecordsOfOlderPrograms reads a record that does not say what was decided.
func TestRecordsOfOlderPrograms(t *testing.T) {
	v := voteOf(0, 8, 0)
	old, err := ParseRecord(recordVote, appendVote(nil, &v))
	if err != nil || old.Hash != v.Hash || !old.Decided.IsZero() {
		t.Errorf("%+v, %v", old, err)
	}
	for name, x := range map[string]struct {
		kind uint8
		meta []byte
	}{
		"nothing":            {recordDecided, nil},
		"no vote":            {recordDecided, make([]byte, 32)},
		"a vote alone":       {recordDecided, appendVote(nil, &v)},
		"a vote and more":    {recordVote, appendRecord(nil, &v)},
		"another kind":       {recordDecided + 1, appendRecord(nil, &v)},
		"one byte too few":   {recordDecided, appendRecord(nil, &v)[1:]},
		"one byte too many":  {recordDecided, append(appendRecord(nil, &v), 0)},
		"a vote without end": {recordVote, nil},
	} {
		if got, err := ParseRecord(x.kind, x.meta); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	for _, h := range []chain.Height{5, 8} {
		v := voteOf(2, h, 0)
		v.Decided = chain.Hash{1, 2, 3}
		f.Add(recordVote, appendVote(nil, &v))
		f.Add(recordDecided, appendRecord(nil, &v))
	}
	f.Fuzz(func(t *testing.T, kind uint8, b []byte) {
		v, err := ParseRecord(kind, b)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatal(err)
			}
			return
		}
		again := appendVote(nil, v)
		if kind == recordDecided {
			again = appendRecord(nil, v)
		}
		if !bytes.Equal(again, b) {
			t.Fatalf("%x means %+v, which is written %x", b, v, again)
		}
	})
}
