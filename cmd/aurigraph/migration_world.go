// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/aurigraph/aurigraph/client"
	"github.com/aurigraph/aurigraph/internal/canary"
	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/controller"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/guard"
	"github.com/aurigraph/aurigraph/internal/keys"
	"github.com/aurigraph/aurigraph/internal/migrate"
	"github.com/aurigraph/aurigraph/internal/migration"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/outcomes"
	"github.com/aurigraph/aurigraph/internal/router"
	"github.com/aurigraph/aurigraph/internal/shadow"
	"github.com/aurigraph/aurigraph/internal/verifier"
)

// Bounds of looks.
const (
	healthMax = time.Second // until V11's door has answered
	shadowMax = time.Second / 2
	lagsMax   = time.Second
	drillBack = 30 * time.Second // each way of a drill, before it is given up
)

// world is a network in a folder with its V10, as a migration's controller needs it.
type world struct {
	app     *app
	network *network.Network
	client  *client.Client
	control *migrate.Control
	http    *http.Client
	named   keys.Named         // accounts with a slot of their own
	logs    []*outcomes.Reader // of requests and comparisons; nil: nobody asks for them

	roll roll

	off atomic.Bool // V10 was switched off by an action, which goes on beside looks

	callers    guard.Callers // who called V10, as the guard last said
	callersAt  time.Time
	callersWhy string // it did not say
}

var _ controller.World = (*world)(nil)

// openWorld dials the network of the folder. The caller closes it.
func (a *app) openWorld(ctx context.Context) (*world, error) {
	n, err := a.movingNetwork()
	if err != nil {
		return nil, err
	}
	trust, err := n.Trust()
	if err != nil {
		return nil, err
	}
	named, err := n.Named()
	if err != nil {
		return nil, err
	}
	c, err := client.Dial(ctx, client.Config{Endpoints: n.Validators(), CAFile: n.Path(n.CA), Trust: trust})
	if err != nil {
		return nil, err
	}
	return &world{app: a, network: n, client: c, control: migrate.NewControl("http://" + n.Sync.Move.Control), http: &http.Client{}, named: named}, nil
}

// movingNetwork opens the network of --network, whose slots must be able to move.
func (a *app) movingNetwork() (*network.Network, error) {
	n, err := network.Open(a.network)
	if err != nil {
		return nil, err
	}
	if n.Retired != nil {
		return nil, fault.New(fault.Invalid, "V10 beside the network in %s is gone, and its migration is over: `aurigraph migrate report` tells of it", n.Dir)
	}
	if n.Sync == nil || n.Sync.Move == nil {
		return nil, fault.New(fault.Invalid, "the network in %s has no V10 whose accounts could move: make one with `aurigraph up --with-v10 --network NEW`", n.Dir)
	}
	return n, nil
}

func (w *world) close() error {
	for _, l := range w.logs {
		l.Close()
	}
	w.http.CloseIdleConnections()
	return w.client.Close()
}

// Look asks the ledger for its home table, the guard where it stands, both halves of the sync how late they are, and V11's door for its health.
func (w *world) Look(ctx context.Context) (s controller.Sight) {
	rolled := w.startRoll(ctx)
	defer func() { rolled(&s) }()
	s.Health = w.health(ctx)
	s.ToV11, s.ToV10 = w.lags(ctx)
	s.Shadow = w.shadow(ctx)
	h, err := w.client.Homes(ctx)
	var v10 router.Slots
	if err == nil {
		err = v10.Set(h.V10...)
	}
	if err != nil {
		s.Unknown = err.Error()
		return s
	}
	s.Version, s.Closed, s.WeightBP = h.Version, h.Closed, router.WeightWhole-v10.Weight()
	s.Own, s.NamedV11 = w.named, w.named.Except(v10.Has)
	s.Copied = w.copied()
	w.askCallers(ctx, &s.Facts)
	g, err := w.control.State(ctx)
	switch {
	case err != nil:
		s.Guard = err.Error()
	case g.Version < h.Version:
		s.Guard = fmt.Sprintf("it is at version %d of the home table, the ledger at %d", g.Version, h.Version)
	}
	s.Moving = g.Closed.Count() + g.Coming.Count()
	return s
}

