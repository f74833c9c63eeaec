// SPDX-License-Identifier: Apache-2.0

package v10

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// Markdown is docs/v10-endpoints.md: the table for people.
func Markdown() []byte {
	var out strings.Builder
	l := ListEndpoints(Sample{})
	fmt.Fprintf(&out, markdownIntro, l.Total, l.Served, l.Tested, l.Total-l.Served)
	for _, group := range Groups() {
		fmt.Fprintf(&out, "\n## %s\n", group)
		writeGroup(&out, group)
	}
	out.WriteString("\n## Typed zero or empty\n\nNo engine stands behind these fields. They have V10's names and types, and never an invented figure.\n\n")
	out.WriteString("| endpoint | fields |\n|---|---|\n")
	for i := range table {
		if e := &table[i]; e.Typed != "" {
			fmt.Fprintf(&out, "| `%s %s` | %s |\n", e.Method, e.Path, e.Typed)
		}
	}
	out.WriteString("\n## Left out on purpose\n\nThese families answer V10's own 404.\n\n| paths | V10's server | why |\n|---|---|---|\n")
	for _, u := range UnservedFamilies() {
		fmt.Fprintf(&out, "| `%s` | %s | %s |\n", u.Paths, u.Servers, u.Why)
	}
	writeErrors(&out)
	out.WriteString("\n## Bodies\n\nBy the names of the Go types in `internal/v10`; the same as JSON Schema in [openapi-v10.json](openapi-v10.json).\n")
	writeTypes(&out)
	return []byte(out.String())
}

const markdownIntro = `# The endpoints of the V10 dialect

Written from the table in package ` + "`v10`" + ` by its tests: change the table, then ` + "`go test ./internal/v10 -update`" + `. What was decided
about V10's contradictions is in [ADR 18](adr/0018-v10-dialect.md).

%d endpoints: %d served, %d of them played by the contract suite; %d answer 501 and name the engine that is missing.

Each row has: the gRPC call that does the same (empty: the server answers from its own condition), where the debited account
stands, whether a machine may send it again when the answer was lost (read: always; keyed: only with an Idempotency-Key; never),
and how long the server works on it. Wherever GET is, HEAD is; OPTIONS of any path is 204.

A proxy in front of V11 puts an ` + "`X-Aurigraph-Request-Id`" + ` on each request, in place of a client's: 1 to 128 visible ASCII characters. A payment
without an Idempotency-Key is made under that id, so that the proxy may send it again; the two are never the same key.
`

// writeErrors lists the codes. Texts in quotes are always these; the others are the fault's or the outcome's own.
func writeErrors(out *strings.Builder) {
	out.WriteString("\n## Errors\n\nThe body is `{\"error\":…}`, in the families of writes of V10's management and control servers " +
		"`{\"success\":false,\"error\":…}`. 429 and 503 come with Retry-After. What is refused was not done; after 504 nobody knows yet.\n\n" +
		"| cause | code | text |\n|---|---|---|\n")
	for _, k := range fault.Kinds() {
		row := kindCodes[k]
		fmt.Fprintf(out, "| kind `%s` | %d | %s |\n", k, row.code, quotedText(row.text))
	}
	for _, reason := range slices.Sorted(maps.Keys(reasonCodes)) {
		row := reasonCodes[reason]
		fmt.Fprintf(out, "| reason `%s` | %d | %s |\n", reason, row.code, quotedText(row.text))
	}
	for _, o := range chain.Outcomes() {
		if row, ok := outcomeCodes[o]; ok {
			fmt.Fprintf(out, "| outcome `%s` | %d | %s |\n", o, row.code, quotedText(row.text))
		}
	}
	fmt.Fprintf(out, "| another outcome | 400 | %s |\n", "`The ledger refused: …`")
}

func quotedText(text string) string {
	if text == "" {
		return ""
	}
	return "`" + text + "`"
}

