// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/sync/control"
)

// The kinds and states of resolutions.
const (
	kindSkip   = "skip"
	kindHeld   = "held"
	stateAsked = "asked" // it was signed, and its fate not learned
	stateDone  = "done"
	stateOpen  = "open" // a person has to decide
)

// resolution is what was decided of a change that one side could not make, or that it waits.
type resolution struct {
	Side       string    `json:"side"`      // v10 or v11: that could not make it
	Direction  string    `json:"direction"` // v10 or v11: whose change
	Kind       string    `json:"kind"`
	State      string    `json:"state"`
	Life       uint32    `json:"life"`
	Position   string    `json:"position"`
	Tag        string    `json:"tag"`
	Change     string    `json:"change"`
	Outcome    string    `json:"outcome,omitempty"`
	Reason     string    `json:"reason,omitempty"`
	ReasonHash string    `json:"reason_hash,omitempty"` // on the chain
	By         string    `json:"by,omitempty"`
	At         time.Time `json:"at"`
	Slot       *uint16   `json:"slot,omitempty"` // frozen by it
}

// resolutionsName is the file of V11's resolutions in a network's folder.
const resolutionsName = "sync-resolutions.jsonl"

// resolutionsPath is where V11's resolutions are noted.
func (h *halves) resolutionsPath(named string) (string, error) {
	switch {
	case named != "":
		return named, nil
	case h.network == nil:
		return "", &usageError{errors.New("name the file that V11's resolutions are noted in with --record, or the network's folder with --network")}
	}
	return h.network.Path(resolutionsName), nil
}

// addResolution adds a line, durably. What a crash left of a line goes.
func addResolution(path string, r *resolution) (err error) {
	line, err := json.Marshal(r)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "encode a resolution")
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return fault.Wrap(fault.Unavailable, err, "open the file of resolutions")
	}
	defer func() { err = fault.Wrap(fault.Unavailable, errors.Join(err, f.Close()), "note a resolution") }()
	whole, err := readLines(f, func([]byte) error { return nil })
	if err != nil {
		return err
	}
	if err := f.Truncate(whole); err != nil {
		return err
	}
	if _, err := f.WriteAt(append(line, '\n'), whole); err != nil {
		return err
	}
	return f.Sync()
}

// resolutionLineMax bounds a line of the file.
const resolutionLineMax = 64 << 10

// readLines calls each for the whole lines of a file, and returns how many bytes they are.
func readLines(f io.Reader, each func(line []byte) error) (whole int64, err error) {
	in := bufio.NewReaderSize(f, resolutionLineMax)
	for n := 1; ; n++ {
		line, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF):
			return whole, nil
		case err != nil:
			return whole, err
		}
		if err := each(line); err != nil {
			return whole, fmt.Errorf("line %d: %w", n, err)
		}
		whole += int64(len(line))
	}
}

// readResolutions reads V11's resolutions, the last word on each change.
func readResolutions(path string) (list []resolution, err error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "open the file of resolutions")
	}
	defer f.Close()
	_, err = readLines(f, func(line []byte) error {
		var r resolution
		if err := json.Unmarshal(line, &r); err != nil {
			return err
		}
		if r.ReasonHash != "" && codec.Sum([]byte(r.Reason)) != hashOf(r.ReasonHash) {
			return errors.New("the reason is not the one that was signed")
		}
		i := slices.IndexFunc(list, func(old resolution) bool { return old.Life == r.Life && old.Position == r.Position })
		if i < 0 {
			list = append(list, r)
		} else {
			list[i] = r
		}
		return nil
	})
	return list, fault.Wrap(fault.Corrupt, err, "%s", path)
}

// hashOf reads a hash; none reads as zero, which is nothing's.
func hashOf(text string) chain.Hash {
	h, err := chain.ParseHash(text)
	if err != nil {
		return chain.Hash{}
	}
	return h
}

func newSyncConflicts(a *app) *cobra.Command {
	var f halfFlags
	var record string
	c := online(a, &cobra.Command{
		Use:   "conflicts",
		Short: "List what one ledger could not make of the other's changes, and what was decided",
		Long: `Lists the changes that one side could not make: those that wait for a person, and those that were passed over, with who, when and
why. V10 keeps its own as rows; V11's chain has the hash of each reason, the words are in sync-resolutions.jsonl of the network's
folder (or --record), and a line whose words are not those of its hash is refused. "asked" is a skip of which the command did not
learn the fate: the counts below say whether the ledger has more than are listed.

Exit codes: 0 they are listed; 1 something could not be read, or V11 has skips whose words are not here.`,
		Example: `  aurigraph sync conflicts
  aurigraph sync conflicts --network /srv/trial --json`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			j, err := a.conflicts(cmd.Context(), &f, record)
			if err != nil {
				return err
			}
			if err := a.print(j, j.table); err != nil {
				return err
			}
			if j.Unknown > 0 {
				return &reported{fault.New(fault.Unavailable, "%d skips of V11 are not listed", j.Unknown)}
			}
			return nil
		},
	})
	c.Flags().StringVar(&record, "record", "", "file of V11's resolutions (default: sync-resolutions.jsonl of the network's folder)")
	f.addSockets(c)
	f.addPort(c)
	return c
}

