package webhook

import (
	"errors"
	"strings"
	"testing"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
)

func (w *world) workloads(log *strings.Builder) *Workloads {
	return &Workloads{
		Engine: graft.New(graft.Config{
			Rules:  identity.Rules{Tenancy: identity.TenancyNamespace, Environment: "stage", Names: identity.DefaultNames()},
			Reload: true,
		}),
		Namespaces: w, Metrics: w,
		Log: funcr.New(func(prefix, args string) { log.WriteString(prefix + args + "\n") }, funcr.Options{Verbosity: 1}),
	}
}

// workloadReview asks about a Deployment of app "myapp" with annotations on its
// pod template.
func workloadReview(templateAnnotations string, change func(*admission.Request)) admission.Request {
	object := `{"metadata":{"name":"myapp","annotations":{}},"spec":{"template":{"metadata":{"labels":{"app.kubernetes.io/name":"myapp"},` +
		`"annotations":{` + templateAnnotations + `}},"spec":{"containers":[{"name":"app","env":[{"name":"DEBUG","value":"` + secretValue + `"}]}]}}}}`
	request := admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{
		UID: "u1", Operation: admissionv1.Update, Namespace: "popapps", Name: "myapp",
		Kind:   metav1.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"},
		Object: runtime.RawExtension{Raw: []byte(object)},
	}}
	if change != nil {
		change(&request)
	}
	return request
}

