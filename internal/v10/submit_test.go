// SPDX-License-Identifier: Apache-2.0

package v10

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

func TestDecodeSubmit(t *testing.T) {
	for _, c := range []struct {
		body string
		want Submit
	}{
		{`{"from":"alice","to":"bob","amount":1}`, Submit{"alice", "bob", Decimal{"1", false}, ""}},
		{" {\r\n\t\"amount\" : \"1.50\" , \"to\":\"b\",\"from\":\"a\",\"currency\":\"EUR\"} \n", Submit{"a", "b", Decimal{"1.50", true}, "EUR"}},
		{`{"from":" a ","to":"\u00e4\ud83d\ude00\/\n","amount":1e2,"currency":null}`, Submit{" a ", "ä😀/\n", Decimal{"1e2", false}, ""}},
		{`{"zkProof":true,"x":{"from":["deep",{"a":null}]},"from":"a","to":"b","amount":0.00000001,"From":"other"}`, Submit{"a", "b", Decimal{"0.00000001", false}, ""}},
		{`{"\u0066rom":"a","to":"b","amount":1}`, Submit{"a", "b", Decimal{"1", false}, ""}},
	} {
		got, err := DecodeSubmit([]byte(c.body))
		if err != nil || got != c.want {
			t.Errorf("%s\n got %+v, %v\nwant %+v", c.body, got, err, c.want)
		}
	}
}

func TestDecodeSubmitRefuses(t *testing.T) {
	deep := strings.Repeat("[", 100) + strings.Repeat("]", 100)
	for _, c := range []struct{ body, reason string }{
		{``, "json_malformed"},
		{`{`, "json_malformed"},
		{`[]`, "json_malformed"},
		{`"x"`, "json_malformed"},
		{`{"from":"a","to":"b","amount":1}}`, "json_malformed"},
		{`{"from":"a","to":"b","amount":1,}`, "json_malformed"},
		{`{'from':'a'}`, "json_malformed"},
		{`{"from":"a","to":"b","amount":01}`, "json_malformed"},
		{`{"from":"a","to":"b","amount":NaN}`, "json_malformed"},
		{`{"from":"a","to":"b","amount":+1}`, "json_malformed"},
		{`{"from":"a","to":"b","amount":.5}`, "json_malformed"},
		{"{\"from\":\"a\nb\",\"to\":\"b\",\"amount\":1}", "json_malformed"},
		{"{\"from\":\"a\xff\",\"to\":\"b\",\"amount\":1}", "json_malformed"},
		{`{"from":"\ud800","to":"b","amount":1}`, "json_malformed"},
		{`{"from":"\ud800\u0041","to":"b","amount":1}`, "json_malformed"},
		{`{"from":"\udc00\ud800","to":"b","amount":1}`, "json_malformed"},
		{`{"from":"\x","to":"b","amount":1}`, "json_malformed"},
		{`{"x":` + deep + `,"from":"a","to":"b","amount":1}`, "json_malformed"},
		{`{"from":"a","from":"a","to":"b","amount":1}`, "duplicate_member"},
		{`{"from":"a","\u0066rom":"c","to":"b","amount":1}`, "duplicate_member"},
		{`{"from":null,"from":"a","to":"b","amount":1}`, "duplicate_member"},
		{`{"from":1,"to":"b","amount":1}`, "wrong_type"},
		{`{"from":"a","to":["b"],"amount":1}`, "wrong_type"},
		{`{"from":"a","to":"b","amount":true}`, "wrong_type"},
		{`{"from":"a","to":"b","amount":{"v":1}}`, "wrong_type"},
		{`{"to":"b","amount":1}`, "name_missing"},
		{`{"from":"","to":"b","amount":1}`, "name_missing"},
		{`{"from":"a","amount":1}`, "name_missing"},
		{`{"from":"` + strings.Repeat("a", 257) + `","to":"b","amount":1}`, "name_oversized"},
		{`{"from":"a","to":"b"}`, "amount_missing"},
		{`{"from":"a","to":"b","amount":null}`, "amount_missing"},
		{`{"from":"a","to":"b","amount":-1}`, "amount_negative"},
		{`{"from":"a","to":"b","amount":"-1"}`, "amount_negative"},
		{`{"from":"a","to":"b","amount":"NaN"}`, "amount_malformed"},
		{`{"from":"a","to":"b","amount":"1e2"}`, "amount_malformed"},
		{`{"from":"a","to":"b","amount":" 1"}`, "amount_malformed"},
		{`{"from":"a","to":"b","amount":""}`, "amount_malformed"},
		{`{"from":"a","to":"b","amount":` + strings.Repeat("1", 65) + `}`, "amount_malformed"},
		{`{"from":"a","to":"b","amount":1,"currency":"eur"}`, "code_malformed"},
		{`{"from":"a","to":"a","amount":1}`, "same_account"},
	} {
		if _, err := DecodeSubmit([]byte(c.body)); !fault.Is(err, fault.Invalid) || fault.ReasonOf(err) != c.reason {
			t.Errorf("%.80s: %v (%s), want %s", c.body, err, fault.ReasonOf(err), c.reason)
		}
	}
}

