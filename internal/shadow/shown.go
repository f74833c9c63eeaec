// SPDX-License-Identifier: Apache-2.0

package shadow

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aurigraph/aurigraph/internal/v10diff"
)

// shown is one side's value of a difference without what it may tell of a client: numbers and words that are not in the answer stay; texts, lists and objects
// do not.
func shown(d *v10diff.Difference, value string) string {
	if d.Kind == v10diff.KindStatus { // the body follows it
		status, _, _ := strings.Cut(value, " ")
		return status
	}
	if value == "" {
		return value
	}
	switch value[0] {
	case '"':
		var text string
		if json.Unmarshal([]byte(value), &text) != nil { // it was cut
			return "a long text"
		}
		return fmt.Sprintf("a text of %d bytes", len(text))
	case '{':
		return "an object"
	case '[':
		return "a list"
	}
	return value
}
