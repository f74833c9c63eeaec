// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/network"
)

// wireTap stands between a client and a node. Muted, it lets requests pass and swallows the answers.
type wireTap struct {
	listener net.Listener
	muted    atomic.Bool
	mu       sync.Mutex
	conns    []net.Conn
}

func tap(t *testing.T, target string) *wireTap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wireTap{listener: l}
	t.Cleanup(w.cut)
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", target)
			if err != nil {
				near.Close()
				continue
			}
			w.mu.Lock()
			w.conns = append(w.conns, near, far)
			w.mu.Unlock()
			go func() { _, _ = io.Copy(far, near); far.Close() }()
			go func() { _, _ = io.Copy(answers{w, near}, far); near.Close() }()
		}
	}()
	return w
}

// answers is the way back to the client.
type answers struct {
	tap *wireTap
	io.Writer
}

func (a answers) Write(p []byte) (int, error) {
	if a.tap.muted.Load() {
		return len(p), nil
	}
	return a.Writer.Write(p)
}

// cut breaks all connections, as the end of the node does.
func (w *wireTap) cut() {
	w.listener.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.conns {
		c.Close()
	}
}

// through are the flags that reach a network through a tap, with the key of account 3.
func (w *wireTap) through(d *demo, key string) []string {
	return []string{"--asset", "AUR", "--key", key, "--endpoint", w.listener.Addr().String(), "--trust", filepath.Join(d.dir, "genesis.json"), "--ca", d.ready.TLS.CA, "--json"}
}

func transfers(t *testing.T, dir string) int {
	t.Helper()
	return int(answer(t, exitDone, "status", "--network", dir)["transfers"].(float64))
}

// kill kills the validator. It comes back by itself.
func (d *demo) kill(t *testing.T) {
	t.Helper()
	pid := d.running(t).PID
	killNow(t, pid)
	eventually(t, "the validator serves again", func() bool {
		n := d.running(t)
		return n.Ready && n.PID != pid
	})
}

// running is the validator's process.
func (d *demo) running(t *testing.T) network.RunNode {
	t.Helper()
	r, err := network.ReadRun(d.dir)
	if err != nil {
		t.Fatal(err)
	}
	return r.Nodes[0]
}

func unknownOf(t *testing.T, r result) errorJSON {
	t.Helper()
	var e struct{ Error errorJSON }
	if err := json.Unmarshal([]byte(r.out), &e); err != nil || r.code != exitUnknown || e.Error.Kind != "timeout" || e.Error.Reason != "unknown_outcome" || len(e.Error.Tx) != 64 {
		t.Fatalf("exit %d: %s%s (%v)", r.code, r.out, r.err, err)
	}
	return e.Error
}

// A payment whose answer is lost exits with 3, its id, and the command that finds out. The passphrase file is a pipe: who
// reads it has looked everything up, and will submit next.
func TestOutcomeUnknown(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "net")
	for _, how := range []string{"the node is killed", "Ctrl-C"} {
		d := up(t, dir)
		before := transfers(t, dir)
		w := tap(t, d.ready.GRPC[0])
		key, pipe := encryptedKey(t, dir)
		ctx, interrupt := context.WithCancel(t.Context())
		ended := make(chan result, 1)
		go func() {
			ended <- cliIn(ctx, append([]string{"pay", "3", "4", "5", "--passphrase-file", pipe}, w.through(d, key)...)...)
		}()
		passphrase, err := os.OpenFile(pipe, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		w.muted.Store(true)
		if _, err := passphrase.WriteString("correct horse"); err != nil {
			t.Fatal(err)
		}
		passphrase.Close()
		eventually(t, "the payment is executed", func() bool { return transfers(t, dir) == before+1 })
		if how == "Ctrl-C" {
			interrupt()
		} else {
			d.kill(t)
			w.cut()
		}
		e := unknownOf(t, <-ended)
		interrupt()
		if !strings.HasPrefix(e.Ask, "aurigraph tx show "+e.Tx+" --endpoint ") || !strings.Contains(e.Text, "may have been done or not") {
			t.Error(how, e)
		}
		tx := answer(t, exitDone, "tx", "show", e.Tx, "--network", dir)
		if tx["outcome"] != "ok" || tx["detail"].(map[string]any)["amount"] != "5" {
			t.Error(how, tx)
		}
		d.stop(t)
	}
}

