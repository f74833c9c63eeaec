// SPDX-License-Identifier: Apache-2.0

package codec

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aurigraph/aurigraph/internal/chain"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s is not what it was (a new form needs a new magic):\n%s", name, got)
	}
}

// hexLines writes 32 bytes a line.
func hexLines(b []byte) string {
	var out strings.Builder
	for line := range slices.Chunk(b, 32) {
		out.WriteString(hex.EncodeToString(line) + "\n")
	}
	return out.String()
}

// vectors is one encoding of each form, by the name of its golden file.
func vectors() map[string][]byte {
	all := map[string][]byte{
		"lane_entry":  AppendLaneEntry(nil, sampleEntry()),
		"proposal":    AppendProposal(nil, sampleProposal()),
		"header":      AppendHeader(nil, sampleHeader()),
		"certificate": AppendCertificate(nil, sampleCertificate()),
		"sealed_tail": AppendSealedTail(nil, [][]byte{AppendHeader(nil, sampleHeader()), {}}),
		"location":    AppendLocation(nil, sampleLocation()),
		"tx_batch":    AppendTxBatch(nil, sampleTxBatch()),
		"genesis":     AppendGenesis(nil, sampleGenesis()),
		"genesis_2":   AppendGenesis(nil, sampleGenesis2()),
		"membership":  AppendMembership(nil, sampleMembership()),
		"handover":    AppendHandover(nil, sampleHandover()),
		"proved":      AppendProvedHandover(nil, sampleProved()),
		"to_v10":      AppendHandover(nil, sampleToV10()),
	}
	for name, body := range sampleBodies() {
		all["tx_"+name] = AppendSignedTx(nil, sampleTx(body))
	}
	for name, o := range sampleOutcomes() {
		all["outcomes_"+name+"_flat"] = o.AppendFlat(nil)
		all["outcomes_"+name+"_packed"] = o.AppendPacked(nil)
	}
	slices16, _ := NewSlices(run(0, 40_000))
	slice, err := slices16.Slice(33_000, 64)
	if err != nil {
		panic(err)
	}
	all["slice"] = slice
	return all
}

func TestGoldenForms(t *testing.T) {
	for name, b := range vectors() {
		golden(t, name, hexLines(b))
	}
}

func TestGoldenHashes(t *testing.T) {
	hashes := map[string]chain.Hash{
		"sum of nothing":  Sum(nil),
		"lane entry":      EntryDigest(sampleEntry()),
		"proposal":        ProposalHash(sampleProposal()),
		"header":          HeaderHash(sampleHeader()),
		"genesis":         GenesisHash(sampleGenesis()),
		"genesis 2":       GenesisHash(sampleGenesis2()),
		"membership":      MembershipHash(sampleMembership()),
		"change":          ChangeHash(sampleChange()),
		"handover":        HandoverHash(sampleHandover()),
		"handover to V10": HandoverHash(sampleToV10()),
		"tx batch":        Sum(AppendTxBatch(nil, sampleTxBatch())),
		"slice's payload": Sum(run(0, 40_000)),
		"full batch":      Sum(sampleBatch(chain.BatchLegsMax)),
	}
	for name, body := range sampleBodies() {
		hashes["tx "+name] = TxID(&sampleTx(body).Tx)
	}
	for name, o := range sampleOutcomes() {
		hashes["outcomes "+name] = o.Hash()
	}
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(hashes)) {
		fmt.Fprintf(&out, "%s  %s\n", hashes[name], name)
	}
	golden(t, "hashes", out.String())
}

// What was written once must be readable for ever: the files themselves decode to the values they were made of.
func TestGoldenDecode(t *testing.T) {
	for name := range vectors() {
		text, err := os.ReadFile(filepath.Join("testdata", name+".golden"))
		if err != nil {
			t.Fatal(err)
		}
		b, err := hex.DecodeString(strings.ReplaceAll(string(text), "\n", ""))
		if err != nil {
			t.Fatal(err)
		}
		if again, ok := recode(t, b); ok && !bytes.Equal(again, b) {
			t.Errorf("%s decodes to another value", name)
		}
	}
}

// recode decodes b as what its magic says and encodes the value again; false for forms without a decoder or magic.
func recode(t *testing.T, b []byte) ([]byte, bool) {
	t.Helper()
	var out []byte
	var err error
	switch string(b[:4]) {
	case magicEntry:
		var v chain.LaneEntry
		v, err = DecodeLaneEntry(b)
		out = AppendLaneEntry(nil, v)
	case magicProposal:
		var v *chain.Proposal
		v, err = DecodeProposal(b)
		out = AppendProposal(nil, v)
	case magicHeader:
		var v *chain.ExecutedHeader
		v, err = DecodeHeader(b)
		out = AppendHeader(nil, v)
	case magicCertificate:
		var v *chain.Certificate
		v, err = DecodeCertificate(b)
		out = AppendCertificate(nil, v)
	case magicSealedTail:
		var v [][]byte
		v, err = DecodeSealedTail(b)
		out = AppendSealedTail(nil, v)
	case magicLocation:
		var v chain.Location
		v, err = DecodeLocation(b)
		out = AppendLocation(nil, v)
	case magicMembership:
		var v *chain.Membership
		v, err = DecodeMembership(b)
		out = AppendMembership(nil, v)
	case magicHandover:
		var v *chain.Handover
		v, err = DecodeHandover(b)
		out = AppendHandover(nil, v)
	case magicProved:
		var v *chain.ProvedHandover
		v, err = DecodeProvedHandover(b)
		out = AppendProvedHandover(nil, v)
	case magicTx:
		v, _, decodeErr := DecodeSignedTx(b)
		if decodeErr != nil {
			t.Fatal(decodeErr)
		}
		out = AppendSignedTx(nil, v)
	case magicTxBatch:
		var v [][]byte
		v, err = SplitTxBatch(b)
		out = AppendTxBatch(nil, v)
	default:
		return nil, false
	}
	if err != nil {
		t.Fatal(err)
	}
	return out, true
}
