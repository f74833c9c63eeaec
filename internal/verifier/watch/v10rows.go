// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// The reasons for which V10's log cannot be read on.
const (
	ReasonUnknownRow  = "unknown_row"       // a row of a kind that this program does not know: upgrade it
	ReasonMalformed   = "log_malformed"     // a line that is none of V10's log
	ReasonIncarnation = "other_incarnation" // V10 was restored from a copy
)

// markPrefix begins the mark of a write of applied rows.
const markPrefix = "sync:"

// v10Line is one line of V10's change log.
type v10Line struct {
	Position string  `json:"position"`
	Origin   []byte  `json:"origin"`
	Ops      []v10Op `json:"ops"`
	Head     string  `json:"head"`
	Error    *struct {
		Kind   string `json:"kind"`
		Reason string `json:"reason"`
		Text   string `json:"text"`
	} `json:"error"`
	Generation uint64 `json:"generation"`
}

// v10Op is a changed row: where it lies and what it says.
type v10Op struct {
	Family string `json:"family"`
	Key    []byte `json:"key"`
	Value  []byte `json:"value"`
	Delete bool   `json:"delete"`
}

// err is what V10 said instead of a change.
func (l *v10Line) err() error {
	for _, k := range fault.Kinds() {
		if l.Error != nil && k.String() == l.Error.Kind {
			return fault.Reasoned(k, l.Error.Reason, "V10: %.300s", l.Error.Text)
		}
	}
	return fault.Reasoned(fault.Internal, l.Error.Reason, "V10: %.300s", l.Error.Text)
}

// place reads INCARNATION:SEQUENCE.
func place(text string) (incarnation string, sequence uint64, err error) {
	incarnation, number, _ := strings.Cut(text, ":")
	sequence, err = strconv.ParseUint(number, 10, 64)
	if raw, bad := hex.DecodeString(incarnation); bad != nil || len(raw) != 16 || err != nil {
		return "", 0, fault.Reasoned(fault.Corrupt, ReasonMalformed, "V10's position %.80q is not INCARNATION:SEQUENCE", text)
	}
	return incarnation, sequence, nil
}

// The rows that are compared, as V10 writes them.
type txRow struct {
	Ms        uint64        `json:"ms"`
	Kind      string        `json:"kind"`
	From      string        `json:"from"`
	To        string        `json:"to"`
	Asset     string        `json:"asset"`
	Units     string        `json:"units"`
	Outcome   chain.Outcome `json:"outcome"`
	Reference string        `json:"reference"`
}

type roundRow struct {
	Ms       uint64 `json:"ms"`
	Hash     string `json:"block_hash"`
	Previous string `json:"previous_hash"`
}

// v10Log makes events of V10's writes. It is pure but for its place among the barriers.
type v10Log struct {
	aliases *keys.AliasKey
	next    uint64 // barrier of V10's that comes next
	write   *v10Write
}

// v10Write is one write of the store, as it is being read.
type v10Write struct {
	marked        bool
	round, inbox  bool // it has one
	changesOthers bool // balances, accounts or assets change
	events        []event
	barriers      []event
}

// take reads one write. Its rows come before its barriers, whatever their order in the write.
func (l *v10Log) take(origin []byte, ops []v10Op) ([]event, error) {
	w := &v10Write{marked: len(origin) > 0}
	if w.marked && !bytes.HasPrefix(origin, []byte(markPrefix)) {
		return nil, fault.Reasoned(fault.Unavailable, ReasonUnknownRow, "a write of V10 was made by %.60q, of whom this program knows nothing: upgrade it", origin)
	}
	l.write = w
	for i := range ops {
		if err := l.op(&ops[i]); err != nil {
			return nil, err
		}
	}
	if w.changesOthers && !w.round && !w.inbox {
		w.find(V10, Stray, nil)
	}
	slices.SortStableFunc(w.barriers, func(a, b event) int { return cmp.Compare(a.barrier, b.barrier) })
	for i := range w.barriers {
		if b := &w.barriers[i]; b.origin == V10 {
			l.next = b.barrier + 1
		}
	}
	return append(w.events, w.barriers...), nil
}

func (w *v10Write) find(origin Origin, class Class, id *ID) {
	d := &Difference{Class: class}
	if id != nil {
		d.ID = id.String()
	}
	w.events = append(w.events, event{origin: origin, found: d})
}

// ofOther is what a row may be that is not compared: family, and first bytes of the key.
var ofOther = map[string]string{"accounts": "anh", "assets": "anh", "transactions": "pq", "consensus": "b", "meta": "kechsx"}

// rowKinds are the rows that are compared, by family and first byte of the key: how long the rest of it is.
var rowKinds = map[string]map[byte]int{
	"transactions": {'t': 12, 'u': 20},
	"consensus":    {'r': 8, 'v': 8},
	"meta":         {'g': 8},
}

func (l *v10Log) op(op *v10Op) error {
	if len(op.Key) == 0 {
		return unknownRow(op)
	}
	first, rest := op.Key[0], op.Key[1:]
	switch n, compared := rowKinds[op.Family][first]; {
	case op.Family == "meta" && string(op.Key) == "totals", op.Family == "meta" && string(op.Key) == "homes":
		return nil
	case op.Family == "meta" && string(op.Key) == "inbox":
		l.write.inbox = true
		return nil
	case compared && len(rest) == n:
		l.row(first, rest, op)
		return nil
	case strings.IndexByte(ofOther[op.Family], first) >= 0:
		l.write.changesOthers = l.write.changesOthers || op.Family == "accounts" || op.Family == "assets"
		return nil
	}
	return unknownRow(op)
}

