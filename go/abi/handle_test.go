package main

import (
	"sync"
	"testing"
)

// A handle is its kind, the nonce of this load and a counter; zero is none, and none comes twice.
func TestHandles(t *testing.T) {
	table := newTable()
	seen := map[uint64]bool{0: true}
	for i := range 1000 {
		kind := uint64(kindClient)
		if i%2 == 0 {
			kind = kindOp
		}
		h := table.add(kind, i)
		if seen[h] || h>>56 != kind || h>>32&0xFFFFFF != table.nonce || table.get(h) != i {
			t.Fatalf("%x for %d", h, i)
		}
		seen[h] = true
		if i%3 == 0 {
			if table.remove(h); table.get(h) != nil {
				t.Fatal("removed and there")
			}
		}
	}
	if len(table.all()) != 1000-334 {
		t.Errorf("%d are live", len(table.all()))
	}
	if table.get(0) != nil || table.get(^uint64(0)) != nil {
		t.Error("somebody is at home where nobody lives")
	}
}

// A handle of another load names nobody here, nor does one of the other kind.
func TestHandlesOfOthers(t *testing.T) {
	parent, child := newTable(), newTable()
	for parent.nonce == child.nonce { // one in sixteen million
		child = newTable()
	}
	o := &operation{}
	if h := parent.add(kindOp, o); child.add(kindOp, o) == h || child.get(h) != nil {
		t.Error("a handle of the parent is live in the child")
	}
	h := handles.add(kindOp, o)
	defer handles.remove(h)
	if entry[client](h) != nil || entry[operation](h) != o {
		t.Error("an op passes for a client")
	}
	if entry[operation](h&^(0xFF<<56)|kindClient<<56) != nil {
		t.Error("the kind does not count")
	}
}

// A counter that wraps passes over handles that are still live.
func TestHandlesAfterAWrap(t *testing.T) {
	table := newTable()
	first := table.add(kindOp, "first")
	table.counter = ^uint32(0)
	for range 3 {
		if h := table.add(kindOp, "later"); h == first || h&0xFFFFFFFF == 0 && h == 0 {
			t.Fatalf("%x again", h)
		}
	}
	if table.get(first) != "first" {
		t.Error("the first one was replaced")
	}
}

// Handles come and go from many threads at once.
func TestHandlesAtOnce(t *testing.T) {
	table := newTable()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for i := range 500 {
				h := table.add(kindOp, i)
				if table.get(h) != i {
					t.Error("not there")
				}
				_ = table.all()
				table.remove(h)
			}
		})
	}
	all.Wait()
	if len(table.all()) != 0 {
		t.Errorf("%d are left", len(table.all()))
	}
}
