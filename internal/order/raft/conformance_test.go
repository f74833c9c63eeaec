// SPDX-License-Identifier: Apache-2.0

package raft

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/aurigraph/aurigraph/internal/order"
	"github.com/aurigraph/aurigraph/internal/order/ordertest"
	"github.com/aurigraph/aurigraph/internal/seglog"
	"github.com/aurigraph/aurigraph/internal/seglog/disk"
	"github.com/aurigraph/aurigraph/internal/seglog/faultfs"
	"github.com/aurigraph/aurigraph/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errBroken = errors.New("the disk is gone")

const testSegmentBytes = 128 << 10

func openLog(t testing.TB, fs disk.FS, dir string) *seglog.Log {
	t.Helper()
	l, err := seglog.Open(dir, seglog.Options{Name: "order", FS: fs, SegmentBytes: testSegmentBytes, ReadyMin: 1})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// alone is a network of one validator.
func alone(t *testing.T, fs disk.FS, dir string) ordertest.Harness {
	var log *seglog.Log
	var engine *Engine
	return ordertest.Harness{
		Open: func(t *testing.T, s ordertest.Settings) order.Engine {
			t.Helper()
			log = openLog(t, fs, dir)
			var err error
			engine, err = Open(context.Background(), log, s.From, Config{
				Genesis: Genesis{Voters: voters(1)}, WindowMax: s.WindowMax, PendingMax: s.PendingMax, Now: s.Now,
				TickInterval: 40 * time.Millisecond, // an hour of silence has fewer of these
			})
			if err != nil {
				t.Fatal(err)
			}
			return engine
		},
		Close: func(t *testing.T) {
			t.Helper()
			if err := log.Close(); err != nil && !errors.Is(err, errBroken) {
				t.Error(err)
			}
			if n := engine.pool.LentBytes(); n != 0 {
				t.Errorf("%d bytes of buffers are still lent", n)
			}
		},
		Writes: func() int { return int(log.NextSeq()) },
	}
}

func TestConformanceAloneInMemory(t *testing.T) {
	ordertest.Run(t, func(t *testing.T) ordertest.Harness {
		fs := faultfs.New()
		h := alone(t, fs, "/order")
		h.Writes = fs.Ops
		h.Fail = func() { fs.Inject(failWrites) }
		return h
	})
}

// failWrites fails slowly, so that the engine has long wanted to go on when it learns of it.
func failWrites(op faultfs.Op) error {
	if op.Kind == faultfs.OpWrite {
		<-time.After(time.Second)
		return errBroken
	}
	return nil
}

func TestConformanceAloneOnDisk(t *testing.T) {
	ordertest.Run(t, func(t *testing.T) ordertest.Harness {
		return alone(t, disk.OS(), filepath.Join(testkit.DiskDir(t), "order"))
	})
}
