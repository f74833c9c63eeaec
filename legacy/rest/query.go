// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"net/url"
	"strconv"

	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// queryOf reads the query string. What is malformed in it is Invalid.
func (c *call) queryOf() (url.Values, error) {
	q, err := url.ParseQuery(c.URL.RawQuery)
	if err != nil {
		return nil, fault.Reasoned(fault.Invalid, "query_malformed", "the query string is malformed")
	}
	return q, nil
}

// limitOf is ?limit=, 1 to v10.ListMax.
func limitOf(q url.Values, usual int) (int, error) {
	return integerOf(q, "limit", usual, 1, v10.ListMax)
}

func integerOf(q url.Values, name string, usual, low, high int) (int, error) {
	text := q.Get(name)
	if text == "" {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < low || n > high {
		return 0, fault.Reasoned(fault.Invalid, "query_"+name, "%s must be a number from %d to %d", name, low, high)
	}
	return n, nil
}

// cursorOf is ?cursor= where that is a number.
func cursorOf(q url.Values) (uint64, error) {
	text := q.Get("cursor")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, errCursor
	}
	return n, nil
}

var errCursor = fault.Reasoned(fault.Invalid, "query_cursor", "cursor must be one that an earlier answer gave")

// timeOf is a time of the query, usual if it is not given.
func timeOf(q url.Values, name string, usual uint64) (uint64, error) {
	text := q.Get(name)
	if text == "" {
		return usual, nil
	}
	t, err := v10.ParseTime(text)
	return uint64(t), err
}
