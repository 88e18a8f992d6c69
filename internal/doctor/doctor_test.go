package doctor

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/clusterview"
	"github.com/envgraft/envgraft/internal/externalsecret"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/parameters"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// findingCase is one thing that is wrong, or looks so.
type findingCase struct {
	reason string
	// check is what must be broken, or after "!" the first warning; empty where all
	// is well.
	check string
	spoil func(*testing.T, *Input)
}

// complain is ESO's warning about the ExternalSecret, ten minutes old.
func complain(in *Input, text string) {
	setReady(in.App.ExternalSecret, metav1.ConditionFalse, "SecretSyncedError", "could not get secret data from provider")
	in.Complaint = clusterview.Complaint{Text: text, At: now().Add(-10 * time.Minute)}
}

// record is one of a state.
func record(in *Input, state string) {
	version, keys := 4, `["API_KEY"]`
	if state != "" {
		version, keys = 0, "[]"
	}
	in.App.ExternalSecret.Record = externalsecret.ParseRecord(fmt.Sprintf(
		`{"parameter":"/shop/shop/stage/app","store":"ClusterSecretStore/aws-ssm","state":%q,"version":%d,"asOf":"2026-03-01T09:00:00Z","keys":%s}`, state, version, keys))
}

// unanswered has ESO asked for a refresh a while ago, and not since.
func unanswered(in *Input, ago time.Duration) {
	record(in, "")
	in.App.ExternalSecret.Record.AsOf = now().Add(-ago)
	in.App.ExternalSecret.Status.RefreshTime = metav1.NewTime(now().Add(-time.Hour))
}

// runWithout makes it an app that never had a parameter.
func runWithout(in *Input) {
	in.App.Secret, in.App.ConfigMap = missing[clusterview.Secret](), missing[clusterview.ConfigMap]()
	in.App.ExternalSecret.Record = nil
	in.App.ExternalSecret.Status.RefreshTime = metav1.Time{}
	complain(in, "error processing spec.dataFrom[0].extract, err: Secret does not exist")
	in.Admission.Value.Pod.Metadata.Annotations[api.AnnotationAwaitsSecret] = "true"
	for i := range in.App.Pods.Value {
		annotations := in.App.Pods.Value[i].Metadata.Annotations
		delete(annotations, api.AnnotationParameterVersion)
		annotations[api.AnnotationAwaitsSecret] = "true"
	}
}

// bind has an entry take the key of its name from the app's Secret.
func bind(e *corev1.EnvVar) {
	e.Value, e.ValueFrom = "", &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: "shop-secrets"}, Key: e.Name,
	}}
}

func refuse(in *Input, text string) { in.Admission = found(clusterview.Admission{Refused: text}) }

// cases has all there is, by file.
func cases(t *testing.T) map[string]findingCase {
	t.Helper()
	all := map[string]findingCase{}
	for _, some := range []map[string]findingCase{installationCases(), optInCases(), admissionCases(), secretCases(), parameterCases(), reloaderCases(), podCases()} {
		maps.Copy(all, some)
	}
	return all
}

