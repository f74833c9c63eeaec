// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/bus"
	"github.com/aurigraph/aurigraph/internal/verifier"
	"github.com/aurigraph/aurigraph/internal/verifier/damage"
)

// Bounds of the bench's processes.
const (
	residentPoll  = 2 * time.Millisecond
	scrubMax      = 5 * time.Minute
	topicsWait    = 30 * time.Second
	stopMax       = 10 * time.Second
	errorTextMax  = 2000
	lineBytesMax  = 8 << 20
	watchInterval = "1s"
)

// scrubReport is a run of the verifier.
type scrubReport struct {
	What      string  `json:"what"`
	Planted   int     `json:"planted"`
	Confirmed uint64  `json:"confirmed"`
	Maybe     uint64  `json:"maybe"`
	Rows      uint64  `json:"rows_compared"`
	RowsPerS  float64 `json:"rows_per_s"`
	Seconds   float64 `json:"seconds"`
	RSSMB     float64 `json:"rss_mb"`
}

type scrubbed struct {
	scrubReport
	found []damage.Found
}

// child prepares a process of this program about a pair.
func (b *verifierBench) child(ctx context.Context, t *verifiedPair, args ...string) (*exec.Cmd, error) {
	self, err := thisProgram()
	if err != nil {
		return nil, err
	}
	c := exec.CommandContext(ctx, self, append(args, "--network", t.network.Dir)...)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = stopMax
	return c, nil
}

// scrub runs the verifier in a process of its own.
func (b *verifierBench) scrub(ctx context.Context, t *verifiedPair) (*scrubbed, error) {
	ctx, cancel := context.WithTimeout(ctx, scrubMax)
	defer cancel()
	c, err := b.child(ctx, t, "verify-sync", "run", "--json")
	if err != nil {
		return nil, err
	}
	var out, errOut bytes.Buffer
	c.Stdout, c.Stderr = &out, &errOut
	if err := c.Start(); err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "start the verifier")
	}
	resident := make(chan float64, 1)
	ended := make(chan struct{})
	go func() { resident <- highWater(c.Process.Pid, ended) }()
	err = c.Wait()
	close(ended)
	s := &scrubbed{scrubReport: scrubReport{RSSMB: <-resident}}
	var r verifier.Report
	lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
	if bad := json.Unmarshal(lines[len(lines)-1], &r); bad != nil || r.ID == "" {
		return nil, fault.New(fault.Unavailable, "the verifier did not come to an end: %v %.*s", err, errorTextMax, out.String()+errOut.String())
	}
	s.Confirmed, s.Maybe, s.Rows, s.RowsPerS, s.Seconds = r.Count, r.Maybe, r.Rows, r.PerSecond, r.Seconds
	for i := range r.Confirmed {
		s.found = append(s.found, damage.Found{Kind: r.Confirmed[i].Kind(), Key: r.Confirmed[i].Key})
	}
	b.report.RSSMBMax = max(b.report.RSSMBMax, s.RSSMB)
	return s, nil
}

// highWater is the most memory that a process had, in MiB, as it stood just before it ended.
func highWater(pid int, ended <-chan struct{}) (mb float64) {
	path := fmt.Sprintf("/proc/%d/status", pid)
	tick := time.NewTicker(residentPoll)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return mb
		case <-tick.C:
		}
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if _, rest, found := strings.Cut(string(text), "VmHWM:"); found {
			if kb, err := strconv.ParseFloat(strings.Fields(rest)[0], 64); err == nil {
				mb = max(mb, kb/1024)
			}
		}
	}
}

// planterProcess plants damage. It is led over its standard input and output.
type planterProcess struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Scanner
	errs bytes.Buffer
}

func (b *verifierBench) startPlanter(ctx context.Context, t *verifiedPair) (*planterProcess, error) {
	c, err := b.child(ctx, t, "bench", benchPlanter, "--socket", t.socket, "--seed", strconv.FormatUint(b.cfg.Seed, 10))
	if err != nil {
		return nil, err
	}
	p := &planterProcess{cmd: c}
	c.Stderr = &p.errs
	in, err := c.StdinPipe()
	if err == nil {
		p.in = in
		var out io.ReadCloser
		if out, err = c.StdoutPipe(); err == nil {
			p.out = bufio.NewScanner(out)
			p.out.Buffer(nil, lineBytesMax)
			err = c.Start()
		}
	}
	return p, fault.Wrap(fault.Unavailable, err, "start the planter")
}

