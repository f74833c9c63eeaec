// SPDX-License-Identifier: Apache-2.0

package payfile

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/zeebo/blake3"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

const address = "0x00112233445566778899aabbccddeeff00112233"

func parse(text string) (*File, error) {
	return Parse("f", strings.NewReader(text), DefaultLimits())
}

func TestCSV(t *testing.T) {
	one := []Line{{No: 1, Row: 1, From: "2", To: address, Amount: "1.50", Asset: "AUR", Reference: "rent, May"}}
	at := func(no int) []Line {
		l := one[0]
		l.No, l.Row = no, no
		return []Line{l}
	}
	for name, c := range map[string]struct {
		text string
		want []Line
	}{
		"plain":          {"2," + address + `,1.50,AUR,"rent, May"`, one},
		"CRLF and BOM":   {"\ufeff2," + address + ",1.50,AUR,\"rent, May\"\r\n", one},
		"header":         {"From, To ,AMOUNT,asset,reference\n2," + address + `,1.50,AUR,"rent, May"`, at(2)},
		"header, moved":  {"reference,amount,to,from,asset\n\"rent, May\",1.50," + address + ",2,AUR\n", at(2)},
		"header, empty":  {"from,to,amount,asset,reference,\n2," + address + ",1.50,AUR,\"rent, May\"\n", at(2)},
		"semicolons":     {"from;to;amount;asset;reference\n2;" + address + ";1.50;AUR;rent, May\n", at(2)},
		"blank lines":    {"\n\n 2 , " + address + " , 1.50,AUR ,\"rent, May\"\n,,,\n", at(3)},
		"three fields":   {"2,3,7\n", []Line{{No: 1, Row: 1, From: "2", To: "3", Amount: "7"}}},
		"quoted newline": {"2,3,7,,\"a\nb\"\n4,5,8\n", []Line{{No: 1, Row: 1, From: "2", To: "3", Amount: "7", Reference: "a\nb"}, {No: 3, Row: 3, From: "4", To: "5", Amount: "8"}}},
	} {
		f, err := parse(c.text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !reflect.DeepEqual(f.Lines, c.want) || f.Hash != chain.Hash(blake3.Sum256([]byte(c.text))) || f.XML {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

func TestCSVErrors(t *testing.T) {
	for text, want := range map[string]string{
		"":                            "no payments",
		"from,to,amount\n":            "no payments",
		"2,3\n":                       "line 1: 2 fields",
		"2,3,1,AUR,ref,more\n":        "line 1: 6 fields",
		"2,3,0.00\n":                  "line 1: amount is 0",
		"2,3,1,5\n2,3,\n":             "line 2: the amount is missing",
		"2,3,-1\n":                    "not a decimal",
		"2,3,1e3\n":                   "not a decimal",
		"2;3;1,5\n":                   "write it as 12 or 12.50",
		"2,3,1.0000000000000000001\n": "19 decimals",
		",3,1\n":                      "from: the account is missing",
		"2,0,1\n":                     `to: account "0" is neither`,
		"2,4294967296,1\n":            "neither",
		"2,0x12,1\n":                  "40 hex digits",
		"2,0x" + strings.Repeat("0", 40) + ",1\n":    "names no account",
		"2," + strings.Repeat("9", 70) + ",1\n":      "neither an address nor a number",
		"2,3,1,ABCDEFGHIJKLMNOPQ\n":                  "asset code",
		"2,3,1,,\xff\n":                              "not UTF-8",
		"2,3,1,," + strings.Repeat("r", 1025) + "\n": "reference of 1025 bytes",
		"2,3,1,,\"a\"b\n2,3,0\n":                     "line 1: extraneous",
		"from,to,amount,from\n":                      "there twice",
		"from,to\n":                                  "must name from, to and amount",
		"from,to,amount,colour\n":                    "unknown column \"colour\"",
		"\xff\xfe2\x00":                              "UTF-16",
	} {
		_, err := parse(text)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestErrorsAreListed(t *testing.T) {
	_, err := parse("2,3,1\n" + strings.Repeat("2,3,x\n", 50))
	text := err.Error()
	if strings.Count(text, "not a decimal") != 20 || !strings.Contains(text, "has 50 errors, nothing was sent") ||
		!strings.Contains(text, "\nline 21: ") || strings.Contains(text, "line 22:") || !strings.HasSuffix(text, "and 30 more") {
		t.Error(text)
	}
}

func TestTotals(t *testing.T) {
	f, err := parse("2,3,0.1,B\n2,3,0.2,B\n2,3,7,A\n2,3,340282366920938463463374607431768211455,B\n")
	if err != nil {
		t.Fatal(err)
	}
	want := []Total{{"A", 1, "7"}, {"B", 3, "340282366920938463463374607431768211455.3"}}
	if !reflect.DeepEqual(f.Totals, want) {
		t.Errorf("%+v", f.Totals)
	}
	if f, err = parse("2,3,0.000000000000000001\n"); err != nil || f.Totals[0].Amount != "0.000000000000000001" {
		t.Errorf("%+v %v", f, err)
	}
}

func TestLimits(t *testing.T) {
	for _, text := range []string{"2,3,1\n2,3,1\n2,3,1\n", painDoc("03", tx("a", "3", "1")+tx("b", "3", "1")+tx("c", "3", "1"))} {
		if _, err := Parse("f", strings.NewReader(text), Limits{BytesMax: 1 << 20, LinesMax: 2}); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "more than 2 payments") {
			t.Error(err)
		}
		if _, err := Parse("f", strings.NewReader(text), Limits{BytesMax: int64(len(text)), LinesMax: 3}); err != nil {
			t.Error(err)
		}
		if _, err := Parse("f", strings.NewReader(text), Limits{BytesMax: int64(len(text)) - 1, LinesMax: 3}); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "too long") {
			t.Error(err)
		}
		broken := iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader(text)))
		if _, err := Parse("f", broken, DefaultLimits()); !fault.Is(err, fault.Unavailable) || !errors.Is(err, iotest.ErrTimeout) {
			t.Error(err)
		}
	}
	if _, err := Parse("f", iotest.ErrReader(iotest.ErrTimeout), DefaultLimits()); !fault.Is(err, fault.Unavailable) {
		t.Error(err)
	}
}

// tx is a CdtTrfTxInf, painDoc a document around some of them with one debtor.
func tx(id, to, amount string) string {
	return "\n<CdtTrfTxInf><PmtId><EndToEndId>" + id + "</EndToEndId></PmtId><Amt><InstdAmt Ccy=\"AUR\">" + amount +
		"</InstdAmt></Amt><CdtrAcct><Id><Othr><Id>" + to + "</Id></Othr></Id></CdtrAcct></CdtTrfTxInf>"
}

func painDoc(version, txs string) string {
	return fmt.Sprintf(`<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.%s"><CstmrCdtTrfInitn>
<GrpHdr><MsgId>m</MsgId><NbOfTxs>%d</NbOfTxs></GrpHdr>
<PmtInf><PmtMtd>TRF</PmtMtd><DbtrAcct><Id><Othr><Id> 2 </Id></Othr></Id></DbtrAcct>%s
</PmtInf></CstmrCdtTrfInitn></Document>
`, version, strings.Count(txs, "<CdtTrfTxInf>"), txs)
}

func TestPain(t *testing.T) {
	for _, version := range []string{"03", "09"} {
		raw, err := os.ReadFile("testdata/pain.001.001." + version + ".xml")
		if err != nil {
			t.Fatal(err)
		}
		f, err := Parse("pain", bytes.NewReader(raw), DefaultLimits())
		if err != nil {
			t.Fatal(err)
		}
		want := []Line{
			{No: 1, From: address, To: "7", Amount: "1200.50", Asset: "AUR", Reference: "SALARY-2025-01-7"},
			{No: 2, From: address, To: "8", Amount: "999.5", Asset: "AUR"},
			{No: 3, From: "12", To: "0xffffffffffffffffffffffffffffffffffffffff", Amount: "3", Asset: "GOLD", Reference: "INV & 9"},
		}
		for i := range f.Lines {
			if f.Lines[i].Row == 0 {
				t.Error("no row")
			}
			f.Lines[i].Row = 0
		}
		if !reflect.DeepEqual(f.Lines, want) || !f.XML || f.Hash != chain.Hash(blake3.Sum256(raw)) {
			t.Errorf("%s: %+v", version, f.Lines)
		}
		if !reflect.DeepEqual(f.Totals, []Total{{"AUR", 2, "2200"}, {"GOLD", 1, "3"}}) {
			t.Errorf("%s: %+v", version, f.Totals)
		}
	}
}

func TestPainErrors(t *testing.T) {
	good := painDoc("03", tx("a", "3", "1.50")+tx("b", "4", "2"))
	if _, err := parse(good); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ old, new, want string }{
		{"pain.001.001.03", "pain.001.001.02", "not a pain.001.001.03"},
		{"<Document xmlns", "<Dokument xmlns", "not a pain.001.001.03"},
		{"<NbOfTxs>2<", "<NbOfTxs>3<", "GrpHdr says 3 payments (NbOfTxs), there are 2"},
		{"<NbOfTxs>2<", "<NbOfTxs>two<", "GrpHdr says two payments"},
		{"<NbOfTxs>2</NbOfTxs>", "", "GrpHdr has no NbOfTxs"},
		{"</NbOfTxs>", "</NbOfTxs><CtrlSum>3.4</CtrlSum>", "GrpHdr says a sum of 3.4 (CtrlSum), it is 3.5"},
		{"</NbOfTxs>", "</NbOfTxs><CtrlSum>3,5</CtrlSum>", "says a sum of 3,5"},
		{"</PmtMtd>", "</PmtMtd><NbOfTxs>1</NbOfTxs><CtrlSum>9</CtrlSum>", "line 4: PmtInf says 1 payments"},
		{"TRF", "CHK", "must be TRF"},
		{"<Othr><Id> 2 </Id></Othr>", "<IBAN>CH1</IBAN>", "line 4: debtor has an IBAN: name the account"},
		{"<Othr><Id> 2 </Id></Othr>", "", "debtor: the account is missing"},
		{"<Othr><Id>4</Id></Othr>", "<IBAN>CH1</IBAN>", "payment 2 (line 6): creditor has an IBAN"},
		{"<Othr><Id>4</Id></Othr>", "<Othr><Id>four</Id></Othr>", "payment 2 (line 6): to: account \"four\""},
		{` Ccy="AUR">2`, ">2", "payment 2 (line 6): InstdAmt has no Ccy"},
		{`<InstdAmt Ccy="AUR">2</InstdAmt>`, "<EqvtAmt><Amt>2</Amt></EqvtAmt>", "EqvtAmt"},
		{"<Document", "<!DOCTYPE a [<!ENTITY b \"c\">]><Document", "DOCTYPE"},
		{"<MsgId>m", "<MsgId>&b;", "invalid character entity"},
		{"<MsgId>", strings.Repeat("<a>", 40), "deeper than 32"},
		{"</Document>", "", "unexpected EOF"},
		{"</Document>", "</Document>" + good[strings.Index(good, "<Document"):], "second document"},
		{`encoding="UTF-8"`, `encoding="latin1"`, "latin1"},
	} {
		text := strings.Replace(good, c.old, c.new, 1)
		if text == good {
			t.Errorf("%q is not there", c.old)
		}
		_, err := parse(text)
		if !fault.Is(err, fault.Invalid) || !strings.Contains(fmt.Sprint(err), c.want) {
			t.Errorf("%s: %v, want %q", c.new, err, c.want)
		}
	}
	if _, err := parse("<?xml version=\"1.0\"?>"); !fault.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "not a whole") {
		t.Error(err)
	}
}

