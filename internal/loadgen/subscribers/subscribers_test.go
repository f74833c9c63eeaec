// SPDX-License-Identifier: Apache-2.0

package subscribers

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lxzan/gws"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// feed is a server whose sockets get a head every few milliseconds once they subscribed.
type feed struct {
	gws.BuiltinEventHandler
	blocks, all, pongs atomic.Int64
}

// OnMessage begins to send.
func (f *feed) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	if !strings.Contains(m.Data.String(), "transactions") {
		f.blocks.Add(1)
	}
	f.all.Add(1)
	go func() {
		_ = c.WriteMessage(gws.OpcodeText, []byte(`{"type":"subscribed","channel":"blocks","height":5}`))
		_ = c.WritePing([]byte("hi"))
		for height := 7; ; height++ {
			text := fmt.Sprintf(`{"type":"block","channel":"blocks","height":%d,"data":{"height":1,"x":"%s"}}`, height, strings.Repeat("x", 200))
			if c.WriteMessage(gws.OpcodeText, []byte(text)) != nil {
				return
			}
			<-time.After(5 * time.Millisecond)
		}
	}()
}

// OnPong counts.
func (f *feed) OnPong(*gws.Conn, []byte) { f.pongs.Add(1) }

func serveFeed(t *testing.T) (*feed, string) {
	t.Helper()
	f := &feed{}
	up := gws.NewUpgrader(f, nil)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/ws" {
			http.NotFound(w, r)
			return
		}
		c, err := up.Upgrade(w, r)
		if err != nil {
			t.Error(err)
			return
		}
		go c.ReadLoop()
	}))
	t.Cleanup(s.Close)
	return f, s.Listener.Addr().String()
}

// TestServe: every socket follows, one answers pings, each frame is stamped behind the one before, and the stalled ones are there.
func TestServe(t *testing.T) {
	f, address := serveFeed(t)
	askOut, askIn := io.Pipe()
	sayOut, sayIn := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- Serve(t.Context(), askOut, sayIn) }()
	w := connect(askIn, sayOut, askIn.Close)
	if err := w.open(Config{Address: address, Subscribers: 20, Stalled: 2}); err != nil {
		t.Fatal(err)
	}
	frames, err := w.Watch(300 * time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if f.blocks.Load() != 20 || f.all.Load() != 22 || f.pongs.Load() != 20 || frames.Closed != 0 || frames.Full {
		t.Errorf("%d of %d follow blocks, %d pongs, %d closed", f.blocks.Load(), f.all.Load(), f.pongs.Load(), frames.Closed)
	}
	if n := len(frames.Frames); n < 20*5 {
		t.Errorf("%d frames of 20 sockets in 300 ms, one each 5 ms", n)
	}
	for _, one := range frames.Frames {
		before, since := one.Before()
		height, at := one.Came()
		if before < 7 || height != before+1 || at.Before(since) || time.Since(at) > time.Minute {
			t.Fatal(one)
		}
	}
	if err := w.Stop(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestRefused: who cannot come in says why.
func TestRefused(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	for cfg, says := range map[Config]string{
		{Address: s.Listener.Addr().String(), Subscribers: 1}: "404",
		{Address: "127.0.0.1:1", Stalled: 1}:                  "refused",
		{Subscribers: SubscribersMax, Stalled: 1}:             "at most",
	} {
		var out bytes.Buffer
		in := fmt.Sprintf(`{"address":%q,"subscribers":%d,"stalled":%d}`, cfg.Address, cfg.Subscribers, cfg.Stalled)
		if err := Serve(t.Context(), strings.NewReader(in+"\n"), &out); err != nil || !strings.Contains(out.String(), says) {
			t.Errorf("%+v: %v, %s", cfg, err, out.String())
		}
	}
}

func TestFrame(t *testing.T) {
	long := bytes.Repeat([]byte("a"), 300)
	for _, c := range []struct {
		in   []byte
		op   byte
		size int // -1: an error
	}{
		{[]byte{0x81, 2, 'o', 'k'}, opText, 2},
		{append([]byte{0x81, 126, 1, 44}, long...), opText, 300},
		{append([]byte{0x89, 127, 0, 0, 0, 0, 0, 0, 1, 44}, long...), opPing, 300},
		{[]byte{0x88, 0}, opClose, 0},
		{[]byte{0x81, 0x82, 0, 0, 0, 0, 'o', 'k'}, 0, -1},              // masked
		{[]byte{0x81, 127, 0, 0, 1, 0, 0, 0, 0, 0}, 0, -1},             // too long
		{[]byte{0x81, 126, 1}, 0, -1},                                  // cut
		{[]byte{0x81, 127, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0}, 0, -1}, // beyond any length
	} {
		op, payload, _, err := frame(bufio.NewReader(bytes.NewReader(c.in)), nil)
		if (err != nil) != (c.size < 0) || err == nil && (op != c.op || len(payload) != c.size) {
			t.Errorf("%x: op %d, %d bytes, %v", c.in, op, len(payload), err)
		}
	}
}

func TestHeadOf(t *testing.T) {
	for text, height := range map[string]int64{
		`{"type":"block","channel":"blocks","height":12,"data":{"height":13}}`: 12,
		`{"type":"subscribed","channel":"blocks","height":12}`:                 0,
		`{"type":"block","channel":"blocks"}`:                                  0,
		`{"type":"block","height":x}`:                                          0,
		`{`:                                                                    0,
		``:                                                                     0,
	} {
		if got := headOf([]byte(text)); got != height {
			t.Errorf("%s: %d", text, got)
		}
	}
}
