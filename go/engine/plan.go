// This file owns part arithmetic: how a loan splits into requests and how ranges are written and read.
// It refuses to know requests, buffers and time. Ranges are half-open everywhere; HTTP's inclusive form exists here alone.

package engine

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	maxParts = 10_000  // S3: parts of one upload
	maxPart  = 5 << 30 // S3: bytes of one part

	// S3's CopyObject takes 5 GiB; upstream goes multipart from 1 GiB with parts of at least 64 MiB (contract §4).
	copyWhole = 1 << 30
	copyPart  = 64 << 20
)

// span is the half-open byte range [start, end) of an object.
type span struct{ start, end int64 }

func (s span) len() int64 { return s.end - s.start }

// split cuts s into consecutive spans of at most part bytes. part is positive.
func (s span) split(part int64) []span {
	if s.len() <= 0 {
		return nil
	}
	spans := make([]span, 0, 1+(s.len()-1)/part)
	for at := s.start; at < s.end; {
		end := min(at+part, s.end)
		if end < at { // at+part passed the largest int64
			end = s.end
		}
		spans = append(spans, span{at, end})
		at = end
	}
	return spans
}

// header is the Range header's text. s is not empty.
func (s span) header() string {
	return "bytes=" + strconv.FormatInt(s.start, 10) + "-" + strconv.FormatInt(s.end-1, 10)
}

// parseContentRange reads "bytes 0-9/100". Both the range and the total must be there: without them no byte can be trusted.
func parseContentRange(text string) (got span, total int64, err error) {
	bad := fmt.Errorf("content-range %q is not of the form \"bytes first-last/total\"", text)
	rest, ok := strings.CutPrefix(text, "bytes ")
	if !ok {
		return span{}, 0, bad
	}
	rangeText, totalText, ok := strings.Cut(rest, "/")
	if !ok {
		return span{}, 0, bad
	}
	first, last, ok := strings.Cut(rangeText, "-")
	if !ok {
		return span{}, 0, bad
	}
	a, errA := strconv.ParseUint(first, 10, 63)
	b, errB := strconv.ParseUint(last, 10, 62)
	n, errN := strconv.ParseUint(totalText, 10, 63)
	if errA != nil || errB != nil || errN != nil || b < a || n <= b {
		return span{}, 0, bad
	}
	return span{int64(a), int64(b) + 1}, int64(n), nil
}

// copySpans splits a source of size bytes for UploadPartCopy.
func copySpans(size int64) []span {
	return span{0, size}.split(max(copyPart, (size+maxParts-1)/maxParts))
}
