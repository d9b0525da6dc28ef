/*
 * s3engine.h - the whole boundary between Python and the Go engine. Owns: types, functions, events, who holds a buffer.
 * Refuses to know: S3, HTTP, Python.
 *
 * Three readers: people, cgo (`#include`, so a changed prototype fails the build) and cffi (build.py drops the `#` lines that
 * are no `#define S3E_X <int>` and hands the rest to cdef). Write it in the subset that all three accept.
 *
 * THE MODEL. A transfer is a loan. The caller lends memory to an op; the engine fills it (get) or empties it (put) and reports
 * the loan's token in an event; from then on the memory is the caller's again. Everything else is bookkeeping:
 *
 *     get:   start  wait->OPENED   lend lend ...   wait->FILLED ...     close  wait->DRAINED
 *     put:   start  wait->OPENED   lend lend ...   wait->RETURNED ...   finish  wait->DONE  reply   close  wait->DRAINED
 *     other: start                                                      wait->DONE  reply   close  wait->DRAINED
 *
 * RULES.
 *  L1  Pin the memory, then lend it; unpin only after the event that names its token, or DRAINED.
 *  L2  From s3e_lend returning S3E_OK until then the memory is the engine's: do not read, resize or free it.
 *  L3  s3e_close cancels and returns at once. The handle then stays waitable, and nothing else, until DRAINED: the last
 *      goroutine has let go of the last buffer (and, for an unfinished put, the multipart upload has been aborted).
 *  L4  Nothing the engine allocates is freed by the caller, or the reverse.
 *  W1  s3e_wait and s3e_shutdown are the only functions that block, and never longer than their timeout_ms.
 *  W2  s3e_wait is level-triggered: it reports the oldest event not yet acknowledged, again and again, until a call passes that
 *      event's seq (or a later one) as `ack`. An interrupt between return and assignment loses nothing.
 *  W3  No callbacks, no threads the caller could see, no signal handlers.
 *
 * RETURN VALUES. Every function returns S3E_OK or an error kind, with the details in the caller's s3e_error (never NULL).
 * All functions may be called from any thread at any time, except that one op is waited on by one thread at a time.
 * Never call into a copy of the library that was loaded before fork(): load a fresh copy (docs/design/0002-fork.md).
 */
#ifndef S3ENGINE_H
#define S3ENGINE_H

#include <stdint.h>

#define S3E_ABI_VERSION 1

/* What went wrong, by what a caller would do about it. The Go side keeps the same numbers (checked at compile time). */
#define S3E_OK 0
#define S3E_INVALID 1      /* the caller's mistake: bad request, bad configuration */
#define S3E_NOT_FOUND 2    /* no such bucket, key or upload */
#define S3E_DENIED 3       /* credentials missing, wrong, expired or not allowed */
#define S3E_PRECONDITION 4 /* the object changed under us */
#define S3E_THROTTLED 5    /* the service asked us to slow down, and the attempts are used up */
#define S3E_NETWORK 6      /* no connection, a lost one, or one that stalled, and the attempts are used up */
#define S3E_INTEGRITY 7    /* length, range or checksum is not what was asked for */
#define S3E_SERVICE 8      /* any other answer of the service */
#define S3E_CANCELED 9     /* closed or shut down while under way */
#define S3E_BAD_HANDLE 10  /* no live handle of that kind in this copy of the library */
#define S3E_INTERNAL 11    /* our bug; the message carries the place */

/* Event kinds. */
#define S3E_NONE 0     /* nothing yet: timeout_ms passed */
#define S3E_OPENED 1   /* get: offset = first byte, length = bytes that will come; put: the upload exists; serve: listening */
#define S3E_FILLED 2   /* get: the loan `token` holds bytes [offset, offset+length); in the order lent */
#define S3E_RETURNED 3 /* put: the loan `token` is stored; in the order stored */
#define S3E_DONE 4     /* the op has ended well; its reply is `length` bytes of JSON */
#define S3E_DRAINED 5  /* after s3e_close: nothing is held any more, and the handle is dead */

typedef uint64_t s3e_handle;  /* 8 bits kind, 24 bits nonce of this load, 32 bits counter; 0 is never valid, none is reused */
typedef const char s3e_utf8;  /* with a length beside it; not NUL-terminated, may contain NUL */

typedef struct s3e_error {
    int32_t kind;
    int32_t http_status;      /* 0: no answer came */
    char code[64];            /* S3 error code, "" where there is none */
    char request_id[128];
    char message[1024];       /* what to show; UTF-8, NUL-terminated, cut on a rune */
} s3e_error;

typedef struct s3e_event {
    uint32_t kind;
    uint32_t reserved;
    uint64_t seq;             /* the event's number in its op, from 1; pass it as `ack` */
    uint64_t token;           /* the caller's name for the buffer */
    uint64_t offset;
    uint64_t length;
} s3e_event;

/* S3E_ABI_VERSION of the library; compare it with the header's before anything else. */
uint32_t s3e_abi_version(void);

/* Open a client from a JSON configuration (docs/design/0004-json.md). No network. S3E_INVALID names the field that is wrong. */
int32_t s3e_client_open(s3e_utf8 *config, uint64_t len, s3e_handle *client, s3e_error *err);

/* Begin an op from a JSON request (docs/design/0004-json.md). Returns at once; what happens next comes through s3e_wait. */
int32_t s3e_start(s3e_handle client, s3e_utf8 *request, uint64_t len, s3e_handle *op, s3e_error *err);

/*
 * Lend `len` >= 1 bytes at `data` to a get that is OPENED, or to a put. A get fills loans with consecutive bytes, in the order
 * lent; together they must not pass the length of OPENED. Each loan of a put is one part (10,000 at most). `token` is the
 * caller's name for the loan, unused among this op's outstanding loans. On an error nothing was lent.
 */
int32_t s3e_lend(s3e_handle op, uint64_t token, uint8_t *data, uint64_t len, s3e_error *err);

/* No more parts: complete the put once all loans are stored. DONE follows, or the op's error. */
int32_t s3e_finish(s3e_handle op, s3e_error *err);

/*
 * Acknowledge events up to `ack` (0: none), then report the oldest unacknowledged one, waiting for it up to timeout_ms.
 * Returns the op's error once all events before it are acknowledged, and again at every later call.
 * After s3e_close it reports DRAINED, once; S3E_BAD_HANDLE of a handle that was closed means that it has been reported.
 */
int32_t s3e_wait(s3e_handle op, uint64_t ack, uint32_t timeout_ms, s3e_event *ev, s3e_error *err);

/* Copy the reply of a DONE op (or of an OPENED one that has one) to `out`; `cap` >= the event's length. */
int32_t s3e_reply(s3e_handle op, uint8_t *out, uint64_t cap, s3e_error *err);

/* Cancel an op, or a client with all its ops. Never blocks; see L3. Closing twice is fine. */
int32_t s3e_close(s3e_handle h, s3e_error *err);

/* JSON: live clients, ops and lent bytes, versions. `len` is set to the size needed; nothing is written if cap is less. */
int32_t s3e_stats(uint8_t *out, uint64_t cap, uint64_t *len, s3e_error *err);

/* Close everything and wait up to timeout_ms for it to drain; `left` is set to the handles that still have not. */
int32_t s3e_shutdown(uint32_t timeout_ms, uint32_t *left, s3e_error *err);

#endif
