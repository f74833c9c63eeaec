// SPDX-License-Identifier: Apache-2.0

package trail

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/testkit"
)

var aliasKey = keys.AliasKey{Secret: [keys.AliasKeyBytes]byte{1, 2, 3}}

// rig is a trail that runs.
type rig struct {
	*Trail
	log  bytes.Buffer
	stop func() error
}

func start(t *testing.T, cfg Config) *rig {
	t.Helper()
	cfg.Tag = aliasKey.Tag
	r := &rig{}
	tr, err := Open(cfg, Parts{Log: slog.New(slog.NewTextHandler(&r.log, nil)), Metrics: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- tr.Run(ctx) }()
	r.Trail, r.stop = tr, func() error { cancel(); return <-ended }
	return r
}

func (r *rig) append(t *testing.T, e Entry) {
	t.Helper()
	if err := r.Append(&e); err != nil {
		t.Fatal(err)
	}
}

func pay(i int) Entry {
	return Entry{Who: "key/abc", What: "POST /api/v10/transactions", Accounts: []string{"ACME GmbH/EUR"}, Result: "ok", Request: fmt.Sprint(i), Height: uint64(i)}
}

func (r *rig) end(t *testing.T) {
	t.Helper()
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
}

func filesOf(t *testing.T, dir string) []string {
	t.Helper()
	files, err := Files(dir)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func mustBe(t *testing.T, err error, k fault.Kind, text string) {
	t.Helper()
	if !fault.Is(err, k) || !strings.Contains(err.Error(), text) {
		t.Fatalf("%v (%v), must be %v and say %q", err, fault.KindOf(err), k, text)
	}
}

// The form of a line is a format: programs of others read it.
func TestFormat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		r := start(t, Config{Dir: dir})
		r.append(t, pay(7))
		r.append(t, Entry{Who: "user", Person: "erika", What: "POST /api/v10/transactions/batch", Accounts: make([]string, AccountsMax+3), Result: "insufficient_funds"})
		r.append(t, Entry{Who: "key/abc", What: "DELETE /api/v10/auth/keys/x", Result: "ok", Request: "a\"\x00\xff\n" + strings.Repeat("x", 1000)})
		r.end(t)
		text, err := os.ReadFile(filesOf(t, dir)[0])
		if err != nil {
			t.Fatal(err)
		}
		testkit.Golden(t, "trail.jsonl", text)
		tag := aliasKey.Tag("ACME GmbH/EUR")
		if bytes.Contains(text, []byte("ACME")) || bytes.Contains(text, []byte("erika")) || !bytes.Contains(text, []byte(hex.EncodeToString(tag[:tagBytes]))) {
			t.Error("names must be tags")
		}
		info, err := os.Stat(filesOf(t, dir)[0])
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Error(info.Mode(), err)
		}
	})
}

// What one writer leaves, the next goes on with, also in new files; and all of it is one chain.
func TestGoesOn(t *testing.T) {
	dir := t.TempDir()
	var heads []string
	for range 3 {
		r := start(t, Config{Dir: dir, FileBytesMax: 4000})
		for i := range 40 {
			r.append(t, pay(i))
			<-time.After(100 * time.Microsecond)
		}
		r.end(t)
		heads = append(heads, r.tail.head.String())
		if !strings.Contains(r.log.String(), r.tail.head.String()) {
			t.Error("the log was not told of the head")
		}
	}
	files := filesOf(t, dir)
	middle, err := ParseHash(heads[1])
	if err != nil {
		t.Fatal(err)
	}
	report, err := Verify(&middle, files...)
	if err != nil || report.Lines != 123 || report.First != 1 || report.Last != 123 || report.Files != len(files) || len(files) < 3 {
		t.Fatalf("%+v, %v", report, err)
	}
	if report.Head.String() != heads[2] || !report.Found || report.Prev != (Hash{}) || report.Torn != 0 {
		t.Errorf("%+v", report)
	}
	// A part of the chain is a chain, and says what it follows.
	part, err := Verify(nil, files[1:]...)
	if err != nil || part.Prev == (Hash{}) || part.First == 1 {
		t.Errorf("%+v, %v", part, err)
	}
	_, err = Verify(nil, append([]string{files[0]}, files[2:]...)...)
	mustBe(t, err, fault.Corrupt, "line 1: it is line")
}

