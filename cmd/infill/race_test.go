//go:build race

package main

// slowTests says that the race detector runs, which takes time and memory.
const slowTests = true
