// SPDX-License-Identifier: Apache-2.0

package trail

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/obs"
)

// Bounds of a trail.
const (
	FileBytesMaxDefault = 64 << 20
	WaitingMaxDefault   = 8192
	FlushEveryDefault   = 100 * time.Millisecond
	WaitMaxDefault      = 5 * time.Second
	// HeadEvery is how often, at the least, the log of the server is told the newest line's hash, if there is a newer one.
	HeadEvery = time.Hour
	// groupLinesMax bounds the lines of one write.
	groupLinesMax = 1024
	// gatherPart is the part of FlushEvery that the first line of a write waits for others: so one write, and one waking of the writer, is for
	// many.
	gatherPart = 20
)

// Config sets a trail up. Dir and Tag are needed.
type Config struct {
	Dir string                  // made if there is none, mode 0700
	Tag func(string) chain.Hash // of the network's alias key

	FileBytesMax int64         // a file that is larger is followed by a new one. Default 64 MiB
	FlushEvery   time.Duration // how long a line may wait to be on the disk. Default 100 ms
	WaitingMax   int           // lines that wait to be written; at the bound Append waits. Default 8,192
	WaitMax      time.Duration // how long. Default 5 s
}

// Parts is what a trail works with.
type Parts struct {
	Log     *slog.Logger          // nil: none
	Metrics prometheus.Registerer // nil: none
}

// Trail writes. Make it with Open; Run writes what Append hands over. It is safe for concurrent use.
type Trail struct {
	cfg     Config
	log     *slog.Logger
	metrics *metrics
	queue   chan *line
	failed  atomic.Pointer[error]
	done    chan struct{} // closed when Run has ended

	// Owned by Run.
	lock  *os.File
	tail  *tail
	dirty bool
	since time.Time // when the oldest line that is not flushed was written, if dirty
	said  time.Time // when the log was told of a hash
	saidN uint64
}

// Open goes on where the trail in a folder ends, or begins one. Conflict: another process writes there. Corrupt: its end cannot be
// read. Only the end is looked at: Verify reads all.
func Open(cfg Config, p Parts) (*Trail, error) {
	if cfg.Dir == "" || cfg.Tag == nil || cfg.FileBytesMax < 0 || cfg.FlushEvery < 0 || cfg.WaitingMax < 0 || cfg.WaitMax < 0 {
		return nil, fault.New(fault.Invalid, "trail: a folder and a tag are needed, and no bound may be negative")
	}
	if cfg.FileBytesMax == 0 {
		cfg.FileBytesMax = FileBytesMaxDefault
	}
	if cfg.FlushEvery == 0 {
		cfg.FlushEvery = FlushEveryDefault
	}
	if cfg.WaitingMax == 0 {
		cfg.WaitingMax = WaitingMaxDefault
	}
	if cfg.WaitMax == 0 {
		cfg.WaitMax = WaitMaxDefault
	}
	if p.Log == nil {
		p.Log = slog.New(slog.DiscardHandler)
	}
	if p.Metrics == nil {
		p.Metrics = prometheus.NewRegistry()
	}
	t := &Trail{cfg: cfg, log: p.Log, queue: make(chan *line, cfg.WaitingMax), done: make(chan struct{})}
	if err := t.open(); err != nil {
		return nil, err
	}
	t.metrics = newMetrics(p.Metrics, func() float64 { return float64(len(t.queue)) })
	return t, nil
}

func (t *Trail) open() (err error) {
	if err := os.MkdirAll(t.cfg.Dir, 0o700); err != nil {
		return fault.Wrap(fault.Unavailable, err, "make the folder of the audit trail")
	}
	if t.lock, err = lock(t.cfg.Dir); err != nil {
		return err
	}
	if t.tail, err = openTail(t.cfg.Dir); err == nil {
		err = t.begin()
	}
	if err != nil {
		_ = t.lock.Close()
	}
	return err
}

// begin cuts off what a crash left, and writes down that the server began, on the disk before anything else is.
func (t *Trail) begin() error {
	if t.tail.cut > 0 {
		if err := t.tail.file.Truncate(t.tail.size); err != nil {
			return fault.Wrap(fault.Unavailable, err, "cut a torn line off the audit trail")
		}
		t.log.Warn("the audit trail ended in a torn line", slog.Int64(obs.KeyBytes, t.tail.cut), slog.String(obs.KeyFile, t.tail.file.Name()))
	}
	first := newLine(&Entry{Who: "server", What: "begin", Result: "torn_bytes=" + strconv.FormatInt(t.tail.cut, 10)}, t.cfg.Tag, time.Now())
	if err := t.write([]*line{first}); err != nil {
		return err
	}
	return t.flush()
}

// Ready is Unavailable when nothing can be written down any more. Ask before a write that must be.
func (t *Trail) Ready() error {
	if err := t.failed.Load(); err != nil {
		return fault.Wrap(fault.Unavailable, *err, "nothing can be written to the audit trail: free its disk, and start the server again")
	}
	return nil
}

