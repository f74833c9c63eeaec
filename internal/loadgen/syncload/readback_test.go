// SPDX-License-Identifier: Apache-2.0

package syncload

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	ledgerv1 "github.com/aurigraph/aurigraph/gen/aurigraph/ledger/v1"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// synthetic is a pair that exists as what is read back of it only: n payments of each side, all on both.
type synthetic struct {
	t        *testing.T
	run      *run
	numbers  map[string]chain.AccountNo
	payments [sides][]made
}

// ids of the synthetic payments: V10's are in rounds of one, V11's in blocks of all.
const (
	syntheticMs     = 1_700_000_000_000
	syntheticHeight = 40
)

func newSynthetic(t *testing.T, n int) *synthetic {
	s := &synthetic{t: t, numbers: map[string]chain.AccountNo{}}
	s.run = newRun(Config{Accounts: accountsMin}, &Target{V10Owns: func(slot uint16) bool { return slot%2 == 0 }, Funder: "F", REST: []string{"127.0.0.1:1"}}, nil)
	for i, name := range s.run.accounts.names {
		s.numbers[name] = chain.AccountNo(1000 + i)
	}
	for side := range s.payments {
		for i := range n {
			p := s.run.drawn[side].payment()
			m := made{origin: Side(side), from: s.run.accounts.names[p.From], to: s.run.accounts.names[p.To], asset: v10.DefaultAsset, units: chain.Units(uint64(p.Units))}
			m.id = v10.TxIDAt(syntheticMs+uint64(i), chain.Height(i+1), 0)
			if m.origin == V11 {
				m.id = v10.TxID{Ms: syntheticMs, Height: syntheticHeight, Batch: 1, Item: uint32(i)}
			}
			s.payments[side] = append(s.payments[side], m)
			s.run.book.Ack(Side(side), m.id, p, 0)
		}
	}
	return s
}

// rows are lines of V10's change log, with all payments but those that drop names.
func (s *synthetic) rows(drop func(made) int) (lines []string) {
	for _, all := range s.payments {
		for _, m := range all {
			key := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint64([]byte{'t'}, uint64(m.id.Height)), m.id.Place())
			if m.origin == V11 {
				key = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64([]byte{'u'}, m.id.Ms), uint64(m.id.Height))
				key = binary.BigEndian.AppendUint32(key, m.id.Place())
			}
			row := fmt.Sprintf(`{"ms":%d,"kind":"transfer","from":%q,"to":%q,"asset":"AUR","units":"%s","outcome":0}`, m.id.Ms, m.from, m.to, m.units)
			refused := strings.Replace(row, `"outcome":0`, `"outcome":7`, 1)
			op := func(family string, key []byte, value string) string {
				return fmt.Sprintf(`{"family":%q,"key":%q,"value":%q}`, family, base64.StdEncoding.EncodeToString(key), base64.StdEncoding.EncodeToString([]byte(value)))
			}
			ops := []string{op("assets", []byte("hx"), "5"), op("transactions", append([]byte{'t'}, make([]byte, 12)...), refused)}
			for range drop(m) {
				ops = append(ops, op("transactions", key, row))
			}
			lines = append(lines, fmt.Sprintf(`{"position":"ab:%d","ops":[%s]}`, 10+len(lines), strings.Join(ops, ",")))
		}
	}
	return append(lines, fmt.Sprintf(`{"head":"ab:%d"}`, 9+len(lines)))
}

