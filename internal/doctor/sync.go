package doctor

import "time"

// The rule: ESO has processed the ExternalSecret, and calls it ready.

func checkSync(in Input) Finding {
	if f, stop := in.noSecret(); stop {
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
		return broken(in.describeExternalSecret(),
			"the External Secrets Operator has not processed ExternalSecret %q: check that it runs, and its controller class", e.Name)
	case ready.Status != "True":
		return broken(in.forceSync(), "the External Secrets Operator cannot sync ExternalSecret %q: %s: %s", e.Name, ready.Reason, ready.Message)
	case in.late():
		record, _ := in.App.Record()
		return broken(in.forceSync(),
			"the External Secrets Operator has not answered since %s: the Secret lacks what version %d of the parameter has", stamp(record.AsOf), record.Version)
	case e.Status.RefreshTime.IsZero():
		return ok("ready")
	}
	return ok("last synced %s", stamp(e.Status.RefreshTime.Time))
}

// late says that ESO did not answer the refresh that envgraft asked for when it
// saw a new version.
func (in Input) late() bool {
	record, found := in.App.Record()
	return found && record.Late
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
