package engine

import (
	"sort"
	"strings"
	"testing"

	"s3engine/fakes3"
)

// FuzzMockKey: any key travels and comes back, never empty, in plain letters, in the same order and with the same prefixes.
func FuzzMockKey(f *testing.F) {
	f.Add("", "a")
	f.Add("a\x00b", "a")
	f.Add("é/", "é")
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := MockKey(a), MockKey(b)
		if MockPlain(x) != a || MockPlain(y) != b || x == "" || escapePath(x) != x {
			t.Fatalf("%q travels as %q and comes back as %q", a, x, MockPlain(x))
		}
		if strings.Compare(a, b) != strings.Compare(x, y) || strings.HasPrefix(a, b) != strings.HasPrefix(x, y) || strings.Contains(a, b) != strings.Contains(x[1:], mockText(b)) {
			t.Fatalf("%q and %q are not to each other as %q and %q", a, b, x, y)
		}
	})
}

// The mock's client takes any key at all through every verb, and its texts are upstream's mock's.
func TestMock(t *testing.T) {
	c, _ := memoryS3(t, fakes3.RulesMock, func(cfg *Config) { cfg.PartSize = 2 })
	keys := []string{"", "\x00", "a b", "a/../b", "é\U0001F600", "\x01\r\n", "k"}
	for _, key := range keys {
		if _, err := upload(t, c, PutRequest{"b", key, nil}, []byte("12345"), []byte("67890")); err != nil {
			t.Fatalf("%q: %s", key, show(err))
		}
		if out, err := download(t, c, GetRequest{"b", key, nil, nil}, 2); err != nil || string(out) != "1234567890" {
			t.Errorf("%q: %q %s", key, out, show(err))
		}
		if _, err := do(t, c, &HeadRequest{"b", key}); err != nil {
			t.Errorf("%q: %s", key, show(err))
		}
		if _, err := do(t, c, &CopyRequest{"b", key, "elsewhere", "copy of " + key}); err != nil {
			t.Errorf("%q: %s", key, show(err))
		}
		if _, err := do(t, c, &DeleteRequest{"b", "copy of " + key}); err != nil {
			t.Errorf("%q: %s", key, show(err))
		}
	}
	var found []string
	for r := (ListRequest{Bucket: "b", MaxKeys: 2}); ; {
		p, err := list(t, c, r)
		if err != nil {
			t.Fatal(show(err))
		}
		for _, o := range p.Objects {
			found = append(found, o[0].(string))
		}
		if r.ContinuationToken = p.ContinuationToken; p.ContinuationToken == nil {
			break
		}
	}
	sort.Strings(keys)
	if strings.Join(found, "|") != strings.Join(keys, "|") {
		t.Errorf("%q", found)
	}
	at := func(n int64) *int64 { return &n }
	for _, r := range []GetRequest{{"b", "k", at(10), at(10)}, {"b", "k", at(0), at(11)}, {"b", "k", at(3), nil}, {"b", "k", at(99), at(99)}} {
		_, err := download(t, c, r, 2)
		fails(t, err, Service, "Client error: invalid range, length=10")
	}
	if out, err := download(t, c, GetRequest{"b", "k", at(5), at(5)}, 2); err != nil || len(out) != 0 {
		t.Errorf("%q %s", out, show(err))
	}
	for verb, text := range map[string]string{"get": "Service error: The bucket does not exist", "list": "Service error: The bucket does not exist", "delete": "Service error: The bucket does not exist",
		"put": "Service error: The bucket does not exist", "head": "Service error: The object was not found"} {
		r := map[string]any{"get": &GetRequest{Bucket: "x", Key: "k"}, "put": &PutRequest{Bucket: "x", Key: "k"}, "head": &HeadRequest{"x", "k"}, "list": &ListRequest{Bucket: "x"}, "delete": &DeleteRequest{"x", "k"}}[verb]
		o := start(t, c, r)
		fails(t, failure(t, o), NotFound, text)
		drain(t, o)
	}
	_, err := do(t, c, &CopyRequest{"x", "k", "y", "k"})
	fails(t, err, NotFound, "Service error: The object was not found")
}
