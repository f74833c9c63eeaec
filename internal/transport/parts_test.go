// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
	"github.com/aurigraph/aurigraph/internal/obs/obstest"
	"github.com/aurigraph/aurigraph/internal/testkit"
)

func TestGoldenBytes(t *testing.T) {
	var text strings.Builder
	h := hello{version: 1, class: Batches, verdict: refusedReceiver, sender: 0x0102, receiver: 0x0304, chain: 0x05060708090a0b0c, epoch: 0x1112131415161718}
	fmt.Fprintf(&text, "hello %x\n", h.encode())
	fmt.Fprintf(&text, "frame %x\n", newFrame(7, 5, []byte("he"), []byte("llo")).head)
	fmt.Fprintf(&text, "goodbye %x\n", newFrame(kindControl, 0).head)
	fmt.Fprintf(&text, "ping %x\n", newFrame(kindControl, 8, []byte("12345678")).head)
	for v := range verdictCount {
		fmt.Fprintf(&text, "verdict %d %s\n", v, v.reason())
	}
	for c := range ClassCount {
		fmt.Fprintf(&text, "class %d %s %d\n", c, c, c.BodyBytesMax())
	}
	fmt.Fprintf(&text, "name %s\n", ValidatorURI(12, 3))
	testkit.Golden(t, "wire.txt", []byte(text.String()))
	if ClassCount.String() != "unknown" || ClassCount.BodyBytesMax() != 0 || verdict(200).reason() != "hello_malformed" {
		t.Error("numbers beyond the last have names")
	}
}

func TestMetricNames(t *testing.T) {
	r := prometheus.NewRegistry()
	m, err := newMetrics(r, func(Class) int64 { return 0 })
	if err != nil {
		t.Fatal(err)
	}
	testkit.Golden(t, "metrics.txt", []byte(strings.Join(obstest.MetricNames(r), "\n")+"\n"))
	m.unregister()
	if _, err := newMetrics(r, func(Class) int64 { return 0 }); err != nil {
		t.Error("they are not unregistered", err)
	}
}

func FuzzHello(f *testing.F) {
	f.Add(hello{version: 1, sender: 1, chain: 4}.encode())
	f.Add([]byte(helloMagic))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := decodeHello(b)
		if err != nil {
			return
		}
		if again := h.encode(); h.version == protocolVersion && !bytes.Equal(again, b) {
			t.Errorf("%x became %x", b, again)
		}
		v, err := h.check(4, 0, 1)
		if (v == accepted) != (err == nil) || (err == nil && (h.sender != 1 || h.receiver != 0 || h.chain != 4)) {
			t.Errorf("%+v: %v %v", h, v, err)
		}
	})
}

// TestBodyEnds tells the end of a body from the end of the connection.
func TestBodyEnds(t *testing.T) {
	whole := bodyReader{r: bufio.NewReader(strings.NewReader("abcd")), left: 3}
	if got, err := io.ReadAll(&whole); string(got) != "abc" || err != nil || whole.skip() != nil {
		t.Errorf("%q %v", got, err)
	}
	short := bodyReader{r: bufio.NewReader(strings.NewReader("ab")), left: 3}
	if got, err := io.ReadAll(&short); string(got) != "ab" || err != io.ErrUnexpectedEOF || short.skip() != err {
		t.Errorf("%q %v", got, err)
	}
}

// frames is a Receiver that writes down what came, and reads half of each body.
type frames struct{ strings.Builder }

func (w *frames) Frame(from chain.ValidatorNo, _ Class, kind uint8, bytes int, r io.Reader) error {
	got, err := io.ReadAll(io.LimitReader(r, int64(bytes/2)))
	if err != nil {
		return err
	}
	if len(got) != bytes/2 {
		return errors.New("the body is short")
	}
	fmt.Fprintf(w, "%d:%d:%x ", kind, bytes, got)
	return nil
}

// reference reads the same stream the plain way.
func reference(b []byte, c Class) (text string, clean bool) {
	for {
		if len(b) == 0 {
			return text, true
		}
		if len(b) < headerBytes {
			return text, false
		}
		n := int(uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24)
		kind := b[4]
		b = b[headerBytes:]
		if n > c.BodyBytesMax() || (kind == 0 && n != 0 && n != 8) {
			return text, false
		}
		if kind == 0 && n == 0 {
			return text, true
		}
		if kind != 0 && len(b) >= n/2 {
			text += fmt.Sprintf("%d:%d:%x ", kind, n, b[:n/2])
		}
		if len(b) < n {
			return text, false
		}
		b = b[n:]
	}
}

