package doctor

// The rule: everything is named by the configuration of the cluster's
// envgraft. Where it cannot be read, the defaults are assumed, and that is said.

func checkConfiguration(p Patient) Finding {
	if p.Settings.Assumed != "" {
		return unseen("defaults are assumed: " + p.Settings.Assumed + "; give --config")
	}
	return ok("read from %s", p.Settings.From)
}
