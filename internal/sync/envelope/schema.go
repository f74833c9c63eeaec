// SPDX-License-Identifier: Apache-2.0

package envelope

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/zeebo/blake3"
	"google.golang.org/protobuf/reflect/protoreflect"

	syncv1 "github.com/aurigraph/aurigraph/gen/aurigraph/sync/v1"
)

// earlierSchemas are those of older programs whose records this one reads rightly. Append one when the messages change and the old
// ones still mean the same.
var earlierSchemas []uint64

// Schema is the fingerprint of everything that a body may say: its messages and their fields. A change of any of them changes it, so
// that no program guesses at what another meant. Outcomes are codes that are appended to and never changed: a record with one that the
// reader does not know is parked by itself.
var Schema = sync.OnceValue(func() uint64 {
	sum := blake3.Sum256([]byte(schemaText()))
	return binary.LittleEndian.Uint64(sum[:])
})

func schemaKnown(s uint64) bool { return s == Schema() || slices.Contains(earlierSchemas, s) }

// schemaText lists what the fingerprint is over, a line each.
func schemaText() string {
	var out strings.Builder
	seen := map[protoreflect.FullName]bool{}
	describe(&out, (&syncv1.Body{}).ProtoReflect().Descriptor(), seen)
	return out.String()
}

func describe(out *strings.Builder, m protoreflect.MessageDescriptor, seen map[protoreflect.FullName]bool) {
	if seen[m.FullName()] {
		return
	}
	seen[m.FullName()] = true
	fields := make([]protoreflect.FieldDescriptor, m.Fields().Len())
	for i := range fields {
		fields[i] = m.Fields().Get(i)
	}
	slices.SortFunc(fields, func(a, b protoreflect.FieldDescriptor) int { return int(a.Number()) - int(b.Number()) })
	for _, f := range fields {
		fmt.Fprintf(out, "%s %d %s %s %s\n", m.Name(), f.Number(), f.Name(), f.Cardinality(), f.Kind())
	}
	for _, f := range fields {
		if f.Message() != nil {
			describe(out, f.Message(), seen)
		}
	}
}

// hasUnknown reports whether a message or one below it has fields that its type lacks.
func hasUnknown(m protoreflect.Message) bool {
	found := len(m.GetUnknown()) > 0
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if f.Message() != nil && !f.IsList() {
			found = found || hasUnknown(v.Message())
		}
		return !found
	})
	return found
}