func FuzzFrames(f *testing.F) {
	f.Add([]byte("\x02\x00\x00\x00\x03ok\x00\x00\x00\x00\x01\x08\x00\x00\x00\x0012345678"), byte(0), byte(3))
	f.Add([]byte("\xff\xff\xff\xff\x03"), byte(1), byte(1))
	f.Add([]byte("\x03\x00\x00\x00\x00abc"), byte(2), byte(9))
	f.Add([]byte("\x00\x00\x00\x00\x00"), byte(2), byte(9))
	f.Fuzz(func(t *testing.T, b []byte, class, step byte) {
		c := Class(class) % ClassCount
		got := &frames{}
		m, err := newMetrics(nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		var r io.Reader = bytes.NewReader(b)
		if step%2 == 0 {
			r = iotest.OneByteReader(r)
		}
		in := &incoming{
			t: &TCP{receiver: got, metrics: m}, peer: &peer{}, class: c,
			r: bufio.NewReaderSize(r, 16+int(step)), pings: make(chan [pingBytes]byte, 1),
		}
		err = in.read()
		want, clean := reference(b, c)
		if got.String() != want || (err == nil) != clean {
			t.Errorf("%x: read %q %v, want %q %v", b, got, err, want, clean)
		}
	})
}

// TestQueueModel compares the queue with a plain list.
func TestQueueModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		class := Class(rapid.IntRange(0, 1).Draw(t, "class"))
		limits := Limits{Bytes: rapid.Int64Range(60, 300).Draw(t, "bytes"), Frames: rapid.IntRange(1, 40).Draw(t, "frames")}
		drops := 0
		q := newQueue(limits, class, func(n int, _ string) { drops += n })
		var want, taken []string
		var held []frame
		lost := 0
		size := func(list []string) (n int64) {
			for _, s := range list {
				n += int64(headerBytes + len(s))
			}
			return n
		}
		for i := range rapid.IntRange(1, 200).Draw(t, "steps") {
			switch rapid.IntRange(0, 5).Draw(t, "step") {
			default:
				body := strings.Repeat("x", rapid.IntRange(0, 50).Draw(t, "body")) + fmt.Sprint(i)
				fits := func() bool {
					return size(want)+size(taken)+int64(headerBytes+len(body)) <= limits.Bytes && len(want) < limits.Frames
				}
				for class == Consensus && !fits() && len(want) > 0 {
					want, lost = want[1:], lost+1
				}
				ok := fits()
				err := q.push(newFrame(1, len(body), []byte(body)))
				if ok != (err == nil) || (err != nil && fault.ReasonOf(err) != "queue_full") {
					t.Fatalf("push of %d bytes: %v", len(body), err)
				}
				if ok {
					want = append(want, body)
				}
			case 4:
				if held == nil {
					held = q.take(nil)
					for _, f := range held {
						taken = append(taken, string(f.head[headerBytes:]))
					}
					if fmt.Sprint(taken) != fmt.Sprint(want) {
						t.Fatalf("took %q, want %q", taken, want)
					}
					want = nil
				}
			case 5:
				q.settle(held)
				held, taken = nil, nil
			}
			if n, bytes := q.size(); n != len(want) || bytes != size(want)+size(taken) || drops != lost {
				t.Fatalf("%d frames, %d bytes, %d drops", n, bytes, drops)
			}
		}
	})
}

