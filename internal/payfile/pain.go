// SPDX-License-Identifier: Apache-2.0

package payfile

import (
	"encoding/xml"
	"io"
	"math/big"
	"strconv"
	"strings"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Bounds of a pain.001 file beside Limits.
const (
	painDepthMax     = 32   // elements within elements
	painTextBytesMax = 2048 // text of one element that is read
)

const painSpace = "urn:iso:std:iso:20022:tech:xsd:pain.001.001."

// control is a count and a sum that a header states and its content must have.
type control struct {
	where    string
	row      int
	count    string
	sum      string
	gotCount int
	gotSum   big.Int
}

// pain reads one pain.001 document, token by token: memory grows with the payments only.
type pain struct {
	p      *parser
	d      *xml.Decoder
	path   []string
	text   strings.Builder
	group  control
	info   control // of the open PmtInf
	from   string  // its debtor
	fromAt int     // index of its first line
	line   Line    // the open CdtTrfTxInf
	bad    error   // first error within it
	ended  bool
}

// readPain reads a pain.001 document. encoding/xml expands no entities but the five of XML, and a DOCTYPE is refused.
func (p *parser) readPain(in io.Reader) error {
	s := &pain{p: p, d: xml.NewDecoder(in), group: control{where: "GrpHdr"}}
	for {
		tok, err := s.d.Token()
		if err == io.EOF {
			return s.end()
		}
		if err == nil {
			err = s.token(tok)
		}
		if err != nil {
			row, _ := s.d.InputPos()
			return fault.Wrap(fault.Invalid, err, "payment file %s, line %d", p.file.Name, row)
		}
	}
}

func (s *pain) token(tok xml.Token) error {
	switch t := tok.(type) {
	case xml.Directive:
		return fault.New(fault.Invalid, "a DOCTYPE is not allowed")
	case xml.StartElement:
		s.text.Reset()
		return s.start(t)
	case xml.EndElement:
		err := s.close()
		s.path = s.path[:len(s.path)-1]
		s.text.Reset()
		return err
	case xml.CharData:
		if room := painTextBytesMax - s.text.Len(); room > 0 {
			s.text.Write(t[:min(room, len(t))])
		}
	}
	return nil
}

func (s *pain) start(t xml.StartElement) error {
	if len(s.path) == 0 {
		if err := checkRoot(t.Name); err != nil {
			return err
		}
		if s.ended {
			return fault.New(fault.Invalid, "there is a second document")
		}
	}
	if len(s.path) >= painDepthMax {
		return fault.New(fault.Invalid, "elements lie deeper than %d", painDepthMax)
	}
	s.path = append(s.path, t.Name.Local)
	row, _ := s.d.InputPos()
	switch strings.Join(s.path, "/") {
	case painGroup:
		s.group.row = row
	case painInfo:
		s.info, s.from, s.fromAt = control{where: "PmtInf", row: row}, "", len(s.p.file.Lines)
	case painTx:
		s.line, s.bad = Line{No: len(s.p.file.Lines) + 1, Row: row}, nil
	case painTx + "/Amt/InstdAmt":
		for _, a := range t.Attr {
			if a.Name.Local == "Ccy" {
				s.line.Asset = a.Value
			}
		}
	}
	return nil
}

func checkRoot(name xml.Name) error {
	version, ok := strings.CutPrefix(name.Space, painSpace)
	if name.Local != "Document" || !ok || (version != "03" && version != "09") {
		return fault.New(fault.Invalid, "<%.40s> of namespace %.80q is not a pain.001.001.03 or pain.001.001.09 document", name.Local, name.Space)
	}
	return nil
}

// Paths of the elements that are read.
const (
	painRoot  = "Document/CstmrCdtTrfInitn"
	painGroup = painRoot + "/GrpHdr"
	painInfo  = painRoot + "/PmtInf"
	painTx    = painInfo + "/CdtTrfTxInf"
)

// close takes the value of the element that ends.
func (s *pain) close() error {
	text := strings.TrimSpace(s.text.String())
	switch path := strings.Join(s.path, "/"); path {
	case "Document":
		s.ended = true
	case painGroup + "/NbOfTxs":
		s.group.count = text
	case painGroup + "/CtrlSum":
		s.group.sum = text
	case painInfo + "/NbOfTxs":
		s.info.count = text
	case painInfo + "/CtrlSum":
		s.info.sum = text
	case painInfo + "/PmtMtd":
		if text != "TRF" {
			s.p.errs.addf("line %d: payment method %.10q, must be TRF", s.info.row, text)
		}
	case painInfo + "/DbtrAcct/Id/Othr/Id":
		s.from = text
	case painInfo + "/DbtrAcct/Id/IBAN":
		s.p.errs.addf("line %d: debtor has an IBAN: %s", s.info.row, ibanText)
		s.from = "iban"
	case painInfo:
		s.closeInfo()
	case painTx:
		return s.closeTx()
	default:
		if rest, ok := strings.CutPrefix(path, painTx+"/"); ok {
			s.closeInTx(rest, text)
		}
	}
	return nil
}

const ibanText = "name the account in Id/Othr/Id, by address or number"

func (s *pain) closeInTx(rest, text string) {
	switch rest {
	case "PmtId/EndToEndId":
		if text != "NOTPROVIDED" {
			s.line.Reference = text
		}
	case "Amt/InstdAmt":
		s.line.Amount = text
	case "Amt/EqvtAmt":
		s.fail("an equivalent amount (EqvtAmt) cannot be paid: give InstdAmt")
	case "CdtrAcct/Id/Othr/Id":
		s.line.To = text
	case "CdtrAcct/Id/IBAN":
		s.fail("creditor has an IBAN: " + ibanText)
	}
}

func (s *pain) fail(text string) {
	if s.bad == nil {
		s.bad = fault.New(fault.Invalid, "%s", text)
	}
}

func (s *pain) closeTx() error {
	if s.line.Asset == "" {
		s.fail("InstdAmt has no Ccy: it names the asset")
	}
	if s.bad != nil {
		s.p.errs.add(s.p.file, s.line, s.bad)
		// Kept, so that the numbers of later payments are right. The file is refused anyway.
		s.p.file.Lines = append(s.p.file.Lines, s.line)
	} else if err := s.p.add(s.line); err != nil {
		return err
	}
	if n, err := decimal(s.line.Amount); err == nil {
		s.group.gotSum.Add(&s.group.gotSum, n)
		s.info.gotSum.Add(&s.info.gotSum, n)
	}
	s.group.gotCount++
	s.info.gotCount++
	return nil
}

func (s *pain) closeInfo() {
	if s.from != "iban" {
		if _, _, err := ParseAccount(s.from); err != nil {
			s.p.errs.addf("line %d: debtor: %v", s.info.row, err)
		}
	}
	for i := s.fromAt; i < len(s.p.file.Lines); i++ {
		s.p.file.Lines[i].From = s.from
	}
	s.info.check(&s.p.errs)
}

func (s *pain) end() error {
	if !s.ended {
		return fault.Reasoned(fault.Invalid, "file_malformed", "payment file %s is not a whole XML document", s.p.file.Name)
	}
	if s.group.count == "" {
		s.p.errs.addf("line %d: GrpHdr has no NbOfTxs", s.group.row)
	}
	s.group.check(&s.p.errs)
	return nil
}

func (c *control) check(errs *lineErrors) {
	if c.count != "" {
		if n, err := strconv.Atoi(c.count); err != nil || n != c.gotCount {
			errs.addf("line %d: %s says %.20s payments (NbOfTxs), there are %d", c.row, c.where, c.count, c.gotCount)
		}
	}
	if c.sum != "" {
		if n, err := decimal(c.sum); err != nil || n.Cmp(&c.gotSum) != 0 {
			errs.addf("line %d: %s says a sum of %.70s (CtrlSum), it is %s", c.row, c.where, c.sum, decimalText(&c.gotSum))
		}
	}
}
