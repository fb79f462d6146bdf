package main

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/infill-http/infill"

// layers says what each package may import beside the standard library. Names
// without a dot in their first element are packages of this module; a name covers
// the packages below it, except that of a package of this module.
var layers = map[string][]string{
	"ranges":                 {"github.com/dunglas/httpsfv"},
	"ranges/crc32c":          {},
	"byteranges":             {"ranges"},
	"store":                  {"ranges", "ranges/crc32c", "github.com/cockroachdb/pebble/v2", "golang.org/x"},
	"resource/internal/pace": {},
	"resource":               {"byteranges", "store", "ranges", "ranges/crc32c", "resource/internal/pace", "github.com/klauspost/compress", "github.com/dunglas/httpsfv"},
	"resource/client":        {"byteranges", "ranges", "ranges/crc32c", "github.com/dunglas/httpsfv", "golang.org/x/net/http/httpguts"},
	"resource/server":        {"resource/internal/pace", "golang.org/x"},
	"spec":                   {},
	"cmd/infill/internal/bench": {"byteranges", "github.com/dustin/go-humanize",
		"github.com/HdrHistogram/hdrhistogram-go", "github.com/aws/aws-sdk-go-v2"},
	"cmd/infill": {"resource", "resource/server", "resource/client", "byteranges", "ranges", "store", "cmd/infill/internal/bench",
		"github.com/spf13/cobra", "github.com/spf13/pflag", "github.com/dustin/go-humanize", "github.com/vbauerster/mpb/v8",
		"golang.org/x/net/http/httpguts"},
}

// tests says what tests may import in addition. They may also use all packages of
// this module that are below their own, and that one again.
var tests = []string{
	"github.com/anishathalye/porcupine",
	"github.com/cockroachdb/datadriven",
	"github.com/cockroachdb/pebble/v2", // its file systems; and a bare map is what creations are measured against
	"github.com/google/go-cmp",
	"github.com/rogpeppe/go-internal",
	"golang.org/x",
}

// TestLayering checks the direction of imports.
func TestLayering(t *testing.T) {
	const format = `{{.ImportPath}}: {{join .Imports " "}}: {{join .TestImports " "}} {{join .XTestImports " "}}`
	out, err := exec.Command("go", "list", "-f", format, module+"/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Split(strings.TrimSpace(line), ": ")
		pkg := local(fields[0])
		allowed, ok := layers[pkg]
		if !ok {
			t.Errorf("package %s has no place in the layers", pkg)
			continue
		}
		for imp := range strings.FieldsSeq(fields[1]) {
			if !permitted(local(imp), allowed) {
				t.Errorf("%s imports %s", pkg, imp)
			}
		}
		if len(fields) < 3 {
			continue
		}
		allowed = slices.Concat(allowed, tests, below(pkg), []string{pkg})
		for imp := range strings.FieldsSeq(fields[2]) {
			if !permitted(local(imp), allowed) {
				t.Errorf("a test of %s imports %s", pkg, imp)
			}
		}
	}
}

// local returns the path of a package of this module inside it, others as they are.
func local(pkg string) string { return strings.TrimPrefix(pkg, module+"/") }

// below returns the packages of this module that pkg may reach. The tests of spec, of
// the client and of the load generator run the whole server.
func below(pkg string) []string {
	var list []string
	for _, imp := range layers[pkg] {
		if _, ok := layers[imp]; ok {
			list = append(append(list, imp), below(imp)...)
		}
	}
	switch pkg {
	case "spec":
		list = append(below("cmd/infill"), list...)
	case "cmd/infill/internal/bench", "resource/client":
		list = append(append(below("resource"), "resource", "resource/server"), list...)
	}
	return list
}

// permitted reports whether imp may be imported by what may import allowed.
func permitted(imp string, allowed []string) bool {
	if _, ok := layers[imp]; ok {
		return slices.Contains(allowed, imp)
	}
	if first, _, _ := strings.Cut(imp, "/"); !strings.Contains(first, ".") {
		return true // the standard library
	}
	return slices.ContainsFunc(allowed, func(a string) bool {
		return imp == a || strings.HasPrefix(imp, a+"/")
	})
}
