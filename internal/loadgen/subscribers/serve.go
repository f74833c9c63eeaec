// SPDX-License-Identifier: Apache-2.0

package subscribers

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// Bounds of a run.
const (
	SubscribersMax = 20_000
	framesMax      = 4 << 20
	dialsAtOnce    = 32
	lineBytesMax   = 256 << 20
)

// Config says what to open.
type Config struct {
	Address     string `json:"address"` // host:port of the V10 dialect
	Subscribers int    `json:"subscribers"`
	Stalled     int    `json:"stalled"` // beside them
}

// Opened says that all sockets are there.
type Opened struct {
	Subscribers int    `json:"subscribers"`
	Stalled     int    `json:"stalled"`
	Error       string `json:"error,omitempty"`
}

// Watching asks for the frames of a time.
type Watching struct {
	Ms int64 `json:"ms"`
}

// Frames is what came in that time.
type Frames struct {
	Frames []Frame `json:"frames"`
	Closed int     `json:"closed"` // sockets that the server closed so far, of those that read
	Full   bool    `json:"full"`   // framesMax was reached: not all are there
}

// Frame is a head that came, and the one before it on the same socket: heights, and times in nanoseconds since 1970.
type Frame [4]int64

// Before is the height and time of the head before.
func (f Frame) Before() (height uint64, at time.Time) { return uint64(f[0]), time.Unix(0, f[1]) }

// Came is the height and time of the head.
func (f Frame) Came() (height uint64, at time.Time) { return uint64(f[2]), time.Unix(0, f[3]) }

// watcher is the process's work.
type watcher struct {
	all     []net.Conn
	readers sync.WaitGroup
	closed  atomic.Int64

	mu     sync.Mutex // guards what follows
	wanted bool
	frames []Frame
	ending bool
}

// Serve opens what the first line of in asks for, and answers what follows until in or ctx ends.
func Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	w, lines, answers := &watcher{}, bufio.NewScanner(in), json.NewEncoder(out)
	defer w.end()
	defer context.AfterFunc(ctx, w.end)()
	if !lines.Scan() {
		return lines.Err()
	}
	var cfg Config
	if err := json.Unmarshal(lines.Bytes(), &cfg); err != nil {
		return fault.Wrap(fault.Invalid, err, "read what to open")
	}
	opened := Opened{Subscribers: cfg.Subscribers, Stalled: cfg.Stalled}
	if err := w.open(ctx, cfg); err != nil {
		opened.Error = err.Error()
	}
	if err := answers.Encode(opened); err != nil {
		return fault.Wrap(fault.Unavailable, err, "answer")
	}
	for lines.Scan() {
		var ask Watching
		if err := json.Unmarshal(lines.Bytes(), &ask); err != nil {
			return fault.Wrap(fault.Invalid, err, "read how long to watch")
		}
		if err := answers.Encode(w.watch(ctx, time.Duration(ask.Ms)*time.Millisecond)); err != nil {
			return fault.Wrap(fault.Unavailable, err, "answer")
		}
	}
	return lines.Err()
}

func (w *watcher) open(ctx context.Context, cfg Config) error {
	if cfg.Subscribers < 0 || cfg.Stalled < 0 || cfg.Subscribers+cfg.Stalled > SubscribersMax {
		return fault.New(fault.Invalid, "%d and %d sockets, at most %d", cfg.Subscribers, cfg.Stalled, SubscribersMax)
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(dialsAtOnce)
	for i := range cfg.Subscribers + cfg.Stalled {
		group.Go(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return w.one(cfg.Address, i >= cfg.Subscribers)
		})
	}
	return group.Wait()
}

// one opens a socket. A stalled one follows what there is most of, and is never read.
func (w *watcher) one(address string, stalled bool) error {
	c, in, err := dial(address, stalled)
	if err != nil {
		return err
	}
	w.mu.Lock()
	if w.ending {
		w.mu.Unlock()
		_ = c.Close() // the process ends
		return nil
	}
	w.all = append(w.all, c)
	w.mu.Unlock()
	if stalled {
		return subscribe(c, "transactions", "blocks", "metrics")
	}
	if err := subscribe(c, "blocks"); err != nil {
		return err
	}
	w.readers.Go(func() { w.read(c, in) })
	return nil
}

// read reads a socket until it ends.
func (w *watcher) read(c net.Conn, in *bufio.Reader) {
	var buf []byte
	last := Frame{}
	for {
		op, payload, grown, err := frame(in, buf)
		buf = grown
		switch {
		case err != nil || op == opClose:
			w.closed.Add(1)
			return
		case op == opPing:
			err = send(c, opPong, payload[:min(len(payload), 125)])
		case op == opText:
			if height := headOf(payload); height > 0 {
				next := Frame{last[2], last[3], height, time.Now().UnixNano()}
				w.note(next)
				last = next
			}
		}
		if err != nil {
			w.closed.Add(1)
			return
		}
	}
}

// headOf is the height of a block's head, 0 for any other message.
func headOf(text []byte) int64 {
	const begin = `{"type":"block",`
	const name = `"height":`
	if len(text) < len(begin) || string(text[:len(begin)]) != begin {
		return 0
	}
	_, rest, ok := bytes.Cut(text, []byte(name))
	if !ok {
		return 0
	}
	end := 0
	for end < len(rest) && rest[end] >= '0' && rest[end] <= '9' {
		end++
	}
	height, err := strconv.ParseInt(string(rest[:end]), 10, 64)
	if err != nil {
		return 0
	}
	return height
}

// note keeps a frame while frames are wanted. The first one of a socket says nothing of a wait, and is left out.
func (w *watcher) note(f Frame) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.wanted && f[0] != 0 && len(w.frames) < framesMax {
		w.frames = append(w.frames, f)
	}
}

func (w *watcher) watch(ctx context.Context, d time.Duration) Frames {
	w.mu.Lock()
	w.wanted, w.frames = true, nil
	w.mu.Unlock()
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wanted = false
	return Frames{Frames: w.frames, Closed: int(w.closed.Load()), Full: len(w.frames) == framesMax}
}

// end closes all sockets and waits for their readers.
func (w *watcher) end() {
	w.mu.Lock()
	w.ending = true
	for _, c := range w.all {
		_ = c.Close() // nothing more is expected of it
	}
	w.mu.Unlock()
	w.readers.Wait()
}

// Watcher is such a process, seen from the one that started it.
type Watcher struct {
	Opened Opened
	stop   func() error
	ask    *json.Encoder
	say    *json.Decoder
}

// errGone is the end of the process's output.
func errGone(err error) error {
	if errors.Is(err, io.EOF) {
		return fault.New(fault.Unavailable, "the subscribers' process ended: its last words are on standard error")
	}
	return fault.Wrap(fault.Unavailable, err, "hear from the subscribers")
}
