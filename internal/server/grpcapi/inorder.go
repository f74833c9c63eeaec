// SPDX-License-Identifier: Apache-2.0

package grpcapi

import (
	"context"
	"errors"
	"io"
)

// inOrder runs the two halves of a stream: read until it returns an error (io.EOF is the good end), and write for each
// item in the order of reading, on a goroutine of its own. At most window items are read and not written: at that bound
// reading stops.
//
// When reading ends, what was read is still written. When writing fails, reading ends after the message it waits for,
// because nothing but the end of the stream interrupts it. inOrder returns when both have ended.
func inOrder[T any](ctx context.Context, window int, read func() (T, error), write func(T) error) (err error) {
	queue := make(chan T, window)
	room := make(chan struct{}, window)
	failed, wrote := make(chan struct{}), make(chan error, 1)
	go func() {
		err := writeAll(queue, room, write)
		if err != nil {
			close(failed)
		}
		wrote <- err
	}()
	// Deferred, so that a panic in read does not leave the writer behind.
	defer func() {
		close(queue)
		if werr := <-wrote; werr != nil {
			err = werr
		}
	}()
	for {
		select {
		case room <- struct{}{}:
		case <-failed:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
		item, err := read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		queue <- item // never blocks: room has as many places
	}
}

func writeAll[T any](queue <-chan T, room <-chan struct{}, write func(T) error) (err error) {
	defer recoverInto(&err)
	for item := range queue {
		if err := write(item); err != nil {
			return err
		}
		<-room
	}
	return nil
}