func installationCases() map[string]findingCase {
	return map[string]findingCase{
		"healthy":              {"nothing is wrong", "", func(*testing.T, *Input) {}},
		"installation-healthy": {"without a workload", "", func(_ *testing.T, in *Input) { in.App = nil }},
		"not-installed": {"no image is guessed", "webhook", func(_ *testing.T, in *Input) {
			in.Webhooks, in.Operators.Value.Envgraft, in.App = missing[clusterview.Webhooks](), nil, nil
		}},
		"no-deployment": {"the webhook configuration was left behind", "envgraft", func(_ *testing.T, in *Input) { in.Operators.Value.Envgraft = nil }},
		"webhooks-deleted": {"as the documentation tells to in an emergency: replicas turn unready for want of it", "webhook", func(_ *testing.T, in *Input) {
			in.Webhooks = missing[clusterview.Webhooks]()
			in.Operators.Value.Envgraft[0].Status.ReadyReplicas = 0
		}},
		"webhooks-deleted-no-helm": {"an installation that is not Helm's", "webhook", func(_ *testing.T, in *Input) {
			in.Webhooks = missing[clusterview.Webhooks]()
			in.Operators.Value.Envgraft[0].Metadata.Annotations = nil
		}},
		"webhook-path": {"one of the two is gone", "webhook", func(_ *testing.T, in *Input) { in.Webhooks.Value.Webhooks = in.Webhooks.Value.Webhooks[:1] }},
		"not-ready":    {"no replica is ready", "envgraft", func(_ *testing.T, in *Input) { in.Operators.Value.Envgraft[0].Status.ReadyReplicas = 0 }},
		"scaled-down": {"somebody scaled it down", "envgraft", func(_ *testing.T, in *Input) {
			in.Operators.Value.Envgraft[0] = scaledDown("envgraft-system", "envgraft")
		}},
		"service-empty": {"the API server keeps its connections", "service", func(_ *testing.T, in *Input) { in.Backends.Value.Ready = 0 }},
		"service-gone":  {"it was deleted", "service", func(_ *testing.T, in *Input) { in.Backends.State = clusterview.NotFound }},
		"service-url":   {"the API server calls a URL", "", func(_ *testing.T, in *Input) { in.Backends = clusterview.Seen[clusterview.Backends]{} }},
		"no-ca":         {"nothing wrote the CA", "certificate", func(_ *testing.T, in *Input) { in.Webhooks.Value.Webhooks[0].ClientConfig.CABundle = nil }},
		"ca-garbage":    {"no certificate", "certificate", func(_ *testing.T, in *Input) { in.Webhooks.Value.Webhooks[0].ClientConfig.CABundle = []byte("x") }},
		"ca-expired": {"it is judged at the time of the input", "certificate", func(t *testing.T, in *Input) {
			t.Helper()

			in.Webhooks.Value.Webhooks[0].ClientConfig.CABundle = bundle(t, now().Add(-48*time.Hour), now().Add(-24*time.Hour))
		}},
		"ca-future": {"of another clock", "certificate", func(t *testing.T, in *Input) {
			t.Helper()

			in.Webhooks.Value.Webhooks[0].ClientConfig.CABundle = bundle(t, now().Add(24*time.Hour), now().Add(48*time.Hour))
		}},
		"ca-untrusted": {"the API server says so", "certificate", func(_ *testing.T, in *Input) {
			refuse(in, `failed calling webhook "namespace.pods.envgraft.dev": x509: certificate signed by unknown authority`)
		}},
		"configuration-unusable": {"it cannot start again", "configuration", func(_ *testing.T, in *Input) {
			in.Settings.Assumed, in.Settings.Unusable = "ConfigMap envgraft-system/envgraft does not exist", true
		}},
		"configuration-unseen": {"what is assumed is said", "", func(_ *testing.T, in *Input) { in.Settings.Assumed = "you may not get configmaps/envgraft" }},
		"no-rights": {"a right that is missing is no fault", "", func(_ *testing.T, in *Input) {
			in.Webhooks, in.Operators = forbidden[clusterview.Webhooks]("get x"), forbidden[clusterview.Operators]("list deployments.apps")
			in.Backends, in.Store = clusterview.Seen[clusterview.Backends]{}, forbidden[clusterview.Store]("get store")
			in.Admission = forbidden[clusterview.Admission]("create pods")
			in.App.Secret, in.App.ExternalSecrets = forbidden[clusterview.Secret]("get secrets"), forbidden[clusterview.ExternalSecrets]("list externalsecrets")
			in.App.ExternalSecret, in.App.ConfigMap, in.App.Pods = nil, forbidden[clusterview.ConfigMap]("get configmaps"), forbidden[[]clusterview.Pod]("list pods")
		}},
	}
}

func scaledDown(namespace, name string) clusterview.Deployment {
	d := deployment(namespace, name, 0)
	d.Spec.Replicas = new(int32)
	return d
}

func optInCases() map[string]findingCase {
	reinspect := func(t *testing.T, in *Input, kind, template string, labels map[string]string) {
		t.Helper()
		in.App = appOf(t, in.Settings, kind, template, labels)
	}
	labelled := func(more string) string {
		return strings.Replace(template, `"app.kubernetes.io/name":"shop"}`, `"app.kubernetes.io/name":"shop"`+more, 1)
	}
	return map[string]findingCase{
		"no-namespace": {"it was deleted", "namespace", func(_ *testing.T, in *Input) { in.App.Namespace.State = clusterview.NotFound }},
		"bypassed":     {"the label for emergencies", "namespace", func(_ *testing.T, in *Input) { in.App.Namespace.Value.Labels[api.LabelBypass] = "true" }},
		"not-opted-in": {"nothing opted in: nothing behind that is needed or not", "namespace", func(t *testing.T, in *Input) {
			t.Helper()
			reinspect(t, in, "deploy", template, map[string]string{})
		}},
		"opted-out": {"the template opts out", "namespace", func(t *testing.T, in *Input) {
			t.Helper()

			reinspect(t, in, "deploy", labelled(`,"envgraft.dev/inject":"disabled"}`), optedIn())
		}},
		"opted-out-ns": {"the namespace opts out", "namespace", func(t *testing.T, in *Input) {
			t.Helper()

			reinspect(t, in, "deploy", template, map[string]string{api.LabelInject: api.Disabled})
		}},
		"opted-out-workload": {"its own label was copied", "namespace", func(t *testing.T, in *Input) {
			t.Helper()

			reinspect(t, in, "deploy", labelled(`,"envgraft.dev/inject":"disabled"}`), optedIn())
			in.App.Workload.Labels[api.LabelInject] = api.Disabled
		}},
		"label-not-copied": {"the workload webhook was away", "namespace", func(t *testing.T, in *Input) {
			t.Helper()

			reinspect(t, in, "cronjob", template, map[string]string{})
			in.App.Workload.Labels[api.LabelInject] = api.Enabled
		}},
		"audited": {"nothing is injected", "namespace", func(_ *testing.T, in *Input) {
			in.App.Namespace.Value.Annotations[api.AnnotationMode] = api.ModeAudit
			in.App.Subject = graft.New(in.Settings.Configuration.Engine()).Inspect(in.App.Namespace.Value, in.App.Workload.Template)
		}},
		"no-app": {"pods have no name", "labels", func(t *testing.T, in *Input) {
			t.Helper()
			reinspect(t, in, "deploy", `{"metadata":{},"spec":{}}`, optedIn())
		}},
		"no-app-pod": {"a pod's labels count for nothing any more", "labels", func(t *testing.T, in *Input) {
			t.Helper()
			reinspect(t, in, "pod", `{"metadata":{},"spec":{}}`, optedIn())
		}},
		"bad-setting": {"a value that is not understood", "labels", func(t *testing.T, in *Input) {
			t.Helper()

			reinspect(t, in, "deploy", labelled(`},"annotations":{"envgraft.dev/secret-optional":"perhaps"}`), optedIn())
		}},
		"other-environment": {"the Namespace does not list it: the engine has the command", "labels", func(t *testing.T, in *Input) {
			t.Helper()

			reinspect(t, in, "deploy", labelled(`,"envgraft.dev/environment":"prod"}`), optedIn())
		}},
		"namespace-unseen": {"whether anything opted in is not known", "", func(t *testing.T, in *Input) {
			t.Helper()

			reinspect(t, in, "deploy", template, map[string]string{})
			in.App.Namespace = forbidden[identity.Namespace]("get namespaces/shop")
		}},
		"no-secrets": {"the app has no parameter", "", func(t *testing.T, in *Input) {
			t.Helper()

			reinspect(t, in, "deploy", labelled(`},"annotations":{"envgraft.dev/secrets":"disabled"}`), optedIn())
			for _, p := range in.App.Pods.Value { // as they were made
				p.Metadata.Annotations[api.AnnotationInjected] = "ConfigMap/shop-config"
				delete(p.Metadata.Annotations, api.AnnotationParameter)
			}
		}},
	}
}

