package engine

import (
	"math"
	"strings"
	"testing"
)

// FuzzPlan: whatever the range and the part size, its parts cover it exactly once, in order, none empty and none too long, and
// each part's header and the answer's Content-Range mean the same bytes.
func FuzzPlan(f *testing.F) {
	f.Add(int64(0), int64(10), int64(3))
	f.Add(int64(5), int64(5), int64(8<<20))
	f.Add(int64(math.MaxInt64-10), int64(math.MaxInt64), int64(math.MaxInt64))
	f.Add(int64(0), int64(math.MaxInt64), int64(math.MaxInt64/3))
	f.Fuzz(func(t *testing.T, start, end, part int64) {
		if start < 0 || end < start || part < 1 || (end-start)/part > 20_000 {
			t.Skip()
		}
		at := start
		for _, s := range (span{start, end}).split(part) {
			if s.start != at || s.len() < 1 || s.len() > part {
				t.Fatalf("part %v at %d of [%d, %d) by %d", s, at, start, end, part)
			}
			at = s.end
			if s.end < 1<<62 {
				back, total, err := parseContentRange(strings.Replace(s.header(), "=", " ", 1) + "/9223372036854775807")
				if err != nil || back != s || total != math.MaxInt64 {
					t.Fatalf("%v was written %q and read back as %v of %d, %v", s, s.header(), back, total, err)
				}
			}
		}
		if at != end {
			t.Fatalf("the parts of [%d, %d) by %d end at %d", start, end, part, at)
		}
	})
}

// FuzzContentRange: no text makes the parser panic or come back with a range that cannot be.
func FuzzContentRange(f *testing.F) {
	for _, text := range []string{"bytes 0-9/100", "bytes 9-0/100", "bytes 0-9/9", "bytes */100", "bytes -1-5/9", "bytes 0-+5/9", ""} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, total, err := parseContentRange(text)
		if err == nil && (s.start < 0 || s.end <= s.start || total < s.end) {
			t.Fatalf("%q became %v of %d", text, s, total)
		}
		if err == nil && strings.Trim(text, "bytes 0123456789-/") != "" {
			t.Fatalf("%q was accepted", text)
		}
	})
}

// Only the one form with both the range and the total is accepted: without them no byte can be trusted.
func TestContentRange(t *testing.T) {
	for text, ok := range map[string]bool{
		"bytes 0-9/100": true, "bytes 99-99/100": true,
		"": false, "bytes 0-9/*": false, "bytes */100": false, "bytes 0-99/99": false, "bytes 9-8/100": false,
		"bytes=0-9/100": false, "BYTES 0-9/100": false, "bytes 0-9": false, "bytes 0-9/100 ": false, "bytes -9/100": false,
		"bytes 0-9223372036854775807/9223372036854775807": false, "bytes 0-9/99999999999999999999": false, "bytes +0-9/100": false,
	} {
		if _, _, err := parseContentRange(text); (err == nil) != ok {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// A copy of any size that S3 can hold takes at most 10,000 parts of at most 5 GiB, none but the last below 64 MiB.
func TestCopySpansKeepS3sLimits(t *testing.T) {
	for _, size := range []int64{copyWhole, copyWhole + 1, maxParts * copyPart, maxParts*copyPart + 1, 5 << 40, 50e12} {
		spans := copySpans(size)
		if len(spans) > maxParts || spans[0].start != 0 || spans[len(spans)-1].end != size {
			t.Errorf("%d bytes: %d parts, %v to %v", size, len(spans), spans[0], spans[len(spans)-1])
		}
		for i, s := range spans {
			if s.len() > maxPart || (i < len(spans)-1 && s.len() < copyPart) {
				t.Errorf("%d bytes: part %d is %v", size, i+1, s)
			}
		}
	}
}
