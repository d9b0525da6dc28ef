package engine

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"s3engine/fakes3"
)

// A head's reply is what the headers say, the ETag with its quotes, and an answer without what every reply has is refused.
func TestHead(t *testing.T) {
	full := map[string]string{"Etag": `"e"`, "Content-Length": "5", "Last-Modified": "Fri, 21 Dec 2012 00:00:01 GMT"}
	for _, row := range []struct {
		without string
		with    map[string]string
		reply   string
	}{
		{"", nil, `{"etag":"\"e\"","size":5,"last_modified":1356048001,"storage_class":null,"restore_status":null}`},
		{"", map[string]string{"X-Amz-Storage-Class": "GLACIER", "X-Amz-Restore": `ongoing-request="true"`}, `{"etag":"\"e\"","size":5,"last_modified":1356048001,"storage_class":"GLACIER","restore_status":[true,null]}`},
		{"", map[string]string{"X-Amz-Restore": `ongoing-request="false", expiry-date="Fri, 21 Dec 2012 00:00:00 GMT"`}, `{"etag":"\"e\"","size":5,"last_modified":1356048001,"storage_class":null,"restore_status":[false,1356048000000]}`},
		{"Etag", nil, ""}, {"Last-Modified", nil, ""}, {"", map[string]string{"Last-Modified": "yesterday"}, ""},
		{"", map[string]string{"Content-Length": "9223372036854775807"}, `{"etag":"\"e\"","size":9223372036854775807,"last_modified":1356048001,"storage_class":null,"restore_status":null}`},
	} {
		c := dialFunc(t, func(w http.ResponseWriter, _ *http.Request) {
			for _, headers := range []map[string]string{full, row.with} {
				for name, value := range headers {
					w.Header().Set(name, value)
				}
			}
			w.Header().Del(row.without)
		})
		reply, err := do(t, c, &HeadRequest{"b", "k"})
		switch {
		case row.reply == "" && (err == nil || err.Kind != Integrity || !strings.HasPrefix(err.Message, "Client error: Internal S3 client error: ")):
			t.Errorf("without %q, with %v: %q, %s", row.without, row.with, reply, show(err))
		case row.reply != "" && (err != nil || reply != row.reply):
			t.Errorf("with %v: %s, %s", row.with, reply, show(err))
		}
	}
}

// x-amz-restore in all its states; what cannot be read is no restore status.
func TestParseRestore(t *testing.T) {
	for header, expected := range map[string][]any{
		"": nil, "nonsense": nil, `ongoing-request="true"`: {true, nil}, `ongoing-request="false"`: nil, `ongoing-request="`: nil,
		`ongoing-request="false", expiry-date="Fri, 21 Dec 2012 00:00:00 GMT"`: {false, int64(1356048000000)},
		`ongoing-request="false", expiry-date="soon"`:                          nil, `ongoing-request="false", expiry-date="`: nil,
		`ongoing-request="true", expiry-date="Fri, 21 Dec 2012 00:00:00 GMT"`: {true, nil},
	} {
		if got := parseRestore(header); !reflect.DeepEqual(got, expected) {
			t.Errorf("%q: %v", header, got)
		}
	}
}

type pageReply struct {
	Objects           [][6]any
	CommonPrefixes    []string `json:"common_prefixes"`
	ContinuationToken *string  `json:"continuation_token"`
}

func list(t *testing.T, c *Client, r ListRequest) (p pageReply, _ *Error) {
	t.Helper()
	text, err := do(t, c, &r)
	if err == nil {
		if e := json.Unmarshal([]byte(text), &p); e != nil {
			t.Fatal(e)
		}
	}
	return p, err
}

// A listing is its pages, and together they are all keys exactly once, whatever the page size, with odd keys as they are.
func TestListPages(t *testing.T) {
	c, s := dialS3(t)
	keys := []string{"a", "a ", " lead", "a&b<c>\"'", "a+b%20c", "dir/1", "dir/2", "dir2/x", "tab\tkey", "line\nkey", "cr\rkey", "cr\r\nlf", "é", "\U0001F600", "z//", "]]>", "&amp;", "\u2028"}
	for _, key := range keys {
		s.Add(fakes3.Object{Bucket: "b", Key: key, Data: []byte(key), StorageClass: "STANDARD_IA", LastModified: time.Unix(1356048001, 0)})
	}
	for _, size := range []uint64{1, 2, 7, 1000, 1 << 40} {
		found := map[string]bool{}
		pages := 0
		for r := (ListRequest{Bucket: "b", MaxKeys: size}); ; pages++ {
			p, err := list(t, c, r)
			if err != nil {
				t.Fatal(show(err))
			}
			for _, o := range p.Objects {
				key := o[0].(string)
				if found[key] || o[2] != float64(len(key)) || o[3] != float64(1356048001) || o[4] != "STANDARD_IA" || o[5] != nil {
					t.Errorf("%v", o)
				}
				found[key] = true
			}
			if r.ContinuationToken = p.ContinuationToken; p.ContinuationToken == nil {
				break
			}
		}
		for _, key := range keys {
			if !found[key] {
				t.Errorf("by %d: no %q", size, key)
			}
		}
		if len(found) != len(keys) || size < 1000 && pages+1 != (len(keys)+int(size)-1)/int(size) {
			t.Errorf("by %d: %d keys on %d pages", size, len(found), pages+1)
		}
	}
	p, err := list(t, c, ListRequest{Bucket: "b", Prefix: "d", Delimiter: "/", MaxKeys: 1000})
	if err != nil || len(p.Objects) != 0 || fmt.Sprint(p.CommonPrefixes) != "[dir/ dir2/]" {
		t.Errorf("%v %v", p, err)
	}
	if p, err = list(t, c, ListRequest{Bucket: "b", Prefix: "nothing", MaxKeys: 1000}); err != nil || p.Objects == nil || p.CommonPrefixes == nil {
		t.Errorf("%v %v", p, err)
	}
	if p, err = list(t, c, ListRequest{Bucket: "b"}); err != nil || len(p.Objects) != 0 {
		t.Errorf("max_keys 0: %v %v", p, err)
	}
}

