// SPDX-License-Identifier: Apache-2.0

// Package subscribers holds thousands of WebSockets that follow block heads of the V10 dialect, and writes down when each frame came.
// It runs in a process of its own, so that the figures of the server that it loads are the server's alone.
//
//	w, err := subscribers.Start(cmd, subscribers.Config{Address: "127.0.0.1:9003", Subscribers: 10_000, Stalled: 3})
//	frames, err := w.Watch(10 * time.Second)
//	err = w.Stop()
//
//	err = subscribers.Serve(ctx, os.Stdin, os.Stdout) // in that process
//
// The two speak JSON lines: a Config and its Opened, then a Watching and its Frames each time. The end of input ends the process.
//
// Invariants:
//
//  1. Who follows reads all the time, whether it is measured or not. Who is stalled subscribes and then never reads, with the smallest
//     receive buffer that the kernel gives.
//  2. A frame is stamped when it was read, by the machine's clock, which is the bench's as well.
//  3. A socket that the server closes is counted. The others go on.
//
// Bounds: SubscribersMax sockets, messages of messageBytesMax, framesMax frames of one measurement.
package subscribers
