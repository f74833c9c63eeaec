// SPDX-License-Identifier: Apache-2.0

package config

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/hop"
)

// Node is the settings of one node. Paths that are not absolute lie in the node's folder.
type Node struct {
	Name     string `yaml:"name"`      // in logs and status
	Genesis  string `yaml:"genesis"`   // path of the genesis file
	GRPC     string `yaml:"grpc"`      // listen address of the native API; port 0 = a free one
	Metrics  string `yaml:"metrics"`   // listen address of /metrics, /healthz, /readyz; empty = none
	LogLevel string `yaml:"log_level"` // debug, info, warn, error
	Keys     Keys   `yaml:"keys"`
	TLS      TLS    `yaml:"tls"`
	Memory   Memory `yaml:"memory"`
	Threads  int    `yaml:"threads"` // that run Go code at once, as GOMAXPROCS, which comes before it; 0: by the number of cores
	Order    Order  `yaml:"order"`
	Commit   Commit `yaml:"commit"`
	Intake   Intake `yaml:"intake"`
	Index    Index  `yaml:"index"`
	Rest     Rest   `yaml:"rest"`
	Sync     Sync   `yaml:"sync"`
	// Validators says how this node and the other validators reach each other; empty in a network of one.
	Validators Validators `yaml:"validators"`

	// Dir is the node's folder. It is not in the file: it is where the file lies.
	Dir string `yaml:"-"`
}

// Keys are the validator's key files. Passphrase is the path of a file that holds it; empty for unencrypted key files.
type Keys struct {
	Validator  string `yaml:"validator"`
	Root       string `yaml:"root"`
	Passphrase string `yaml:"passphrase_file"`
}

// TLS is the node's certificate. Empty paths are an error: there is no plaintext API.
type TLS struct {
	CA   string `yaml:"ca"`
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
}

const threadsMax = 1024

// Memory bounds what the node holds.
type Memory struct {
	LimitBytes   int64 `yaml:"limit_bytes"`   // soft limit of the Go heap
	GCPercent    int   `yaml:"gc_percent"`    // garbage that may pile up before a collection, in per cent of what lives
	PayloadBytes int64 `yaml:"payload_bytes"` // payloads in flight, from the edge to execution
}

// Validators is how the validators of a network reach each other.
type Validators struct {
	Listen    string   `yaml:"listen"`    // where this node takes the others' connections
	Addresses []string `yaml:"addresses"` // where each is reached, by number, this node included; "" for a number that nobody has
	CA        string   `yaml:"ca"`        // the authority that vouches for validators
	Cert      string   `yaml:"cert"`      // this validator's certificate
	Key       string   `yaml:"key"`
	// LinkBytesPerSecond is what the link to the others carries; what is sent to those who catch up is measured by it.
	LinkBytesPerSecond int64 `yaml:"link_bytes_per_second"`
}

// Engines that order.
const (
	EngineSolo = "solo" // one validator
	EngineRaft = "raft" // several
)

// DefaultEngine orders for so many validators.
func DefaultEngine(validators int) string {
	if validators == 1 {
		return EngineSolo
	}
	return EngineRaft
}

// Order is the ordering engine and its pace.
type Order struct {
	Engine      string        `yaml:"engine"`       // solo or raft
	IntervalMin time.Duration `yaml:"interval_min"` // least time between two blocks under load
	WindowMax   int           `yaml:"window_max"`   // proposals in flight
}

// Commit is the writer's settings.
type Commit struct {
	CheckpointInterval time.Duration `yaml:"checkpoint_interval"`
	RetainBytes        int64         `yaml:"retain_bytes"` // payload segments kept at least
	SegmentBytes       int64         `yaml:"segment_bytes"`
	// CheckpointBytesPerSecond bounds the rate of checkpoint writes, which share the disk with the log's flushes.
	CheckpointBytesPerSecond int64 `yaml:"checkpoint_bytes_per_second"`
	// ReserveBytes is the free space on the disk below which payments are told to try later, so that what was accepted can
	// be finished. Twice the size of the newest checkpoint comes on top.
	ReserveBytes int64 `yaml:"reserve_bytes"`
	// PrepareByWriting makes payload segments ready by writing zeros instead of asking the file system for zeroed space.
	PrepareByWriting bool `yaml:"prepare_by_writing"`
}

// Intake is the door's settings.
type Intake struct {
	AdmitWaitMax time.Duration `yaml:"admit_wait_max"` // how long a submission waits for room
	CutDelay     time.Duration `yaml:"cut_delay"`      // how long a cut of single transactions waits for more
}

