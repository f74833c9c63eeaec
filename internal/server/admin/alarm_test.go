// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"log/slog"
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// TestDrillsAlarm is raised with its number, and only where somebody shows it.
func TestDrillsAlarm(t *testing.T) {
	folder, raised := t.TempDir(), []uint64{}
	l, err := Listen(folder)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- Serve(ctx, l, Doors{Alarm: func(drill uint64) { raised = append(raised, drill) }}, slog.New(slog.DiscardHandler))
	}()
	c := Dial(SocketPath(folder))
	if err := c.RaiseDrill(t.Context(), 1<<40); err != nil {
		t.Error(err)
	}
	_, err = c.ask(t.Context(), "POST", pathAlarm, []byte("short"))
	wantKind(t, err, fault.Invalid)
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if len(raised) != 1 || raised[0] != 1<<40 {
		t.Errorf("raised %v", raised)
	}
	if err := serving(t, t.TempDir(), &echo{}).RaiseDrill(t.Context(), 1); err == nil {
		t.Error("a node that shows no alarm has taken one")
	}
}