func TestUnits(t *testing.T) {
	const most = "340282366920938463463374607431768211455"
	for _, c := range []struct {
		text   string
		quoted bool
		scale  uint8
		want   string // smallest units, or a reason
	}{
		{"1", false, 8, "100000000"},
		{"0.00000001", false, 8, "1"},
		{"1.50", true, 2, "150"},
		{"007.5", true, 1, "75"},
		{"1e-8", false, 8, "1"},
		{"10e-9", false, 8, "1"},
		{"1.5E+3", false, 0, "1500"},
		{"0.1e1", false, 0, "1"},
		{most, false, 0, most},
		{"3.40282366920938463463374607431768211455e38", false, 0, most},
		{"340282366920938463463374607431768211456", false, 0, "overflow"},
		{"1e39", false, 0, "overflow"},
		{"1e999999999999999999", false, 8, "overflow"},
		{"1e-999999999999999999", false, 8, "excess_decimals"},
		{"0.000000001", false, 8, "excess_decimals"},
		{"1.000000000", false, 8, "excess_decimals"},
		{"0", false, 8, "amount_zero"},
		{"0.00", true, 8, "amount_zero"},
		{"0e5", false, 8, "amount_zero"},
		{"0e-99", false, 8, "amount_zero"},
		{"-0", false, 8, "amount_negative"},
		{"-1", true, 8, "amount_negative"},
		{"--1", true, 8, "amount_negative"},
		{"-x", true, 8, "amount_malformed"},
		{"1.", true, 8, "amount_malformed"},
		{"0x10", true, 8, "amount_malformed"},
		{"Infinity", true, 8, "amount_malformed"},
		{"１", true, 8, "amount_malformed"},
	} {
		got, err := Decimal{c.text, c.quoted}.Units(c.scale)
		if err != nil && fault.ReasonOf(err) != c.want || err == nil && got.String() != c.want {
			t.Errorf("%s at %d is %v, %v; want %s", c.text, c.scale, got, err, c.want)
		}
	}
}

