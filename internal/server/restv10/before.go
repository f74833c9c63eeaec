// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"context"
	"errors"
)

// Before runs what serves a dialect in front of what stands behind it: when ctx ends, serve drains first, and behind goes on meanwhile.
// When behind has ended, gone is called, and serve is told to end.
func Before(ctx context.Context, serve, behind func(context.Context) error, gone func()) error {
	inner, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	outer, end := context.WithCancel(ctx)
	defer end()
	served := make(chan error, 1)
	go func() {
		served <- serve(outer)
		stop()
	}()
	err := behind(inner)
	gone()
	end()
	return errors.Join(err, <-served)
}
