// SPDX-License-Identifier: Apache-2.0

package catchup

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"reflect"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/checkpoint"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/pages"
	"github.com/aurigraph/aurigraph/internal/testkit"
)

func samples() []Message {
	at := []checkpoint.PageOf{{Section: 3, Page: 0}, {Section: 0x10001, Page: 258}}
	o := &Offer{Session: 7, Certificate: []byte{1, 2}, RootCertificate: []byte{3}, Proposal: []byte{4, 5, 6},
		Sections: []checkpoint.Section{{Number: 3, RecordBytes: 64, Pages: 2}, {Number: 0x10001, RecordBytes: 8}}}
	for i := range o.Headers {
		o.Headers[i] = bytes.Repeat([]byte{byte(i)}, i)
	}
	page := bytes.Repeat([]byte{0xab}, pages.PageBytes)
	return []Message{
		Ask{Least: 258}, Ask{Least: 1, Steady: true}, o, AskLeaves{7, 3, 256, 2}, LeavesOf{7, 3, 256, []chain.Hash{{1}, {2}}},
		AskPages{7, at}, PagesOf{7, at, [][]byte{page, page}}, Refused{0, Busy}, Refused{7, Gone}, Done{7},
		AskTable{258}, Table{258, []pages.SectionRoot{{Section: 3, RecordBytes: 64, Pages: 2, Root: chain.Hash{1}}, {Section: 0x10001, RecordBytes: 16, Pages: 1, Root: chain.Hash{2}}}},
		AskRootLeaves{258, 3, 1, 2}, RootLeaves{258, 3, 1, []chain.Hash{{1}, {2}}}, AskHeader{258}, HeaderOf{258, []byte{1, 2, 3}, []byte{4}},
		Unheld{KindAskTable, 258}, AskBelow{258, 3}, Below{258, [][]byte{{1, 2}, {3}}}, Below{Below: 258},
	}
}

func TestGoldenBytes(t *testing.T) {
	var b bytes.Buffer
	for _, m := range samples() {
		body := hex.EncodeToString(m.Append(nil))
		if len(body) > 1000 {
			body = fmt.Sprintf("%s... %d bytes", body[:100], len(body)/2)
		}
		fmt.Fprintf(&b, "kind %d: %T\n%s\n\n", m.Kind(), m, body)
	}
	testkit.Golden(t, "golden.txt", b.Bytes())
}

func TestRoundTrip(t *testing.T) {
	for _, m := range samples() {
		if have, err := Parse(m.Kind(), m.Append(nil)); err != nil || !reflect.DeepEqual(have, m) {
			t.Errorf("%T: %+v, %v", m, have, err)
		}
	}
}

// TestLargestFramesFit builds the largest frame of each kind that is large.
func TestLargestFramesFit(t *testing.T) {
	header := make([]byte, 200+chain.EntriesPerBlockMax*100)
	certificate := make([]byte, 54+chain.ValidatorsMax*(6+keys.Ed25519.SignatureBytes()+keys.MLDSA65.SignatureBytes()))
	o := &Offer{Certificate: certificate, RootCertificate: certificate, Proposal: make([]byte, 32+chain.EntriesPerBlockMax*32)}
	for i := range o.Headers {
		o.Headers[i] = header
	}
	for i := range uint32(pages.SectionsMax) {
		o.Sections = append(o.Sections, checkpoint.Section{Number: i, RecordBytes: 1, Pages: pages.PagesMax})
	}
	all := PagesOf{Session: 1}
	for i := range uint32(pagesPerFrameMax) {
		all.Pages, all.Bytes = append(all.Pages, checkpoint.PageOf{Page: i}), append(all.Bytes, make([]byte, pages.PageBytes))
	}
	table := Table{At: 1}
	for i := range uint32(pages.SectionsMax) {
		table.Rows = append(table.Rows, pages.SectionRoot{Section: i, RecordBytes: 1, Pages: pages.PagesMax})
	}
	for _, m := range []Message{o, all, table, HeaderOf{1, header, certificate}, LeavesOf{Hashes: make([]chain.Hash, leavesPerFrameMax)}} {
		body := m.Append(nil)
		if _, err := Parse(m.Kind(), body); err != nil || len(body) > FrameBytesMax {
			t.Errorf("%T of %d bytes: %v", m, len(body), err)
		}
	}
	all.Pages, all.Bytes = append(all.Pages, checkpoint.PageOf{}), append(all.Bytes, all.Bytes[0])
	if n := len(all.Append(nil)); n <= FrameBytesMax {
		t.Errorf("one page more is %d bytes, and would fit", n)
	}
}