func admissionCases() map[string]findingCase {
	return map[string]findingCase{
		"unreachable": {"our own webhook", "admission", func(_ *testing.T, in *Input) {
			refuse(in, `Internal error occurred: failed calling webhook "namespace.pods.envgraft.dev": failed to call webhook: Post "https://x": dial tcp: connection refused`)
		}},
		"not-called": {"failurePolicy is Ignore", "admission", func(_ *testing.T, in *Input) { in.Admission.Value.Pod = clusterview.Pod{} }},
		"warned":     {"its warnings are shown", "", func(_ *testing.T, in *Input) { in.Admission.Value.Warnings = []string{"literal X shadows a key"} }},
		"denied-missing": {"missingParameter is deny", "admission", func(_ *testing.T, in *Input) {
			refuse(in, `admission webhook "namespace.pods.envgraft.dev" denied the request: SSM parameter "/shop/shop/stage/app" does not exist`)
		}},
		"denied-array": {"its keys would be lost", "admission", func(_ *testing.T, in *Input) {
			refuse(in, `admission webhook "namespace.pods.envgraft.dev" denied the request: SSM parameter "/shop/shop/stage/app" is not a JSON object that makes a Secret`)
		}},
		"denied-unknown": {"what may not be read is not written", "admission", func(_ *testing.T, in *Input) {
			refuse(in, `admission webhook "namespace.pods.envgraft.dev" denied the request: literals may shadow keys of SSM parameter "/shop/shop/stage/app" (access denied: KMS), and unknownParameter is "deny"`)
		}},
		"denied-otherwise": {"no command is better than a wrong one", "admission", func(_ *testing.T, in *Input) {
			refuse(in, `admission webhook "namespace.pods.envgraft.dev" denied the request: something new`)
		}},
		"denied-by-standby": {"the policy of the standby is ours", "admission", func(_ *testing.T, in *Input) {
			refuse(in, `pods "x" is forbidden: ValidatingAdmissionPolicy 'envgraft' with binding 'envgraft-pods' denied request: label envgraft.dev/app is not a name`)
		}},
		"kyverno": {"another webhook denies", "otherwebhooks", func(_ *testing.T, in *Input) {
			refuse(in, `admission webhook "validate.kyverno.svc-fail" denied the request: resource Pod/shop/x was blocked: the label team does not exist`)
		}},
		"kyverno-away": {"another webhook cannot be called", "otherwebhooks", func(_ *testing.T, in *Input) {
			refuse(in, `Internal error occurred: failed calling webhook "validate.kyverno.svc-fail": failed to call webhook: Post "https://kyverno-svc": no endpoints available`)
		}},
		"pod-security": {"the API server refuses by itself", "otherwebhooks", func(_ *testing.T, in *Input) {
			refuse(in, `pods "shop-x" is forbidden: violates PodSecurity "restricted:latest": runAsNonRoot != true`)
		}},
		"quota-next": {"the pods that run are not concerned", "!otherwebhooks", func(_ *testing.T, in *Input) {
			refuse(in, `pods "shop-x" is forbidden: exceeded quota: pods, requested: pods=1, used: pods=5, limited: pods=5`)
		}},
		"shadowed": {"as amazon-eks-pod-identity-webhook does", "otherwebhooks", func(_ *testing.T, in *Input) {
			in.Admission.Value.Pod = admitted("OTHER", "API_KEY")
		}},
		"shadowed-configmap": {"the ConfigMap's keys, too", "otherwebhooks", func(_ *testing.T, in *Input) { in.Admission.Value.Pod = admitted("MODE") }},
		"shadowed-cronjob": {"lists of a template within a template cannot be merged by name", "otherwebhooks", func(t *testing.T, in *Input) {
			t.Helper()

			in.App = appOf(t, in.Settings, "cronjob", template, optedIn())
			in.Admission.Value.Pod = admitted("API_KEY")
		}},
		"others-literals": {"that are no keys", "", func(_ *testing.T, in *Input) { in.Admission.Value.Pod = admitted("AWS_REGION", "OWN") }},
		"others-changes": {"of the author's variable, and a sidecar", "", func(_ *testing.T, in *Input) {
			in.Admission.Value.Pod = admitted("OWN")
			in.Admission.Value.Pod.Spec.Containers[0].Env[0].Value = "another's"
			in.Admission.Value.Pod.Spec.InitContainers = []corev1.Container{{Name: "telemetry", Env: []corev1.EnvVar{{Name: "API_KEY", Value: "x"}}}}
		}},
		"others-composed": {"an addition to the key is none of its loss", "", func(_ *testing.T, in *Input) {
			in.Admission.Value.Pod = admitted("API_KEY")
			in.Admission.Value.Pod.Spec.Containers[0].Env[0].Value = "$(API_KEY) more"
		}},
		"others-bound": {"envgraft was called again, and bound it", "", func(_ *testing.T, in *Input) {
			in.Admission.Value.Pod = admitted("API_KEY")
			bind(&in.Admission.Value.Pod.Spec.Containers[0].Env[0])
		}},
		"shadowed-changed": {"a policy sets it whatever the template has", "otherwebhooks", func(t *testing.T, in *Input) {
			t.Helper()

			in.App = appOf(t, in.Settings, "deploy", strings.ReplaceAll(template, "OWN", "API_KEY"), optedIn())
			in.Admission.Value.Pod = admitted("API_KEY")
			in.Admission.Value.Pod.Spec.Containers[0].Env[0].Value = "another's"
		}},
		"shadowed-init": {"init containers, too", "otherwebhooks", func(t *testing.T, in *Input) {
			t.Helper()

			in.App = appOf(t, in.Settings, "deploy", strings.Replace(template, `"containers"`, `"initContainers":[{"name":"migrate"}],"containers"`, 1), optedIn())
			in.Admission.Value.Pod = admitted()
			in.Admission.Value.Pod.Spec.InitContainers = admitted("API_KEY").Spec.Containers
			in.Admission.Value.Pod.Spec.InitContainers[0].Name = "migrate"
		}},
		"status-denied": {"without a dry run the workload's own status says it", "admission", func(_ *testing.T, in *Input) {
			in.Admission = clusterview.Seen[clusterview.Admission]{}
			in.App.Failure = `admission webhook "namespace.pods.envgraft.dev" denied the request: SSM parameter "/shop/shop/stage/app" does not exist`
		}},
	}
}

