// SPDX-License-Identifier: Apache-2.0

// Package notice tells those who still call V10 that it ends: one notice for each, rendered from what is known of the caller, and posted to whoever
// passes it on. Who an API key or a token belongs to only the bank knows, so a notice names the caller as the guard does, and a webhook of the bank
// finds the address.
//
//	t, err := notice.ParseTemplate(notice.Text)
//	n, err := notice.Render(t, &notice.Facts{Network: "bank", Caller: "key/abcdefghijklmnop", …})
//	err = (&notice.Sender{URL: "https://crm/notices", Secret: secret}).Send(ctx, n)
//
// The body is JSON (Notice). Signed says with which header: the time of sending and an HMAC-SHA-256 of time and body, so that nobody else can send
// notices, nor the same one again another day.
//
// Invariants:
//
//  1. Render is pure: the same facts make the same notice, with the same id. Who passes notices on drops one whose Idempotency-Key it has seen.
//  2. A notice holds no credential and no control character, and is at most TextBytesMax long.
//  3. What may succeed later is tried TriesMax times and is Unavailable then; what was refused is Refused, and is not sent again by itself.
//  4. Redirects are not followed: a notice is signed for one receiver.
package notice
