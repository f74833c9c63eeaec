// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"errors"
	"log/slog"
	"reflect"
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/control"
)

// half is a half of a sync that says what it is told to.
type half struct {
	says    *control.Half
	err     error
	retries int
	name    string
	value   uint64
}

func (h *half) Status(context.Context) (*control.Half, error) { return h.says, h.err }

func (h *half) Retry(context.Context) error {
	h.retries++
	return h.err
}

func (h *half) Set(_ context.Context, name string, value uint64) error {
	h.name, h.value = name, value
	return h.err
}

// TestSyncDoor: what a half says arrives whole, and its errors as they are; a process without one says so.
func TestSyncDoor(t *testing.T) {
	slot := uint16(7)
	h := &half{says: &control.Half{
		Ledger: "v11",
		Apply: &control.Apply{Direction: "v10", State: control.StateHeld, Position: "3.1", Applied: 1 << 60, LagMs: -1, Held: &control.Held{
			Life: 2, Position: "3.2", Tag: "aa", Reason: "insufficient_funds", Tries: 3, Slot: &slot, Letter: true, Previous: "3.1",
		}},
		Capture: &control.Capture{Direction: "v11", State: control.StateApplying, Position: 9, Head: 10},
	}}
	path := t.TempDir() + "/half.sock"
	l, err := ListenAt(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, l, Doors{Sync: h}, slog.New(slog.DiscardHandler)) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	c := Dial(path)
	if s, err := c.SyncStatus(ctx); err != nil || !reflect.DeepEqual(s, h.says) {
		t.Errorf("%+v %v", s, err)
	}
	if err := errors.Join(c.SyncRetry(ctx), c.SyncSet(ctx, "apply.v10", 77)); err != nil || h.retries != 1 || h.name != "apply.v10" || h.value != 77 {
		t.Errorf("%+v %v", h, err)
	}
	h.err = control.NotHeld("v10")
	for _, err := range []error{c.SyncRetry(ctx), c.SyncSet(ctx, "x", 1)} {
		if !fault.Is(err, fault.NotFound) || fault.ReasonOf(err) != control.ReasonNotHeld {
			t.Error(err)
		}
	}
	h.err, h.says = nil, &control.Half{}
	if s, err := c.SyncStatus(ctx); err == nil {
		t.Errorf("a status without its parts: %+v", s)
	}
	if _, err := c.Where(ctx); !fault.Is(err, fault.NotFound) && !fault.Is(err, fault.Internal) {
		t.Error("a half of a sync ends no epoch:", err)
	}
	if _, err := c.ask(ctx, "POST", pathSyncSet, []byte(`{"name":"apply.v10","value":-1}`)); !fault.Is(err, fault.Invalid) {
		t.Error(err)
	}
	validator := serving(t, t.TempDir(), &echo{})
	if _, err := validator.SyncStatus(ctx); err == nil {
		t.Error("a validator without a half answers for one")
	}
}