func secretCases() map[string]findingCase {
	return map[string]findingCase{
		"no-eso":      {"it is not installed", "operator", func(_ *testing.T, in *Input) { in.ESO = missing[string]() }},
		"no-eso-pods": {"its CRDs were left behind", "operator", func(_ *testing.T, in *Input) { in.Operators.Value.ESO = nil }},
		"eso-opted-in": {"it and envgraft would wait for each other", "!operator", func(_ *testing.T, in *Input) {
			in.OperatorNamespaces = map[string]clusterview.Seen[identity.Namespace]{"external-secrets": found(identity.Namespace{Labels: optedIn()})}
		}},
		"eso-namespace": {"it did not opt in", "", func(_ *testing.T, in *Input) {
			in.OperatorNamespaces = map[string]clusterview.Seen[identity.Namespace]{
				"external-secrets": found(identity.Namespace{}), "infra": forbidden[identity.Namespace]("get namespaces/infra"),
			}
		}},
		"reloader-opted-in": {"likewise", "!reloader", func(_ *testing.T, in *Input) {
			in.OperatorNamespaces = map[string]clusterview.Seen[identity.Namespace]{"infra": found(identity.Namespace{Labels: optedIn()})}
		}},
		"eso-down": {"scaled down", "operator", func(_ *testing.T, in *Input) {
			in.Operators.Value.ESO[0] = scaledDown("external-secrets", "external-secrets")
		}},
		"store-gone": {"only its owner knows its credentials", "store", func(_ *testing.T, in *Input) { in.Store = missing[clusterview.Store]() }},
		"store-failing": {"ESO says why", "store", func(_ *testing.T, in *Input) {
			in.Store.Value.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: metav1.ConditionFalse, Reason: "InvalidProviderConfig", Message: "no role"}}
		}},
		"store-failing-namespaced": {"a SecretStore", "store", func(_ *testing.T, in *Input) {
			in.StoreRef = clusterview.StoreRef{Kind: graft.KindSecretStore, Name: "own"}
			in.Store.Value.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: metav1.ConditionFalse, Reason: "InvalidProviderConfig", Message: "no role"}}
		}},
		"store-closed": {"its owner decides who may use it", "store", func(_ *testing.T, in *Input) {
			in.Store.Value.Spec.Conditions = externalsecret.StoreConditions{{Namespaces: []string{"other"}}}
		}},
		"no-externalsecret": {"the controller does not run", "externalsecret", func(_ *testing.T, in *Input) { in.App.ExternalSecret = nil }},
		"unmanaged-missing": {"envgraft makes none, and nothing else does", "externalsecret", func(_ *testing.T, in *Input) {
			in.Settings.Configuration.ExternalSecrets.Enabled = false
			in.App.ExternalSecret, in.App.Secret = nil, missing[clusterview.Secret]()
		}},
		"unmanaged-kept": {"an ExternalSecret would replace its data", "", func(_ *testing.T, in *Input) {
			in.Settings.Configuration.ExternalSecrets.Enabled = false
			in.App.ExternalSecret = nil
		}},
		"deleting": {"newer ESO has a finalizer", "externalsecret", func(_ *testing.T, in *Input) {
			at := metav1.NewTime(now().Add(-time.Hour))
			in.App.ExternalSecret.DeletionTimestamp = &at
		}},
		"revoked": {"its environment is another's now", "externalsecret", func(_ *testing.T, in *Input) {
			in.App.ExternalSecret.Annotations[api.AnnotationRevoked] = "the environment is another's"
		}},
		"other-target":    {"another Secret is filled", "externalsecret", func(_ *testing.T, in *Input) { in.App.ExternalSecret.Spec.Target.Name = "else" }},
		"other-parameter": {"an older name", "externalsecret", func(_ *testing.T, in *Input) { in.App.ExternalSecret.Spec.DataFrom[0].Extract.Key = "/old" }},
		"foreign":         {"somebody's own", "", func(_ *testing.T, in *Input) { in.App.ExternalSecret.Managed = false }},
		"foreign-other": {"it reads what it says", "", func(_ *testing.T, in *Input) {
			in.App.ExternalSecret.Managed = false
			in.App.ExternalSecret.Spec.DataFrom = nil
		}},
		"not-processed":     {"another controller class", "sync", func(_ *testing.T, in *Input) { in.App.ExternalSecret.Status.Conditions = nil }},
		"not-synced":        {"for a reason that nobody sorted", "sync", func(_ *testing.T, in *Input) { complain(in, "") }},
		"never-refreshed":   {"ready without a time", "", func(_ *testing.T, in *Input) { in.App.ExternalSecret.Status.RefreshTime = metav1.Time{} }},
		"secret-gone":       {"{} after keys, under Retain: a refresh changes nothing", "secret", func(_ *testing.T, in *Input) { in.App.Secret = missing[clusterview.Secret]() }},
		"secret-lacks":      {"ESO is behind", "secret", func(_ *testing.T, in *Input) { in.App.Secret.Value.Keys = nil }},
		"secret-unrecorded": {"nothing was recorded", "", func(_ *testing.T, in *Input) { in.App.ExternalSecret.Record = nil }},
		"configmap-gone":    {"that is no fault", "", func(_ *testing.T, in *Input) { in.App.ConfigMap = missing[clusterview.ConfigMap]() }},
		"configmap-required": {"no key is made up", "configmap", func(t *testing.T, in *Input) {
			t.Helper()

			in.App = appOf(t, in.Settings, "deploy", strings.Replace(template, `"labels"`, `"annotations":{"envgraft.dev/config-map-required":"true"},"labels"`, 1), optedIn())
			in.App.ConfigMap = missing[clusterview.ConfigMap]()
		}},
	}
}