// Default is the settings of a node that has its own machine.
func Default() Node {
	return Node{
		Name:     "node0",
		Genesis:  "genesis.json",
		GRPC:     "127.0.0.1:7450",
		Metrics:  "127.0.0.1:7451",
		LogLevel: "info",
		Keys:     Keys{Validator: "keys/validator.key", Root: "keys/validator-root.key"},
		TLS:      TLS{CA: "tls/ca.pem", Cert: "tls/node.pem", Key: "tls/node.key"},
		Memory:   Memory{LimitBytes: 200 << 20, GCPercent: 50, PayloadBytes: 16 << 20},
		Order:    Order{Engine: EngineSolo, IntervalMin: 2 * time.Millisecond, WindowMax: 16},
		Commit:   Commit{CheckpointInterval: 3 * time.Second, RetainBytes: 4 << 30, SegmentBytes: 64 << 20, CheckpointBytesPerSecond: 64 << 20, ReserveBytes: 64 << 20},
		Intake:   Intake{AdmitWaitMax: 250 * time.Millisecond, CutDelay: time.Millisecond},
		Index:    Index{Enabled: true, URL: IndexSQLite, RowsPerSecondMax: IndexRowsSQLite},
		Rest:     Rest{Access: "access", Providers: []RestProvider{}, Audit: "access/audit", Accounts: []string{}},
		Sync:     Sync{Brokers: []string{}, Keys: []string{}, EarlierKeys: []uint32{}},
		Validators: Validators{ // no addresses: a list that is there, so that what is written reads back equal
			Addresses: []string{},
			CA:        "tls/validators-ca.pem", Cert: "tls/validator.pem", Key: "tls/validator.key", LinkBytesPerSecond: 1_250_000_000,
		},
	}
}

// FileName is the name of a node's settings in its folder.
const FileName = "config.yaml"

// fileBytesMax bounds a settings file.
const fileBytesMax = 1 << 20

// Load reads and checks the settings in a node's folder.
func Load(dir string) (Node, error) {
	path := filepath.Join(dir, FileName)
	text, err := readFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return Node{}, fault.New(fault.NotFound, "%s does not exist: make a node there first with `aurigraph node init --dir %s`", path, dir)
	}
	if err != nil {
		return Node{}, err
	}
	n, err := Parse(text)
	if err != nil {
		return Node{}, fault.Wrap(fault.Invalid, err, "%s", path)
	}
	n.Dir = dir
	return n, nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "open settings")
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, fileBytesMax+1))
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "read settings")
	}
	if len(text) > fileBytesMax {
		return nil, fault.New(fault.Invalid, "%s is longer than %d bytes", path, fileBytesMax)
	}
	return text, nil
}

// Parse reads settings over the defaults and checks them.
func Parse(text []byte) (Node, error) {
	n := Default()
	if err := decode(text, &n); err != nil {
		return Node{}, err
	}
	if err := n.Validate(); err != nil {
		return Node{}, err
	}
	return n, nil
}

// decode reads the one document of a settings file over defaults. A field that nobody knows is an error.
func decode(text []byte, into any) error {
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return fault.New(fault.Invalid, "%v", err)
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return fault.New(fault.Invalid, "settings are one YAML document; what follows the first would be ignored")
	}
	return nil
}

// Write writes settings into a node's folder. It never overwrites.
func Write(dir string, n Node) error {
	text, err := yaml.Marshal(n)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "encode settings")
	}
	f, err := os.OpenFile(filepath.Join(dir, FileName), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return fault.Wrap(fault.Conflict, err, "write settings")
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "write settings")
	}
	_, err = f.Write(text)
	return fault.Wrap(fault.Unavailable, errors.Join(err, f.Sync(), f.Close(), syncFolder(dir)), "write settings")
}

