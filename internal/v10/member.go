// SPDX-License-Identifier: Apache-2.0

package v10

// MemberOf returns a string member of a body, "" if there is none, and checks that the body is one JSON object: for whoever routes by an
// account and leaves the rest to the one who executes. It reads names as Decode and DecodeSubmit do, so that both find the same account.
func MemberOf(body []byte, member string) (value string, err error) {
	s, err := newScanner(body)
	if err != nil {
		return "", err
	}
	if s.peek() != '{' {
		return "", s.notObject()
	}
	seen := false
	err = s.members(func(name string) error {
		if name != member {
			return s.skip(2)
		}
		if seen {
			return twice(name)
		}
		seen = true
		value, err = s.field(name)
		return err
	})
	if err == nil {
		err = s.end()
	}
	return value, err
}
