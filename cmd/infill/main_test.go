package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"infill": main, "idlers": idlers, "peak": peak})
}

// TestScript runs the scripts in testdata. They find infill in their PATH.
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"url":    setURL,
			"faults": expectFault,
		},
	})
}

// setURL sets $URL to the address in the line that infill serve printed, which the
// command before wrote to its standard output.
func setURL(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: url")
	}
	line := strings.TrimSpace(ts.ReadFile("stdout"))
	_, url, ok := strings.Cut(line, " on ")
	if !ok {
		ts.Fatalf("no address in %q", line)
	}
	ts.Setenv("URL", url)
}

// TestScenario runs the scenario of many clients that fill one resource, with curl.
func TestScenario(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a file of 200 MB and some ten seconds")
	}
	if _, err := exec.LookPath("curl"); err != nil {
		t.Fatal("the scenario needs curl: ", err)
	}
	dir := t.TempDir()
	binary := filepath.Join(dir, "infill")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	cmd := exec.Command("testdata/fill.sh", binary)
	cmd.Env = append(os.Environ(), "TMPDIR="+dir)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Fatal(err)
	}
}
