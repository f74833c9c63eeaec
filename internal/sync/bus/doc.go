// SPDX-License-Identifier: Apache-2.0

// Package bus carries records of package envelope over Kafka, in order, each once.
//
//	err := bus.Init(ctx, cfg, bus.DefaultSettings())            // makes the six topics, or sets what differs
//	p, err := bus.OpenPublisher(ctx, bus.PublisherConfig{Config: cfg, Source: source, Start: start})
//	at := p.Tip()                                               // where the capture goes on
//	err = p.Publish(ctx, bus.Draft{Position: …, Change: …})
//	r, err := bus.OpenReader(ctx, bus.ReaderConfig{Config: cfg, Start: start})
//	records, err := r.Next(ctx, 500)
//
// A direction has three topics of one partition each. The publisher sends to all three at once and keeps at most WindowMax records
// unacknowledged, counted from the oldest, so what a crash leaves unclear is a few thousand records at the topics' ends. A publisher
// that starts reads those ends, finds up to where everything is there (the newest heart-beat, and from it link by link), and goes on
// there; what lies above is not written twice. So no file, group or offset of ours has to be kept: the topics say it.
//
// The reader begins at the position of the applier's ledger, finds it in each topic by halving, and gives the topics' records to
// an envelope.Merger.
//
// Invariants:
//
//  1. A record is acknowledged by all in-sync replicas before a heart-beat names it or a later one. Heart-beats go out every
//     HeartbeatInterval and every HeartbeatRecords records.
//  2. A publisher tries for ever what can be tried again, and shows since when it waits. It fails for good, and sends nothing more,
//     where records might be left out: a topic deleted or made anew, a log that lost its end, a record that is refused.
//  3. The reader hands out the ledger's order without a gap, or stops with a reason. It never passes over a record that it cannot
//     read, and an error is final: open it again at the ledger's position.
//  4. Two publishers of one source at once cost doubles, never order: they derive the same records.
//  5. Memory is bounded: WindowMax records and WindowBytesMax bytes in a publisher, a merger's bounds and FetchBytesMax a topic in
//     a reader. At the bound Publish waits, and the reader stops taking from the topic.
//
// docs/adr/0027-sync-transport.md says why.
package bus
