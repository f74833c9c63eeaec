// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// integrationRule says which tests are integration tests.
const integrationRule = `Integration tests: tests and subtests that ran and passed, of e2e/, and of those elsewhere that start something real: an
outside process (os/exec), a whole node with its disk and its sockets, or a network ("up", network.Launch..., node.Open), nginx, or a server
of internal/testkit (Kafka, PostgreSQL, S3, Prometheus), in the test itself or in what it calls in its package's test files. Found by reading these files; skipped tests do not
count.`

// tests are those that passed, by package: each test and subtest by its name.
type tests map[string]map[string]bool

// readEvents reads what go test -json says. A test that failed in one of several runs has not passed.
func readEvents(r io.Reader) (tests, error) {
	all := tests{}
	s := bufio.NewScanner(r)
	s.Buffer(nil, lineBytesMax)
	for s.Scan() {
		var e struct{ Action, Package, Test string }
		if err := json.Unmarshal(s.Bytes(), &e); err != nil {
			continue // what go says when something does not build
		}
		if e.Test == "" || e.Action != "pass" && e.Action != "fail" {
			continue
		}
		if all[e.Package] == nil {
			all[e.Package] = map[string]bool{}
		}
		if before, there := all[e.Package][e.Test]; !there || before {
			all[e.Package][e.Test] = e.Action == "pass"
		}
	}
	return all, s.Err()
}

// printTests prints how many tests passed, and how many of them are integration tests, by package.
func printTests(out io.Writer, root string, ran tests) error {
	fmt.Fprintln(out, integrationRule)
	passed, failed, integration := 0, 0, 0
	for _, name := range slices.Sorted(maps.Keys(ran)) {
		at, ours := strings.CutPrefix(name, module)
		if !ours {
			at = "."
		}
		real, err := realTests(filepath.Join(root, at))
		if err != nil {
			return err
		}
		n := 0
		for test, ok := range ran[name] {
			top, _, _ := strings.Cut(test, "/")
			switch {
			case !ok:
				failed++
			case at == "e2e" || real[top]:
				n++
				fallthrough
			default:
				passed++
			}
		}
		if n > 0 {
			fmt.Fprintf(out, "%-40s %6d\n", at, n)
		}
		integration += n
	}
	fmt.Fprintf(out, "tests: %d passed, %d failed; integration tests: %d\n", passed, failed, integration)
	return nil
}

// starters are functions that start something real, by the end of their package's path. Empty: all of them do.
var starters = map[string][]string{
	"os/exec":                      {"Command", "CommandContext"},
	"internal/network":             {"Launch", "LaunchTool"},
	"internal/node":                {"Open"},
	"internal/nginx":               {"Start", "Run"},
	"internal/router/nginx":        {"Start"},
	"internal/testkit/kafkaserver": nil, "internal/testkit/pgserver": nil, "internal/testkit/s3server": nil, "internal/testkit/promserver": nil,
}

func starts(importPath, name string) bool {
	for end, names := range starters {
		if importPath == end || strings.HasSuffix(importPath, "/"+end) {
			return len(names) == 0 || slices.Contains(names, name)
		}
	}
	return false
}

// calls is what a function of a test file mentions.
type calls struct {
	real  bool
	names []string // of functions and methods that may be of its package
}

// realTests are the tests of a folder that start something real.
func realTests(dir string) (map[string]bool, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		return nil, err
	}
	functions := map[string]calls{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		imports := importsOf(parsed)
		for _, d := range parsed.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Body != nil {
				c := functions[f.Name.Name] // methods of one name are taken for one
				c.mention(f.Body, imports, dir)
				functions[f.Name.Name] = c
			}
		}
	}
	real := map[string]bool{}
	for name := range functions {
		if strings.HasPrefix(name, "Test") && reaches(functions, name, map[string]bool{}) {
			real[name] = true
		}
	}
	return real, nil
}

func importsOf(f *ast.File) map[string]string {
	out := map[string]string{}
	for _, i := range f.Imports {
		at := strings.Trim(i.Path.Value, `"`)
		name := path.Base(at)
		if i.Name != nil {
			name = i.Name.Name
		}
		out[name] = at
	}
	return out
}

// mention notes what a body mentions. Functions of the folder's own package are mentioned without its name.
func (c *calls) mention(body ast.Node, imports map[string]string, dir string) {
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && imports[x.Name] != "" {
				c.real = c.real || starts(imports[x.Name], n.Sel.Name)
				return false
			}
			c.names = append(c.names, n.Sel.Name)
		case *ast.CallExpr:
			if f, ok := n.Fun.(*ast.Ident); ok {
				c.names = append(c.names, f.Name)
				c.real = c.real || starts(filepath.ToSlash(dir), f.Name)
			}
		case *ast.CompositeLit: // a command line that begins with up
			if len(n.Elts) > 0 {
				first, ok := n.Elts[0].(*ast.BasicLit)
				c.real = c.real || ok && first.Value == `"up"`
			}
		}
		return true
	})
}

func reaches(functions map[string]calls, name string, seen map[string]bool) bool {
	if seen[name] {
		return false
	}
	seen[name] = true
	f := functions[name]
	return f.real || slices.ContainsFunc(f.names, func(next string) bool { return reaches(functions, next, seen) })
}
