// SPDX-License-Identifier: Apache-2.0

package v10diff

import (
	"bytes"
	_ "embed" // the rules of the dialect
	"errors"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Action says how far a field may differ.
type Action string

// The actions.
const (
	Ignore    Action = "ignore"    // it is not looked at, and may be missing
	Type      Action = "type"      // it is of the same JSON type: what it says means something to its own server only
	Form      Action = "form"      // it is of the same form: type, members, and whether a text is a time, an id, a hash, a duration
	Within    Action = "within"    // numbers that are no further apart than Within
	Unordered Action = "unordered" // a list in any order, whose elements are told by Key
	IDs       Action = "ids"       // different texts, told one to one
)

// Rule is a declared difference. The first rule that matches a field counts.
type Rule struct {
	On     []string `yaml:"on"`     // rows, as "GET /api/v10/accounts/{id}"; a * at the end stands for any rest; empty: every row
	Paths  []string `yaml:"paths"`  // fields, such as accounts[].name, **.timestamp, @status, @header.ETag
	Do     Action   `yaml:"do"`     //
	Key    string   `yaml:"key"`    // of unordered: the member by which elements are told; empty: the whole element
	Common bool     `yaml:"common"` // of unordered: elements that only one server has may be there
	Within string   `yaml:"within"` // of within: a decimal, or per cent of the larger number
	Except []string `yaml:"except"` // of form: texts that clients compare; where either server has one, both must
	Why    string   `yaml:"why"`    // the reason, which is not optional

	patterns  []pattern
	tolerance tolerance
}

// rulesMax bounds the rules of a file: each field is held against each rule.
const rulesMax = 1000

//go:embed rules.yaml
var defaultRules []byte

// DefaultRules are the rules of the dialect: what two honest ledgers may answer differently.
func DefaultRules() []Rule {
	rules, err := ReadRules(defaultRules)
	fault.Invariant(err == nil, "rules.yaml: %v", err)
	return rules
}

// ReadRules reads a file of rules: YAML with a list named rules. Invalid: it is malformed, has an unknown word, or a rule that
// makes no sense; the text says which.
func ReadRules(text []byte) ([]Rule, error) {
	var file struct {
		Rules []Rule `yaml:"rules"`
	}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil && !errors.Is(err, io.EOF) {
		return nil, fault.Wrap(fault.Invalid, err, "read the rules")
	}
	if len(file.Rules) > rulesMax {
		return nil, fault.New(fault.Invalid, "%d rules, at most %d", len(file.Rules), rulesMax)
	}
	for i := range file.Rules {
		if err := file.Rules[i].prepare(); err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "rule %d", i+1)
		}
	}
	return file.Rules, nil
}

func (r *Rule) prepare() (err error) {
	switch {
	case !slices.Contains([]Action{Ignore, Type, Form, Within, Unordered, IDs}, r.Do):
		return fault.New(fault.Invalid, "do is %q: write ignore, type, form, within, unordered or ids", r.Do)
	case len(r.Paths) == 0:
		return fault.New(fault.Invalid, "it has no paths")
	case strings.TrimSpace(r.Why) == "":
		return fault.New(fault.Invalid, "it does not say why")
	case r.Do != Unordered && (r.Key != "" || r.Common):
		return fault.New(fault.Invalid, "key and common go with unordered")
	case r.Common && r.Key == "":
		return fault.New(fault.Invalid, "common needs a key: else a changed element is one that only one server has")
	case r.Do != Form && len(r.Except) > 0:
		return fault.New(fault.Invalid, "except goes with form")
	case (r.Do == Within) != (r.Within != ""):
		return fault.New(fault.Invalid, "do: within needs a bound within, and nothing else has one")
	}
	if r.Within != "" {
		r.tolerance, err = parseTolerance(r.Within)
	}
	for _, path := range r.Paths {
		r.patterns = append(r.patterns, parsePattern(path))
	}
	return err
}

// onRow reports whether r speaks of a row.
func (r *Rule) onRow(row string) bool {
	return len(r.On) == 0 || slices.ContainsFunc(r.On, func(on string) bool {
		begin, any := strings.CutSuffix(on, "*")
		return on == row || (any && strings.HasPrefix(row, begin))
	})
}

func (r *Rule) matches(at place) bool {
	return slices.ContainsFunc(r.patterns, func(p pattern) bool { return p.matches(at) })
}
