package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/metrics"
)

// world answers every question of the handler.
type world struct {
	namespaceErr error
	// currentLabel is what the API server knows of a namespace that is
	// remembered without a label; empty where it is remembered as enabled.
	currentLabel string
	parameter    graft.Parameter
	configMap    graft.ConfigMap
	state        facts.State
	recorded     facts.Keys

	asked      []facts.Question
	admissions []graft.Reason
	warnings   []graft.Reason
	audit      bool
	noticed    []string // owners
}

func (w *world) Namespace(_ context.Context, name string) (identity.Namespace, error) {
	ns := identity.Namespace{Name: name}
	if w.currentLabel == "" {
		ns.Labels = map[string]string{api.LabelInject: api.Enabled}
	}
	if w.audit {
		ns.Annotations = map[string]string{api.AnnotationMode: api.ModeAudit}
	}
	return ns, w.namespaceErr
}

func (w *world) Current(_ context.Context, name string) (identity.Namespace, error) {
	return identity.Namespace{Name: name, Labels: map[string]string{api.LabelInject: w.currentLabel}}, nil
}

func (w *world) Parameter(_ context.Context, q facts.Question) facts.Parameter {
	w.asked = append(w.asked, q)
	return facts.Parameter{Parameter: w.parameter}
}

func (w *world) Prefetch(context.Context, string, string) {}

func (w *world) ConfigMap(context.Context, string, string) graft.ConfigMap { return w.configMap }

func (w *world) State(context.Context, string, graft.Decision) facts.State {
	state := w.state
	if state.Keys == nil {
		state.Keys = facts.Ask{}
	}
	return state
}

// Recorded answers as if the leader had recorded what w.recorded says, or nothing
// in time.
func (w *world) Recorded(ctx context.Context, namespace string, d graft.Decision) facts.State {
	if w.recorded != nil {
		return facts.State{Keys: w.recorded}
	}
	<-ctx.Done()
	return w.State(ctx, namespace, d)
}

func (w *world) Admission(_ metrics.Webhook, _ graft.Status, reason graft.Reason, _ time.Duration) {
	w.admissions = append(w.admissions, reason)
}
func (w *world) Warning(reason graft.Reason) { w.warnings = append(w.warnings, reason) }

func (w *world) Notify(_ string, owner metav1.OwnerReference, _ graft.Report) {
	w.noticed = append(w.noticed, owner.Kind+"/"+owner.Name)
}

func (w *world) handler(log *strings.Builder) *Pods {
	return &Pods{
		Engine: graft.New(graft.Config{
			Rules:            identity.Rules{Tenancy: identity.TenancyNamespace, Environment: "stage", Names: identity.DefaultNames()},
			MissingParameter: graft.MissingWait, InvalidParameter: graft.InvalidDeny,
		}),
		Namespaces: w, Parameters: w, ConfigMaps: w, ExternalSecrets: w, Metrics: w, Notices: w, FactsTimeout: time.Minute,
		Log: funcr.New(func(prefix, args string) { log.WriteString(prefix + args + "\n") }, funcr.Options{Verbosity: 1}),
	}
}

const secretValue = "hunter2-in-a-literal"

func podReview(change func(*admission.Request)) admission.Request {
	pod := `{"metadata":{"generateName":"myapp-","labels":{"app.kubernetes.io/name":"myapp"}},` +
		`"spec":{"containers":[{"name":"app","env":[{"name":"DEBUG","value":"` + secretValue + `"}]}]}}`
	request := admission.Request{AdmissionRequest: admissionv1.AdmissionRequest{
		UID: "u1", Operation: admissionv1.Create, Namespace: "popapps",
		Kind:     metav1.GroupVersionKind{Version: "v1", Kind: "Pod"},
		Resource: podResource(), Object: runtime.RawExtension{Raw: []byte(pod)},
	}}
	if change != nil {
		change(&request)
	}
	return request
}

