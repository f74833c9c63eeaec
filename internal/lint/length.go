// SPDX-License-Identifier: Apache-2.0

package lint

import (
	"fmt"
	"go/ast"
	"sort"
	"strconv"
	"strings"
)

// functionLinesMax is how long a function may be, from func to the closing brace, unless it is listed.
const functionLinesMax = 70

// LongFunctions is the content of long_functions.txt: "path name" to its length.
type LongFunctions map[string]int

// ParseLongFunctions reads lines of "path function lines".
func ParseLongFunctions(text string) (LongFunctions, error) {
	listed := LongFunctions{}
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if len(words) != 3 {
			return nil, fmt.Errorf("long_functions.txt:%d: write path, function, lines", i+1)
		}
		lines, err := strconv.Atoi(words[2])
		if err != nil {
			return nil, fmt.Errorf("long_functions.txt:%d: %w", i+1, err)
		}
		listed[words[0]+" "+words[1]] = lines
	}
	return listed, nil
}

// CheckLength wants functions short. A listed one may be as long as listed and only shrink; whoever shortens it lowers
// or removes its line.
func CheckLength(t *Tree, listed LongFunctions) []Finding {
	var found []Finding
	long := longFunctions(t)
	for key, lines := range long {
		switch was, ok := listed[key]; {
		case !ok:
			found = append(found, Finding{key, fmt.Sprintf("%d lines, at most %d: split it by what it does", lines, functionLinesMax)})
		case lines > was:
			found = append(found, Finding{key, fmt.Sprintf("grew from %d to %d lines: it may only shrink", was, lines)})
		case lines < was:
			found = append(found, Finding{key, fmt.Sprintf("shrank from %d to %d lines: write that into long_functions.txt", was, lines)})
		}
	}
	for key := range listed {
		if _, ok := long[key]; !ok {
			found = append(found, Finding{key, "is no longer long: remove it from long_functions.txt"})
		}
	}
	sort.Slice(found, func(i, j int) bool { return found[i].Where < found[j].Where })
	return found
}

func longFunctions(t *Tree) LongFunctions {
	long := LongFunctions{}
	for _, f := range t.Files {
		if f.Test || f.Generated {
			continue
		}
		for _, d := range f.AST.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			lines := f.Fset.Position(fn.End()).Line - f.Fset.Position(fn.Pos()).Line + 1
			if lines > functionLinesMax {
				long[f.Path+" "+functionName(fn)] = lines
			}
		}
	}
	return long
}

func functionName(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return d.Name.Name
	}
	return receiver(d) + "." + d.Name.Name
}
