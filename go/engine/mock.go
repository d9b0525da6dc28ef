// This file owns where upstream's mock differs from S3 in what a client sees (contract §7), as far as the wire cannot show it; the
// rest is fakes3's RulesMock. It refuses to know the wire.

package engine

// mockRange is the mock's idea of a range: an end past the object is an error, and so is a start without an end.
func mockRange(r GetRequest, total int64) *Error {
	if r.Start == nil && r.End == nil {
		return nil
	}
	start := int64(0)
	if r.Start != nil {
		start = *r.Start
	}
	if start >= total || r.End == nil || *r.End > total {
		return newError(Service, "Client error: invalid range, length=%d", total)
	}
	return nil
}

// mockClassify is the mock's texts: a missing bucket is one on every verb but head, where it is a missing object.
func mockClassify(verb string, a *answer) *Error {
	if a.status == 404 && a.code == "NoSuchBucket" && verb != "head" {
		return newError(NotFound, "Service error: The bucket does not exist")
	}
	return nil
}
