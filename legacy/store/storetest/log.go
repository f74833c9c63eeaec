// SPDX-License-Identifier: Apache-2.0

package storetest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/legacy/store"
)

// read returns all changes above p that there are.
func read(t *testing.T, s store.Store, p store.Position) []store.Change {
	t.Helper()
	tail := must[store.Tail](t)(s.Since(p))
	defer tail.Close()
	return drain(t, tail, p)
}

// drain reads a tail to where it has no more, and checks that positions rise and end at the head.
func drain(t *testing.T, tail store.Tail, from store.Position) []store.Change {
	t.Helper()
	var all []store.Change
	for {
		c, ok, err := tail.Next()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return all
		}
		if c.Position.Incarnation != from.Incarnation || c.Position.Sequence <= from.Sequence {
			t.Fatalf("%s comes after %s", c.Position, from)
		}
		from = c.Position
		all = append(all, c)
	}
}

func keysOf(changes []store.Change) string {
	var words []string
	for _, c := range changes {
		for _, op := range c.Ops {
			words = append(words, string(op.Key))
		}
	}
	return strings.Join(words, " ")
}

func show(c store.Change) string {
	var out strings.Builder
	fmt.Fprintf(&out, "[%s]", c.Origin)
	for _, op := range c.Ops {
		if op.Delete {
			fmt.Fprintf(&out, " %s-%s", op.Family, op.Key)
			continue
		}
		fmt.Fprintf(&out, " %s+%s=%s", op.Family, op.Key, op.Value)
	}
	return out.String()
}

func testLog(t *testing.T, open Open) {
	s := opened(t, open)
	begin := s.Head()
	if begin.Sequence != 0 {
		t.Errorf("a new store begins at %s", begin)
	}
	var first, second, third store.Batch
	first.Put(store.Accounts, []byte("alice"), []byte("5"))
	first.Put(store.Accounts, []byte("alice"), []byte("6"))
	first.Delete(store.Consensus, []byte("none"))
	second.Mark([]byte("v11:42"))
	second.Put(store.Meta, []byte("cursor"), nil)
	third.Put(store.Transactions, []byte{0, 0xff}, []byte{0})
	var positions []store.Position
	for _, b := range []*store.Batch{&first, &second, &third} {
		positions = append(positions, must[store.Position](t)(s.Apply(b)))
	}
	want := []string{
		"[] accounts+alice=5 accounts+alice=6 consensus-none",
		"[v11:42] meta+cursor=",
		"[] transactions+\x00\xff=\x00",
	}
	for from := range 4 {
		p := begin
		if from > 0 {
			p = positions[from-1]
		}
		changes := read(t, s, p)
		if len(changes) != 3-from {
			t.Fatalf("%d changes above %s, want %d", len(changes), p, 3-from)
		}
		for i, c := range changes {
			expect(t, show(c), want[from+i])
			expect(t, c.Position.String(), positions[from+i].String())
		}
	}
}

func testTailWaits(t *testing.T, open Open) {
	s := opened(t, open)
	begin := s.Head()
	tail := must[store.Tail](t)(s.Since(begin))
	defer tail.Close()
	for range 2 {
		if _, ok, err := tail.Next(); ok || err != nil {
			t.Fatal("a tail of nothing has a change", err)
		}
	}
	moved := s.Advanced(begin)
	select {
	case <-moved:
		t.Fatal("nothing was written")
	default:
	}
	for i := range 3 {
		p := Put(t, s, store.Meta, fmt.Sprint(i), "")
		select {
		case <-moved:
		case <-time.After(patience):
			t.Fatal("nobody was woken")
		}
		expect(t, keysOf(drain(t, tail, begin)), fmt.Sprint(i))
		moved = s.Advanced(p)
	}
	select {
	case <-s.Advanced(begin):
	default:
		t.Error("what is there already has to be waited for")
	}
}

