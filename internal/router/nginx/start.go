// SPDX-License-Identifier: Apache-2.0

package nginx

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/nginx"
)

// Waiting for a start.
const (
	startMax   = 10 * time.Second
	startEvery = 5 * time.Millisecond
)

// Router is a router of one's own: an nginx that ends with the process that started it.
type Router struct {
	*Driver
	*nginx.Nginx
}

// Start writes c's files, starts nginx in its folder as whoever calls, and waits until it serves at the first address of c.Listen. NotFound:
// there is no nginx.
func Start(ctx context.Context, c Config) (*Router, error) {
	var err error
	if c.Dir, err = filepath.Abs(c.Dir); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the router's folder")
	}
	if c.User == "" {
		c.User = nginx.Workers()
	}
	text, err := Conf(c)
	if err != nil {
		return nil, err
	}
	if err := Write(c); err != nil {
		return nil, err
	}
	d, err := NewDriver(c.Admin)
	if err != nil {
		return nil, err
	}
	n, err := nginx.Run(ctx, c.Dir, text, c.Listen[0])
	if err != nil {
		return nil, err
	}
	if err := await(ctx, d); err != nil {
		return nil, errors.Join(err, n.Stop())
	}
	return &Router{d, n}, nil
}

// await waits until the map can be read: nginx listens at one address after the other.
func await(ctx context.Context, d *Driver) error {
	ctx, cancel := context.WithTimeout(ctx, startMax)
	defer cancel()
	for {
		_, err := d.Get(ctx)
		if err == nil || !fault.Is(err, fault.Unavailable) {
			return err
		}
		select {
		case <-time.After(startEvery):
		case <-ctx.Done():
			return err
		}
	}
}
