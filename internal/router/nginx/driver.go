// SPDX-License-Identifier: Apache-2.0

package nginx

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/router"
)

// setMax bounds a call of the driver whose caller gives it longer.
const setMax = 10 * time.Second

// Driver tells a running nginx the map. It is safe for concurrent use.
type Driver struct {
	admin  string
	client *http.Client
}

// NewDriver makes a driver for Config.Admin. Invalid: it is no address of this machine.
func NewDriver(admin string) (*Driver, error) {
	if err := checkLocal("the admin address", admin); err != nil {
		return nil, err
	}
	network, address := "tcp", admin
	if path, socket := strings.CutPrefix(admin, socketPrefix); socket {
		network, address = "unix", path
	}
	return &Driver{admin: admin, client: &http.Client{
		Timeout: setMax,
		Transport: &http.Transport{
			// A connection for each call: nginx may have been restarted since the last one.
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, network, address)
			},
		},
	}}, nil
}

// Set puts a map in force: see router.Driver. TryLater: another one is being set.
func (d *Driver) Set(ctx context.Context, m router.Map) error {
	if err := m.Check(); err != nil {
		return err
	}
	_, err := d.call(ctx, http.MethodPut, m.Text())
	return err
}

// Get reads back the map of one worker, as it routes by it: see router.Driver.
func (d *Driver) Get(ctx context.Context) (router.Map, error) {
	text, err := d.call(ctx, http.MethodGet, nil)
	if err != nil {
		return router.Map{}, err
	}
	m, err := router.Parse(text)
	return m, fault.Wrap(fault.Corrupt, err, "nginx's map")
}

func (d *Driver) call(ctx context.Context, method string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://router/map", bytes.NewReader(body))
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "write a request for nginx")
	}
	resp, err := d.client.Do(r)
	if err != nil {
		return nil, d.away(ctx, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, router.TextBytesMax+1))
	if err != nil {
		return nil, d.away(ctx, err)
	}
	if resp.StatusCode/100 == 2 {
		return text, nil
	}
	return nil, d.refusal(resp.StatusCode, text)
}

// away is the error of a call without an answer. A map that was sent may be in force: it may be set again.
func (d *Driver) away(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fault.Wrap(fault.Timeout, context.Cause(ctx), "ask nginx at %s", d.admin)
	}
	return fault.Wrap(fault.Unavailable, err, "nginx at %s does not answer: is it running?", d.admin)
}

// kinds are what nginx's statuses mean here.
var kinds = map[int]fault.Kind{
	http.StatusBadRequest: fault.Invalid, http.StatusRequestEntityTooLarge: fault.Invalid, http.StatusConflict: fault.Conflict, http.StatusServiceUnavailable: fault.TryLater,
	http.StatusForbidden: fault.Denied,
}

func (d *Driver) refusal(status int, text []byte) error {
	var said struct{ Reason, Error string }
	if json.Unmarshal(text, &said) != nil || said.Error == "" {
		said.Error = http.StatusText(status)
	}
	kind, known := kinds[status]
	if !known {
		kind = fault.Unavailable
	}
	return fault.Reasoned(kind, said.Reason, "nginx at %s: %s", d.admin, said.Error)
}
