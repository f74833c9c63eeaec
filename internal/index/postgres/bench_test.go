// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/history"
	"github.com/aurigraph/aurigraph/internal/index"
	"github.com/aurigraph/aurigraph/internal/testkit/pgserver"
)

// benchAccounts is how many accounts pay each other, at random: the index pages of all of them are touched.
const benchAccounts = 1_000_000

// BenchmarkApply is the rate at which groups of the follower's size go in, one process beside one server. An op is a transfer: let it
// be many, as -benchtime=20000000x, so that partitions fill and the server's checkpoints come.
func BenchmarkApply(b *testing.B) {
	for _, c := range []struct {
		name string
		bare bool
	}{{"indexed", false}, {"bare", true}} {
		b.Run(c.name, func(b *testing.B) {
			s := pgserver.Start(b, pgserver.Options{})
			db, err := Open(testContext(b), Config{URL: s.Database(b), Bare: c.bare}, testChain, testGenesis)
			must(b, err)
			defer func() { must(b, db.Close()) }()
			g, pid := benchGroup(), db.conn.PgConn().PID()
			b.ResetTimer()
			begin, cpu := time.Now(), cpuOf(b, pid)
			for done := 0; done < b.N; done += len(g.Rows) {
				g.Rows = g.Rows[:min(GroupRows, b.N-done)]
				benchFill(g, db.Position())
				must(b, db.Apply(g))
			}
			b.ReportMetric(float64((cpuOf(b, pid)-cpu).Microseconds())/float64(b.N), "server-cpu-us/transfer")
			b.ReportMetric(float64(b.N)/time.Since(begin).Seconds(), "transfers/s")
		})
	}
}

func benchGroup() *index.Group {
	return &index.Group{Rows: make([]history.Transfer, GroupRows), Blocks: make([]index.Block, 1)}
}

func benchFill(g *index.Group, at index.Position) {
	r := rand.New(rand.NewPCG(uint64(at.Height), 0))
	g.From, g.Next = at, index.Position{Height: at.Height + 1}
	g.Blocks[0] = index.Block{Height: at.Height, Items: uint64(len(g.Rows)), TimeUs: uint64(at.Height)}
	for i := range g.Rows {
		t := history.Transfer{
			Height: at.Height, Index: uint32(i / 4096), Item: uint32(i % 4096), Asset: 1, Kind: history.KindTransfer, TimeUs: uint64(at.Height),
			From: chain.AccountNo(1 + r.IntN(benchAccounts)), To: chain.AccountNo(1 + r.IntN(benchAccounts)), Amount: chain.Units(r.Uint64N(1 << 30)),
		}
		for k := 0; k < len(t.ID); k += 8 {
			binary.BigEndian.PutUint64(t.ID[k:], r.Uint64())
		}
		g.Rows[i] = t
	}
}

// cpuOf is the CPU time of a process of this machine, by its /proc/PID/stat: unlike the rate, it says the same on a busy machine.
func cpuOf(b *testing.B, pid uint32) time.Duration {
	b.Helper()
	const utime, ticksPerSecond = 11, 100 // place behind the name, as Linux has it
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	must(b, err)
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+2:]))
	user, err := strconv.Atoi(fields[utime])
	must(b, err)
	system, err := strconv.Atoi(fields[utime+1])
	must(b, err)
	return time.Duration(user+system) * time.Second / ticksPerSecond
}
