// SPDX-License-Identifier: Apache-2.0

package v10

import (
	"crypto/sha1"
	"encoding/base64"
	"strconv"
	"strings"
)

// AppendETag appends the weak ETag that Express gives a body: W/"<hex length>-<27 characters of base64 of SHA-1>".
func AppendETag(dst, body []byte) []byte {
	sum := sha1.Sum(body)
	var text [28]byte
	base64.StdEncoding.Encode(text[:], sum[:])
	dst = append(dst, `W/"`...)
	dst = strconv.AppendInt(dst, int64(len(body)), 16)
	dst = append(dst, '-')
	dst = append(dst, text[:27]...)
	return append(dst, '"')
}

// Fresh reports whether an If-None-Match header names etag: then the answer is 304. The comparison is the weak one.
func Fresh(ifNoneMatch, etag string) bool {
	if ifNoneMatch == "" {
		return false
	}
	if strings.TrimSpace(ifNoneMatch) == "*" {
		return true
	}
	strong := strings.TrimPrefix(etag, "W/")
	for one := range strings.SplitSeq(ifNoneMatch, ",") {
		if strings.TrimPrefix(strings.TrimSpace(one), "W/") == strong {
			return true
		}
	}
	return false
}
