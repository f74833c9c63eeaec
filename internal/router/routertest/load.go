// SPDX-License-Identifier: Apache-2.0

package routertest

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/loadgen/rawhttp"
	"github.com/aurigraph/aurigraph/internal/router"
)

// Of the test under load.
const (
	clients     = 16
	changes     = 20
	changeEvery = 100 * time.Millisecond
)

// playAtOnce: a map that was set is that of the next request on every connection, also those that were there before.
func (w *world) playAtOnce() {
	conns := make([]*rawhttp.Conn, 8)
	for i := range conns {
		c, err := rawhttp.Dial(w.router.Address)
		w.must(err)
		defer c.Close()
		conns[i] = c
	}
	request := rawhttp.AppendPost(nil, "x", payPath, payment("alice"))
	for version := range uint64(40) {
		m := owning(version + 1)
		if version%2 == 0 {
			w.must(m.V11.Set(on("alice")))
		}
		w.must(w.router.Driver.Set(w.Context(), m))
		want := router.Side((version + 1) % 2).String()
		for i, c := range conns {
			r, err := c.Do(time.Now().Add(longest), request)
			w.must(err)
			if got, _, _ := strings.Cut(string(r.Body), " "); got != want {
				w.Fatalf("version %d, connection %d: answered by %s, want %s", version+1, i, got, want)
			}
		}
	}
}

// load is clients that pay over connections of their own, one payment after the other, and send nothing again.
type load struct {
	w    *world
	stop atomic.Bool
	sent atomic.Uint64
	lost atomic.Uint64
}

func (l *load) client(number int) {
	c, err := rawhttp.Dial(l.w.router.Address)
	if err != nil {
		l.w.Error(err)
		return
	}
	defer c.Close()
	for n := 0; !l.stop.Load(); n++ {
		id := fmt.Sprintf("load %d %d", number, n)
		request := rawhttp.AppendPost(nil, "x", payPath, payment("payer-"+strconv.Itoa(number)+"-"+strconv.Itoa(n)), idHeader+": "+id)
		r, err := c.Do(time.Now().Add(longest), request)
		l.sent.Add(1)
		if err != nil || !r.OK() {
			l.lost.Add(1)
			l.w.Errorf("%s: %d, %v", id, r.Status, err)
			return
		}
		if v10, v11 := l.w.v10.count(id), l.w.v11.count(id); v10+v11 != 1 {
			l.w.Errorf("%s: reached V10 %d times and V11 %d times", id, v10, v11)
		}
	}
}

// playChanges changes the map from nothing to everything while payments are made: none is lost, none made twice.
func (w *world) playChanges() {
	l := &load{w: w}
	var all sync.WaitGroup
	for number := range clients {
		all.Go(func() { l.client(number) })
	}
	every := time.NewTicker(changeEvery)
	defer every.Stop()
	for i := range changes {
		<-every.C
		w.apply(owning(uint64(i+1), chain.SlotRange{From: 0, To: uint16((i+1)*chain.SlotsMax/changes - 1)}))
	}
	<-every.C
	l.stop.Store(true)
	all.Wait()
	v10, v11 := w.v10.all(), w.v11.all()
	if sent := int(l.sent.Load()); v10+v11 != sent || l.lost.Load() != 0 || v10 == 0 || v11 == 0 {
		w.Errorf("%d sent, %d lost; V10 got %d, V11 %d", sent, l.lost.Load(), v10, v11)
	}
	w.Logf("%d requests, V10 %d, V11 %d, %d changes", l.sent.Load(), v10, v11, changes)
}
