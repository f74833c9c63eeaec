// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/sys/unix"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/query"
)

var (
	socketsFlag = flag.Int("sockets", 1000, "how many WebSockets TestManySockets opens")
	secondsFlag = flag.Int("socketseconds", 3, "how long TestManySockets loads them")
	strictFlag  = flag.Bool("socketstrict", false, "TestManySockets fails beyond the figures of ADR 22, which want a quiet machine")
)

const stalledSockets = 3

// timedReader puts the time of certification into a block's hash, and gives the blocks of the load transfers enough that who does not read
// stalls soon.
type timedReader struct {
	fakeReader
	mu    sync.Mutex
	times map[chain.Height]uint64
}

func (r *timedReader) Block(_ context.Context, h chain.Height) (*query.Block, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := &query.Block{Header: &chain.ExecutedHeader{Height: h, TimeUs: fakeTimeUs}}
	binary.BigEndian.PutUint64(b.Hash[:], r.times[h])
	return b, nil
}

func (r *timedReader) Transfers(_ context.Context, h chain.Height, each func(*query.Transfer) error) error {
	for range 256 {
		if err := each(&query.Transfer{Height: h, From: 1, To: 2, Asset: 1, Amount: chain.Units(1), Kind: "transfer", TimeUs: fakeTimeUs}); err != nil {
			return err
		}
	}
	return nil
}

// certify makes the next height known, as of now.
func (r *timedReader) certify(h chain.Height) {
	r.mu.Lock()
	r.times[h] = monotonic()
	delete(r.times, h-1000)
	r.mu.Unlock()
	r.heard <- h
}

// load certifies a height every 20 ms from h on, until it is stopped.
func (r *timedReader) load(h chain.Height) (stop func()) {
	tick := time.NewTicker(20 * time.Millisecond)
	end := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		for {
			select {
			case <-tick.C:
				h++
				r.certify(h)
			case <-end:
				return
			}
		}
	})
	return func() {
		close(end)
		group.Wait()
		tick.Stop()
	}
}

// monotonic is a clock that two processes share, in ns.
func monotonic() uint64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err)
	}
	return uint64(t.Nano())
}

// TestManySockets: thousands of real sockets get heads in time while some stall. Their clients are a process of their own, since two
// ends of each would be more files than a process may have. What it measures is the time from when a height is certified until a client
// has read its head: once with all windows open (a head after a pause goes to everybody at once), once with a height every 20 ms.
func TestManySockets(t *testing.T) {
	reader := &timedReader{times: map[chain.Height]uint64{}}
	w := start(t, func(c *Config, p *Parts) {
		reader.fakeReader, _ = p.Reader.(fakeReader)
		p.Reader = reader
	})
	liveBefore, before := processBytes()
	clients := startClients(t, w.addr, *socketsFlag)
	live, resident := processBytes()
	live, resident = (live-liveBefore)/int64(*socketsFlag), (resident-before)/int64(*socketsFlag)
	h := chain.Height(0)
	const pauses = 4
	for range pauses {
		h++
		reader.certify(h)
		<-time.After(2*socketHeadInterval + 100*time.Millisecond)
	}
	idle := clients.report(t)
	cpu := cpuTime(t)
	begin := time.Now()
	stop := reader.load(h)
	<-time.After(time.Duration(*secondsFlag) * time.Second)
	load, took := clients.report(t), time.Since(begin)
	stop()
	cpu = cpuTime(t) - cpu
	healthy := *socketsFlag - stalledSockets
	t.Logf("%d sockets: %d bytes each, %d with what is garbage or free; after a pause %s; under load %s, %.2f heads a second each, CPU %.0f%% of a core",
		*socketsFlag, live, resident, idle, load, float64(load.Heads)/float64(healthy)/took.Seconds(), 100*cpu.Seconds()/took.Seconds())
	if idle.Heads != pauses*healthy {
		t.Errorf("%d heads after pauses, want %d", idle.Heads, pauses*healthy)
	}
	windows := int(took/socketHeadInterval) + 2
	if load.Heads < healthy*(windows-3) || load.Most > windows {
		t.Errorf("%d heads for %d sockets in %s, at most %d for one", load.Heads, healthy, took, load.Most)
	}
	if live > 3<<10 {
		t.Errorf("a socket that says nothing takes %d bytes: does something wait for each of them?", live)
	}
	bound := 1000
	if *strictFlag {
		bound = 200
		if n := testutil.ToFloat64(w.server.metrics.closed.WithLabelValues(reasonStalled)); *secondsFlag >= 20 && n != stalledSockets {
			t.Errorf("%v sockets are counted as stalled", n)
		}
		if resident > 10<<10 {
			t.Errorf("a socket takes %d bytes", resident)
		}
	}
	if idle.P99 > bound || load.P99 > bound {
		t.Errorf("p99 %d ms after a pause, %d ms under load, want %d", idle.P99, load.P99, bound)
	}
}

// processBytes is what the process holds after what is garbage has gone: what lives on the heap and in stacks, and what the system has given it.
func processBytes() (live, resident int64) {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	status, _ := os.ReadFile("/proc/self/status")
	_, after, _ := strings.Cut(string(status), "VmRSS:")
	kib, _ := strconv.ParseInt(strings.Fields(after)[0], 10, 64)
	return int64(m.HeapAlloc + m.StackInuse), kib << 10
}

