// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"errors"
	"io"
	"net/http"

	"github.com/aurigraph/aurigraph/internal/fault"
	v10 "github.com/aurigraph/aurigraph/internal/v10"
)

// oversizeReadMax is how much of a body that is too large is read all the same.
const oversizeReadMax = 32 << 20

// bodyMax is how many bytes a row's body may have.
func bodyMax(row *v10.Endpoint) int64 {
	if row.AccountKey == v10.KeyBatchFrom {
		return v10.BatchBytesMax
	}
	return v10.BodyBytesMax
}

func (c *call) readBody(w http.ResponseWriter) error {
	if c.Method == http.MethodGet || c.Method == http.MethodHead {
		return nil
	}
	limit := bodyMax(c.row)
	if c.ContentLength > limit {
		return c.tooLarge(w)
	}
	text, err := readAll(http.MaxBytesReader(w, c.Body, limit), c.ContentLength)
	var large *http.MaxBytesError
	if errors.As(err, &large) {
		return c.tooLarge(w)
	}
	c.bytes = text
	return fault.Wrap(fault.Invalid, err, "Request aborted")
}

// tooLarge reads the rest of a body that is refused, within bounds, and keeps nothing of it: a client that still writes when
// the connection closes would never see the answer. One that asked first has written nothing.
func (c *call) tooLarge(w http.ResponseWriter) error {
	w.Header().Set("Connection", "close")
	if c.Header.Get("Expect") == "" && c.ContentLength <= oversizeReadMax {
		_, _ = io.CopyN(io.Discard, c.Body, oversizeReadMax)
	}
	return fault.Reasoned(fault.Invalid, v10.ReasonTooLarge, v10.TextTooLarge)
}
