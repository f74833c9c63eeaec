// SPDX-License-Identifier: Apache-2.0

package store

import "github.com/aurigraph/aurigraph/internal/chain"

// ReadHeader returns the executed header of h.
func ReadHeader(r Reader, h chain.Height) ([]byte, error) { return r.Get(tableHeader.height(h)) }

// WriteHeader puts the executed header of h.
func WriteHeader(c *Changes, h chain.Height, header []byte) { c.Put(tableHeader.height(h), header) }

// DeleteHeader removes the executed header of h.
func DeleteHeader(c *Changes, h chain.Height) { c.Delete(tableHeader.height(h)) }

// ReadCertificate returns the finality certificate of h.
func ReadCertificate(r Reader, h chain.Height) ([]byte, error) {
	return r.Get(tableCertificate.height(h))
}

// WriteCertificate puts the finality certificate of h.
func WriteCertificate(c *Changes, h chain.Height, certificate []byte) {
	c.Put(tableCertificate.height(h), certificate)
}

// DeleteCertificate removes the finality certificate of h.
func DeleteCertificate(c *Changes, h chain.Height) { c.Delete(tableCertificate.height(h)) }

// ReadProposal returns the proposal of h.
func ReadProposal(r Reader, h chain.Height) ([]byte, error) { return r.Get(tableProposal.height(h)) }

// WriteProposal puts the proposal of h.
func WriteProposal(c *Changes, h chain.Height, proposal []byte) {
	c.Put(tableProposal.height(h), proposal)
}

// DeleteProposal removes the proposal of h.
func DeleteProposal(c *Changes, h chain.Height) { c.Delete(tableProposal.height(h)) }

// ReadOutcome returns the outcome array of the index-th batch of h; fault.Pruned below ReadBatchesFrom.
func ReadOutcome(r Reader, h chain.Height, index uint32) ([]byte, error) {
	return getOfHeight(r, tableOutcome.place(h, index), h)
}

// WriteOutcome puts the outcome array of the index-th batch of h.
func WriteOutcome(c *Changes, h chain.Height, index uint32, outcomes []byte) {
	c.Put(tableOutcome.place(h, index), outcomes)
}

// ReadPlace returns the location of the index-th batch of h; fault.Pruned below ReadBatchesFrom.
func ReadPlace(r Reader, h chain.Height, index uint32) ([]byte, error) {
	return getOfHeight(r, tablePlace.place(h, index), h)
}

// WritePlace puts the location of the index-th batch of h.
func WritePlace(c *Changes, h chain.Height, index uint32, location []byte) {
	c.Put(tablePlace.place(h, index), location)
}

// DeleteOutcome removes the outcome array of the index-th batch of h.
func DeleteOutcome(c *Changes, h chain.Height, index uint32) { c.Delete(tableOutcome.place(h, index)) }

// DeletePlace removes the location of the index-th batch of h.
func DeletePlace(c *Changes, h chain.Height, index uint32) { c.Delete(tablePlace.place(h, index)) }

// DeleteBlocksAbove removes headers, certificates, proposals, outcomes and places of all heights above h: what a node that fell
// behind its certified history discards before it executes again.
func DeleteBlocksAbove(c *Changes, h chain.Height) {
	for _, t := range []table{tableHeader, tableCertificate, tableProposal, tableOutcome, tablePlace} {
		c.DeleteRange(t.height(h+1), t.all().High)
	}
}

// LastHeader returns the greatest height with an executed header, and the header; fault.NotFound in a new store.
func LastHeader(r Reader) (chain.Height, []byte, error) { return last(r, tableHeader) }

// LastCertificate returns the greatest height with a certificate, and the certificate; fault.NotFound if none.
func LastCertificate(r Reader) (chain.Height, []byte, error) { return last(r, tableCertificate) }

// LastProposal returns the greatest height with a proposal, and the proposal; fault.NotFound if none.
func LastProposal(r Reader) (chain.Height, []byte, error) { return last(r, tableProposal) }

func last(r Reader, t table) (chain.Height, []byte, error) {
	key, value, err := first(r, t.all().Backward())
	if err != nil {
		return 0, nil, err
	}
	h, err := heightOf(key, heightKeyBytes)
	return h, value, err
}
