package byteranges

import "io"

// A messageReader reads message/byterange (draft-ietf-httpapi-patch-byterange-03, Section 3.2): one part, whose body goes
// to the end of the content.
type messageReader struct {
	src   *source
	lim   *Limits
	begun bool
}

func (m *messageReader) next() (Header, int64, error) {
	if m.begun {
		return nil, -1, io.EOF
	}
	m.begun = true
	h, err := readTextHeader(m.src, m.lim) // io.EOF: there is no part yet that could be interrupted
	return h, -1, err
}

func (m *messageReader) begin(int64) {}

func (m *messageReader) read(b []byte) (int, error) { return m.src.read(b) }

// short returns io.ErrUnexpectedEOF: the end of the part is the end of the content, as if the rest had been lost.
func (m *messageReader) short() error { return io.ErrUnexpectedEOF }

// A messageWriter writes message/byterange.
type messageWriter struct{ w io.Writer }

func (m *messageWriter) begin(h Header, n int64) error {
	_, err := m.w.Write(appendTextHeader(nil, h, n))
	return err
}

func (m *messageWriter) write(b []byte) (int, error) { return m.w.Write(b) }
func (m *messageWriter) end() error                  { return nil }
func (m *messageWriter) close() error                { return nil }
