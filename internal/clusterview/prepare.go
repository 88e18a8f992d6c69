package clusterview

import (
	"time"

	"k8s.io/client-go/rest"
)

// requestTimeout bounds a request of a person who waits, unless a flag says otherwise.
const requestTimeout = 20 * time.Second

// Prepare sets what all commands have in common: a timeout, and the program's version
// in the API server's audit log.
func Prepare(c *rest.Config, version string) *rest.Config {
	if c.Timeout == 0 {
		c.Timeout = requestTimeout
	}
	c.UserAgent = "envgraft/" + version
	// The API server's own warnings are about manifests that these commands did not write.
	c.WarningHandler = rest.NoWarnings{}
	return c
}
