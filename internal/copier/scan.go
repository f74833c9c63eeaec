// SPDX-License-Identifier: Apache-2.0

package copier

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// transaction is a row of V10's transactions. The texts lie in the row, or in memory of their own if they were escaped.
type transaction struct {
	ms             uint64
	kind, from, to []byte
	asset          []byte
	units          chain.Amount
	outcome        chain.Outcome
}

// scanTransaction reads a row in the form in which V10 writes it: one object of texts and numbers, each name once. What this does not
// know it does not guess at: false, and encoding/json has the last word (readTransaction). It costs a tenth of that.
func scanTransaction(row []byte, t *transaction) bool {
	*t = transaction{}
	s := scanner{rest: row}
	if !s.byte('{') {
		return false
	}
	seen := 0
	for {
		name, plain := s.text()
		if !plain || !s.byte(':') {
			return false
		}
		bit := s.field(string(name), t)
		if bit == 0 || seen&bit != 0 {
			return false
		}
		seen |= bit
		if s.byte(',') {
			continue
		}
		return s.byte('}') && len(s.rest) == 0 && seen&hasNeeded == hasNeeded
	}
}

// The fields that were seen, and those that each row has.
const (
	hasMs = 1 << iota
	hasKind
	hasFrom
	hasTo
	hasAsset
	hasUnits
	hasOutcome
	hasNeeded = hasMs | hasKind | hasUnits | hasOutcome
)

// field reads the value of a field; 0: it is none that is known, or cannot be read.
func (s *scanner) field(name string, t *transaction) int {
	ok, bit := false, 0
	switch name {
	case "ms":
		bit = hasMs
		t.ms, ok = s.number(1<<64 - 1)
	case "kind":
		bit = hasKind
		t.kind, ok = s.text()
	case "from":
		bit = hasFrom
		t.from, ok = s.text()
	case "to":
		bit = hasTo
		t.to, ok = s.text()
	case "asset":
		bit = hasAsset
		t.asset, ok = s.text()
	case "units":
		bit = hasUnits
		var text []byte
		if text, ok = s.text(); ok {
			var err error
			t.units, err = parseUnits(text)
			ok = err == nil
		}
	case "outcome":
		bit = hasOutcome
		var n uint64
		n, ok = s.number(255)
		t.outcome = chain.Outcome(n)
	}
	if !ok {
		return 0
	}
	return bit
}

// scanner reads JSON without spaces from the front.
type scanner struct{ rest []byte }

func (s *scanner) byte(c byte) bool {
	if len(s.rest) == 0 || s.rest[0] != c {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// text reads a string of UTF-8 without escapes: all others encoding/json may change.
func (s *scanner) text() ([]byte, bool) {
	if !s.byte('"') {
		return nil, false
	}
	end := bytes.IndexByte(s.rest, '"')
	if end < 0 {
		return nil, false
	}
	text, wide := s.rest[:end], false
	for _, c := range text {
		if c < ' ' || c == '\\' {
			return nil, false
		}
		wide = wide || c >= utf8.RuneSelf
	}
	if wide && !utf8.Valid(text) {
		return nil, false
	}
	s.rest = s.rest[end+1:]
	return text, true
}

// number reads digits.
func (s *scanner) number(most uint64) (uint64, bool) {
	n := 0
	for n < len(s.rest) && s.rest[n] >= '0' && s.rest[n] <= '9' {
		n++
	}
	if n == 0 || n > 1 && s.rest[0] == '0' {
		return 0, false
	}
	v := uint64(0)
	if n < 20 {
		for _, c := range s.rest[:n] {
			v = v*10 + uint64(c-'0')
		}
	} else {
		var err error
		if v, err = strconv.ParseUint(string(s.rest[:n]), 10, 64); err != nil {
			return 0, false
		}
	}
	s.rest = s.rest[n:]
	return v, v <= most
}

type transactionRow struct {
	Ms      uint64        `json:"ms"`
	Kind    string        `json:"kind"`
	From    string        `json:"from"`
	To      string        `json:"to"`
	Asset   string        `json:"asset"`
	Units   units         `json:"units"`
	Outcome chain.Outcome `json:"outcome"`
}

// readTransaction reads a row in any form.
func readTransaction(row []byte, t *transaction) error {
	if scanTransaction(row, t) {
		return nil
	}
	var slow transactionRow
	if err := readRow(row, famTransactions, &slow); err != nil {
		return err
	}
	*t = transaction{
		ms: slow.Ms, kind: []byte(slow.Kind), from: []byte(slow.From), to: []byte(slow.To), asset: []byte(slow.Asset), units: slow.Units.Amount, outcome: slow.Outcome,
	}
	return nil
}
