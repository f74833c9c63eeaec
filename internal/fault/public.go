// SPDX-License-Identifier: Apache-2.0

package fault

import (
	"errors"
	"strings"
)

// PublicBytesMax bounds what Public returns. The rest is cut.
const PublicBytesMax = 1024

// PublicInternal stands for every text that speaks of the node's inside.
const PublicInternal = "the node failed to answer; its log says why"

// Public is what a caller on the other side of a wire may read of err: the texts of its faults, joined. It ends before the first error
// of another origin, whose text may name files, addresses or memory.
func Public(err error) string {
	switch KindOf(err) {
	case Internal:
		return PublicInternal
	case Timeout:
		if e := (*Error)(nil); !errors.As(err, &e) {
			return "the call ended before its answer was known"
		}
	}
	var texts []string
	for e := (*Error)(nil); errors.As(err, &e) && e.Kind != Internal; err = e.Cause {
		texts = append(texts, e.Text)
	}
	text := strings.ToValidUTF8(strings.Join(texts, ": "), "?")
	if len(text) > PublicBytesMax {
		text = strings.ToValidUTF8(text[:PublicBytesMax], "")
	}
	return text
}
