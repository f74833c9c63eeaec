// SPDX-License-Identifier: Apache-2.0

package v10

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/testkit"
)

// document compares a generated document with its file, or writes it under -update.
func document(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("../../docs", name)
	if testkit.Updating() {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what the table says: go test ./internal/v10 -update", path)
	}
}

func TestDocumentsAreFresh(t *testing.T) {
	document(t, "v10-endpoints.md", Markdown())
	document(t, "openapi-v10.json", OpenAPI())
}

// TestOpenAPIHangsTogether follows every reference and looks for what a generator of clients trips over.
func TestOpenAPIHangsTogether(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]struct {
			OperationID string
			Parameters  []struct{ Name, In string }
			Responses   map[string]any
		}
		Components struct{ Schemas map[string]any }
	}
	text := OpenAPI()
	if err := json.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	for _, ref := range regexp.MustCompile(`"#/components/schemas/([^"]*)"`).FindAllSubmatch(text, -1) {
		if doc.Components.Schemas[string(ref[1])] == nil {
			t.Errorf("schema %s does not exist", ref[1])
		}
	}
	operations, ids := 0, map[string]string{}
	for path, methods := range doc.Paths {
		for method, op := range methods {
			operations++
			if other, taken := ids[op.OperationID]; taken {
				t.Errorf("%s %s and %s are both %s", method, path, other, op.OperationID)
			}
			ids[op.OperationID] = method + " " + path
			named := 0
			for _, p := range op.Parameters {
				if p.In == "path" && strings.Contains(path, "{"+p.Name+"}") {
					named++
				}
			}
			if named != strings.Count(path, "{") || len(op.Responses) == 0 {
				t.Errorf("%s %s: %d of its names are parameters, %d responses", method, path, named, len(op.Responses))
			}
		}
	}
	if operations != len(Endpoints()) {
		t.Errorf("%d operations, want %d", operations, len(Endpoints()))
	}
}

// TestRPCsExist looks each row's call up in the proto files.
func TestRPCsExist(t *testing.T) {
	files, err := filepath.Glob("../../proto/aurigraph/*/v1/*.proto")
	if err != nil || len(files) == 0 {
		t.Fatalf("no proto files: %v", err)
	}
	known := map[string]bool{"": true}
	service := regexp.MustCompile(`(?m)^\s*(service|rpc) (\w+)`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := ""
		for _, m := range service.FindAllSubmatch(text, -1) {
			if string(m[1]) == "service" {
				name = string(m[2])
				continue
			}
			known[name+"."+string(m[2])] = true
		}
	}
	for _, e := range Endpoints() {
		if !known[e.RPC] {
			t.Errorf("%s %s names %s, which no proto has", e.Method, e.Path, e.RPC)
		}
	}
}

func TestExamplesAreFilledIn(t *testing.T) {
	full := Sample{Account: "a/b", Transaction: "tx", Height: "7", Hash: "0xab", Asset: "AUR", Validator: "v", Node: "n", Channel: "main"}
	for i := range Endpoints() {
		e := &Endpoints()[i]
		path := e.ExampleWith(full)
		if e.Example == "" {
			continue
		}
		bare, _, _ := strings.Cut(path, "?")
		got, _, err := Match(e.Method, bare)
		if err != nil || got != e || strings.ContainsAny(path, "<>") {
			t.Errorf("%s: the example %q is of %v, %v", e.Path, path, got, err)
		}
		if strings.Contains(e.Example, "<") && e.ExampleWith(Sample{}) != "" {
			t.Errorf("%s: an example without values is %q", e.Path, e.ExampleWith(Sample{}))
		}
	}
}

func TestKeys(t *testing.T) {
	for key, good := range map[string]bool{"a": true, "": false, strings.Repeat("k", 255): true, strings.Repeat("k", 256): false, "a b": false, "ä": false, "a\n": false} {
		if (CheckKey(key) == nil) != good {
			t.Errorf("%q is good: %v", key, !good)
		}
	}
	canonical := func(p Submit) string { return string(p.AppendCanonical(nil, chain.Units(1))) }
	same := canonical(Submit{From: "a", To: "b"})
	if same != canonical(Submit{From: "a", To: "b", Currency: "AUR", Amount: Decimal{"1.0", true}}) {
		t.Error("the same payment in other words is another one")
	}
	for _, p := range []Submit{{From: "ab", To: ""}, {From: "", To: "ab"}, {From: "b", To: "a"}, {From: "a", To: "b", Currency: "EUR"}} {
		if canonical(p) == same {
			t.Errorf("%+v is the same as another payment", p)
		}
	}
}
