package fakes3

// ranges.go owns: the text of Range headers, the one place with inclusive ends.
// It refuses to know: what is answered when a range is no good.

import (
	"math"
	"strconv"
	"strings"
)

// byteRange is what a Range header asks for.
type byteRange struct {
	start, end int64 // half-open; end is math.MaxInt64 where the header leaves it open
	suffix     int64 // the last so many bytes, or -1
}

// parseRange reads "bytes=a-b", "bytes=a-" or "bytes=-n". Everything else is no range at all: S3 then sends the whole
// object, also for several ranges. Numbers that do not fit are as good as the largest that does.
func parseRange(header string) (byteRange, bool) {
	unit, spec, ok := strings.Cut(header, "=")
	if !ok || !strings.EqualFold(strings.TrimSpace(unit), "bytes") {
		return byteRange{}, false
	}
	first, last, ok := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok {
		return byteRange{}, false
	}
	start, hasFirst, ok1 := parseOffset(first)
	end, hasLast, ok2 := parseOffset(last)
	switch {
	case !ok1 || !ok2 || !hasFirst && !hasLast || hasFirst && hasLast && end < start:
		return byteRange{}, false
	case !hasFirst:
		return byteRange{suffix: end}, true
	case !hasLast || end == math.MaxInt64:
		return byteRange{start, math.MaxInt64, -1}, true
	}
	return byteRange{start, end + 1, -1}, true
}

// parseOffset reads digits; present is false where there are none.
func parseOffset(s string) (n int64, present, ok bool) {
	if strings.Trim(s, "0123456789") != "" {
		return 0, true, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil && s != "" {
		n = math.MaxInt64
	}
	return n, s != "", true
}

// within is the range [start, end) of an object of that size, clipped; ok is false where there is no byte to send.
func (r byteRange) within(size int64) (start, end int64, ok bool) {
	if r.suffix >= 0 {
		return max(size-r.suffix, 0), size, r.suffix > 0 && size > 0
	}
	return r.start, min(r.end, size), r.start < size
}
