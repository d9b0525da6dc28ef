// This file owns the JSON that crosses: docs/design/0004-json.md as Go types. It refuses to act on any of it.

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode/utf8"

	"s3engine/engine"
)

type clientConfig struct {
	engine.Config
	Log    *engine.LogConfig `json:"log"`
	Memory *memoryConfig     `json:"memory"`
}

type memoryConfig struct {
	Store   string         `json:"store"`
	Rules   string         `json:"rules"`
	Buckets []string       `json:"buckets"`
	Objects []memoryObject `json:"objects"`
}

// memoryObject is [bucket, key, base64 of the bytes, storage class or null, seconds since the epoch].
type memoryObject struct {
	Bucket, Key  string
	Data         []byte
	StorageClass *string
	LastModified int64
}

func (o *memoryObject) UnmarshalJSON(text []byte) error {
	return unmarshalArray(text, &o.Bucket, &o.Key, &o.Data, &o.StorageClass, &o.LastModified)
}

func (o memoryObject) MarshalJSON() ([]byte, error) {
	return json.Marshal([]any{o.Bucket, o.Key, o.Data, o.StorageClass, o.LastModified})
}

func unmarshalArray(text []byte, into ...any) error {
	var fields []json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return err
	}
	if len(fields) != len(into) {
		return fmt.Errorf("%d fields where %d are expected", len(fields), len(into))
	}
	for i, field := range fields {
		if err := json.Unmarshal(field, into[i]); err != nil {
			return err
		}
	}
	return nil
}

// Requests that only the in-memory wire takes.
type (
	dumpRequest  struct{}
	serveRequest struct {
		Listen string `json:"listen"`
	}
)

func decodeConfig(text []byte) (*clientConfig, *engine.Error) {
	c := &clientConfig{}
	if err := decodeStrict(text, c); err != nil {
		return nil, invalid("configuration", err)
	}
	if c.Memory != nil {
		switch c.Memory.Rules {
		case "", "s3", "mock":
		default:
			return nil, invalid("configuration", fmt.Errorf("memory.rules is %q; it must be \"s3\" or \"mock\"", c.Memory.Rules))
		}
	}
	return c, nil
}

func decodeRequest(text []byte) (any, *engine.Error) {
	var head struct {
		Op string `json:"op"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, invalid("request", err)
	}
	switch head.Op {
	case "get":
		return decodeAs[engine.GetRequest](text)
	case "put":
		return decodeAs[engine.PutRequest](text)
	case "head":
		return decodeAs[engine.HeadRequest](text)
	case "list":
		return decodeAs[engine.ListRequest](text)
	case "delete":
		return decodeAs[engine.DeleteRequest](text)
	case "copy":
		return decodeAs[engine.CopyRequest](text)
	case "dump":
		return decodeAs[dumpRequest](text)
	case "serve":
		return decodeAs[serveRequest](text)
	}
	return nil, invalid("request", fmt.Errorf("op is %q; it must be get, put, head, list, delete, copy, dump or serve", head.Op))
}

func decodeAs[T any](text []byte) (any, *engine.Error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, invalid("request", err)
	}
	delete(fields, "op")
	rest, err := json.Marshal(fields)
	if err != nil {
		return nil, invalid("request", err)
	}
	r := new(T)
	if err := decodeStrict(rest, r); err != nil {
		return nil, invalid("request", err)
	}
	return r, nil
}

// decodeStrict refuses what Go's decoder would quietly mend: unknown fields, text after the value, bytes that are no UTF-8.
func decodeStrict(text []byte, into any) error {
	if !utf8.Valid(text) {
		return fmt.Errorf("it is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return fmt.Errorf("there is text after the JSON value")
	}
	return nil
}

func invalid(what string, err error) *engine.Error {
	return &engine.Error{Kind: engine.Invalid, Message: what + ": " + err.Error()}
}