// tell gives a command and waits until it is done.
func (p *planterProcess) tell(command damage.Command) (a damage.Answer, err error) {
	text, err := json.Marshal(command)
	if err != nil {
		return a, fault.Wrap(fault.Internal, err, "encode a command")
	}
	_, err = p.in.Write(append(text, '\n'))
	if err == nil && !p.out.Scan() {
		err = errors.Join(p.out.Err(), io.ErrUnexpectedEOF)
	}
	if err == nil {
		err = json.Unmarshal(p.out.Bytes(), &a)
	}
	if err != nil {
		return a, fault.Wrap(fault.Unavailable, err, "the planter does not answer: %.*s", errorTextMax, p.errs.String())
	}
	if a.Error != "" {
		return a, fault.New(fault.Unavailable, "the planter: %s", a.Error)
	}
	return a, nil
}

func (p *planterProcess) stop() error {
	err := p.in.Close()
	return fault.Wrap(fault.Unavailable, errors.Join(err, p.cmd.Wait()), "stop the planter: %.*s", errorTextMax, p.errs.String())
}

// servePlanter is the planter's process.
func (a *app) servePlanter(cmd *cobra.Command, socket string, seed uint64) (err error) {
	n, err := a.syncedNetwork()
	if err != nil {
		return err
	}
	_, index, imported, err := indexPlace(n)
	if err != nil {
		return err
	}
	p, err := damage.New(damage.Config{
		Socket: socket, Index: index, Imported: imported, Seed: seed,
		Bus: bus.Config{Brokers: []string{n.Sync.Kafka}, KeyFiles: []string{n.Path(n.Sync.Key)}, Prefix: n.Sync.Prefix},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	return damage.Serve(cmd.Context(), p, cmd.InOrStdin(), a.out)
}

// topics plants what lies in the topics, where a watch must find it.
func (b *verifierBench) topics(ctx context.Context, t *verifiedPair, p *planterProcess) error {
	var ids []string
	for _, k := range b.cfg.kinds() {
		if k.Where == damage.InTopics {
			ids = append(ids, k.ID)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	b.bar.spin("watching the topics")
	return b.watch(ctx, t, func() ([]damage.Planted, error) {
		a, err := p.tell(damage.Command{Plant: ids})
		return a.Planted, err
	})
}

// watch runs a watch, plants when it has compared for a while, and goes on until it found everything, or for topicsWait.
func (b *verifierBench) watch(ctx context.Context, t *verifiedPair, plant func() ([]damage.Planted, error)) error {
	ctx, cancel := context.WithTimeout(ctx, topicsWait)
	defer cancel()
	c, err := b.child(ctx, t, "verify-sync", "watch", "--json", "--every", watchInterval)
	if err != nil {
		return err
	}
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "start a watch")
	}
	w := topicWatch{plant: plant}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, lineBytesMax)
	for lines.Scan() {
		if w.line(lines.Bytes()) && !w.ended {
			w.ended = true
			cancel()
		}
	}
	err = c.Wait() // it was told to stop, or found what it was to find: its exit code says no more
	if w.planted == nil && w.err == nil {
		w.err = fault.Wrap(fault.Unavailable, errors.Join(err, lines.Err()), "watch: %.*s", errorTextMax, errs.String())
	}
	b.judge(w.planted, w.found)
	return w.err
}

// topicWatch reads what a watch says.
type topicWatch struct {
	plant    func() ([]damage.Planted, error)
	verdicts int
	planted  []damage.Planted
	found    []damage.Found
	ended    bool
	err      error
}

// watchedBefore is how many verdicts a watch gives before anything is planted.
const watchedBefore = 4

// line takes a line, and reports whether that is enough.
func (w *topicWatch) line(text []byte) bool {
	var line watchLineJSON
	if json.Unmarshal(text, &line) != nil {
		return false
	}
	if f := line.Finding; f != nil {
		w.found = append(w.found, damage.Found{Kind: damage.TopicKind + string(f.Flaw), Key: damage.RecordKey(f.Topic, f.Offset)})
	}
	if line.Verdict != nil {
		w.verdicts++
	}
	if w.verdicts >= watchedBefore && w.planted == nil && w.err == nil {
		w.planted, w.err = w.plant()
	}
	return w.err != nil || w.planted != nil && len(damage.Judge(w.planted, w.found).Unnamed) == 0
}