func TestWorkloadsHandle(t *testing.T) {
	const (
		configMap = "/metadata/annotations/configmap.reloader.stakater.com~1reload"
		secret    = "/metadata/annotations/secret.reloader.stakater.com~1reload"
		written   = "/metadata/annotations/envgraft.dev~1written"
	)
	all := []string{configMap, written, secret}
	kind := func(group, name string) func(*admission.Request) {
		return func(r *admission.Request) { r.Kind.Group, r.Kind.Kind = group, name }
	}
	cases := map[string]struct {
		reason      string
		world       world
		annotations string // of the pod template
		change      func(*admission.Request)
		patched     []string
		warnings    []string // a part of each
		counted     []graft.Reason
	}{
		"Update": {
			reason:  "A workload of a namespace that opted in is annotated.",
			patched: all, counted: []graft.Reason{graft.ReasonInjected},
		},
		"Create": {
			reason: "So is a new one.", change: func(r *admission.Request) { r.Operation = admissionv1.Create },
			patched: all, counted: []graft.Reason{graft.ReasonInjected},
		},
		"StatefulSet": {reason: "A workload.", change: kind("apps", "StatefulSet"), patched: all, counted: []graft.Reason{graft.ReasonInjected}},
		"DaemonSet":   {reason: "A workload.", change: kind("apps", "DaemonSet"), patched: all, counted: []graft.Reason{graft.ReasonInjected}},
		"Rollout":     {reason: "A workload of Argo's.", change: kind("argoproj.io", "Rollout"), patched: all, counted: []graft.Reason{graft.ReasonInjected}},
		"JustLabelled": {
			reason: "A namespace that was labelled a moment ago is read again.", world: world{currentLabel: "enabled"},
			patched: all, counted: []graft.Reason{graft.ReasonInjected},
		},
		"NotOptedIn": {
			reason: "Nobody asked for it.", world: world{currentLabel: "disabled"}, counted: []graft.Reason{graft.ReasonOptedOut},
		},
		"NoSecrets": {
			reason: "An app without secrets is not reloaded for one.", annotations: `"envgraft.dev/secrets":"disabled"`,
			patched: []string{configMap, written}, counted: []graft.Reason{graft.ReasonInjected},
		},
		"PodsDenied": {
			reason: "The author learns at once what will happen to the pods; the workload itself goes through.", annotations: `"envgraft.dev/secrets":"off"`,
			warnings: []string{`envgraft: pods of this Deployment will be denied: annotation envgraft.dev/secrets is "off": use "enabled" or "disabled"`},
			counted:  []graft.Reason{graft.ReasonInvalidSetting},
		},
		"ContainerTypo": {
			reason: "What only the containers tell is seen too.", annotations: `"envgraft.dev/containers":"ap"`,
			warnings: []string{`will be denied: annotation envgraft.dev/containers names container "ap"`},
			counted:  []graft.Reason{graft.ReasonInvalidSetting},
		},
		"LabelWithoutApp": {
			reason: "The workload's label makes its pods opt in, and these need an app.",
			change: func(r *admission.Request) {
				r.Object.Raw = []byte(`{"metadata":{"labels":{"envgraft.dev/inject":"enabled"}},"spec":{"template":{"spec":{}}}}`)
			},
			patched:  []string{"/metadata/annotations", "/spec/template/metadata"},
			warnings: []string{"will be denied: no app label"}, counted: []graft.Reason{graft.ReasonNoApp},
		},
		"LabelTypo": {
			reason: "A label that is not understood denies the pods rather than run them as the namespace says.",
			change: func(r *admission.Request) {
				r.Object.Raw = []byte(`{"metadata":{"labels":{"envgraft.dev/inject":"no"}},"spec":{"template":{"spec":{}}}}`)
			},
			patched:  []string{"/metadata/annotations", "/spec/template/metadata"},
			warnings: []string{`will be denied: label envgraft.dev/inject of the pod is "no"`}, counted: []graft.Reason{graft.ReasonInvalidLabel},
		},
		"ReloadTypo": {
			reason: "Nothing here may hold up a rollout, so that a typo warns.",
			change: func(r *admission.Request) {
				r.Object.Raw = []byte(strings.Replace(string(r.Object.Raw), `"annotations":{}`, `"annotations":{"envgraft.dev/reload":"off"}`, 1))
			},
			patched: all, warnings: []string{`annotation envgraft.dev/reload is "off" and has no effect`}, counted: []graft.Reason{graft.ReasonInjected},
		},
		"WorkloadRef": {
			reason: "A Rollout without a template is none of ours.",
			change: func(r *admission.Request) {
				r.Kind.Group, r.Kind.Kind = "argoproj.io", "Rollout"
				r.Object.Raw = []byte(`{"metadata":{},"spec":{"workloadRef":{}}}`)
			},
			counted: []graft.Reason{graft.ReasonNotOptedIn},
		},
		"NamespaceUnknown": {
			reason: "Annotations can wait, rollouts must not.", world: world{namespaceErr: errors.New("no route")},
			warnings: []string{`envgraft: cannot annotate this Deployment for Reloader (cannot read namespace "popapps": no route): apply it again`},
			counted:  []graft.Reason{graft.ReasonFailed},
		},
		"Malformed": {
			reason:   "An object that we cannot read is for the API server to judge.",
			change:   func(r *admission.Request) { r.Object.Raw = []byte(`{"metadata":[]}`) },
			warnings: []string{"cannot annotate this Deployment for Reloader (cannot read the workload"}, counted: []graft.Reason{graft.ReasonFailed},
		},
		"Delete":    {reason: "There is nothing left to annotate.", change: func(r *admission.Request) { r.Operation = admissionv1.Delete }},
		"Scale":     {reason: "A subresource is no workload.", change: func(r *admission.Request) { r.SubResource = "scale" }},
		"CronJob":   {reason: "Reloader would run it off schedule.", change: kind("batch", "CronJob")},
		"Job":       {reason: "Reloader would run it again.", change: kind("batch", "Job")},
		"OtherApps": {reason: "The group counts too.", change: kind("apps.example.com", "Deployment")},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			log := &strings.Builder{}
			response := tc.world.workloads(log).Handle(t.Context(), workloadReview(tc.annotations, tc.change))
			if !response.Allowed {
				t.Fatalf("%s\nnot allowed: %v", tc.reason, response.Result)
			}
			var paths []string
			for _, op := range response.Patches {
				paths = append(paths, op.Path)
			}
			if diff := cmp.Diff(tc.patched, paths); diff != "" {
				t.Errorf("%s\npatched paths -want, +got:\n%s", tc.reason, diff)
			}
			if len(response.Warnings) != len(tc.warnings) {
				t.Errorf("%s\nwarnings: got %q, want %q", tc.reason, response.Warnings, tc.warnings)
			}
			for i, want := range tc.warnings {
				if i < len(response.Warnings) && !strings.Contains(response.Warnings[i], want) {
					t.Errorf("%s\nwarning: got %q, want %q in it", tc.reason, response.Warnings[i], want)
				}
			}
			if diff := cmp.Diff(tc.counted, tc.world.admissions); diff != "" {
				t.Errorf("%s\nmetric -want, +got:\n%s", tc.reason, diff)
			}
			if strings.Contains(log.String(), secretValue) {
				t.Errorf("the log holds a value of the workload:\n%s", log)
			}
		})
	}
}
