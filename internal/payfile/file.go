// SPDX-License-Identifier: Apache-2.0

package payfile

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"math/big"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/zeebo/blake3"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Bounds of a file's fields. A longer field is an error of its line.
const (
	ReferenceBytesMax = 1024
	accountBytesMax   = 64
	amountDigitsMax   = 64
	errorLinesMax     = 20 // line errors that are listed; the others are counted
)

// Limits bound a payment file. Above either the file is Invalid.
type Limits struct {
	BytesMax int64
	LinesMax int // payments
}

// DefaultLimits are 512 MiB and 1,000,000 payments.
func DefaultLimits() Limits { return Limits{BytesMax: 512 << 20, LinesMax: 1_000_000} }

// File is a well-formed payment file.
type File struct {
	Name   string
	Hash   chain.Hash // BLAKE3 of its bytes
	XML    bool
	Lines  []Line
	Totals []Total // by asset code
}

// Line is one payment as the file says it.
type Line struct {
	No        int // CSV: line of the file; pain.001: number of the payment. Both from 1
	Row       int // line of the file where it begins
	From, To  string
	Amount    string // decimal
	Asset     string // code; empty: the network's usual one
	Reference string
}

// Total sums the payments of one asset.
type Total struct {
	Asset  string
	Lines  int
	Amount string // decimal
}

// Parse reads a CSV or pain.001 file, told apart by the first character, and checks all that needs no ledger. Its errors
// are Invalid, one for all lines; a failing reader is Unavailable.
func Parse(name string, r io.Reader, limits Limits) (*File, error) {
	hash := blake3.New()
	counted := &boundedReader{r: r, left: limits.BytesMax}
	in := bufio.NewReaderSize(io.TeeReader(counted, hash), 64<<10)
	p := &parser{file: &File{Name: name}, limits: limits, errs: lineErrors{name: name}, sums: map[string]*sum{}}
	if err := p.read(in); err != nil {
		return nil, counted.explain(name, err)
	}
	_, err := io.Copy(io.Discard, in)
	if err = cmp.Or(err, counted.err); err != nil {
		return nil, counted.explain(name, err)
	}
	hash.Sum(p.file.Hash[:0])
	return p.end()
}

