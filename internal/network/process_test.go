// SPDX-License-Identifier: Apache-2.0

package network

import (
	"context"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/aurigraph/aurigraph/internal/fault"
)

func TestStartStopRestart(t *testing.T) {
	n, logs := demo(t), logFile(t)
	for range 2 {
		p, err := n.StartNode(t.Context(), 0, builtProgram(t), logs)
		must(t, err)
		if p.Ready.GRPC != n.Nodes[0].GRPC || p.Ready.Metrics != n.Nodes[0].Metrics || p.Ready.PID != p.PID() {
			t.Errorf("%+v, the description says %+v", p.Ready, n.Nodes[0])
		}
		c, err := net.Dial("tcp", p.Ready.GRPC)
		must(t, err)
		must(t, c.Close())
		select {
		case <-p.Ended():
			t.Error("it has ended")
		default:
		}
		must(t, p.Stop())
		must(t, p.Stop()) // twice is once
		<-p.Ended()
	}
}

// A killed node is an end with an error; the next start recovers.
func TestKilledNode(t *testing.T) {
	n, logs := demo(t), logFile(t)
	p, err := n.StartNode(t.Context(), 0, builtProgram(t), logs)
	must(t, err)
	must(t, syscall.Kill(p.PID(), syscall.SIGKILL))
	<-p.Ended()
	if err := p.Stop(); !fault.Is(err, fault.Internal) || !contains(err, "killed") {
		t.Error(err)
	}
	p, err = n.StartNode(t.Context(), 0, builtProgram(t), logs)
	must(t, err)
	must(t, p.Stop())
}

// A node that cannot start says why, with the kind of the cause.
func TestNodeSaysWhy(t *testing.T) {
	n, logs := demo(t), logFile(t)
	must(t, os.Chmod(n.Path("node0/keys/validator.key"), 0o644))
	if _, err := n.StartNode(t.Context(), 0, builtProgram(t), logs); !fault.Is(err, fault.Denied) || !contains(err, "chmod 600") {
		t.Error(err)
	}
	if _, err := n.StartNode(t.Context(), 0, n.Path("none"), logs); !fault.Is(err, fault.Unavailable) {
		t.Error("a program that is not there", err)
	}
}

func TestNodeThatIsNone(t *testing.T) {
	n := demo(t)
	for name, c := range map[string]struct {
		text string
		kind fault.Kind
		says string
	}{
		"dies with a word in its log": {"for i in 1 2 3 4 5 6; do echo line $i >&2; done; exit 7", fault.Unavailable, "exit status 7; its log ends with\nline 2\nline 3\nline 4\nline 5\nline 6"},
		"dies silently":               {"exit 1", fault.Unavailable, "did not start: exit status 1"},
		"speaks of something else":    {"echo hello; exec sleep 60", fault.Internal, `said "hello\n"`},
		"is not ready":                {`echo '{"ready":false}'`, fault.Internal, "instead of being ready"},
		"knows an unknown kind":       {`echo '{"error":{"kind":"new","reason":"r","text":"a word"}}'`, fault.Internal, "a word"},
		"is in conflict":              {`echo '{"error":{"kind":"conflict","reason":"r","text":"a word"}}'; exit 2`, fault.Conflict, "did not start: a word"},
	} {
		t.Run(name, func(t *testing.T) {
			logs := logFile(t)
			_, err := logs.WriteString("of an earlier run\n")
			must(t, err)
			_, err = n.StartNode(t.Context(), 0, script(t, c.text), logs)
			if !fault.Is(err, c.kind) || !contains(err, c.says) || contains(err, "earlier") {
				t.Error(err)
			}
		})
	}
	if _, err := n.StartNode(t.Context(), 0, script(t, "echo x >&2; exit 1"), io.Discard); contains(err, "log") {
		t.Error("there is no log to show", err)
	}
}

func TestStartIsGivenUp(t *testing.T) {
	n := demo(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := n.StartNode(ctx, 0, script(t, "exec sleep 60"), io.Discard); err == nil || ctx.Err() == nil {
		t.Error(err)
	}
}

func TestTail(t *testing.T) {
	f := logFile(t)
	l := openTail(f)
	if l.lines() != "" {
		t.Error("nothing was logged")
	}
	_, err := f.WriteString(strings.Repeat("x", 2*tailBytesMax) + "\nlast\n\n")
	must(t, err)
	if s := l.lines(); !strings.HasSuffix(s, "x\nlast") || len(s) > tailBytesMax+100 {
		t.Errorf("%d bytes: %q", len(s), s)
	}
	must(t, os.Remove(f.Name()))
	if l.lines() != "" {
		t.Error("the file is gone")
	}
	r, w, err := os.Pipe()
	must(t, err)
	if openTail(w).path != "" {
		t.Error("a pipe is no file")
	}
	must(t, r.Close())
	must(t, w.Close())
	if openTail(w).path != "" {
		t.Error("a closed file")
	}
}
