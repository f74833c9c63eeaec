// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"go/ast"
	"path"
	"regexp"
	"slices"
	"strings"
)

// A ban says which functions of a package may not be called where, and what to do instead.
type ban struct {
	pkg    string // import path
	names  []string
	excuse string // //lint:<excuse> reason, on the call's line, lifts the ban; empty for none
	banned func(c place) bool
	what   string
}

// place is where a call stands.
type place struct {
	unit           string
	test, pure     bool
	inSynctestCall bool
}

var bans = []ban{
	{"time", []string{"Sleep"}, "sleep", func(p place) bool { return p.test && !p.inSynctestCall },
		"tests do not sleep: use testing/synctest, or wait for a channel"},
	{"time", []string{"Now", "Since", "Until", "After", "Tick", "NewTimer", "NewTicker"}, "", func(p place) bool { return p.pure && !p.test },
		"pure packages have no clock: pass the time in"},
	{"log", []string{"Fatal", "Fatalf", "Fatalln", "Panic", "Panicf", "Panicln"}, "", outsideCmd,
		"only cmd ends the process: return an error"},
	{"os", []string{"Exit"}, "", outsideCmd,
		"only cmd ends the process: return an error"},
	{"context", []string{"Background", "TODO"}, "context", func(p place) bool { return outsideCmd(p) && !p.test },
		"take the caller's context, or say why not: //lint:context reason"},
	{"os", []string{"Getenv", "LookupEnv", "Environ", "ExpandEnv"}, "", func(p place) bool {
		return outsideCmd(p) && !p.test && !Within(p.unit, "config")
	}, "only config and cmd read the environment"},
}

func outsideCmd(p place) bool { return p.unit != "cmd" }

// excuse matches a comment that lifts a ban on its line: a word, and a reason, which is not optional.
var excuse = regexp.MustCompile(`^//lint:([a-z]+) +\S`)

// CheckCalls finds banned calls, panics outside fault and goroutines in pure packages.
func CheckCalls(t *Tree, l *Layers) []Finding {
	var found []Finding
	for _, f := range t.Files {
		if !f.Generated {
			c := &callChecker{file: f, place: place{unit: Unit(f.Dir), test: f.Test, pure: l.IsPure(Unit(f.Dir))}}
			c.run()
			found = append(found, c.found...)
		}
	}
	return found
}

type callChecker struct {
	file     *File
	place    place
	imports  map[string]string // local name -> import path
	excuses  map[int]string    // line -> word
	synctest []ast.Node        // calls of synctest.Test
	found    []Finding
}

func (c *callChecker) run() {
	c.readImports()
	c.readExcuses()
	ast.Inspect(c.file.AST, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			c.selector(n)
		case *ast.CallExpr:
			c.call(n)
		case *ast.GoStmt:
			if c.place.pure && !c.place.test {
				c.report(n, "pure packages start no goroutines")
			}
		}
		return true
	})
}

func (c *callChecker) readImports() {
	c.imports = map[string]string{}
	for i, p := range c.file.Imports() {
		name := path.Base(p)
		if spec := c.file.AST.Imports[i]; spec.Name != nil {
			name = spec.Name.Name
		}
		c.imports[name] = p
	}
}

func (c *callChecker) readExcuses() {
	c.excuses = map[int]string{}
	for _, group := range c.file.AST.Comments {
		for _, comment := range group.List {
			if m := excuse.FindStringSubmatch(comment.Text); m != nil {
				c.excuses[c.file.Fset.Position(comment.Pos()).Line] = m[1]
			}
		}
	}
}

// call notes calls of synctest.Test, inside which time is not real, and finds panic.
func (c *callChecker) call(n *ast.CallExpr) {
	switch fun := n.Fun.(type) {
	case *ast.SelectorExpr:
		if id, ok := fun.X.(*ast.Ident); ok && c.imports[id.Name] == "testing/synctest" {
			c.synctest = append(c.synctest, n)
		}
	case *ast.Ident:
		if fun.Name == "panic" && !c.place.test && !Within(c.place.unit, "fault") {
			c.report(n, "use fault.Invariant for what cannot happen, an error for what can")
		}
	}
}

// selector looks at every mention of a banned function, not only calls: passing time.Now on is no better.
func (c *callChecker) selector(n *ast.SelectorExpr) {
	id, ok := n.X.(*ast.Ident)
	if !ok || c.imports[id.Name] == "" {
		return
	}
	p := c.place
	for _, call := range c.synctest {
		p.inSynctestCall = p.inSynctestCall || (call.Pos() <= n.Pos() && n.End() <= call.End())
	}
	for _, b := range bans {
		if b.pkg != c.imports[id.Name] || !slices.Contains(b.names, n.Sel.Name) || !b.banned(p) {
			continue
		}
		if b.excuse != "" && c.excuses[c.file.Fset.Position(n.Pos()).Line] == b.excuse {
			continue
		}
		c.report(n, strings.Join([]string{id.Name, ".", n.Sel.Name, ": ", b.what}, ""))
	}
}

func (c *callChecker) report(n ast.Node, what string) {
	c.found = append(c.found, Finding{c.file.At(n), what})
}