// FuzzUnits compares with rational numbers.
func FuzzUnits(f *testing.F) {
	f.Add("1.5e3", false, uint8(8))
	f.Add("340282366920938463463374607431768211455", true, uint8(0))
	plainForm := regexp.MustCompile(`^[0-9]+(\.[0-9]+)?$`)
	numberForm := regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,4})?$`)
	f.Fuzz(func(t *testing.T, text string, quoted bool, scale uint8) {
		scale %= 19
		if !quoted && !numberForm.MatchString(text) {
			t.Skip() // the scanner only lets numbers through
		}
		got, err := Decimal{text, quoted}.Units(scale)
		want, ok := unitsOfRat(text, scale)
		ok = ok && len(text) <= DecimalBytesMax && (!quoted || plainForm.MatchString(text))
		if _, frac, _ := strings.Cut(text, "."); plainForm.MatchString(text) && len(frac) > int(scale) {
			ok = false // zeros at the end count as decimals
		}
		if (err == nil) != ok || (ok && got != want) {
			t.Errorf("%q at %d: %v, %v; want %v, %v", text, scale, got, err, want, ok)
		}
	})
}

// oracleSubmit reads a payment through encoding/json and maps, with the dialect's rules.
func oracleSubmit(body []byte) (Submit, bool) {
	if !utf8.Valid(body) || !json.Valid(body) || deeperThan(body, depthMax) || halfSurrogate(body) {
		return Submit{}, false
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return Submit{}, false
	}
	members := map[string]json.RawMessage{}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return Submit{}, false
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return Submit{}, false
		}
		name, _ := key.(string)
		if _, twice := members[name]; twice && (name == "from" || name == "to" || name == "amount" || name == "currency") {
			return Submit{}, false
		}
		members[name] = value
	}
	var p Submit
	for name, field := range map[string]*string{"from": &p.From, "to": &p.To, "currency": &p.Currency} {
		if raw, ok := members[name]; ok && json.Unmarshal(raw, field) != nil {
			return Submit{}, false
		}
	}
	switch raw := string(members["amount"]); {
	case raw == "" || raw == "null":
	case raw[0] == '"':
		p.Amount.Quoted = true
		if json.Unmarshal([]byte(raw), &p.Amount.Text) != nil {
			return Submit{}, false
		}
	case raw[0] == '-' || '0' <= raw[0] && raw[0] <= '9':
		p.Amount.Text = raw
	default:
		return Submit{}, false
	}
	return p, p.Check() == nil
}

// deeperThan reports whether a value of valid JSON lies inside n others.
func deeperThan(body []byte, n int) bool {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	open := 0
	for {
		token, err := dec.Token()
		if err != nil {
			return false
		}
		switch token {
		case json.Delim('}'), json.Delim(']'):
			open--
			continue
		}
		// A member's name is counted like a value: it stands where its value stands.
		if open >= n {
			return true
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			open++
		}
	}
}

var surrogates = regexp.MustCompile(`\\(\\|"|/|b|f|n|r|t|u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[0-9a-fA-F]{4})`)

// halfSurrogate reports whether valid JSON escapes half of a surrogate pair.
func halfSurrogate(body []byte) bool {
	for _, m := range surrogates.FindAll(body, -1) {
		if len(m) == 6 && (m[2]|0x20) == 'd' && strings.IndexByte("89abcdef", m[3]|0x20) >= 0 {
			return true
		}
	}
	return false
}

func submitSeeds(f *testing.F) {
	for _, s := range []string{
		`{"from":"alice","to":"bob","amount":1}`, `{"from":"a","to":"\ud83d\ude00","amount":"1.5","currency":"AUR","x":[{"y":[]}]}`,
		`{"from":"a","from":"b","to":"c","amount":1e3}`, `{"from":"\ud800","to":"b","amount":1}`, `{"a":"\\ud800","from":"a","to":"b","amount":0}`,
		`{"transactions":[{"from":"a","to":"b","amount":1},{"from":1},{}]}`, `{"transactions":[1]}`, `null`, `{"from":null,"to":"b"}`,
	} {
		f.Add([]byte(s))
	}
}

// FuzzDecodeSubmit compares with a map decode.
func FuzzDecodeSubmit(f *testing.F) {
	submitSeeds(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := DecodeSubmit(body)
		want, ok := oracleSubmit(body)
		if (err == nil) != ok {
			t.Fatalf("%q: %v, the oracle says %v", body, err, ok)
		}
		if ok && got != want {
			t.Fatalf("%q: %+v, want %+v", body, got, want)
		}
		var general Submit
		if gerr := Decode(body, &general); len(bytes.TrimSpace(body)) > 0 && ((gerr == nil) != ok || ok && general != want) {
			t.Fatalf("%q: the general decoder says %+v, %v", body, general, gerr)
		}
	})
}

// FuzzDecodeBatch compares each item with the same item alone.
func FuzzDecodeBatch(f *testing.F) {
	submitSeeds(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		items, err := DecodeBatch(nil, body)
		if err != nil {
			if !fault.Is(err, fault.Invalid) {
				t.Fatalf("%q: %v", body, err)
			}
			return
		}
		if !json.Valid(body) {
			t.Fatalf("%q is taken for JSON", body)
		}
		var raw map[string]json.RawMessage
		var list []json.RawMessage
		if json.Unmarshal(body, &raw) != nil || json.Unmarshal(raw["transactions"], &list) != nil || len(list) != len(items) {
			t.Fatalf("%q: %d items, want %d", body, len(items), len(list))
		}
		for i, item := range items {
			alone, err := DecodeSubmit(list[i])
			if (err == nil) != (item.Err == nil) || (err == nil && alone != item.Submit) {
				t.Fatalf("%s: %+v, alone %+v, %v", list[i], item, alone, err)
			}
		}
	})
}