func parameterCases() map[string]findingCase {
	checked := func(severity parameters.Severity, reason parameters.Reason, message string) func(*testing.T, *Input) {
		return func(_ *testing.T, in *Input) {
			in.Parameter = &parameters.Checked{Path: "/shop/shop/stage/app", Findings: []parameters.Finding{{Severity: severity, Reason: reason, Message: message}}}
		}
	}
	text := func(complaint string) func(*testing.T, *Input) {
		return func(_ *testing.T, in *Input) { complain(in, complaint) }
	}
	return map[string]findingCase{
		"without": {"a chart of somebody in a namespace that opted in", "!parameter", func(_ *testing.T, in *Input) { runWithout(in) }},
		"without-status": {"what the pods' marks say is enough", "!parameter", func(_ *testing.T, in *Input) {
			runWithout(in)
			in.Admission = clusterview.Seen[clusterview.Admission]{Cause: "no dry run"}
		}},
		"without-next-waits": {"the next pod waits: the parameter was known since", "parameter", func(_ *testing.T, in *Input) {
			runWithout(in)
			delete(in.Admission.Value.Pod.Metadata.Annotations, api.AnnotationAwaitsSecret)
		}},
		"without-one-waits": {"one of the pods waits", "parameter", func(_ *testing.T, in *Input) {
			runWithout(in)
			delete(in.App.Pods.Value[0].Metadata.Annotations, api.AnnotationAwaitsSecret)
		}},
		"without-named": {"the app is named for envgraft, and waits", "parameter", func(_ *testing.T, in *Input) {
			runWithout(in)
			in.App.Subject.ByName = false
		}},
		"parameter-missing": {"ESO says so", "parameter", text("error processing spec.dataFrom[0].extract, err: Secret does not exist")},
		"parameter-exists-now": {"envgraft saw it since: creating it would fail", "parameter", func(_ *testing.T, in *Input) {
			complain(in, "Secret does not exist")
			in.Complaint.At = now().Add(-4 * time.Hour)
		}},
		"parameter-no-json": {"its text would be lost", "parameter", text("unable to unmarshal secret: invalid character 'h' looking for beginning of value")},
		"parameter-denied":  {"never Resource *", "parameter", text("AccessDeniedException: User: x is not authorized to perform: ssm:GetParameter on resource: y")},
		"parameter-denied-role": {"the store's role has account and partition", "parameter", func(_ *testing.T, in *Input) {
			complain(in, "AccessDeniedException: not authorized")
			in.Store.Value.Spec.Provider.AWS = &clusterview.AWSProvider{Region: "us-gov-west-1", Role: "arn:aws-us-gov:iam::123456789012:role/path/eso"}
		}},
		"parameter-denied-china": {"the region has a partition", "parameter", func(_ *testing.T, in *Input) {
			complain(in, "AccessDeniedException: not authorized")
			in.Settings.Configuration.AWS.Region = "cn-north-1"
		}},
		"recorded-missing":    {"envgraft saw that it is gone", "parameter", func(_ *testing.T, in *Input) { record(in, "NotFound") }},
		"recorded-array":      {"envgraft saw what it holds", "parameter", func(_ *testing.T, in *Input) { record(in, "NotObject") }},
		"recorded-denied":     {"envgraft's own rights", "!parameter", func(_ *testing.T, in *Input) { record(in, "AccessDenied") }},
		"late":                {"ESO is stopped, and SSM has a new version", "sync", func(_ *testing.T, in *Input) { unanswered(in, 2*time.Minute) }},
		"late-soon":           {"ESO still has time, and pods have older data", "!pods", func(_ *testing.T, in *Input) { unanswered(in, 30*time.Second) }},
		"parameter-kms":       {"the key refuses", "parameter", text("AccessDeniedException: The ciphertext refers to a KMS key that you may not use")},
		"parameter-throttled": {"it tries again", "parameter", text("ThrottlingException: Rate exceeded")},
		"parameter-clock":     {"no credentials are wrong", "parameter", text("InvalidSignatureException: Signature expired: 20261128T160000Z is now earlier than 20261128T162500Z")},
		"placeholder": {"of envgraft parameters init: a warning, as in parameters check", "!parameter", func(_ *testing.T, in *Input) {
			in.App.ExternalSecret = externalSecret(1, "[]")
			in.App.Secret = missing[clusterview.Secret]()
		}},
		"aws-placeholder": {"the same word with --aws", "!parameter", func(t *testing.T, in *Input) {
			t.Helper()

			checked(parameters.SeverityWarning, parameters.ReasonEmpty, parameters.NoKeys)(t, in)
			in.App.ExternalSecret = externalSecret(1, "[]")
			in.App.Secret = missing[clusterview.Secret]()
		}},
		"aws-missing": {"seen with the reader's credentials", "parameter", checked(parameters.SeverityError, parameters.ReasonNotFound, "it does not exist")},
		"aws-string":  {"SSM converts no types", "parameter", checked(parameters.SeverityError, parameters.ReasonNotSecure, "it is a String")},
		"aws-array":   {"its keys would be lost", "parameter", checked(parameters.SeverityError, parameters.ReasonNotObject, "it is an array")},
		"aws-ok": {"all is well", "", func(_ *testing.T, in *Input) {
			in.Parameter = &parameters.Checked{Path: "/shop/shop/stage/app", Version: 3, Keys: 1}
		}},
		"aws-unchecked": {"the reader's own rights", "", func(_ *testing.T, in *Input) {
			in.Parameter = &parameters.Checked{Path: "/shop/shop/stage/app", Unchecked: "AccessDenied: you may not"}
		}},
	}
}

