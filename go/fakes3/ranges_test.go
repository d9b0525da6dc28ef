package fakes3

// ranges_test.go owns: the proof that Range headers are read right.
// It refuses to know: what answers them.

import (
	"fmt"
	"math"
	"testing"
)

// A Range header means what RFC 9110 says, and what is no single range means nothing.
func TestParseRange(t *testing.T) {
	const open = math.MaxInt64
	for header, want := range map[string]struct {
		r  byteRange
		ok bool
	}{
		"bytes=0-0":                    {byteRange{0, 1, -1}, true},
		"bytes=5-9":                    {byteRange{5, 10, -1}, true},
		"Bytes = 5-9":                  {byteRange{5, 10, -1}, true},
		"bytes=5-":                     {byteRange{5, open, -1}, true},
		"bytes=-5":                     {byteRange{0, 0, 5}, true},
		"bytes=-0":                     {byteRange{0, 0, 0}, true},
		"bytes=0-99999999999999999999": {byteRange{0, open, -1}, true},
		"bytes=99999999999999999999-":  {byteRange{open, open, -1}, true},
		"bytes=9223372036854775807-":   {byteRange{open, open, -1}, true},
		"bytes=0-9223372036854775807":  {byteRange{0, open, -1}, true},
		"bytes=99999999999999999998-99999999999999999999": {byteRange{open, open, -1}, true},
		"": {}, "bytes": {}, "bytes=": {}, "bytes=-": {}, "bytes=5": {}, "bytes=9-5": {}, "bytes=1-2,4-5": {}, "bytes=a-b": {},
		"bytes=+1-2": {}, "bytes=1- 2": {}, "bytes=--5": {}, "bits=0-1": {}, "0-1": {}, "bytes=0x1-": {},
	} {
		got, ok := parseRange(header)
		equal(t, want.ok, ok, header)
		equal(t, want.r, got, header)
	}
}

// Whatever the header, what is served is within the object and not empty; and what is well-formed is what is served.
func FuzzRange(f *testing.F) {
	f.Add("bytes=0-0", int64(0), int64(0), int64(1))
	f.Add("bytes=-9223372036854775807", int64(5), int64(9), int64(7))
	f.Add("bytes=9223372036854775807-", int64(5), int64(9), int64(math.MaxInt64))
	f.Fuzz(func(t *testing.T, header string, a, b, size int64) {
		if size < 0 {
			size = 0
		}
		if r, ok := parseRange(header); ok {
			if start, end, ok := r.within(size); ok && (start < 0 || start >= end || end > size) {
				t.Fatalf("%q of %d: [%d, %d)", header, size, start, end)
			}
		}
		if a < 0 || b < a || b >= size {
			return
		}
		r, ok := parseRange(fmt.Sprintf("bytes=%d-%d", a, b))
		start, end, some := r.within(size)
		if !ok || !some || start != a || end != b+1 {
			t.Fatalf("bytes=%d-%d of %d: [%d, %d)", a, b, size, start, end)
		}
	})
}
