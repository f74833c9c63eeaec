// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/query"
	"github.com/aurigraph/aurigraph/internal/testkit"
)

// singing is a network of which two validators answer: the leader, and one that has evidence.
func singing(t *testing.T) *choir {
	t.Helper()
	c := newChoir(t)
	class := query.PeerClass{
		Class: "consensus", Sending: true, Receiving: true, RoundTrip: 1500 * time.Microsecond, QueueFrames: 3, QueueBytes: 2049, Dropped: 4,
		Reconnects: 5, Heard: true, Silent: 20 * time.Millisecond,
	}
	gone := query.PeerClass{Class: "consensus", LastError: "connection refused"}
	c.says(2, query.Status{
		Height: 100, Executed: 101, State: query.StateLeader, Order: query.OrderStatus{Role: "leader", Term: 5, HasLeader: true, Leader: 2, Decided: 103, Logged: 104},
		CertificatesCounted: 64, Signed: []query.Signed{{Signatures: 60, Height: 100}, {Signatures: 0}, {Signatures: 64, Height: 100}, {Signatures: 3, Height: 40}},
		Peers: []query.Peer{
			{Number: 0, Name: "node0", Address: "a:1", Connected: true, RoundTrip: class.RoundTrip, Classes: []query.PeerClass{class}, Log: &query.PeerLog{Height: 102, LagHeights: 2}},
			{Number: 1, Name: "node1", Address: "a:2", LastError: "connection refused", Classes: []query.PeerClass{gone}, Log: &query.PeerLog{LagHeights: 104}, NeedsState: true},
		},
	})
	c.says(0, query.Status{
		Height: 99, Executed: 99, State: query.StateFollower, Order: query.OrderStatus{Role: "follower", Term: 5, HasLeader: true, Leader: 2, Decided: 99}, CertificatesCounted: 50, EvidenceLeftOut: 7,
		Signed: []query.Signed{{Signatures: 50, Height: 99}, {}, {Signatures: 41, Height: 98}, {Signatures: 9, Height: 39}},
		Evidence: []query.Evidence{
			{Kind: "two_headers", Validator: 3, From: 3, Height: 77, First: chain.Hash{1}, Second: chain.Hash{2}},
			{Kind: "fork", Validator: 3, From: 1, Sequence: 8, Second: chain.Hash{3}},
		},
	})
	return c
}

// Everything that a validator says of itself and its peers is there, with the names of the network.
func TestValidators(t *testing.T) {
	c := singing(t)
	r := want(t, exitDone, "validators", "--network", c.network.Dir, "--json")
	var j validatorsJSON
	if err := json.Unmarshal([]byte(r.out), &j); err != nil {
		t.Fatal(err)
	}
	if j.Leader != "node2" || j.Term != 5 || j.Height != 100 || j.Decided != 103 || j.Quorum != 3 || j.Answered != 2 || j.Engine != "raft" || len(j.List) != 4 {
		t.Errorf("%+v", j)
	}
	for i, want := range []struct {
		signatures, of uint32
		height         chain.Height
	}{{60, 64, 100}, {0, 64, 0}, {41, 50, 98}, {9, 50, 39}} { // node2's own certificates say nothing of node2
		if d := j.List[i]; d.Signatures != want.signatures || d.Certificates != want.of || d.SignedHeight != want.height {
			t.Errorf("%s signed %d of %d up to %d, must be %+v", d.ID, d.Signatures, d.Certificates, d.SignedHeight, want)
		}
	}
	peers := j.List[2].Peers
	if p := peers[0]; p.ID != "node0" || !p.Connected || p.RoundTripMs != 1.5 || *p.Height != 102 || *p.Lag != 2 || *p.Classes[0].SilentMs != 20 || p.Classes[0].QueueBytes != 2049 {
		t.Errorf("%+v", p)
	}
	if p := peers[1]; p.Connected || p.LastError == "" || !p.NeedsState || p.Classes[0].SilentMs != nil {
		t.Errorf("%+v", p)
	}
	found := j.List[0].Evidence
	if e := found[0]; e.Kind != "two_headers" || e.Validator != "node3" || e.Height != 77 || e.First != (chain.Hash{1}).String() || e.Second != (chain.Hash{2}).String() {
		t.Errorf("%+v", e)
	}
	if e := found[1]; e.From != "node1" || e.Sequence != 8 || e.First != "" || j.List[0].LeftOut != 7 {
		t.Errorf("%+v", e)
	}
	if strings.Contains(r.out, "null,null") || strings.Contains(r.out, `"peers":null`) || strings.Contains(r.out, `"evidence":null`) {
		t.Error("a list is missing", r.out)
	}
}

