package facts

import (
	"fmt"
	"regexp"
	"strings"
	"time"
)

// The rule: a signature that is too old or too new comes from a clock that is
// wrong. AWS refuses it with the codes for bad credentials, and whoever reads
// that looks for a role instead of a clock.

// isClockFault knows a request that AWS refuses for the time it was signed at.
func isClockFault(code, message string) bool {
	switch code {
	case "RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture":
		return true
	}
	return strings.HasPrefix(message, "Signature expired") || strings.HasPrefix(message, "Signature not yet current")
}

// signatureTimes finds the time of the signature and, in brackets, AWS's own:
// "Signature expired: T1 is now earlier than T2 (T3 - 5 min.)".
var signatureTimes = regexp.MustCompile(`: (\d{8}T\d{6}Z) is .*\((\d{8}T\d{6}Z) [-+] `)

// clockCause says how far the clock is off, where AWS says it.
func clockCause(message string) string {
	const layout = "20060102T150405Z"
	if match := signatureTimes.FindStringSubmatch(message); match != nil {
		ours, err := time.Parse(layout, match[1])
		aws, other := time.Parse(layout, match[2])
		if err == nil && other == nil {
			direction, off := "slow", aws.Sub(ours)
			if off < 0 {
				direction, off = "fast", -off
			}
			return fmt.Sprintf("the clock of the node is %s %s: synchronize it, AWS accepts 5 minutes", off, direction)
		}
	}
	return "the clock of the node is wrong: synchronize it, AWS accepts 5 minutes"
}
