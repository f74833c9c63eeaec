// SPDX-License-Identifier: Apache-2.0

package sim

// The kinds of faults, which are counted by how often one had an effect.
const (
	faultDrop      = "drop"       // a frame is lost
	faultDuplicate = "duplicate"  // a frame arrives twice
	faultReorder   = "reorder"    // a frame is overtaken
	faultDelay     = "delay"      // a link is slow
	faultPartition = "partition"  // a frame meets a partition
	faultOneWay    = "one_way"    // a frame meets a partition that is open the other way
	faultCrash     = "crash"      // a node loses its power
	faultPowerCut  = "power_cut"  // all nodes lose it at once
	faultLostWrite = "lost_write" // a record that no sync covered is gone
	faultTornTail  = "torn_tail"  // half of it is there
	faultSlowDisk  = "slow_disk"  // a sync takes long
	faultClockSkew = "clock_skew" // a clock jumps, and runs fast or slow from there on
	faultDamage    = "damage"     // a page of a state is damaged in memory
	faultSeal      = "seal"       // a person ends the epoch by a seal

	faultMembership = "membership" // governance adds, removes or re-keys a validator, which ends the epoch
	faultLostDisk   = "lost_disk"  // a disk is gone, and with it the keys
	faultDeparted   = "departed"   // who left, or had other keys, talks on
)

// The lies of a validator to the others' lanes, certificates and catching up.
const (
	lieFork      = "lane_fork"       // another entry for the same place, to some
	lieWithhold  = "lane_withhold"   // entries to some only, and no answer to who asks
	lieAck       = "forged_ack"      // holds what it does not hold, or something else
	lieHeaders   = "two_headers"     // signs a second header for a height
	lieReplay    = "replay"          // sends again what it sent long ago
	liePayload   = "false_payload"   // a payload that is not the entry's
	lieBatch     = "forged_batch"    // a batch that no client signed
	lieState     = "false_state"     // a checkpoint that no quorum certified
	lieSignature = "false_signature" // a vote that nobody signed
	lieJunk      = "junk"            // bytes that mean nothing, or nearly something
	lieForward   = "forged_forward"  // asks the leader to order what nobody holds
	lieEnds      = "false_handover"  // tells of an epoch's end that no quorum certified
	lieFalseHold = "false_hold"      // tells the leader that it holds records of the ordering log before it does
)

// The lies of a validator to the ordering engine while it leads. From the first one on, progress is not promised, nor
// that a node it deceived goes on by itself.
const (
	lieLeadFork    = "lead_fork"     // different entries to different followers
	lieLeadCommit  = "lead_commit"   // a commit index that no majority stands behind, or beyond the log
	lieLeadLogTerm = "lead_log_term" // a false log term
	lieLeadUnheld  = "lead_unheld"   // orders what nobody holds
)

var (
	faultKinds = []string{
		faultDrop, faultDuplicate, faultReorder, faultDelay, faultPartition, faultOneWay, faultCrash, faultPowerCut, faultLostWrite,
		faultTornTail, faultSlowDisk, faultClockSkew, faultDamage, faultSeal, faultMembership, faultLostDisk, faultDeparted,
	}
	lieKinds = []string{
		lieFork, lieWithhold, lieAck, lieHeaders, lieReplay, liePayload, lieBatch, lieState, lieSignature, lieJunk, lieForward, lieFalseHold, lieEnds,
	}
	leadKinds = []string{lieLeadFork, lieLeadCommit, lieLeadLogTerm, lieLeadUnheld}
)

// countKinds gives a count of zero for each kind of fault and lie.
func countKinds() map[string]int {
	counts := map[string]int{}
	for _, list := range [][]string{faultKinds, lieKinds, leadKinds} {
		for _, kind := range list {
			counts[kind] = 0
		}
	}
	return counts
}

// What a simulation must come to now and then, or it proves little.
const (
	seenTerm          = "leader_changes"      // a node follows another leader than before
	seenPassedOver    = "passed_over"         // an entry that was decided again
	seenExecutedAgain = "executed_again"      // a height, after a restart
	seenFromState     = "started_from_state"  // a node starts from a checkpoint
	seenStateFetched  = "states_fetched"      // a node that fell behind takes a peer's checkpoint
	seenStateRefused  = "states_refused"      // a peer's checkpoint that is not proved
	seenMissing       = "payloads_missing"    // a decided payload is not here
	seenGivenUp       = "payloads_given_up"   // peers let go of it: the state is fetched instead
	seenSnapshot      = "snapshots_offered"   // the leader's log does not reach back to a follower's
	seenOrderCut      = "order_records_cut"   // of the ordering log
	seenPretender     = "led_by_pretender"    // a leader lacks what it acknowledged: progress is not promised
	seenSentAgain     = "batches_sent_again"  // a client lost patience
	seenStale         = "batches_stale"       // a batch is refused, for a later one came first
	seenEvidence      = "evidence"            // of two headers
	seenLaneEvidence  = "lane_evidence"       // of a fork, or of an acknowledgement of what is not there
	seenReturned      = "deceived_and_back"   // a node that a lying leader deceived goes on from a certified state
	seenFull          = "lanes_full"          // a client is turned away
	seenDeep          = "depth_bound_reached" // execution waits for certificates
	seenSealed        = "epochs_sealed"       // the network goes on in a new epoch
	seenSealedToV10   = "seals_to_v10"        // likewise, and all slots are V10's
	seenUnsealed      = "seals_refused"       // it cannot be sealed, after a lying leader
	seenSealBroken    = "seals_interrupted"   // a coordinator or a validator stopped in the middle of one
	seenUncertified   = "blocks_sealed"       // a block below a seal that a node has no certificate of
	seenSealMissed    = "seals_missed"        // a node whose own history does not lead to a seal takes a peer's state
	seenSealLearned   = "seals_learned"       // a node learns of a seal from a peer
	seenEndLearned    = "ends_learned"        // a node learns from a peer that its epoch ended
	seenEndRefused    = "ends_refused"        // what a peer says of that is not proved
	seenEndBroken     = "ends_interrupted"    // power is lost while an epoch ends by a change
	seenCaughtUp      = "epochs_caught_up"    // a node takes a peer's state of an epoch that began without it
	seenAdded         = "membership_add"      // the changes by their kinds
	seenRekeyed       = "membership_rekey"
	seenLeft          = "membership_leave"
	seenVoid          = "votes_void"        // a header that was signed above a seal
	seenOldEpoch      = "old_epoch_dropped" // a message of the ordering engine of another epoch
	seenNoMember      = "strangers_dropped" // a message of a validator that was left out
)

var seenKinds = []string{
	seenTerm, seenPassedOver, seenExecutedAgain, seenFromState, seenStateFetched, seenStateRefused,
	seenMissing, seenGivenUp, seenSnapshot, seenOrderCut, seenSentAgain, seenStale,
	seenEvidence, seenLaneEvidence, seenReturned, seenFull, seenDeep,
	seenSealed, seenSealedToV10, seenSealBroken, seenUncertified, seenSealMissed, seenSealLearned, seenEndLearned, seenEndRefused, seenEndBroken, seenCaughtUp,
	seenAdded, seenRekeyed, seenLeft, seenVoid, seenOldEpoch, seenNoMember,
}
