// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
)

// TestBefore: who is told to stop drains before what stands behind it stops; what ends by itself is said to have gone first.
func TestBefore(t *testing.T) {
	for name, c := range map[string]struct {
		told bool
		want []string
	}{
		"told to stop": {true, []string{"drained", "behind", "gone"}},
		"by itself":    {false, []string{"behind", "gone", "drained"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				var did []string
				failed := errors.New("behind")
				ended := make(chan error, 1)
				go func() {
					ended <- Before(ctx, func(ctx context.Context) error {
						<-ctx.Done()
						did = append(did, "drained")
						return nil
					}, func(ctx context.Context) error {
						if c.told {
							<-ctx.Done()
						}
						did = append(did, "behind")
						return failed
					}, func() { did = append(did, "gone") })
				}()
				synctest.Wait()
				cancel()
				if err := <-ended; !errors.Is(err, failed) || !slices.Equal(did, c.want) {
					t.Errorf("%v, %v", did, err)
				}
			})
		})
	}
}
