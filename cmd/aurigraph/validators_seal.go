// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/chain"
	"github.com/aurigraph/aurigraph/internal/codec"
	"github.com/aurigraph/aurigraph/internal/fault"
	"github.com/aurigraph/aurigraph/internal/network"
	"github.com/aurigraph/aurigraph/internal/seal"
	"github.com/aurigraph/aurigraph/internal/server/admin"
)

const (
	sealTimeoutDefault = time.Minute
	sealTimeoutMin     = 5 * time.Second // each step may wait for those that are late
)

// sealFlags is what a seal is asked for.
type sealFlags struct {
	without []string
	sockets []string
	toV10   bool
	epoch   uint64
	timeout time.Duration
}

func newValidatorsSeal(a *app) *cobra.Command {
	var f sealFlags
	c := &cobra.Command{
		Use:   "seal",
		Short: "End the epoch of a network that cannot certify any more, and start the next",
		Long: `Ends the membership epoch by a statement that a quorum of its validators signs, and starts the next one with those that go on.
It is for a network that stands still: a lying leader stops it, or its validators signed different headers of one height. It
loses nothing that anybody was told is certified. Without need it does no harm: the network stands still for some seconds.

Every validator first refuses, for good, to sign more in this epoch; then says what was certified and what it signed. The height
is chosen from what a quorum of them says: the newest certificate, and all above it that may have been certified by validators
that are not heard. Each brings its state there, a quorum signs, and they restart in the next epoch.

--without leaves a validator out of the next epoch: one that lies, or is gone for good. It counts as one of those that may fail,
so nothing that it says is believed; of 4 validators at most 1 can be left out, of 7 at most 2. One that is only away now should
not be left out: it takes the handover from the others when it is back.

--to-v10 gives back to V10 what V11 served: with the epoch's end all slots that V11 owned are V10's, by what the quorum signs, and
V10's guard opens them once V10 has applied everything up to the last height. It is for a migration whose V11 cannot go on, or is
not believed any more. An epoch ends by one verdict: what an earlier run decided is carried out as it is, and the command says so.

The command can be stopped and run again, also with other validators up: it goes on where it was. Validators that took part
certify nothing in the old epoch any more. docs/runbooks/seal.md says what to do when it refuses.

A network of several operators is sealed by one of them, over the admin.sock of every validator's folder, forwarded by ssh:
  ssh -N -L ./b.sock:/srv/aurigraph/node1/admin.sock operator-b

Exit codes: 0 the next epoch runs; 1 too few validators answer or agree, nothing is decided; 2 a person must decide, or the
command line is wrong; 3 the epoch is ended, and too few validators are in the next one yet: run it again.`,
		Example: `  aurigraph validators seal
  aurigraph validators seal --without node2 --timeout 2m
  aurigraph validators seal --to-v10 --without node2       V10 serves all accounts again
  aurigraph validators seal --socket /srv/aurigraph/node0/admin.sock --socket b.sock --socket c.sock --json
  aurigraph validators seal --epoch 3                      refuse if epoch 3 has ended already`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			voters, err := a.voters(cmd, f)
			if err != nil {
				return err
			}
			return a.seal(cmd.Context(), voters, f)
		},
	}
	c.Flags().StringSliceVar(&f.without, "without", nil, "leave this validator out of the next epoch, by id or number; may be given again")
	c.Flags().StringArrayVar(&f.sockets, "socket", nil, "ask the validator behind this socket, instead of those of --network; may be given again")
	c.Flags().BoolVar(&f.toV10, "to-v10", false, "give V10 all slots that V11 owns")
	c.Flags().Uint64Var(&f.epoch, "epoch", 0, "the epoch to end, so that it is ended once (default: the present one)")
	c.Flags().DurationVar(&f.timeout, "timeout", sealTimeoutDefault, "how long it may take in all")
	return c
}

func (f *sealFlags) verdict() chain.Verdict {
	if f.toV10 {
		return chain.VerdictToV10
	}
	return chain.VerdictUnchanged
}

// voters are the validators that are asked.
func (a *app) voters(cmd *cobra.Command, f sealFlags) (list []seal.Voter, err error) {
	switch {
	case f.timeout < sealTimeoutMin:
		return nil, usage(cmd, "--timeout is %s, it must be %s or more", f.timeout, sealTimeoutMin)
	case a.endpoint != "":
		return nil, usage(cmd, "an epoch is ended over the validators' sockets: give --socket for each, not --endpoint")
	case len(f.sockets) > 0 && cmd.Flags().Changed("network"):
		return nil, usage(cmd, "--socket and --network exclude each other")
	}
	for _, path := range f.sockets {
		list = append(list, seal.Voter{Name: path, Validator: admin.Dial(path)})
	}
	if len(list) > 0 {
		return list, nil
	}
	n, err := network.Open(a.network)
	if err != nil {
		return nil, err
	}
	return votersOf(n), nil
}

// votersOf are the validators of a network whose folders are here.
func votersOf(n *network.Network) (list []seal.Voter) {
	for _, node := range n.Nodes {
		list = append(list, seal.Voter{Name: node.ID, Validator: admin.Dial(admin.SocketPath(n.Path(node.Dir)))})
	}
	return list
}

// seal carries it out and shows what came of it, also when it fails.
func (a *app) seal(ctx context.Context, voters []seal.Voter, f sealFlags) error {
	ctx, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	bar := a.newBar()
	report, err := (&seal.Coordinator{Voters: voters, Without: f.without, Verdict: f.verdict(), Epoch: chain.Epoch(f.epoch), Progress: bar.spin}).Run(ctx)
	bar.clear()
	j := sealOf(report)
	if err != nil {
		j.Error = &errorJSON{Kind: fault.KindOf(err).String(), Reason: fault.ReasonOf(err), Text: err.Error()}
	}
	if printErr := a.print(j, j.table); printErr != nil || err == nil {
		return printErr
	}
	if !a.json {
		a.printError(err)
	}
	return &reported{err}
}