// The JSON is a promise to programs, as TestJSONShapes has it of the other commands.
func TestValidatorsShape(t *testing.T) {
	c := singing(t)
	m := answer(t, exitDone, "validators", "--network", c.network.Dir)
	var b bytes.Buffer
	shape(&b, "", m) // of the validators the first one, and the leader
	b.WriteString("the leader\n")
	shape(&b, "", m["validators"].([]any)[2])
	testkit.Golden(t, "validators-shape.txt", b.Bytes())
}

// The table has a line for each validator, link and piece of evidence.
func TestValidatorsTable(t *testing.T) {
	c := singing(t)
	out := want(t, exitDone, "validators", "--network", c.network.Dir).out
	var lines []string
	for line := range strings.Lines(out) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	text := strings.Join(lines, "\n")
	for _, line := range []string{
		"leader node2, term 5", "height 100 certified, 103 decided",
		"node0 follower 99 99 99 2 60 of 64 5 node2 -", "node1 down - - - 104 0 of 64 - - - nothing listens at 127.0.0.1:1",
		"node2 leader 100 101 103 0 41 of 50 5 node2 -",
		"LINK UP ROUND TRIP QUEUE consensus DROPPED", "node2 > node0 yes 1.50 ms 3, 3 KiB 4", "node2 > node1 no - 0, 0 KiB 0 connection refused",
		"two_headers node3 node3 node0 height 77 " + (chain.Hash{1}).String() + " " + (chain.Hash{2}).String(),
		"fork node3 node1 node0 sequence 8 - " + (chain.Hash{3}).String(), "… and 7 more pieces, found by node0",
	} {
		if !strings.Contains(text+"\n", line+"\n") {
			t.Errorf("there is no line %q in\n%s", line, text)
		}
	}
	c.says(0, query.Status{})
	if out := want(t, exitDone, "validators", "--network", c.network.Dir).out; !strings.Contains(out, "no evidence against anyone") {
		t.Error(out)
	}
}

// What is watched is shown again until Ctrl-C, also while nobody answers, and that is no failure.
func TestWatch(t *testing.T) {
	c := singing(t)
	for _, x := range []struct{ line, text string }{
		{"status --watch --network " + c.network.Dir, "VALIDATOR"},
		{"validators -w --json --network " + c.network.Dir, `"answered":2`},
		{"validators -w --network " + newChoir(t).network.Dir, "no node answers"},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		var out, errOut buffer
		code := make(chan int, 1)
		go func() { code <- run(ctx, "aurigraph", strings.Fields(x.line), &out, &errOut) }()
		eventually(t, x.line+" draws twice", func() bool { return strings.Count(out.String(), x.text) >= 2 })
		cancel()
		if got := <-code; got != exitDone || errOut.String() != "" {
			t.Errorf("%s: exit %d, %s", x.line, got, errOut.String())
		}
	}
	if r := want(t, exitFailed, "status", "--watch", "--network", t.TempDir()); !strings.Contains(r.err, "does not exist") {
		t.Error(r.err)
	}
}

// A terminal shows each frame where the one before was, as far as it has room.
func TestScreen(t *testing.T) {
	var b bytes.Buffer
	s := newScreen(&b)
	if err := s.draw("a\nb\n"); err != nil || b.String() != "a\nb\n" {
		t.Errorf("%q %v", b.String(), err)
	}
	b.Reset()
	s.size = func() (int, int, bool) { return 4, 5, true }
	for i, text := range []string{"one\ntwo\nthree\n", "1\n2\n3\n4\n5\n", "Zürich\n"} {
		b.Reset()
		if err := s.draw(text); err != nil {
			t.Fatal(err)
		}
		frames := []string{
			"\x1b[2J\x1b[Hone\x1b[K\ntwo\x1b[K\nthree\x1b[K\n\x1b[J",
			"\x1b[H1\x1b[K\n2\x1b[K\n… 3 …\x1b[K\n\x1b[J",
			"\x1b[HZüri…\x1b[K\n\x1b[J",
		}
		if b.String() != frames[i] {
			t.Errorf("%q, must be %q", b.String(), frames[i])
		}
	}
	gone := newScreen(failing{})
	a := &app{out: gone.out, err: gone.out}
	if err := a.onceOrWatch(t.Context(), true, func(a *app) error { return a.print(1, func(row func(...any)) { row("x") }) }); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}

// failing is a pipe whose reader is gone.
type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }
