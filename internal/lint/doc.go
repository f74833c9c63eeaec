// SPDX-License-Identifier: Apache-2.0

// Package lint holds the repository's own rules, which run as tests: go test ./internal/lint.
//
// It parses every Go file once, with the standard library alone, and checks
//
//   - imports against layers.txt,
//   - calls that a place may not make (clock, exit, panic, sleep, environment, a context from nowhere),
//   - headers, package comments and doc comments,
//   - the length of functions, against a list that only shrinks (long_functions.txt),
//   - names of our packages in Markdown, unnumbered to-do notes, and gofmt.
//
// Each rule is a function from the parsed tree to findings, so that it is itself tested on small sources. A rule that
// stands in the way is changed here, in the open, or excused beside the code where the rule says how.
package lint
