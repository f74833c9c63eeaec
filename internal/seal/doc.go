// SPDX-License-Identifier: Apache-2.0

// Package seal ends the membership epoch of a network that can no longer certify, by a statement that a quorum of its
// validators signs: this height stands, nothing above it does, and these validators go on in the next epoch. Its verdict may say
// that all slots are V10's from then on.
//
// A person begins it, with one coordinator (Coordinator) that asks each validator's Sealer:
//
//	Where    which epoch and validator is this
//	Reveal   refuse to sign headers of this epoch from now on, durably; then say what was certified and signed
//	Prepare  bring the own state to the height that the reveals choose, and claim its root under the next membership and
//	         the verdict
//	Sign     sign the handover that the claims agree on, once an epoch, durably
//	Finish   take the handover with a quorum's signatures, and go on in the next epoch
//
// The rules are pure: Epoch.CheckReveal, Epoch.Choose, Epoch.Check, Epoch.Agree. Every validator applies them to what the
// coordinator shows it and believes nothing else, so that a lying coordinator ends no epoch wrongly.
//
// What is chosen (Epoch.Choose): a payment was acknowledged when somebody held its height's certificate. That one may not be
// here; so every header counts as perhaps certified that its visible signers, those who are not heard, and the faulty among
// the heard could have certified together. The choice stands on the newest certificate and on every such header above it.
// Two of them at one height cannot both stand: a Conflict, for a person.
//
// Invariants, with at most f of n members faulty, those among them that the next membership leaves out:
//
//  1. A header that ever had a certificate, or ever gets one, is in the history that a choice over any quorum's reveals
//     stands on. A quorum refused before it revealed: so nothing that it does not know of gets a certificate later.
//  2. A validator signs one handover an epoch, and so one verdict. It is on disk before it leaves; asked again, it answers the same. So two
//     handovers never have a quorum each, however many coordinators there are and wherever they stop.
//  3. A validator signs only what f+1 members claim to have computed: one of them is honest, has the chosen header in its
//     state and all that the choice stands on below it, and the home version that the verdict makes is its state's. It never
//     signs below its own certificate.
//  4. Every request can be repeated: what it left behind is in the record, or is made again.
//  5. Whoever is left out counts as faulty: at most f may be, nothing that they say is believed, and as many fewer of the
//     others may lie.
//
// Bounds: VotesMax votes in a reveal (a reveal with more fails, none is left out), RequestBytesMax and AnswerBytesMax of a
// message, one Prepare at a time in a Sealer (TryLater). A Coordinator ends with its context.
package seal