func reloaderCases() map[string]findingCase {
	started := func(arguments ...string) func(*testing.T, *Input) {
		return func(_ *testing.T, in *Input) { in.Operators.Value.Reloader = reloaderWith(arguments...) }
	}
	variable := func(value string, from *corev1.EnvVarSource) func(*testing.T, *Input) {
		return func(_ *testing.T, in *Input) {
			in.Operators.Value.Reloader = reloaderWith()
			in.Operators.Value.Reloader[0].Spec.Template.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "KUBERNETES_NAMESPACE", Value: value, ValueFrom: from}}
		}
	}
	rollout := func(t *testing.T, in *Input, arguments ...string) {
		t.Helper()
		in.App = appOf(t, in.Settings, "rollout", template, optedIn())
		in.Operators.Value.Reloader = reloaderWith(arguments...)
	}
	return map[string]findingCase{
		"reloader-gone": {"and pods are stale for it: the cause comes first", "reloader", func(_ *testing.T, in *Input) {
			in.Operators.Value.Reloader = nil
			in.App.Pods.Value = []clusterview.Pod{pod("shop-1", "2")}
		}},
		"reloader-down": {"at 0, and pods are stale for it", "reloader", func(_ *testing.T, in *Input) {
			in.Operators.Value.Reloader = []clusterview.Deployment{scaledDown("infra", "reloader")}
			in.App.Pods.Value = []clusterview.Pod{pod("shop-1", "2")}
		}},
		"reloader-off":           {"by configuration", "", func(_ *testing.T, in *Input) { in.Settings.Configuration.Reload.Enabled = false }},
		"reloader-namespaces":    {"an explicit list", "reloader", started("--namespaces=other,else")},
		"reloader-namespaces-in": {"that has it", "", started("--namespaces=other,shop")},
		"reloader-ignored":       {"its namespace is left out", "reloader", started("--namespaces-to-ignore", "a,shop")},
		"reloader-resources":     {"Secrets are left out", "reloader", started("--resources-to-ignore=secrets")},
		"reloader-configmaps":    {"ConfigMaps are", "", started("--resources-to-ignore=configMaps")},
		"reloader-selector":      {"labels of the namespace", "reloader", started(`--namespace-selector="env=prod"`)},
		"reloader-selector-in":   {"that match, in the older form", "", started("--namespace-selector=envgraft.dev/inject:*")},
		"reloader-labels":        {"labels of the Secret", "reloader", started("--resource-label-selector=reload=true")},
		"reloader-labels-unseen": {"of a Secret that may not be read: cannot tell", "", func(t *testing.T, in *Input) {
			t.Helper()

			started("--resource-label-selector=reload=true")(t, in)
			in.App.Secret = forbidden[clusterview.Secret]("get secrets/shop-secrets")
		}},
		"reloader-annotation": {"another annotation counts", "reloader", started("--secret-annotation acme.io/reload")},
		"reloader-annotation-set": {"that the workload has", "", func(t *testing.T, in *Input) {
			t.Helper()

			started("--secret-annotation acme.io/reload")(t, in)
			in.App.Workload.Annotations["acme.io/reload"] = "shop-secrets"
		}},
		"reloader-webhook":     {"it calls a URL and restarts nothing", "reloader", started("--webhook-url", "http://x")},
		"reloader-create":      {"it restarts for new Secrets, too", "", started("--reload-on-create=true")},
		"reloader-variable":    {"an argument that is not in the Deployment: cannot tell", "", started("--namespaces=$(WATCHED)")},
		"reloader-own":         {"the chart's watchGlobally: false", "reloader", variable("", &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.namespace"}})},
		"reloader-own-in":      {"its own is ours", "", variable("shop", nil)},
		"reloader-own-unclear": {"from a ConfigMap: cannot tell", "", variable("", &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{}})},
		"rollout-deaf": {"by its chart", "reloader", func(t *testing.T, in *Input) {
			t.Helper()

			rollout(t, in)
			in.Operators.Value.Reloader[0].Metadata.Labels = map[string]string{"helm.sh/chart": "reloader-2.1.0"}
		}},
		"rollout-deaf-manifest": {"by its manifest", "reloader", func(t *testing.T, in *Input) {
			t.Helper()

			rollout(t, in)
			in.Operators.Value.Reloader[0].Metadata.Annotations = nil
		}},
		"rollout-heard": {"told of Rollouts", "", func(t *testing.T, in *Input) {
			t.Helper()
			rollout(t, in, "--is-Argo-Rollouts=true")
		}},
		"annotation-gone":  {"the workload webhook was away", "annotations", func(_ *testing.T, in *Input) { in.App.Workload.Annotations = nil }},
		"annotation-other": {"what is there stays", "annotations", func(_ *testing.T, in *Input) { in.App.Workload.Annotations[api.ReloaderSecret] = "own" }},
		"annotation-template": {"where the metadata has none", "", func(t *testing.T, in *Input) {
			t.Helper()

			in.App = appOf(t, in.Settings, "deploy", strings.Replace(template, `"labels"`, `"annotations":{"secret.reloader.stakater.com/reload":"shop-.*"},"labels"`, 1), optedIn())
			in.App.Workload.Annotations = nil
		}},
		"annotation-off": {"auto is false", "", func(_ *testing.T, in *Input) {
			in.App.Workload.Annotations = map[string]string{api.ReloaderAuto: "false"}
		}},
		"excluded":        {"an exclusion beats a name", "annotations", func(_ *testing.T, in *Input) { in.App.Workload.Annotations[excludeSecrets] = "shop-secrets" }},
		"excluded-among":  {"other exclusions stay", "annotations", func(_ *testing.T, in *Input) { in.App.Workload.Annotations[excludeSecrets] = "a, shop-secrets,b" }},
		"reload-disabled": {"by annotation", "", func(_ *testing.T, in *Input) { in.App.Workload.Annotations[api.AnnotationReload] = api.Disabled }},
	}
}

