// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const testLayers = `
layer fault          # lowest
layer chain
layer store obs
layer commit
layer node
tools audit
tests testkit
pure chain fault
allow store/disk store/seal
client chain gen
gen node client cmd
beside legacy chain fault
beside model
fence example.com/db store/disk
`

func parsed(t *testing.T, files map[string]string) *Tree {
	t.Helper()
	tree := &Tree{Markdown: map[string]string{}}
	for name, src := range files {
		if strings.HasSuffix(name, ".md") {
			tree.Markdown[name] = src
			continue
		}
		f, err := ParseFile(name, []byte(src))
		if err != nil {
			t.Fatal(err)
		}
		tree.Files = append(tree.Files, f)
	}
	return tree
}

func layersOf(t *testing.T) *Layers {
	t.Helper()
	l, err := ParseLayers(testLayers)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// expect wants no finding if want is empty, else one that contains it.
func expect(t *testing.T, found []Finding, want string) {
	t.Helper()
	if want == "" {
		if len(found) > 0 {
			t.Errorf("found %v", found)
		}
		return
	}
	for _, f := range found {
		if strings.Contains(f.String(), want) {
			return
		}
	}
	t.Errorf("found %v, want %q", found, want)
}

func TestLayers(t *testing.T) {
	own := func(p string) string { return Module + "/" + p }
	for _, c := range []struct{ file, imports, want string }{
		{"internal/chain/a.go", own("internal/fault"), ""},
		{"internal/fault/a.go", own("internal/chain"), "not in a layer below"},
		{"internal/store/a.go", own("internal/obs"), "not in a layer below"},
		{"internal/store/disk/a.go", own("internal/store"), ""},
		{"internal/store/disk/a.go", own("internal/store/seal"), ""},
		{"internal/store/seal/a.go", own("internal/store/disk"), "not its siblings"},
		{"internal/store/a.go", own("internal/store/disk"), "not its siblings"},
		{"internal/commit/a.go", own("internal/store/disk"), ""},
		{"internal/commit/a.go", own("internal/testkit"), "only test files"},
		{"internal/commit/a_test.go", own("internal/testkit"), ""},
		{"internal/commit/a.go", own("internal/store/storetest"), "only test files"},
		{"internal/store/storetest/a.go", own("internal/node"), ""},
		{"internal/nowhere/a.go", "fmt", "add it to layers.txt"},
		{"internal/commit/a.go", own("internal/nowhere"), "not in a layer below"},
		{"internal/node/a.go", own("internal/audit"), "only cmd may import tools"},
		{"cmd/x/a.go", own("internal/audit"), ""},
		{"internal/audit/a.go", own("internal/node"), ""},
		{"internal/audit/a.go", own("client"), ""},
		{"internal/node/a.go", own("client"), "import the SDK"},
		{"internal/node/a.go", own("cmd/x"), "nobody imports cmd"},
		{"client/a.go", own("internal/chain"), ""},
		{"client/a.go", own("internal/store"), "the SDK may import"},
		{"client/a.go", own("gen/api"), ""},
		{"internal/store/a.go", own("gen/api"), "generated code is for"},
		{"gen/api/a.go", own("internal/chain"), "generated code imports"},
		{"internal/chain/a.go", "time", "pure packages"},
		{"internal/store/a.go", "time", ""},
		{"internal/store/a.go", "example.com/db/v2/sub", "only store/disk"},
		{"internal/store/disk/a.go", "example.com/db/v2/sub", ""},
		{"bench/a.go", own("internal/node"), ""},
		{"legacy/rest/a.go", own("internal/chain"), ""},
		{"legacy/rest/a.go", own("legacy/store"), ""},
		{"legacy/rest/a.go", own("legacy/store/storetest"), "only test files"},
		{"legacy/rest/a.go", own("internal/store"), "may import chain, fault only"},
		{"legacy/rest/a.go", own("client"), "may import chain, fault only"},
		{"legacy/a.go", own("cmd/x"), "nobody imports cmd"},
		{"model/move/a.go", own("model/check"), ""},
		{"model/move/a.go", own("internal/chain"), "stands beside the product"},
		{"model/cmd/move/a.go", own("model/move"), ""},
		{"internal/node/a.go", own("model/check"), "only cmd may import it"},
		{"internal/node/a.go", own("legacy/store"), "only cmd may import it"},
		{"client/a.go", own("legacy"), "the SDK may import"},
		{"cmd/x/a.go", own("legacy"), ""},
		{"legacy/store/a.go", "example.com/db/v2", "only store/disk"},
	} {
		t.Run(c.file+" "+c.imports, func(t *testing.T) {
			tree := parsed(t, map[string]string{c.file: "package p\nimport _ \"" + c.imports + "\"\n"})
			expect(t, CheckLayers(tree, layersOf(t)), c.want)
		})
	}
}

func TestParseLayersRefuses(t *testing.T) {
	for _, text := range []string{"layer", "allow one", "moat a b"} {
		if _, err := ParseLayers(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
}

func TestCalls(t *testing.T) {
	for _, c := range []struct{ file, body, want string }{
		{"internal/store/a_test.go", "time.Sleep(1)", "tests do not sleep"},
		{"internal/store/a_test.go", "synctest.Test(nil, func(*int) { time.Sleep(1) })", ""},
		{"internal/store/a_test.go", "time.Sleep(1) //lint:sleep a real disk", ""},
		{"internal/store/a_test.go", "time.Sleep(1) //lint:sleep", "tests do not sleep"},
		{"internal/store/a.go", "time.Sleep(1)", ""},
		{"internal/chain/a.go", "f := time.Now; _ = f", "have no clock"},
		{"internal/store/a.go", "time.Now()", ""},
		{"internal/store/a.go", "log.Fatalf(``)", "only cmd ends"},
		{"internal/store/a.go", "os.Exit(1)", "only cmd ends"},
		{"cmd/x/a.go", "os.Exit(1)", ""},
		{"internal/store/a.go", "panic(1)", "fault.Invariant"},
		{"internal/fault/a.go", "panic(1)", ""},
		{"internal/store/a_test.go", "panic(1)", ""},
		{"internal/store/a.go", "context.Background()", "take the caller's context"},
		{"internal/store/a.go", "context.Background() //lint:context outlives the caller", ""},
		{"internal/store/a_test.go", "context.Background()", ""},
		{"internal/store/a.go", "os.Getenv(``)", "read the environment"},
		{"internal/config/a.go", "os.Getenv(``)", ""},
		{"internal/chain/a.go", "go func() {}()", "no goroutines"},
		{"internal/store/a.go", "go func() {}()", ""},
	} {
		t.Run(c.file+" "+c.body, func(t *testing.T) {
			src := "package p\nimport (\"time\"; \"log\"; \"os\"; \"context\"; \"testing/synctest\")\nfunc f() {\n" + c.body + "\n}\n"
			expect(t, CheckCalls(parsed(t, map[string]string{c.file: src}), layersOf(t)), c.want)
		})
	}
	generated := "// Code generated by x. DO NOT EDIT.\n\npackage p\nfunc f() { panic(1) }\n"
	expect(t, CheckCalls(parsed(t, map[string]string{"gen/a.go": generated}), layersOf(t)), "")
}

func TestCommentRules(t *testing.T) {
	head := spdx + "\n// Package p is.\npackage p\n"
	for _, c := range []struct{ name, src, want string }{
		{"license", "// Package p is.\npackage p\n", "first line must be"},
		{"package", spdx + "\npackage p\n", "no package comment"},
		{"func", head + "\nfunc F() {}\n", "F has no doc comment"},
		{"method", head + "\ntype t[A any] struct{}\n\nfunc (*t[A]) M() {}\n", ""},
		{"exported method", head + "\n// T is.\ntype T[A, B any] struct{}\n\nfunc (*T[A, B]) M() {}\n", "M has no doc comment"},
		{"type", head + "\ntype T struct{}\n", "T has no doc comment"},
		{"var", head + "\nvar V, w int\n", "V has no doc comment"},
		{"group", head + "\n// Numbers.\nconst (\n\tA = 1\n\tB = 2\n)\n", ""},
		{"line", head + "\nconst (\n\tA = 1 // one\n)\n", ""},
		{"todo", head + "\n// TO" + "DO: later\nvar v int\n", "with an issue"},
		{"numbered", head + "\n// TO" + "DO(#12): later\nvar v int\n", ""},
		{"fix", head + "\n// FIX" + "ME(#12): later\nvar v int\n", "with an issue"},
		{"format", head + "\nvar  v int\n", "gofmt -w"},
		{"fine", head + "\n// F does.\nfunc F() {}\n\n// T is.\ntype T struct{}\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			tree := parsed(t, map[string]string{"internal/p/a.go": c.src})
			found := append(CheckHeaders(tree), CheckDocs(tree)...)
			expect(t, append(append(found, CheckTodos(tree)...), CheckFormat(tree)...), c.want)
		})
	}
}

func TestMarkdown(t *testing.T) {
	src := "package chain\ntype T struct{ Field int }\ntype I interface{ Do() }\nfunc (T) Method() {}\nfunc Make() {}\nconst C = 1\n"
	for text, want := range map[string]string{
		"`chain.T`, `chain.Make(x)`, `chain.C`":                   "",
		"`chain.T.Field` `chain.T.Method` `chain.I.Do` `other.X`": "",
		"`chain.U`":                        "`chain.U` does not exist",
		"`chain.T.None`":                   "`chain.T.None` does not exist",
		"chain.U, `chain.u`, `x.chain.U` ": "",
	} {
		tree := parsed(t, map[string]string{"internal/chain/a.go": src, "docs/a.md": text})
		expect(t, CheckMarkdown(tree), want)
	}
}

func TestLength(t *testing.T) {
	long := "package p\nfunc (x *T) F() {" + strings.Repeat("\n", 80) + "}\ntype T int\nfunc G() {}\n"
	tree := parsed(t, map[string]string{"internal/p/a.go": long, "internal/p/a_test.go": strings.Replace(long, "F()", "H()", 1)})
	for list, want := range map[string]string{
		"":                       "81 lines, at most 70",
		"internal/p/a.go T.F 80": "grew from 80 to 81",
		"internal/p/a.go T.F 82": "shrank from 82 to 81",
		"internal/p/a.go T.F 81": "",
		"internal/p/a.go T.F 81\ninternal/p/b.go G 90 # gone": "is no longer long",
	} {
		listed, err := ParseLongFunctions("# head\n" + list)
		if err != nil {
			t.Fatal(err)
		}
		expect(t, CheckLength(tree, listed), want)
	}
	for _, bad := range []string{"a b", "a b c"} {
		if _, err := ParseLongFunctions(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestLoad(t *testing.T) {
	root := t.TempDir()
	for name, content := range map[string]string{
		"go.mod": "module x\n", "a/a.go": "package a\n", "a/README.md": "text",
		"a/testdata/b.go": "broken", ".hidden/c.go": "broken", "nested/go.mod": "", "nested/d.go": "broken", "a/x.txt": "",
	} {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := Root(filepath.Join(root, "a")); err != nil || got != root {
		t.Fatal(got, err)
	}
	tree, err := Load(root)
	if err != nil || len(tree.Files) != 1 || len(tree.Markdown) != 1 {
		t.Fatalf("%+v %v", tree, err)
	}
	if err := os.WriteFile(filepath.Join(root, "b.go"), []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(root); err == nil {
		t.Error("a file that does not parse was taken")
	}
}