func TestQueueTakesInPortions(t *testing.T) {
	q := newQueue(DefaultLimits(Batches), Batches, func(int, string) {})
	for range 5 {
		if err := q.push(newFrame(1, 100<<10, make([]byte, 100<<10))); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(q.take(nil)); n != 2 {
		t.Errorf("%d frames of 100 KiB were taken at once", n)
	}
}

func TestShare(t *testing.T) {
	const link = 100 << 20
	at := time.Unix(1, 0)
	step := func(d time.Duration) time.Time { at = at.Add(d); return at }
	within := func(got, want time.Duration) bool { return got > want*95/100 && got < want*105/100 }
	s := newShare(link, at)
	if d := s.reserve(SyncBytesMax, at); d != 0 {
		t.Error("the first MiB waits", d)
	}
	if d := s.reserve(SyncBytesMax, at); !within(d, 10*time.Millisecond) {
		t.Error("an idle link carries a MiB in 10 ms, not", d)
	}
	if d := s.reserve(SyncBytesMax, at); !within(d, 20*time.Millisecond) {
		t.Error("promises do not add up", d)
	}
	s.reserve(0, step(time.Second))
	s.used(link) // all of it, for a second
	s.reserve(SyncBytesMax, step(time.Second))
	if d := s.reserve(SyncBytesMax, at); !within(d, 200*time.Millisecond) {
		t.Error("a twentieth of the link carries a MiB in 200 ms, not", d)
	}
	s.reserve(0, step(time.Second))
	s.used(link * 3 / 4)
	s.reserve(SyncBytesMax, step(time.Second))
	if d := s.reserve(SyncBytesMax, at); !within(d, 40*time.Millisecond) {
		t.Error("a quarter of the link carries a MiB in 40 ms, not", d)
	}
	// An hour of rest is worth no more than the bucket holds.
	s.reserve(0, step(time.Hour))
	if d := s.reserve(2*SyncBytesMax, at); !within(d, 10*time.Millisecond) {
		t.Error("rest was saved up", d)
	}
}

func TestBackoff(t *testing.T) {
	for failures, want := range []time.Duration{50, 100, 200, 400, 800, 1600, 2000, 2000} {
		want *= time.Millisecond
		if longest, shortest := backoff(failures, 0), backoff(failures, 1); longest != want || shortest != want/2 {
			t.Errorf("after %d failures: %v to %v, want %v at most", failures, shortest, longest, want)
		}
	}
	if backoff(1000, 0) != backoffMax {
		t.Error("it overflows")
	}
}

func TestComplaints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		c := newComplaints(obs.NewLogger(&text, slog.LevelInfo))
		cause := fault.New(fault.Denied, "no")
		for range 5 {
			c.say(complaint{"a", -1, 0}, "stranger", cause)
			c.say(complaint{"a", 3, 0}, "peer", cause)
			c.say(complaint{"a", 3, 1}, "class", cause)
			time.Sleep(time.Second)
		}
		if n := strings.Count(text.String(), "\n"); n != 3 {
			t.Errorf("%d lines:\n%s", n, &text)
		}
		text.Reset()
		time.Sleep(complaintEvery)
		c.say(complaint{"a", 3, 0}, "peer", cause)
		if line := text.String(); !strings.Contains(line, `"count":4`) || !strings.Contains(line, `"peer":3`) || !strings.Contains(line, `"reason":"a"`) {
			t.Error(line)
		}
		newComplaints(nil).say(complaint{"a", -1, 0}, "nobody listens", nil)
	})
}

func TestCertificateFiles(t *testing.T) {
	dir := t.TempDir()
	a, err := NewAuthority("ca", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := a.Issue(9, 2, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	path := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(WriteCertificate(path("v.pem"), path("v.key"), cert), WriteAuthority(path("ca.pem"), a)); err != nil {
		t.Fatal(err)
	}
	identity, err := LoadIdentity(path("v.pem"), path("v.key"), path("ca.pem"))
	if err == nil {
		err = identity.check(9, 2)
	}
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path("v.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Error("others may read the key", err)
	}
	if err := WriteCertificate(path("w.pem"), path("v.key"), cert); !fault.Is(err, fault.Conflict) {
		t.Error("a key was overwritten", err)
	}
	if err := WriteAuthority(path("none/ca.pem"), a); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
	if err := WriteCertificate(path("x.pem"), path("x.key"), tls.Certificate{}); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	for _, files := range [][3]string{{"v.pem", "ca.pem", "ca.pem"}, {"v.pem", "v.key", "none"}, {"v.pem", "v.key", "v.key"}} {
		if _, err := LoadIdentity(path(files[0]), path(files[1]), path(files[2])); !fault.Is(err, fault.Invalid) {
			t.Error(files, err)
		}
	}
	cert.Certificate = append(cert.Certificate, a.Certificate.Raw)
	if err := (Identity{Certificate: cert, Authority: a.Pool()}).check(9, 2); err != nil {
		t.Error("a chain is no good", err)
	}
}

func TestHelloReserved(t *testing.T) {
	b := hello{version: 1}.encode()
	b[35] = 1
	if _, err := decodeHello(b); fault.ReasonOf(err) != "hello_malformed" {
		t.Error(hex.EncodeToString(b), err)
	}
	b[8] = 2 // a later version may use them
	if h, err := decodeHello(b); err != nil || h.version != 2 {
		t.Error(h, err)
	}
}