func TestMalformed(t *testing.T) {
	for _, m := range samples() {
		body := m.Append(nil)
		for _, b := range [][]byte{nil, body[:len(body)-1], append(bytes.Clone(body), 0)} {
			if got, err := Parse(m.Kind(), b); !fault.Is(err, fault.Invalid) || fault.ReasonOf(err) != "malformed" {
				t.Errorf("%T of %d bytes instead of %d: %+v, %v", m, len(b), len(body), got, err)
			}
		}
	}
	section := func(s ...checkpoint.Section) []byte { return (&Offer{Sections: s}).Append(nil) }
	place := func(page uint32) []byte {
		return AskPages{1, []checkpoint.PageOf{{Page: page}}}.Append(nil)
	}
	for name, x := range map[string]struct {
		kind uint8
		body []byte
	}{
		"kind 0":                {0, nil},
		"another kind":          {KindBelow + 1, nil},
		"too long":              {KindDone, make([]byte, FrameBytesMax+1)},
		"steady 2":              {KindAsk, append(make([]byte, 8), 2)},
		"no leaf":               {KindAskLeaves, AskLeaves{1, 1, 0, 0}.Append(nil)},
		"too many leaves":       {KindAskLeaves, AskLeaves{1, 1, 0, leavesPerFrameMax + 1}.Append(nil)},
		"no page":               {KindAskPages, AskPages{Session: 1}.Append(nil)},
		"a page out of bounds":  {KindAskPages, place(pages.PagesMax)},
		"no reason":             {KindRefused, Refused{1, 0}.Append(nil)},
		"another reason":        {KindRefused, Refused{1, Gone + 1}.Append(nil)},
		"sections that descend": {KindOffer, section(checkpoint.Section{Number: 2, RecordBytes: 1}, checkpoint.Section{Number: 1, RecordBytes: 1})},
		"a section twice":       {KindOffer, section(checkpoint.Section{Number: 2, RecordBytes: 1}, checkpoint.Section{Number: 2, RecordBytes: 1})},
		"records of 0 bytes":    {KindOffer, section(checkpoint.Section{Number: 2})},
		"records over a page":   {KindOffer, section(checkpoint.Section{Number: 2, RecordBytes: pages.PageBytes + 1})},
		"rows that descend":     {KindTable, Table{1, []pages.SectionRoot{{Section: 2, RecordBytes: 1, Pages: 1}, {Section: 1, RecordBytes: 1, Pages: 1}}}.Append(nil)},
		"a row without pages":   {KindTable, Table{1, []pages.SectionRoot{{Section: 2, RecordBytes: 1}}}.Append(nil)},
		"a row of wide records": {KindTable, Table{1, []pages.SectionRoot{{Section: 2, RecordBytes: pages.PageBytes + 1, Pages: 1}}}.Append(nil)},
		"too many rows":         {KindTable, Table{1, make([]pages.SectionRoot, pages.SectionsMax+1)}.Append(nil)},
		"no root leaf":          {KindAskRootLeaves, AskRootLeaves{1, 1, 0, 0}.Append(nil)},
		"many root leaves":      {KindAskRootLeaves, AskRootLeaves{1, 1, 0, leavesPerFrameMax + 1}.Append(nil)},
		"headers from genesis":  {KindAskBelow, AskBelow{5, 0}.Append(nil)},
		"no header between":     {KindAskBelow, AskBelow{5, 5}.Append(nil)},
		"fewer headers":         {KindBelow, append(Below{5, [][]byte{{1}}}.Append(nil)[:8], 2, 0, 1, 0, 0, 0, 1)},
		"unheld of no ask":      {KindUnheld, Unheld{KindTable, 1}.Append(nil)},
		"too many pages":        {KindOffer, section(checkpoint.Section{Number: 2, RecordBytes: 1, Pages: pages.PagesMax + 1})},
	} {
		if m, err := Parse(x.kind, x.body); !fault.Is(err, fault.Invalid) {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, m := range samples() {
		b := m.Append(nil)
		f.Add(m.Kind(), b)
		f.Add(m.Kind(), b[:len(b)-1])
		f.Add(m.Kind()+1, b)
	}
	f.Fuzz(func(t *testing.T, kind uint8, b []byte) {
		m, err := Parse(kind, b)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatal(err)
			}
			return
		}
		if again := m.Append(nil); m.Kind() != kind || !bytes.Equal(again, b) {
			t.Fatalf("%x means %+v, which is written %x", b, m, again)
		}
		if o, ok := m.(*Offer); ok {
			rules := testRules()
			_, _ = o.Prove(&rules) // whatever it says, it must not panic
		}
	})
}
