// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

// Module is the import path that the repository's own packages begin with.
const Module = "github.com/aurigraph/aurigraph"

// Finding is one broken rule: where, and what to do.
type Finding struct{ Where, What string }

// String returns "where: what".
func (f Finding) String() string { return f.Where + ": " + f.What }

// File is one parsed Go file.
type File struct {
	Path      string // slash-separated, from the repository's root
	Dir       string // its folder, "." for the root
	Source    []byte
	AST       *ast.File
	Fset      *token.FileSet
	Test      bool // *_test.go
	Generated bool
}

// Tree is the repository: its Go files and Markdown, sorted by path. Nested modules, testdata and hidden folders are
// left out.
type Tree struct {
	Files    []*File
	Markdown map[string]string
}

// Unit is a package's name in layers.txt: its path below internal/, "cmd", "client", "gen" for those of the root, or its path
// for those below legacy, model and tools, whose commands are "cmd" too. Packages elsewhere have none.
func Unit(dir string) string {
	if rest, ok := strings.CutPrefix(dir, "internal/"); ok {
		return rest
	}
	switch top, _, _ := strings.Cut(dir, "/"); top {
	case "cmd", "client", "gen":
		return top
	case "proto":
		return "gen"
	case "legacy":
		return dir
	case "model", "tools":
		if Within(dir, top+"/cmd") {
			return "cmd"
		}
		return dir
	}
	return ""
}

// Within reports whether unit is name or lies below it.
func Within(unit, name string) bool { return unit == name || strings.HasPrefix(unit, name+"/") }

// Imports lists what f imports, as import paths.
func (f *File) Imports() []string {
	paths := make([]string, 0, len(f.AST.Imports))
	for _, spec := range f.AST.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil {
			paths = append(paths, p)
		}
	}
	return paths
}

// At gives a node's place as path:line.
func (f *File) At(n ast.Node) string {
	return fmt.Sprintf("%s:%d", f.Path, f.Fset.Position(n.Pos()).Line)
}

// ParseFile parses one source.
func ParseFile(name string, src []byte) (*File, error) {
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, name, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	return &File{
		Path: name, Dir: path.Dir(name), Source: src, AST: parsed, Fset: fset,
		Test: strings.HasSuffix(name, "_test.go"), Generated: ast.IsGenerated(parsed),
	}, nil
}

// Load reads the repository at root.
func Load(root string) (*Tree, error) {
	t := &Tree{Markdown: map[string]string{}}
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return skipFolder(p, rel, d.Name())
		}
		return t.add(p, filepath.ToSlash(rel))
	})
	sort.Slice(t.Files, func(i, j int) bool { return t.Files[i].Path < t.Files[j].Path })
	return t, err
}

func skipFolder(p, rel, name string) error {
	if rel == "." {
		return nil
	}
	hidden := strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")
	if hidden || name == "testdata" || name == "node_modules" || name == "bin" {
		return filepath.SkipDir
	}
	if _, err := os.Stat(filepath.Join(p, "go.mod")); err == nil {
		return filepath.SkipDir
	}
	return nil
}

func (t *Tree) add(p, rel string) error {
	ext := path.Ext(rel)
	if ext != ".go" && ext != ".md" {
		return nil
	}
	src, err := os.ReadFile(p)
	if err != nil {
		return err
	}
	if ext == ".md" {
		t.Markdown[rel] = string(src)
		return nil
	}
	f, err := ParseFile(rel, src)
	if err == nil {
		t.Files = append(t.Files, f)
	}
	return err
}

// Root finds the repository's root: the nearest folder above dir with a go.mod.
func Root(dir string) (string, error) {
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no go.mod above the working folder")
		}
		dir = parent
	}
}
