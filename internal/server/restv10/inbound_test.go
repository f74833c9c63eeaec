// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/lxzan/gws"
)

// clientFrame is a frame as a client sends it.
func clientFrame(first byte, payload []byte) []byte {
	out := []byte{first, 0x80}
	switch n := len(payload); {
	case n < 126:
		out[1] |= byte(n)
	case n <= 0xffff:
		out[1] |= 126
		out = binary.BigEndian.AppendUint16(out, uint16(n))
	default:
		out[1] |= 127
		out = binary.BigEndian.AppendUint64(out, uint64(n))
	}
	mask := [4]byte{1, 2, 3, 4}
	out = append(out, mask[:]...)
	for i, b := range payload {
		out = append(out, b^mask[i%4])
	}
	return out
}

// heardOf is what bytes mean that come in pieces, as lines, and the error at the end.
func heardOf(input []byte, piece func() int) (heard []string, in *inbound, err error) {
	in = &inbound{}
	for rest := bytes.Clone(input); len(rest) > 0; {
		n := min(len(rest), piece())
		part := bytes.Clone(rest[:n])
		rest = rest[n:]
		err := in.feed(part, func(op byte, payload []byte) error {
			heard = append(heard, fmt.Sprintf("%d %x", op, payload))
			if op == opClose {
				return farewell{}
			}
			return nil
		})
		clear(part) // it is somebody else's now
		if err != nil {
			return heard, in, err
		}
	}
	return heard, in, nil
}

