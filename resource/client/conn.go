package client

import (
	"io"
	"net"
	"os"
)

// A wideConn is a connection that package net/http hands the content of requests to in one piece. It sends what is in a
// file without copying it, where the system can do that, and the rest through buffers that are larger than those of
// package io.
type wideConn struct{ net.Conn }

// sendPiece is how many bytes of a file are sent at once: a stalled connection is noticed between two pieces.
const sendPiece = 1 << 20

// ReadFrom implements io.ReaderFrom.
func (c wideConn) ReadFrom(r io.Reader) (n int64, err error) {
	n, err = c.sendFile(r)
	if err != nil {
		return n, err
	}
	buf := copyBuffers.Get().(*[256 << 10]byte)
	defer copyBuffers.Put(buf)
	m, err := io.CopyBuffer(struct{ io.Writer }{c.Conn}, struct{ io.Reader }{r}, buf[:])
	return n + m, err
}

// sendFile sends what r, the limited content of a request, has in a file. It sends nothing if r is something else.
func (c wideConn) sendFile(r io.Reader) (n int64, err error) {
	limited, ok := r.(*io.LimitedReader)
	if !ok {
		return 0, nil
	}
	body, ok := limited.R.(*watchedBody)
	if !ok {
		return 0, nil
	}
	doc, ok := body.source.r.(*document)
	if !ok {
		return 0, nil
	}
	f, ok := doc.src.(*os.File)
	conn, ok2 := c.Conn.(*net.TCPConn)
	if !ok || !ok2 {
		return 0, nil
	}
	for len(doc.head) > 0 && limited.N > 0 {
		m, err := conn.Write(doc.head[:min(limited.N, int64(len(doc.head)))])
		doc.head = doc.head[m:]
		limited.N -= int64(m)
		n += int64(m)
		body.took(m, false)
		if err != nil {
			return n, err
		}
	}
	for limited.N > 0 && doc.n > 0 {
		sent, err := sendFile(conn, f, doc.off, int(min(limited.N, doc.n, sendPiece)))
		if sent == 0 && err == nil {
			break // there is another way, which also finds out if the file has become shorter
		}
		doc.off += int64(sent)
		doc.n -= int64(sent)
		limited.N -= int64(sent)
		n += int64(sent)
		body.took(sent, false)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
