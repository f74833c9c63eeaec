// SPDX-License-Identifier: Apache-2.0

package changefeed

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/envelope"
	"github.com/aurigraph/aurigraph/legacy/ledger"
)

// Bounds of what is sent here.
const (
	ApplyBytesMax = 8 << 20 // of records in one call
	wordsBytesMax = 1 << 20 // of JSON
	sizeBytes     = 4       // before each record: its size, big-endian
)

// other answers the calls by which the other ledger's side writes here, and reports whether call is one of them.
func (f *feed) other(w http.ResponseWriter, r *http.Request, call string) bool {
	switch call {
	case "POST /barrier":
		f.barrier(w, r)
	case "GET /applied":
		f.applied(w)
	case "POST /inbox":
		f.openInbox(w, r)
	case "POST /apply":
		f.apply(w, r)
	case "POST /skip":
		f.skip(w, r)
	case "GET /resolutions":
		f.resolutions(w, r)
	case "GET /homes":
		f.homes(w)
	case "POST /homes":
		f.moveHomes(w, r)
	default:
		return false
	}
	return true
}

// say answers with a line, or why there is none.
func say(w http.ResponseWriter, l Line, err error) {
	if err != nil {
		refuse(w, err)
		return
	}
	write(w, http.StatusOK, l)
}

func (f *feed) barrier(w http.ResponseWriter, r *http.Request) {
	b, err := f.writeBarrier(r)
	say(w, Line{Generation: b.Generation, Guard: b.Guard, Position: b.Position.String()}, err)
}

// writeBarrier writes a mark, or with guard=1 the barrier of a guard: of any, or with after=N only of the one that has generation N.
func (f *feed) writeBarrier(r *http.Request) (ledger.Barrier, error) {
	q := r.URL.Query()
	guard, after := q.Get("guard"), q.Get("after")
	switch {
	case guard == "" && after == "":
		return f.cfg.Ledger.Barrier(r.Context())
	case guard == "1" && after == "":
		return f.cfg.Ledger.GuardBarrier(r.Context())
	}
	own, err := strconv.ParseUint(after, 10, 64)
	if guard != "1" || err != nil {
		return ledger.Barrier{}, fault.New(fault.Invalid, "a barrier is a mark, or that of a guard: guard=1, and after=N of the guard that has generation N")
	}
	return f.cfg.Ledger.GuardBarrierAfter(r.Context(), own)
}

func (f *feed) applied(w http.ResponseWriter) {
	// The height before the inbox: it may be lower than what is applied by then, never higher.
	height, err := f.cfg.Ledger.AppliedHeight()
	if err != nil {
		refuse(w, err)
		return
	}
	in, err := f.cfg.Ledger.Inbox()
	l := inboxLine(&in)
	l.Height = height
	say(w, l, err)
}

func inboxLine(in *ledger.Inbox) Line {
	row := ledger.InboxRowOf(in)
	return Line{Inbox: &row}
}

func (f *feed) openInbox(w http.ResponseWriter, r *http.Request) {
	var row ledger.InboxRow
	err := words(w, r, &row)
	if err == nil {
		var in ledger.Inbox
		if in, err = row.Inbox(); err == nil {
			err = f.cfg.Ledger.OpenInbox(r.Context(), in)
		}
	}
	if err != nil {
		refuse(w, err)
		return
	}
	f.applied(w)
}

func (f *feed) homes(w http.ResponseWriter) {
	h, err := f.cfg.Ledger.Homes()
	say(w, Line{Homes: &h}, err)
}

func (f *feed) moveHomes(w http.ResponseWriter, r *http.Request) {
	var moves []ledger.Move
	err := words(w, r, &moves)
	if err == nil {
		err = f.cfg.Ledger.MoveHomes(r.Context(), moves)
	}
	if err != nil {
		refuse(w, err)
		return
	}
	f.homes(w)
}

// words reads a JSON body; anything but into's fields is Invalid.
func words(w http.ResponseWriter, r *http.Request, into any) error {
	in := json.NewDecoder(http.MaxBytesReader(w, r.Body, wordsBytesMax))
	in.DisallowUnknownFields()
	return fault.Wrap(fault.Invalid, in.Decode(into), "read the body")
}

func (f *feed) apply(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, ApplyBytesMax))
	if err != nil {
		refuse(w, fault.Wrap(fault.Invalid, err, "read records, at most %d bytes of them", ApplyBytesMax))
		return
	}
	records, err := openAll(f.cfg.Keys, body)
	if err != nil {
		refuse(w, err)
		return
	}
	in, err := f.cfg.Ledger.Apply(r.Context(), records)
	say(w, inboxLine(&in), err)
}

// skip passes over a record, on the word of who has a sync key.
func (f *feed) skip(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, wordsBytesMax))
	if err != nil {
		refuse(w, fault.Wrap(fault.Invalid, err, "read a skip"))
		return
	}
	s, err := envelope.OpenSkip(f.cfg.Keys, body)
	if err != nil {
		refuse(w, err)
		return
	}
	in, err := f.cfg.Ledger.Skip(r.Context(), s)
	say(w, inboxLine(&in), err)
}

// resolutions lists what persons decided, behind LIFE/MAJOR.MINOR if that is given.
func (f *feed) resolutions(w http.ResponseWriter, r *http.Request) {
	var life uint32
	var after envelope.Position
	if text := r.URL.Query().Get("after"); text != "" {
		number, place, _ := strings.Cut(text, "/")
		n, err := strconv.ParseUint(number, 10, 32)
		if err == nil {
			after, err = envelope.ParsePosition(place)
		}
		if err != nil || n == 0 {
			refuse(w, fault.New(fault.Invalid, "after is LIFE/MAJOR.MINOR of a resolution"))
			return
		}
		life = uint32(n)
	}
	list, err := f.cfg.Ledger.Resolutions(life, after)
	say(w, Line{Resolutions: list}, err)
}

// openAll reads sealed records, each after its size. It checks each one's tag; that they follow each other, and from what is applied, the
// ledger does.
func openAll(keys []envelope.Key, body []byte) ([]*envelope.Record, error) {
	if len(keys) == 0 {
		return nil, fault.Reasoned(fault.Refused, ledger.ReasonInboxClosed, "this ledger was started without a sync key: it can check no record")
	}
	var records []*envelope.Record
	for len(body) > 0 {
		if len(records) == ledger.ApplyRecordsMax {
			return nil, fault.New(fault.Invalid, "more than %d records", ledger.ApplyRecordsMax)
		}
		wire, rest, err := cutRecord(body)
		if err != nil {
			return nil, err
		}
		r, err := envelope.Open(keys, wire)
		if err != nil {
			return nil, err
		}
		records, body = append(records, r), rest
	}
	return records, nil
}

var errCut = errors.New("the body ends within a record")

func cutRecord(body []byte) (wire, rest []byte, err error) {
	if len(body) < sizeBytes {
		return nil, nil, fault.Wrap(fault.Invalid, errCut, "read records")
	}
	size := uint64(binary.BigEndian.Uint32(body))
	body = body[sizeBytes:]
	if size > uint64(len(body)) {
		return nil, nil, fault.Wrap(fault.Invalid, errCut, "read records")
	}
	return body[:size], body[size:], nil
}
