// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/config"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/node"
	"github.com/aurigraph/aurigraph/internal/seal"
	"github.com/aurigraph/aurigraph/internal/store"
)

const lockName = "LOCK"

// dataFolders are what a node keeps in its data folder.
var dataFolders = map[string]bool{"lane": true, "blocks": true, "checkpoints": true, "index": true}

// severalFolders are what it keeps besides among several validators: its votes, and a peer's state while that is taken.
var severalFolders = map[string]bool{"votes": true, "catchup": true}

// lockFolder takes the lock that a running node holds. It opens the file for reading only, so that a folder on a read-only
// disk can be proved.
func lockFolder(data string) (unlock func() error, err error) {
	path := filepath.Join(data, lockName)
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		f, err = os.OpenFile(path, os.O_RDONLY|os.O_CREATE, 0o644)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "lock the data folder")
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, errors.Join(fault.New(fault.Conflict, "a node or another verification uses %s: stop it first", data), f.Close())
	}
	return f.Close, nil
}

// checkGenesis reads the genesis file. Whether it is this chain's is known when the store is open.
func (a *audit) checkGenesis() {
	path := a.cfg.Path(a.cfg.Genesis)
	text, err := os.ReadFile(path)
	if err != nil {
		a.problem(path, "", "the genesis cannot be read: %v", err)
		return
	}
	a.file(path, int64(len(text)))
	g, err := node.ReadGenesis(path)
	if err == nil {
		err = oneValue(text)
	}
	if err != nil {
		a.problem(path, "", "%v", err)
		return
	}
	a.genesis = g
}

// oneValue wants nothing but space behind the JSON value, which a reader of one value does not look at.
func oneValue(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	var v json.RawMessage
	if err := d.Decode(&v); err != nil {
		return err
	}
	if err := d.Decode(&v); err != io.EOF {
		return fault.New(fault.Invalid, "something follows the genesis at byte %d", d.InputOffset())
	}
	return nil
}

// sealFiles are what a node keeps of a seal in which it took part: what it has signed, and to which height it was asked to go.
// Nothing of the history depends on them.
var sealFiles = map[string]bool{seal.RecordName: true, "seal-plan": true}

// orderName is the folder of the first epoch's ordering log; that of a later epoch has its number behind it.
const orderName = "order"

// orderFolder is the folder of an epoch's ordering log.
type orderFolder struct {
	name  string
	epoch chain.Epoch
}

// isOrder takes note of a folder that is an ordering log's.
func (a *audit) isOrder(name string) bool {
	epoch := uint64(1)
	if number, later := strings.CutPrefix(name, orderName+"-"); later {
		var err error
		if epoch, err = strconv.ParseUint(number, 10, 64); err != nil || epoch < uint64(chain.FirstHandover) || strconv.FormatUint(epoch, 10) != number {
			return false
		}
	} else if name != orderName {
		return false
	}
	a.orders = append(a.orders, orderFolder{name, chain.Epoch(epoch)})
	return true
}

// checkFolder looks for what nobody knows, and for what is missing. A node that never ran has no folders.
func (a *audit) checkFolder() error {
	entries, err := os.ReadDir(a.cfg.Data(""))
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "list the data folder")
	}
	found := map[string]bool{}
	for _, e := range entries {
		path := a.cfg.Data(e.Name())
		switch {
		case e.Name() == lockName && e.Type().IsRegular():
			a.checkLockFile(path, e)
		case e.Name() == node.RepairMark && e.Type().IsRegular():
			a.file(path, 0)
			a.note("data/%s: the node was told of damage in its lane, and repairs it when it starts", e.Name())
		case e.Name() == node.DivergenceFile && e.Type().IsRegular(): // for people: nothing of it is used
		case e.Name() == handoversName && e.Type().IsRegular(): // looked at when the block store is open
		case e.Name() == config.ImportedFolder && e.IsDir(): // V10's past is not of the chain: the sync's verifier looks at it
		case sealFiles[e.Name()] && e.Type().IsRegular():
			a.file(path, 0)
		case e.IsDir() && a.isOrder(e.Name()):
		case e.IsDir() && (dataFolders[e.Name()] || severalFolders[e.Name()] && (a.genesis == nil || a.several())):
			found[e.Name()] = true
		default:
			a.listStranger(path, e)
		}
	}
	if len(a.orders) == 0 {
		a.problem(a.cfg.Data(orderName), "", "the folder is missing")
	}
	slices.SortFunc(a.orders, func(x, y orderFolder) int { return cmp.Compare(x.epoch, y.epoch) })
	for _, name := range []string{"lane", "votes", "blocks", "checkpoints"} {
		if !found[name] && (name != "votes" || a.several()) {
			a.problem(a.cfg.Data(name), "", "the folder is missing")
		}
	}
	return nil
}

func (a *audit) checkLockFile(path string, e fs.DirEntry) {
	a.file(path, 0)
	if info, err := e.Info(); err == nil && info.Size() > 0 {
		a.problem(path, "byte 0", "the lock file is empty, but this one has %d bytes", info.Size())
	}
}

// listStranger reports a file, or each file below a folder, that no part of the node knows.
func (a *audit) listStranger(path string, e fs.DirEntry) {
	a.problem(path, "", "no part of the node knows this file")
	if info, err := e.Info(); err == nil && e.Type().IsRegular() {
		a.file(path, info.Size())
	}
}

// metaGenesis is the name under which a node binds its block store to the genesis.
const metaGenesis = "genesis"

// checkBinding reports whether the genesis file is the one that the store was made for.
func (a *audit) checkBinding() bool {
	have, err := store.ReadMeta(a.store, metaGenesis)
	if err != nil {
		a.problem(a.cfg.Data("blocks"), "meta "+metaGenesis, "the store is bound to no genesis: %v", err)
		return false
	}
	if a.genesis == nil {
		return false
	}
	if want := codec.GenesisHash(a.genesis); !bytes.Equal(have, want[:]) {
		a.problem(a.cfg.Path(a.cfg.Genesis), "", "this genesis has hash %s, the block store was made for %x", want, have)
		return false
	}
	return true
}
