// SPDX-License-Identifier: Apache-2.0

package chain

// Receipt is the certified fate of one batch, client batch or cut of single transactions: all that a client needs to
// check it against the validators' keys. The byte fields are canonical encodings (package codec) and are shared between
// readers: nobody changes them.
type Receipt struct {
	Batch       Hash
	Location    Location
	Header      []byte // executed header
	Certificate []byte
	Outcomes    []byte // packed
}

// Certified is one block as it is published: durable, certified, visible to readers.
type Certified struct {
	Header      *ExecutedHeader
	Hash        Hash
	HeaderBytes []byte
	CertBytes   []byte
	Batches     []CertifiedBatch
}

// CertifiedBatch is one batch of a published block.
type CertifiedBatch struct {
	Location Location
	LegsOK   uint32
	Packed   []byte // outcomes
}
