// This file owns what requests mean: which operation, the headers and bodies of the answers. It refuses to know sockets.

package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

const (
	namespace = "http://s3.amazonaws.com/doc/2006-03-01/"
	modified  = "2026-01-02T03:04:05.000Z"
	pageKeys  = 1000
)

var (
	dataSize    int64
	nextUpload  atomic.Int64
	openUploads atomic.Int64
	uploads     sync.Map // id -> true
	scratch     = sync.Pool{New: func() any { b := make([]byte, 256<<10); return &b }}
)

func openData(name string) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	dataSize = info.Size()
	return nil
}

func serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/-/stats" {
		stats(w)
		return
	}
	requests.Add(1)
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	query := r.URL.Query()
	switch {
	case r.Method == http.MethodGet && key == "":
		wait()
		list(w, bucket, query.Get("prefix"), query.Get("continuation-token"), query.Get("max-keys"))
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		wait()
		get(w, r, key)
	case r.Method == http.MethodPut:
		receive(w, r)
	case r.Method == http.MethodPost && query.Has("uploads"):
		wait()
		id := strconv.FormatInt(nextUpload.Add(1), 10)
		uploads.Store(id, true)
		openUploads.Add(1)
		answer(w, fmt.Sprintf(`<InitiateMultipartUploadResult xmlns=%q><Bucket>%s</Bucket><Key>%s</Key><UploadId>%s</UploadId></InitiateMultipartUploadResult>`,
			namespace, bucket, key, id))
	case r.Method == http.MethodPost && query.Has("uploadId"):
		_, _ = io.Copy(io.Discard, r.Body)
		wait()
		closeUpload(query.Get("uploadId"))
		answer(w, fmt.Sprintf(`<CompleteMultipartUploadResult xmlns=%q><Location>x</Location><Bucket>%s</Bucket><Key>%s</Key><ETag>&#34;x&#34;</ETag></CompleteMultipartUploadResult>`,
			namespace, bucket, key))
	case r.Method == http.MethodDelete:
		wait()
		closeUpload(query.Get("uploadId"))
		w.WriteHeader(http.StatusNoContent)
	default:
		refuse(w, http.StatusNotImplemented, "NotImplemented", "not needed by the benchmarks")
	}
}

func closeUpload(id string) {
	if _, was := uploads.LoadAndDelete(id); was {
		openUploads.Add(-1)
	}
}

// receive reads a PUT's body into nowhere.
func receive(w http.ResponseWriter, r *http.Request) {
	buffer := scratch.Get().(*[]byte)
	defer scratch.Put(buffer)
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{r.Body}, *buffer)
	if err != nil {
		return // the client has gone away
	}
	if decoded := r.Header.Get("x-amz-decoded-content-length"); decoded != "" { // aws-chunked: frames and trailer not counted
		n, _ = strconv.ParseInt(decoded, 10, 64)
	}
	put.Add(n)
	wait()
	w.Header().Set("ETag", `"00000000000000000000000000000000"`)
}

// get sends a window of the data file, or a range of it. One open file a request costs 3 µs, and sendfile needs an offset of
// its own.
func get(w http.ResponseWriter, r *http.Request, key string) {
	offset, length, ok := window(key)
	if !ok {
		refuse(w, http.StatusNotFound, "NoSuchKey", "The specified key does not exist.")
		return
	}
	header := w.Header()
	header.Set("ETag", etag(key))
	header.Set("Accept-Ranges", "bytes")
	header.Set("Content-Type", "binary/octet-stream")
	header.Set("Last-Modified", "Fri, 02 Jan 2026 03:04:05 GMT")
	status := http.StatusOK
	if asked := r.Header.Get("Range"); asked != "" {
		first, last, err := byteRange(asked, length)
		if err != nil {
			header.Set("Content-Range", fmt.Sprintf("bytes */%d", length))
			refuse(w, http.StatusRequestedRangeNotSatisfiable, "InvalidRange", "The requested range is not satisfiable")
			return
		}
		header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, length))
		offset, length, status = offset+first, last-first+1, http.StatusPartialContent
	}
	header.Set("Content-Length", strconv.FormatInt(length, 10))
	if r.Method == http.MethodHead {
		w.WriteHeader(status)
		return
	}
	file, err := os.Open(*data)
	if err != nil {
		refuse(w, http.StatusInternalServerError, "InternalError", err.Error())
		return
	}
	defer file.Close()
	if _, err := file.Seek(offset, io.SeekStart); err != nil {
		refuse(w, http.StatusInternalServerError, "InternalError", err.Error())
		return
	}
	w.WriteHeader(status)
	n, _ := io.CopyN(w, file, length) // an error is the client's going away
	sent.Add(n)
}

