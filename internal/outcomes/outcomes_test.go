// SPDX-License-Identifier: Apache-2.0

package outcomes

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/router"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// ids reads all that is there now.
func ids(t testing.TB, r *Reader) string {
	t.Helper()
	var out []string
	for {
		o, ok, err := r.Next()
		must(t, err)
		if !ok {
			return strings.Join(out, " ")
		}
		out = append(out, o.ID)
	}
}

func reads(t testing.TB, r *Reader, want string) {
	t.Helper()
	if got := ids(t, r); got != want {
		t.Fatalf("read %q, want %q", got, want)
	}
}

func appendTo(t testing.TB, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	must(t, err)
	_, err = f.WriteString(text)
	must(t, err)
	must(t, f.Close())
}

func line(id string) string { return `{"id":"` + id + `"}` + "\n" }

// arrives waits until the reader has given n outcomes.
func arrives(t testing.TB, r *Reader, n int) []router.Outcome {
	t.Helper()
	var out []router.Outcome
	for deadline := time.Now().Add(10 * time.Second); len(out) < n; {
		o, ok, err := r.Next()
		must(t, err)
		if ok {
			out = append(out, o)
			continue
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d outcomes, want %d", len(out), n)
		}
		<-time.After(time.Millisecond)
	}
	return out
}

func TestWhatIsToldIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	r := Follow(path, Position{})
	defer r.Close()
	reads(t, r, "")
	w, err := Create(path, BytesDefault)
	must(t, err)
	want := router.Outcome{
		At: 1764310000.123456, ID: "x<&>", Method: "POST", Path: "/p\n\"", Side: "v11", By: "slot", Slot: 7, Map: 9, Status: 200, Seconds: 0.0000012, Server: "a:1",
		ServerStatus: "502, 200", Compared: "late",
	}
	began := time.Now()
	w.Tell(&want)
	if got := arrives(t, r, 1)[0]; got != want {
		t.Errorf("%+v", got)
	}
	t.Logf("in the file after %s", time.Since(began))
	w.Tell(&router.Outcome{ID: "last"})
	must(t, w.Close())
	reads(t, r, "last")
	if r.Damaged() != 0 || w.Dropped() != 0 {
		t.Error("damaged, or dropped")
	}
}

// TestTurn: over many changes of the file nothing is lost or given twice, to a reader that follows and to one that begins anew each time.
func TestTurn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	w, err := Create(path, BytesMin)
	must(t, err)
	follows := Follow(path, Position{})
	defer follows.Close()
	var from Position
	const each = 40
	for i := range 60 {
		for j := range each {
			w.Tell(&router.Outcome{ID: fmt.Sprint(i*each + j)})
		}
		again := Follow(path, from)
		for _, r := range []*Reader{follows, again} {
			for j, o := range arrives(t, r, each) {
				if o.ID != fmt.Sprint(i*each+j) {
					t.Fatalf("round %d: %s in place of %d", i, o.ID, i*each+j)
				}
			}
		}
		from = again.Position()
		again.Close()
	}
	must(t, w.Close())
	reads(t, follows, "")
	for _, name := range []string{path, path + olderSuffix} {
		info, err := os.Stat(name)
		must(t, err)
		if info.Size() > 2*BytesMin+each*200 {
			t.Errorf("%s has %d bytes", name, info.Size())
		}
	}
}

func TestReader(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	appendTo(t, path, line("0"))
	end := Follow(path, End)
	defer end.Close()
	r := Follow(path, Position{})
	defer r.Close()
	reads(t, r, "0")
	reads(t, end, "")

	appendTo(t, path, `{"id":`) // half a line
	reads(t, r, "")
	half := r.Position()
	appendTo(t, path, `"1"}`+"\n\n"+line("2"))
	reads(t, r, "1 2")
	reads(t, end, "1 2")
	again := Follow(path, half)
	defer again.Close()
	reads(t, again, "1 2")

	// What is no line, and what is longer than one may be, also where it is read in pieces.
	appendTo(t, path, "nonsense\n"+line("3")+strings.Repeat("x", router.OutcomeBytesMax+1)+"\n"+line("4"))
	reads(t, r, "3 4")
	for range 3 {
		appendTo(t, path, strings.Repeat("x", router.OutcomeBytesMax))
		reads(t, r, "")
	}
	appendTo(t, path, "\n"+line("5"))
	reads(t, r, "5")
	if r.Damaged() != 3 {
		t.Errorf("%d damaged, want 3", r.Damaged())
	}

	must(t, os.Truncate(path, 0)) // what copies a log and cuts it
	appendTo(t, path, line("6"))
	reads(t, r, "6")
}