func (w *world) isOff() bool { return w.network.Sync.OffMs != 0 || w.off.Load() }

// copied reports whether the initial copy is done. Who made it notes that in the network's description.
func (w *world) copied() bool {
	if w.network.Sync.Copied == 0 {
		if n, err := network.Open(w.network.Dir); err == nil && n.Sync != nil {
			w.network.Sync.Copied = n.Sync.Copied
		}
	}
	return w.network.Sync.Copied > 0
}

func (w *world) lags(ctx context.Context) (toV11, toV10 migration.Lag) {
	if w.isOff() {
		l := migration.Lag{Ms: -1, Why: "V10 is off"}
		return l, l
	}
	h, err := w.app.findHalves(&halfFlags{})
	if err != nil {
		l := migration.Lag{Ms: -1, Why: err.Error()}
		return l, l
	}
	defer h.close()
	ctx, cancel := context.WithTimeout(ctx, lagsMax) // a half that hangs must not take the time in which the ledger is asked
	defer cancel()
	h.ask(ctx)
	lag := func(direction string) migration.Lag {
		d := h.direction(direction)
		l := migration.Lag{Ms: d.LagMs}
		if !d.goesOn() {
			l.Why = fmt.Sprintf("it does not go on: %s: %s (`aurigraph sync status`)", d.trouble(), d.Help)
		}
		return l
	}
	return lag(router.V10.String()), lag(router.V11.String())
}

func (w *world) health(ctx context.Context) canary.Health {
	door := w.network.V11Door()
	if door == "" {
		return canary.HealthUnknown
	}
	ctx, cancel := context.WithTimeout(ctx, healthMax)
	defer cancel()
	if err := w.get(ctx, door+"/health", nil); err != nil {
		return canary.HealthDown
	}
	return canary.HealthUp
}

// get reads an answer of 200, as JSON if somebody wants it.
func (w *world) get(ctx context.Context, url string, into any) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "%s", url)
	}
	answer, err := w.http.Do(r)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "ask %s", url)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, answerBytesMax))
	if err != nil || answer.StatusCode != http.StatusOK {
		return fault.New(fault.Unavailable, "%s answered %d: %v", url, answer.StatusCode, err)
	}
	if into == nil {
		return nil
	}
	return fault.Wrap(fault.Corrupt, json.Unmarshal(text, into), "the answer of %s", url)
}

// answerBytesMax bounds an answer to get.
const answerBytesMax = 4 << 20

// Requests hands over what the router and the shadow wrote down since the last call.
func (w *world) Requests(each func(*router.Outcome)) {
	if w.logs == nil {
		for _, path := range []string{w.network.Outcomes(), w.network.Compared()} {
			w.logs = append(w.logs, outcomes.Follow(path, outcomes.End))
		}
	}
	for _, l := range w.logs {
		for o, ok, err := l.Next(); ok && err == nil; o, ok, err = l.Next() { // what cannot be read now is read later
			each(&o)
		}
	}
}

// mover makes one for a move: it keeps nothing that the next one needs.
func (w *world) mover(ctx context.Context) (*migrate.Mover, error) {
	n := w.network
	signer, err := client.ReadKeyFile(n.Path(n.Sync.Move.Mover), nil)
	if err != nil {
		return nil, err
	}
	ledger, err := migrate.NewChain(ctx, w.client, n.Chain, chain.InstitutionNo(n.Institution.ID), signer)
	if err != nil {
		return nil, err
	}
	return migrate.New(ledger, w.control, migrate.Config{}), nil
}

// Weigh gives V11 the slots from 0 on and those of some named accounts, and V10 the rest.
func (w *world) Weigh(ctx context.Context, bp int, named []chain.SlotRange) error {
	goals, err := weightGoals(bp, named, w.named.Last())
	if err != nil {
		return err
	}
	return w.move(ctx, moveWait, goals...)
}

