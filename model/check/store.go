// SPDX-License-Identifier: Apache-2.0

package check

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

const (
	shardBits  = 4
	shardCount = 1 << shardBits
	blockBits  = 12
	blockSize  = 1 << blockBits // states
	noRef      = ^uint32(0)
)

// ref names a stored state: its shard in the low bits, its place there above.
type ref = uint32

// shard holds the states whose hash ends in its number: an append-only list in blocks, and an open-addressing table of places.
type shard[S comparable] struct {
	blocks  [][]S
	parents [][]ref
	count   uint32
	table   []uint32 // place+1, 0 is free; at most two thirds full
}

func (sh *shard[S]) at(place uint32) *S { return &sh.blocks[place>>blockBits][place&(blockSize-1)] }

func (sh *shard[S]) parent(place uint32) ref {
	return sh.parents[place>>blockBits][place&(blockSize-1)]
}

// find gives the place of s, or noRef.
func (sh *shard[S]) find(s *S, hash uint64) uint32 {
	if len(sh.table) == 0 {
		return noRef
	}
	mask := uint64(len(sh.table) - 1)
	for i := hash >> shardBits & mask; ; i = (i + 1) & mask {
		switch place := sh.table[i]; {
		case place == 0:
			return noRef
		case *sh.at(place - 1) == *s:
			return place - 1
		}
	}
}

// add stores s unless it is there, and reports whether it is new.
func (sh *shard[S]) add(s *S, hash uint64, parent ref) bool {
	if int(sh.count)*3 >= len(sh.table)*2 {
		sh.grow()
	}
	mask := uint64(len(sh.table) - 1)
	i := hash >> shardBits & mask
	for ; sh.table[i] != 0; i = (i + 1) & mask {
		if *sh.at(sh.table[i] - 1) == *s {
			return false
		}
	}
	if sh.count&(blockSize-1) == 0 {
		sh.blocks = append(sh.blocks, make([]S, blockSize))
		sh.parents = append(sh.parents, make([]ref, blockSize))
	}
	*sh.at(sh.count) = *s
	sh.parents[sh.count>>blockBits][sh.count&(blockSize-1)] = parent
	sh.count++
	sh.table[i] = sh.count
	return true
}

func (sh *shard[S]) grow() {
	sh.table = make([]uint32, max(1<<10, 2*len(sh.table)))
	mask := uint64(len(sh.table) - 1)
	for place := range sh.count {
		i := hashOf(sh.at(place)) >> shardBits & mask
		for sh.table[i] != 0 {
			i = (i + 1) & mask
		}
		sh.table[i] = place + 1
	}
}

// hashOf mixes a state's bytes. It is the same in every process, so that shards and traces are.
func hashOf[S comparable](s *S) uint64 {
	// checkType has made sure that S is bytes and words without padding.
	data := unsafe.Slice((*byte)(unsafe.Pointer(s)), unsafe.Sizeof(*s))
	h := uint64(0x9E3779B97F4A7C15)
	for len(data) >= 8 {
		h = mix(h ^ binary.LittleEndian.Uint64(data))
		data = data[8:]
	}
	var tail [8]byte
	copy(tail[:], data)
	return mix(h ^ binary.LittleEndian.Uint64(tail[:]) ^ 0xD6E8FEB86659FD93)
}

func mix(x uint64) uint64 {
	hi, lo := bits.Mul64(x^0xA0761D6478BD642F, 0xE7037ED1A0B428DB)
	return hi ^ lo
}
