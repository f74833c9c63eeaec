// SPDX-License-Identifier: Apache-2.0

package vouch

import (
	"encoding/hex"
	"encoding/json"

	"github.com/zeebo/blake3"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/keys"
)

// Document is a text with who vouches for it.
type Document struct {
	Document  json.RawMessage `json:"document"`
	Hash      string          `json:"hash"` // BLAKE3 of the document
	Signer    string          `json:"signer,omitempty"`
	Signature string          `json:"signature,omitempty"`
}

// Sign makes a document of a value: its JSON as it is hashed and signed, in one line. Without a signer it only has its hash.
func Sign(domain string, v any, signer keys.Signer) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "encode a document")
	}
	sum := blake3.Sum256(text)
	d := Document{Document: text, Hash: hex.EncodeToString(sum[:])}
	if signer != nil {
		signature, err := signer.Sign(keys.Message(domain, sum[:]))
		if err != nil {
			return nil, fault.Wrap(fault.Unavailable, err, "sign a document")
		}
		d.Signer, d.Signature = signer.Public().String(), hex.EncodeToString(signature)
	}
	// Not indented: a document is hashed as it stands.
	out, err := json.Marshal(d)
	return append(out, '\n'), fault.Wrap(fault.Internal, err, "encode a document")
}

// Open reads a document, and checks its hash, and its signature if it has one.
func Open(domain string, raw []byte, into any) (d Document, err error) {
	if err := json.Unmarshal(raw, &d); err != nil {
		return d, fault.Wrap(fault.Corrupt, err, "read a document")
	}
	sum := blake3.Sum256(d.Document)
	if d.Hash != hex.EncodeToString(sum[:]) {
		return d, fault.New(fault.Corrupt, "the document has another hash than it says: somebody changed it")
	}
	if d.Signer != "" {
		public, err := keys.ParsePublicText(d.Signer)
		if err != nil {
			return d, fault.Wrap(fault.Corrupt, err, "who signed the document")
		}
		v, err := keys.NewVerifier(public)
		if err != nil {
			return d, fault.Wrap(fault.Corrupt, err, "who signed the document")
		}
		signature, err := hex.DecodeString(d.Signature)
		if err != nil || !v.Verify(keys.Message(domain, sum[:]), signature) {
			return d, fault.New(fault.Corrupt, "the document's signature is not its signer's: somebody changed it")
		}
		d.Signer = public.String() // one key has one text
	}
	return d, fault.Wrap(fault.Corrupt, json.Unmarshal(d.Document, into), "read a document")
}
