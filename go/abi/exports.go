// This file owns the exports, in the header's order, each one guard and a few lines. It refuses to decide anything. Memory of
// the caller becomes a Go slice or string here and nowhere else.

package main

/*
#include "s3engine.h"
*/
import "C"

import (
	"encoding/json"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"s3engine/engine"
	"s3engine/fakes3"
)

type client struct {
	*engine.Client
	memory  *store
	name    string // of the store
	closed  atomic.Bool
	retired atomic.Bool
}

type operation struct {
	engine.Op
	closed atomic.Bool
}

var down atomic.Bool // s3e_shutdown was called

//export s3e_abi_version
func s3e_abi_version() C.uint32_t { return C.S3E_ABI_VERSION }

//export s3e_client_open
func s3e_client_open(config *C.s3e_utf8, length C.uint64_t, out *C.s3e_handle, err *C.s3e_error) C.int32_t {
	return guard(err, func() *engine.Error {
		sweep()
		if down.Load() {
			return isDown()
		}
		c, e := decodeConfig(input(config, length))
		if e != nil {
			return e
		}
		engine.SetLog(c.Log)
		opened := &client{}
		if c.Wire == "memory" {
			if c.Memory == nil {
				return &engine.Error{Kind: engine.Invalid, Message: "configuration: wire is \"memory\" without a memory to use"}
			}
			opened.name, opened.memory = c.Memory.Store, openStore(c.Memory)
			c.Transport, c.MockRules = fakes3.RoundTripper(opened.memory.Server), c.Memory.Rules == "mock"
			c.Unsigned, c.ForcePathStyle = true, true
		}
		if opened.Client, e = engine.Open(c.Config); e != nil {
			if opened.memory != nil {
				closeStore(opened.name)
			}
			return e
		}
		*out = C.s3e_handle(handles.add(kindClient, opened))
		return nil
	})
}

//export s3e_start
func s3e_start(h C.s3e_handle, request *C.s3e_utf8, length C.uint64_t, out *C.s3e_handle, err *C.s3e_error) C.int32_t {
	return guard(err, func() *engine.Error {
		if down.Load() { // rather than that the client is closed, which its user did not do
			return isDown()
		}
		c := entry[client](uint64(h))
		if c == nil || c.closed.Load() {
			return badHandle("client")
		}
		r, e := decodeRequest(input(request, length))
		if e != nil {
			return e
		}
		o := &operation{}
		switch r := r.(type) {
		case *dumpRequest, *serveRequest:
			if c.memory == nil {
				return &engine.Error{Kind: engine.Invalid, Message: "request: dump and serve are for clients whose wire is \"memory\""}
			}
			if s, ok := r.(*serveRequest); ok {
				o.Op, e = c.Run("serve", c.memory.serve(s.Listen))
			} else {
				o.Op, e = c.Run("dump", c.memory.dump)
			}
		default:
			o.Op, e = c.Start(r)
		}
		if e != nil {
			return e
		}
		*out = C.s3e_handle(handles.add(kindOp, o))
		return nil
	})
}

//export s3e_lend
func s3e_lend(h C.s3e_handle, token C.uint64_t, data *C.uint8_t, length C.uint64_t, err *C.s3e_error) C.int32_t {
	return guard(err, func() *engine.Error {
		o := entry[operation](uint64(h))
		if o == nil || o.closed.Load() {
			return badHandle("op")
		}
		if data == nil || length == 0 || length > 1<<62 {
			return &engine.Error{Kind: engine.Invalid, Message: "a loan needs memory and at least one byte"}
		}
		// SAFETY: L1 and L2: the caller keeps these bytes in place and to itself until the token is reported.
		return o.Lend(uint64(token), unsafe.Slice((*byte)(unsafe.Pointer(data)), uint64(length)))
	})
}

//export s3e_finish
func s3e_finish(h C.s3e_handle, err *C.s3e_error) C.int32_t {
	return guard(err, func() *engine.Error {
		o := entry[operation](uint64(h))
		if o == nil || o.closed.Load() {
			return badHandle("op")
		}
		return o.Finish()
	})
}

//export s3e_wait
func s3e_wait(h C.s3e_handle, ack C.uint64_t, timeout C.uint32_t, ev *C.s3e_event, err *C.s3e_error) C.int32_t {
	return guard(err, func() *engine.Error {
		*ev = C.s3e_event{}
		limit := time.Duration(timeout) * time.Millisecond
		if c := entry[client](uint64(h)); c != nil {
			return waitClient(uint64(h), c, limit, ev)
		}
		o := entry[operation](uint64(h))
		if o == nil {
			return badHandle("op")
		}
		e, failed := o.Wait(uint64(ack), limit)
		if failed != nil {
			return failed
		}
		if e.Kind == engine.Drained {
			handles.remove(uint64(h))
		}
		ev.kind, ev.seq, ev.token = C.uint32_t(e.Kind), C.uint64_t(e.Seq), C.uint64_t(e.Token)
		ev.offset, ev.length = C.uint64_t(e.Offset), C.uint64_t(e.Length)
		return nil
	})
}

