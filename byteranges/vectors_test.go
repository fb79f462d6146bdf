package byteranges

import "testing"

// vectors are documents of application/byteranges, of message/byterange (MB1), and of multipart/byteranges with the
// boundary B (MP1).
var vectors = map[string]string{
	"V1":   unhex("08 1b" + rangeHex + "0c 62 79 74 65 73 20 32 2d 35 2f 31 32 04 77 78 79 7a"),
	"V2":   unhex("0a 0e 63 6f 6e 74 65 6e 74 2d 6f 66 66 73 65 74 14 32 3b 63 6f 6d 70 6c 65 74 65 2d 6c 65 6e 67 74 68 3d 31 32 00 02 77 78 02 79 7a 00"),
	"V3":   unhex("08 1a" + rangeHex + "0b 62 79 74 65 73 20 30 2d 31 2f 38 02 41 42 08 1a" + rangeHex + "0b 62 79 74 65 73 20 36 2d 37 2f 38 02 47 48"),
	"V4":   unhex("08 1a" + rangeHex + "0b 62 79 74 65 73 20 30 2d 31 2f 2a 02 41 42 0a" + offsetHex + "01 32 00 02 43 44 00"),
	"V5":   unhex("40 08 1b" + rangeHex + "0c 62 79 74 65 73 20 32 2d 35 2f 31 32 04 77 78 79 7a"),
	"V6":   unhex("c0 00 00 00 00 00 00 08 1b" + rangeHex + "0c 62 79 74 65 73 20 32 2d 35 2f 31 32 04 77 78 79 7a"),
	"V7":   unhex("08 1b" + rangeHex + "0c 62 79 74 65 73 20 2a 2f 31 30 30 30 00"),
	"V7t":  unhex("08 1b" + rangeHex + "0c 62 79 74 65 73 20 2a 2f 31 30 30 30"),
	"V8":   unhex("08 1b" + rangeHex + "0c 62 79 74 65 73 20 2a 2f 31 30 30 30 01 78"),
	"V9":   unhex("08 1b" + rangeHex + "0c 62 79 74 65 73 20 30 2d 39 2f 31 30 0a 61 62 63 64"),
	"V10":  unhex("08 1b" + rangeHex + "0c 62 79 74 65 73 20 30 2d 39 2f 31 30 04 61 62 63 64"),
	"V11":  unhex("08 1a" + rangeHex + "0b 62 79 74 65 73 20 30 2d 33 2f 34 06 61 62 63 64 65 66"),
	"V12":  unhex("0a" + offsetHex + "01 30 00 ff ff ff ff ff ff ff ff 61 62"),
	"V13":  unhex("08 05 0d 63 6f 6e 74"),
	"V14":  unhex("08 02 00 00 00"),
	"V15":  unhex("08 23 05 3a 70 61 74 68 02 2f 78" + rangeHex + "0b 62 79 74 65 73 20 30 2d 30 2f 31 01 61"),
	"V16":  unhex("08 1b" + rangeHex + "0c 20 62 79 74 65 73 20 30 2d 30 2f 31 01 61"),
	"V17":  unhex("08 31 0c 63 6f 6e 74 65 6e 74 2d 74 79 70 65 09 61 2f 62 0d 0a 58 3a 20 79" + rangeHex + "0b 62 79 74 65 73 20 30 2d 30 2f 31 01 61"),
	"V18":  unhex("08 1a 0d 43 6f 6e 74 65 6e 74 2d 52 61 6e 67 65 0b 62 79 74 65 73 20 30 2d 30 2f 31 01 61"),
	"V19":  unhex("08 1a" + rangeHex + "0b 62 79 74 65 73 20 30 2d 30 2f 31 01 61 00 00 00"),
	"V20":  unhex("00 1a" + rangeHex + "0b 62 79 74 65 73 20 30 2d 30 2f 31 01 61"),
	"V21":  unhex("0a" + offsetHex + "01 32 00 04 77 78 79 7a"),
	"V22":  unhex("0a" + rangeHex + "0c 62 79 74 65 73 20 32 2d 35 2f 31 32 00 02 77 78 02 79 7a 00"),
	"V23":  unhex("0a" + offsetHex + "01 35 00 00"),
	"V28":  unhex("08 1a" + rangeHex + "0b 62 79 74 65 73 20 30 2d 33 2f 38 04 41 41 41 41 08 1a" + rangeHex + "0b 62 79 74 65 73 20 32 2d 35 2f 38 04 42 42 42 42"),
	"V29":  unhex("08 1a" + rangeHex + "0b 62 79 74 65 73 20 30 2d 31 2f 38 02 41 42 08 1a" + rangeHex + "0b 62 79 74 65 73 20 36 2d 37 2f 38 02 47"),
	"V30":  unhex("08 1b" + rangeHex + "0c 62 79 74 65 73 20 32 2d 35 2f 31 32 ff ff ff ff ff ff ff ff 77 78 79 7a"),
	"V31":  unhex("08 80 00 00 1b" + rangeHex + "0c 62 79 74 65 73 20 32 2d 35 2f 31 32 04 77 78 79 7a"),
	"A02":  unhex("08 18 0c 63 6f 6e 74 65 6e 74 2d 74 79 70 65 0a 74 65 78 74 2f 70 6c 61 69 6e 01 61"),
	"A03":  unhex("08 1a" + rangeHex + "0b 69 74 65 6d 73 20 30 2d 30 2f 31 01 61"),
	"A13":  unhex("08 2b" + rangeHex + "0b 62 79 74 65 73 20 30 2d 30 2f 31" + offsetHex + "01 30 01 61"),
	"A20":  unhex("08 2b" + rangeHex + "0b 62 79 74 65 73 20 30 2d 33 2f 34 0e 63 6f 6e 74 65 6e 74 2d 6c 65 6e 67 74 68 01 35 04 61 62 63 64"),
	"FI9":  unhex("09 1a" + rangeHex + "0b 62 79 74 65 73 20 30 2d 30 2f 31 01 61"),
	"huge": unhex("08" + offsetLine + "ff ff ff ff ff ff ff ff 61 62"),
	"MB1":  unhex("43 6f 6e 74 65 6e 74 2d 52 61 6e 67 65 3a 20 62 79 74 65 73 20 32 2d 35 2f 31 32 0d 0a 0d 0a 77 78 79 7a"),
	"MP1":  "--B\r\nContent-Range: bytes 0-1/8\r\n\r\nAB\r\n--B\r\nContent-Range: bytes 6-7/8\r\n\r\nGH\r\n--B--\r\n",
}

