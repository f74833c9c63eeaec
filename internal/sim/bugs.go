// SPDX-License-Identifier: Apache-2.0

package sim

// A Bug is a mistake that a simulation puts into the hosts of all honest nodes, to see that its checkers catch it. The
// empty one is none.
type Bug string

// The seeded bugs.
const (
	bugPayloadUnsynced      Bug = "payload_unsynced"
	bugOrderUnsynced        Bug = "order_unsynced"
	bugVoteUnsynced         Bug = "vote_unsynced"
	bugVoteBeforePersist    Bug = "vote_before_persist"
	bugBallotUnwritten      Bug = "ballot_unwritten"
	bugAckBeforeDurable     Bug = "ack_before_durable"
	bugUndurableExecuted    Bug = "undurable_executed"
	bugTornTailTaken        Bug = "torn_tail_taken"
	bugTornCheckpointTaken  Bug = "torn_checkpoint_taken"
	bugPrunedBeforeCommit   Bug = "pruned_before_commit"
	bugOrderTrimmed         Bug = "order_trimmed"
	bugVotesTrimmed         Bug = "votes_trimmed"
	bugVoteLogUnread        Bug = "vote_log_unread"
	bugOfferUnacked         Bug = "offer_unacked"
	bugAckCountedTwice      Bug = "ack_counted_twice"
	bugForwardsTrusted      Bug = "forwards_trusted"
	bugReofferForgotten     Bug = "reoffer_forgotten"
	bugMissingUnfetched     Bug = "missing_unfetched"
	bugWaitsForever         Bug = "waits_forever"
	bugPayloadUnchecked     Bug = "payload_unchecked"
	bugClientUnchecked      Bug = "client_unchecked"
	bugParentUnchecked      Bug = "parent_unchecked"
	bugSkipRuleMissing      Bug = "skip_rule_missing"
	bugLocalTime            Bug = "local_time"
	bugReplayReordered      Bug = "replay_reordered"
	bugDedupLost            Bug = "dedup_lost"
	bugHeaderLocal          Bug = "header_signed_twice"
	bugVoteCountedTwice     Bug = "vote_counted_twice"
	bugVoteUnverified       Bug = "vote_unverified"
	bugDepthUnbounded       Bug = "depth_unbounded"
	bugPublishedUncertified Bug = "published_uncertified"
	bugStateUncertified     Bug = "state_uncertified"
	bugStateRootUnchecked   Bug = "state_root_unchecked"
	bugSignersTwice         Bug = "signers_twice"
	bugQuorumOffByOne       Bug = "quorum_off_by_one"
	bugFetchForgotten       Bug = "fetch_forgotten"
	bugHistoryForgotten     Bug = "history_forgotten"
	bugStaleGuessed         Bug = "stale_guessed"
	bugEvidenceDropped      Bug = "evidence_dropped"
	bugVoteAfterRefusal     Bug = "vote_after_refusal"
	bugRefusalForgotten     Bug = "refusal_forgotten"
	bugRefusalUnflushed     Bug = "refusal_unflushed"
	bugSealUnsynced         Bug = "seal_unsynced"
	bugRevealStale          Bug = "reveal_stale"
	bugVotesHidden          Bug = "votes_hidden"
	bugOrderLogKept         Bug = "order_log_kept"
	bugOrderLogDropped      Bug = "order_log_dropped"
	bugSealedUnstored       Bug = "sealed_unstored"
	bugVerdictForgotten     Bug = "verdict_forgotten"
	bugOldMembers           Bug = "old_members"
	bugStrangerCounted      Bug = "stranger_counted"
	bugHandoverShort        Bug = "handover_short"
	bugHandoverHalf         Bug = "handover_half"
	bugHandoverUnkept       Bug = "handover_unkept"
	bugEndOrderedAgain      Bug = "end_ordered_again"
	bugEndUnforced          Bug = "end_unforced"
	bugNewcomerHasty        Bug = "newcomer_hasty"
	bugFirstBase            Bug = "first_base"
	bugLaneCarried          Bug = "lane_carried"
)

// A SeededBug describes one.
type SeededBug struct {
	Name Bug
	What string
	hint uint64 // a seed that caught it, tried first
}

