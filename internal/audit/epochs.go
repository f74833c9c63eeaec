// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/epoch"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/store"
)

// readEpochs proves from the genesis on who validated when, by the handovers in the block store. It reports whether anything
// can be proved at all. Behind a handover that proves nothing no epoch is known, and its headers cannot be checked.
func (a *audit) readEpochs() (bool, error) {
	var err error
	if a.epochs, err = epoch.NewHistory(a.genesis); err != nil {
		a.problem(a.cfg.Path(a.cfg.Genesis), "", "its validators cannot be used: %v", err)
		return false, nil
	}
	a.lanes, a.certifiedTo = a.epochs.Current().Size(), map[chain.Epoch]chain.Height{}
	it, err := a.store.Iter(store.Prefix([]byte{tableHandover}))
	if err != nil {
		return false, err
	}
	for next, good := chain.FirstHandover, true; it.Next(); next++ {
		if good {
			good = a.takeHandover(next, it.Key(), it.Value())
		}
	}
	return true, errors.Join(it.Err(), it.Close())
}

func (a *audit) takeHandover(next chain.Epoch, key, value []byte) bool {
	where := fmt.Sprintf("handover to epoch %d", next)
	if want := binary.BigEndian.AppendUint64([]byte{tableHandover}, uint64(next)); string(key) != string(want) {
		a.problem(a.cfg.Data("blocks"), where, "it is missing: here stands key %x", key)
		return false
	}
	p, err := codec.DecodeProvedHandover(value)
	if err == nil {
		err = a.epochs.Extend(p)
	}
	if err != nil {
		a.problem(a.cfg.Data("blocks"), where, "it proves nothing: %v", err)
		return false
	}
	a.lanes = max(a.lanes, a.epochs.Current().Size())
	h, _ := codec.DecodeHeader(p.HeaderBytes) // Extend has read it
	a.endTimes = append(a.endTimes, h.TimeUs)
	return true
}

// endAt returns the handover that ended an epoch at a height.
func (a *audit) endAt(h chain.Height) (chain.Handover, bool) {
	end, ok := a.epochs.End(a.epochs.EpochOf(h))
	return end, ok && end.Height == h
}

// lastCertified is the newest height of an epoch that has ended with a certificate of its own. Before a seal there may be a
// tail without: the seal names its last header, and through that all of it.
func (a *audit) lastCertified(e chain.Epoch) chain.Height {
	if h, known := a.certifiedTo[e]; known {
		return h
	}
	end, _ := a.epochs.End(e)
	before, _ := a.beforeEpoch(e)
	h := min(end.Height, a.head)
	for ; end.Verdict != chain.VerdictNone && h > before; h-- {
		if _, err := store.ReadCertificate(a.store, h); !fault.Is(err, fault.NotFound) {
			break
		}
	}
	a.certifiedTo[e] = h
	return h
}

// sealedTail reports whether a height has no certificate of its own, because a seal stands for it.
func (a *audit) sealedTail(h chain.Height) bool {
	e := a.epochs.EpochOf(h)
	end, ended := a.epochs.End(e)
	return ended && end.Verdict != chain.VerdictNone && h > a.lastCertified(e)
}

// beforeEpoch is where an epoch begins: the last height of the one before, and its time.
func (a *audit) beforeEpoch(e chain.Epoch) (chain.Height, uint64) {
	end, ok := a.epochs.End(e - 1)
	if !ok {
		return 0, a.genesis.TimeUs
	}
	return end.Height, a.endTimes[e-chain.FirstHandover]
}

// handoversName is the file from which a newcomer learns who validates: each handover behind its length.
const handoversName = "handovers"

// handoversBytesMax bounds it, as a node does.
const handoversBytesMax = 64 << 20

// checkHandoversFile proves what a newcomer was given. Nothing of it is used: the node puts it into the block store.
func (a *audit) checkHandoversFile() error {
	path := a.cfg.Data(handoversName)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "open the handovers")
	}
	raw, err := io.ReadAll(io.LimitReader(f, handoversBytesMax))
	if err := errors.Join(err, f.Close()); err != nil {
		return fault.Wrap(fault.Unavailable, err, "read the handovers")
	}
	a.file(path, int64(len(raw)))
	for at := 0; at < len(raw); {
		size, err := a.fileHandover(raw[at:])
		if err != nil {
			a.problem(path, fmt.Sprintf("byte %d", at), "%v", err)
			return nil
		}
		at += size
	}
	return nil
}

// fileHandover compares the first handover of some with the one that the block store has.
func (a *audit) fileHandover(raw []byte) (size int, err error) {
	if len(raw) < 4 || uint64(binary.LittleEndian.Uint32(raw)) > uint64(len(raw)-4) {
		return 0, errors.New("it ends within a handover")
	}
	size = 4 + int(binary.LittleEndian.Uint32(raw))
	p, err := codec.DecodeProvedHandover(raw[4:size])
	if err != nil {
		return 0, err
	}
	set := a.epochs.At(p.Next.Epoch - 1)
	if set == nil {
		return 0, fmt.Errorf("it has a handover to epoch %d, the block store ends with epoch %d", p.Next.Epoch, a.epochs.Current().Epoch())
	}
	return size, set.VerifyHandover(p)
}
