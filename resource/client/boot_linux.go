package client

import (
	"os"
	"strings"
	"sync"
)

// bootID returns a name that the system has since it was started, and that no other has; "" if that is not known.
var bootID = sync.OnceValue(func() string {
	text, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "" // as in a container that hides it
	}
	return strings.TrimSpace(string(text))
})
