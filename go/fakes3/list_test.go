package fakes3

// list_test.go owns: the proof that pages add up and that names survive XML and URLs.
// It refuses to know: objects beyond their names.

import (
	"encoding/xml"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// naive is a listing without pages, from first principles.
func naive(keys []string, prefix, delimiter string) (entries []string) {
	for _, key := range keys {
		rest, ok := strings.CutPrefix(key, prefix)
		if !ok {
			continue
		}
		if i := strings.Index(rest, delimiter); delimiter != "" && i >= 0 {
			key = prefix + rest[:i+len(delimiter)] + "\x00P" // a mark, for a key may read the same
		}
		if len(entries) == 0 || entries[len(entries)-1] != key {
			entries = append(entries, key)
		}
	}
	return entries
}

// paged is the same by pages of S3's or the mock's tokens.
func paged(t *testing.T, s *Server, keys []string, prefix, delimiter string, limit int) (entries []string) {
	t.Helper()
	q := url.Values{}
	for range len(keys) + 2 {
		at := ok(s.cursorOf(q))(t)
		p := paginate(keys, prefix, delimiter, at, limit)
		page := slices.Clone(p.keys)
		for _, cp := range p.prefixes {
			page = append(page, cp+"\x00P")
		}
		slices.SortFunc(page, func(a, b string) int {
			return strings.Compare(strings.TrimSuffix(a, "\x00P"), strings.TrimSuffix(b, "\x00P"))
		})
		entries = append(entries, page...)
		if !p.truncated {
			return entries
		}
		equal(t, limit, len(page), "a page that is not the last is full")
		q.Set("continuation-token", s.token(p))
	}
	t.Fatalf("pages without end: prefix %q, delimiter %q, limit %d", prefix, delimiter, limit)
	return nil
}

// Pages of any size, with either kind of token, add up to the whole listing, each entry once and in order.
func TestPagesAddUp(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		set := map[string]bool{}
		for range random.IntN(40) {
			var key []byte
			for range 1 + random.IntN(6) {
				key = append(key, "ab/\xc3\xa9"[random.IntN(3)])
			}
			set[string(key)] = true
		}
		var keys []string
		for key := range set {
			keys = append(keys, key)
		}
		slices.Sort(keys)
		for _, prefix := range []string{"", "a", "a/", "b/a"} {
			for _, delimiter := range []string{"", "/", "a", "//", "/b"} {
				want := naive(keys, prefix, delimiter)
				for _, rules := range []Rules{RulesS3, RulesMock} {
					limit := 1 + random.IntN(5)
					got := paged(t, New(rules), keys, prefix, delimiter, limit)
					equal(t, want, got, fmt.Sprintf("round %d: %q, %q, %d a page of %q", round, prefix, delimiter, limit, keys))
				}
			}
		}
	}
}

// listing is a list's answer.
type listing struct {
	KeyCount, MaxKeys     int
	IsTruncated           bool
	NextContinuationToken string
	EncodingType          string
	Contents              []struct{ Key, ETag, StorageClass, LastModified string }
	CommonPrefixes        []struct{ Prefix string }
}

func (w wire) list(t *testing.T, bucket, query string) (l listing) {
	t.Helper()
	a := w.want(t, http.StatusOK, http.MethodGet, "/"+bucket+"?list-type=2"+query, nil)
	if err := xml.Unmarshal(a.body, &l); err != nil {
		t.Fatalf("%v: %s", err, a.body)
	}
	return l
}

// S3's last page is never empty, asks for nothing more at max-keys=0, and holds 1,000 entries at most.
func TestListEdges(t *testing.T) {
	s := New(RulesS3, "b")
	for i := range 1001 {
		s.Add(Object{Bucket: "b", Key: fmt.Sprintf("%04d", i)})
	}
	w := memory(s)
	first := w.list(t, "b", "&max-keys=5000")
	equal(t, 1000, len(first.Contents))
	equal(t, 1000, first.MaxKeys)
	last := w.list(t, "b", "&continuation-token="+url.QueryEscape(first.NextContinuationToken))
	equal(t, 1, len(last.Contents))
	equal(t, false, last.IsTruncated)
	exact := w.list(t, "b", "&max-keys=1&prefix=1000")
	equal(t, false, exact.IsTruncated)
	none := w.list(t, "b", "&max-keys=0")
	equal(t, listing{KeyCount: 0}, none)
	for _, query := range []string{"continuation-token=nonsense", "continuation-token=", "max-keys=2147483648", "max-keys=1.5"} {
		a := w.want(t, http.StatusBadRequest, http.MethodGet, "/b?list-type=2&"+query, nil)
		equal(t, "InvalidArgument", a.code())
	}
}