func TestPodsHandle(t *testing.T) {
	found := graft.Parameter{State: graft.ParameterFound, Keys: []string{"DEBUG"}}
	noConfigMap := graft.ConfigMap{State: graft.ConfigMapNotFound}
	cases := map[string]struct {
		reason   string
		world    world
		change   func(*admission.Request)
		allowed  bool
		code     int32
		message  string // part of it
		patched  []string
		warnings int
		counted  []graft.Reason
	}{
		"Injected": {
			reason: "A pod whose namespace opted in is patched.",
			world:  world{parameter: found, configMap: noConfigMap}, allowed: true, code: 200,
			patched: []string{"/spec/containers/0/envFrom", "/spec/containers/0/env/0/value", "/spec/containers/0/env/0/valueFrom", "/metadata/labels/envgraft.dev~1app", "/metadata/annotations"},
			counted: []graft.Reason{graft.ReasonInjected},
		},
		"WarningsReachTheAuthor": {
			reason: "What was unclear is said in the response.",
			world: world{
				parameter: graft.Parameter{State: graft.ParameterUnreachable, Cause: "no answer"}, configMap: noConfigMap,
				state: facts.State{Problem: "ClusterSecretStore aws-ssm does not exist"},
			},
			allowed: true, code: 200, warnings: 3,
			patched: []string{"/spec/containers/0/envFrom", "/metadata/labels/envgraft.dev~1app", "/metadata/annotations"},
			counted: []graft.Reason{graft.ReasonInjected},
		},
		"Denied": {
			reason: "A parameter that ESO would fail on denies the pod.",
			world:  world{parameter: graft.Parameter{State: graft.ParameterNotObject}, configMap: noConfigMap},
			code:   403, message: "not a JSON object", counted: []graft.Reason{graft.ReasonInvalidParameter},
		},
		"Malformed": {
			reason: "An object that is no pod is denied, not crashed on.",
			change: func(r *admission.Request) {
				r.Object.Raw = []byte(`{"metadata":{"labels":{"app.kubernetes.io/name":"myapp"}},"spec":{"containers":3}}`)
			},
			code: 403, message: "cannot read the pod", counted: []graft.Reason{graft.ReasonMalformed},
		},
		"NoNamespace": {
			reason: "Without the namespace nothing is known; failing closed is what the opt-in is narrow for.",
			world:  world{namespaceErr: errors.New("down")},
			code:   500, message: `cannot read namespace "popapps": down`,
		},
		"JustLabelled": {
			reason: "A namespace that was labelled a moment ago is asked for again.",
			world:  world{currentLabel: api.Enabled, parameter: graft.Parameter{State: graft.ParameterEmpty}, configMap: noConfigMap},
			code:   200, allowed: true, warnings: 1,
			patched: []string{"/spec/containers/0/envFrom", "/metadata/labels/envgraft.dev~1app", "/metadata/annotations"},
			counted: []graft.Reason{graft.ReasonInjected},
		},
		"Audited": {
			reason: "A Namespace in audit mode is looked at, and left alone.",
			world:  world{audit: true, parameter: found, configMap: noConfigMap}, allowed: true, code: 200,
			counted: []graft.Reason{graft.ReasonInjected},
		},
		"AuditedDenial": {
			reason: "What would be denied is let through, with a word to its author.",
			world:  world{audit: true, parameter: graft.Parameter{State: graft.ParameterNotObject}, configMap: noConfigMap}, allowed: true, code: 200,
			warnings: 1, counted: []graft.Reason{graft.ReasonInvalidParameter},
		},
		"OtherKind": {
			reason: "A configuration that sends something else is a mistake to be told of.",
			change: func(r *admission.Request) {
				r.Resource = metav1.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}
			},
			code: 400, message: "this webhook takes pods",
		},
		"Subresource": {
			reason: "So is a subresource.",
			change: func(r *admission.Request) { r.SubResource = "exec" },
			code:   400, message: "this webhook takes pods",
		},
		"Update": {
			reason: "A pod that exists cannot get envFrom any more.",
			change: func(r *admission.Request) { r.Operation = admissionv1.Update },
			code:   200, allowed: true,
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var log strings.Builder
			response := tc.world.handler(&log).Handle(t.Context(), podReview(tc.change))

			if response.Allowed != tc.allowed || response.Result.Code != tc.code || !strings.Contains(response.Result.Message, tc.message) {
				t.Errorf("%s\nallowed %t, code %d, message %q", tc.reason, response.Allowed, response.Result.Code, response.Result.Message)
			}
			var paths []string
			for _, op := range response.Patches {
				paths = append(paths, op.Path)
			}
			if diff := cmp.Diff(tc.patched, paths); diff != "" {
				t.Errorf("%s\npatched: -want, +got:\n%s", tc.reason, diff)
			}
			if len(response.Warnings) != tc.warnings || len(tc.world.warnings) != tc.warnings {
				t.Errorf("%s\nwarnings: %q, counted %q, want %d", tc.reason, response.Warnings, tc.world.warnings, tc.warnings)
			}
			if diff := cmp.Diff(tc.counted, tc.world.admissions); diff != "" {
				t.Errorf("%s\ncounted: -want, +got:\n%s", tc.reason, diff)
			}
			if strings.Contains(log.String(), secretValue) {
				t.Errorf("the log holds a value:\n%s", log.String())
			}
			answer, err := json.Marshal(response.AdmissionResponse)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(answer), secretValue) {
				t.Errorf("the answer holds a value:\n%s", answer)
			}
		})
	}
}