// Whatever is done to one byte, or to whole lines, is found, with its place.
func TestTampering(t *testing.T) {
	dir := t.TempDir()
	r := start(t, Config{Dir: dir})
	for i := range 5 {
		r.append(t, pay(i))
	}
	r.end(t)
	path := filesOf(t, dir)[0]
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(good, []byte("\n"))
	join := func(ls ...[]byte) []byte { return bytes.Join(ls, nil) }
	for name, x := range map[string]struct {
		text []byte
		says string
	}{
		"changed":   {bytes.Replace(good, []byte(`"request":"2"`), []byte(`"request":"9"`), 1), "line 5: it names"},
		"reworded":  {bytes.Replace(good, []byte(`"height":2}`), []byte(`"height": 2}`), 1), "line 5: it names"},
		"taken out": {join(lines[0], lines[1], lines[3], lines[4]), "line 3: it is line 4, after line 2"},
		"swapped":   {join(lines[0], lines[2], lines[1]), "line 2: it is line 3"},
		"twice":     {join(lines[0], lines[1], lines[1]), "line 3: it is line 2"},
		"unknown":   {bytes.Replace(good, []byte(`"request":"2"`), []byte(`"bequest":"2"`), 1), "line 4: it is no line"},
		"no end":    {append(bytes.Clone(lines[0]), bytes.Repeat([]byte("x"), 2*lineBytesMax)...), "line 2: it is longer"},
		"new start": {bytes.Replace(good, []byte(`"n":1,`), []byte(`"n":8,`), 1), "line 1: line 8 names"},
	} {
		if err := os.WriteFile(path, x.text, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Verify(nil, path); !fault.Is(err, fault.Corrupt) || !strings.Contains(err.Error(), x.says) {
			t.Errorf("%s: %v, must say %q", name, err, x.says)
		}
	}
	// Each bit of the file but those of the last line, whose hash stands nowhere yet.
	body := len(good) - len(lines[len(lines)-2])
	for at := range body {
		bad := bytes.Clone(good)
		bad[at] ^= 1
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Verify(nil, path); err == nil {
			t.Fatalf("a changed byte %d of %d passed", at, body)
		}
	}
	// What is cut off at the end is found by a hash that was noted.
	if err := os.WriteFile(path, join(lines[:3]...), 0o600); err != nil {
		t.Fatal(err)
	}
	head := r.tail.head
	if report, err := Verify(&head, path); err != nil || report.Found {
		t.Errorf("%+v %v", report, err)
	}
}

// A crash leaves a torn line. The next writer cuts it off and says so.
func TestTornLine(t *testing.T) {
	dir := t.TempDir()
	r := start(t, Config{Dir: dir})
	r.append(t, pay(1))
	r.end(t)
	path := filesOf(t, dir)[0]
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"n":3,"prev"`); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if report, err := Verify(nil, path); err != nil || report.Torn != 13 {
		t.Fatalf("%+v %v", report, err)
	}
	_, err = Verify(nil, path, path)
	mustBe(t, err, fault.Corrupt, "in the middle of a line")
	r = start(t, Config{Dir: dir})
	r.append(t, pay(2))
	r.end(t)
	report, err := Verify(nil, path)
	if err != nil || report.Lines != 4 || report.Torn != 0 {
		t.Fatalf("%+v %v", report, err)
	}
	text, err := os.ReadFile(path)
	if err != nil || !bytes.Contains(text, []byte("torn_bytes=13")) {
		t.Error(string(text), err)
	}
}

// A crash may leave a file that was made and not begun; without the one before it nobody knows how to go on.
func TestEmptyNewestFile(t *testing.T) {
	dir := t.TempDir()
	r := start(t, Config{Dir: dir})
	r.append(t, pay(1))
	r.end(t)
	first := filesOf(t, dir)[0]
	if err := os.WriteFile(pathOf(dir, 3), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	r = start(t, Config{Dir: dir})
	r.end(t)
	if report, err := Verify(nil, filesOf(t, dir)...); err != nil || report.Lines != 3 || report.Files != 2 {
		t.Fatalf("%+v %v", report, err)
	}
	if err := os.WriteFile(pathOf(dir, 9), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(Config{Dir: dir, Tag: aliasKey.Tag}, Parts{})
	mustBe(t, err, fault.Corrupt, "does not follow")
	if err := os.Remove(first); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(pathOf(dir, 3)); err != nil {
		t.Fatal(err)
	}
	_, err = Open(Config{Dir: dir, Tag: aliasKey.Tag}, Parts{})
	mustBe(t, err, fault.Corrupt, "is not there")
}

func TestOneWriter(t *testing.T) {
	dir := t.TempDir()
	r := start(t, Config{Dir: dir})
	_, err := Open(Config{Dir: dir, Tag: aliasKey.Tag}, Parts{})
	mustBe(t, err, fault.Conflict, "another process")
	r.end(t)
	err = r.Append(&Entry{})
	if err != nil {
		mustBe(t, err, fault.Unavailable, "has ended")
	}
}

// After a failed write nothing is written any more, and who asks is told before it writes.
func TestFailedWrite(t *testing.T) {
	r := start(t, Config{Dir: t.TempDir()})
	if err := r.Ready(); err != nil {
		t.Fatal(err)
	}
	if err := r.tail.file.Close(); err != nil { // as a disk does that is gone
		t.Fatal(err)
	}
	r.append(t, pay(1))
	<-r.done
	mustBe(t, r.Ready(), fault.Unavailable, "free its disk")
	mustBe(t, r.Append(&Entry{}), fault.Unavailable, "")
	if err := r.stop(); !fault.Is(err, fault.Halted) {
		t.Error(err)
	}
}

// At the bound Append waits, and a line that is lost by that is counted.
func TestWaitingIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tr, err := Open(Config{Dir: t.TempDir(), Tag: aliasKey.Tag, WaitingMax: 1}, Parts{})
		if err != nil {
			t.Fatal(err)
		}
		if err := tr.Append(&Entry{}); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		mustBe(t, tr.Append(&Entry{}), fault.TryLater, "does not keep up")
		if took := time.Since(begin); took != WaitMaxDefault {
			t.Error("it waited", took)
		}
		if testutil.ToFloat64(tr.metrics.lost) != 1 {
			t.Error("not counted")
		}
		done, stop := context.WithCancel(t.Context())
		stop()
		if err := tr.Run(done); err != nil || tr.tail.n != 2 {
			t.Error(tr.tail.n, err)
		}
	})
}

// A line that nothing follows is flushed in time, and the log is told of heads once in a while.
func TestFlushesInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Config{Dir: t.TempDir()})
		flushes := func() float64 { return testutil.ToFloat64(r.metrics.flushes) }
		for i := range 3 {
			<-time.After(HeadEvery)
			r.append(t, pay(1))
			r.append(t, pay(2))
			synctest.Wait()
			if flushes() != float64(i) {
				t.Error("it flushes each line")
			}
			<-time.After(FlushEveryDefault)
			synctest.Wait()
			if flushes() != float64(i+1) {
				t.Error("a line waits for longer than it may")
			}
		}
		synctest.Wait()
		if n := strings.Count(r.log.String(), "head is"); n != 4 {
			t.Errorf("%d heads in the log:\n%s", n, &r.log)
		}
		r.end(t)
	})
}

func FuzzLine(f *testing.F) {
	e := pay(1)
	good, _, err := newLine(&e, func(string) chain.Hash { return chain.Hash{} }, time.Unix(0, 0)).chained(1, Hash{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`{"n":1}`))
	f.Add([]byte(`{"n":-1,"prev":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		v := &verifier{}
		if err := v.line(text); err != nil {
			return
		}
		l, err := parseLine(text)
		if err != nil || v.report.Lines != 1 || v.report.Head != hashOf(text) || l.N != v.report.Last {
			t.Fatalf("%q: %+v %v", text, v.report, err)
		}
	})
}