func writeGroup(out *strings.Builder, group Group) {
	out.WriteString("\n| endpoint | request | 200 | gRPC | debits | again | deadline |\n|---|---|---|---|---|---|---|\n")
	var notes []string
	for i := range table {
		e := &table[i]
		if e.Group != group {
			continue
		}
		answer := typeName(e.Response)
		switch {
		case e.Status == NotImplemented:
			answer = "501 `" + string(e.Missing) + "`"
		case e.Content != "" && e.Response != nil:
			answer += " as " + e.Content
		case e.Content != "":
			answer = e.Content
		}
		fmt.Fprintf(out, "| `%s %s` | %s | %s | %s | %s | %s | %d s |\n",
			e.Method, e.Path, typeName(e.Request), answer, e.RPC, e.AccountKey, e.Retry, e.DeadlineMs/1000)
		notes = append(notes, notesOf(e)...)
	}
	if len(notes) > 0 {
		out.WriteString("\n" + strings.Join(notes, "\n") + "\n")
	}
}

func notesOf(e *Endpoint) (notes []string) {
	name := "`" + e.Method + " " + e.Path + "`: "
	if e.Note != "" {
		notes = append(notes, "- "+name+e.Note)
	}
	if e.Choice != "" {
		notes = append(notes, "- "+name+"Whose answer: "+e.Choice)
	}
	for _, p := range e.Query {
		notes = append(notes, fmt.Sprintf("- %s?%s (%s): %s.", name, p.Name, p.Type, p.Doc))
	}
	return notes
}

func typeName(v any) string {
	if v == nil {
		return ""
	}
	return strings.ToUpper(reflect.TypeOf(v).Name()[:1]) + reflect.TypeOf(v).Name()[1:]
}

// writeTypes lists the members of every body, in the order in which the table names them.
func writeTypes(out *strings.Builder) {
	seen := map[reflect.Type]bool{}
	var write func(t reflect.Type)
	write = func(t reflect.Type) {
		switch {
		case t == timeType || t == decimalType:
			return
		case t.Kind() == reflect.Slice, t.Kind() == reflect.Pointer:
			write(t.Elem())
			return
		case t.Kind() != reflect.Struct || seen[t]:
			return
		}
		seen[t] = true
		fmt.Fprintf(out, "\n%s: ", typeName(reflect.Zero(t).Interface()))
		var parts []string
		fields := jsonFields(t)
		for _, f := range fields {
			parts = append(parts, fmt.Sprintf("`%s` %s", f.name, f.typeText()))
		}
		out.WriteString(strings.Join(parts, ", ") + ".\n")
		for _, f := range fields {
			write(f.typ)
		}
	}
	for i := range table {
		for _, v := range []any{table[i].Request, table[i].Response} {
			if v != nil {
				write(reflect.TypeOf(v))
			}
		}
	}
}

var (
	timeType    = reflect.TypeFor[Time]()
	decimalType = reflect.TypeFor[Decimal]()
)

// jsonField is a member of a body.
type jsonField struct {
	name     string
	typ      reflect.Type
	optional bool
}

// jsonFields are the members that a struct travels with; those of embedded structs are its own.
func jsonFields(t reflect.Type) (fields []jsonField) {
	for i := range t.NumField() {
		f := t.Field(i)
		if f.Anonymous {
			fields = append(fields, jsonFields(f.Type)...)
			continue
		}
		fields = append(fields, jsonField{jsonName(f), f.Type, strings.HasSuffix(f.Tag.Get("json"), ",omitempty")})
	}
	return fields
}

func (f jsonField) typeText() string {
	text := textOfType(f.typ)
	if f.optional {
		text += ", may be absent"
	}
	return text
}

func textOfType(t reflect.Type) string {
	switch {
	case t == timeType:
		return "time"
	case t == decimalType:
		return "decimal"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return textOfType(t.Elem())
	case reflect.Slice:
		return "list of " + textOfType(t.Elem())
	case reflect.Map:
		return "object of strings"
	case reflect.Struct:
		return typeName(reflect.Zero(t).Interface())
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "bool"
	case reflect.Float64:
		return "number"
	default:
		return "integer"
	}
}
