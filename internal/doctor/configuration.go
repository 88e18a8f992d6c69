package doctor

import "fmt"

// The rule: everything is named by the configuration of the cluster's
// envgraft. Where it cannot be read, the defaults are assumed, and that is said.
// An envgraft without one, or with one that is not understood, cannot start
// again, and the other checks would go by names that are not its own.

func checkConfiguration(in Input) Finding {
	s := in.Settings
	if s.Assumed == "" {
		return ok("read from %s", s.From)
	}
	elsewhere := ""
	for _, d := range in.Operators.Value.Envgraft {
		at := d.Metadata.Namespace + "/" + d.Metadata.Name
		if s.Unusable && at == in.Installation {
			return broken(upgrade(in), "%s", s.Assumed)
		}
		if s.Unusable {
			elsewhere = fmt.Sprintf("--installation %s, where an envgraft runs, or ", at)
		}
	}
	return unseen("defaults are assumed: " + s.Assumed + "; give " + elsewhere + "--config")
}