// SeededBugs lists all of them.
func SeededBugs() []SeededBug {
	return []SeededBug{
		{bugPayloadUnsynced, "the payload log says that it is durable before a sync", 1},
		{bugOrderUnsynced, "the ordering log says that it is durable before a sync", 9},
		{bugVoteUnsynced, "the vote log says that it is durable before a sync", 1},
		{bugVoteBeforePersist, "a vote leaves before it is on disk", 1},
		{bugBallotUnwritten, "whom a node helps to lead a term is not written", 1},
		{bugAckBeforeDurable, "a lane entry is acknowledged before it is on disk", 1},
		{bugUndurableExecuted, "a height is executed and signed while a payload is on its way to the disk", 1},
		{bugTornTailTaken, "a torn record at a log's end is read as whole", 4},
		{bugTornCheckpointTaken, "a half-written checkpoint is loaded, its root not compared", 4},
		{bugPrunedBeforeCommit, "logs are cut when a checkpoint is begun, not when it is durable", 1},
		{bugOrderTrimmed, "the ordering log is cut at the published height, not at a checkpoint's", 1},
		{bugVotesTrimmed, "the vote log is cut above the durable state", 2},
		{bugVoteLogUnread, "the vote log is not read at a start", 21},
		{bugOfferUnacked, "an entry is ordered before a quorum holds it", 1},
		{bugAckCountedTwice, "an acknowledgement counts for two validators", 1},
		{bugForwardsTrusted, "the leader orders what a follower names, without knowing that it is held", 10},
		{bugReofferForgotten, "what was offered to ordering before a restart is not offered again", 22},
		{bugMissingUnfetched, "a decided payload that is not here is not asked for", 48},
		{bugWaitsForever, "a payload that all peers let go of is awaited, no state is fetched", 2},
		{bugPayloadUnchecked, "a payload's hash is not compared with its entry", 13},
		{bugClientUnchecked, "a client's signature is not verified", 7},
		{bugParentUnchecked, "an entry is stored and acknowledged whatever its parent is", 1},
		{bugSkipRuleMissing, "an entry that does not follow in its lane is executed", 9},
		{bugLocalTime, "a height is executed at the node's own time, so that roots are due by its clock", 1},
		{bugReplayReordered, "a restart executes the entries of a height in another order", 1},
		{bugDedupLost, "the sequences that were used are lost in a restart", 1},
		{bugHeaderLocal, "a restarted node signs another header for a height", 1},
		{bugVoteCountedTwice, "a vote counts for two validators", 1},
		{bugVoteUnverified, "a vote's signature is not verified", 79},
		{bugDepthUnbounded, "execution does not wait for certificates", 1},
		{bugPublishedUncertified, "a height is published without its certificate", 1},
		{bugStateUncertified, "a peer's state is taken without its certificate", 30},
		{bugStateRootUnchecked, "the root of a peer's state is not computed", 46},
		{bugSignersTwice, "a certificate may have a signer twice", 21},
		{bugQuorumOffByOne, "a certificate of one signature too few is taken", 21},
		{bugFetchForgotten, "that a state came from a peer is forgotten in a restart", 14},
		{bugHistoryForgotten, "a node that took a peer's state does not learn which entries were executed before it", 2},
		{bugStaleGuessed, "a client is told that a batch is stale which was executed before the fetched state", 63},
		{bugEvidenceDropped, "evidence is not kept", 4},
		{bugVoteAfterRefusal, "a validator that refused to sign headers of its epoch signs on", 15},
		{bugRefusalForgotten, "a restarted node does not ask its sealer whether it refused", 81},
		{bugRefusalUnflushed, "a node that refuses does not flush what it published", 4121},
		{bugSealUnsynced, "the sealer's record says that it is durable before a sync", 131},
		{bugRevealStale, "a validator reveals the certificate of its checkpoint, not its newest one", 15},
		{bugVotesHidden, "a validator does not reveal what it signed above its newest certificate", 15},
		{bugOrderLogKept, "the ordering log of the epoch that ended is read in the next one", 16},
		{bugOrderLogDropped, "the ordering log goes when its epoch ends, not when the state behind it is durable", 15},
		{bugSealedUnstored, "blocks that a seal made final without a certificate are not stored", 71},
		{bugVerdictForgotten, "a seal that gives V10 all slots leaves them where they are", 28},
		{bugOldMembers, "the members of the epoch before count in the next one", 3},
		{bugStrangerCounted, "what a validator that left says counts, its vote too", 5},
		{bugHandoverShort, "a handover of one signature too few is taken", 61},
		{bugHandoverHalf, "a handover that is proved is kept and not acted on, because the next one of the same peer is not", 1142},
		{bugHandoverUnkept, "that the epoch ended is not written with its last block", 2},
		{bugEndOrderedAgain, "a node whose store has the last block of an epoch waits for the old ordering to decide it again", 61},
		{bugEndUnforced, "the state at the end of an epoch is not made a checkpoint before the next one begins", 2},
		{bugNewcomerHasty, "a validator signs in its first epoch before the state that it began with is durable", 2},
		{bugFirstBase, "a node that was away for two changes begins the newest epoch where the first of them ended one", 2},
		{bugLaneCarried, "a validator with new keys goes on with its old lane", 56},
	}
}

// Caught is what became of a seeded bug.
type Caught struct {
	SeededBug
	Seed   uint64   // that caught it, and that is green without it; 0: missed
	By     *Failure // what caught it
	Reason string   // why it counts as missed
}

// bugSeedsMax bounds the seeds that are tried for a bug.
const bugSeedsMax = 300

// Catch looks for a seed that catches a bug and is green without it.
func (r *Runner) Catch(b SeededBug) Caught { return r.catch(b, bugSeedsMax) }

func (r *Runner) catch(b SeededBug, seeds uint64) Caught {
	c := Caught{SeededBug: b, Reason: "no seed caught it"}
	for i := range seeds {
		seed := i // the hint first, then 1, 2, 3, …
		if i == 0 {
			seed = b.hint
		}
		bad := r.Run(Options{Seed: seed, Bug: b.Name})
		if bad.Failure == nil {
			continue
		}
		if good := r.Run(Options{Seed: seed}); good.Failure != nil {
			c.Reason = "its seed fails without it as well: " + good.Failure.Text
			return c
		}
		c.Seed, c.By, c.Reason = seed, bad.Failure, ""
		return c
	}
	return c
}
