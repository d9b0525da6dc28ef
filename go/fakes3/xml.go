package fakes3

// xml.go owns: XML as S3 writes it, and names as encoding-type=url writes them.
// It refuses to know: which elements an answer has.
//
// encoding/xml is not used to write: it turns what XML 1.0 cannot carry into U+FFFD, where S3 writes a character reference.

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

const namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

// document is an XML document being written.
type document struct {
	buf  bytes.Buffer
	open []string
}

// newDocument begins one; all of S3's answers but errors carry the namespace.
func newDocument(root string, named bool) *document {
	x := &document{open: []string{root}}
	x.buf.WriteString(`<?xml version="1.0" encoding="UTF-8"?>` + "\n<" + root)
	if named {
		x.buf.WriteString(` xmlns="` + namespace + `"`)
	}
	x.buf.WriteByte('>')
	return x
}

func (x *document) text(name, text string) {
	x.buf.WriteString("<" + name + ">")
	escapeXML(&x.buf, text)
	x.buf.WriteString("</" + name + ">")
}

func (x *document) integer(name string, n int64) { x.text(name, strconv.FormatInt(n, 10)) }

func (x *document) boolean(name string, b bool) { x.text(name, strconv.FormatBool(b)) }

func (x *document) begin(name string) {
	x.buf.WriteString("<" + name + ">")
	x.open = append(x.open, name)
}

func (x *document) end() {
	last := len(x.open) - 1
	x.buf.WriteString("</" + x.open[last] + ">")
	x.open = x.open[:last]
}

// bytes closes what is open and returns the whole.
func (x *document) bytes() []byte {
	for len(x.open) > 0 {
		x.end()
	}
	return x.buf.Bytes()
}

// escapeXML writes text so that a parser reads back exactly it: a bare \r\n would come back as \n.
func escapeXML(b *bytes.Buffer, text string) {
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == '&':
			b.WriteString("&amp;")
		case r == '<':
			b.WriteString("&lt;")
		case r == '>':
			b.WriteString("&gt;")
		case r == '"':
			b.WriteString("&quot;")
		case r < 0x20 || r == 0xFFFE || r == 0xFFFF:
			fmt.Fprintf(b, "&#x%x;", r)
		default:
			b.WriteString(text[i : i+n])
		}
		i += n
	}
}

// xmlCarries says whether XML 1.0 has a way to write text at all.
func xmlCarries(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool {
		return r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF
	})
}

// escapeURL is encoding-type=url: percent-encoding, with "+" for a space and "/" left alone.
func escapeURL(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-_.*/", c) >= 0:
			b.WriteByte(c)
		case c == ' ':
			b.WriteByte('+')
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}
