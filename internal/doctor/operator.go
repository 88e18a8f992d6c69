package doctor

import (
	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/clusterview"
)

// The rule: the External Secrets Operator is installed, and a pod of it is ready.
// Its own pods do not need envgraft to start.

func checkOperator(in Input) Finding {
	if in.App != nil {
		if f, stop := noSecret(in); stop {
			return f
		}
	}
	if in.ESO.State == clusterview.NotFound {
		return broken(installOperator(), "the cluster serves no ExternalSecrets: the External Secrets Operator is not installed")
	}
	if in.Operators.State != clusterview.Found {
		if in.ESO.State == clusterview.Found {
			return ok("it is installed; whether its pods are ready was not seen: %s", in.Operators.Cause)
		}
		return unseen(in.ESO.Cause)
	}
	if len(in.Operators.Value.ESO) == 0 {
		return broken(installOperator(),
			"the cluster serves ExternalSecrets, but no Deployment with label app.kubernetes.io/name=external-secrets runs the operator")
	}
	return independentOperator(in, in.Operators.Value.ESO)
}

// independentOperator says whether a pod of an operator is ready, and warns where its
// pods need envgraft: after an outage of both, envgraft waits for what the operator
// makes, and the operator's pods wait for envgraft.
func independentOperator(in Input, deployments []clusterview.Deployment) Finding {
	f := anyReady(deployments)
	if f.Status != OK {
		return f
	}
	for _, d := range deployments {
		ns := d.Metadata.Namespace
		if in.OperatorNamespaces[ns].Value.Labels[api.LabelInject] == api.Enabled {
			return warn("%s; its namespace opted in, so it cannot start while envgraft does not answer: "+
				"kubectl label namespace %s %s-, or add it to the chart's webhook.excludedNamespaces", f.Message, ns, api.LabelInject)
		}
	}
	return f
}
