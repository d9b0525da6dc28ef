// This file owns the stores of the in-memory wire: who shares one, how one is filled, dumped and served. It refuses to know S3,
// which is fakes3's.

package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"s3engine/engine"
	"s3engine/fakes3"
)

type store struct {
	*fakes3.Server
	clients int
	mock    bool
}

var (
	storesMu sync.Mutex
	stores   = map[string]*store{}
)

// openStore finds the store of that name, or makes it as configured, and counts its new client.
func openStore(c *memoryConfig) *store {
	storesMu.Lock()
	defer storesMu.Unlock()
	s := stores[c.Store]
	if s == nil {
		rules := fakes3.RulesS3
		if c.Rules == "mock" {
			rules = fakes3.RulesMock
		}
		s = &store{Server: fakes3.New(rules, c.Buckets...), mock: rules == fakes3.RulesMock}
		for _, o := range c.Objects {
			class := ""
			if o.StorageClass != nil {
				class = *o.StorageClass
			}
			key := o.Key
			if s.mock {
				key = engine.MockKey(key)
			}
			s.Add(fakes3.Object{Bucket: o.Bucket, Key: key, Data: o.Data, StorageClass: class, LastModified: time.Unix(o.LastModified, 0)})
		}
		stores[c.Store] = s
	}
	s.clients++
	return s
}

// closeStore forgets a store with its last client.
func closeStore(name string) {
	storesMu.Lock()
	defer storesMu.Unlock()
	if s := stores[name]; s != nil {
		if s.clients--; s.clients == 0 {
			delete(stores, name)
		}
	}
}

// dump is the store in the shape that memoryConfig takes: how a mock survives a fork.
func (s *store) dump(context.Context, func(any) error) (any, error) {
	buckets, objects := s.Dump()
	out := memoryConfig{Buckets: buckets, Objects: make([]memoryObject, 0, len(objects))}
	for _, o := range objects {
		entry := memoryObject{Bucket: o.Bucket, Key: o.Key, Data: o.Data, LastModified: o.LastModified.Unix()}
		if s.mock {
			entry.Key = engine.MockPlain(o.Key)
		}
		if o.StorageClass != "" {
			entry.StorageClass = &o.StorageClass
		}
		out.Objects = append(out.Objects, entry)
	}
	return map[string]any{"buckets": out.Buckets, "objects": out.Objects}, nil
}

// serve answers on a loopback port until its op is closed. Other addresses are refused: this S3 checks no signature.
func (s *store) serve(listen string) func(context.Context, func(any) error) (any, error) {
	return func(ctx context.Context, opened func(any) error) (any, error) {
		address, err := net.ResolveTCPAddr("tcp", listen)
		if err != nil || address.IP == nil || !address.IP.IsLoopback() {
			return nil, &engine.Error{Kind: engine.Invalid, Message: fmt.Sprintf("serve: listen is %q; it must be a loopback address like 127.0.0.1:0", listen)}
		}
		listener, err := net.ListenTCP("tcp", address)
		if err != nil {
			return nil, &engine.Error{Kind: engine.Invalid, Message: "serve: " + err.Error()}
		}
		server := &http.Server{Handler: s.Server, ReadHeaderTimeout: time.Minute}
		ended := make(chan struct{})
		stop := context.AfterFunc(ctx, func() {
			defer close(ended)
			server.Close()
		})
		if err := opened(map[string]string{"endpoint": "http://" + listener.Addr().String()}); err != nil {
			return nil, err
		}
		err = server.Serve(listener)
		if !stop() {
			<-ended
		}
		return nil, err
	}
}
