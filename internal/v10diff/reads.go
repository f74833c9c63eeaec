// SPDX-License-Identifier: Apache-2.0

package v10diff

import (
	"net/http"
	"strings"
)

// Answer is what a server answered to a read.
type Answer struct{ read *answer }

// NewAnswer reads an answer. The method is the request's.
func NewAnswer(method string, status int, header http.Header, body []byte) Answer {
	return Answer{newAnswer(method, status, header, body)}
}

// Kind says how a field differs.
type Kind string

// The kinds.
const (
	KindStatus  Kind = "status"
	KindMissing Kind = "missing" // only the first server has it
	KindExtra   Kind = "extra"   // only the second one has it
	KindLength  Kind = "length"  // lists are not equally long
	KindValue   Kind = "value"
)

// Difference is a field that differs and that no rule explains.
type Difference struct {
	Field string // as in Group
	Kind  Kind
	A, B  string // JSON, or words about it; they may hold names of accounts
}

// Reads compares answers one pair at a time, for whoever asks for them on his own. It is safe for concurrent use.
type Reads struct{ rules []*Rule }

// NewReads makes one. The first rule that matches counts.
func NewReads(rules []Rule) *Reads {
	r := &Reads{}
	for i := range rules {
		r.rules = append(r.rules, &rules[i])
	}
	return r
}

// Moving puts into fields those in which a server's answers to one read differ: they prove nothing about another server. A row is that of a
// rule.
func (r *Reads) Moving(fields map[string]bool, row string, a, b Answer) {
	moving(fields, onRow(r.rules, row), a.read, b.read)
}

// Compare compares what two servers answered to one read. Differences in fields that move are only counted. An id is the same thing under another name
// within a pair of answers, not beyond.
func (r *Reads) Compare(row string, a, b Answer, fields map[string]bool) (found []Difference, noise int) {
	c := newComparison(onRow(r.rules, row), newIDs(), false)
	c.compare(a.read, b.read)
	for _, d := range c.found {
		if isNoise(d.at, fields) {
			noise++
			continue
		}
		found = append(found, Difference{Field: d.at.field(), Kind: d.kind(), A: d.a, B: d.b})
	}
	return found, noise
}

func (d *difference) kind() Kind {
	switch {
	case d.at[:min(1, len(d.at))].field() == "@status":
		return KindStatus
	case d.a == absent:
		return KindExtra
	case d.b == absent:
		return KindMissing
	case strings.HasSuffix(d.a, elements) && strings.HasSuffix(d.b, elements):
		return KindLength
	}
	return KindValue
}
