// This file owns handles: the numbers that cross instead of pointers. It refuses to know what they stand for.

package main

import (
	"crypto/rand"
	"encoding/binary"
	"sync"
)

// A handle is 8 bits kind, 24 bits nonce drawn when the library is loaded, 32 bits counter. The nonce is why a handle inherited
// across fork is refused by the child's fresh copy instead of naming some other op of it; the kind is why a client passed for an
// op is.
const (
	kindClient = 0xC1
	kindOp     = 0x0B
)

type table struct {
	mu      sync.Mutex
	nonce   uint64
	counter uint32
	entries map[uint64]any
}

var handles = newTable()

func newTable() *table {
	var b [4]byte
	if _, err := rand.Read(b[:]); err != nil {
		panic(err) // crypto/rand never fails on the platforms we build for
	}
	return &table{nonce: uint64(binary.LittleEndian.Uint32(b[:])) & 0xFFFFFF, entries: make(map[uint64]any)}
}

func (t *table) add(kind uint64, entry any) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		t.counter++ // wraps after four billion; an entry that lives that long keeps its number
		h := kind<<56 | t.nonce<<32 | uint64(t.counter)
		if _, taken := t.entries[h]; !taken {
			t.entries[h] = entry
			return h
		}
	}
}

func (t *table) get(h uint64) any {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.entries[h]
}

func (t *table) remove(h uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.entries, h)
}

// all is a snapshot, so that callers may add and remove while they walk it.
func (t *table) all() map[uint64]any {
	t.mu.Lock()
	defer t.mu.Unlock()
	snapshot := make(map[uint64]any, len(t.entries))
	for h, entry := range t.entries {
		snapshot[h] = entry
	}
	return snapshot
}

// entry finds the live T of a handle, nil if there is none.
func entry[T any](h uint64) *T {
	e, _ := handles.get(h).(*T)
	return e
}
