// SPDX-License-Identifier: Apache-2.0

package verifier

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math/bits"
	"unicode/utf8"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// scanner reads a row of V10's in its one spelling: fields in order, no spaces, no leading zeros. What is spelled otherwise it does not
// read at all.
type scanner struct {
	b   []byte
	at  int
	bad bool
}

// skip passes over text that is there, and reports whether it was.
func (s *scanner) skip(text string) bool {
	if len(s.b)-s.at < len(text) || string(s.b[s.at:s.at+len(text)]) != text {
		return false
	}
	s.at += len(text)
	return true
}

func (s *scanner) want(text string) {
	if !s.skip(text) {
		s.bad = true
	}
}

func (s *scanner) done() bool { return !s.bad && s.at == len(s.b) }

// number reads a number below 2^64.
func (s *scanner) number() (n uint64) {
	from := s.at
	for s.at < len(s.b) {
		d := s.b[s.at] - '0'
		if d > 9 {
			break
		}
		hi, lo := bits.Mul64(n, 10)
		var carry uint64
		n, carry = bits.Add64(lo, uint64(d), 0)
		if hi+carry != 0 {
			s.bad = true
		}
		s.at++
	}
	s.bad = s.bad || s.at == from || s.b[from] == '0' && s.at > from+1
	return n
}

// text reads a string. It lies in the row unless something in it was escaped.
func (s *scanner) text() []byte {
	s.want(`"`)
	from := s.at
	for i := s.at; i < len(s.b) && !s.bad; i++ {
		switch c := s.b[i]; {
		case c == '"':
			s.at = i + 1
			return s.b[from:i]
		case c == '\\' || c < ' ' || c >= utf8.RuneSelf || c == '<' || c == '>' || c == '&':
			return s.hardText(from)
		}
	}
	s.bad = true
	return nil
}

// hardText reads a string with something in it that has several spellings, and takes the one that V10 writes.
func (s *scanner) hardText(from int) []byte {
	end := from
	for end < len(s.b) && s.b[end] != '"' {
		if s.b[end] == '\\' {
			end++
		}
		end++
	}
	if end >= len(s.b) {
		s.bad = true
		return nil
	}
	quoted := s.b[from-1 : end+1]
	var text string
	if json.Unmarshal(quoted, &text) != nil {
		s.bad = true
		return nil
	}
	again, err := json.Marshal(text)
	// What is no UTF-8 V10 writes as an escape, and the rune that stands for it as it is.
	if err != nil || !bytes.Equal(again, quoted) && !bytes.Equal(again, bytes.ReplaceAll(quoted, []byte(`\ufffd`), []byte("\ufffd"))) {
		s.bad = true
		return nil
	}
	s.at = end + 1
	return []byte(text)
}

// amount reads units: decimal digits in a string, below 2^128.
func (s *scanner) amount() chain.Amount {
	s.want(`"`)
	from := s.at
	for s.at < len(s.b) && s.b[s.at]-'0' <= 9 {
		s.at++
	}
	a, ok := parseUnits(s.b[from:s.at])
	s.bad = s.bad || !ok
	s.want(`"`)
	return a
}

// parseUnits reads digits without leading zeros.
func parseUnits(digits []byte) (a chain.Amount, ok bool) {
	if len(digits) == 0 || len(digits) > 39 || digits[0] == '0' && len(digits) > 1 {
		return a, false
	}
	for _, c := range digits {
		d := c - '0'
		if d > 9 {
			return a, false
		}
		over, lo := bits.Mul64(a.Lo, 10)
		top, hi := bits.Mul64(a.Hi, 10)
		var carry uint64
		lo, carry = bits.Add64(lo, uint64(d), 0)
		hi, carry = bits.Add64(hi, over, carry)
		if top+carry != 0 {
			return a, false
		}
		a = chain.Amount{Lo: lo, Hi: hi}
	}
	return a, true
}

// hash reads 0x and 64 lower-case hex digits in a string.
func (s *scanner) hash() (h [32]byte) {
	s.want(`"0x`)
	s.hex(h[:])
	s.want(`"`)
	return h
}

func (s *scanner) hex(dst []byte) {
	end := s.at + 2*len(dst)
	if end > len(s.b) {
		s.bad = true
		return
	}
	digits := s.b[s.at:end]
	if _, err := hex.Decode(dst, digits); err != nil || bytes.ContainsAny(digits, "ABCDEF") {
		s.bad = true
	}
	s.at = end
}

// The kinds of V10's transactions as its rows say them.
var v10Kinds = [...]struct {
	word string
	kind uint8
}{{"transfer", kindTransfer}, {"account", kindOpenAccount}, {"asset", kindCreateAsset}, {"issue", kindIssue}, {"redeem", kindRedeem}}

// v10Transaction is a row of V10's transactions. Texts are valid until the row goes.
type v10Transaction struct {
	Ms              uint64
	Kind            uint8
	From, To, Asset []byte
	Units           chain.Amount
	Outcome         uint8
	Reference       [32]byte // of V11's
}