// readV10 reads them through the log's port.
func (s *synthetic) readV10(drop func(made) int) {
	s.t.Helper()
	lines := s.rows(drop)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, strings.Join(lines, "\n"))
	}))
	defer server.Close()
	last := uint64(9 + len(lines) - 1)
	err := readLog(s.t.Context(), server.URL, position{"ab", 9}, func(l *logLine, at position) (bool, error) {
		return at.sequence < last, l.payments(func(m made) { s.run.saw(V10, &m) })
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

// readV11 reads a block: a sync batch with V10's payments, and a batch with V11's.
func (s *synthetic) readV11(drop func(made) int) {
	s.t.Helper()
	names := map[chain.AccountNo]string{}
	for name, no := range s.numbers {
		names[no] = name
	}
	h := &chain.ExecutedHeader{Height: syntheticHeight, TimeUs: syntheticMs * 1000}
	for index, side := range []Side{V10, V11} {
		var all []chain.Leg
		var codes []chain.Outcome
		for i, m := range s.payments[side] {
			l := chain.Leg{From: s.numbers[m.from], To: s.numbers[m.to], Asset: 1, Amount: m.units}
			n := drop(m)
			if side == V11 {
				code := chain.OK
				if n == 0 {
					code = chain.InsufficientFunds
				}
				all, codes = append(all, l), append(codes, code)
				continue
			}
			for range n {
				o := chain.SyncOrigin{Position: chain.SyncPosition{Major: uint64(i + 1)}, TimeMs: m.id.Ms, Height: uint64(m.id.Height), Place: m.id.Place()}
				all, codes = append(all, l, o.Leg()), append(codes, chain.OK, chain.OK)
			}
		}
		head := chain.BatchHeader{Institution: 2, Channel: 1, Sequence: 1}
		if side == V10 {
			head.Flags = chain.FlagSync
		}
		b, err := chain.NewBatch(head, all)
		if err != nil {
			s.t.Fatal(err)
		}
		contents := &ledgerv1.BatchContents{Payload: b.Bytes(), Outcomes: codec.Outcomes{Codes: codes}.AppendPacked(nil)}
		err = legs(h, uint32(index), contents, func(l *leg) {
			l.made.from, l.made.to, l.made.asset = names[l.from], names[l.to], v10.DefaultAsset
			s.run.saw(V11, &l.made)
		})
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

// TestDropIsSeen: what is read back is right if nothing was touched; one payment that is dropped, doubled or changed anywhere is told.
func TestDropIsSeen(t *testing.T) {
	const n = 60
	once := func(made) int { return 1 }
	one := func(s *synthetic, of Side, times int) func(made) int {
		return func(m made) int {
			if m.origin == of && m.id == s.payments[of][17].id {
				return times
			}
			return 1
		}
	}
	for name, test := range map[string]struct {
		v10, v11 func(*synthetic) func(made) int
		want     Verdict
	}{
		"nothing":                     {nil, nil, Verdict{}},
		"V10's is not on V11":         {nil, func(s *synthetic) func(made) int { return one(s, V10, 0) }, Verdict{Lost: 1}},
		"V11's is not on V10":         {func(s *synthetic) func(made) int { return one(s, V11, 0) }, nil, Verdict{Lost: 1}},
		"V10's is not on V10":         {func(s *synthetic) func(made) int { return one(s, V10, 0) }, nil, Verdict{Lost: 1}},
		"V11's was refused after all": {nil, func(s *synthetic) func(made) int { return one(s, V11, 0) }, Verdict{Lost: 1}},
		"V10's is on V11 twice":       {nil, func(s *synthetic) func(made) int { return one(s, V10, 2) }, Verdict{Duplicated: 1}},
		"V11's is on V10 three times": {func(s *synthetic) func(made) int { return one(s, V11, 3) }, nil, Verdict{Duplicated: 2}},
	} {
		s := newSynthetic(t, n)
		pick := func(f func(*synthetic) func(made) int) func(made) int {
			if f == nil {
				return once
			}
			return f(s)
		}
		s.readV10(pick(test.v10))
		s.readV11(pick(test.v11))
		test.want.Acked = sides * n
		if got := s.run.book.Verdict(); !equal(got, test.want) || s.run.report.Foreign != 0 {
			t.Errorf("%s: %+v, %d foreign", name, got, s.run.report.Foreign)
		}
	}
}

// TestForeignPayments: what the bench did not ask for is told.
func TestForeignPayments(t *testing.T) {
	s := newSynthetic(t, 2)
	good := s.payments[V10][0]
	for name, change := range map[string]func(*made){
		"another payer":  func(m *made) { m.from = "mallory" },
		"another payee":  func(m *made) { m.to = "mallory" },
		"another asset":  func(m *made) { m.asset = "EUR" },
		"a great amount": func(m *made) { m.units = chain.Units(unitsMax + 1) },
	} {
		before, m := s.run.report.Foreign, good
		change(&m)
		if s.run.saw(V11, &m); s.run.report.Foreign != before+1 || !strings.Contains(s.run.report.Failed(), "nobody asked for") {
			t.Errorf("%s: %+v", name, s.run.report)
		}
	}
}

// TestLogEnds: a log that cannot go on, or tells nonsense, is no end of what is to be read.
func TestLogEnds(t *testing.T) {
	for text, kind := range map[string]fault.Kind{
		`{"error":{"reason":"gap","text":"gone"}}`: fault.Unavailable,
		`{"position":"ab:x"}`:                      fault.Corrupt,
		`{"position":"ab:1","ops":[{"family":"transactions","key":"dA==","value":"e30="}]}`: fault.Corrupt,
		`nonsense`: fault.Corrupt,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, text) }))
		err := readLog(context.Background(), server.URL, position{"ab", 0}, func(l *logLine, _ position) (bool, error) { //lint:context the server of the test ends it
			return true, l.payments(func(made) {})
		})
		server.Close()
		if !fault.Is(err, kind) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// FuzzLogRow: whatever a row says, it is a payment or an error.
func FuzzLogRow(f *testing.F) {
	f.Add(append([]byte{'t'}, make([]byte, 12)...), []byte(`{"kind":"transfer","units":"5"}`))
	f.Add(append([]byte{'u'}, make([]byte, 20)...), []byte(`{"kind":"transfer","units":"5","outcome":3}`))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		l := logLine{Ops: []logOp{{Family: "transactions", Key: key, Value: value}}}
		n := 0
		if err := l.payments(func(m made) { n++; _ = describe(&m) }); err != nil && n > 0 {
			t.Error("an error, and a payment")
		}
	})
}
