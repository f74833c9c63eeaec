// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

const (
	handshakeTimeout = 5 * time.Second
	recordBytesMax   = 16 << 10 // of TLS
	// recordsMax is two thirds of the 2^24.5 records that one AES-GCM key may seal (RFC 8446, 5.5).
	recordsMax = 1 << 24
	// consensusSocketBytes is small, so that votes grow stale in our queue, which drops them, and not in the kernel's. The
	// other classes leave the size to the kernel: a fixed one would be cut to its limit and no longer grow.
	consensusSocketBytes = 256 << 10
)

// gatherBytes is how much ciphertext one system call writes, by class.
var gatherBytes = [ClassCount]int{32 << 10, 128 << 10, 64 << 10}

// errKeysWornOut ends a connection that sealed recordsMax records.
var errKeysWornOut = errors.New("the connection's keys are worn out")

// outgoing is a connection for what we send. What comes back on it are answers to pings.
type outgoing struct {
	link  *link
	wire  *wire
	conn  *tls.Conn
	out   *bufio.Writer // gathers small frames into records
	since time.Time

	pings     *time.Ticker
	pinged    atomic.Int64 // when, in nanoseconds after since
	roundTrip atomic.Int64 // nanoseconds
	lost      chan struct{}
	lostErr   error // to be read after lost was closed
}

// dial connects and shakes hands.
func (l *link) dial() (*outgoing, error) {
	ctx, cancel := context.WithTimeout(l.ctx, handshakeTimeout)
	defer cancel()
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", l.peer.dialAddress())
	if err != nil {
		return nil, &fault.Error{Kind: fault.Unavailable, Reason: "unreachable", Text: "dial the validator", Cause: err}
	}
	w := &wire{Conn: raw}
	unhook := context.AfterFunc(ctx, func() { raw.Close() })
	if l.class == Consensus {
		err = raw.(*net.TCPConn).SetWriteBuffer(consensusSocketBytes)
	}
	var conn *tls.Conn
	if err == nil {
		conn, err = l.shakeHands(ctx, w)
	}
	if err == nil && !unhook() {
		err = ctx.Err()
	}
	if err != nil {
		raw.Close()
		if l.ctx.Err() == nil {
			l.t.metrics.refusals.WithLabelValues(directionNames[directionOut], handshakeReason(err)).Inc()
		}
		return nil, asHandshakeError(err)
	}
	w.idleMax = l.t.opts.DeadAfter
	w.startGathering(gatherBytes[l.class])
	return &outgoing{
		link: l, wire: w, conn: conn, out: bufio.NewWriterSize(conn, recordBytesMax), since: time.Now(), lost: make(chan struct{}),
	}, nil
}

func (l *link) shakeHands(ctx context.Context, w *wire) (*tls.Conn, error) {
	conn := tls.Client(w, l.t.opts.Identity.tlsConfig(l.t.opts.Chain, x509.ExtKeyUsageServerAuth, func(no chain.ValidatorNo) error {
		if no != l.peer.no {
			return fault.Reasoned(fault.Denied, "wrong_validator", "validator %d answers at the address of validator %d: check the addresses of the peers", no, l.peer.no)
		}
		return nil
	}))
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	if _, err := conn.Write(l.t.hello(l.class, l.peer.no, accepted).encode()); err != nil {
		return nil, err
	}
	answer, err := readHello(conn)
	if err != nil {
		return nil, err
	}
	if answer.verdict != accepted {
		return nil, fault.Reasoned(fault.Denied, "refused_"+answer.verdict.reason(), "validator %d refuses this node: %s", l.peer.no, answer.verdict.reason())
	}
	if _, err := answer.check(l.t.opts.Chain, l.t.opts.Self, l.peer.no); err != nil {
		return nil, err
	}
	l.peer.epoch.Store(uint64(answer.epoch))
	return conn, nil
}

func (t *TCP) hello(class Class, to chain.ValidatorNo, v verdict) hello {
	return hello{
		version: protocolVersion, class: class, verdict: v, sender: t.opts.Self, receiver: to, chain: t.opts.Chain,
		epoch: chain.Epoch(t.epoch.Load()),
	}
}

func readHello(r io.Reader) (hello, error) {
	var b [helloBytes]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return hello{}, err
	}
	return decodeHello(b[:])
}

// handshakeReason is the counting word of a failed handshake.
func handshakeReason(err error) string { return fault.ReasonOf(asHandshakeError(err)) }

func asHandshakeError(err error) error {
	var known *fault.Error
	if errors.As(err, &known) {
		return err
	}
	return &fault.Error{Kind: fault.Unavailable, Reason: "handshake_failed", Text: "the handshake with the validator", Cause: err}
}

// run sends until the connection or ctx ends, and says why.
func (o *outgoing) run(ctx context.Context) error {
	unhook := context.AfterFunc(ctx, func() { o.wire.Close() })
	defer unhook()
	o.pings = time.NewTicker(o.link.t.opts.PingInterval)
	defer o.pings.Stop()
	o.link.t.work.Go(o.listen)
	err := o.write(ctx)
	if !errors.Is(err, errKeysWornOut) {
		o.wire.Close()
	}
	<-o.lost
	o.wire.Close()
	if errors.Is(err, errKeysWornOut) || ctx.Err() != nil {
		return err
	}
	if errors.Is(err, net.ErrClosed) {
		err = o.lostErr
	}
	return asConnectionError(err)
}

