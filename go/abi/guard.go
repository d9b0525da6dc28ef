// This file owns how an export ends: a panic becomes an error, an error becomes the caller's s3e_error.

package main

/*
#include "s3engine.h"
*/
import "C"

import (
	"fmt"
	"runtime/debug"
	"unicode/utf8"

	"s3engine/engine"
)

// The header's numbers and the engine's are the same, or this does not compile: an index must be zero.
var (
	_ = [1]struct{}{}[C.S3E_OK-C.int(engine.OK)]
	_ = [1]struct{}{}[C.S3E_INVALID-C.int(engine.Invalid)]
	_ = [1]struct{}{}[C.S3E_NOT_FOUND-C.int(engine.NotFound)]
	_ = [1]struct{}{}[C.S3E_DENIED-C.int(engine.Denied)]
	_ = [1]struct{}{}[C.S3E_PRECONDITION-C.int(engine.Precondition)]
	_ = [1]struct{}{}[C.S3E_THROTTLED-C.int(engine.Throttled)]
	_ = [1]struct{}{}[C.S3E_NETWORK-C.int(engine.Network)]
	_ = [1]struct{}{}[C.S3E_INTEGRITY-C.int(engine.Integrity)]
	_ = [1]struct{}{}[C.S3E_SERVICE-C.int(engine.Service)]
	_ = [1]struct{}{}[C.S3E_CANCELED-C.int(engine.Canceled)]
	_ = [1]struct{}{}[C.S3E_BAD_HANDLE-C.int(engine.BadHandle)]
	_ = [1]struct{}{}[C.S3E_INTERNAL-C.int(engine.Internal)]
	_ = [1]struct{}{}[C.S3E_OPENED-C.int(engine.Opened)]
	_ = [1]struct{}{}[C.S3E_FILLED-C.int(engine.Filled)]
	_ = [1]struct{}{}[C.S3E_RETURNED-C.int(engine.Returned)]
	_ = [1]struct{}{}[C.S3E_DONE-C.int(engine.Done)]
	_ = [1]struct{}{}[C.S3E_DRAINED-C.int(engine.Drained)]
)

// guard runs one export. Nothing below it may cross to the caller but through err.
func guard(err *C.s3e_error, f func() *engine.Error) (kind C.int32_t) {
	defer func() {
		if r := recover(); r != nil {
			kind = report(err, &engine.Error{Kind: engine.Internal, Message: fmt.Sprintf("Client error: Internal error: %v. This is a bug of the engine; please report it\n%s", r, debug.Stack())})
		}
	}()
	return report(err, f())
}

func report(out *C.s3e_error, e *engine.Error) C.int32_t {
	if e == nil {
		return C.S3E_OK
	}
	if out != nil {
		out.kind = C.int32_t(e.Kind)
		out.http_status = C.int32_t(e.HTTPStatus)
		put(out.code[:], e.Code)
		put(out.request_id[:], e.RequestID)
		put(out.message[:], e.Message)
	}
	return C.int32_t(e.Kind)
}

// put writes s into a fixed field, NUL-terminated, cut on a rune where it is too long.
func put(field []C.char, s string) {
	if n := len(field) - 1; len(s) > n {
		for n > 0 && !utf8.RuneStart(s[n]) {
			n--
		}
		s = s[:n]
	}
	for i := 0; i < len(s); i++ {
		field[i] = C.char(s[i])
	}
	field[len(s)] = 0
}

func badHandle(what string) *engine.Error {
	return &engine.Error{Kind: engine.BadHandle, Message: "no live " + what + " has this handle in this process: it was closed, or belongs to the parent of a fork"}
}

func isDown() *engine.Error {
	return &engine.Error{Kind: engine.Canceled, Message: "Client error: Request canceled: the engine has been shut down, the process is ending"}
}
