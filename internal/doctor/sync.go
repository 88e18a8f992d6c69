package doctor

import "time"

// The rule: ESO has processed the ExternalSecret, calls it ready, and answered the
// refresh that envgraft asked for when SSM had a new version.

func checkSync(in Input) Finding {
	if f, stop := noSecret(in); stop {
		return f
	}
	e := in.App.ExternalSecret
	if e == nil {
		if in.App.ExternalSecrets.Known() {
			return unneeded("no ExternalSecret is used")
		}
		return unseen(in.App.ExternalSecrets.Cause)
	}
	ready := e.Ready()
	switch {
	case in.runsWithout():
		return unneeded("there is no parameter to sync")
	case ready == nil:
		return broken(describeExternalSecret(in),
			"the External Secrets Operator has not processed ExternalSecret %q: check that it runs, and its controller class", e.Name)
	case ready.Status != "True":
		return broken(forceSync(in), "the External Secrets Operator cannot sync ExternalSecret %q: %s: %s", e.Name, ready.Reason, ready.Message)
	case !in.App.UnansweredSince().IsZero():
		return broken(forceSync(in),
			"the External Secrets Operator has not answered since %s: the Secret lacks what version %d of the parameter has",
			stamp(in.App.UnansweredSince()), e.Record.Version)
	case e.Status.RefreshTime.IsZero():
		return ok("ready")
	}
	return ok("last synced %s", stamp(e.Status.RefreshTime.Time))
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
