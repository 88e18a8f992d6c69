package doctor

import (
	"fmt"

	"github.com/envgraft/envgraft/internal/clusterview"
)

// The rule: at least one replica of envgraft is ready.

func checkEnvgraft(p Patient) Finding {
	if p.Operators.State != clusterview.Found {
		return unseen(p.Operators.Cause)
	}
	if len(p.Operators.Value.Envgraft) == 0 {
		return broken("helm install envgraft deploy/chart --namespace envgraft-system --create-namespace --set config.environment=stage",
			"no Deployment of envgraft was found: it is not installed")
	}
	return anyReady(p.Operators.Value.Envgraft)
}

// anyReady says whether one of the Deployments has a ready pod.
func anyReady(deployments []clusterview.Deployment) Finding {
	for _, d := range deployments {
		if d.Status.ReadyReplicas > 0 {
			return ok("%s: %d of %d pods ready", d, d.Status.ReadyReplicas, d.Status.Replicas)
		}
	}
	d := deployments[0]
	fix := fmt.Sprintf("kubectl -n %s rollout restart deployment/%s", d.Metadata.Namespace, d.Metadata.Name)
	if d.Spec.Replicas != nil && *d.Spec.Replicas == 0 {
		fix = fmt.Sprintf("kubectl -n %s scale deployment/%s --replicas=1", d.Metadata.Namespace, d.Metadata.Name)
	}
	return broken(fix, "%s has no ready pod; see kubectl -n %s describe pods", d, d.Metadata.Namespace)
}
