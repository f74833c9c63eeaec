// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"fmt"
	"path/filepath"
	"sync"

	"github.com/aurigraph/aurigraph/internal/chain"
)

// problemsMax bounds the problems of a report; one more says that there are more.
const problemsMax = 1000

// Report is what was found. OK means that there is no problem.
type Report struct {
	OK         bool         `json:"ok"`
	Height     chain.Height `json:"height"`      // newest published height
	FromHeight chain.Height `json:"from_height"` // height of the state from which all after it was executed again; 0 = genesis
	Legs       uint64       `json:"legs"`        // transfers executed again with outcome ok
	Files      []File       `json:"files"`
	Problems   []Problem    `json:"problems"`
	Notes      []string     `json:"notes,omitempty"` // what a person should know about the reach of the check
	Seconds    float64      `json:"seconds"`
}

// File is a file that was read. Used is how many of its bytes, from the start, hold content.
type File struct {
	Path string `json:"path"` // relative to the node's folder
	Used int64  `json:"used"`
}

// Problem is something that cannot be in a sound folder.
type Problem struct {
	File  string `json:"file"`  // path relative to the node's folder; a folder where the file is not known
	Where string `json:"where"` // byte, height, or lane entry
	What  string `json:"what"`
}

// findings gathers a report from several goroutines.
type findings struct {
	dir string // the node's folder; absolute paths are cut to it

	mu     sync.Mutex
	report Report
}

func newFindings(dir string) *findings {
	return &findings{dir: dir, report: Report{Files: []File{}, Problems: []Problem{}}}
}

func (f *findings) problem(file, where, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := Problem{File: f.relative(file), Where: where, What: fmt.Sprintf(format, args...)}
	switch n := len(f.report.Problems); {
	case n < problemsMax:
		f.report.Problems = append(f.report.Problems, p)
	case n == problemsMax:
		f.report.Problems = append(f.report.Problems, Problem{File: ".", What: "there are more problems"})
	}
}

func (f *findings) note(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.report.Notes = append(f.report.Notes, fmt.Sprintf(format, args...))
}

func (f *findings) file(path string, used int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.report.Files = append(f.report.Files, File{f.relative(path), used})
}

func (f *findings) relative(path string) string {
	if rel, err := filepath.Rel(f.dir, path); err == nil && filepath.IsAbs(path) == filepath.IsAbs(f.dir) {
		return filepath.ToSlash(rel)
	}
	return filepath.ToSlash(path)
}

// at words a height as a place.
func at(h chain.Height) string { return fmt.Sprintf("height %d", h) }
