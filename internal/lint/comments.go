// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"bytes"
	"go/ast"
	"go/format"
	"go/token"
	"path"
	"regexp"
	"strings"
)

// spdx is the first line of each Go file that people write.
const spdx = "// SPDX-License-Identifier: Apache-2.0\n"

// CheckHeaders wants the license line in every file and a package comment in every package.
func CheckHeaders(t *Tree) []Finding {
	var found []Finding
	commented := map[string]bool{}
	for _, f := range t.Files {
		if !f.Generated && !bytes.HasPrefix(f.Source, []byte(spdx)) {
			found = append(found, Finding{f.Path, "first line must be " + strings.TrimSpace(spdx)})
		}
		if f.Generated || (!f.Test && f.AST.Doc != nil) {
			commented[f.Dir] = true
		}
	}
	for _, f := range t.Files {
		if !f.Test && !commented[f.Dir] {
			commented[f.Dir] = true
			found = append(found, Finding{f.Dir, "package has no package comment: say in doc.go why it exists and what it guarantees"})
		}
	}
	return found
}

// CheckDocs wants a doc comment on every exported top-level name.
func CheckDocs(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.Files {
		if f.Test || f.Generated {
			continue
		}
		for _, d := range f.AST.Decls {
			for _, name := range undocumented(d) {
				found = append(found, Finding{f.At(name), name.Name + " has no doc comment: say units, bounds, errors"})
			}
		}
	}
	return found
}

func undocumented(d ast.Decl) []*ast.Ident {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Doc == nil && d.Name.IsExported() && exportedReceiver(d) {
			return []*ast.Ident{d.Name}
		}
	case *ast.GenDecl:
		if d.Doc == nil || d.Tok == token.TYPE {
			return undocumentedSpecs(d)
		}
	}
	return nil
}

func undocumentedSpecs(d *ast.GenDecl) (names []*ast.Ident) {
	for _, spec := range d.Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() && s.Doc == nil && s.Comment == nil && d.Doc == nil {
				names = append(names, s.Name)
			}
		case *ast.ValueSpec:
			for _, name := range s.Names {
				if name.IsExported() && s.Doc == nil && s.Comment == nil {
					names = append(names, name)
				}
			}
		}
	}
	return names
}

// exportedReceiver reports whether a method's type is exported: methods of others are seen through an interface, which
// documents them. Functions count as exported.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	return ast.IsExported(receiver(d))
}

func receiver(d *ast.FuncDecl) string {
	expr := d.Recv.List[0].Type
	for {
		switch x := expr.(type) {
		case *ast.StarExpr:
			expr = x.X
		case *ast.IndexExpr:
			expr = x.X
		case *ast.IndexListExpr:
			expr = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}

// todo matches the word that marks work left over, and whether an issue's number follows.
var todo = regexp.MustCompile(`\b(TODO|FIXME|XXX)\b(\(#[0-9]+\))?`)

// CheckTodos wants an issue's number after each such word.
func CheckTodos(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.Files {
		for _, group := range f.AST.Comments {
			for _, c := range group.List {
				for _, m := range todo.FindAllStringSubmatch(c.Text, -1) {
					if m[1] != "TODO" || m[2] == "" {
						found = append(found, Finding{f.At(c), "write " + "TODO" + "(#number) with an issue, or do it now"})
					}
				}
			}
		}
	}
	return found
}

// CheckFormat wants every file as gofmt writes it.
func CheckFormat(t *Tree) []Finding {
	var found []Finding
	for _, f := range t.Files {
		if want, err := format.Source(f.Source); err != nil || !bytes.Equal(want, f.Source) {
			found = append(found, Finding{f.Path, "not formatted: gofmt -w " + f.Path})
		}
	}
	return found
}

// quoted matches `pkg.Name` and `pkg.Type.Method` in Markdown, with what may follow a name in code.
var quoted = regexp.MustCompile("`([a-z][a-z0-9]*)\\.([A-Z][A-Za-z0-9]*)(?:\\.([A-Z][A-Za-z0-9]*))?(?:\\([^`]*\\))?`")

// CheckMarkdown wants each such name, if its first word is one of our packages, to exist there.
func CheckMarkdown(t *Tree) []Finding {
	names := exportedNames(t)
	var found []Finding
	for file, text := range t.Markdown {
		for _, m := range quoted.FindAllStringSubmatch(text, -1) {
			exported, ours := names[m[1]]
			name := m[2]
			if m[3] != "" {
				name += "." + m[3]
			}
			if ours && !exported[name] {
				found = append(found, Finding{file, "`" + m[1] + "." + name + "` does not exist in the code"})
			}
		}
	}
	return found
}

// exportedNames lists, by package name, exported names and "Type.Method", "Type.Field".
func exportedNames(t *Tree) map[string]map[string]bool {
	names := map[string]map[string]bool{}
	for _, f := range t.Files {
		if f.Test || !strings.HasPrefix(f.Dir, "internal/") {
			continue
		}
		pkg := path.Base(f.Dir)
		if names[pkg] == nil {
			names[pkg] = map[string]bool{}
		}
		for _, d := range f.AST.Decls {
			addExported(names[pkg], d)
		}
	}
	return names
}

func addExported(names map[string]bool, d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv != nil {
			names[receiver(d)+"."+d.Name.Name] = true
			return
		}
		names[d.Name.Name] = true
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				names[s.Name.Name] = true
				addMembers(names, s)
			case *ast.ValueSpec:
				for _, name := range s.Names {
					names[name.Name] = true
				}
			}
		}
	}
}

func addMembers(names map[string]bool, s *ast.TypeSpec) {
	var fields *ast.FieldList
	switch x := s.Type.(type) {
	case *ast.StructType:
		fields = x.Fields
	case *ast.InterfaceType:
		fields = x.Methods
	default:
		return
	}
	for _, field := range fields.List {
		for _, name := range field.Names {
			names[s.Name.Name+"."+name.Name] = true
		}
	}
}
