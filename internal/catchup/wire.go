// SPDX-License-Identifier: Apache-2.0

package catchup

import (
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/pages"
)

// Kinds of frames. FORMAT.md draws them.
const (
	KindAsk       uint8 = 1
	KindOffer     uint8 = 2
	KindAskLeaves uint8 = 3
	KindLeaves    uint8 = 4
	KindAskPages  uint8 = 5
	KindPages     uint8 = 6
	KindRefused   uint8 = 7
	KindDone      uint8 = 8
)

// Bounds of a frame.
const (
	FrameBytesMax     = 1 << 20
	leavesPerFrameMax = 1024
	pagesPerFrameMax  = 63 // as many as fit
)

// Message is what a frame says: one of the types below.
type Message interface {
	// Kind is the kind of the frame.
	Kind() uint8
	// Append appends the frame's body.
	Append(dst []byte) []byte
}

type (
	// Ask asks for an offer of a height or above.
	Ask struct {
		Least  chain.Height
		Steady bool // of a checkpoint that will not be overwritten
	}
	// AskLeaves asks for the leaves of pages of a section.
	AskLeaves struct {
		Session               uint64
		Section, First, Count uint32
	}
	// LeavesOf answers AskLeaves.
	LeavesOf struct {
		Session        uint64
		Section, First uint32
		Hashes         []chain.Hash
	}
	// AskPages asks for pages.
	AskPages struct {
		Session uint64
		Pages   []checkpoint.PageOf
	}
	// PagesOf answers AskPages. Bytes has pages.PageBytes of each.
	PagesOf struct {
		Session uint64
		Pages   []checkpoint.PageOf
		Bytes   [][]byte
	}
	// Refused answers any of the asks; Session is 0 if that was Ask.
	Refused struct {
		Session uint64
		Why     Refusal
	}
	// Done says that no more will be asked.
	Done struct{ Session uint64 }
)

// Refusal says why a peer does not answer.
type Refusal uint8

// The refusals.
const (
	Nothing Refusal = 1 // it has no checkpoint so high
	Busy    Refusal = 2 // it serves another one
	Gone    Refusal = 3 // the checkpoint was overwritten, or the session ended: ask again
)

var refusals = [...]string{"", "nothing", "busy", "gone"}

// String is the word by which a refusal is counted.
func (r Refusal) String() string { return refusals[r] }

// Kind implements Message.
func (Ask) Kind() uint8 { return KindAsk }

// Kind implements Message.
func (AskLeaves) Kind() uint8 { return KindAskLeaves }

// Kind implements Message.
func (LeavesOf) Kind() uint8 { return KindLeaves }

// Kind implements Message.
func (AskPages) Kind() uint8 { return KindAskPages }

// Kind implements Message.
func (PagesOf) Kind() uint8 { return KindPages }

// Kind implements Message.
func (Refused) Kind() uint8 { return KindRefused }

// Kind implements Message.
func (Done) Kind() uint8 { return KindDone }

var le = binary.LittleEndian

// Append implements Message.
func (m Ask) Append(dst []byte) []byte {
	steady := byte(0)
	if m.Steady {
		steady = 1
	}
	return append(le.AppendUint64(dst, uint64(m.Least)), steady)
}

// Append implements Message.
func (m AskLeaves) Append(dst []byte) []byte {
	dst = le.AppendUint64(dst, m.Session)
	return le.AppendUint32(le.AppendUint32(le.AppendUint32(dst, m.Section), m.First), m.Count)
}

// Append implements Message.
func (m LeavesOf) Append(dst []byte) []byte {
	dst = AskLeaves{m.Session, m.Section, m.First, uint32(len(m.Hashes))}.Append(dst)
	for i := range m.Hashes {
		dst = append(dst, m.Hashes[i][:]...)
	}
	return dst
}

// Append implements Message.
func (m AskPages) Append(dst []byte) []byte {
	dst = append(le.AppendUint64(dst, m.Session), byte(len(m.Pages)))
	for _, p := range m.Pages {
		dst = appendPlace(dst, p)
	}
	return dst
}

// Append implements Message.
func (m PagesOf) Append(dst []byte) []byte {
	dst = append(le.AppendUint64(dst, m.Session), byte(len(m.Pages)))
	for i, p := range m.Pages {
		dst = append(appendPlace(dst, p), m.Bytes[i]...)
	}
	return dst
}