// scanTransaction reads a transaction in V10's spelling.
func scanTransaction(row []byte, t *v10Transaction) bool {
	s := scanner{b: row}
	*t = v10Transaction{Kind: kindUnknown}
	s.want(`{"ms":`)
	t.Ms = s.number()
	s.want(`,"kind":`)
	word := s.text()
	for _, k := range v10Kinds {
		if string(word) == k.word {
			t.Kind = k.kind
		}
	}
	s.bad = s.bad || t.Kind == kindUnknown
	for _, f := range [...]struct {
		name string
		into *[]byte
	}{{`,"from":`, &t.From}, {`,"to":`, &t.To}, {`,"asset":`, &t.Asset}} {
		if s.skip(f.name) {
			*f.into = s.text()
			s.bad = s.bad || len(*f.into) == 0
		}
	}
	s.want(`,"units":`)
	t.Units = s.amount()
	s.want(`,"outcome":`)
	outcome := s.number()
	s.bad = s.bad || outcome > 0xff
	t.Outcome = uint8(outcome)
	if s.skip(`,"reference":"`) {
		s.hex(t.Reference[:])
		s.want(`"`)
		s.bad = s.bad || t.Reference == [32]byte{}
	}
	s.want(`}`)
	return s.done()
}

// scanRound reads a round, or a block of V11's, in V10's spelling.
func scanRound(row []byte, r *RoundRow) bool {
	s := scanner{b: row}
	s.want(`{"ms":`)
	r.Ms = s.number()
	s.want(`,"leader":`)
	r.Leader = string(s.text())
	s.want(`,"votes":[`)
	for !s.bad && !s.skip(`]`) {
		if len(r.Votes) > 0 {
			s.want(`,`)
		}
		r.Votes = append(r.Votes, string(s.text()))
	}
	s.want(`,"block_hash":`)
	r.Hash = s.hash()
	s.want(`,"previous_hash":`)
	r.Previous = s.hash()
	s.want(`,"transactions":`)
	n := s.number()
	s.bad = s.bad || n > 1<<32-1
	r.Transactions = uint32(n)
	s.want(`}`)
	return s.done()
}

// v10Account is a row of V10's accounts.
type v10Account struct{ Number, Ms uint64 }

func scanAccount(row []byte, a *v10Account) bool {
	s := scanner{b: row}
	s.want(`{"number":`)
	a.Number = s.number()
	s.want(`,"created_ms":`)
	a.Ms = s.number()
	s.want(`}`)
	return s.done()
}

// v10Asset is a row of V10's assets.
type v10Asset struct {
	Number       uint64
	Name, Issuer []byte
	Scale        uint8
	Supply       chain.Amount
	Ms           uint64
}

func scanAsset(row []byte, a *v10Asset) bool {
	s := scanner{b: row}
	s.want(`{"number":`)
	a.Number = s.number()
	s.want(`,"name":`)
	a.Name = s.text()
	s.want(`,"scale":`)
	scale := s.number()
	s.bad = s.bad || scale > chain.ScaleMax
	a.Scale = uint8(scale)
	s.want(`,"issuer":`)
	a.Issuer = s.text()
	s.want(`,"supply":`)
	a.Supply = s.amount()
	s.want(`,"created_ms":`)
	a.Ms = s.number()
	s.want(`}`)
	return s.done()
}

// whyUnread says what is wrong with a row that has not V10's spelling: it was cut off, has a zero byte in it, is the same in another
// spelling, or something else.
func whyUnread(row []byte) string {
	var any map[string]json.RawMessage
	err := json.Unmarshal(row, &any)
	switch {
	case err == nil:
		return classSpelling
	case bytes.IndexByte(row, 0) >= 0:
		return classZeroByte
	case len(row) == 0 || err.Error() == "unexpected end of JSON input":
		return classCutOff
	}
	return classUnreadable
}

// looseTransaction reads what it can of a row in another spelling, so that the rest of it is compared too.
func looseTransaction(row []byte, t *v10Transaction) bool {
	var r struct {
		Ms        uint64 `json:"ms"`
		Kind      string `json:"kind"`
		From      string `json:"from"`
		To        string `json:"to"`
		Asset     string `json:"asset"`
		Units     string `json:"units"`
		Outcome   uint8  `json:"outcome"`
		Reference string `json:"reference"`
	}
	if json.Unmarshal(row, &r) != nil {
		return false
	}
	units, err := chain.ParseAmount(r.Units, 0)
	ref, errHex := hex.DecodeString(r.Reference)
	if err != nil || errHex != nil || len(ref) != 0 && len(ref) != 32 {
		return false
	}
	*t = v10Transaction{Ms: r.Ms, Kind: kindUnknown, From: []byte(r.From), To: []byte(r.To), Asset: []byte(r.Asset), Units: units, Outcome: r.Outcome}
	copy(t.Reference[:], ref)
	for _, k := range v10Kinds {
		if r.Kind == k.word {
			t.Kind = k.kind
		}
	}
	return t.Kind != kindUnknown
}