func TestReference(t *testing.T) {
	if r := Reference("rent"); string(r[:5]) != "rent\x00" {
		t.Error(r)
	}
	long := strings.Repeat("x", 33)
	if Reference(long) != blake3.Sum256([]byte(long)) || string(func() []byte { r := Reference(long[:32]); return r[:] }()) != long[:32] {
		t.Error("a reference of 32 bytes travels as it is, a longer one hashed")
	}
}

// fuzzParse wants no panic, and of what parses: lines that are whole, within bounds, and that say the same when read again.
func fuzzParse(t *testing.T, raw []byte) {
	f, err := Parse("f", bytes.NewReader(raw), Limits{BytesMax: 1 << 16, LinesMax: 1000})
	if err != nil {
		if !fault.Is(err, fault.Invalid) {
			t.Fatal(err)
		}
		return
	}
	if len(f.Lines) == 0 || len(f.Lines) > 1000 {
		t.Fatalf("%d lines", len(f.Lines))
	}
	last := 0
	for _, l := range f.Lines {
		if _, _, err := ParseAccount(l.From); err != nil {
			t.Fatal(err)
		}
		if _, _, err := ParseAccount(l.To); err != nil {
			t.Fatal(err)
		}
		if n, err := decimal(l.Amount); err != nil || n.Sign() <= 0 {
			t.Fatal(l.Amount)
		}
		if l.No <= last {
			t.Fatalf("line %d after %d", l.No, last)
		}
		last = l.No
	}
}

func FuzzCSV(f *testing.F) {
	f.Add([]byte("from,to,amount,asset,reference\n2,3,1.5,AUR,\"a\nb\"\n"))
	f.Add([]byte("\ufeff2;" + address + ";7\n\n4;5;6;A"))
	f.Add([]byte("2,3,1,,\"a\"b\n2,3"))
	f.Fuzz(fuzzParse)
}

func FuzzPain(f *testing.F) {
	f.Add([]byte(painDoc("03", tx("a", "3", "1"))))
	f.Add([]byte(painDoc("09", tx("a", address, "1.5")+tx("NOTPROVIDED", "4", "2"))))
	f.Add([]byte("<Document></Document>"))
	f.Fuzz(fuzzParse)
}