func appendPlace(dst []byte, p checkpoint.PageOf) []byte {
	return le.AppendUint32(le.AppendUint32(dst, p.Section), p.Page)
}

// Append implements Message.
func (m Refused) Append(dst []byte) []byte {
	return append(le.AppendUint64(dst, m.Session), byte(m.Why))
}

// Append implements Message.
func (m Done) Append(dst []byte) []byte { return le.AppendUint64(dst, m.Session) }

// Parse reads a frame's body. What it returns points into body. It looks at the form only. Every error is Invalid.
func Parse(kind uint8, body []byte) (Message, error) {
	if len(body) > FrameBytesMax {
		return nil, malformed("a frame of %d bytes", len(body))
	}
	r := reader{b: body}
	var m Message
	switch kind {
	case KindAsk:
		m = Ask{Least: chain.Height(r.u64()), Steady: r.upTo(1) == 1}
	case KindOffer:
		m = r.offer()
	case KindAskLeaves:
		m = r.askLeaves()
	case KindLeaves:
		m = r.leaves()
	case KindAskPages:
		s, n := r.u64(), r.pageCount()
		m = AskPages{s, r.places(n)}
	case KindPages:
		m = r.pages()
	case KindRefused:
		s := r.u64()
		why := Refusal(r.upTo(byte(Gone)))
		r.bad = r.bad || why == 0
		m = Refused{s, why}
	case KindDone:
		m = Done{r.u64()}
	case KindAskBelow:
		a := AskBelow{chain.Height(r.u64()), chain.Height(r.u64())}
		r.bad = r.bad || a.Least == 0 || a.Least >= a.Below
		m = a
	case KindBelow:
		m = r.below()
	default:
		if m = r.compared(kind); m == nil {
			return nil, malformed("a frame of kind %d", kind)
		}
	}
	if r.bad || len(r.b) > 0 {
		return nil, malformed("a frame of kind %d and %d bytes", kind, len(body))
	}
	return m, nil
}

func malformed(format string, args ...any) error {
	return fault.Reasoned(fault.Invalid, "malformed", "catch-up: "+format, args...)
}

// reader takes fields off the front of b. Once something is missing or out of bounds it is bad, and gives zeros.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) raw(n int) []byte {
	if r.bad || n > len(r.b) {
		r.bad = true
		return make([]byte, min(n, 8))
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) u64() uint64 { return le.Uint64(r.raw(8)) }
func (r *reader) u32() uint32 { return le.Uint32(r.raw(4)) }
func (r *reader) u16() uint16 { return le.Uint16(r.raw(2)) }

func (r *reader) upTo(most byte) byte {
	v := r.raw(1)[0]
	r.bad = r.bad || v > most
	return v
}

// part is bytes behind their length.
func (r *reader) part() []byte { return r.raw(int(r.u32())) }

func (r *reader) askLeaves() AskLeaves {
	m := AskLeaves{r.u64(), r.u32(), r.u32(), r.u32()}
	r.bad = r.bad || m.Count == 0 || m.Count > leavesPerFrameMax || m.First > pages.PagesMax
	return m
}

func (r *reader) leaves() LeavesOf {
	a := r.askLeaves()
	m := LeavesOf{Session: a.Session, Section: a.Section, First: a.First}
	for ; a.Count > 0 && !r.bad; a.Count-- {
		var h chain.Hash
		copy(h[:], r.raw(len(h)))
		m.Hashes = append(m.Hashes, h)
	}
	return m
}

func (r *reader) pageCount() int {
	n := r.upTo(pagesPerFrameMax)
	r.bad = r.bad || n == 0
	return int(n)
}

func (r *reader) place() checkpoint.PageOf {
	p := checkpoint.PageOf{Section: r.u32(), Page: r.u32()}
	r.bad = r.bad || p.Page >= pages.PagesMax
	return p
}

func (r *reader) places(n int) []checkpoint.PageOf {
	list := make([]checkpoint.PageOf, n)
	for i := range list {
		list[i] = r.place()
	}
	return list
}

func (r *reader) pages() PagesOf {
	m := PagesOf{Session: r.u64()}
	for n := r.pageCount(); n > 0 && !r.bad; n-- {
		m.Pages = append(m.Pages, r.place())
		m.Bytes = append(m.Bytes, r.raw(pages.PageBytes))
	}
	return m
}
