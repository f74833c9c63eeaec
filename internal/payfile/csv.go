// SPDX-License-Identifier: Apache-2.0

package payfile

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"strings"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// columns are the places of the fields in a record, -1 for none.
type columns struct{ from, to, amount, asset, reference int }

func usualColumns() columns { return columns{0, 1, 2, 3, 4} }

// readCSV reads payments; front is the file's beginning, to tell the separator from.
func (p *parser) readCSV(in io.Reader, front []byte) error {
	r := csv.NewReader(in)
	r.Comma, r.FieldsPerRecord, r.ReuseRecord = separator(front), -1, true
	cols, first := usualColumns(), true
	for {
		rec, err := r.Read()
		var bad *csv.ParseError
		switch {
		case err == io.EOF:
			return nil
		case errors.As(err, &bad):
			p.errs.addf("line %d: %v", bad.Line, bad.Err)
			first = false
			continue
		case err != nil:
			return err
		}
		no, _ := r.FieldPos(0)
		if first {
			first = false
			header, is, err := readHeader(rec)
			if err != nil {
				return fault.Wrap(fault.Invalid, err, "payment file %s, line %d", p.file.Name, no)
			}
			if is {
				cols = header
				continue
			}
		}
		if err := p.record(rec, no, cols); err != nil {
			return err
		}
	}
}

func (p *parser) record(rec []string, no int, cols columns) error {
	if blank(rec) {
		return nil
	}
	get := func(i int) string {
		if i < 0 || i >= len(rec) {
			return ""
		}
		return rec[i]
	}
	most := max(cols.from, cols.to, cols.amount, cols.asset, cols.reference) + 1
	if len(rec) < 3 || len(rec) > most {
		p.errs.addf("line %d: %d fields, must be from,to,amount[,asset][,reference]", no, len(rec))
		return nil
	}
	return p.add(Line{No: no, Row: no, From: get(cols.from), To: get(cols.to), Amount: get(cols.amount), Asset: get(cols.asset), Reference: get(cols.reference)})
}

func blank(rec []string) bool {
	for _, f := range rec {
		if strings.TrimSpace(f) != "" {
			return false
		}
	}
	return true
}

// separator is ; if the first line has more of them than commas.
func separator(front []byte) rune {
	line, _, _ := bytes.Cut(bytes.TrimLeft(front, "\r\n"), []byte("\n"))
	if bytes.Count(line, []byte(";")) > bytes.Count(line, []byte(",")) {
		return ';'
	}
	return ','
}

// readHeader reads the names of columns, if rec has them. A name that it does not know is an error: a column misread is
// money to the wrong place.
func readHeader(rec []string) (columns, bool, error) {
	cols := columns{-1, -1, -1, -1, -1}
	names := map[string]*int{"from": &cols.from, "to": &cols.to, "amount": &cols.amount, "asset": &cols.asset, "reference": &cols.reference}
	known, unknown := 0, ""
	for i, f := range rec {
		name := strings.ToLower(strings.TrimSpace(f))
		place, ok := names[name]
		switch {
		case !ok && name == "":
		case !ok:
			unknown = name
		case *place >= 0:
			return cols, false, fault.New(fault.Invalid, "column %q is there twice", name)
		default:
			*place = i
			known++
		}
	}
	if cols.from < 0 && cols.to < 0 && cols.amount < 0 || known == 0 {
		return cols, false, nil
	}
	if cols.from < 0 || cols.to < 0 || cols.amount < 0 {
		return cols, false, fault.New(fault.Invalid, "the header must name from, to and amount")
	}
	if unknown != "" {
		return cols, false, fault.New(fault.Invalid, "unknown column %.40q: known are from, to, amount, asset, reference", unknown)
	}
	return cols, true, nil
}
