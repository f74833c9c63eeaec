// SPDX-License-Identifier: Apache-2.0

package journaltest

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/aurigraph/aurigraph/internal/journal"
)

// TestMemory runs the suite on the engine that other tests stand on.
func TestMemory(t *testing.T) {
	var mu sync.Mutex
	places := map[string]*Memory{}
	Run(t, Engines{
		Place: func(testing.TB) string {
			mu.Lock()
			defer mu.Unlock()
			name := fmt.Sprint("place ", len(places))
			places[name] = &Memory{}
			return name
		},
		Open: func(_ context.Context, place string) (journal.Journal, error) { return places[place], nil },
		Fill: func(t testing.TB, place string, n int) {
			for i := range n {
				if err := places[place].AddWindow(t.Context(), journal.Window{AtMs: FilledFromMs + uint64(i)*1000, LengthMs: 1000}); err != nil {
					t.Fatal(err)
				}
			}
		},
	})
}