func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Validate checks each field and names the first that is wrong.
func (n Node) Validate() error {
	bad := func(field, format string, args ...any) error {
		return fault.New(fault.Invalid, field+": "+format, args...)
	}
	switch {
	case n.Name == "":
		return bad("name", "must not be empty")
	case !addressOK(n.GRPC):
		return bad("grpc", "%q is not host:port", n.GRPC)
	case n.Metrics != "" && !addressOK(n.Metrics):
		return bad("metrics", "%q is not host:port", n.Metrics)
	case n.Genesis == "":
		return bad("genesis", "must not be empty")
	case !levelOK(n.LogLevel):
		return bad("log_level", "%q is none of debug, info, warn, error", n.LogLevel)
	case n.Keys.Validator == "" || n.Keys.Root == "":
		return bad("keys", "validator and root must be given")
	case n.TLS.CA == "" || n.TLS.Cert == "" || n.TLS.Key == "":
		return bad("tls", "ca, cert and key must be given: the API has no plaintext form")
	case n.Threads < 0 || n.Threads > threadsMax:
		return bad("threads", "%d, must be 0 to %d", n.Threads, threadsMax)
	case n.Memory.PayloadBytes < 4<<20 || n.Memory.PayloadBytes > 8<<30:
		return bad("memory.payload_bytes", "%d, must be 4 MiB to 8 GiB", n.Memory.PayloadBytes)
	case n.Memory.LimitBytes < 64<<20:
		return bad("memory.limit_bytes", "%d, must be at least 64 MiB", n.Memory.LimitBytes)
	case n.Memory.GCPercent < 10 || n.Memory.GCPercent > 1000:
		return bad("memory.gc_percent", "%d, must be 10 to 1000", n.Memory.GCPercent)
	case n.Order.Engine != EngineSolo && n.Order.Engine != EngineRaft:
		return bad("order.engine", "%q is none of solo, raft", n.Order.Engine)
	case n.Order.Engine == EngineSolo && n.Validators.count() > 1:
		return bad("order.engine", "solo orders for one validator, not for %d: use raft", n.Validators.count())
	case n.Order.IntervalMin <= 0 || n.Order.IntervalMin > time.Second:
		return bad("order.interval_min", "%s, must be above 0, at most 1s", n.Order.IntervalMin)
	case n.Order.WindowMax < 1 || n.Order.WindowMax > 64:
		return bad("order.window_max", "%d, must be 1 to 64", n.Order.WindowMax)
	case n.Commit.CheckpointInterval < 100*time.Millisecond:
		return bad("commit.checkpoint_interval", "%s, must be at least 100ms", n.Commit.CheckpointInterval)
	case n.Commit.SegmentBytes < 4<<20 || n.Commit.SegmentBytes > 1<<30 || n.Commit.SegmentBytes%4096 != 0:
		return bad("commit.segment_bytes", "%d, must be 4 MiB to 1 GiB in pages of 4096", n.Commit.SegmentBytes)
	case n.Commit.CheckpointBytesPerSecond < 1<<20:
		return bad("commit.checkpoint_bytes_per_second", "%d, must be at least 1 MiB", n.Commit.CheckpointBytesPerSecond)
	case n.Commit.ReserveBytes < 1<<20:
		return bad("commit.reserve_bytes", "%d, must be at least 1 MiB", n.Commit.ReserveBytes)
	case n.Commit.RetainBytes < 2*n.Commit.SegmentBytes:
		return bad("commit.retain_bytes", "%d, must be at least two segments", n.Commit.RetainBytes)
	case n.Intake.AdmitWaitMax <= 0 || n.Intake.CutDelay <= 0:
		return bad("intake", "admit_wait_max and cut_delay must be above 0")
	}
	if err := n.Index.validate(bad); err != nil {
		return err
	}
	if err := n.Rest.validate(bad); err != nil {
		return err
	}
	if err := n.Sync.validate(&n.Rest, bad); err != nil {
		return err
	}
	return n.Validators.validate(bad)
}

// count is how many validators have an address.
func (v Validators) count() (n int) {
	for _, a := range v.Addresses {
		if a != "" {
			n++
		}
	}
	return n
}

// validate checks how a network of several is reached; one of one needs nothing.
func (v Validators) validate(bad func(field, format string, args ...any) error) error {
	if len(v.Addresses) <= 1 && v.Listen == "" {
		return nil
	}
	switch {
	case !addressOK(v.Listen):
		return bad("validators.listen", "%q is not host:port", v.Listen)
	case v.CA == "" || v.Cert == "" || v.Key == "":
		return bad("validators", "ca, cert and key must be given: validators know each other by certificate")
	case v.LinkBytesPerSecond < 1<<20:
		return bad("validators.link_bytes_per_second", "%d, must be at least 1 MiB", v.LinkBytesPerSecond)
	}
	for i, a := range v.Addresses {
		if a != "" && !addressOK(a) {
			return bad("validators.addresses", "address %d, %q, is not host:port", i, a)
		}
	}
	return nil
}

func addressOK(a string) bool {
	_, port, err := net.SplitHostPort(a)
	return err == nil && port != ""
}

// urlText says what urlOK wants.
const urlText = "%q must be http:// or https://, a host and a port, and no path"

func urlOK(text string) bool {
	_, err := hop.CheckURL(text)
	return err == nil
}

func levelOK(l string) bool {
	switch l {
	case "debug", "info", "warn", "error":
		return true
	}
	return false
}

// Path resolves a path of the settings.
func (n Node) Path(p string) string {
	if p == "" || filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(n.Dir, p)
}

// Data is the path of one of the node's data folders.
func (n Node) Data(name string) string { return filepath.Join(n.Dir, "data", name) }

// Replace writes settings over those in a node's folder, whole or not at all.
func Replace(dir string, n Node) error {
	if err := n.Validate(); err != nil {
		return err
	}
	return replaceFile(filepath.Join(dir, FileName), n)
}

// replaceFile writes settings over a file, whole or not at all.
func replaceFile(path string, settings any) error {
	text, err := yaml.Marshal(settings)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "encode settings")
	}
	f, err := os.Create(path + ".tmp")
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "write settings")
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil { // before the name: a power cut must not leave it empty
		return fault.Wrap(fault.Unavailable, err, "write settings")
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return fault.Wrap(fault.Unavailable, err, "write settings")
	}
	return fault.Wrap(fault.Unavailable, syncFolder(filepath.Dir(path)), "write settings")
}
