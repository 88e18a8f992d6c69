package doctor

import (
	"github.com/envgraft/envgraft/internal/clusterview"
)

// installOperator installs it as its own documentation does.
const installOperator = "helm upgrade --install --repo https://charts.external-secrets.io " +
	"--namespace external-secrets --create-namespace external-secrets external-secrets" //nolint:dupword // release and chart

// The rule: the External Secrets Operator is installed, and a pod of it is ready.

func checkOperator(p Patient) Finding {
	if p.App != nil && !p.needsSecret() {
		return noSecret()
	}
	if p.ESO.State == clusterview.NotFound {
		return broken(installOperator,
			"the cluster serves no ExternalSecrets: the External Secrets Operator is not installed")
	}
	if p.Operators.State != clusterview.Found {
		if p.ESO.State == clusterview.Found {
			return ok("it is installed; whether its pods are ready was not seen: %s", p.Operators.Cause)
		}
		return unseen(p.ESO.Cause)
	}
	if len(p.Operators.Value.ESO) == 0 {
		return broken(installOperator,
			"the cluster serves ExternalSecrets, but no Deployment with label app.kubernetes.io/name=external-secrets runs the operator")
	}
	return anyReady(p.Operators.Value.ESO)
}
