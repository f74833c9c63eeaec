// SPDX-License-Identifier: Apache-2.0

package v10

import (
	"unicode/utf8"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

// NameBytesMax bounds an account's name.
const NameBytesMax = chain.AliasBytesMax

// CheckName says whether s can name an account: 1 to NameBytesMax bytes of UTF-8, since an answer in JSON must be able to
// say it. The bytes are the name: nothing is trimmed or normalised. Invalid names what, the field or parameter that s stood in.
func CheckName(what, s string) error {
	switch {
	case s == "":
		return fault.Reasoned(fault.Invalid, "name_missing", "%s is required", what)
	case len(s) > NameBytesMax:
		return fault.Reasoned(fault.Invalid, "name_oversized", "%s is longer than %d bytes", what, NameBytesMax)
	case !utf8.ValidString(s):
		return fault.Reasoned(fault.Invalid, "name_not_utf8", "%s is not valid UTF-8", what)
	}
	return nil
}

// CheckCode says whether s can be the code of an asset: 1 to chain.CodeBytesMax of A-Z, 0-9, '.' and '-'.
func CheckCode(what, s string) error {
	if s == "" {
		return fault.Reasoned(fault.Invalid, "code_missing", "%s is required", what)
	}
	good := len(s) <= chain.CodeBytesMax
	for i := range len(s) {
		b := s[i]
		good = good && ('A' <= b && b <= 'Z' || '0' <= b && b <= '9' || b == '.' || b == '-')
	}
	if !good {
		return fault.Reasoned(fault.Invalid, "code_malformed", "%s must have 1 to %d characters of A-Z, 0-9, '.' and '-'", what, chain.CodeBytesMax)
	}
	return nil
}