func podCases() map[string]findingCase {
	pods := func(kind string, some ...clusterview.Pod) func(*testing.T, *Input) {
		return func(t *testing.T, in *Input) {
			t.Helper()
			in.App = appOf(t, in.Settings, kind, template, optedIn())
			in.Operators.Value.Reloader = reloaderWith("--is-Argo-Rollouts=true")
			in.App.Pods = found(some)
		}
	}
	ended := pod("shop-0", "1")
	ended.Status.Phase = corev1.PodSucceeded
	partial := pod("shop-1", "3")
	partial.Status, partial.Partial = corev1.PodStatus{}, true
	return map[string]findingCase{
		"uninjected":    {"created while the webhook was away", "pods", pods("deploy", pod("shop-1", "3"), pod("shop-2", "uninjected"))},
		"stale":         {"admitted by an older version", "pods", pods("sts", pod("shop-1", "2"), pod("shop-2", "2"))},
		"stale-rollout": {"its template stays as it is", "pods", pods("rollout", pod("shop-1", "2"))},
		"stale-cronjob": {"the next run is fresh", "pods", pods("cronjob", pod("shop-1", "2"))},
		"stale-job":     {"nothing replaces its pods, so none is deleted", "pods", pods("job", pod("shop-1", "2"))},
		"stale-pod":     {"a pod of its own would be gone", "pods", pods("pod", pod("shop", "2"))},
		"stuck":         {"the Secret lacks a key", "pods", pods("job", waiting("shop-1", "CreateContainerConfigError", "couldn't find key DEBUG"))},
		"pulling":       {"for its image, which is not the chain's", "!pods", pods("deploy", waiting("shop-1", "ImagePullBackOff", "Back-off pulling image"))},
		"ended":         {"what has ended reads nothing again", "", pods("cronjob", ended)},
		"partial":       {"its metadata alone", "", pods("deploy", partial)},
		"quota": {"no pod comes, and that is no ok", "pods", func(t *testing.T, in *Input) {
			t.Helper()

			pods("deploy")(t, in)
			in.App.Failure = `pods "shop-x" is forbidden: exceeded quota: pods, requested: pods=1, used: pods=5, limited: pods=5`
		}},
		"not-created": {"for any other reason", "pods", func(t *testing.T, in *Input) {
			t.Helper()

			pods("deploy")(t, in)
			in.App.Failure = `pods "shop-x" is forbidden: error looking up service account shop/x`
		}},
		"none":     {"nothing says why", "!pods", pods("deploy")},
		"none-job": {"it has just begun", "", pods("job")},
	}
}