type conflictsJSON struct {
	List    []resolution `json:"conflicts"`
	V11     *uint64      `json:"v11_skipped"` // as its inbox counts; null: it did not answer
	V10     *int         `json:"v10_skipped"`
	Unknown uint64       `json:"v11_not_listed"`
}

func (a *app) conflicts(ctx context.Context, f *halfFlags, record string) (*conflictsJSON, error) {
	h, err := a.findHalves(f)
	if err != nil {
		return nil, err
	}
	defer h.close()
	j := &conflictsJSON{List: []resolution{}}
	if path, err := h.resolutionsPath(record); err == nil {
		noted, err := readResolutions(path)
		if err != nil {
			return nil, err
		}
		j.List = append(j.List, noted...)
	}
	listed := uint64(0)
	for _, r := range j.List {
		if r.State == stateDone {
			listed++
		}
	}
	if h.network != nil || a.endpoint != "" {
		if in := a.inboxNow(ctx); in != nil {
			j.V11 = &in.Skipped
			j.Unknown = in.Skipped - min(in.Skipped, listed)
		}
	}
	if h.port != nil {
		if err := j.addV10(ctx, h); err != nil {
			return nil, err
		}
	}
	h.ask(ctx)
	j.addHeld(h)
	slices.SortStableFunc(j.List, func(a, b resolution) int { return a.At.Compare(b.At) })
	return j, nil
}

func (j *conflictsJSON) addV10(ctx context.Context, h *halves) error {
	rows, err := h.port.Resolutions(ctx)
	if err != nil {
		return err
	}
	n := len(rows)
	j.V10 = &n
	for _, r := range rows {
		j.List = append(j.List, resolution{
			Side: "v10", Direction: r.Origin, Kind: r.Kind, State: stateDone, Life: r.Life, Position: r.Position, Tag: r.Tag, Change: r.Change,
			Reason: r.Reason, By: r.By, At: time.UnixMilli(int64(r.Ms)).UTC(),
		})
	}
	return nil
}

// addHeld adds what waits for a person now.
func (j *conflictsJSON) addHeld(h *halves) {
	for direction, side := range map[string]string{"v10": "v11", "v11": "v10"} {
		x := h.applier(direction)
		if x == nil || x.said.Apply.State != control.StateHeld || x.said.Apply.Held == nil {
			continue
		}
		held := x.said.Apply.Held
		j.List = append(j.List, resolution{
			Side: side, Direction: direction, Kind: kindHeld, State: stateOpen, Life: held.Life, Position: held.Position, Tag: held.Tag,
			Change: held.Kind, Outcome: held.Reason, At: x.said.Apply.Since, Slot: held.Slot,
		})
	}
}

func (j *conflictsJSON) table(row func(...any)) {
	if len(j.List) > 0 {
		row("CHANGE OF", "AT", "KIND", "STATE", "WHAT", "OUTCOME", "WHEN", "BY", "REASON")
	}
	for _, r := range j.List {
		row(r.Direction, r.Position, r.Kind, r.State, r.Change, orDash(r.Outcome, r.Outcome != ""), r.At.Local().Format(time.DateTime), cmp.Or(r.By, "-"), cmp.Or(r.Reason, "-"))
	}
	if len(j.List) == 0 {
		row("no change was passed over, and none waits")
	}
	counted := func(n int64, known bool) string { return orDash(strconv.FormatInt(n, 10), known) }
	v11, v10 := int64(0), int64(0)
	if j.V11 != nil {
		v11 = int64(*j.V11)
	}
	if j.V10 != nil {
		v10 = int64(*j.V10)
	}
	row()
	row("skipped", fmt.Sprintf("%s by V11's inbox, %s by V10", counted(v11, j.V11 != nil), counted(v10, j.V10 != nil)))
	if j.Unknown > 0 {
		row("MISSING", fmt.Sprintf("V11 passed over %d more than are listed with words: look for the file of who did, and for governance's skip_sync transactions", j.Unknown))
	}
}