// boundedReader fails after its bound instead of ending, so that a long file is never half read.
type boundedReader struct {
	r    io.Reader
	left int64
	err  error
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.r.Read(p)
	if b.left -= int64(n); b.left < 0 {
		err = fault.Reasoned(fault.Invalid, "file_oversized", "it is too long: split it")
	}
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// explain prefers the reader's own error to what a parser made of it.
func (b *boundedReader) explain(name string, err error) error {
	switch {
	case b.err == nil:
		return err
	case fault.Is(b.err, fault.Invalid):
		return fault.Wrap(fault.Invalid, b.err, "payment file %s", name)
	}
	return fault.Wrap(fault.Unavailable, b.err, "read payment file %s", name)
}

// parser gathers lines, their errors and their sums.
type parser struct {
	file   *File
	limits Limits
	errs   lineErrors
	sums   map[string]*sum
}

type sum struct {
	lines int
	total big.Int // at sumScale
}

// read tells the format and reads all payments. Only what ends the reading is an error; the rest is in errs.
func (p *parser) read(in *bufio.Reader) error {
	head, err := in.Peek(3)
	if err != nil && err != io.EOF {
		return err
	}
	switch {
	case bytes.HasPrefix(head, []byte{0xFE, 0xFF}), bytes.HasPrefix(head, []byte{0xFF, 0xFE}):
		return fault.Reasoned(fault.Invalid, "file_malformed", "payment file %s is UTF-16: save it as UTF-8", p.file.Name)
	case bytes.Equal(head, []byte("\ufeff")):
		if _, err := in.Discard(3); err != nil {
			return err
		}
	}
	front, err := in.Peek(in.Size())
	if err != nil && err != io.EOF {
		return err
	}
	if bytes.HasPrefix(bytes.TrimLeft(front, " \t\r\n"), []byte("<")) {
		p.file.XML = true
		return p.readPain(in)
	}
	return p.readCSV(in, front)
}

// add checks a line alone and keeps it, right or wrong.
func (p *parser) add(l Line) error {
	if len(p.file.Lines) >= p.limits.LinesMax {
		return fault.Reasoned(fault.Invalid, "file_oversized", "payment file %s has more than %d payments: split it", p.file.Name, p.limits.LinesMax)
	}
	if err := p.check(&l); err != nil {
		p.errs.add(p.file, l, err)
	}
	p.file.Lines = append(p.file.Lines, l)
	return nil
}

func (p *parser) check(l *Line) error {
	if !utf8.ValidString(l.From + l.To + l.Amount + l.Asset + l.Reference) {
		return fault.New(fault.Invalid, "it is not UTF-8")
	}
	for _, f := range []*string{&l.From, &l.To, &l.Amount, &l.Asset} {
		*f = strings.TrimSpace(*f)
	}
	if _, _, err := ParseAccount(l.To); err != nil {
		return fault.Wrap(fault.Invalid, err, "to")
	}
	if !p.file.XML || l.From != "" { // a pain.001's debtor is checked once, at the end of its PmtInf
		if _, _, err := ParseAccount(l.From); err != nil {
			return fault.Wrap(fault.Invalid, err, "from")
		}
	}
	if len(l.Asset) > chain.CodeBytesMax {
		return fault.New(fault.Invalid, "asset code %.40q is longer than %d characters", l.Asset, chain.CodeBytesMax)
	}
	if len(l.Reference) > ReferenceBytesMax {
		return fault.New(fault.Invalid, "reference of %d bytes, at most %d", len(l.Reference), ReferenceBytesMax)
	}
	n, err := decimal(l.Amount)
	if err != nil {
		return err
	}
	if n.Sign() == 0 {
		return fault.New(fault.Invalid, "amount is 0")
	}
	s := p.sums[l.Asset]
	if s == nil {
		s = &sum{}
		p.sums[l.Asset] = s
	}
	s.lines++
	s.total.Add(&s.total, n)
	return nil
}

// end gives the file, or the error of its lines.
func (p *parser) end() (*File, error) {
	if err := p.errs.err(); err != nil {
		return nil, err
	}
	if len(p.file.Lines) == 0 {
		return nil, fault.Reasoned(fault.Invalid, "file_empty", "payment file %s has no payments", p.file.Name)
	}
	for code, s := range p.sums {
		p.file.Totals = append(p.file.Totals, Total{Asset: code, Lines: s.lines, Amount: decimalText(&s.total)})
	}
	sort.Slice(p.file.Totals, func(i, j int) bool { return p.file.Totals[i].Asset < p.file.Totals[j].Asset })
	return p.file, nil
}

// lineErrors keeps the first errorLinesMax errors and counts the rest.
type lineErrors struct {
	name  string
	count int
	texts []string
}

func (e *lineErrors) add(f *File, l Line, err error) {
	if f.XML {
		e.addf("payment %d (line %d): %v", l.No, l.Row, err)
		return
	}
	e.addf("line %d: %v", l.No, err)
}

func (e *lineErrors) addf(format string, args ...any) {
	if e.count++; e.count <= errorLinesMax {
		e.texts = append(e.texts, fmt.Sprintf(format, args...))
	}
}

func (e *lineErrors) err() error {
	if e.count == 0 {
		return nil
	}
	text := strings.Join(e.texts, "\n")
	if more := e.count - len(e.texts); more > 0 {
		text += fmt.Sprintf("\nand %d more", more)
	}
	return fault.Reasoned(fault.Invalid, "file_lines", "payment file %s has %d errors, nothing was sent:\n%s", e.name, e.count, text)
}

// ParseAccount reads an account's name in a file: 0x and 40 hex digits, or its number. Exactly one of the results is set.
func ParseAccount(s string) (chain.AccountNo, chain.Address, error) {
	if s == "" {
		return 0, chain.Address{}, fault.New(fault.Invalid, "the account is missing")
	}
	if len(s) > accountBytesMax {
		return 0, chain.Address{}, fault.New(fault.Invalid, "account %.20q… is neither an address nor a number", s)
	}
	if strings.HasPrefix(s, "0x") || strings.HasPrefix(s, "0X") {
		a, err := chain.ParseAddress(s)
		if err == nil && a.IsZero() {
			err = fault.New(fault.Invalid, "address %s names no account", s)
		}
		return 0, a, err
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n == 0 {
		return 0, chain.Address{}, fault.New(fault.Invalid, "account %q is neither an address (0x and 40 hex digits) nor a number", s)
	}
	return chain.AccountNo(n), chain.Address{}, nil
}

// sumScale holds every amount exactly, whatever its asset's scale.
const sumScale = chain.ScaleMax

// decimal reads a plain decimal at sumScale, without the bound of 128 bits: that is the asset's matter.
func decimal(s string) (*big.Int, error) {
	if s == "" {
		return nil, fault.New(fault.Invalid, "the amount is missing")
	}
	whole, frac, dotted := strings.Cut(s, ".")
	if len(s) > amountDigitsMax || whole == "" || (dotted && frac == "") || !digits(whole) || !digits(frac) {
		return nil, fault.New(fault.Invalid, "amount %.70q is not a decimal number: write it as 12 or 12.50", s)
	}
	if len(frac) > sumScale {
		return nil, fault.New(fault.Invalid, "amount %s has %d decimals, no asset has more than %d", s, len(frac), sumScale)
	}
	n, _ := new(big.Int).SetString(whole+frac+strings.Repeat("0", sumScale-len(frac)), 10)
	return n, nil
}

func decimalText(n *big.Int) string {
	s := n.String()
	if short := sumScale + 1 - len(s); short > 0 {
		s = strings.Repeat("0", short) + s
	}
	whole, frac := s[:len(s)-sumScale], strings.TrimRight(s[len(s)-sumScale:], "0")
	if frac == "" {
		return whole
	}
	return whole + "." + frac
}

func digits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
