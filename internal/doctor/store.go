package doctor

import (
	"fmt"

	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/graft"
)

// The rule: the store exists, ESO calls it ready, and it is open to the
// namespace.

func checkStore(p Patient) Finding {
	if p.App != nil && !p.needsSecret() {
		return noSecret()
	}
	ref := p.StoreRef
	switch p.Store.State {
	case clusterview.Found:
	case clusterview.NotFound:
		return broken(p.createStore(), "%s does not exist", ref)
	default:
		return unseen(p.Store.Cause)
	}
	if why := p.Store.Value.NotReady(); why != "" {
		return broken(fmt.Sprintf("kubectl describe %s %s%s", resourceOf(ref), name(ref.Name), p.inNamespace(ref)), "%s is not ready: %s", ref, why)
	}
	if p.App != nil && p.App.Namespace.State == clusterview.Found && !p.Store.Value.Opens(p.App.Namespace.Value) {
		return broken(fmt.Sprintf(`kubectl patch clustersecretstore %s --type json -p '[{"op":"add","path":"/spec/conditions/-","value":{"namespaces":["%s"]}}]'`,
			name(ref.Name), p.App.Workload.Namespace), "%s is not open to namespace %q: see its spec.conditions", ref, p.App.Workload.Namespace)
	}
	return ok("%s is ready", ref)
}

func resourceOf(ref clusterview.StoreRef) string {
	if ref.Kind == graft.KindClusterSecretStore {
		return "clustersecretstore"
	}
	return "secretstore"
}

// inNamespace is the flag for a store of the namespace.
func (p Patient) inNamespace(ref clusterview.StoreRef) string {
	if ref.Kind == graft.KindClusterSecretStore || p.App == nil {
		return ""
	}
	return " -n " + p.App.Workload.Namespace
}

// createStore makes a store that uses the operator's own credentials.
func (p Patient) createStore() string {
	region := p.Settings.Configuration.AWS.Region
	if region == "" {
		region = "REGION"
	}
	namespace := ""
	if p.StoreRef.Kind != graft.KindClusterSecretStore && p.App != nil {
		namespace = ", namespace: " + p.App.Workload.Namespace
	}
	return fmt.Sprintf(`kubectl apply -f - <<'END'
apiVersion: external-secrets.io/%s
kind: %s
metadata: {name: %s%s}
spec: {provider: {aws: {service: ParameterStore, region: %s}}}
END`, p.ESO.Value, name(p.StoreRef.Kind), name(p.StoreRef.Name), namespace, region)
}

// createExternalSecret makes what envgraft was told not to.
func (p Patient) createExternalSecret() string {
	id := p.App.Subject.Identity
	return fmt.Sprintf(`kubectl apply -f - <<'END'
apiVersion: external-secrets.io/%s
kind: ExternalSecret
metadata: {name: %s, namespace: %s}
spec:
  secretStoreRef: {kind: %s, name: %s}
  target: {name: %s}
  dataFrom: [{extract: {key: %s}}]
END`, p.ESO.Value, id.ExternalSecret, p.App.Workload.Namespace, name(p.StoreRef.Kind), name(p.StoreRef.Name), id.Secret, id.Parameter)
}