// testTailFollows reads beside a writer, over many turns of the engine's files.
func testTailFollows(t *testing.T, open Open) {
	batches, bytesEach := 400, 128<<10
	if testing.Short() {
		batches = 80
	}
	s := opened(t, open)
	begin := s.Head()
	tail := must[store.Tail](t)(s.Since(begin))
	defer tail.Close()
	random := rand.New(rand.NewPCG(1, 2))
	written := make(chan error, 1)
	go func() {
		for i := range batches {
			var b store.Batch
			b.Mark(fmt.Appendf(nil, "o%d", i))
			value := bytes.Repeat([]byte{byte(i)}, bytesEach+random.IntN(1000))
			b.Put(store.Family(i%len(store.Families())), fmt.Appendf(nil, "k%d", i%50), value)
			b.Put(store.Meta, []byte("last"), fmt.Appendf(nil, "%d", i))
			if _, err := s.Apply(&b); err != nil {
				written <- err
				return
			}
		}
		written <- nil
	}()
	at := begin
	for i := 0; i < batches; {
		changes := drain(t, tail, at)
		for _, c := range changes {
			if string(c.Origin) != fmt.Sprintf("o%d", i) || string(c.Ops[1].Value) != fmt.Sprint(i) || c.Ops[0].Value[0] != byte(i) {
				t.Fatalf("change %d is %.80s", i, show(c))
			}
			at = c.Position
			i++
		}
		select {
		case <-s.Advanced(at):
		case <-time.After(patience):
			t.Fatalf("stuck at change %d", i)
		case err := <-written:
			if err != nil {
				t.Fatal(err)
			}
			written <- nil
			if s.Head() == at && i < batches {
				t.Fatalf("%d of %d changes", i, batches)
			}
		}
	}
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if n := len(read(t, s, begin)); n != batches {
		t.Errorf("a second tail has %d changes of %d", n, batches)
	}
}

func testSince(t *testing.T, open Open) {
	s := opened(t, open)
	p := Put(t, s, store.Meta, "k", "v")
	ahead := p
	ahead.Sequence++
	_, err := s.Since(ahead)
	expectReason(t, err, fault.Conflict, store.ReasonAhead)
	other := p
	other.Incarnation[0] ^= 1
	_, err = s.Since(other)
	expectReason(t, err, fault.Conflict, store.ReasonOtherIncarnation)
	expectReason(t, s.Trim(other), fault.Conflict, store.ReasonOtherIncarnation)
	expectReason(t, s.Trim(ahead), fault.Conflict, store.ReasonAhead)
}

// testTrim forgets what was read. Engines may keep it all the same; what they may not do is leave a hole.
func testTrim(t *testing.T, open Open) {
	s := opened(t, open)
	begin := s.Head()
	var positions []store.Position
	for i := range 10 {
		positions = append(positions, Put(t, s, store.Meta, fmt.Sprint(i), ""))
	}
	open4 := must[store.Tail](t)(s.Since(positions[4]))
	defer open4.Close()
	if err := s.Trim(positions[6]); err != nil {
		t.Fatal(err)
	}
	expect(t, keysOf(read(t, s, positions[6])), "7 8 9")
	for _, p := range []store.Position{begin, positions[4]} {
		tail, err := s.Since(p)
		if err != nil {
			expectReason(t, err, fault.Pruned, store.ReasonGap)
			continue
		}
		if got := keysOf(drain(t, tail, p)); !strings.HasSuffix("0 1 2 3 4 5 6 7 8 9", got) || len(got) < len("5 6 7 8 9") {
			t.Errorf("above %s there is %s", p, got)
		}
		tail.Close()
	}
	if c, ok, err := open4.Next(); err != nil {
		expectReason(t, err, fault.Pruned, store.ReasonGap)
	} else if !ok || keysOf([]store.Change{c}) != "5" {
		t.Errorf("a tail at 4 goes on with %v", c)
	}
	if err := s.Trim(positions[9]); err != nil {
		t.Fatal(err)
	}
	expect(t, keysOf(read(t, s, positions[9])), "")
	expect(t, keysOf(read(t, s, Put(t, s, store.Meta, "x", ""))), "")
	expect(t, keysOf(read(t, s, positions[9])), "x")
}
