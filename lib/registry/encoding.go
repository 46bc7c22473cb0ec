package registry

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"cfs/lib/blob"
)

// A registry, or what stands before it, may send an answer encoded that was not asked for
// (RFC 9110, 8.4). Of a blob this cannot be told for sure: many a server also calls the
// compression of a file its encoding, and sends it as it is.

// encodingTransport asks for answers as they are, and undoes the encoding of those that
// come in another way all the same. As in net/http, who asks for an encoding itself gets what
// comes: so do those who read blobs, and know more about their bytes.
type encodingTransport struct{ loginTransport }

const (
	acceptEncoding = "Accept-Encoding"
	identity       = "identity"
)

func (t encodingTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Header.Get(acceptEncoding) != "" {
		return t.loginTransport.RoundTrip(req)
	}
	req = req.Clone(req.Context())
	req.Header.Set(acceptEncoding, identity)
	resp, err := t.loginTransport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if err := undoDocument(resp); err != nil {
		resp.Body.Close()
		return nil, err
	}
	return resp, nil
}

// errEncoding means that an answer is encoded in a way that cannot be undone.
var errEncoding = errors.New("which was not requested and is not supported")

// encodings returns how an answer says that it is encoded, the first encoding first.
func encodings(header http.Header) (names []string) {
	for _, line := range header.Values("Content-Encoding") {
		for name := range strings.SplitSeq(line, ",") {
			if name = strings.ToLower(strings.TrimSpace(name)); name != "" && name != identity {
				names = append(names, name)
			}
		}
	}
	return names
}

// undoDocument undoes the encoding of an answer that is a document of JSON, if it is encoded.
func undoDocument(resp *http.Response) error {
	names := encodings(resp.Header)
	if names == nil {
		return nil
	}
	in := bufio.NewReader(resp.Body)
	start, err := in.Peek(1)
	if err != nil || start[0] == '{' {
		resp.Body = rest{in, resp.Body}
		return nil
	}
	return undo(resp, in, names)
}

// rest is the body of an answer of which something was read ahead, or decoded.
type rest struct {
	io.Reader
	io.Closer
}

// undo undoes the encodings of an answer, the last one first.
func undo(resp *http.Response, in io.Reader, names []string) error {
	for i := len(names) - 1; i >= 0; i-- {
		var err error
		if in, err = decode(in, names[i]); err != nil {
			return err
		}
	}
	resp.Body = rest{in, resp.Body}
	resp.ContentLength, resp.Uncompressed = -1, true
	return nil
}

// decode undoes one encoding.
func decode(in io.Reader, name string) (io.Reader, error) {
	switch name {
	case "gzip", "x-gzip":
		return blob.Decompress(in, blob.Gzip)
	case "zstd":
		return blob.Decompress(in, blob.Zstd)
	case "deflate":
		b := bufio.NewReader(in)
		if head, err := b.Peek(2); err == nil && head[0]&0xf == 8 && (int(head[0])<<8|int(head[1]))%31 == 0 { // RFC 1950, 2.2
			return zlib.NewReader(b)
		}
		return flate.NewReader(b), nil // which some take it for
	}
	return nil, fmt.Errorf("the response has the Content-Encoding %.40q, %w", name, errEncoding)
}

// undoBlob undoes the encoding of an answer that is all of a blob, if it is encoded: not if
// it has the blob's size, nor if its encoding seems to be what the blob itself is.
func (b *body) undoBlob(resp *http.Response) error {
	names := encodings(resp.Header)
	if names == nil || resp.ContentLength == b.desc.Size {
		return nil
	}
	in := bufio.NewReaderSize(resp.Body, 64<<10)
	head, _ := in.Peek(in.Size())
	if isEncoded(head, names) && (resp.ContentLength >= 0 || !b.isItself(head)) {
		return undo(resp, in, names)
	}
	resp.Body = rest{in, resp.Body}
	return nil
}

// isEncoded reports whether what begins with head can be encoded as its header says.
func isEncoded(head []byte, names []string) bool {
	last := names[len(names)-1]
	if !strings.HasSuffix(last, "gzip") && last != "zstd" {
		return true // it has no magic
	}
	c, _, err := blob.Sniff(bytes.NewReader(head))
	return err == nil && c != blob.None
}

// isItself reports whether what begins with head, is called encoded and has no known size is
// the blob as it is: not what is compressed twice, and of what is compressed once that of
// which the media type says that it is. What that says is not always true, so a blob that was
// wrong and is opened again comes in the other way.
func (b *body) isItself(head []byte) bool {
	outer, _, err := blob.Sniff(bytes.NewReader(head))
	if err != nil || outer == blob.None {
		return false
	}
	if plain, err := blob.Decompress(bytes.NewReader(head), outer); err == nil {
		defer plain.Close()
		if inner, _, err := blob.Sniff(plain); err == nil && inner != blob.None {
			return false
		}
	}
	compressed := strings.HasSuffix(b.desc.MediaType, "gzip") || strings.HasSuffix(b.desc.MediaType, "zstd")
	b.guessed = compressed != b.again
	return b.guessed
}
