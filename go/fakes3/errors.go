package fakes3

// errors.go owns: the errors that S3 answers with: status, code, message and their XML.
// It refuses to know: when each of them is due.

import "net/http"

// apiError is an answer that is an error.
type apiError struct {
	status        int
	code, message string
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

// document is the error as S3 writes it. The elements that name the culprit differ from code to code.
func (e *apiError) document(c *call) *document {
	x := newDocument("Error", false)
	x.text("Code", e.code)
	x.text("Message", e.message)
	switch e.code {
	case "NoSuchKey", "ObjectNotInActiveTierError", "InvalidObjectState":
		x.text("Key", c.key)
	case "NoSuchBucket", "BucketNotEmpty", "BucketAlreadyOwnedByYou", "InvalidBucketName":
		x.text("BucketName", c.bucket)
	case "NoSuchUpload", "InvalidPart", "InvalidPartOrder", "EntityTooSmall":
		x.text("UploadId", c.query.Get("uploadId"))
	}
	x.text("RequestId", c.id)
	x.text("HostId", "fakes3/"+c.id)
	return x
}

// Texts and codes: "Error responses" in the S3 API reference.
var (
	errAccessDenied       = &apiError{http.StatusForbidden, "AccessDenied", "Access Denied"}
	errBadDigest          = &apiError{http.StatusBadRequest, "BadDigest", "The Content-MD5 or checksum value that you specified did not match what the server received."}
	errBucketNotEmpty     = &apiError{http.StatusConflict, "BucketNotEmpty", "The bucket you tried to delete is not empty"}
	errBucketOwned        = &apiError{http.StatusConflict, "BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it."}
	errCopyToItself       = &apiError{http.StatusBadRequest, "InvalidRequest", "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes."}
	errEntityTooLarge     = &apiError{http.StatusBadRequest, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size"}
	errEntityTooSmall     = &apiError{http.StatusBadRequest, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size"}
	errIncompleteBody     = &apiError{http.StatusBadRequest, "IncompleteBody", "The request body terminated unexpectedly"}
	errInvalidBucketName  = &apiError{http.StatusBadRequest, "InvalidBucketName", "The specified bucket is not valid."}
	errInvalidDigest      = &apiError{http.StatusBadRequest, "InvalidDigest", "The Content-MD5 you specified was invalid."}
	errInvalidObjectState = &apiError{http.StatusForbidden, "InvalidObjectState", "The operation is not valid for the object's storage class"}
	errInvalidPart        = &apiError{http.StatusBadRequest, "InvalidPart", "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."}
	errInvalidPartNumber  = &apiError{http.StatusRequestedRangeNotSatisfiable, "InvalidPartNumber", "The requested partnumber is not satisfiable"}
	errInvalidPartOrder   = &apiError{http.StatusBadRequest, "InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered by part number."}
	errInvalidRange       = &apiError{http.StatusRequestedRangeNotSatisfiable, "InvalidRange", "The requested range is not satisfiable"}
	errInvalidStorage     = &apiError{http.StatusBadRequest, "InvalidStorageClass", "The storage class you specified is not valid"}
	errInvalidURI         = &apiError{http.StatusBadRequest, "InvalidURI", "Couldn't parse the specified URI."}
	errKeyTooLong         = &apiError{http.StatusBadRequest, "KeyTooLongError", "Your key is too long"}
	errMalformedXML       = &apiError{http.StatusBadRequest, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema"}
	errMethodNotAllowed   = &apiError{http.StatusMethodNotAllowed, "MethodNotAllowed", "The specified method is not allowed against this resource."}
	errMissingLength      = &apiError{http.StatusLengthRequired, "MissingContentLength", "You must provide the Content-Length HTTP header."}
	errNoSuchBucket       = &apiError{http.StatusNotFound, "NoSuchBucket", "The specified bucket does not exist"}
	errNoSuchKey          = &apiError{http.StatusNotFound, "NoSuchKey", "The specified key does not exist."}
	errNoSuchUpload       = &apiError{http.StatusNotFound, "NoSuchUpload", "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."}
	errNotActiveTier      = &apiError{http.StatusForbidden, "ObjectNotInActiveTierError", "The source object of the COPY action is not in the active tier and is only stored in Amazon S3 Glacier."}
	errNotImplemented     = &apiError{http.StatusNotImplemented, "NotImplemented", "A header or query you provided implies functionality that is not implemented."}
	errNotModified        = &apiError{http.StatusNotModified, "NotModified", ""}
	errPrecondition       = &apiError{http.StatusPreconditionFailed, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold"}
	errSHA256Mismatch     = &apiError{http.StatusBadRequest, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed."}
)

// invalidArgument is S3's answer to a parameter that is nonsense.
func invalidArgument(message string) error {
	return &apiError{http.StatusBadRequest, "InvalidArgument", message}
}

// invalidRequest is S3's answer to parameters that do not go together.
func invalidRequest(message string) error {
	return &apiError{http.StatusBadRequest, "InvalidRequest", message}
}
