// SPDX-License-Identifier: Apache-2.0

package v10

import (
	"encoding/binary"
	"math/bits"
	"strings"
	"unicode/utf8"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// depthMax bounds how deep values may nest in members that nobody mapped. Deeper is refused: nothing recurses further.
const depthMax = 64

// scanner reads one JSON text. It checks all of it, also what it skips; strings without escapes are parts of the text.
type scanner struct {
	text string
	at   int
	// raw is the body that text is a copy of, for reading eight bytes at a time. Nothing keeps it.
	raw []byte
}

func malformed(format string, args ...any) error {
	return fault.Reasoned(fault.Invalid, "json_malformed", "Invalid JSON: "+format, args...)
}

var (
	errNotUTF8   = malformed("the body is not UTF-8")
	errTruncated = malformed("the body ends early")
	errDeep      = malformed("values nest deeper than %d", depthMax)
	errSyntax    = malformed("unexpected character")
	errString    = malformed("a string holds a control character or a wrong escape")
	errNumber    = malformed("a number is malformed")
	errTrailing  = malformed("something follows the value")
	errNotObject = malformed("the body must be an object")
)

// newScanner takes a body, which must be UTF-8 throughout.
func newScanner(body []byte) (scanner, error) {
	text := string(body)
	if !utf8.ValidString(text) {
		return scanner{}, errNotUTF8
	}
	return scanner{text: text, raw: body}, nil
}

func (s *scanner) space() {
	for s.at < len(s.text) {
		switch s.text[s.at] {
		case ' ', '\t', '\n', '\r':
			s.at++
		default:
			return
		}
	}
}

// peek is the next byte that is no space, or 0 at the end: a NUL is nowhere valid.
func (s *scanner) peek() byte {
	if s.at < len(s.text) && s.text[s.at] > ' ' {
		return s.text[s.at]
	}
	return s.peekFar()
}

func (s *scanner) peekFar() byte {
	s.space()
	if s.at == len(s.text) {
		return 0
	}
	return s.text[s.at]
}

// want takes one byte.
func (s *scanner) want(b byte) error {
	if s.at < len(s.text) && s.text[s.at] == b {
		s.at++
		return nil
	}
	if s.peek() != b {
		return s.unexpected()
	}
	s.at++
	return nil
}

func (s *scanner) unexpected() error {
	if s.at >= len(s.text) {
		return errTruncated
	}
	return errSyntax
}

// end wants nothing but space.
func (s *scanner) end() error {
	s.space()
	if s.at < len(s.text) {
		return errTrailing
	}
	return nil
}

// members calls each with the name of every member of the object that comes next; each reads the value.
func (s *scanner) members(each func(name string) error) error {
	if err := s.want('{'); err != nil {
		return err
	}
	if s.peek() == '}' {
		s.at++
		return nil
	}
	for {
		name, err := s.string()
		if err != nil {
			return err
		}
		if err := s.want(':'); err != nil {
			return err
		}
		if err := each(name); err != nil {
			return err
		}
		if more, err := s.more('}'); !more {
			return err
		}
	}
}

// more takes the comma before another element, or the mark that ends the list.
func (s *scanner) more(end byte) (bool, error) {
	switch s.peek() {
	case ',':
		s.at++
		return true, nil
	case end:
		s.at++
		return false, nil
	default:
		return false, s.unexpected()
	}
}

// plain marks the bytes that a string may hold as they are.
var plain = func() (t [256]bool) {
	for b := 0x20; b < 256; b++ {
		t[b] = b != '"' && b != '\\'
	}
	return t
}()

// plainPrefix is the length of what a string may hold as it is. Eight bytes at a time: a byte's top bit is set in found if the
// byte is a quote, a backslash or a control character, or, falsely, if it stands above such a byte; bytes above 0x7f are plain.
func plainPrefix(b []byte) int {
	const (
		ones = 0x0101010101010101
		tops = 0x8080808080808080
	)
	i := 0
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		quote, slash := w^('"'*ones), w^('\\'*ones)
		found := ((quote-ones)&^quote | (slash-ones)&^slash | (w-0x20*ones)&^w) & tops
		if found != 0 {
			return i + bits.TrailingZeros64(found)>>3
		}
	}
	for i < len(b) && plain[b[i]] {
		i++
	}
	return i
}

// string reads a string. Without escapes it is a part of the text.
func (s *scanner) string() (string, error) {
	if s.peek() != '"' {
		return "", s.unexpected()
	}
	start := s.at + 1
	text := s.text
	i := start + plainPrefix(s.raw[start:])
	switch {
	case i == len(text):
		s.at = i
		return "", errTruncated
	case text[i] == '"':
		s.at = i + 1
		return text[start:i], nil
	}
	return s.escaped(start, i)
}

