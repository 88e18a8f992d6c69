package doctor

// The rule: ESO has processed the ExternalSecret, and calls it ready.

func checkSync(p Patient) Finding {
	if !p.needsSecret() {
		return noSecret()
	}
	e := p.App.ExternalSecret
	if e == nil {
		return unseen(p.App.ExternalSecrets.Cause)
	}
	ready := e.Ready()
	switch {
	case ready == nil:
		return broken(p.kubectl("describe externalsecret %s", e.Metadata.Name),
			"the External Secrets Operator has not processed ExternalSecret %q: check that it runs, and its controller class", e.Metadata.Name)
	case ready.Status != "True":
		return broken(p.forceSync(), "the External Secrets Operator cannot sync ExternalSecret %q: %s: %s", e.Metadata.Name, ready.Reason, ready.Message)
	case e.Status.RefreshTime.IsZero():
		return ok("ready")
	}
	return ok("last synced %s", stamp(e.Status.RefreshTime.Time))
}

// forceSync asks ESO for a refresh: it takes any change of an annotation as one.
func (p Patient) forceSync() string {
	return p.kubectl("annotate externalsecret %s force-sync=$(date +%%s) --overwrite", p.App.ExternalSecret.Metadata.Name)
}
