package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"s3engine/engine"
)

var goodRequests = []string{
	`{"op":"get","bucket":"b","key":"k","start":null,"end":5}`, `{"op":"put","bucket":"b","key":"k","storage_class":"GLACIER"}`,
	`{"op":"head","bucket":"b","key":"k"}`, `{"op":"list","bucket":"b","prefix":"","delimiter":"/","max_keys":18446744073709551615,"continuation_token":null}`,
	`{"op":"delete","bucket":"b","key":"k"}`, `{"op":"copy","src_bucket":"b","src_key":"k","dst_bucket":"b","dst_key":"l"}`,
	`{"op":"dump"}`, `{"op":"serve","listen":"127.0.0.1:0"}`,
}

const goodConfig = `{"wire":"memory","region":"us-east-1","user_agent":"a","throughput_target_gbps":10,"part_size":8388608,"profile":null,"unsigned":false,
"endpoint":null,"force_path_style":true,"max_attempts":10,"requester_pays":false,"env":{"A":"b"},
"log":{"directives":[["",4],["awscrt",0]],"directory":null},
"memory":{"store":"s","buckets":["b"],"rules":"mock","objects":[["b","k","aGVsbG8=",null,5],["b","k2","","GLACIER",6]]}}`

// What the document lists is accepted, to the letter.
func TestDecodeAccepts(t *testing.T) {
	for _, text := range goodRequests {
		if _, err := decodeRequest([]byte(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	c, err := decodeConfig([]byte(goodConfig))
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Log.Directives) != 2 || c.Log.Directives[1] != (engine.Directive{Target: "awscrt", Level: 0}) || c.Log.Directory != nil {
		t.Errorf("log is %+v", c.Log)
	}
	if o := c.Memory.Objects; len(o) != 2 || string(o[0].Data) != "hello" || o[0].StorageClass != nil || *o[1].StorageClass != "GLACIER" || o[1].LastModified != 6 {
		t.Errorf("memory is %+v", c.Memory)
	}
	r, err := decodeRequest([]byte(`{"op":"get","bucket":"b\u0000","key":"\ud83d\ude00 é","start":9007199254740993,"end":null}`))
	if g := r.(*engine.GetRequest); err != nil || g.Bucket != "b\x00" || g.Key != "\U0001F600 é" || *g.Start != 9007199254740993 || g.End != nil {
		t.Errorf("%+v, %v", r, err)
	}
}

// The document's table of fields is what the decoder takes, no more and no less.
func TestDecodeMatchesTheDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/design/0004-json.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "## Configuration")
	table, _, _ := strings.Cut(rest, "## Requests")
	var given map[string]json.RawMessage
	if err := json.Unmarshal([]byte(goodConfig), &given); err != nil {
		t.Fatal(err)
	}
	listed := 0
	for line := range strings.Lines(table) {
		if name, _, ok := strings.Cut(strings.TrimPrefix(line, "| `"), "` | "); ok && strings.HasPrefix(line, "| `") {
			listed++
			if _, ok := given[name]; !ok {
				t.Errorf("%s is listed and not decoded", name)
			}
		}
	}
	if listed != len(given) {
		t.Errorf("%d fields are listed, %d decoded", listed, len(given))
	}
}

// A misspelt name is an error and not a default; so are other types, text after the value, numbers that do not fit, bytes that
// are no UTF-8.
func TestDecodeRefuses(t *testing.T) {
	for _, text := range []string{
		``, `null`, `[]`, `5`, `"get"`, `{}`, `{"op":null}`, `{"op":"got"}`, `{"op":5}`, `{"op":"get"} {}`, `{"op":"get"`, `{"op":"head","bucket":"b","key":"k"}x`,
		`{"op":"head","bucket":"b","kee":"k"}`, `{"op":"head","bucket":"b","key":5}`, `{"op":"get","bucket":"b","key":"k","start":1.5}`,
		`{"op":"get","bucket":"b","key":"k","start":9223372036854775808}`, `{"op":"list","bucket":"b","max_keys":-1}`,
		"{\"op\":\"head\",\"bucket\":\"b\",\"key\":\"\xff\"}", "{\"op\":\"head\",\"bucket\":\"b\",\"k\xff\":\"\"}", "{\"op\":\"h\xffead\"}",
		`{"op":"dump","store":"s"}`, `{"op":"serve","port":1}`, `{"OP":"head","bucket":"b","key":"k"}`,
	} {
		if r, err := decodeRequest([]byte(text)); err == nil || err.Kind != engine.Invalid || !strings.HasPrefix(err.Message, "request: ") {
			t.Errorf("%q: %+v, %v", text, r, err)
		}
	}
	for _, text := range []string{
		``, `[]`, `{"region":5}`, `{"regoin":""}`, `{"part_size":1e3}`, `{"env":{"A":5}}`, `{"log":{"directives":[["a"]]}}`, `{"log":{"directives":[["a",9]]}}`, `{"log":{"directives":[null]}}`,
		`{"log":{"directives":[["a",-1]]}}`, `{"log":{"directive":[]}}`, `{"memory":{"rules":"gcs"}}`, `{"memory":{"objects":[["b","k","!","",5]]}}`, `{"memory":{"objects":[["b"]]}}`,
		`{"memory":{"objects":[["b","k","",null,5,6]]}}`, `{} x`, "{\"region\":\"\xff\"}", `{"Transport":null}`, `{"MockRules":true}`, `{"Stall":1}`,
	} {
		if c, err := decodeConfig([]byte(text)); err == nil || err.Kind != engine.Invalid || !strings.HasPrefix(err.Message, "configuration: ") {
			t.Errorf("%q: %+v, %v", text, c, err)
		}
	}
}

// FuzzRequest: no text makes the decoder panic, and what it takes comes back the same when it is written and read again.
func FuzzRequest(f *testing.F) {
	for _, text := range goodRequests {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := decodeRequest(text)
		if (r == nil) == (err == nil) {
			t.Fatalf("%q: %v, %v", text, r, err)
		}
		if err != nil {
			return
		}
		var fields map[string]json.RawMessage
		if e := json.Unmarshal(text, &fields); e != nil {
			t.Fatal(e)
		}
		again, e := json.Marshal(r)
		if e != nil {
			t.Fatal(e)
		}
		var whole map[string]json.RawMessage
		if e := json.Unmarshal(again, &whole); e != nil {
			t.Fatal(e)
		}
		whole["op"] = fields["op"]
		text, e = json.Marshal(whole)
		if e != nil {
			t.Fatal(e)
		}
		back, err := decodeRequest(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if third, _ := json.Marshal(back); string(third) != string(again) {
			t.Fatalf("%s became %s", again, third)
		}
	})
}

// FuzzConfig: no text makes the decoder panic, nor the check of what it took.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(goodConfig))
	f.Add([]byte(`{"wire":"http","part_size":1,"max_attempts":1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := decodeConfig(text)
		if (c == nil) == (err == nil) {
			t.Fatalf("%q: %v, %v", text, c, err)
		}
		if err == nil {
			_ = c.Validate()
		}
	})
}
