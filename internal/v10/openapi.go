// SPDX-License-Identifier: Apache-2.0

package v10

import (
	"encoding/json"
	"reflect"
	"strings"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// object is a JSON object of the document; its members are written in the order of their names.
type object = map[string]any

// OpenAPI is the dialect as an OpenAPI 3.1 document in JSON, made of the table and its types.
func OpenAPI() []byte {
	schemas := object{}
	paths := object{}
	for i := range table {
		e := &table[i]
		item, ok := paths[e.Path].(object)
		if !ok {
			item = object{}
			paths[e.Path] = item
		}
		item[strings.ToLower(e.Method)] = operation(e, schemas)
	}
	schemas["Error"] = errorSchema(object{"error": object{"type": "string"}}, "error")
	schemas["ErrorWithSuccess"] = errorSchema(object{"success": object{"const": false}, "error": object{"type": "string"}}, "success", "error")
	doc := object{
		"openapi": "3.1.0",
		"info": object{
			"title": "Aurigraph: the V10 dialect", "version": VersionLocal, "license": object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
			"description": "What clients of Aurigraph V10 speak, served by V11. Written from the table in internal/v10.",
		},
		"servers":  []any{object{"url": "/"}},
		"security": []any{object{}, object{"bearer": []any{}}, object{"apiKey": []any{}}},
		"paths":    paths,
		"components": object{"schemas": schemas, "securitySchemes": object{
			"bearer": object{"type": "http", "scheme": "bearer"},
			"apiKey": object{"type": "apiKey", "in": "header", "name": "X-API-Key"},
		}},
	}
	text, err := json.MarshalIndent(doc, "", " ")
	fault.Invariant(err == nil, "the OpenAPI document does not encode: %v", err)
	return append(text, '\n')
}

func errorSchema(properties object, required ...string) object {
	properties["missing"] = object{"type": "string", "description": "with 501: the engine that does not exist yet"}
	return object{"type": "object", "properties": properties, "required": required}
}

func operation(e *Endpoint, schemas object) object {
	op := object{
		"operationId": operationID(e), "tags": []any{string(e.Group)}, "responses": responses(e, schemas),
		"x-account-key": string(e.AccountKey), "x-retry": string(e.Retry), "x-deadline-ms": e.DeadlineMs, "x-rpc": e.RPC,
	}
	if text := strings.TrimSpace(e.Note + " " + e.Choice); text != "" {
		op["description"] = text
	}
	if params := parameters(e); len(params) > 0 {
		op["parameters"] = params
	}
	if e.Request != nil {
		content := "application/json"
		if e.AccountKey == KeyStreamFrom {
			content = e.Content
		}
		op["requestBody"] = object{"required": true, "content": object{content: object{"schema": schemaOf(reflect.TypeOf(e.Request), schemas)}}}
	}
	return op
}

// operationID is the method and the path as one word.
func operationID(e *Endpoint) string {
	var out strings.Builder
	out.WriteString(strings.ToLower(e.Method))
	for part := range strings.FieldsFuncSeq(e.Path, func(r rune) bool { return strings.ContainsRune("/{}-", r) }) {
		out.WriteString(strings.ToUpper(part[:1]) + part[1:])
	}
	return out.String()
}

func parameters(e *Endpoint) (params []any) {
	for _, name := range e.params {
		params = append(params, object{"name": name, "in": "path", "required": true, "schema": object{"type": "string"}})
	}
	for _, p := range e.Query {
		schema := object{"type": "string"}
		if p.Type == "integer" {
			schema["type"] = "integer"
		}
		params = append(params, object{"name": p.Name, "in": "query", "schema": schema, "description": p.Doc})
	}
	if e.Retry == RetryKeyed && !e.Idempotent && e.Status == Served {
		params = append(params, object{
			"name": "Idempotency-Key", "in": "header", "schema": object{"type": "string", "maxLength": KeyBytesMax},
			"description": "the same request under the same key happens once and has one answer, for 24 hours",
		})
	}
	return params
}

func responses(e *Endpoint, schemas object) object {
	name := "#/components/schemas/Error"
	if e.Errors == FamilySuccess {
		name = "#/components/schemas/ErrorWithSuccess"
	}
	wrong := object{"description": "refused or failed", "content": object{"application/json": object{"schema": object{"$ref": name}}}}
	if e.Status == NotImplemented {
		return object{"501": wrong}
	}
	answers := object{"default": wrong}
	content := "application/json"
	if e.Content != "" {
		content, _, _ = strings.Cut(e.Content, ";")
	}
	switch {
	case content == "websocket":
		answers["101"] = object{"description": "the connection is a WebSocket now"}
	case e.Response == nil:
		answers["200"] = object{"description": "done", "content": object{content: object{"schema": object{"type": "string"}}}}
	default:
		answers["200"] = object{"description": "done", "content": object{content: object{"schema": schemaOf(reflect.TypeOf(e.Response), schemas)}}}
	}
	return answers
}

// schemaOf describes a type; structs go into schemas under their names.
func schemaOf(t reflect.Type, schemas object) object {
	switch {
	case t == timeType:
		return object{"type": "string", "format": "date-time"}
	case t == decimalType:
		return object{"type": []any{"number", "string"}, "description": "exact decimal: a client must not read it into a float"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return schemaOf(t.Elem(), schemas)
	case reflect.Slice:
		return object{"type": "array", "items": schemaOf(t.Elem(), schemas)}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": schemaOf(t.Elem(), schemas)}
	case reflect.Struct:
		return structSchema(t, schemas)
	case reflect.String:
		return object{"type": "string"}
	case reflect.Bool:
		return object{"type": "boolean"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Int:
		return object{"type": "integer"}
	default:
		return object{"type": "integer", "minimum": 0}
	}
}

func structSchema(t reflect.Type, schemas object) object {
	name := typeName(reflect.Zero(t).Interface())
	ref := object{"$ref": "#/components/schemas/" + name}
	if _, ok := schemas[name]; ok {
		return ref
	}
	schema := object{"type": "object"}
	schemas[name] = schema // before its members: a type may hold itself
	properties, required := object{}, []any{}
	for _, f := range jsonFields(t) {
		properties[f.name] = schemaOf(f.typ, schemas)
		if !f.optional {
			required = append(required, f.name)
		}
	}
	schema["properties"], schema["required"] = properties, required
	return ref
}
