package doctor

import "github.com/envgraft/envgraft/internal/clusterview"

// The rule: at least one replica of envgraft is ready.

func checkEnvgraft(in Input) Finding {
	if in.Operators.State != clusterview.Found {
		return unseen(in.Operators.Cause)
	}
	if len(in.Operators.Value.Envgraft) == 0 {
		return broken(install(in), "no Deployment of envgraft was found: it is not installed")
	}
	return anyReady(in.Operators.Value.Envgraft)
}

// anyReady says whether one of the Deployments has a ready pod.
func anyReady(deployments []clusterview.Deployment) Finding {
	for _, d := range deployments {
		if d.Status.ReadyReplicas > 0 {
			return ok("%s: %d of %d pods ready", d, d.Status.ReadyReplicas, d.Status.Replicas)
		}
	}
	d := deployments[0]
	if d.Spec.Replicas != nil && *d.Spec.Replicas == 0 {
		return broken(start(d), "%s is scaled to 0", d)
	}
	return broken(start(d), "%s has no ready pod; see kubectl -n %s describe pods", d, d.Metadata.Namespace)
}