type sealJSON struct {
	Chain      chain.ChainID       `json:"chain_id"`
	Epoch      chain.Epoch         `json:"epoch"` // that is ended; 0: it was not found
	Members    int                 `json:"members"`
	Quorum     int                 `json:"quorum"`
	Verdict    string              `json:"verdict,omitempty"`      // unchanged or to_v10; empty: nothing was chosen
	Homes      uint64              `json:"home_version,omitempty"` // of the state that to_v10 begins the next epoch with
	Height     chain.Height        `json:"height"`                 // the last one of the epoch; 0: none was chosen
	Header     string              `json:"header"`
	Certified  bool                `json:"certified"` // a certificate of it was shown
	Signers    []string            `json:"signers"`   // who signed it, where none was
	TakenUp    bool                `json:"taken_up"`  // an earlier run chose it
	Root       string              `json:"root"`      // empty: the validators did not agree on one
	Sealed     bool                `json:"sealed"`    // a quorum signed
	Handover   string              `json:"handover"`
	NextEpoch  chain.Epoch         `json:"next_epoch"`
	Next       []string            `json:"next_members"`
	Running    int                 `json:"running"` // validators in the next epoch
	Validators []sealValidatorJSON `json:"validators"`
	Error      *errorJSON          `json:"error,omitempty"`
}

// sealValidatorJSON is how far a validator came with it.
type sealValidatorJSON struct {
	ID        string       `json:"id"`
	State     string       `json:"state"`
	Revealed  bool         `json:"revealed"`
	Certified chain.Height `json:"certified"` // newest height that it has a certificate of; 0: none in this epoch
	Voted     chain.Height `json:"voted"`     // newest that it signed
	Root      string       `json:"root"`      // of the chosen height, as it computes it
	Error     string       `json:"error,omitempty"`
}

// States of a validator in a seal, the last one that it reached.
const (
	sealSilent   = "silent"    // it did not answer
	sealElse     = "elsewhere" // it is in another epoch
	sealLeftOut  = "left out"
	sealFound    = "found"
	sealRevealed = "revealed"
	sealPrepared = "prepared"
	sealSigned   = "signed"
	sealRuns     = "runs" // in the next epoch
)

func sealState(r *seal.Row, located bool) string {
	switch {
	case r.Running:
		return sealRuns
	case r.LeftOut:
		return sealLeftOut
	case r.Approved:
		return sealSigned
	case r.Claimed:
		return sealPrepared
	case r.Revealed:
		return sealRevealed
	case r.Known:
		return sealFound
	case r.Answered() && located:
		return sealElse
	}
	return sealSilent
}

func sealOf(r *seal.Report) *sealJSON {
	j := &sealJSON{Sealed: r.Sealed, Signers: []string{}, Next: []string{}}
	if r.Epoch != nil {
		j.Chain, j.Epoch, j.Members, j.Quorum = r.Epoch.Chain(), r.Epoch.Epoch(), len(r.Epoch.Membership().Members), r.Epoch.Quorum()
	}
	for i := range r.Rows {
		row := &r.Rows[i]
		v := sealValidatorJSON{ID: row.Name, State: sealState(row, r.Epoch != nil), Revealed: row.Revealed, Certified: row.Certified, Voted: row.Voted, Root: digestText(row.Root)}
		if row.Err != nil {
			v.Error = row.Err.Error()
		}
		if row.Running {
			j.Running++
		}
		j.Validators = append(j.Validators, v)
	}
	if d := r.Decision; d != nil {
		j.Verdict, j.Height, j.Header, j.Certified, j.TakenUp, j.NextEpoch = d.Verdict.String(), d.Height, d.Header.String(), d.Certified, d.Taken != nil, r.Next.Epoch
		for _, no := range d.Signers {
			j.Signers = append(j.Signers, r.Epoch.Membership().Find(no).Name)
		}
		for i := range r.Next.Members {
			j.Next = append(j.Next, r.Next.Members[i].Name)
		}
	}
	if h := r.Handover; h != nil {
		j.Root, j.Handover, j.Homes = h.Root.String(), codec.HandoverHash(h).String(), h.HomeVersion
	}
	return j
}

func (j *sealJSON) table(row func(...any)) {
	if j.Epoch != 0 {
		row("epoch", fmt.Sprintf("%d of chain %d, %d validators, quorum %d", j.Epoch, j.Chain, j.Members, j.Quorum))
	}
	if j.Height != 0 {
		row("ends at", fmt.Sprintf("height %d, %s", j.Height, j.why()))
		row("header", j.Header)
	}
	if j.Root != "" {
		row("state root", j.Root)
	}
	if j.Homes != 0 {
		row("verdict", fmt.Sprintf("all slots are V10's, by version %d of the home table", j.Homes))
	}
	if j.Sealed {
		row("next", fmt.Sprintf("epoch %d with %s: %d of %d run", j.NextEpoch, strings.Join(j.Next, ", "), j.Running, len(j.Next)))
	}
	row()
	row("VALIDATOR", "STATE", "CERTIFIED", "SIGNED", "")
	for _, v := range j.Validators {
		row(v.ID, v.State, orDash(v.Certified, v.Certified > 0), orDash(v.Voted, v.Voted > 0), v.Error)
	}
}

// why says why this height was chosen.
func (j *sealJSON) why() string {
	switch {
	case j.TakenUp:
		return "as an earlier run chose"
	case j.Certified:
		return "certified"
	}
	return "signed by " + strings.Join(j.Signers, ", ") + ": it may have been certified"
}
