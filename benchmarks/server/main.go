// s3bench is the S3 that the benchmarks run against. It spends as little CPU as it can, so that what is measured is the client:
// GET bodies go out by sendfile, PUT bodies are read and dropped, LIST pages are made up. It checks no signature.
//
//	s3bench -data FILE [-latency 30ms] [-rate BYTES] [-tls FOLDER]    serve; the URL is its first line, it ends with stdin
//	s3bench -make FILE -size BYTES                                    write the file that objects are windows of
//
// A bucket's name ends in how many keys each of its prefixes lists ("n1000"). A key is SIZE/INDEX: that many bytes of FILE from
// INDEX*SIZE on, wrapped. So no object has to be put before it can be got, and whoever has FILE knows every object's bytes.
//
// This file owns: flags, sockets, the server's life, the counters. It refuses to know: what requests mean.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

var (
	data    = flag.String("data", "", "the file that objects are windows of")
	latency = flag.Duration("latency", 0, "wait before each response's first byte")
	rate    = flag.Int("rate", 0, "bytes a second that one connection may send; 0 is no limit")
	folder  = flag.String("tls", "", "serve https, and write the certificate to trust to ca.pem in this folder")
	create  = flag.String("make", "", "write a file for -data instead of serving")
	size    = flag.Int64("size", 2<<30, "of the file to write")
)

// Counters, told at /-/stats. A client's own idea of what it did is not evidence.
var (
	requests, connections, sent, put atomic.Int64
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("s3bench: ")
	flag.Parse()
	if *create != "" {
		if err := writeData(*create, *size); err != nil {
			log.Fatal(err)
		}
		return
	}
	if err := openData(*data); err != nil {
		log.Fatal(err)
	}
	listener, err := (&net.ListenConfig{Control: pace}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{
		Handler: http.HandlerFunc(serve),
		ConnState: func(_ net.Conn, state http.ConnState) {
			if state == http.StateNew {
				connections.Add(1)
			}
		},
		// Not nil: no HTTP/2, which S3 does not speak either.
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){},
		ErrorLog:     log.New(io.Discard, "", 0), // clients that drop a connection half-way are part of the jobs
	}
	scheme := "http"
	if *folder != "" {
		scheme = "https"
		certificate, err := newCertificate(*folder)
		if err != nil {
			log.Fatal(err)
		}
		server.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}}
		go func() { log.Fatal(server.ServeTLS(listener, "", "")) }()
	} else {
		go func() { log.Fatal(server.Serve(listener)) }()
	}
	fmt.Printf("%s://%s\n", scheme, listener.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// pace has the kernel hold every accepted connection (they inherit it from the listener) to -rate: sendfile stays possible, and
// no timer of ours is involved.
func pace(_, _ string, conn syscall.RawConn) error {
	if *rate == 0 {
		return nil
	}
	const maxPacingRate = 47 // SO_MAX_PACING_RATE, which package syscall lacks
	var failed error
	if err := conn.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, maxPacingRate, *rate)
	}); err != nil {
		return err
	}
	return failed
}

func stats(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]int64{
		"requests":     requests.Load(),
		"connections":  connections.Load(),
		"sent_bytes":   sent.Load(),
		"put_bytes":    put.Load(),
		"open_uploads": openUploads.Load(),
	})
}

// writeData makes a file that no part order, repetition or compression could be mistaken in, and the same one everywhere.
func writeData(name string, size int64) error {
	file, err := os.Create(name + ".tmp")
	if err != nil {
		return err
	}
	defer file.Close()
	source := rand.NewChaCha8([32]byte([]byte("s3bench: 32 bytes are the seed. ")))
	if _, err := io.CopyBuffer(struct{ io.Writer }{file}, io.LimitReader(source, size), make([]byte, 1<<20)); err != nil {
		return err
	}
	return os.Rename(name+".tmp", name)
}

func wait() {
	if *latency > 0 {
		time.Sleep(*latency)
	}
}