func TestDecodeBatch(t *testing.T) {
	body := `{"note":"x","transactions":[{"from":"a","to":"b","amount":1},{"from":"a","to":"b"},{"from":"a","from":"a"},{"from":"c","to":"d","amount":"2"}]}`
	items, err := DecodeBatch(nil, []byte(body))
	if err != nil || len(items) != 4 {
		t.Fatalf("%d items, %v", len(items), err)
	}
	if items[0].Err != nil || items[1].Err == nil || items[2].Err == nil || items[3].Err != nil || items[3].To != "d" {
		t.Errorf("%+v", items)
	}
	many := func(n int) []byte {
		return []byte(`{"transactions":[` + strings.TrimSuffix(strings.Repeat(`{"from":"a","to":"b","amount":1},`, n), ",") + `]}`)
	}
	for _, c := range []struct {
		body   []byte
		reason string
	}{
		{many(0), "batch_empty"},
		{many(BatchItemsMax + 1), "batch_oversized"},
		{[]byte(`{}`), "transactions_missing"},
		{[]byte(`{"transactions":{}}`), "wrong_type"},
		{[]byte(`{"transactions":null}`), "wrong_type"},
		{[]byte(`{"transactions":[[]]}`), "wrong_type"},
		{[]byte(`{"transactions":[{}],"transactions":[{}]}`), "duplicate_member"},
		{[]byte(`{"transactions":[{"from":"a"]}`), "json_malformed"},
		{[]byte(`{"transactions":[{"from":1,"to":}]}`), "json_malformed"},
		{[]byte(`[{}]`), "json_malformed"},
	} {
		if _, err := DecodeBatch(nil, c.body); fault.ReasonOf(err) != c.reason {
			t.Errorf("%.80s: %v, want %s", c.body, err, c.reason)
		}
	}
	if items, err := DecodeBatch(make([]BatchItem, 0, BatchItemsMax), many(BatchItemsMax)); err != nil || len(items) != BatchItemsMax {
		t.Errorf("a full batch: %d, %v", len(items), err)
	}
}

func TestDecodeSubmitAllocatesTheBodyOnly(t *testing.T) {
	body := []byte(`{"from":"account-0000001","to":"account-0000002","amount":12.5,"currency":"AUR","memo":"ignored"}`)
	if n := testing.AllocsPerRun(100, func() { _, _ = DecodeSubmit(body) }); n > 1 {
		t.Errorf("%v allocations, want the copy of the body", n)
	}
}