func TestPodsAsksOnlyForWhatItNeeds(t *testing.T) {
	question := facts.Question{
		Namespace: "popapps", Parameter: "/popapps/myapp/stage/app", Access: facts.Access{Region: "eu-west-1"},
		FreshAfter: time.Unix(1700000000, 0),
	}
	found := facts.Known{Parameter: graft.Parameter{State: graft.ParameterFound}}
	for name, tc := range map[string]struct {
		reason   string
		keys     facts.Keys
		recorded facts.Keys
		want     graft.ParameterState
		asked    []facts.Question
	}{
		"Unknown": {
			"the question is asked as it stands, its time and access too",
			facts.Ask{Question: question},
			nil, graft.ParameterEmpty,
			[]facts.Question{question},
		},
		"Known": {
			"what is known costs no call",
			found, nil, graft.ParameterFound, nil,
		},
		"Recorded": {
			"the leader asks, and the others wait for its record",
			facts.Await{Question: question},
			found, graft.ParameterFound, nil,
		},
		"NoKeysRecorded": {
			"the leader recorded that there are no keys: why, each replica finds out",
			facts.Await{Question: question},
			facts.Ask{Question: question},
			graft.ParameterEmpty,
			[]facts.Question{question},
		},
		"NotRecorded": {
			"it did not come in time: a guess could let in what the leader denies",
			facts.Await{Question: question},
			nil, graft.ParameterEmpty,
			[]facts.Question{question},
		},
		"Unchecked": {
			"the parameter of this path is another account's",
			facts.NotChecked{Cause: "its store has credentials of its own"},
			nil, graft.ParameterUnchecked, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := world{parameter: graft.Parameter{State: graft.ParameterEmpty}, state: facts.State{Keys: tc.keys}, recorded: tc.recorded}
				handler := w.handler(&strings.Builder{})
				ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
				defer cancel()
				got := handler.parameter(ctx, tc.keys, newAppPod("myapp"), graft.Decision{})
				if got.State != tc.want {
					t.Errorf("%s: got %+v, want %s", tc.reason, got, tc.want)
				}
				if ctx.Err() != nil {
					t.Errorf("%s: nothing is left of the admission's time to ask in", tc.reason)
				}
				w.asked = nil
				handler.Handle(t.Context(), newAppPod("myapp"))
				if diff := cmp.Diff(tc.asked, w.asked); diff != "" {
					t.Errorf("%s: asked: -want, +got:\n%s", tc.reason, diff)
				}
			})
		})
	}

	for reason, raw := range map[string]string{
		"a pod that opted out":       `{"metadata":{"labels":{"app.kubernetes.io/name":"myapp","envgraft.dev/inject":"disabled"}}}`,
		"an app without secrets":     `{"metadata":{"labels":{"app.kubernetes.io/name":"myapp"},"annotations":{"envgraft.dev/secrets":"disabled"}}}`,
		"a pod that names no app":    `{"metadata":{}}`,
		"a pod that will be refused": `{"metadata":{"labels":{"app.kubernetes.io/name":"myapp"},"annotations":{"envgraft.dev/keep":""}}}`,
	} {
		w := world{}
		w.handler(&strings.Builder{}).Handle(t.Context(), podReview(func(r *admission.Request) { r.Object.Raw = []byte(raw) }))
		if len(w.asked) > 0 {
			t.Errorf("%s costs a call of SSM", reason)
		}
	}
}

// TestPodsWithoutWorkloadAskThemselves: nobody could have seen them coming.
func TestPodsWithoutWorkloadAskThemselves(t *testing.T) {
	for reason, raw := range map[string]string{
		"a pod of its own": `{"metadata":{"labels":{"app.kubernetes.io/name":"myapp"}}}`,
		"a pod of a Job": `{"metadata":{"labels":{"app.kubernetes.io/name":"myapp"},"ownerReferences":[` +
			`{"apiVersion":"batch/v1","kind":"Job","name":"myapp","uid":"1","controller":true}]}}`,
		"a pod that a ReplicaSet does not control": `{"metadata":{"labels":{"app.kubernetes.io/name":"myapp"},"ownerReferences":[` +
			`{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"myapp","uid":"1"}]}}`,
	} {
		w := world{state: facts.State{Keys: facts.Await{}}, recorded: facts.Known{}}
		w.handler(&strings.Builder{}).Handle(t.Context(), podReview(func(r *admission.Request) { r.Object.Raw = []byte(raw) }))
		if len(w.asked) != 1 {
			t.Errorf("%s asked %d times, want once", reason, len(w.asked))
		}
	}
}

// fixedParameter has keys without remembering who asked, for many at once.
type fixedParameter struct{}

func (fixedParameter) Parameter(context.Context, facts.Question) facts.Parameter {
	return facts.Parameter{Parameter: graft.Parameter{State: graft.ParameterFound, Keys: []string{"DEBUG"}}}
}
