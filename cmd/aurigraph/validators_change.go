// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/aurigraph/aurigraph/internal/network"
)

// changesOfValidators are the commands that change who validates.
func changesOfValidators(a *app) []*cobra.Command {
	return []*cobra.Command{
		newValidatorsAdd(a), newValidatorsRemove(a), newValidatorsRekey(a),
		newValidatorsPropose(a), newValidatorsApprove(a), newValidatorsSubmit(a),
	}
}

func newValidatorsAdd(a *app) *cobra.Command {
	var name string
	c := &cobra.Command{
		Use:   "add",
		Short: "Add a validator to a running network on this machine",
		Long: `Makes the folder of a new validator in the network's folder: keys, certificates, settings, and addresses that are free. Gives all
others its address, has a quorum of the validators approve with the keys in their folders, and submits the change as governance.
The block that executes it ends the membership epoch; the others go on in the next one after about a second, "aurigraph up"
starts the newcomer, and it takes the state from a peer. Payments under way go on; none that was acknowledged is lost.

It may be stopped and run again at any time, and goes on where it was. A network of one validator that orders alone (engine
solo) cannot be changed.

Exit codes: 0 the newcomer and a quorum serve in the new epoch; 1 they do not yet, or something is out of reach; 2 refused;
3 it is not known whether the change was made: run it again.`,
		Example: `  aurigraph validators add
  aurigraph validators add --name berlin --network /srv/trial --json`,
		Args: args(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.changeHere(cmd.Context(), func(c *network.Changer) (*network.Changed, error) { return c.Add(cmd.Context(), name) })
		},
	}
	c.Flags().StringVar(&name, "name", "", "its name, up to 64 bytes (default: node and its number)")
	return c
}

func newValidatorsRemove(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "remove ID",
		Short: "Remove a validator from a running network on this machine",
		Long: `Removes a validator, named by its id or number, by a change that a quorum of the present validators approves and governance
submits. The block that executes it ends the membership epoch; the others go on in the next one after about a second, and
"aurigraph up" does not start the one that left any more. Its folder stays, and can be verified; its number stays vacant until
the numbers are used up. If it alone had the query index, another validator builds one.

The validator need not run, and its keys may be gone, if the others are a quorum. What it sends afterwards is not heard.
It may be stopped and run again at any time; for a validator that has left it says so.

Exit codes: 0 a quorum serves in the new epoch; 1 it does not yet, or something is out of reach; 2 refused; 3 it is not known
whether the change was made: run it again.`,
		Example: `  aurigraph validators remove node4
  aurigraph validators remove 4 --network /srv/trial --json`,
		Args: args("ID"),
		RunE: func(cmd *cobra.Command, got []string) error {
			return a.changeHere(cmd.Context(), func(c *network.Changer) (*network.Changed, error) { return c.Remove(cmd.Context(), got[0]) })
		},
	}
}

func newValidatorsRekey(a *app) *cobra.Command {
	var lostDisk bool
	c := &cobra.Command{
		Use:   "rekey ID",
		Short: "Give a validator of a running network on this machine new keys",
		Long: `Gives a validator, named by its id or number, new keys and a new certificate under the same number: because they may be known to
somebody, or are lost with a disk. The change is approved and submitted as of "aurigraph validators add". When the epoch has
ended, the validator is stopped, takes the new keys, and is started again by "aurigraph up". The old files stay beside the new
ones as .old, readable by you alone, until you remove them.

--lost-disk is for a validator whose data or keys are lost or damaged: it is stopped first, what is left of its data folder is
moved aside, and it takes the state from a peer. The others must be a quorum. A validator never goes on under old keys with an
empty disk: it could sign again, and otherwise, what it signed before.

It may be stopped and run again at any time, and goes on where it was.

Exit codes: 0 the validator and a quorum serve in the new epoch; 1 they do not yet, or something is out of reach; 2 refused;
3 it is not known whether the change was made: run it again.`,
		Example: `  aurigraph validators rekey node2
  aurigraph validators rekey node2 --lost-disk --json`,
		Args: args("ID"),
		RunE: func(cmd *cobra.Command, got []string) error {
			return a.changeHere(cmd.Context(), func(c *network.Changer) (*network.Changed, error) { return c.Rekey(cmd.Context(), got[0], lostDisk) })
		},
	}
	c.Flags().BoolVar(&lostDisk, "lost-disk", false, "move its data folder aside first, and have it take a peer's state")
	return c
}
