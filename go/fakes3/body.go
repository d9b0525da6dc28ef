package fakes3

// body.go owns: reading an object's or part's bytes from a request, plain or aws-chunked, and checking what came with them.
// It refuses to know: what they are for.

import (
	"bufio"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
)

// maxPut is the most that one PUT may carry.
const maxPut = 5 << 30

// readBody reads a whole body into memory of its own; etag is its MD5 in hex.
func readBody(r *http.Request) (data []byte, etag string, err error) {
	length, body := r.ContentLength, io.Reader(r.Body)
	var chunks *chunkReader
	if strings.Contains(r.Header.Get("Content-Encoding"), "aws-chunked") ||
		strings.HasPrefix(r.Header.Get("x-amz-content-sha256"), "STREAMING-") {
		length, err = strconv.ParseInt(r.Header.Get("x-amz-decoded-content-length"), 10, 64)
		if err != nil {
			return nil, "", errMissingLength
		}
		chunks = &chunkReader{src: bufio.NewReader(r.Body)}
		body = chunks
	}
	switch {
	case length < 0:
		return nil, "", errMissingLength
	case length > maxPut:
		return nil, "", errEntityTooLarge
	}
	data = make([]byte, length)
	if _, err := io.ReadFull(body, data); err != nil {
		return nil, "", errIncompleteBody
	}
	var trailer http.Header
	if chunks != nil {
		if n, err := io.ReadFull(chunks, make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) {
			return nil, "", errIncompleteBody // more than was announced, or an end that is none
		}
		trailer = chunks.trailer
	}
	sum := md5.Sum(data)
	return data, hex.EncodeToString(sum[:]), verify(r.Header, trailer, data, sum[:])
}

// crc64NVME is CRC-64/NVME, bits reflected as hash/crc64 wants them.
var crc64NVME = crc64.MakeTable(0x9a6c9329ac4bc9b5)

var checksums = map[string]func() hash.Hash{
	"x-amz-checksum-crc32":     func() hash.Hash { return crc32.NewIEEE() },
	"x-amz-checksum-crc32c":    func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) },
	"x-amz-checksum-crc64nvme": func() hash.Hash { return crc64.New(crc64NVME) },
	"x-amz-checksum-sha1":      sha1.New,
	"x-amz-checksum-sha256":    sha256.New,
}

// verify checks data against whatever the client said of it, in headers or trailer.
func verify(header, trailer http.Header, data, sum []byte) error {
	if h := header.Get("Content-MD5"); h != "" {
		said, err := base64.StdEncoding.DecodeString(h)
		if err != nil || len(said) != md5.Size {
			return errInvalidDigest
		}
		if string(said) != string(sum) {
			return errBadDigest
		}
	}
	if said, err := hex.DecodeString(header.Get("x-amz-content-sha256")); err == nil && len(said) == sha256.Size {
		if got := sha256.Sum256(data); string(got[:]) != string(said) {
			return errSHA256Mismatch
		}
	}
	for name, algorithm := range checksums {
		said := header.Get(name)
		if said == "" {
			said = trailer.Get(name)
		}
		if said == "" {
			continue
		}
		h := algorithm()
		h.Write(data)
		if base64.StdEncoding.EncodeToString(h.Sum(nil)) != said {
			return errBadDigest
		}
	}
	return nil
}

var errChunk = errors.New("malformed aws-chunked body")

// chunkReader decodes aws-chunked: "size[;chunk-signature=…]\r\n" and so many bytes and "\r\n", again and again; after
// a size of 0, lines of trailer. Signatures are not looked at.
type chunkReader struct {
	src     *bufio.Reader
	left    int64 // of the chunk being read
	begun   bool
	err     error
	trailer http.Header
}

func (c *chunkReader) Read(p []byte) (int, error) {
	if c.err == nil && c.left == 0 {
		c.err = c.next()
	}
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.src.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	if err != nil {
		c.err = io.ErrUnexpectedEOF
	}
	return n, c.err
}

// next reads up to the first byte of the next chunk; at the end of the last it reads the trailer.
func (c *chunkReader) next() error {
	if c.begun {
		if line, err := c.line(); err != nil || line != "" {
			return errChunk
		}
	}
	c.begun = true
	line, err := c.line()
	if err != nil {
		return errChunk // also io.EOF: only a chunk of size 0 is an end
	}
	size, _, _ := strings.Cut(line, ";")
	n, err := strconv.ParseUint(strings.TrimSpace(size), 16, 62)
	if err != nil {
		return errChunk
	}
	if c.left = int64(n); n > 0 {
		return nil
	}
	c.trailer = http.Header{}
	for {
		line, err := c.line()
		if line == "" && (err == nil || errors.Is(err, io.EOF)) {
			return io.EOF // some clients leave the last empty line out
		}
		name, value, ok := strings.Cut(line, ":")
		if err != nil || !ok {
			return errChunk
		}
		c.trailer.Set(textproto.TrimString(name), textproto.TrimString(value))
	}
}

// line reads up to a line's end and returns it without. A line without end is an error, as is one of more than 4 KiB.
func (c *chunkReader) line() (string, error) {
	line, err := c.src.ReadSlice('\n')
	if err != nil {
		if errors.Is(err, io.EOF) && len(line) > 0 {
			err = io.ErrUnexpectedEOF
		}
		return "", err
	}
	return strings.TrimSuffix(string(line[:len(line)-1]), "\r"), nil
}
