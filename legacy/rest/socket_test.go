// SPDX-License-Identifier: Apache-2.0

package rest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// dialSocket upgrades a connection.
func dialSocket(t *testing.T, s *server) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_, err = conn.Write([]byte("GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	answer, err := http.ReadResponse(in, nil)
	if err != nil || answer.StatusCode != 101 || answer.Header.Get("Sec-WebSocket-Accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" {
		t.Fatal(answer, err)
	}
	return conn, in
}

// serverFrame reads a short or 16-bit frame of the server.
func serverFrame(t *testing.T, in *bufio.Reader) (kind byte, data []byte) {
	t.Helper()
	head := make([]byte, 2)
	if _, err := io.ReadFull(in, head); err != nil {
		t.Fatal(err)
	}
	length := int(head[1])
	if length == 126 {
		wide := make([]byte, 2)
		if _, err := io.ReadFull(in, wide); err != nil {
			t.Fatal(err)
		}
		length = int(wide[0])<<8 | int(wide[1])
	}
	data = make([]byte, length)
	if _, err := io.ReadFull(in, data); err != nil {
		t.Fatal(err)
	}
	return head[0] & 0x0f, data
}

func TestSocket(t *testing.T) {
	s := start(t)
	conn, in := dialSocket(t, s)
	for _, want := range []string{`{"type":"overview","data":{"channels":`, `{"type":"metrics","data":{"tps":`} {
		if kind, data := serverFrame(t, in); kind != frameText || !strings.HasPrefix(string(data), want) || !json.Valid(data) {
			t.Errorf("%d %s", kind, data)
		}
	}
	masked := func(kind byte, text string) []byte {
		frame := []byte{0x80 | kind, 0x80 | byte(len(text)), 1, 2, 3, 4}
		for i := range len(text) {
			frame = append(frame, text[i]^frame[2+i&3])
		}
		return frame
	}
	if _, err := conn.Write(append(masked(frameText, "ignored"), masked(framePing, "hello")...)); err != nil {
		t.Fatal(err)
	}
	if kind, data := serverFrame(t, in); kind != framePong || string(data) != "hello" {
		t.Errorf("%d %s", kind, data)
	}
	if _, err := conn.Write(masked(frameClose, "\x03\xe8")); err != nil {
		t.Fatal(err)
	}
	if kind, data := serverFrame(t, in); kind != frameClose || string(data) != "\x03\xe8" {
		t.Errorf("%d %x", kind, data)
	}
	for frame, want := range map[string]string{
		"\x81\x01x": "\x03\xea", // not masked
		"\x81\xff\x00\x00\x00\x01\x00\x00\x00\x00": "\x03\xf1", // 4 GiB
	} {
		conn, in := dialSocket(t, s)
		serverFrame(t, in)
		serverFrame(t, in)
		if _, err := conn.Write([]byte(frame)); err != nil {
			t.Fatal(err)
		}
		if kind, data := serverFrame(t, in); kind != frameClose || string(data) != want {
			t.Errorf("%x: %d %x", frame, kind, data)
		}
	}
	// A drain says goodbye to who is still there.
	_, in = dialSocket(t, s)
	serverFrame(t, in)
	serverFrame(t, in)
	s.cancel()
	if kind, data := serverFrame(t, in); kind != frameClose || string(data) != "\x03\xe9" {
		t.Errorf("%d %x", kind, data)
	}
	err := <-s.served
	s.served <- err
}

func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{0x81, 0x81, 1, 2, 3, 4, 5})
	f.Add([]byte{0x81, 0xfe, 0xff, 0xff})
	f.Add([]byte{0x88, 0x80, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, text []byte) {
		in := bytes.NewReader(text)
		_, data, err := readFrame(in)
		if len(data) > socketFrameMax || (err == nil && len(text)-in.Len() < 6+len(data)) {
			t.Errorf("%d bytes out of %d, %v", len(data), len(text), err)
		}
	})
}
