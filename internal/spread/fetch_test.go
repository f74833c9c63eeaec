// SPDX-License-Identifier: Apache-2.0

package spread

import (
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// whom lists who is asked for entries.
func whom(asks []SendAsk) (to []chain.ValidatorNo) {
	for _, a := range asks {
		to = append(to, a.To)
	}
	return to
}

func TestFetchAsksWhoClaims(t *testing.T) {
	a := links(1, 5)
	c := testCore(t, 7, nil)
	feed(t, c, a[:2]...)
	d := digest(a[3])
	equal(t, "nobody claims it", c.Step(Missing{Digest: d}, Tick{}).Asks, nil)
	equal(t, "its own entries are no claim to more", c.Step(ackOf(2, a[1])).Asks, nil)
	equal(t, "the one who claims", c.Step(ackOf(4, a[3])).Asks, []SendAsk{{4, Ask{Digest: d}}})
	equal(t, "asked for twice", c.Step(ackOf(6, a[4]), ackOf(5, fork(1, a[:1], 2, 7)[1]), Missing{Digest: d}).Asks, nil)
	var asked []chain.ValidatorNo
	for i, out := range ticks(c, 12) {
		if asks := whom(out.Asks); (i%3 == 2) != (len(asks) == 1) {
			t.Errorf("tick %d: asks %v", i, asks)
		}
		asked = append(asked, whom(out.Asks)...)
	}
	equal(t, "in turn", asked, []chain.ValidatorNo{5, 6, 4, 5})
	equal(t, "who is gone is not waited for", whom(c.Step(Disconnected{5}).Asks), []chain.ValidatorNo{6})
	equal(t, "failed", whom(c.Step(FetchFailed{6, d}).Asks), []chain.ValidatorNo{4})
	equal(t, "failed, and the next one is gone", whom(c.Step(FetchFailed{4, d}).Asks), []chain.ValidatorNo{6})
	equal(t, "failed again", whom(c.Step(FetchFailed{6, d}).Asks), []chain.ValidatorNo{4})
	equal(t, "a failure of another", c.Step(FetchFailed{6, d}, FetchFailed{4, chain.Hash{}}).Asks, nil)
	if v := c.Step(PeerEntry{4, a[2]}, PeerEntry{6, a[3]}).Verdicts; v[0].Refused != RefusedNotOwner || v[1].Refused != "" {
		t.Errorf("unasked and asked for: %+v", v)
	}
	for _, out := range ticks(c, 6) {
		equal(t, "after it came", out.Asks, nil)
	}
}

func TestFetchByPlace(t *testing.T) {
	a := links(1, 5)
	c := testCore(t, 7, nil)
	feed(t, c, a[:3]...)
	c.Step(ackOf(2, a[0]), ackOf(3, a[1]), ackOf(5, a[4]), ackOf(6, a[2]))
	asks := c.Step(Missing{digest(a[1]), 0, 0}, Missing{digest(a[3]), 1, 4}).Asks
	equal(t, "asked", asks, []SendAsk{{3, Ask{1, 2, digest(a[1])}}, {5, Ask{1, 4, digest(a[3])}}})
	equal(t, "next", whom(c.Step(FetchFailed{3, digest(a[1])}, FetchFailed{5, digest(a[3])}).Asks), []chain.ValidatorNo{5, 5})
	if v := c.Step(PeerEntry{5, a[1]}).Verdicts[0]; v.Refused != "" || c.lanes[1].tip() != 3 {
		t.Errorf("a payload that was lost: %+v", v)
	}
}

func TestNobodyShutsOthersOut(t *testing.T) {
	c := testCore(t, 4, nil)
	a := links(1, 5)
	forged := positionOf(a[3])
	forged.Lane, forged.Sequence = 3, 1<<63
	d := digest(a[3])
	asks := c.Step(ackOf(2, a[4]), Ack{3, forged}, Missing{Digest: d}).Asks
	asks = append(asks, c.Step(FetchFailed{2, d}).Asks...)
	asks = append(asks, c.Step(FetchFailed{3, d}).Asks...)
	equal(t, "asked", whom(asks), []chain.ValidatorNo{2, 3, 2})
}

func TestFetchBounds(t *testing.T) {
	c := testCore(t, 4, nil)
	a := links(1, 7)
	var in []Input
	for _, e := range a[:5] {
		in = append(in, Missing{Digest: digest(e)})
	}
	out := c.Step(append(in, ackOf(2, a[6]))...)
	equal(t, "refused", out.Refused, []string{RefusedMissing})
	equal(t, "asked at a time", whom(out.Asks), []chain.ValidatorNo{2, 2})
	out = c.Step(Fetched{digest(a[0])}, executedOf(a[1]))
	equal(t, "more", out.Asks, []SendAsk{{2, Ask{Digest: digest(a[2])}}, {2, Ask{Digest: digest(a[3])}}})
}

func TestDecidedReplacesAFork(t *testing.T) {
	c := testCore(t, 4, nil)
	a := links(1, 5)
	b := fork(1, a[:2], 5, 7)
	feed(t, c, a[:4]...)
	c.Step(ackOf(1, a[3]), ackOf(2, b[3]), ackOf(3, b[4]))
	out := c.Step(Missing{Digest: digest(b[2])}, Missing{Digest: digest(b[3])}, Missing{Digest: digest(b[4])})
	equal(t, "asked", whom(out.Asks), []chain.ValidatorNo{2, 2})

	out = c.Step(PeerEntry{2, b[3]}, PeerEntry{3, b[3]}, Missing{Digest: digest(b[3])}, PeerEntry{2, b[3]}, storedOf(b[3]))
	for i, want := range []string{"", RefusedNotOwner, ""} {
		if v := out.Verdicts[i]; v.Refused != want {
			t.Errorf("before its parent, %d: %q, want %q", i, v.Refused, want)
		}
	}
	if l := c.lanes[1]; l.tipDigest() != digest(a[3]) || len(l.early) != 1 {
		t.Errorf("tip %d, %d early", l.tip(), len(l.early))
	}
	out = c.Step(PeerEntry{2, b[2]})
	if e := out.Evidence; len(e) != 1 || e[0].Kind != EvidenceFork || e[0].Ours != a[2] || e[0].Theirs != b[2] || e[0].From != 2 {
		t.Errorf("evidence %+v", e)
	}
	if l := c.lanes[1]; l.tipDigest() != digest(b[3]) || l.stored != 2 || len(l.early) != 0 || l.acked[1] != 2 || l.acked[2] != 4 || len(c.places) != 4 {
		t.Errorf("tip %d, stored %d, acknowledged %v, %d places", l.tip(), l.stored, l.acked, len(c.places))
	}
	out = c.Step(storedOf(b[2]), storedOf(a[3]))
	equal(t, "told", out.Acks[0].Positions, []Position{positionOf(b[3])})
	out = c.Step(PeerEntry{3, b[4]})
	equal(t, "offered when q agree", out.Offer, []chain.Hash{digest(b[2]), digest(b[3])})
}

func TestDecidedAgainstAvailable(t *testing.T) {
	c := testCore(t, 4, nil)
	a := links(1, 3)
	b := fork(1, a[:1], 3, 7)
	feed(t, c, a...)
	c.Step(ackOf(1, a[2]), ackOf(2, a[2]))
	out := c.Step(Missing{Digest: digest(b[1])}, PeerEntry{3, b[1]})
	if v := out.Verdicts[0]; v.Refused != RefusedContrary || len(out.Evidence) != 1 || out.Evidence[0].Kind != EvidenceDecided {
		t.Errorf("%+v, %+v", v, out.Evidence)
	}
	if c.lanes[1].tipDigest() != digest(a[2]) {
		t.Error("what was available did not stay")
	}
}

func TestEarlyBound(t *testing.T) {
	c := testCore(t, 4, func(b *Bounds) { b.MissingMax = 2 })
	a := links(1, 8)
	for i, want := range []string{"", "", RefusedEarly} {
		out := c.Step(Missing{Digest: digest(a[7-i])}, PeerEntry{2, a[7-i]})
		if v := out.Verdicts[0]; v.Refused != want {
			t.Errorf("entry %d: %q, want %q", 8-i, v.Refused, want)
		}
	}
	c.Step(executedOf(a[6]))
	if l := c.lanes[1]; l.tip() != 8 || len(l.early) != 0 {
		t.Errorf("tip %d, %d early", l.tip(), len(l.early))
	}
}

func TestDecidedOwnEntryReturns(t *testing.T) {
	c := testCore(t, 4, nil)
	own := links(0, 3)
	c.Step(ackOf(2, own[1]))
	out := c.Step(Missing{Digest: digest(own[0])})
	equal(t, "asked", whom(out.Asks), []chain.ValidatorNo{2})
	out = c.Step(PeerEntry{2, own[0]}, storedOf(own[0]), Missing{Digest: digest(own[1])}, PeerEntry{2, own[1]}, storedOf(own[1]), OwnStored{own[2]})
	equal(t, "told", out.Acks[0].Positions, []Position{positionOf(own[2])})
}
