// SPDX-License-Identifier: Apache-2.0

package router

import (
	"fmt"
	"strconv"
	"strings"
)

// What names a client's read to whoever compares its answers, in a request to that one.
const (
	MirrorPath           = "/mirror"
	OriginalMethodHeader = "X-Original-Method"
	OriginalURIHeader    = "X-Original-Uri" // path and query, as the client wrote them
	OriginalWayHeader    = "X-Original-Way" // Way.String
)

// Credentials lists the headers by which a client says who it is; with Accept they decide what a read answers.
func Credentials() []string { return credentials }

var credentials = []string{"Authorization", "X-Api-Key"}

// String writes a way as in "v11 slot 17".
func (w Way) String() string { return fmt.Sprintf("%s %s %d", w.Side, w.By, w.Slot) }

// ParseWay reads what Way.String wrote.
func ParseWay(text string) (w Way, ok bool) {
	words := strings.Split(text, " ")
	if len(words) != 3 {
		return w, false
	}
	side, by := index(Sides(), words[0]), index(Bys(), words[1])
	slot, err := strconv.ParseUint(words[2], 10, 16)
	if side < 0 || by < 0 || err != nil {
		return w, false
	}
	return Way{Sides()[side], Bys()[by], uint16(slot)}, true
}

func index[T fmt.Stringer](all []T, name string) int {
	for i, one := range all {
		if one.String() == name {
			return i
		}
	}
	return -1
}
