// SPDX-License-Identifier: Apache-2.0

package pebblestore

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/wal"
)

// Pebble takes the first chunk of its newest log that fails its checksum for the torn end of a crash, and drops all that
// follows, unless a chunk in a later block of 32 KiB says that the place had been synced. A small log has no later block.
// checkLogs looks for such proof in the rest of the same block too, so that damage to anything but the last synced write
// is refused instead of forgotten.
//
// The layout of a chunk, from Pebble's package record: checksum u32, length u16, encoding u8, log number u32, synced
// offset u64, payload; the checksum covers all from the encoding on; no chunk crosses a block.
const (
	walBlockBytes  = 32 << 10
	chunkHeadBytes = 19
	chunkEncodings = 9 // the first of the four encodings with a synced offset
	// walBytesMax bounds the log that is read as a whole: a memtable, and one write that is larger.
	walBytesMax = 256 << 20
)

// checkLogs returns fault.Corrupt if a log of the closed store in dir lost something that had been synced.
func checkLogs(fs vfs.FS, dir string) error {
	logs, err := wal.Scan(wal.Dir{FS: fs, Dirname: dir})
	if err != nil {
		return wrap(err, "list the logs of %s", dir)
	}
	for _, l := range logs {
		_, path := l.SegmentLocation(0)
		data, err := readLog(fs, path)
		if err != nil {
			return fault.Wrap(fault.Unavailable, err, "read log %s", path)
		}
		if at, ok := damagedAt(data, uint32(l.Num)); ok {
			return fault.Reasoned(fault.Corrupt, "log_damaged", "log %s is damaged at byte %d: a later write proves that it had been whole", path, at)
		}
	}
	return nil
}

func readLog(fs vfs.FS, path string) ([]byte, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, walBytesMax))
	return data, errors.Join(err, f.Close())
}

// damagedAt finds the first chunk that is not whole, and reports whether a chunk behind it was written when that place
// had been synced already.
func damagedAt(data []byte, logNum uint32) (at int, damaged bool) {
	at = firstBroken(data, logNum)
	for i := at + 1; i+chunkHeadBytes <= len(data); i++ {
		if synced, _, ok := chunkAt(data, i, logNum); ok && synced > uint64(at) {
			return at, true
		}
	}
	return at, false
}

func firstBroken(data []byte, logNum uint32) int {
	at := 0
	for at+chunkHeadBytes <= len(data) {
		if left := walBlockBytes - at%walBlockBytes; left < chunkHeadBytes {
			at += left // too short for a chunk: padding
			continue
		}
		_, end, ok := chunkAt(data, at, logNum)
		if !ok {
			return at
		}
		at = end
	}
	return at
}

// chunkAt reads the chunk at data[at:], if there is a whole one of this log.
func chunkAt(data []byte, at int, logNum uint32) (synced uint64, end int, ok bool) {
	head := data[at : at+chunkHeadBytes]
	if encoding := head[6]; encoding < chunkEncodings || encoding >= chunkEncodings+4 || binary.LittleEndian.Uint32(head[7:]) != logNum {
		return 0, 0, false
	}
	end = at + chunkHeadBytes + int(binary.LittleEndian.Uint16(head[4:]))
	if end > len(data) || end > at-at%walBlockBytes+walBlockBytes {
		return 0, 0, false
	}
	sum := crc32.Checksum(data[at+6:end], crc32.MakeTable(crc32.Castagnoli))
	masked := (sum>>15 | sum<<17) + 0xa282ead8
	return binary.LittleEndian.Uint64(head[11:]), end, masked == binary.LittleEndian.Uint32(head)
}
