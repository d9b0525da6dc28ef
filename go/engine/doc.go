// Package engine moves objects between S3 and memory that somebody else owns. It is pure Go: no cgo, so all of it runs under the
// race detector and the fuzzer, and no os/signal: the host process owns its signals.
//
// # Vocabulary
//
// A client is one configuration with its connections. An op is one request under way on it: a transfer (get, put) or a simple one
// (head, list, delete, copy). A loan is memory lent to a transfer under a token; a part is what one HTTP request carries. A turn
// is the right to have a part request on the wire.
//
// # Get, and put read backwards
//
//	Get: start ─ open: first ranged GET ─► Opened(size)         get.go, fetch.go
//	     Lend ─ ledger entry ─ pieces ─ a turn ─ fetch ─ body into the loan   plan.go, ledger.go, budget.go, fetch.go
//	     Wait ◄─ Filled, in the order lent                      op.go
//
//	Put: start ─ create the upload ─► Opened                    put.go
//	     Lend ─ one part ─ a turn ─ send from the loan          budget.go, send.go
//	     Wait ◄─ Returned; Finish ─ complete ─► Done            put.go, op.go
//
// Backpressure is the loan itself: a part is asked for when, and only when, memory for it has been lent. There is no second
// mechanism. The one exception is a get's first request, whose body waits in its socket until somebody lends.
//
// # Who owns each goroutine
//
// Every goroutine is begun by op.runLocked and counted by its op; an op drains when it is closed and its count is zero; a client
// drains when it is closed and its last op has. Nothing else is started, timers aside: a watch's timer only cancels a context.
// So "drained" means that no byte of any loan is touched any more, which is what lets Python free it.
//
// # Locks
//
// op.mu guards an op, Client.mu the set of ops; op.mu comes first. No lock is held while the network is waited for.
package engine
