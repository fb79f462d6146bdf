package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestDownloadTools downloads with the tools that people have, if they are installed: each from the start, and what can go
// on with half a file does.
func TestDownloadTools(t *testing.T) {
	file := randomFile(t, 3, 8<<20)
	srv := startServe(t)
	base := "http://" + srv.addr + "/docs/"
	if err := command("infill", "put", "-q", file, base+"f"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		tool  string
		args  []string // after which come the directory and the URL
		dir   string   // flag of the directory, or of the file with its name
		begun bool     // goes on with half of the file
	}{
		{"curl", []string{"-sSf", "-C", "-", "-o"}, "f", true},
		{"wget", []string{"-q", "-c", "-P"}, "", true},
		{"aria2c", []string{"-q", "-x8", "-s8", "-k1M", "--file-allocation=none", "--allow-overwrite=true", "-d"}, "", false},
		{"aria2c", []string{"-q", "-c", "-x8", "-s8", "-k1M", "--file-allocation=none", "-d"}, "", true},
	} {
		t.Run(c.tool, func(t *testing.T) {
			if _, err := exec.LookPath(c.tool); err != nil {
				t.Skip(err)
			}
			dir := t.TempDir()
			got := filepath.Join(dir, "f")
			if c.begun {
				half, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(got, half[:len(half)/2], 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := command(c.tool, append(c.args, filepath.Join(dir, c.dir), base+"f")...); err != nil {
				t.Fatal(err)
			}
			sameFiles(t, file, got)
		})
	}
	t.Run("rclone", func(t *testing.T) {
		if _, err := exec.LookPath("rclone"); err != nil {
			t.Skip(err)
		}
		if err := command("infill", "put", "-q", file, base+"sub/some%20name"); err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if err := command("rclone", "--config", filepath.Join(dir, "none"), "copy", "--http-url", base, ":http:", filepath.Join(dir, "to")); err != nil {
			t.Fatal(err)
		}
		sameFiles(t, file, filepath.Join(dir, "to/f"))
		sameFiles(t, file, filepath.Join(dir, "to/sub/some name"))
	})
}
