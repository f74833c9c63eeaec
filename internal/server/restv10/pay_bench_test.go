// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"bufio"
	"context"
	"io"
	"net"
	"strconv"
	"testing"

	"github.com/aurigraph/aurigraph/internal/access"
	"github.com/aurigraph/aurigraph/internal/access/trail"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/custody"
)

// quickDesk pays at once.
type quickDesk struct{ *fakeLedger }

// PayMany implements Desk.
func (quickDesk) PayMany(_ context.Context, ps []custody.Payment) []custody.Answer {
	out := make([]custody.Answer, len(ps))
	for i := range out {
		out[i].Result = custody.Result{Height: 7, TimeUs: fakeTimeUs, Item: uint32(i), Outcome: chain.OK}
	}
	return out
}

// forgetful is a trail that keeps nothing.
type forgetful struct{}

func (forgetful) Ready() error              { return nil }
func (forgetful) Append(*trail.Entry) error { return nil }

// BenchmarkPay is what one payment costs at the edge, with the HTTP library and the kernel's part, before a desk that pays at once. The client
// allocates nothing.
func BenchmarkPay(b *testing.B) {
	ledger := newFakeLedger("alice", "bob")
	guard, err := access.New(access.Config{Open: true}, access.Parts{})
	if err != nil {
		b.Fatal(err)
	}
	s, err := New(Config{Node: "node0", Network: "fake", DrainNotice: 1}, Parts{Desk: quickDesk{ledger}, Reader: fakeReader{ledger}, Access: guard, Trail: forgetful{}})
	if err != nil {
		b.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	const body = `{"from":"alice","to":"bob","amount":"1.25"}`
	ask := []byte("POST /api/v10/transactions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body)
	in := bufio.NewReader(c)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(ask); err != nil {
			b.Fatal(err)
		}
		if err := skipAnswer(in); err != nil {
			b.Fatal(err)
		}
	}
}

// skipAnswer reads one 200 and forgets it.
func skipAnswer(in *bufio.Reader) error {
	length := 0
	for first := true; ; first = false {
		line, err := in.ReadSlice('\n')
		switch {
		case err != nil:
			return err
		case first && string(line) != "HTTP/1.1 200 OK\r\n":
			return io.ErrUnexpectedEOF
		case len(line) == 2:
			_, err := in.Discard(length)
			return err
		case len(line) > 16 && string(line[:16]) == "Content-Length: ":
			for length = 0; line[16] >= '0' && line[16] <= '9'; line = line[1:] {
				length = 10*length + int(line[16]-'0')
			}
		}
	}
}
