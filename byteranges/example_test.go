package byteranges_test

import (
	"errors"
	"fmt"
	"io"
	"log"
	"strings"

	"github.com/infill-http/infill/byteranges"
	"github.com/infill-http/infill/ranges"
)

// A document of two parts is applied to a resource as it is read.
func Example() {
	content := strings.NewReader("--B\r\n" +
		"Content-Range: bytes 0-1/8\r\n" +
		"Content-Type: text/plain\r\n" +
		"\r\n" +
		"AB\r\n" +
		"--B\r\n" +
		"Content-Range: bytes 6-7/8\r\n" +
		"\r\n" +
		"GH\r\n" +
		"--B--\r\n")
	resource := []byte("........")

	r, err := byteranges.NewReader(content, "multipart/byteranges; boundary=B", nil)
	if err != nil {
		log.Fatal(err)
	}
	for {
		p, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		body, err := io.ReadAll(p)
		if err != nil {
			log.Fatal(err)
		}
		copy(resource[p.Off:], body)
		fmt.Printf("%d bytes at %d of %d, type %q\n", p.Len, p.Off, p.Length, p.Header.Get("Content-Type"))
	}
	fmt.Println(string(resource))
	// Output:
	// 2 bytes at 0 of 8, type "text/plain"
	// 2 bytes at 6 of 8, type ""
	// AB....GH
}

// What was delivered of an interrupted part may be kept.
func ExamplePart_Read() {
	content := strings.NewReader("Content-Range: bytes 100-199/200\r\n\r\nthe first few")
	r, err := byteranges.NewReader(content, byteranges.MediaTypeMessage, nil)
	if err != nil {
		log.Fatal(err)
	}
	p, err := r.Next()
	if err != nil {
		log.Fatal(err)
	}
	body, err := io.ReadAll(p)
	fmt.Printf("%d of %d bytes, interrupted: %v\n", len(body), p.Len, errors.Is(err, io.ErrUnexpectedEOF))
	// Output: 13 of 100 bytes, interrupted: true
}

func ExampleWriter() {
	var doc strings.Builder
	w, err := byteranges.NewWriter(&doc, byteranges.MediaTypeMessage)
	if err != nil {
		log.Fatal(err)
	}
	body, err := w.CreatePart(byteranges.PartHeader{Off: 2, Len: 4, Length: 12})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := io.WriteString(body, "wxyz"); err != nil {
		log.Fatal(err)
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	fmt.Println(w.ContentType())
	fmt.Println(strings.ReplaceAll(doc.String(), "\r", ""))
	// Output:
	// message/byterange
	// Content-Range: bytes 2-5/12
	// Content-Length: 4
	//
	// wxyz
}

// The length of an answer with two ranges is known before anything is sent.
func ExampleFraming() {
	const data = "0123456789"
	f, err := byteranges.NewFraming([]ranges.Range{{Start: 8, End: 10}, {Start: 0, End: 2}}, int64(len(data)), "text/plain")
	if err != nil {
		log.Fatal(err)
	}
	var sent int
	for i := range f.Len() {
		sent += len(f.Head(i)) + len(data[f.Part(i).Start:f.Part(i).End])
	}
	sent += len(f.Tail())
	fmt.Println(int64(sent) == f.Size())
	// Output: true
}