func waitClient(h uint64, c *client, limit time.Duration, ev *C.s3e_event) *engine.Error {
	if !c.closed.Load() {
		return &engine.Error{Kind: engine.Invalid, Message: "a client has no events before it is closed"}
	}
	if c.drainedWithin(limit) {
		retire(h, c)
		ev.kind = C.S3E_DRAINED
	}
	return nil
}

//export s3e_reply
func s3e_reply(h C.s3e_handle, out *C.uint8_t, room C.uint64_t, err *C.s3e_error) C.int32_t {
	return guard(err, func() *engine.Error {
		o := entry[operation](uint64(h))
		if o == nil || o.closed.Load() {
			return badHandle("op")
		}
		reply := o.Reply()
		if uint64(room) < uint64(len(reply)) {
			return &engine.Error{Kind: engine.Invalid, Message: "the buffer is smaller than the reply"}
		}
		copy(output(out, room), reply)
		return nil
	})
}

//export s3e_close
func s3e_close(h C.s3e_handle, err *C.s3e_error) C.int32_t {
	return guard(err, func() *engine.Error {
		switch e := handles.get(uint64(h)).(type) {
		case *client:
			e.closed.Store(true)
			e.Close()
			sweep()
		case *operation:
			e.closed.Store(true)
			e.Close()
		default:
			return badHandle("client or op")
		}
		return nil
	})
}

//export s3e_stats
func s3e_stats(out *C.uint8_t, room C.uint64_t, length *C.uint64_t, err *C.s3e_error) C.int32_t {
	return guard(err, func() *engine.Error {
		sweep()
		clients, ops := 0, 0
		for _, e := range handles.all() {
			if _, ok := e.(*client); ok {
				clients++
			} else {
				ops++
			}
		}
		text, e := json.Marshal(map[string]any{
			"clients": clients, "ops": ops, "lent_bytes": engine.LentBytes(), "goroutines": runtime.NumGoroutine(),
			"version": version, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH,
		})
		if e != nil {
			return &engine.Error{Kind: engine.Internal, Message: e.Error()}
		}
		*length = C.uint64_t(len(text))
		if uint64(room) >= uint64(len(text)) {
			copy(output(out, room), text)
		}
		return nil
	})
}

//export s3e_shutdown
func s3e_shutdown(timeout C.uint32_t, left *C.uint32_t, err *C.s3e_error) C.int32_t {
	return guard(err, func() *engine.Error {
		down.Store(true)
		deadline := time.Now().Add(time.Duration(timeout) * time.Millisecond)
		entries := handles.all()
		for _, e := range entries {
			if c, ok := e.(*client); ok {
				c.closed.Store(true)
				c.Close() // and with it all its ops
			}
		}
		*left = 0
		for h, e := range entries {
			c, ok := e.(*client)
			if !ok {
				continue
			}
			if c.drainedWithin(time.Until(deadline)) {
				retire(h, c)
			} else {
				*left++
			}
		}
		return nil
	})
}

func (c *client) drainedWithin(limit time.Duration) bool {
	select {
	case <-c.Drained():
		return true
	default:
	}
	if limit <= 0 {
		return false
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-c.Drained():
		return true
	case <-timer.C:
		return false
	}
}

// sweep retires closed clients that have drained: nobody is obliged to wait on a client.
func sweep() {
	for h, e := range handles.all() {
		if c, ok := e.(*client); ok && c.closed.Load() && c.drainedWithin(0) {
			retire(h, c)
		}
	}
}

// retire kills a drained client's handle, once.
func retire(h uint64, c *client) {
	handles.remove(h)
	if c.memory != nil && c.retired.CompareAndSwap(false, true) {
		closeStore(c.name)
	}
}

// input is the caller's text, copied: decoding outlives no call, but strings cut from it do.
func input(text *C.s3e_utf8, length C.uint64_t) []byte {
	if text == nil || length > 1<<30 {
		return nil
	}
	// SAFETY: the caller's text is valid for the call, which is all that C.GoBytes needs.
	return C.GoBytes(unsafe.Pointer(text), C.int(length))
}

func output(out *C.uint8_t, room C.uint64_t) []byte {
	// SAFETY: the caller's buffer is valid for the call, and room says how long it is.
	return unsafe.Slice((*byte)(unsafe.Pointer(out)), uint64(room))
}
