// SPDX-License-Identifier: Apache-2.0

package v10

import (
	"encoding/json"
	"reflect"
	"strings"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Decode reads a body into a request of this package, a pointer to a struct, and calls its Check. The rules are those of
// DecodeSubmit: names match case-sensitively, a mapped member that comes twice is Invalid, unknown ones are ignored. An empty
// body is an empty object.
func Decode(body []byte, request any) error {
	s, err := newScanner(body)
	if err != nil {
		return err
	}
	if s.peek() != 0 {
		if err := s.object(reflect.ValueOf(request).Elem()); err != nil {
			return err
		}
		if err := s.end(); err != nil {
			return err
		}
	} else if len(s.text) != s.at {
		return errSyntax
	}
	if checked, ok := request.(interface{ Check() error }); ok {
		return checked.Check()
	}
	return nil
}

// object reads the members that fields of into are named after.
func (s *scanner) object(into reflect.Value) error {
	if s.peek() != '{' {
		return s.notObject()
	}
	seen := map[string]bool{}
	return s.members(func(name string) error {
		field := fieldNamed(into, name)
		if !field.IsValid() {
			return s.skip(2)
		}
		if seen[name] {
			return twice(name)
		}
		seen[name] = true
		return s.into(name, field)
	})
}

func fieldNamed(v reflect.Value, name string) reflect.Value {
	t := v.Type()
	for i := range t.NumField() {
		if jsonName(t.Field(i)) == name {
			return v.Field(i)
		}
	}
	return reflect.Value{}
}

// jsonName is the member that a field travels as.
func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// into reads a value into a field.
func (s *scanner) into(name string, field reflect.Value) error {
	s.space()
	start := s.at
	if err := s.skip(2); err != nil {
		return err
	}
	raw := s.text[start:s.at]
	if raw == "null" {
		return nil
	}
	if err := json.Unmarshal([]byte(raw), field.Addr().Interface()); err != nil {
		if fault.ReasonOf(err) == "wrong_type" {
			return wrongType(name, "a number or a decimal string")
		}
		return wrongType(name, wanted(field.Type()))
	}
	return nil
}

// wanted names a type for people.
func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return wanted(t.Elem())
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice:
		return "a list"
	case reflect.Map, reflect.Struct:
		return "an object"
	case reflect.Uint8:
		return "a whole number from 0 to 255"
	default:
		return "a number"
	}
}