// TestInbound: what is whole is heard, and what no client may send ends it.
func TestInbound(t *testing.T) {
	text, long := clientFrame(0x81, []byte("hello")), bytes.Repeat([]byte("x"), socketMessageBytesMax)
	join := func(parts ...[]byte) []byte { return slices.Concat(parts...) }
	for name, c := range map[string]struct {
		input []byte
		want  string
		err   error
	}{
		"text":                      {text, "1 68656c6c6f", nil},
		"nothing":                   {clientFrame(0x81, nil), "1 ", nil},
		"bytes":                     {clientFrame(0x82, []byte{0xff}), "2 ff", nil},
		"two":                       {join(text, clientFrame(0x89, []byte("p"))), "1 68656c6c6f, 9 70", nil},
		"in three, a ping between":  {join(clientFrame(0x01, []byte("h")), clientFrame(0x00, []byte("i")), clientFrame(0x89, nil), clientFrame(0x80, nil)), "9 , 1 6869", nil},
		"a rune in two":             {join(clientFrame(0x01, []byte("\xc3")), clientFrame(0x80, []byte("\xa4"))), "1 c3a4", nil},
		"the longest":               {clientFrame(0x82, long), fmt.Sprintf("2 %x", long), nil},
		"too long":                  {clientFrame(0x82, append(long, 'x')), "", breach(closeTooLarge)},
		"too long in two":           {join(clientFrame(0x02, long), clientFrame(0x80, []byte("x"))), "", breach(closeTooLarge)},
		"too long by its head":      {[]byte{0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0}, "", breach(closeTooLarge)},
		"too long by far":           {[]byte{0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, "", breach(closeTooLarge)},
		"no UTF-8":                  {clientFrame(0x81, []byte{0xff}), "", breach(closeNotUTF8)},
		"not masked":                {[]byte{0x81, 0x00}, "", breach(closeProtocol)},
		"reserved":                  {clientFrame(0xc1, nil), "", breach(closeProtocol)},
		"no such opcode":            {clientFrame(0x83, nil), "", breach(closeProtocol)},
		"no such control":           {clientFrame(0x8b, nil), "", breach(closeProtocol)},
		"a ping in two":             {clientFrame(0x09, nil), "", breach(closeProtocol)},
		"a long ping":               {clientFrame(0x89, long[:126]), "", breach(closeProtocol)},
		"an end without a begin":    {clientFrame(0x80, nil), "", breach(closeProtocol)},
		"a begin within a message":  {join(clientFrame(0x01, nil), clientFrame(0x81, nil)), "", breach(closeProtocol)},
		"a last word, then nothing": {join(clientFrame(0x88, nil), text), "8 ", farewell{}},
	} {
		for _, piece := range []int{1, 7, len(c.input)} {
			heard, in, err := heardOf(c.input, func() int { return piece })
			if got := strings.Join(heard, ", "); got != c.want || fmt.Sprint(err) != fmt.Sprint(c.err) {
				t.Errorf("%s by %d: %.80q and %v, want %.80q and %v", name, piece, got, err, c.want, c.err)
			}
			if err == nil && (in.held != nil || in.message != nil) {
				t.Errorf("%s by %d: it keeps memory of what it has passed on", name, piece)
			}
		}
	}
}

// TestCloseAnswer: a code that a client may give is said back.
func TestCloseAnswer(t *testing.T) {
	for said, want := range map[string]string{
		"": "", "\x03": "\x03\xea", "\x03\xe8": "\x03\xe8", "\x03\xe9bye": "\x03\xe9", "\x03\xed": "\x03\xea", "\x00\x01": "\x03\xea", "\x0f\xa0": "\x0f\xa0",
		"\x07\xd0": "\x03\xea", "\x13\x88": "\x03\xea", "\x03\xe8\xff": "\x03\xef",
	} {
		if got := closeAnswer([]byte(said)); string(got) != want {
			t.Errorf("% x is answered % x, want % x", said, got, want)
		}
	}
}

// recorder is what a library hears of the same bytes.
type recorder struct {
	gws.BuiltinEventHandler
	heard []string
	end   error
}

// OnPing implements gws.Event.
func (r *recorder) OnPing(_ *gws.Conn, payload []byte) { r.note(opPing, payload) }

// OnPong implements gws.Event.
func (r *recorder) OnPong(_ *gws.Conn, payload []byte) { r.note(opPong, payload) }

// OnMessage implements gws.Event.
func (r *recorder) OnMessage(_ *gws.Conn, m *gws.Message) { r.note(byte(m.Opcode), m.Bytes()) }

// OnClose implements gws.Event.
func (r *recorder) OnClose(_ *gws.Conn, err error) { r.end = err }

func (r *recorder) note(op byte, payload []byte) {
	r.heard = append(r.heard, fmt.Sprintf("%d %x", op, payload))
}

// silentLog drops what the library would print.
type silentLog struct{}

// Error drops it.
func (silentLog) Error(...any) {}

// heardByLibrary lets a library read bytes that nothing follows.
func heardByLibrary(t *testing.T, input []byte) (r *recorder) {
	t.Helper()
	here, there := net.Pipe()
	r = &recorder{}
	up := gws.NewUpgrader(r, &gws.ServerOption{ReadMaxPayloadSize: socketMessageBytesMax, CheckUtf8Enabled: true, Logger: silentLog{}})
	q := httptest.NewRequest(http.MethodGet, "/ws", nil)
	q.Header = http.Header{"Sec-Websocket-Version": {"13"}, "Connection": {"Upgrade"}, "Upgrade": {"websocket"}, "Sec-Websocket-Key": {"dGhlIHNhbXBsZSBub25jZQ=="}}
	go func() {
		_, _ = io.Copy(io.Discard, here)
	}()
	go func() {
		_, _ = here.Write(input) // the library may have enough of it before
		_ = here.Close()
	}()
	c, err := up.UpgradeFromConn(there, bufio.NewReader(there), q)
	must(t, err)
	defer func() {
		if recover() != nil { // it does not live through a length of 2^63 and more
			r.end = breach(closeTooLarge)
		}
	}()
	c.ReadLoop()
	return r
}

// verdict is what an end means: 0 for no fault of the client's. The library reads the whole of a head before it judges, so that of two faults it
// may name the other one: they count as one.
func verdict(err error) breach {
	var why breach
	if err == nil || errors.As(err, &why) && why != closeTooLarge {
		return why
	}
	said := func(words string) bool { return strings.Contains(err.Error(), words) }
	switch {
	case said("protocol error"), said("message too large"), said("unexpected opcode"):
		return closeProtocol
	case said(gws.ErrTextEncoding.Error()):
		return closeNotUTF8
	}
	return 0
}

// FuzzInbound: in whatever pieces bytes come, they mean the same, and the same as to a library.
func FuzzInbound(f *testing.F) {
	f.Add(clientFrame(0x81, []byte("hello")), uint64(1))
	f.Add(slices.Concat(clientFrame(0x01, []byte("h")), clientFrame(0x89, nil), clientFrame(0x80, []byte("!")), clientFrame(0x8a, []byte("x"))), uint64(2))
	f.Add(slices.Concat(clientFrame(0x82, make([]byte, 200)), clientFrame(0x81, []byte{0xff})), uint64(3))
	f.Add(slices.Concat(clientFrame(0x8a, nil), []byte{0x81, 0x85, 1}), uint64(4))
	f.Add(slices.Concat(clientFrame(0x02, make([]byte, 8000)), clientFrame(0x80, make([]byte, 500))), uint64(5))
	f.Add(slices.Concat(clientFrame(0x88, []byte{3, 232}), clientFrame(0x81, nil)), uint64(6))
	f.Add(slices.Concat(clientFrame(0x89, nil), clientFrame(0x83, nil)), uint64(7))
	f.Add([]byte("\x82\xff\xff00000000000"), uint64(8))
	f.Fuzz(func(t *testing.T, input []byte, seed uint64) {
		whole, _, err := heardOf(input, func() int { return len(input) })
		random := rand.New(rand.NewPCG(seed, 1))
		pieces, _, inPieces := heardOf(input, func() int { return 1 + random.IntN(9) })
		if !slices.Equal(whole, pieces) || fmt.Sprint(err) != fmt.Sprint(inPieces) {
			t.Fatalf("%q and %v whole, %q and %v in pieces", whole, err, pieces, inPieces)
		}
		library := heardByLibrary(t, input)
		if n := len(whole); errors.As(err, new(farewell)) {
			whole = whole[:n-1] // the library keeps a last word to itself
		}
		if !slices.Equal(whole, library.heard) {
			t.Fatalf("%q, a library hears %q", whole, library.heard)
		}
		cut := errors.Is(library.end, io.EOF) || errors.Is(library.end, io.ErrUnexpectedEOF) // it waits for the rest of a head that cannot be right
		if got, want := verdict(err), verdict(library.end); got != want && !cut {
			t.Fatalf("%v, a library says %v", err, library.end)
		}
	})
}