func TestHotAnswersAreTheirTypes(t *testing.T) {
	id := TxID{Ms: 1756894830456, Height: 7, Batch: 1, Item: 2}
	want := Marshal(SubmitAnswer{id.String(), StatusSubmitted, EstimatedConfirmation, FeeNone, Time(id.Ms)})
	if got := AppendSubmitAnswer(nil, id); !bytes.Equal(got, want) {
		t.Errorf("%s\nwant %s", got, want)
	}
	w := NewBatchWriter(nil)
	w.Accepted(id)
	w.Refused(Problem{Code: 400, Text: `says "no"`})
	w.Refused(Problem{Code: 504, Text: TextUnknown})
	want = Marshal(BatchAnswer{[]BatchResult{
		{id.String(), StatusSubmitted, ""}, {"", StatusRefused, `says "no"`}, {"", StatusUnknown, TextUnknown},
	}, 1, 1, 3})
	if got := w.End(); !bytes.Equal(got, want) {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestMarshalWritesLists(t *testing.T) {
	for _, c := range []struct {
		v    any
		want string
	}{
		{TransactionList{}, `{"transactions":[],"total":0}`},
		{Info{Description: "a<b>&c", Capabilities: nil}, `{"platform":"","version":"","description":"a<b>&c","capabilities":[],"network":{"domain":"","environment":"","region":""}}`},
		{Security{}, `{"quantum":{"enabled":false,"level":0,"algorithms":[]},"zkProofs":{"enabled":false,"types":{"snark":false,"stark":false,"plonk":false},"recursiveProofs":false},` +
			`"encryption":{"homomorphic":false,"multiPartyComputation":false}}`},
		{Supply{"AUR", DecimalOf(chain.Units(150000000), 8, false)}, `{"asset":"AUR","supply":1.5}`},
		{Supply{"AUR", DecimalOf(chain.Amount{Hi: 1}, 0, true)}, `{"asset":"AUR","supply":"18446744073709551616"}`},
		{Supply{"AUR", Decimal{}}, `{"asset":"AUR","supply":0}`},
		{StreamLine{1, BatchResult{Status: "refused", Error: "x"}}, `{"line":1,"status":"refused","error":"x"}`},
		{HealthWord{"UP"}, `{"status":"UP"}`},
	} {
		if got := string(Marshal(c.v)); got != c.want {
			t.Errorf("%s\nwant %s", got, c.want)
		}
	}
	empty := TransactionList{}
	if Marshal(empty); empty.Transactions != nil {
		t.Error("Marshal changed what it was given")
	}
}

func TestAppendString(t *testing.T) {
	var all strings.Builder
	for r := rune(0); r < 0x250; r++ {
		all.WriteRune(r)
	}
	all.WriteString("<>&\u2028😀")
	got := AppendString(nil, all.String())
	var back string
	if err := json.Unmarshal(got, &back); err != nil || back != all.String() {
		t.Errorf("does not come back: %v", err)
	}
	if want := `"\"\\\b\f\n\r\t\u0000\u001f</é>"`; string(AppendString(nil, "\"\\\b\f\n\r\t\x00\x1f</é>")) != want {
		t.Errorf("%s, want %s", AppendString(nil, "\"\\\b\f\n\r\t\x00\x1f</é>"), want)
	}
}

func TestDecode(t *testing.T) {
	var c CreateAsset
	if err := Decode([]byte(`{"code":"EUR","name":"Euro","scale":2,"issuer":"bank","Code":"X"}`), &c); err != nil || c.Code != "EUR" || c.Decimals() != 2 {
		t.Errorf("%+v, %v", c, err)
	}
	var empty Refresh
	if err := Decode(nil, &empty); err != nil {
		t.Error(err)
	}
	for _, b := range []struct {
		body   string
		into   any
		reason string
	}{
		{`{"code":"EUR","code":"USD","name":"Euro","issuer":"bank"}`, &CreateAsset{}, "duplicate_member"},
		{`{"code":"EUR","name":"Euro","issuer":"bank","scale":300}`, &CreateAsset{}, "wrong_type"},
		{`{"code":"EUR","name":"Euro","issuer":"bank","scale":"2"}`, &CreateAsset{}, "wrong_type"},
		{`{"code":"EUR","name":"Euro","issuer":"bank","scale":19}`, &CreateAsset{}, "asset_scale"},
		{`{"CODE":"EUR","name":"Euro","issuer":"bank"}`, &CreateAsset{}, "code_missing"},
		{`{"issuer":"bank","to":"x","amount":true}`, &IssueAsset{}, "wrong_type"},
		{`{"name":"x","value":1e999}`, &RecordMetric{}, "wrong_type"},
		{`{"name":"x","accounts":["a",""]}`, &CreateAPIKey{}, "name_missing"},
		{`{"name":"x"} trailing`, &CreateAPIKey{}, "json_malformed"},
		{"\x00", &CreateAPIKey{}, "json_malformed"},
		{``, &CreateAccount{}, "name_missing"},
	} {
		if err := Decode([]byte(b.body), b.into); fault.ReasonOf(err) != b.reason {
			t.Errorf("%s: %v (%s), want %s", b.body, err, fault.ReasonOf(err), b.reason)
		}
	}
}

func BenchmarkDecodeSubmit(b *testing.B) {
	body := []byte(`{"from":"account-0000001","to":"account-0000002","amount":12.5,"currency":"AUR","zkProof":true,"quantumSafe":false,` +
		`"memo":"invoice 4711 of the third of September","reference":"0x0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","meta":"` + strings.Repeat("x", 60) + `"}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeSubmit(body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeBatch(b *testing.B) {
	var body strings.Builder
	body.WriteString(`{"transactions":[`)
	for i := range BatchItemsMax {
		if i > 0 {
			body.WriteByte(',')
		}
		fmt.Fprintf(&body, `{"from":"account-%07d","to":"account-%07d","amount":%d.5,"currency":"AUR"}`, i, i+1, i+1)
	}
	body.WriteString(`]}`)
	items := make([]BatchItem, 0, BatchItemsMax)
	raw := []byte(body.String())
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if items, err = DecodeBatch(items, raw); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/BatchItemsMax, "ns/payment")
}
