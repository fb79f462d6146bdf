package server

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"
)

// Types and flags of HTTP/2 frames (RFC 9113, Section 6).
const (
	frameData, frameHeaders, frameReset, frameSettings, framePing, frameGoAway = 0, 1, 3, 4, 6, 7

	flagAck, flagEndStream, flagEndHeaders = 1, 1, 4
)

// A frame is one frame of HTTP/2 (RFC 9113, Section 4.1).
type frame struct {
	kind, flags byte
	stream      uint32
	payload     []byte
}

func (f frame) append(b []byte) []byte {
	n := len(f.payload)
	b = append(b, byte(n>>16), byte(n>>8), byte(n), f.kind, f.flags)
	b = binary.BigEndian.AppendUint32(b, f.stream)
	return append(b, f.payload...)
}

// request returns the HEADERS frame of a request for "/", in HPACK without a dynamic table (RFC 7541).
func request(stream uint32, method string, flags byte) frame {
	block := []byte{0x86, 0x84, 0x01, 1, 'h'} // scheme http, path /, authority h
	block = append(append(block, 0x02, byte(len(method))), method...)
	return frame{frameHeaders, flags | flagEndHeaders, stream, block}
}

// frames is an HTTP/2 connection whose frames a test makes itself.
type frames struct {
	*net.TCPConn
	t *testing.T
}

// frames connects with HTTP/2 and the given settings.
func (r *running) frames(t *testing.T, settings ...byte) frames {
	t.Helper()
	f := frames{r.dial(t), t}
	if _, err := f.Write(frame{kind: frameSettings, payload: settings}.append([]byte(preface))); err != nil {
		t.Fatal(err)
	}
	return f
}

// send writes frames in one piece.
func (f frames) send(list ...frame) error {
	var b []byte
	for _, fr := range list {
		b = fr.append(b)
	}
	_, err := f.Write(b)
	return err
}

// next returns the next frame of a kind, and answers settings on the way to it.
func (f frames) next(kind byte) (frame, error) {
	for {
		var head [9]byte
		if _, err := io.ReadFull(f, head[:]); err != nil {
			return frame{}, err
		}
		fr := frame{kind: head[3], flags: head[4], stream: binary.BigEndian.Uint32(head[5:])}
		fr.payload = make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
		if _, err := io.ReadFull(f, fr.payload); err != nil {
			return frame{}, err
		}
		switch {
		case fr.kind == kind:
			return fr, nil
		case fr.kind == frameSettings && fr.flags&flagAck == 0:
			if err := f.send(frame{kind: frameSettings, flags: flagAck}); err != nil {
				return frame{}, err
			}
		case fr.kind == frameGoAway:
			return fr, errors.New("the server goes away")
		}
	}
}