// The query of a list is upstream's: empty values are sent, restore states asked for, and no encoding.
func TestListOnTheWire(t *testing.T) {
	r := newRecorder("b")
	c := dial(t, r)
	if _, err := list(t, c, ListRequest{Bucket: "b", Prefix: "a b/+", MaxKeys: 7, ContinuationToken: nil}); err != nil {
		t.Fatal(err)
	}
	seen := r.take()[0]
	if seen.target != "/b?delimiter=&list-type=2&max-keys=7&prefix=a%20b%2F%2B" || seen.header.Get("X-Amz-Optional-Object-Attributes") != "RestoreStatus" {
		t.Errorf("%s %v", seen.target, seen.header)
	}
}

// A page that contradicts itself, or lacks what every entry has, is an error: else a listing would end early, and a training set
// with it.
func TestListRefusesBadPages(t *testing.T) {
	const entry = `<Contents><Key>k</Key><LastModified>2012-12-21T00:00:01.000Z</LastModified><ETag>"e"</ETag><Size>5</Size>%s</Contents>`
	for body, ok := range map[string]bool{
		"<IsTruncated>false</IsTruncated>": true, "<IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>": true,
		"<IsTruncated>true</IsTruncated>": false, "<IsTruncated>false</IsTruncated><NextContinuationToken>t</NextContinuationToken>": false,
		"<IsTruncated>false</IsTruncated>" + fmt.Sprintf(entry, ""):                                                                               true,
		"<IsTruncated>false</IsTruncated>" + fmt.Sprintf(entry, "<StorageClass>STANDARD</StorageClass>"):                                          true,
		"<IsTruncated>false</IsTruncated>" + fmt.Sprintf(entry, "<RestoreStatus><IsRestoreInProgress>true</IsRestoreInProgress></RestoreStatus>"): true,
		"<IsTruncated>false</IsTruncated>" + strings.Replace(fmt.Sprintf(entry, ""), "<Key>k</Key>", "", 1):                                       false,
		"<IsTruncated>false</IsTruncated>" + strings.Replace(fmt.Sprintf(entry, ""), "<Size>5</Size>", "", 1):                                     false,
		"<IsTruncated>false</IsTruncated>" + strings.Replace(fmt.Sprintf(entry, ""), `<ETag>"e"</ETag>`, "", 1):                                   false,
		"<IsTruncated>false</IsTruncated>" + strings.Replace(fmt.Sprintf(entry, ""), "5</Size>", "five</Size>", 1):                                false,
		"<IsTruncated>false</IsTruncated><Contents><Key>k":                                                                                        false, "": false,
	} {
		c := dialFunc(t, func(w http.ResponseWriter, _ *http.Request) {
			_, _ = fmt.Fprintf(w, "<ListBucketResult>%s</ListBucketResult>", body)
		}, func(cfg *Config) { cfg.MaxAttempts = 1 })
		_, err := list(t, c, ListRequest{Bucket: "b", MaxKeys: 1000})
		if ok && err != nil || !ok && (err == nil || err.Kind != Integrity || !strings.HasPrefix(err.Message, "Client error: Internal S3 client error: ")) {
			t.Errorf("%s: %s", body, show(err))
		}
	}
	for _, body := range []string{"", "<html>", "{}", "<ListBucketResult>"} {
		c := dialFunc(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, body) }, func(cfg *Config) { cfg.MaxAttempts = 1 })
		if p, err := list(t, c, ListRequest{Bucket: "b", MaxKeys: 1000}); err == nil {
			t.Errorf("%q was read as %v", body, p)
		}
	}
}

// Deleting what is not there is success; deleting from a bucket that is not there is not.
func TestDelete(t *testing.T) {
	c, s := dialS3(t)
	s.Add(fakes3.Object{Bucket: "b", Key: "k"})
	for range 2 {
		if reply, err := do(t, c, &DeleteRequest{"b", "k"}); err != nil || reply != "{}" {
			t.Errorf("%s %v", reply, err)
		}
	}
	_, err := do(t, c, &DeleteRequest{"missing", "k"})
	fails(t, err, NotFound, "Service error: The bucket does not exist")
}

// No object has an empty key, no bucket an empty name. On the wire the bucket would be the key's first word, and a get of an empty
// key a listing that passes for an object.
func TestEmptyNames(t *testing.T) {
	c, s := dialS3(t)
	s.Add(fakes3.Object{Bucket: "b", Key: "k"})
	for _, r := range []any{&GetRequest{Bucket: "b"}, &PutRequest{Bucket: "b"}, &HeadRequest{Bucket: "b"}, &DeleteRequest{Bucket: "b"}, &CopyRequest{"b", "", "b", "l"}, &CopyRequest{"b", "k", "b", ""}} {
		_, err := c.Start(r)
		fails(t, err, Invalid, "Client error: Failed to construct request: the key is empty")
	}
	for _, r := range []any{&GetRequest{Key: "b/k"}, &PutRequest{Key: "b/k"}, &HeadRequest{Key: "k"}, &DeleteRequest{Key: "k"}, &ListRequest{}, &CopyRequest{"", "k", "b", "l"}, &CopyRequest{"b", "k", "", "l"}} {
		_, err := c.Start(r)
		fails(t, err, Invalid, "Client error: Failed to construct request: the bucket's name is empty")
	}
	_, err := c.Start("nonsense")
	fails(t, err, Internal, "no op takes a string")
}