const (
	rangeHex   = " 0d 63 6f 6e 74 65 6e 74 2d 72 61 6e 67 65 "    // length and name
	offsetHex  = " 0e 63 6f 6e 74 65 6e 74 2d 6f 66 66 73 65 74 " // length and name
	offsetLine = " 11" + offsetHex + "01 30 "                     // a section with the offset 0
)

func TestVectors(t *testing.T) {
	cases := func(outcomes map[string]string) (cases []testCase) {
		for name, outcome := range outcomes {
			cases = append(cases, testCase{name, vectors[name], outcome})
		}
		return cases
	}
	run(t, ab, cases(map[string]string{
		"V7t": "incomplete",
		"V8":  "body-not-empty",
		"V9":  `0+10/10 "abcd" incomplete`,
		"V10": `0+10/10! "abcd" mismatch`,
		"V11": `0+4/4! "abcd" mismatch`,
		"V12": `0+?/* "ab" incomplete`,
		"V13": "malformed",
		"V14": "malformed",
		"V15": "malformed",
		"V16": "malformed",
		"V17": "malformed",
		"V19": `0+1/1 "a" malformed`,
		"V20": "malformed",
		"V21": `2+?/* "wxyz" incomplete`,
		"V28": `0+4/8 "AAAA" overlap`,
		"V29": `0+2/8 "AB" 6+2/8 "G" incomplete`,
		"V30": `2+4/12! "wxyz" mismatch`,
		"A02": "no-range",
		"A03": "unit",
		"A13": "malformed",
		"A20": "mismatch",
		"FI9": "malformed",

		"huge": `0+4611686018427387903/* "ab" incomplete`,

		"V1":  `2+4/12 "wxyz" ok`,
		"V2":  `2+?/12 "wxyz" ok`,
		"V3":  `0+2/8 "AB" 6+2/8 "GH" ok`,
		"V4":  `0+2/* "AB" 2+?/* "CD" ok`,
		"V5":  `2+4/12 "wxyz" ok`,
		"V6":  `2+4/12 "wxyz" ok`,
		"V7":  `*/1000 ok`,
		"V18": `0+1/1 "a" ok`,
		"V22": `2+4/12 "wxyz" ok`,
		"V23": `5+?/* "" ok`,
		"V31": `2+4/12 "wxyz" ok`,
	}))
	run(t, mb, cases(map[string]string{"MB1": `2+4/12 "wxyz" ok`}))
	run(t, mp, cases(map[string]string{"MP1": `0+2/8 "AB" 6+2/8 "GH" ok`}))
}
