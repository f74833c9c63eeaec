// SPDX-License-Identifier: Apache-2.0

package v10

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Constant words of a submit's answer. They do not depend on how long it took: a repeat under the same Idempotency-Key gets
// the same bytes.
const (
	StatusSubmitted       = "submitted"
	StatusRefused         = "refused"
	StatusUnknown         = "unknown"
	EstimatedConfirmation = "0.1s"
	FeeNone               = "0 AUR"
)

// SubmitAnswer is the answer to a payment that is certified.
type SubmitAnswer struct {
	TransactionID         string `json:"transaction_id"`
	Status                string `json:"status"`
	EstimatedConfirmation string `json:"estimated_confirmation"`
	Fee                   string `json:"fee"`
	Timestamp             Time   `json:"timestamp"`
}

// AppendSubmitAnswer appends the body for a payment that lies at a place. It is the SubmitAnswer of that place, byte for byte.
func AppendSubmitAnswer(dst []byte, id TxID) []byte {
	dst = append(dst, `{"transaction_id":"`...)
	dst = id.Append(dst)
	dst = append(dst, `","status":"`+StatusSubmitted+`","estimated_confirmation":"`+EstimatedConfirmation+`","fee":"`+FeeNone+`","timestamp":"`...)
	dst = AppendTime(dst, id.Ms)
	return append(dst, `"}`...)
}

// BatchResult is the answer to one item of a batch: its id, or why it was refused.
type BatchResult struct {
	TransactionID string `json:"transaction_id,omitempty"`
	Status        string `json:"status"` // StatusSubmitted, StatusRefused or StatusUnknown
	Error         string `json:"error,omitempty"`
}

// BatchAnswer is the answer to a batch. Results stand in the order of the request; Total is their number, and what is neither
// accepted nor refused is unknown.
type BatchAnswer struct {
	Results  []BatchResult `json:"results"`
	Accepted int           `json:"accepted"`
	Refused  int           `json:"refused"`
	Total    int           `json:"total"`
}

// BatchAnswerOf counts what became of a batch's items.
func BatchAnswerOf(results []BatchResult) BatchAnswer {
	a := BatchAnswer{Results: results, Total: len(results)}
	for i := range results {
		switch results[i].Status {
		case StatusSubmitted:
			a.Accepted++
		case StatusRefused:
			a.Refused++
		}
	}
	return a
}

// BatchWriter appends the answer to a batch, item by item.
type BatchWriter struct {
	out                      []byte
	accepted, refused, total int
}

// NewBatchWriter appends to dst.
func NewBatchWriter(dst []byte) BatchWriter {
	return BatchWriter{out: append(dst, `{"results":[`...)}
}

func (w *BatchWriter) next() {
	if w.total > 0 {
		w.out = append(w.out, ',')
	}
	w.total++
}

// Accepted appends an item that is certified.
func (w *BatchWriter) Accepted(id TxID) {
	w.next()
	w.accepted++
	w.out = append(w.out, `{"transaction_id":"`...)
	w.out = id.Append(w.out)
	w.out = append(w.out, `","status":"`+StatusSubmitted+`"}`...)
}

// Refused appends an item that was refused for good, or whose fate is not known yet (504).
func (w *BatchWriter) Refused(p Problem) {
	w.next()
	if p.Code == kindCodes[fault.Timeout].code {
		w.out = append(w.out, `{"status":"`+StatusUnknown+`","error":`...)
	} else {
		w.refused++
		w.out = append(w.out, `{"status":"`+StatusRefused+`","error":`...)
	}
	w.out = AppendString(w.out, p.Text)
	w.out = append(w.out, '}')
}

// End closes the body and returns all of it.
func (w *BatchWriter) End() []byte {
	w.out = append(w.out, `],"accepted":`...)
	w.out = strconv.AppendInt(w.out, int64(w.accepted), 10)
	w.out = append(w.out, `,"refused":`...)
	w.out = strconv.AppendInt(w.out, int64(w.refused), 10)
	w.out = append(w.out, `,"total":`...)
	w.out = strconv.AppendInt(w.out, int64(w.total), 10)
	return append(w.out, '}')
}

// AppendString appends s as JSON.stringify writes it: only quotes, backslashes and control characters are escaped. s is
// UTF-8.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := range len(s) {
		if plain[s[i]] {
			continue
		}
		dst = append(dst, s[from:i]...)
		dst = appendEscape(dst, s[i])
		from = i + 1
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}

func appendEscape(dst []byte, b byte) []byte {
	for k := range len(escapedAs) {
		if escapedAs[k] == b && b != '/' {
			return append(dst, '\\', escapes[k])
		}
	}
	return append(dst, '\\', 'u', '0', '0', "0123456789abcdef"[b>>4], "0123456789abcdef"[b&15])
}

// Marshal writes an answer of this package as Express would: no HTML escapes, no line end. A list that is nil is [], not null: V10's
// clients look at its length. Lists inside of lists are the caller's to make. The types of this package cannot fail.
func Marshal(v any) []byte {
	answer := reflect.New(reflect.TypeOf(v)).Elem()
	answer.Set(reflect.ValueOf(v))
	makeLists(answer)
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	err := enc.Encode(answer.Interface())
	fault.Invariant(err == nil, "an answer does not encode: %v", err)
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// makeLists makes the nil lists and maps of a struct that nobody else has. It does not look into lists, which are shared.
func makeLists(v reflect.Value) {
	if v.Kind() != reflect.Struct {
		return
	}
	for i := range v.NumField() {
		switch f := v.Field(i); {
		case f.Kind() == reflect.Slice && f.IsNil():
			f.Set(reflect.MakeSlice(f.Type(), 0, 0))
		case f.Kind() == reflect.Map && f.IsNil():
			f.Set(reflect.MakeMap(f.Type()))
		default:
			makeLists(f)
		}
	}
}
