// SPDX-License-Identifier: Apache-2.0

// Package v10diff compares two servers that speak V10's dialect: `aurigraph v10 diff`. It sends the same requests to both and
// compares what comes back, field by field: the status, the headers that a client acts on, and the body.
//
//	corpus, err := v10diff.ReadCorpus(file)         // or v10diff.DefaultCorpus()
//	rules, err := v10diff.ReadRules(text)           // they go before v10diff.DefaultRules()
//	report, err := v10diff.Run(ctx, v10diff.Config{A: a, B: b, Corpus: corpus, Rules: append(rules, v10diff.DefaultRules()...), Run: "7F3A"})
//
// Two ledgers are never equal to the byte: their clocks, their ids and their speed differ. Rules say which fields may differ and
// how far, each with its reason: not looked at (ignore), of the same type or form (type, form), near (within), in any order (unordered), or
// different but told one to one (ids). What is left is unexplained, and there should be none of it.
//
// A corpus is lines of JSON, a request each. What a server answered can be kept under a name and put into later requests to
// that server: the two have different transaction ids, and each is asked for its own.
//
// Reads compares answers that others asked for, pair by pair, by the same rules.
//
// Invariants:
//
//  1. Numbers are compared as exact decimals: 1 is 1.0, and neither is "1". Nothing passes through a float.
//  2. A write is sent once to each server. A read is sent to A twice; where A differs from itself, that field of that request is
//     noise and proves nothing about B.
//  3. Nothing is left out unseen. A request that could not be compared is counted with its reason; a field that a rule keeps
//     from being compared by its value counts against the share that was.
//  4. An id stands for one thing: under the rule ids, an id of A that was once answered by B's x is answered by x everywhere,
//     and x by no other.
//  5. Memory is bounded: corpusMax requests, answerBytesMax of an answer, groupsMax kinds of differences, idsMax ids.
//
// Requests go one after another, so that both ledgers see one order of writes. Redirects are not followed.
package v10diff
