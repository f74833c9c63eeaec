// SPDX-License-Identifier: Apache-2.0

package copier

import (
	"encoding/binary"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/imported"
)

// rowBytes is the size of a transaction in the digest of its piece.
const rowBytes = 64

// appendRow writes a transaction for the digest; docs/initial-copy.md has the format.
func appendRow(b []byte, r *imported.Row) []byte {
	le := binary.LittleEndian
	b = le.AppendUint64(b, r.Seq)
	b = le.AppendUint64(b, r.Ms)
	b = le.AppendUint64(b, r.Round)
	b = le.AppendUint32(b, r.Place)
	b = le.AppendUint32(b, uint32(r.Payer))
	b = le.AppendUint32(b, uint32(r.Payee))
	b = le.AppendUint32(b, uint32(r.Asset))
	b = le.AppendUint64(b, r.Amount.Lo)
	b = le.AppendUint64(b, r.Amount.Hi)
	return append(b, byte(r.Kind), byte(r.Outcome), 0, 0, 0, 0, 0, 0)
}

// appendRound writes a round for the digest.
func appendRound(b []byte, r *imported.Round) []byte {
	le := binary.LittleEndian
	b = le.AppendUint64(b, r.Number)
	b = le.AppendUint64(b, r.Ms)
	b = le.AppendUint32(b, r.Transactions)
	b = append(b, r.Hash[:]...)
	b = append(b, r.Previous[:]...)
	b = appendText(b, r.Leader)
	b = le.AppendUint32(b, uint32(len(r.Votes)))
	for _, v := range r.Votes {
		b = appendText(b, v)
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(s))), s...)
}

// chunkOfRows is what the chain keeps of a piece of transactions.
func chunkOfRows(number uint64, rows []imported.Row) chain.HistoryChunk {
	c := chain.HistoryChunk{Family: chain.ChunkTransactions, Number: number, Rows: uint64(len(rows))}
	b := make([]byte, 0, len(rows)*rowBytes)
	for i := range rows {
		b = appendRow(b, &rows[i])
		if rows[i].Outcome == chain.OK {
			c.Sum += rows[i].Amount.Lo
		}
	}
	c.Digest = codec.Sum(b)
	return c
}

// chunkOfRounds is what the chain keeps of a piece of rounds.
func chunkOfRounds(number uint64, rounds []imported.Round) chain.HistoryChunk {
	c := chain.HistoryChunk{Family: chain.ChunkRounds, Number: number, Rows: uint64(len(rounds))}
	var b []byte
	for i := range rounds {
		b = appendRound(b, &rounds[i])
		c.Sum += uint64(rounds[i].Transactions)
	}
	c.Digest = codec.Sum(b)
	return c
}
