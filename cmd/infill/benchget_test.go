package main

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

const (
	headCount   = 4 << 10 // requests of one round
	multiCount  = 1 << 10
	multiRanges = 16 // of rangeSize each, in one request
)

// BenchmarkHead asks for the state of incomplete resources over 64 connections: what one with 100,000 separate ranges
// costs, against one with as many as a response lists at most, and one with 10.
func BenchmarkHead(b *testing.B) {
	const many = 100_000
	infill := serveInfill(b)
	client := smallClient(b)
	for _, n := range []int64{10, 64, many} {
		if err := sendIslands(client, infill+"/"+strconv.FormatInt(n, 10), n); err != nil {
			b.Fatal(err)
		}
	}
	head := func(n int64) side {
		url := infill + "/" + strconv.FormatInt(n, 10)
		return side{metric: strconv.FormatInt(n, 10) + "-ranges/s", round: func(int) error {
			return bySmallClients(headCount, func(int64) error { return get(client, "HEAD", url, "", http.StatusOK, 0) })
		}}
	}
	for _, few := range []int64{10, 64} {
		b.Run(fmt.Sprint("than", few), func(b *testing.B) { compare(b, headCount, [2]side{head(few), head(many)}) })
	}
}

// sendIslands fills every second byte of a resource, with patches of many parts.
func sendIslands(client *http.Client, url string, n int64) error {
	const parts = 1000 // below --max-parts
	for first := int64(0); first < n; first += parts {
		var doc strings.Builder
		for i := first; i < min(n, first+parts); i++ {
			fmt.Fprintf(&doc, "--b\r\nContent-Range: bytes %d-%d/%d\r\n\r\nx\r\n", 2*i, 2*i, 2*n)
		}
		doc.WriteString("--b--\r\n")
		req, err := http.NewRequest("PATCH", url, strings.NewReader(doc.String()))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "multipart/byteranges; boundary=b")
		res, err := client.Do(req)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode/100 != 2 {
			return fmt.Errorf("PATCH %s: %s: %s, %v", url, res.Status, text, err)
		}
	}
	return nil
}

// BenchmarkMultiRanges reads 16 ranges of 64 KiB with each request, over 64 connections; the other side is http.ServeFile.
func BenchmarkMultiRanges(b *testing.B) {
	bare, infill := serveBare(b), serveInfill(b)
	client := smallClient(b)
	for _, url := range []string{bare, infill} {
		if err := send("PUT", url+"/ranges", benchSize, 0); err != nil {
			b.Fatal(err)
		}
	}
	read := func(name, url string) side {
		return side{metric: name + "/s", round: func(int) error {
			return bySmallClients(multiCount, func(n int64) error {
				var value strings.Builder
				for i := range int64(multiRanges) {
					off := (n*multiRanges + i) * 7919 % (benchSize / rangeSize) * rangeSize
					fmt.Fprintf(&value, ",%d-%d", off, off+rangeSize-1)
				}
				return get(client, "GET", url+"/ranges", "bytes="+value.String()[1:], http.StatusPartialContent, multiRanges*rangeSize)
			})
		}}
	}
	compare(b, multiCount, [2]side{read("bare", bare), read("infill", infill)})
}

// get makes a request for ranges, if any, and expects a status and at least so many bytes.
func get(client *http.Client, method, url, ranges string, status int, least int64) error {
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		return err
	}
	if ranges != "" {
		req.Header.Set("Range", ranges)
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	if err == nil && (n < least || res.StatusCode != status) {
		err = fmt.Errorf("%s %s: %s, %d bytes", method, url, res.Status, n)
	}
	return err
}
