// SPDX-License-Identifier: Apache-2.0

package restv10

import (
	"encoding/binary"
	"slices"
	"unicode/utf8"
)

// Opcodes of frames (RFC 6455).
const (
	opContinuation byte = 0
	opText         byte = 1
	opBinary       byte = 2
	opClose        byte = 8
	opPing         byte = 9
	opPong         byte = 10
)

// Codes with which a socket is closed (RFC 6455).
const (
	closeNormal    = 1000
	closeGoingAway = 1001
	closeProtocol  = 1002
	closeNotUTF8   = 1007
	closeTooLarge  = 1009
	closeTryLater  = 1013
)

// breach is why a client cannot be understood any more: the code with which it is closed.
type breach uint16

// Error implements error.
func (b breach) Error() string {
	switch b {
	case closeNotUTF8:
		return "text that is not UTF-8"
	case closeTooLarge:
		return "message too large"
	}
	return "protocol error"
}

// inbound takes a client's bytes in, in whatever pieces they come. It holds only what is not whole yet, so that a socket that says nothing
// has no buffer.
type inbound struct {
	held    []byte // of a frame that is not whole
	message []byte // of a message whose last frame did not come yet
	kind    byte   // its opcode; 0: there is none
}

// feed takes in the bytes that came next, changes them, and calls each with every whole message and control frame. What it is given is its
// own only until it returns. An error of each ends it, and so does a breach.
func (in *inbound) feed(b []byte, each func(op byte, payload []byte) error) error {
	fresh := len(in.held) == 0
	if !fresh {
		in.held = append(in.held, b...)
		b = in.held
	}
	taken := false
	for {
		f, n, err := frameIn(b)
		switch {
		case err != nil:
			return err
		case n == 0 && len(b) == 0:
			in.held = nil
			return nil
		case n == 0:
			if fresh || taken {
				in.held = slices.Clone(b)
			}
			return nil
		}
		b, taken = b[n:], true
		if err := in.take(f, each); err != nil {
			return err
		}
	}
}

// frame is a client's, unmasked.
type frame struct {
	op      byte
	final   bool
	payload []byte
}

// frameIn unmasks the frame with which b begins, and returns its length, 0 if it is not all there. A client's frame is masked, no extension
// was agreed on, and one that is about the connection is whole and short.
func frameIn(b []byte) (f frame, n int, err error) {
	const final, reserved, opcode, masked, about = 0x80, 0x70, 0x0f, 0x80, 0x08
	if len(b) < 2 {
		return f, 0, nil
	}
	f.op, f.final = b[0]&opcode, b[0]&final != 0
	short := b[1] &^ masked
	switch {
	case b[0]&reserved != 0, b[1]&masked == 0, f.op > opPong, f.op > opBinary && f.op < opClose, f.op&about != 0 && (!f.final || short > 125):
		return f, 0, breach(closeProtocol)
	}
	size, head := uint64(short), 2
	switch {
	case short == 126 && len(b) >= 4:
		size, head = uint64(binary.BigEndian.Uint16(b[2:])), 4
	case short == 127 && len(b) >= 10:
		size, head = binary.BigEndian.Uint64(b[2:]), 10
	case short >= 126:
		return f, 0, nil
	}
	if size > socketMessageBytesMax {
		return f, 0, breach(closeTooLarge)
	}
	begin := head + 4
	end := begin + int(size)
	if len(b) < end {
		return f, 0, nil
	}
	f.payload = b[begin:end:end]
	for i := range f.payload {
		f.payload[i] ^= b[head+i&3]
	}
	return f, end, nil
}

// take puts messages of several frames together.
func (in *inbound) take(f frame, each func(op byte, payload []byte) error) error {
	switch {
	case f.op >= opClose:
		return each(f.op, f.payload)
	case (f.op == opContinuation) != (in.kind != 0):
		return breach(closeProtocol)
	case f.op != opContinuation && f.final:
		return say(f.op, f.payload, each)
	case len(in.message)+len(f.payload) > socketMessageBytesMax:
		return breach(closeTooLarge)
	}
	if f.op != opContinuation {
		in.kind = f.op
	}
	in.message = append(in.message, f.payload...)
	if !f.final {
		return nil
	}
	kind, message := in.kind, in.message
	in.kind, in.message = 0, nil
	return say(kind, message, each)
}

// say passes a whole message on. Text is UTF-8.
func say(op byte, message []byte, each func(op byte, payload []byte) error) error {
	if op == opText && !utf8.Valid(message) {
		return breach(closeNotUTF8)
	}
	return each(op, message)
}

// closeAnswer is what is said to a client's own last word: the code that it gave, or that it gave one which it may not.
func closeAnswer(payload []byte) []byte {
	if len(payload) == 0 {
		return nil
	}
	code := uint16(closeProtocol)
	if len(payload) >= 2 {
		said := binary.BigEndian.Uint16(payload)
		switch {
		case !utf8.Valid(payload[2:]):
			code = closeNotUTF8
		case said >= 1000 && said <= 1014 && (said < 1004 || said > 1006), said >= 3000 && said < 5000:
			code = said
		}
	}
	return binary.BigEndian.AppendUint16(nil, code)
}
