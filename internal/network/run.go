// SPDX-License-Identifier: Apache-2.0

package network

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/aurigraph/aurigraph/internal/fault"
)

// runName is the file that says what runs. It is there while `aurigraph up` runs, and after it was killed.
const (
	runName     = "run.json"
	runVersion  = 1
	runBytesMax = 1 << 20
)

// Run is what runs of a network, as the program that runs it last wrote.
type Run struct {
	Version int       `json:"version"`
	PID     int       `json:"pid"` // of the program that runs them; 0: it is gone
	Nodes   []RunNode `json:"nodes"`
	Edge    *RunEdge  `json:"edge,omitempty"` // the gateway; nil: the network has none
	// Beside are the pids of what runs beside the network, by name: V10, and its half of the sync. 0: it does not run now.
	Beside map[string]int `json:"beside,omitempty"`
}

// RunEdge is what runs of the gateway.
type RunEdge struct {
	PID   int    `json:"pid"` // 0: it does not run now
	Dir   string `json:"dir"` // in the network's folder
	GRPC  string `json:"grpc"`
	REST  string `json:"rest,omitempty"` // URL of the V10 dialect; empty if it does not serve that
	Ready bool   `json:"ready"`          // it serves, or did a moment ago
}

// RunNode is what runs of a node.
type RunNode struct {
	ID    string `json:"id"`
	PID   int    `json:"pid"` // 0: it does not run now
	GRPC  string `json:"grpc"`
	Ready bool   `json:"ready"` // it serves, or did a moment ago
	Held  bool   `json:"held"`  // it was stopped for a change of its folder, and is not started before that is done
	Left  bool   `json:"left"`  // it is no validator any more
}

// ReadRun reads what runs of the network in a folder. Processes that are gone are left out: their pid is 0. NotFound if
// nobody runs it by `aurigraph up`.
func ReadRun(dir string) (*Run, error) {
	path := filepath.Join(dir, runName)
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "nobody runs the network in %s by `aurigraph up`", dir)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "open what runs of the network")
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, runBytesMax))
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read what runs of the network")
	}
	r := &Run{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "%s", path)
	}
	if r.Version != runVersion {
		return nil, fault.New(fault.Invalid, "%s: version %d, this program knows version %d", path, r.Version, runVersion)
	}
	if !alive(r.PID) {
		r.PID = 0
	}
	if e := r.Edge; e != nil && !alive(e.PID) {
		e.PID, e.Ready = 0, false
	}
	for name, pid := range r.Beside {
		if !alive(pid) {
			r.Beside[name] = 0
		}
	}
	for i := range r.Nodes {
		if n := &r.Nodes[i]; !alive(n.PID) {
			n.PID, n.Ready = 0, false
		}
	}
	return r, nil
}

func alive(pid int) bool {
	return pid > 0 && !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}

// RunFile keeps what ReadRun reads up to date. It is safe for concurrent use.
type RunFile struct {
	path string
	mu   sync.Mutex // guards what follows, and the file
	run  Run
}

// NewRunFile begins with no node running. Nothing is written before the first Set.
func (n *Network) NewRunFile() *RunFile {
	f := &RunFile{path: n.Path(runName), run: Run{Version: runVersion, PID: os.Getpid()}}
	if g := n.Gateway; g != nil {
		f.run.Edge = &RunEdge{Dir: g.Dir, GRPC: g.GRPC, REST: g.URL()}
	}
	f.Follow(n)
	return f
}

// Follow takes the nodes of a network that has changed. One that is another node than before at its place does not run.
func (f *RunFile) Follow(n *Network) {
	f.mu.Lock()
	defer f.mu.Unlock()
	before := f.run.Nodes
	f.run.Nodes = nil
	for i, node := range n.Nodes {
		next := RunNode{ID: node.ID, GRPC: node.GRPC, Left: node.Left()}
		if i < len(before) && before[i].ID == node.ID {
			next.PID, next.Ready, next.Held = before[i].PID, before[i].Ready, before[i].Held
		}
		f.run.Nodes = append(f.run.Nodes, next)
	}
}

// Set notes a node's process and writes the file, whole or not at all. It is not made durable: after a power cut nothing
// runs.
func (f *RunFile) Set(i, pid int, ready bool) error {
	return f.set(i, func(n *RunNode) { n.PID, n.Ready, n.Held = pid, ready, false })
}

// Hold notes that a node was stopped for a change of its folder.
func (f *RunFile) Hold(i int) error {
	return f.set(i, func(n *RunNode) { n.PID, n.Ready, n.Held = 0, false, true })
}

// SetEdge notes the gateway's process. The network has one.
func (f *RunFile) SetEdge(pid int, ready bool) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.run.Edge.PID, f.run.Edge.Ready = pid, ready
	return f.write()
}

// SetBeside notes the process of what runs beside the network.
func (f *RunFile) SetBeside(name string, pid int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.run.Beside == nil {
		f.run.Beside = map[string]int{}
	}
	f.run.Beside[name] = pid
	return f.write()
}

// Edge is what was last set of the gateway; nil if there is none.
func (f *RunFile) Edge() *RunEdge {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.run.Edge == nil {
		return nil
	}
	e := *f.run.Edge
	return &e
}

func (f *RunFile) set(i int, change func(*RunNode)) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(&f.run.Nodes[i])
	return f.write()
}

// write writes the file, whole or not at all. mu is held.
func (f *RunFile) write() error {
	text, err := json.MarshalIndent(f.run, "", "  ")
	if err != nil {
		return fault.Wrap(fault.Internal, err, "encode what runs of the network")
	}
	if err = os.WriteFile(f.path+".tmp", append(text, '\n'), 0o644); err == nil {
		err = os.Rename(f.path+".tmp", f.path)
	}
	return fault.Wrap(fault.Unavailable, err, "write what runs of the network")
}

// Nodes is what was last set.
func (f *RunFile) Nodes() []RunNode {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]RunNode(nil), f.run.Nodes...)
}

// Remove removes the file, when all nodes have stopped.
func (f *RunFile) Remove() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := os.Remove(f.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return fault.Wrap(fault.Unavailable, err, "remove what ran of the network")
}
