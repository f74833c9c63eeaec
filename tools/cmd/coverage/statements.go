// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

// module is the prefix of packages that are counted.
const module = "github.com/aurigraph/aurigraph/"

// lineBytesMax bounds a line of what is read.
const lineBytesMax = 16 << 20

// share is how many statements of some ran.
type share struct{ ran, of int }

func (s share) percent() float64 { return 100 * float64(s.ran) / float64(max(1, s.of)) }

// block is a run of statements without a branch.
type block struct {
	statements int
	ran        bool
}

// coverage has each block once, by its place.
type coverage map[string]block

// readProfile reads a profile. A block that several programs tell of has run if it did in one of them.
func readProfile(r io.Reader) (coverage, error) {
	all := coverage{}
	s := bufio.NewScanner(r)
	s.Buffer(nil, lineBytesMax)
	for s.Scan() {
		if strings.HasPrefix(s.Text(), "mode:") {
			continue
		}
		f := strings.Fields(s.Text())
		if len(f) != 3 {
			return nil, fmt.Errorf("%q is no line of a profile", s.Text())
		}
		statements, err := strconv.Atoi(f[1])
		if err != nil {
			return nil, fmt.Errorf("%q: %w", s.Text(), err)
		}
		name, _, _ := strings.Cut(f[0], ":")
		if counts(name) {
			all[f[0]] = block{statements, all[f[0]].ran || f[2] != "0"}
		}
	}
	return all, s.Err()
}

// rule says what counts does.
const rule = `Statements: all of the module but generated code (*.pb.go), models of protocols (model/), this repository's own tools (tools/,
internal/lint) and packages that only tests use (e2e/, testkit and folders whose name ends in "test"). A statement counts as run if
any test ran it, or any process that a test started and that ended by itself: of processes that were killed nothing is known.`

// besides are folders of the module that are no part of the product.
var besides = []string{"tools/", "internal/lint/", "model/", "e2e/"}

// counts reports whether a file's statements are of the product.
func counts(file string) bool {
	name, ours := strings.CutPrefix(file, module)
	if !ours || strings.HasSuffix(name, ".pb.go") || slices.ContainsFunc(besides, func(b string) bool { return strings.HasPrefix(name, b) }) {
		return false
	}
	for _, folder := range strings.Split(path.Dir(name), "/") {
		if folder == "testkit" || strings.HasSuffix(folder, "test") {
			return false
		}
	}
	return true
}

// print prints coverage by package, and returns that of all.
func (c coverage) print(out io.Writer) (whole share) {
	packages := map[string]share{}
	for place, b := range c {
		name, _, _ := strings.Cut(place, ":")
		at := path.Dir(strings.TrimPrefix(name, module))
		s := packages[at]
		s.of += b.statements
		whole.of += b.statements
		if b.ran {
			s.ran += b.statements
			whole.ran += b.statements
		}
		packages[at] = s
	}
	fmt.Fprintln(out, rule)
	for _, at := range slices.Sorted(maps.Keys(packages)) {
		fmt.Fprintf(out, "%-40s %6.1f %% of %d\n", at, packages[at].percent(), packages[at].of)
	}
	fmt.Fprintf(out, "statements: %.1f %% of %d in %d packages\n\n", whole.percent(), whole.of, len(packages))
	return whole
}