func (w *world) move(ctx context.Context, wait time.Duration, goals ...migrate.Goal) error {
	m, err := w.mover(ctx)
	if err != nil {
		return err
	}
	for i := range goals {
		if err := moveOrAbort(ctx, m, &goals[i], wait, &movedJSON{}); err != nil {
			return err
		}
	}
	return nil
}

// Drill gives the last slots of V11's to V10, and takes them back.
func (w *world) Drill(ctx context.Context, bp, slots int) (r controller.Drilled, err error) {
	var some router.Slots
	if err := some.Set(chain.SlotRange{From: uint16(bp - slots), To: uint16(bp - 1)}); err != nil {
		return r, err
	}
	began := time.Now()
	if err := w.move(ctx, drillBack, migrate.Goal{Slots: some}); err != nil {
		return r, err
	}
	r.Back = time.Since(began)
	began = time.Now()
	err = w.move(ctx, drillBack, migrate.Goal{ToV11: true, Slots: some})
	r.Forward = time.Since(began)
	return r, err
}

// Compare runs the verifier as a process of its own: its memory is its own then, and it can be ended.
func (w *world) Compare(ctx context.Context) (c controller.Compared, err error) {
	program, err := thisProgram()
	if err != nil {
		return c, err
	}
	ctx, cancel := context.WithTimeout(ctx, scrubMax)
	defer cancel()
	r, err := runVerifier(ctx, program, w.network.Dir)
	if err != nil {
		return c, err
	}
	return controller.Compared{Rows: r.Rows, Differences: uint64(r.Count), Report: r.ID}, nil
}

// runVerifier has the verifier compare the ledgers of a network once. That they differ is no error.
func runVerifier(ctx context.Context, program, dir string) (*verifier.Report, error) {
	c := childOf(ctx, program, "verify-sync", "run", "--json", "--network", dir)
	var out, errOut bytes.Buffer
	c.Stdout, c.Stderr = &out, &errOut
	err := c.Run()
	var r verifier.Report
	lines := bytes.Split(bytes.TrimSpace(out.Bytes()), []byte("\n"))
	if bad := json.Unmarshal(lines[len(lines)-1], &r); bad != nil || r.ID == "" {
		return nil, fault.New(fault.Unavailable, "the verifier did not come to an end: %v %.300s %.300s", err, out.String(), errOut.String())
	}
	return &r, nil
}

// watch runs the verifier beside both ledgers until ctx ends.
func (w *world) watch(ctx context.Context, tell func(more uint64)) error {
	program, err := thisProgram()
	if err != nil {
		return err
	}
	c := childOf(ctx, program, "verify-sync", "watch", "--json", "--topics=false", "--network", w.network.Dir)
	c.Stderr = w.app.err
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "start the watch of both ledgers")
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, answerBytesMax)
	for lines.Scan() {
		var line watchLineJSON
		if err := json.Unmarshal(lines.Bytes(), &line); err == nil && line.Verdict != nil {
			tell(line.Verdict.Confirmed)
		}
	}
	_ = out.Close() // a line that is too long must not keep it from ending
	return fault.New(fault.Unavailable, "the watch of both ledgers ended, and its log says why: %v", c.Wait())
}

// childOf is a command of this program that ends with it, and is told to end before it is killed.
func childOf(ctx context.Context, program string, words ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, program, words...)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM, Setpgid: true}
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = childEndMax
	return c
}

// childEndMax is how long such a command may take to end.
const childEndMax = 5 * time.Second

// shadow asks what comparisons of answers have shown.
func (w *world) shadow(ctx context.Context) (f migration.ShadowFacts) {
	ctx, cancel := context.WithTimeout(ctx, shadowMax)
	defer cancel()
	r, err := shadow.ReadReport(ctx, "http://"+w.network.Sync.Move.Shadow)
	if err != nil {
		f.Why = err.Error()
		return f
	}
	f.Compared, f.Differs = r.Compared, r.Differs
	return f
}