// escaped reads the rest of a string that began at start and whose first unusual byte is at i.
func (s *scanner) escaped(start, i int) (string, error) {
	var out strings.Builder
	out.WriteString(s.text[start:i])
	for i < len(s.text) {
		switch b := s.text[i]; {
		case b == '"':
			s.at = i + 1
			return out.String(), nil
		case b == '\\':
			n, err := s.escape(&out, i)
			if err != nil {
				return "", err
			}
			i += n
		case b < 0x20:
			return "", errString
		default:
			out.WriteByte(b)
			i++
		}
	}
	s.at = i
	return "", errTruncated
}

const (
	escapes   = `"\/bfnrt`
	escapedAs = "\"\\/\b\f\n\r\t"
)

// escape writes what the escape at i stands for and returns its length. Half of a surrogate pair stands for nothing that
// UTF-8 can say, and replacing it would make two names one.
func (s *scanner) escape(out *strings.Builder, i int) (int, error) {
	if i+1 == len(s.text) {
		return 0, errTruncated
	}
	if k := strings.IndexByte(escapes, s.text[i+1]); k >= 0 {
		out.WriteByte(escapedAs[k])
		return 2, nil
	}
	r, ok := s.unit(i)
	if !ok {
		return 0, errString
	}
	n := 6
	if r >= 0xD800 && r < 0xE000 {
		low, ok := s.unit(i + 6)
		if !ok || r >= 0xDC00 || low < 0xDC00 || low > 0xDFFF {
			return 0, errString
		}
		r, n = (r-0xD800)<<10+(low-0xDC00)+0x10000, 12
	}
	out.WriteRune(r)
	return n, nil
}

// unit reads \uXXXX at i.
func (s *scanner) unit(i int) (rune, bool) {
	if len(s.text) < i+6 || s.text[i] != '\\' || s.text[i+1] != 'u' {
		return 0, false
	}
	r := 0
	for _, b := range []byte(s.text[i+2 : i+6]) {
		v := hexValue(b)
		if v < 0 {
			return 0, false
		}
		r = r<<4 | v
	}
	return rune(r), true
}

// number reads a number's text.
func (s *scanner) number() (string, error) {
	s.space()
	start, text := s.at, s.text
	i := start
	if i < len(text) && text[i] == '-' {
		i++
	}
	whole := i
	i = digitsEnd(text, i)
	if i == whole || (text[whole] == '0' && i > whole+1) {
		return "", errNumber
	}
	if i < len(text) && text[i] == '.' {
		from := i + 1
		if i = digitsEnd(text, from); i == from {
			return "", errNumber
		}
	}
	if i < len(text) && (text[i] == 'e' || text[i] == 'E') {
		from := i + 1
		if from < len(text) && (text[from] == '+' || text[from] == '-') {
			from++
		}
		if i = digitsEnd(text, from); i == from {
			return "", errNumber
		}
	}
	s.at = i
	return text[start:i], nil
}

func digitsEnd(text string, i int) int {
	for i < len(text) && '0' <= text[i] && text[i] <= '9' {
		i++
	}
	return i
}

// skip reads a value of any kind and checks it.
func (s *scanner) skip(depth int) error {
	if depth > depthMax {
		return errDeep
	}
	switch s.peek() {
	case '{':
		return s.members(func(string) error { return s.skip(depth + 1) })
	case '[':
		return s.elements(func() error { return s.skip(depth + 1) })
	case '"':
		_, err := s.string()
		return err
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	case 0:
		return s.unexpected()
	default:
		_, err := s.number()
		return err
	}
}

// elements calls each at every element of the list that comes next.
func (s *scanner) elements(each func() error) error {
	if err := s.want('['); err != nil {
		return err
	}
	if s.peek() == ']' {
		s.at++
		return nil
	}
	for {
		if err := each(); err != nil {
			return err
		}
		if more, err := s.more(']'); !more {
			return err
		}
	}
}

func (s *scanner) literal(word string) error {
	if !strings.HasPrefix(s.text[s.at:], word) {
		return errSyntax
	}
	s.at += len(word)
	return nil
}

// null takes a null, if there is one: V10's clients write it for what they leave out.
func (s *scanner) null() bool {
	if s.peek() != 'n' || !strings.HasPrefix(s.text[s.at:], "null") {
		return false
	}
	s.at += len("null")
	return true
}

func wrongType(field, want string) error {
	return fault.Reasoned(fault.Invalid, "wrong_type", "%s must be %s", field, want)
}

// field reads the string of a member, "" for null.
func (s *scanner) field(name string) (string, error) {
	if s.peek() == '"' {
		return s.string()
	}
	if s.null() {
		return "", nil
	}
	if err := s.skip(1); err != nil {
		return "", err
	}
	return "", wrongType(name, "a string")
}

// decimal reads the number or string of an amount; null is none.
func (s *scanner) decimal(name string) (Decimal, error) {
	switch b := s.peek(); {
	case b == '"':
		text, err := s.string()
		return Decimal{text, true}, err
	case b == '-' || '0' <= b && b <= '9':
		text, err := s.number()
		return Decimal{text, false}, err
	case s.null():
		return Decimal{}, nil
	}
	if err := s.skip(1); err != nil {
		return Decimal{}, err
	}
	return Decimal{}, wrongType(name, "a number or a decimal string")
}
