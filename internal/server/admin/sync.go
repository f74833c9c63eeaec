// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/control"
)

// knob is a request to set one.
type knob struct {
	Name  string `json:"name"`
	Value uint64 `json:"value"`
}

func syncStatus(half control.Operated) answerer {
	return func(ctx context.Context, _ []byte) ([]byte, error) {
		s, err := half.Status(ctx)
		if err != nil {
			return nil, err
		}
		text, err := json.Marshal(s)
		return text, fault.Wrap(fault.Internal, err, "encode the status of a sync")
	}
}

func syncRetry(half control.Operated) answerer {
	return func(ctx context.Context, _ []byte) ([]byte, error) { return nil, half.Retry(ctx) }
}

func syncSet(half control.Operated) answerer {
	return func(ctx context.Context, body []byte) ([]byte, error) {
		var k knob
		in := json.NewDecoder(bytes.NewReader(body))
		in.DisallowUnknownFields()
		if err := in.Decode(&k); err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "read what to set")
		}
		return nil, half.Set(ctx, k.Name, k.Value)
	}
}

// SyncStatus asks for a half's status. NotFound: the process has none.
func (c *Client) SyncStatus(ctx context.Context) (*control.Half, error) {
	text, err := c.ask(ctx, http.MethodGet, pathSyncStatus, nil)
	if err != nil {
		return nil, err
	}
	s := &control.Half{}
	if err := json.Unmarshal(text, s); err != nil || s.Apply == nil || s.Capture == nil {
		return nil, fault.Reasoned(fault.Invalid, "malformed", "%s: this is no status of a sync: %v", c.path, err)
	}
	return s, nil
}

// SyncRetry asks for another try of the change that is held. NotFound: none is.
func (c *Client) SyncRetry(ctx context.Context) error {
	_, err := c.ask(ctx, http.MethodPost, pathSyncRetry, nil)
	return err
}

// SyncSet turns a knob.
func (c *Client) SyncSet(ctx context.Context, name string, value uint64) error {
	body, err := json.Marshal(knob{name, value})
	if err != nil {
		return fault.Wrap(fault.Internal, err, "encode what to set")
	}
	_, err = c.ask(ctx, http.MethodPost, pathSyncSet, body)
	return err
}
