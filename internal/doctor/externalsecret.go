package doctor

import (
	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/clusterview"
)

// The rule: an ExternalSecret fills the Secret that the pods read, from the
// parameter that is theirs.

func checkExternalSecret(p Patient) Finding {
	if !p.needsSecret() {
		return noSecret()
	}
	if p.App.ExternalSecrets.State != clusterview.Found {
		return unseen(p.App.ExternalSecrets.Cause)
	}
	id, e := p.App.Subject.Identity, p.App.ExternalSecret
	switch {
	case e == nil && !p.App.Settings.Configuration.ExternalSecrets.Enabled:
		return broken(p.createExternalSecret(), "no ExternalSecret fills Secret %q, and envgraft makes none: externalSecrets.enabled is false", id.Secret)
	case e == nil:
		return broken(p.restartServer(), "ExternalSecret %q does not exist: envgraft's controller has not made it; see the Events of %s",
			id.ExternalSecret, p.App.Workload)
	case e.Metadata.Annotations[api.AnnotationRevoked] != "":
		return broken(p.kubectl("get externalsecret %s -o yaml  # see annotation %s", e.Metadata.Name, api.AnnotationRevoked),
			"ExternalSecret %q was stopped: %s", e.Metadata.Name, e.Metadata.Annotations[api.AnnotationRevoked])
	case e.Target() != id.Secret:
		return broken(p.patchTemplate("annotations", api.AnnotationSecretName, name(e.Target())),
			"ExternalSecret %q fills Secret %q, while the pods read Secret %q", e.Metadata.Name, e.Target(), id.Secret)
	case e.Ours() && e.Parameter() != "" && e.Parameter() != id.Parameter:
		return broken(p.restartServer(), "ExternalSecret %q reads parameter %q, while the pods' is %q", e.Metadata.Name, e.Parameter(), id.Parameter)
	case !e.Ours():
		return ok("%s, which somebody else made, fills Secret %s", e.Metadata.Name, id.Secret)
	}
	return ok("%s fills Secret %s from parameter %s", e.Metadata.Name, id.Secret, id.Parameter)
}
