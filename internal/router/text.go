// SPDX-License-Identifier: Apache-2.0

package router

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// The words of a map's text: a line each, in this order. A map has one text, which is what is sent, stored and compared:
//
//	aurigraph router map 1
//	version 42
//	v11 0-99
//	v11 5000-5999
//	cohort 10000 alice%20ltd
//	crc32 0cd83f51
//
// Ranges are in order and do not touch; names are escaped as in a URL, in the order of their bytes; the checksum is CRC-32/IEEE of all
// lines before it.
const (
	textHead   = "aurigraph router map 1\n"
	wordWhat   = "version"
	wordV11    = "v11"
	wordCohort = "cohort"
	wordSum    = "crc32"
	sumBytes   = len(wordSum) + 1 + 8 + 1
)

// Text is the map in its one form. The map must pass Check.
func (m *Map) Text() []byte {
	out := fmt.Appendf(nil, "%s%s %d\n", textHead, wordWhat, m.Version)
	for _, r := range m.V11.Ranges() {
		out = fmt.Appendf(out, "%s %d-%d\n", wordV11, r.From, r.To)
	}
	for _, account := range slices.Sorted(maps.Keys(m.Cohorts)) {
		out = fmt.Appendf(out, "%s %d %s\n", wordCohort, m.Cohorts[account], v10.EscapeSegment(account))
	}
	return fmt.Appendf(out, "%s %08x\n", wordSum, crc32.ChecksumIEEE(out))
}

// Parse reads a map's text. Invalid: it is none, its checksum is wrong, or it is not the one text of its map.
func Parse(text []byte) (Map, error) {
	var m Map
	if len(text) > TextBytesMax {
		return Map{}, notText("it has %d bytes, at most %d", len(text), TextBytesMax)
	}
	body, found := bytes.CutPrefix(text, []byte(textHead))
	if !found || len(body) < sumBytes {
		return Map{}, notText("it does not begin as one, or ends early")
	}
	for line := range strings.Lines(string(body[:len(body)-sumBytes])) {
		if err := m.line(strings.TrimSuffix(line, "\n")); err != nil {
			return Map{}, err
		}
	}
	if err := m.Check(); err != nil {
		return Map{}, err
	}
	if !bytes.Equal(m.Text(), text) {
		return Map{}, notText("its checksum is wrong, or it is not in order")
	}
	return m, nil
}

func notText(format string, args ...any) error {
	return fault.Reasoned(fault.Invalid, ReasonMalformed, "this is no text of a map: "+format, args...)
}

// line reads one line between head and checksum. That each stands once and in its place is for the comparison with the text to say.
func (m *Map) line(line string) error {
	word, rest, _ := strings.Cut(line, " ")
	var err error
	switch word {
	case wordWhat:
		m.Version, err = strconv.ParseUint(rest, 10, 64)
	case wordV11:
		err = m.readRange(rest)
	case wordCohort:
		err = m.readCohort(rest)
	default:
		err = fault.New(fault.Invalid, "unknown word")
	}
	if err != nil {
		return notText("line %.60q", line)
	}
	return nil
}

func (m *Map) readRange(text string) error {
	from, to, _ := strings.Cut(text, "-")
	a, err := slotIn(from)
	if err != nil {
		return err
	}
	b, err := slotIn(to)
	if err != nil {
		return err
	}
	return m.V11.Set(chain.SlotRange{From: a, To: b})
}

func (m *Map) readCohort(text string) error {
	number, escaped, _ := strings.Cut(text, " ")
	slot, err := slotIn(number)
	account, good := v10.UnescapeSegment(escaped)
	if err != nil || !good || len(m.Cohorts) == CohortsMax {
		return fault.New(fault.Invalid, "no named account")
	}
	if m.Cohorts == nil {
		m.Cohorts = map[string]uint16{}
	}
	m.Cohorts[account] = slot
	return nil
}

func slotIn(text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	return uint16(n), err
}