// listen reads answers to pings, and so notices the end.
func (o *outgoing) listen() {
	defer close(o.lost)
	in := bufio.NewReaderSize(o.conn, 512)
	for {
		kind, n, err := readHeader(in, o.link.class)
		if err == nil && kind != kindControl {
			err = fault.Reasoned(fault.Corrupt, "frame_malformed", "the peer sends frames on a connection that is ours to send on")
		}
		if err == nil && n == pingBytes {
			err = o.answered(in)
		}
		if err != nil {
			o.lostErr = asConnectionError(err)
			// The writer may stand in a write, or wait for what it was told is lost.
			o.wire.Close()
			return
		}
	}
}

func (o *outgoing) answered(in *bufio.Reader) error {
	var b [pingBytes]byte
	if _, err := io.ReadFull(in, b[:]); err != nil {
		return err
	}
	if at := o.pinged.Load(); at != 0 && uint64(at) == binary.LittleEndian.Uint64(b[:]) {
		took := time.Since(o.since) - time.Duration(at)
		o.roundTrip.Store(int64(took))
		o.link.t.metrics.roundTrip[o.link.class].Observe(took.Seconds())
	}
	return nil
}

func asConnectionError(err error) error {
	var known *fault.Error
	if errors.As(err, &known) {
		return err
	}
	reason, text := "connection_lost", "the connection ended"
	var network net.Error
	if errors.As(err, &network) && network.Timeout() {
		reason, text = "silent", "the peer is silent"
	}
	return &fault.Error{Kind: fault.Unavailable, Reason: reason, Text: text, Cause: err}
}

// write sends what the queue has. What gathers while one flush is under way goes out in the next.
func (o *outgoing) write(ctx context.Context) error {
	if err := o.ping(); err != nil {
		return err
	}
	var taken []frame
	for {
		taken = o.link.queue.take(taken[:0])
		if len(taken) == 0 {
			if err := o.wait(ctx, nil); err != nil {
				return err
			}
			continue
		}
		if err := o.writeAll(ctx, taken); err != nil {
			return err
		}
		if o.wire.records.Load() > o.link.t.opts.recordsMax {
			return o.finish()
		}
		select {
		case <-o.pings.C:
			if err := o.ping(); err != nil {
				return err
			}
		default:
		}
	}
}

// wait returns when there may be frames, or at until if it is not nil. Meanwhile it pings.
func (o *outgoing) wait(ctx context.Context, until <-chan time.Time) error {
	wake := o.link.queue.wake
	if until != nil {
		wake = nil
	}
	for {
		select {
		case <-wake:
			return nil
		case <-until:
			return nil
		case <-o.pings.C:
			if err := o.ping(); err != nil {
				return err
			}
		case <-o.lost:
			return o.lostErr
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (o *outgoing) ping() error {
	at := int64(time.Since(o.since)) | 1
	o.pinged.Store(at)
	var b [headerBytes + pingBytes]byte
	putHeader(b[:], kindControl, pingBytes)
	binary.LittleEndian.PutUint64(b[headerBytes:], uint64(at))
	if _, err := o.out.Write(b[:]); err != nil {
		return err
	}
	return o.flush()
}

func (o *outgoing) writeAll(ctx context.Context, taken []frame) error {
	var bytes int64
	for i := range taken {
		err := o.throttle(ctx, taken[i].size)
		if err == nil {
			err = o.writeFrame(&taken[i])
		}
		if err == nil && i == len(taken)-1 {
			err = o.flush()
		}
		if err != nil {
			o.link.drop(len(taken)-i, "connection_lost")
			o.link.queue.settle(taken)
			return err
		}
		bytes += taken[i].size
	}
	o.link.queue.settle(taken)
	o.link.t.metrics.count(directionOut, o.link.class, len(taken), bytes)
	if o.link.class != Sync {
		o.link.t.share.used(bytes)
	}
	return nil
}

func (o *outgoing) writeFrame(f *frame) error {
	if _, err := o.out.Write(f.head); err != nil || f.body == nil {
		return err
	}
	_, err := o.out.Write(f.body.Payload())
	return err
}

// throttle holds a Sync frame back until the link has room for it.
func (o *outgoing) throttle(ctx context.Context, bytes int64) error {
	if o.link.class != Sync {
		return nil
	}
	d := o.link.t.share.reserve(bytes, time.Now())
	if d == 0 {
		return nil
	}
	if err := o.flush(); err != nil {
		return err
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	return o.wait(ctx, timer.C)
}

func (o *outgoing) flush() error {
	if err := o.out.Flush(); err != nil {
		return err
	}
	return o.wire.flush()
}

// finish says goodbye, upon which the peer reads to the end and closes, so that a change of keys loses nothing. TLS has a
// way to say so too, but it gives up on a peer that is slow to read.
func (o *outgoing) finish() error {
	var b [headerBytes]byte
	putHeader(b[:], kindControl, 0)
	if _, err := o.out.Write(b[:]); err != nil {
		return err
	}
	if err := o.flush(); err != nil {
		return err
	}
	return errKeysWornOut
}