// TestFindings holds what each input is found to be to a golden file, and every
// file to an input.
func TestFindings(t *testing.T) {
	all := cases(t)
	for name, tc := range all {
		t.Run(name, func(t *testing.T) {
			in := healthy(t)
			tc.spoil(t, in)
			findings := Examine(*in)
			f, _ := FirstBroken(findings)
			got := f.Check
			if f, _ := first(findings, Warning); got == "" && f.Check != "" {
				got = "!" + f.Check
			}
			if got != tc.check {
				t.Errorf("%s: found %q, want %q", tc.reason, got, tc.check)
			}
			checkOrder(t, findings)
			compare(t, name, tc.reason, findings)
		})
	}
	files, err := filepath.Glob("testdata/*.golden")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if name := strings.TrimSuffix(filepath.Base(file), ".golden"); all[name].spoil == nil {
			t.Errorf("%s belongs to no case: delete it", file)
		}
	}
	for _, check := range Checks() {
		if !slices.ContainsFunc(slices.Collect(maps.Values(all)), func(c findingCase) bool { return c.check == check }) {
			t.Errorf("no case breaks what check %s judges", check)
		}
	}
}

// checkOrder has nothing after the broken link called anything but not reached.
func checkOrder(t *testing.T, findings []Finding) {
	t.Helper()
	broken := false
	for _, f := range findings {
		if broken != (f.Status == Unreached) {
			t.Errorf("%s is %q", f.Check, f.Status)
		}
		broken = broken || f.Status == Broken
		if f.Status != Broken && f.Fix+f.Ask != "" {
			t.Errorf("%s is %q and has a fix: %s%s", f.Check, f.Status, f.Fix, f.Ask)
		}
		if f.Message == "" && f.Status != Unreached {
			t.Errorf("%s is %q and says nothing", f.Check, f.Status)
		}
	}
}

func compare(t *testing.T, name, reason string, findings []Finding) {
	t.Helper()
	var text strings.Builder
	fmt.Fprintf(&text, "# %s\n", reason)
	for _, f := range findings {
		fmt.Fprintf(&text, "%-15s %-12s %s\n", f.Check, f.Status, f.Message)
	}
	for _, f := range findings {
		if f.Fix != "" {
			fmt.Fprintf(&text, "\nfix:\n%s\n", f.Fix)
		}
		if f.Ask != "" {
			fmt.Fprintf(&text, "\nask %s\n", f.Ask)
		}
	}
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v: go test ./internal/doctor -update writes it", err)
	}
	if diff := cmp.Diff(string(want), text.String()); diff != "" {
		t.Errorf("-want, +got:\n%s", diff)
	}
}

// TestLinesSayTheSame has a line of status say what doctor says, in its words.
func TestLinesSayTheSame(t *testing.T) {
	for name, tc := range cases(t) {
		in := healthy(t)
		tc.spoil(t, in)
		if in.App == nil {
			continue
		}
		l := LineOf(*in)
		f, _ := Problem(Examine(*in))
		if l.Link != f.Check || l.Problem != f.Message || l.Severity != f.Status {
			t.Errorf("%s: status says %s %s: %s, doctor %s %s: %s", name, l.Link, l.Severity, l.Problem, f.Check, f.Status, f.Message)
		}
		worstStage := slices.IndexFunc(l.Stages[:], func(s Status) bool { return s == Broken })
		if (worstStage >= 0) != (l.Severity == Broken) {
			t.Errorf("%s: the stages are %q, the problem %q", name, l.Stages, l.Severity)
		}
	}
}

// TestSynced says of each state of an ExternalSecret what ESO made of the Secret.
func TestSynced(t *testing.T) {
	for _, test := range []struct {
		reason string
		spoil  func(*Input)
		want   string
	}{
		{"the Secret has what SSM has", func(*Input) {}, SyncedYes},
		{"there is no ExternalSecret", func(in *Input) { in.App.ExternalSecret = nil }, SyncedNo},
		{"ESO cannot sync it", func(in *Input) { complain(in, "AccessDenied") }, SyncedNo},
		{"ESO is ready, and the Secret has another name", func(in *Input) { in.App.ExternalSecret.Status.Binding.Name = "former" }, SyncedNo},
		{"ESO still has time", func(in *Input) { unanswered(in, 30*time.Second) }, SyncedYes},
		{"ESO does not answer", func(in *Input) { unanswered(in, 2*time.Minute) }, SyncedUnanswered},
		{"it is being deleted, which ESO calls ready", func(in *Input) {
			at := metav1.NewTime(now().Add(-time.Hour))
			in.App.ExternalSecret.DeletionTimestamp = &at
		}, SyncedDeleting},
	} {
		in := healthy(t)
		test.spoil(in)
		if got := LineOf(*in).Synced; got != test.want {
			t.Errorf("%s: synced is %q, want %q", test.reason, got, test.want)
		}
	}
}