// encryptedKey encrypts the key of account 3, and makes a pipe to give its passphrase by.
func encryptedKey(t *testing.T, dir string) (key, pipe string) {
	t.Helper()
	signer, err := keys.ReadFile(filepath.Join(dir, "keys/account1.key"), nil)
	if err != nil {
		t.Fatal(err)
	}
	key, pipe = filepath.Join(t.TempDir(), "key"), filepath.Join(t.TempDir(), "pipe")
	if err := keys.WriteFile(key, signer, []byte("correct horse")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	return key, pipe
}

// With --once, the same command after a lost answer goes on with the same bytes: it pays once.
func TestOnceIsPaidOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "net")
	d := up(t, dir)
	key := filepath.Join(dir, "keys/account1.key")
	for try := 1; ; try++ {
		w := tap(t, d.ready.GRPC[0])
		once := filepath.Join(t.TempDir(), fmt.Sprint("rent", try))
		ended := make(chan result, 1)
		go func() {
			ended <- cliIn(t.Context(), append([]string{"pay", "3", "4", "5", "--once", once}, w.through(d, key)...)...)
		}()
		muteOnceSigned(once+".journal", w, ended)
		eventually(t, "the payment is executed", func() bool { return transfers(t, dir) == try })
		select {
		case r := <-ended:
			if r.code != exitDone || try == 20 {
				t.Fatalf("try %d: exit %d: %s", try, r.code, r.out)
			}
			continue // the answer was quicker than the muting
		default:
		}
		d.kill(t)
		w.cut()
		e := unknownOf(t, <-ended)
		for range 2 {
			paid := answer(t, exitDone, "pay", "3", d.ready.Accounts[1], "5.00", "--once", once, "--network", dir)
			if paid["tx"] != e.Tx || paid["outcome"] != "ok" || paid["verified"] != true {
				t.Error(paid, e)
			}
		}
		if n := transfers(t, dir); n != try {
			t.Errorf("%d payments were executed, %d were asked for", n, try)
		}
		if r := want(t, exitRefused, "pay", "3", "4", "6", "--once", once, "--network", dir); !strings.Contains(r.err, ".journal") {
			t.Error("another payment under the same name", r.err)
		}
		return
	}
}

// muteOnceSigned mutes the tap as soon as a journal holds more than its first entry, which is before the bytes are sent.
func muteOnceSigned(journal string, w *wireTap, ended <-chan result) {
	first := int64(0)
	for len(ended) == 0 {
		info, err := os.Stat(journal)
		if err != nil || info.Size() == 0 {
			continue
		}
		if first == 0 {
			first = info.Size()
		}
		if info.Size() > first || first > 400 {
			w.muted.Store(true)
			return
		}
	}
}

// An interrupted payment file exits with 3, and goes on where it was.
func TestPayFileInterrupted(t *testing.T) {
	const lines = 3000
	dir := filepath.Join(t.TempDir(), "net")
	d := up(t, dir)
	var text strings.Builder
	text.WriteString("from,to,amount\n")
	for i := range lines {
		fmt.Fprintf(&text, "%d,%d,0.01\n", 3+i%3, 3+(i+1)%3)
	}
	file := write(t, filepath.Join(t.TempDir(), "p.csv"), text.String())
	ctx, interrupt := context.WithCancel(t.Context())
	ended := make(chan result, 1)
	go func() { ended <- cliIn(ctx, "pay", "--file", file, "--network", dir) }()
	eventually(t, "the journal grows", func() bool {
		info, err := os.Stat(file + ".journal")
		return err == nil && info.Size() > 50_000
	})
	interrupt()
	r := <-ended
	if r.code != exitUnknown || !strings.Contains(r.err, "run the same command again, nothing is paid twice") {
		t.Errorf("exit %d: %s", r.code, r.err)
	}
	paid := answer(t, exitDone, "pay", "--file", file, "--network", dir)
	if paid["ok"] != float64(lines) || paid["resumed"] != true {
		t.Error(paid)
	}
	if n := transfers(t, dir); n != lines {
		t.Errorf("%d transfers for %d lines", n, lines)
	}
	d.stop(t)
}
