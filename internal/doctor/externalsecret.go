package doctor

import (
	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/clusterview"
)

// The rule: an ExternalSecret fills the Secret that the pods read, from their
// own parameter.

func checkExternalSecret(in Input) Finding {
	if f, stop := noSecret(in); stop {
		return f
	}
	if in.App.ExternalSecrets.State != clusterview.Found {
		return unseen(in.App.ExternalSecrets.Cause)
	}
	id, e := in.App.Subject.Identity, in.App.ExternalSecret
	switch {
	case e == nil && !in.App.Settings.Configuration.ExternalSecrets.Enabled:
		return unmanaged(in)
	case e == nil:
		return broken(restartServer(in), "ExternalSecret %q does not exist: envgraft's controller has not made it; see the Events of %s",
			id.ExternalSecret, in.App.Workload)
	case e.DeletionTimestamp != nil:
		return broken(describeExternalSecret(in), "ExternalSecret %q is being deleted since %s: it waits for the External Secrets Operator to release it",
			e.Name, stamp(e.DeletionTimestamp.Time))
	case e.Annotations[api.AnnotationRevoked] != "":
		return broken(describeExternalSecret(in), "ExternalSecret %q was stopped: %s", e.Name, e.Annotations[api.AnnotationRevoked])
	case e.SecretName() != id.Secret:
		return broken(patchTemplate(in, "annotations", api.AnnotationSecretName, name(e.SecretName())),
			"ExternalSecret %q fills Secret %q, while the pods read Secret %q", e.Name, e.SecretName(), id.Secret)
	case e.MadeByEnvgraft() && e.Parameter() != "" && e.Parameter() != id.Parameter:
		return broken(restartServer(in), "ExternalSecret %q reads parameter %q, while the pods' is %q", e.Name, e.Parameter(), id.Parameter)
	case !e.MadeByEnvgraft():
		return ok("%s, which somebody else made, fills Secret %s", e.Name, id.Secret)
	}
	return ok("%s fills Secret %s from parameter %s", e.Name, id.Secret, id.Parameter)
}

// unmanaged is for clusters where envgraft makes no ExternalSecrets. A Secret
// that exists is kept by somebody: an ExternalSecret would replace its data.
func unmanaged(in Input) Finding {
	secret := in.App.Subject.Identity.Secret
	const why = "envgraft makes none: externalSecrets.enabled is false"
	switch in.App.Secret.State {
	case clusterview.Found:
		return ok("Secret %s is kept by somebody else; %s", secret, why)
	case clusterview.NotFound:
		return broken(createExternalSecret(in), "no ExternalSecret fills Secret %q, and %s", secret, why)
	case clusterview.Unasked, clusterview.Forbidden, clusterview.Failed:
	}
	return unseen("no ExternalSecret fills Secret " + secret + ", and " + why)
}