// window is where in the data file an object's bytes are.
func window(key string) (offset, length int64, ok bool) {
	sizeText, indexText, _ := strings.Cut(key, "/")
	length, err1 := strconv.ParseInt(sizeText, 10, 64)
	index, err2 := strconv.ParseInt(indexText, 10, 64)
	if err1 != nil || err2 != nil || length < 0 || index < 0 || length > dataSize {
		return 0, 0, false
	}
	return index * length % (dataSize - length + 1), length, true
}

// byteRange turns "bytes=a-b", "bytes=a-" or "bytes=-n" into the first and last byte.
func byteRange(text string, length int64) (first, last int64, err error) {
	from, to, found := strings.Cut(strings.TrimPrefix(text, "bytes="), "-")
	if !found {
		return 0, 0, errors.New("no range")
	}
	if from == "" {
		n, err := strconv.ParseInt(to, 10, 64)
		return max(0, length-n), length - 1, err
	}
	last = length - 1
	if to != "" {
		if last, err = strconv.ParseInt(to, 10, 64); err != nil {
			return 0, 0, err
		}
	}
	last = min(last, length-1)
	if first, err = strconv.ParseInt(from, 10, 64); err == nil && first > last {
		err = errors.New("beyond the end")
	}
	return first, last, err
}

// list makes one page up: PREFIX000000000 and so on, as many as the bucket's name says, each as long as its prefix says.
func list(w http.ResponseWriter, bucket, prefix, token, maxKeys string) {
	total, _ := strconv.Atoi(strings.TrimLeft(bucket, "abcdefghijklmnopqrstuvwxyz-"))
	from, _ := strconv.Atoi(token)
	limit := pageKeys
	if n, err := strconv.Atoi(maxKeys); err == nil {
		limit = min(n, limit)
	}
	to := min(from+limit, total)
	size := strings.TrimSuffix(prefix, "/")
	if _, err := strconv.Atoi(size); err != nil {
		size = "0"
	}
	page := make([]byte, 0, 512+300*limit)
	page = fmt.Appendf(page, `<ListBucketResult xmlns=%q><Name>%s</Name><Prefix>%s</Prefix><KeyCount>%d</KeyCount><MaxKeys>%d</MaxKeys><IsTruncated>%t</IsTruncated>`,
		namespace, bucket, prefix, to-from, limit, to < total)
	if to < total {
		page = fmt.Appendf(page, "<NextContinuationToken>%d</NextContinuationToken>", to)
	}
	for i := from; i < to; i++ {
		page = append(page, "<Contents><Key>"...)
		page = append(page, prefix...)
		page = append(page, strconv.Itoa(1_000_000_000 + i)[1:]...)
		page = append(page, "</Key><LastModified>"+modified+`</LastModified><ETag>&#34;0123456789abcdef0123456789abcdef&#34;</ETag><Size>`...)
		page = append(page, size...)
		page = append(page, "</Size><StorageClass>STANDARD</StorageClass></Contents>"...)
	}
	answer(w, string(append(page, "</ListBucketResult>"...)))
}

func etag(key string) string {
	sum := fnv.New128a()
	_, _ = io.WriteString(sum, key)
	return fmt.Sprintf(`"%x"`, sum.Sum(nil))
}

func answer(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "application/xml")
	w.Header().Set("Content-Length", strconv.Itoa(len(xml.Header)+len(body)))
	_, _ = io.WriteString(w, xml.Header)
	_, _ = io.WriteString(w, body)
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Del("Content-Length")
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, xml.Header+"<Error><Code>"+code+"</Code><Message>"+message+"</Message></Error>")
}