func unknownRow(op *v10Op) error {
	return fault.Reasoned(fault.Unavailable, ReasonUnknownRow, "a row of %.40q whose key begins with %.1q is of a kind that this program does not know: upgrade it",
		op.Family, op.Key)
}

// row reads a row that is compared.
func (l *v10Log) row(first byte, rest []byte, op *v10Op) {
	be := binary.BigEndian
	switch first {
	case 't':
		id := ID{Round: be.Uint64(rest), Place: be.Uint32(rest[8:])}
		l.transaction(V10, Executed, id, op)
	case 'u':
		id := ID{Ms: be.Uint64(rest), Round: be.Uint64(rest[8:]), Place: be.Uint32(rest[16:])}
		l.transaction(V11, Applied, id, op)
	case 'r':
		l.write.round = true
		l.round(V10, Executed, ID{Table: Rounds, Round: be.Uint64(rest)}, op)
	case 'v':
		l.round(V11, Applied, ID{Table: Rounds, Round: be.Uint64(rest)}, op)
	case 'g':
		generation := be.Uint64(rest)
		if op.Delete || l.write.marked {
			l.write.find(V10, deletedOr(op, WrongMark), nil)
			return
		}
		l.write.barriers = append(l.write.barriers, event{origin: V10, side: Executed, barrier: generation})
	}
}

func deletedOr(op *v10Op, or Class) Class {
	if op.Delete {
		return Deleted
	}
	return or
}

// sound reports whether a row may stand in this write at all; if not, it says why. The row is compared all the same.
func (l *v10Log) sound(origin Origin, id *ID, op *v10Op) bool {
	if op.Delete {
		l.write.find(origin, Deleted, id)
		return false
	}
	if l.write.marked != (origin == V11) {
		l.write.find(origin, WrongMark, id)
	}
	return true
}

func (l *v10Log) transaction(origin Origin, side Side, id ID, op *v10Op) {
	if !l.sound(origin, &id, op) {
		return
	}
	var r txRow
	d, err := deed{}, json.Unmarshal(op.Value, &r)
	if err == nil {
		d, err = l.deed(&r)
	}
	if err != nil {
		l.write.find(origin, Unread, &id)
		return
	}
	if id.Ms == 0 {
		id.Ms = r.Ms
	}
	if origin == V10 && !lastWord(d.outcome) {
		return
	}
	l.write.events = append(l.write.events, event{origin: origin, side: side, label: l.label(origin, id.Ms), id: id, content: d.content(origin)})
}

func (l *v10Log) label(origin Origin, ms uint64) uint64 {
	if origin == V11 {
		return slotOf(ms)
	}
	return l.next
}

// deed reads a transaction's row; names become what is known of them on both sides.
func (l *v10Log) deed(r *txRow) (d deed, err error) {
	d = deed{kind: kindWords[r.Kind], code: r.Asset, outcome: r.Outcome, ms: r.Ms}
	if d.amount, err = chain.ParseAmount(cmp.Or(r.Units, "0"), 0); err != nil {
		return d, err
	}
	reference, err := hex.DecodeString(r.Reference)
	if err != nil || copy(d.reference[:], reference) != len(reference) || d.kind == 0 {
		return d, fault.New(fault.Corrupt, "a row of another kind, or with another reference")
	}
	d.from, d.to = ofName(r.From), ofName(r.To)
	if d.kind == account && r.To != "" {
		d.to = identity(l.aliases.Tag(r.To))
	}
	return d, nil
}

// ofName is the identity of a V10 name.
func ofName(name string) identity {
	if name == "" {
		return identity{}
	}
	return ofAddress(keys.AliasAddress(name))
}

func ofAddress(a chain.Address) (id identity) {
	copy(id[:], a[:])
	return id
}

func (l *v10Log) round(origin Origin, side Side, id ID, op *v10Op) {
	if !l.sound(origin, &id, op) {
		return
	}
	var r roundRow
	err := json.Unmarshal(op.Value, &r)
	hash, ok := hashOf(r.Hash)
	previous, ok2 := hashOf(r.Previous)
	if err != nil || !ok || !ok2 {
		l.write.find(origin, Unread, &id)
		return
	}
	if origin == V10 {
		previous = [32]byte{} // V11 has no more of V10's rounds than their hashes
	}
	id.Ms = r.Ms
	label := l.label(origin, r.Ms)
	l.write.events = append(l.write.events, event{origin: origin, side: side, label: label, id: id, content: roundContent(r.Ms, hash, previous)})
	if origin == V11 && label > 1 {
		l.write.barriers = append(l.write.barriers, event{origin: V11, side: Applied, barrier: label - 1})
	}
}

// hashOf reads 0x and 64 hex digits.
func hashOf(text string) (h [32]byte, ok bool) {
	raw, err := hex.DecodeString(strings.TrimPrefix(text, "0x"))
	return h, err == nil && copy(h[:], raw) == len(h) && len(raw) == len(h)
}