// Delimiters may be longer than one character, and a key that ends in one is a common prefix of its own.
func TestListDelimiters(t *testing.T) {
	s := New(RulesS3, "b")
	for _, key := range []string{"a/1", "a/b/3", "a.txt", "b", "b/", "b/1", "c/d/e", "d"} {
		s.Add(Object{Bucket: "b", Key: key})
	}
	for query, want := range map[string][]string{
		"&delimiter=/":            {"a.txt", "b", "d", "a/", "b/", "c/"},
		"&delimiter=/d/":          {"a.txt", "a/1", "a/b/3", "b", "b/", "b/1", "d", "c/d/"},
		"&delimiter=txt":          {"a/1", "a/b/3", "b", "b/", "b/1", "c/d/e", "d", "a.txt"},
		"&delimiter=/&prefix=b/":  {"b/", "b/1"},
		"&delimiter=/&prefix=b":   {"b", "b/"},
		"&delimiter=&prefix=c":    {"c/d/e"},
		"&start-after=b&prefix=b": {"b/", "b/1"},
	} {
		var got []string
		l := memory(s).list(t, "b", query)
		for _, o := range l.Contents {
			got = append(got, o.Key)
		}
		for _, p := range l.CommonPrefixes {
			got = append(got, p.Prefix)
		}
		equal(t, want, got, query)
	}
}

// The mock's token is the next key itself, also one that XML cannot carry; max-keys=0 is the same page for ever.
func TestMockTokens(t *testing.T) {
	s := New(RulesMock, "b")
	keys := []string{"", "a", "a\x00b", "fakes3:x", "z"}
	for i := range 1100 {
		keys = append(keys, fmt.Sprintf("m%04d", i))
	}
	slices.Sort(keys)
	for _, key := range keys {
		s.Add(Object{Bucket: "b", Key: key})
	}
	w := memory(s)
	equal(t, "m0000", w.list(t, "b", "&encoding-type=url&max-keys=4").NextContinuationToken)
	equal(t, len(keys), len(w.list(t, "b", "&encoding-type=url&max-keys=5000").Contents))
	equal(t, 1000, len(w.list(t, "b", "&encoding-type=url").Contents))
	for _, token := range []string{"", "a", "m"} {
		l := w.list(t, "b", "&max-keys=0&continuation-token="+token)
		equal(t, true, l.IsTruncated)
		equal(t, 0, l.KeyCount)
		equal(t, map[string]string{"": "fakes3:", "a": "a", "m": "m0000"}[token], l.NextContinuationToken)
	}
	var got []string
	for token := ""; ; {
		l := w.list(t, "b", "&encoding-type=url&max-keys=1&continuation-token="+url.QueryEscape(token))
		for _, o := range l.Contents {
			got = append(got, ok(url.QueryUnescape(o.Key))(t))
			equal(t, "", o.StorageClass)
			equal(t, "d41d8cd98f00b204e9800998ecf8427e", o.ETag)
		}
		if token = l.NextContinuationToken; token == "" {
			break
		}
	}
	equal(t, keys, got)
}

// What XML can carry is read back exactly; what it cannot is a character reference, as S3 has it.
func TestEscapeXML(t *testing.T) {
	for text, want := range map[string]string{
		"a\r\nb\tc":        "a&#xd;&#xa;b&#x9;c",
		`<&>"'`:            `&lt;&amp;&gt;&quot;'`,
		"\x00\x01\uFFFE":   "&#x0;&#x1;&#xfffe;",
		" \u0085\u2028 😀 ": " \u0085\u2028 😀 ",
	} {
		x := newDocument("r", false)
		x.text("k", text)
		doc := string(x.bytes())
		if !strings.Contains(doc, "<k>"+want+"</k>") {
			t.Errorf("%q: %s", text, doc)
		}
		var back struct {
			K string `xml:"k"`
		}
		if err := xml.Unmarshal([]byte(doc), &back); xmlCarries(text) {
			equal(t, nil, err)
			equal(t, text, back.K)
		} else if err == nil {
			t.Errorf("%s parsed, though XML 1.0 has no such character", strconv.Quote(text))
		}
	}
}

// Any name survives encoding-type=url.
func FuzzEscapeURL(f *testing.F) {
	f.Add("a b+c%/é\x00😀")
	f.Fuzz(func(t *testing.T, name string) {
		escaped := escapeURL(name)
		equal(t, name, ok(url.QueryUnescape(escaped))(t))
		if strings.ContainsFunc(escaped, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`<>&"'`, r) }) {
			t.Errorf("%q does not go into XML as it is", escaped)
		}
	})
}
