// This file owns where upstream's mock differs from S3 in what a client sees (contract §7), as far as the wire cannot show it; the
// rest is fakes3's RulesMock. It refuses to know the wire.

package engine

// mockRange is the mock's idea of a range: an end past the object is an error, and so is a start without an end. An end without
// a start is honoured as on S3, since upstream has no idea of its own there: it ignores the end.
func mockRange(r GetRequest, total int64) *Error {
	if r.Start == nil || (*r.Start < total && r.End != nil && *r.End <= total) {
		return nil
	}
	return newError(Service, "Client error: invalid range, length=%d", total)
}

// mockClassify is the mock's texts: a missing bucket is one on every verb but head and copy, where it is a missing object.
func mockClassify(verb string, a *answer) *Error {
	if a.status == 404 && a.code == "NoSuchBucket" && verb != "head" && verb != "copy" {
		return newError(NotFound, "Service error: The bucket does not exist")
	}
	return nil
}

// MockKey is how a key of the mock travels and is stored. The mock takes keys that S3's protocol cannot carry: XML has no U+0000,
// and the SDK refuses an empty key. Each byte becomes a small letter and a capital, so that order, prefixes and delimiters stay
// those of the key's bytes; the x in front is never empty.
func MockKey(key string) string { return "x" + mockText(key) }

func mockText(text string) string {
	wire := make([]byte, 0, 2*len(text))
	for _, c := range []byte(text) {
		wire = append(wire, 'a'+c>>4, 'A'+c&15)
	}
	return string(wire)
}

// MockPlain is the key that MockKey was given.
func MockPlain(wire string) string {
	if wire == "" {
		return ""
	}
	plain := make([]byte, 0, len(wire)/2)
	for i := 1; i+1 < len(wire); i += 2 {
		plain = append(plain, (wire[i]-'a')<<4|(wire[i+1]-'A'))
	}
	return string(plain)
}

// mockRequest is a request with its keys as they travel.
func mockRequest(r any) any {
	switch r := r.(type) {
	case *GetRequest:
		q := *r
		q.Key = MockKey(r.Key)
		return &q
	case *PutRequest:
		q := *r
		q.Key = MockKey(r.Key)
		return &q
	case *HeadRequest:
		q := *r
		q.Key = MockKey(r.Key)
		return &q
	case *DeleteRequest:
		q := *r
		q.Key = MockKey(r.Key)
		return &q
	case *CopyRequest: // the mock takes the source key literally: a MockKey has nothing to decode
		q := *r
		q.SrcKey, q.DstKey = MockKey(r.SrcKey), MockKey(r.DstKey)
		return &q
	case *ListRequest:
		q := *r
		q.Prefix, q.Delimiter = MockKey(r.Prefix), mockText(r.Delimiter)
		if r.ContinuationToken != nil && *r.ContinuationToken != "" { // its token is the next key
			token := MockKey(*r.ContinuationToken)
			q.ContinuationToken = &token
		}
		return &q
	}
	return r
}

// mockPage is a list page with its keys as they are.
func mockPage(p *listReply) {
	for i := range p.Objects {
		p.Objects[i][0] = MockPlain(p.Objects[i][0].(string))
	}
	for i := range p.CommonPrefixes {
		p.CommonPrefixes[i] = MockPlain(p.CommonPrefixes[i])
	}
	if p.ContinuationToken != nil {
		token := MockPlain(*p.ContinuationToken)
		p.ContinuationToken = &token
	}
}