// Append hands an entry over. It is on the disk within FlushEvery. Unavailable: the trail has failed or has ended. TryLater: it does not
// keep up, and the line is lost, which is counted. No context ends the wait: what was done is to be written down also when its request is over.
func (t *Trail) Append(e *Entry) error {
	if err := t.Ready(); err != nil {
		return err
	}
	l := newLine(e, t.cfg.Tag, time.Now())
	select {
	case <-t.done:
		return errEnded()
	case t.queue <- l: // nearly always
		return nil
	default:
	}
	select {
	case t.queue <- l:
		return nil
	case <-t.done:
		return errEnded()
	case <-time.After(t.cfg.WaitMax):
		t.metrics.lost.Inc()
		return fault.Reasoned(fault.TryLater, "trail_full", "the audit trail does not keep up")
	}
}

func errEnded() error { return fault.New(fault.Unavailable, "the audit trail has ended") }

// Run writes until ctx ends, and then what waits. Halted: a write or flush failed. End everything that appends first.
func (t *Trail) Run(ctx context.Context) error {
	defer close(t.done)
	err := t.run(ctx)
	if err != nil {
		t.failed.Store(&err)
		t.log.Error("the audit trail has failed; writes are refused from now on", obs.Err(err))
	}
	return errors.Join(err, t.tail.file.Close(), t.lock.Close())
}

func (t *Trail) run(ctx context.Context) error {
	for {
		var due <-chan time.Time
		if t.dirty {
			due = time.After(time.Until(t.since.Add(t.cfg.FlushEvery)))
		}
		select {
		case l := <-t.queue:
			t.gather(ctx)
			if err := t.write(t.group(l)); err != nil {
				return err
			}
		case <-due:
			if err := t.flush(); err != nil {
				return err
			}
		case <-ctx.Done():
			return t.end()
		}
	}
}

// gather lets others come, unless there are enough for a write.
func (t *Trail) gather(ctx context.Context) {
	if len(t.queue) >= min(groupLinesMax, cap(t.queue)) {
		return
	}
	select {
	case <-time.After(t.cfg.FlushEvery / gatherPart):
	case <-ctx.Done():
	}
}

// group is a line, and those that wait behind it.
func (t *Trail) group(first *line) []*line {
	lines := []*line{first}
	for len(lines) < groupLinesMax {
		select {
		case l := <-t.queue:
			lines = append(lines, l)
		default:
			return lines
		}
	}
	return lines
}

func (t *Trail) end() error {
	for len(t.queue) > 0 {
		if err := t.write(t.group(<-t.queue)); err != nil {
			return err
		}
	}
	err := t.flush()
	t.sayHead()
	return err
}

// write appends lines, and flushes when the oldest of what is not flushed is due.
func (t *Trail) write(lines []*line) error {
	if t.tail.size >= t.cfg.FileBytesMax {
		if err := t.rotate(); err != nil {
			return err
		}
	}
	var text []byte
	n, head := t.tail.n, t.tail.head
	for _, l := range lines {
		one, hash, err := l.chained(n+1, head)
		if err != nil {
			return err
		}
		n, head, text = n+1, hash, append(append(text, one...), '\n')
	}
	if _, err := t.tail.file.WriteAt(text, t.tail.size); err != nil {
		return fault.Halt(err, "write the audit trail")
	}
	t.tail.n, t.tail.head, t.tail.size = n, head, t.tail.size+int64(len(text))
	now := time.Now()
	if !t.dirty {
		t.dirty, t.since = true, now.Add(-2*t.cfg.FlushEvery/gatherPart) // it may have waited for others, and its flush may
	}
	if t.metrics != nil { // nil: Open has not made them yet
		t.metrics.lines.Add(float64(len(lines)))
	}
	if now.Sub(t.since) >= t.cfg.FlushEvery {
		return t.flush()
	}
	return nil
}

func (t *Trail) flush() error {
	if !t.dirty {
		return nil
	}
	if err := t.tail.file.Sync(); err != nil {
		return fault.Halt(err, "flush the audit trail")
	}
	t.dirty = false
	if t.metrics != nil {
		t.metrics.flushes.Inc()
	}
	if t.tail.n != t.saidN && time.Since(t.said) >= HeadEvery {
		t.sayHead()
	}
	return nil
}

// rotate ends a file and begins the next.
func (t *Trail) rotate() error {
	if err := t.flush(); err != nil {
		return err
	}
	t.sayHead()
	next, err := create(t.cfg.Dir, t.tail)
	if err != nil {
		return fault.Halt(err, "go on in a new file")
	}
	old := t.tail.file
	t.tail = next
	return fault.Wrap(fault.Unavailable, old.Close(), "close a file of the audit trail")
}

// sayHead notes the newest line's hash where the trail is not.
func (t *Trail) sayHead() {
	t.said, t.saidN = time.Now(), t.tail.n
	t.log.Info("the audit trail's head is "+t.tail.head.String(), slog.Uint64(obs.KeySequence, t.tail.n), slog.String(obs.KeyFile, t.tail.file.Name()))
}
