package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"s3engine/engine"
	"s3engine/fakes3"
)

// Clients that name one store share it; it is filled when it is made, and gone with its last client.
func TestStoreLifeCycle(t *testing.T) {
	filled := &memoryConfig{Store: t.Name(), Buckets: []string{"b"}, Objects: []memoryObject{{Bucket: "b", Key: "k", Data: []byte("x")}}}
	first := openStore(filled)
	second := openStore(&memoryConfig{Store: t.Name(), Buckets: []string{"other"}})
	if first != second {
		t.Fatal("two stores of one name")
	}
	if other := openStore(&memoryConfig{Store: t.Name() + "2"}); other == first {
		t.Fatal("one store of two names")
	}
	closeStore(t.Name() + "2")
	if buckets, objects := second.Dump(); fmt.Sprint(buckets) != "[b]" || len(objects) != 1 {
		t.Errorf("%v %v: the second client filled it again", buckets, objects)
	}
	closeStore(t.Name())
	if openStore(filled) != first {
		t.Error("the store went with its first client")
	}
	for range 3 { // once more than there are clients
		closeStore(t.Name())
	}
	again := openStore(&memoryConfig{Store: t.Name()})
	if _, objects := again.Dump(); again == first || len(objects) != 0 {
		t.Error("the store outlived its clients")
	}
	closeStore(t.Name())
	if len(stores) != 0 {
		t.Errorf("%d stores are left", len(stores))
	}
}

// What a store gives out makes the same store again, whatever the keys: how a mock survives a fork.
func TestDumpAndRefill(t *testing.T) {
	for _, rules := range []string{"s3", "mock"} {
		c := &memoryConfig{Store: t.Name(), Rules: rules, Buckets: []string{"second", "a first"}}
		keys := []string{"k", "a b", "é\U0001F600", "\x00\n\"<", "xAaB"}
		if rules == "mock" {
			keys = append(keys, "")
		}
		for i, key := range keys {
			class := "GLACIER"
			c.Objects = append(c.Objects, memoryObject{Bucket: "second", Key: key, Data: []byte(fmt.Sprint(i)), StorageClass: &class, LastModified: int64(1e9 + i)})
		}
		c.Objects = append(c.Objects, memoryObject{Bucket: "a first", Key: "big", Data: make([]byte, 1<<20), LastModified: -5})
		text := func(s *store) string {
			out, err := s.dump(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(out)
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		before := text(openStore(c))
		closeStore(t.Name())
		var refill memoryConfig
		if err := decodeStrict([]byte(before), &refill); err != nil {
			t.Fatal(err)
		}
		refill.Store, refill.Rules = t.Name(), rules
		after := text(openStore(&refill))
		closeStore(t.Name())
		if before != after || len(refill.Objects) != len(keys)+1 {
			t.Errorf("%s: %.300s\nbecame %.300s", rules, before, after)
		}
	}
}

// memoryClient is a client of a store as s3e_client_open makes it.
func memoryClient(t *testing.T) (*engine.Client, *store) {
	t.Helper()
	s := openStore(&memoryConfig{Store: t.Name(), Buckets: []string{"b"}, Objects: []memoryObject{{Bucket: "b", Key: "k", Data: []byte("hello")}}})
	c, err := engine.Open(engine.Config{Wire: "memory", Region: "r", PartSize: 5, MaxAttempts: 1, Unsigned: true, ForcePathStyle: true, Transport: fakes3.RoundTripper(s.Server)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		<-c.Drained()
		closeStore(t.Name())
	})
	return c, s
}

// A store answers on a loopback port until its op is closed, and the port is free again then.
func TestServe(t *testing.T) {
	c, s := memoryClient(t)
	o, err := c.Run("serve", s.serve("127.0.0.1:0"))
	if err != nil {
		t.Fatal(err)
	}
	if e, err := o.Wait(0, 10*time.Second); err != nil || e.Kind != engine.Opened {
		t.Fatalf("%+v %v", e, err)
	}
	var reply struct{ Endpoint string }
	if err := json.Unmarshal(o.Reply(), &reply); err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	get := func() (string, error) {
		resp, err := (&http.Client{Transport: transport, Timeout: 10 * time.Second}).Get(reply.Endpoint + "/b/k")
		if err != nil {
			return "", err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return string(body), err
	}
	if body, err := get(); body != "hello" || err != nil {
		t.Errorf("%q, %v", body, err)
	}
	o.Close()
	if e, err := o.Wait(0, 10*time.Second); err != nil || e.Kind != engine.Drained {
		t.Fatalf("%+v %v", e, err)
	}
	if body, err := get(); err == nil {
		t.Errorf("it still serves %q", body)
	}
}

// A store checks no signature, so it is served to this machine alone.
func TestServeRefusesOthers(t *testing.T) {
	c, s := memoryClient(t)
	for _, listen := range []string{"0.0.0.0:0", ":0", "[::]:0", "10.0.0.1:0", "nonsense", "", "127.0.0.1", "127.0.0.1:99999"} {
		o, err := c.Run("serve", s.serve(listen))
		if err != nil {
			t.Fatal(err)
		}
		if e, err := o.Wait(0, 10*time.Second); err == nil || err.Kind != engine.Invalid {
			t.Errorf("%q: %+v %v", listen, e, err)
		}
		o.Close()
		if e, err := o.Wait(0, 10*time.Second); err != nil || e.Kind != engine.Drained {
			t.Fatalf("%+v %v", e, err)
		}
	}
}
