// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/fault"
)

const (
	protocolVersion = 1
	protocolName    = "aurigraph-transport" // the TLS application protocol
	helloMagic      = "AGPEER\r\n"
	helloBytes      = 36
)

// verdict is the answer to a hello. The numbers travel: append only.
type verdict uint8

const (
	accepted verdict = iota
	refusedMalformed
	refusedVersion
	refusedChain
	refusedSender
	refusedReceiver
	refusedUnknown
	refusedClass
	verdictCount
)

var verdictReasons = [verdictCount]string{
	"", "hello_malformed", "wrong_version", "wrong_chain", "wrong_sender", "wrong_receiver", "unknown_peer", "unknown_class",
}

// reason is the word by which a refusal is counted.
func (v verdict) reason() string {
	if v >= verdictCount {
		return verdictReasons[refusedMalformed]
	}
	return verdictReasons[v]
}

// hello is the first message of each side, behind TLS: who speaks to whom, about which chain.
type hello struct {
	version  uint16
	class    Class
	verdict  verdict // of the answer; accepted in the dialer's
	sender   chain.ValidatorNo
	receiver chain.ValidatorNo
	chain    chain.ChainID
	epoch    chain.Epoch
}

func (h hello) encode() []byte {
	b := make([]byte, helloBytes)
	copy(b, helloMagic)
	binary.LittleEndian.PutUint16(b[8:], h.version)
	b[10], b[11] = byte(h.class), byte(h.verdict)
	binary.LittleEndian.PutUint16(b[12:], uint16(h.sender))
	binary.LittleEndian.PutUint16(b[14:], uint16(h.receiver))
	binary.LittleEndian.PutUint64(b[16:], uint64(h.chain))
	binary.LittleEndian.PutUint64(b[24:], uint64(h.epoch))
	return b
}

func decodeHello(b []byte) (hello, error) {
	if len(b) != helloBytes || string(b[:8]) != helloMagic {
		return hello{}, refuse(refusedMalformed, "the peer does not speak this protocol")
	}
	h := hello{
		version:  binary.LittleEndian.Uint16(b[8:]),
		class:    Class(b[10]),
		verdict:  verdict(b[11]),
		sender:   chain.ValidatorNo(binary.LittleEndian.Uint16(b[12:])),
		receiver: chain.ValidatorNo(binary.LittleEndian.Uint16(b[14:])),
		chain:    chain.ChainID(binary.LittleEndian.Uint64(b[16:])),
		epoch:    chain.Epoch(binary.LittleEndian.Uint64(b[24:])),
	}
	if binary.LittleEndian.Uint32(b[32:]) != 0 && h.version == protocolVersion {
		return h, refuse(refusedMalformed, "the hello's reserved bytes are not zero")
	}
	return h, nil
}

func refuse(v verdict, format string, args ...any) error {
	return fault.Reasoned(fault.Denied, v.reason(), format, args...)
}

// check judges the other side's hello. certified is the validator whom its certificate names. Epochs may differ: whoever
// lags behind must be able to catch up.
func (h hello) check(chainID chain.ChainID, self, certified chain.ValidatorNo) (verdict, error) {
	switch {
	case h.version != protocolVersion:
		return refusedVersion, refuse(refusedVersion, "the peer speaks protocol version %d, this node %d: upgrade the older one", h.version, protocolVersion)
	case h.chain != chainID:
		return refusedChain, refuse(refusedChain, "the peer is of chain %d, this node of %d", h.chain, chainID)
	case h.sender != certified:
		return refusedSender, refuse(refusedSender, "the peer says it is validator %d, its certificate says %d", h.sender, certified)
	case h.receiver != self:
		return refusedReceiver, refuse(refusedReceiver, "the peer looks for validator %d, this is %d: check the addresses of the peers", h.receiver, self)
	case h.class >= ClassCount:
		return refusedClass, refuse(refusedClass, "class %d does not exist", h.class)
	}
	return accepted, nil
}