// TestOthersTurn: the file is renamed by others, as for nginx, which goes on writing into the old one for a moment.
func TestOthersTurn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	older := path + olderSuffix
	appendTo(t, path, line("1"))
	r := Follow(path, Position{})
	defer r.Close()
	reads(t, r, "1")
	kept := r.Position()

	must(t, os.Rename(path, older))
	appendTo(t, older, line("2"))
	reads(t, r, "2") // there is no new one yet
	appendTo(t, path, line("4"))
	appendTo(t, older, line("3"))
	reads(t, r, "3 4")
	appendTo(t, older, line("late"))
	appendTo(t, path, line("5"))
	reads(t, r, "late 5")

	again := Follow(path, kept)
	defer again.Close()
	reads(t, again, "2 3 late 4 5")

	unknown := Follow(path, Position{Inode: 1, Offset: 9}) // its file is gone: all that is there is later
	defer unknown.Close()
	reads(t, unknown, "1 2 3 late 4 5")
	must(t, os.Remove(older))
	unknown = Follow(path, Position{Inode: 1, Offset: -9})
	defer unknown.Close()
	reads(t, unknown, "4 5")
}

func TestWriterGoesOn(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "log")
	if _, err := Create(path, BytesMin-1); !fault.Is(err, fault.Invalid) {
		t.Errorf("a small file: %v", err)
	}
	for _, bad := range []string{filepath.Join(dir, "no", "log"), dir} {
		if _, err := Create(bad, BytesMin); !fault.Is(err, fault.Unavailable) {
			t.Errorf("%s: %v", bad, err)
		}
		r := Follow(bad, Position{})
		if _, ok, err := r.Next(); ok || bad == dir && !fault.Is(err, fault.Unavailable) {
			t.Errorf("read %s: %v %v", bad, ok, err)
		}
	}
	appendTo(t, path, line("0")+`{"id":"cut`) // by a crash
	w, err := Create(path, BytesMin)
	must(t, err)
	w.Tell(&router.Outcome{ID: "1"})
	w.Tell(&router.Outcome{ID: strings.Repeat("x", router.OutcomeBytesMax)})
	must(t, w.Close())
	if w.Dropped() != 1 {
		t.Errorf("%d dropped, want what is longer than a line", w.Dropped())
	}
	r := Follow(path, Position{})
	defer r.Close()
	reads(t, r, "0 1")
	if r.Damaged() != 1 {
		t.Errorf("%d damaged", r.Damaged())
	}
}

// TestTakenAway: a file that others took away is no loss beyond it.
func TestTakenAway(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	w := &Writer{path: path, bytesMax: 1}
	for _, id := range []string{"1", "2"} {
		w.add(&router.Outcome{ID: id})
		w.write()
		if id == "1" {
			must(t, os.Remove(path))
		}
	}
	must(t, w.shut())
	must(t, w.problem)
	r := Follow(path, Position{})
	defer r.Close()
	reads(t, r, "2")
}

// TestFullQueue: without a goroutine that empties it, Tell returns all the same.
func TestFullQueue(t *testing.T) {
	w := &Writer{queue: make(chan router.Outcome, 2)}
	for range 5 {
		w.Tell(&router.Outcome{})
	}
	if w.Dropped() != 3 {
		t.Errorf("%d dropped", w.Dropped())
	}
}

// TestFailingFile: what cannot be written is counted, told by Close, and the next line does not stick to half of it.
func TestFailingFile(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no device that is always full")
	}
	path := filepath.Join(t.TempDir(), "log")
	w := &Writer{path: path, bytesMax: BytesMin, file: full}
	w.add(&router.Outcome{ID: "lost"})
	w.write()
	if w.Dropped() != 1 || !w.cut {
		t.Errorf("%d dropped, cut %v", w.Dropped(), w.cut)
	}
	must(t, w.shut())
	must(t, w.open())
	w.cut = true
	w.add(&router.Outcome{ID: "1"})
	w.write()
	must(t, w.shut())
	if !fault.Is(w.problem, fault.Unavailable) {
		t.Errorf("%v", w.problem)
	}
	r := Follow(path, Position{})
	defer r.Close()
	reads(t, r, "1")
}
