package doctor

import "github.com/envgraft/envgraft/internal/clusterview"

// The rule: the External Secrets Operator is installed, and a pod of it is ready.

func checkOperator(in Input) Finding {
	if in.App != nil {
		if f, stop := in.noSecret(); stop {
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
	return anyReady(in.Operators.Value.ESO)
}