func cpuTime(t *testing.T) time.Duration {
	t.Helper()
	var u unix.Rusage
	must(t, unix.Getrusage(unix.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// clients are the process of the clients.
type clients struct {
	in  io.Writer
	out *json.Decoder
}

// heardHeads is what the healthy clients heard since the last report. Times are in ms, from certification until it was read.
type heardHeads struct {
	Heads, Most        int // of all; of the one that had most
	P50, P90, P99, Max int
}

func (h heardHeads) String() string {
	return fmt.Sprintf("p50 %d ms, p90 %d ms, p99 %d ms, longest %d ms", h.P50, h.P90, h.P99, h.Max)
}

func startClients(t *testing.T, addr string, n int) *clients {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSocketClients$")
	cmd.Env = append(os.Environ(), "SOCKET_CLIENTS="+addr+" "+strconv.Itoa(n))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	c := &clients{in, json.NewDecoder(out)}
	c.report(t) // all are there
	return c
}

func (c *clients) report(t *testing.T) (h heardHeads) {
	t.Helper()
	_, err := io.WriteString(c.in, "report\n")
	must(t, err)
	must(t, c.out.Decode(&h))
	return h
}

// TestSocketClients is the process of TestManySockets' clients; alone it does nothing.
func TestSocketClients(t *testing.T) {
	addr, n, ok := strings.Cut(os.Getenv("SOCKET_CLIENTS"), " ")
	if !ok {
		t.Skip("it is a part of TestManySockets")
	}
	count, err := strconv.Atoi(n)
	must(t, err)
	e := &epollClients{counts: map[int32]int{}}
	e.fd, err = unix.EpollCreate1(0)
	must(t, err)
	for i := range count {
		e.open(t, addr, i < stalledSockets)
	}
	lines := bufio.NewScanner(os.Stdin)
	asked := make(chan struct{})
	go func() {
		defer close(asked)
		for lines.Scan() {
			asked <- struct{}{}
		}
	}()
	pace := time.NewTicker(2 * time.Millisecond) // it hears of many at a time, instead of being woken for each: real clients are elsewhere
	defer pace.Stop()
	for {
		e.hear()
		<-pace.C
		select {
		case _, more := <-asked:
			if !more {
				return
			}
			must(t, json.NewEncoder(os.Stdout).Encode(e.report()))
		default:
		}
	}
}

// epollClients read all sockets in one thread, as cheaply as can be.
type epollClients struct {
	fd     int
	files  []*os.File // kept open
	counts map[int32]int
	times  []uint64 // ns
	events [4096]unix.EpollEvent
	buf    [64 << 10]byte
}

// open opens a WebSocket that subscribes. One that stalls reads nothing afterwards.
func (e *epollClients) open(t *testing.T, addr string, stalls bool) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	must(t, err)
	tcp, _ := c.(*net.TCPConn)
	if stalls {
		must(t, tcp.SetReadBuffer(4096))
	}
	_, err = io.WriteString(c, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	must(t, err)
	p := &peer{t, c, bufio.NewReader(c)}
	resp, err := http.ReadResponse(p.in, nil)
	must(t, err)
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatal(resp.Status)
	}
	if stalls {
		p.say(`{"type":"subscribe","channels":["transactions","blocks"]}`)
	} else {
		p.say(`{"type":"subscribe","channel":"blocks"}`)
	}
	p.next("subscribed")
	f, err := tcp.File()
	must(t, err)
	must(t, c.Close())
	e.files = append(e.files, f)
	if fd := int(f.Fd()); !stalls {
		must(t, unix.SetNonblock(fd, true))
		must(t, unix.EpollCtl(e.fd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}))
	}
}

// hear reads what has come, and notes how old the heads are.
func (e *epollClients) hear() {
	mark := []byte(`"hash":"0x`)
	n, _ := unix.EpollWait(e.fd, e.events[:], 20)
	for _, event := range e.events[:max(n, 0)] {
		got, _ := unix.Read(int(event.Fd), e.buf[:])
		now := monotonic()
		text := e.buf[:max(got, 0)]
		for at := bytes.Index(text, mark); at >= 0 && len(text) >= at+len(mark)+16; at = bytes.Index(text, mark) {
			text = text[at+len(mark):]
			var stamp [8]byte
			_, _ = hex.Decode(stamp[:], text[:16])
			e.times = append(e.times, now-binary.BigEndian.Uint64(stamp[:]))
			e.counts[event.Fd]++
		}
	}
}

func (e *epollClients) report() heardHeads {
	h := heardHeads{Heads: len(e.times)}
	for _, n := range e.counts {
		h.Most = max(h.Most, n)
	}
	slices.Sort(e.times)
	at := func(percent int) int {
		if len(e.times) == 0 {
			return 0
		}
		return int(e.times[min(len(e.times)*percent/100, len(e.times)-1)] / 1_000_000)
	}
	h.P50, h.P90, h.P99, h.Max = at(50), at(90), at(99), at(100)
	e.times = e.times[:0]
	clear(e.counts)
	return h
}
