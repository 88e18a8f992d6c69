package localenv_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/config"
	"github.com/envgraft/envgraft/internal/facts"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
	"github.com/envgraft/envgraft/internal/localenv"
)

// world has an app's parameter, its ConfigMap and other objects.
type world struct {
	parameter  facts.Value
	configMaps map[string]map[string]string
	secrets    map[string]map[string]string
	denied     string
	reads      int
}

func (w *world) Value(context.Context, string) facts.Value {
	w.reads++
	return w.parameter
}

func (w *world) ConfigMap(_ context.Context, name string) (map[string]string, bool, error) {
	data, found := w.configMaps[name]
	return data, found, w.deny("ConfigMap/" + name)
}

func (w *world) Secret(_ context.Context, name string) (map[string]string, bool, error) {
	data, found := w.secrets[name]
	return data, found, w.deny("Secret/" + name)
}

func (w *world) deny(object string) error {
	if object == w.denied {
		return errors.New("you may not get " + object)
	}
	return nil
}

func found(data map[string]string) facts.Value {
	v := facts.Value{Parameter: graft.Parameter{State: graft.ParameterFound}, Data: data}
	for key := range data {
		v.Keys = append(v.Keys, key)
	}
	return v
}

func podOf(w *world, annotations, containers string) localenv.Pod {
	raw := []byte(`{"metadata":{"labels":{"app.kubernetes.io/name":"cart"},"annotations":{` + annotations + `}},"spec":{"containers":` + containers + `}}`)
	c := config.Default().Engine()
	c.Rules.Environment = "stage"
	ns := identity.Namespace{Name: "shop", Labels: map[string]string{api.LabelInject: api.Enabled}}
	return localenv.Pod{
		Namespace: "shop", Raw: raw, Subject: graft.New(c).Inspect(ns, raw), NeverSeen: true, Parameters: w, Objects: w,
	}
}

func TestEnvironment(t *testing.T) {
	const plain = `[{"name":"app","env":[{"name":"A","value":"pod"},{"name":"B","value":"$(A)!"}]}]`
	config := map[string]map[string]string{"cart-config": {"A": "config", "C": "config"}}
	for name, tc := range map[string]struct {
		reason      string
		world       world
		annotations string
		containers  string
		container   string
		set         map[string]string
		want        map[string]string
		fails       string
	}{
		"Tiers": {
			reason: "The parameter beats the ConfigMap, and both beat the pod; references see the winner.",
			world:  world{parameter: found(map[string]string{"A": "ssm"}), configMaps: config}, containers: plain,
			want: map[string]string{"A": "ssm", "B": "ssm!", "C": "config"},
		},
		"NoConfigMap": {
			reason: "A ConfigMap that does not exist is optional.",
			world:  world{parameter: found(map[string]string{"K": "ssm"})}, containers: plain,
			want: map[string]string{"A": "pod", "B": "pod!", "K": "ssm"},
		},
		"Keep": {
			reason: "A variable that the pod keeps is the pod's.",
			world:  world{parameter: found(map[string]string{"A": "ssm"})}, annotations: `"envgraft.dev/keep":"A"`, containers: plain,
			want: map[string]string{"A": "pod", "B": "pod!"},
		},
		"Set": {
			reason: "What is given takes the place of the entry, for those that refer to it, too, and is not expanded itself.",
			world:  world{parameter: found(map[string]string{"A": "ssm"})}, containers: plain, set: map[string]string{"A": "$(B)$$", "NEW": "x"},
			want: map[string]string{"A": "$(B)$$", "B": "$(B)$$!", "NEW": "x"},
		},
		"SetForMissing": {
			reason: "What is given stands in for a Secret that is not there.",
			world:  world{parameter: found(map[string]string{"K": "ssm"})}, set: map[string]string{"P": "given"},
			containers: `[{"name":"app","env":[{"name":"P","valueFrom":{"secretKeyRef":{"name":"db","key":"p"}}}]}]`,
			want:       map[string]string{"K": "ssm", "P": "given"},
		},
		"NoSecrets": {
			reason: "An app without a parameter reads none.",
			world:  world{parameter: facts.Value{Parameter: graft.Parameter{State: graft.ParameterAccessDenied}}}, annotations: `"envgraft.dev/secrets":"disabled"`,
			containers: plain, want: map[string]string{"A": "pod", "B": "pod!"},
		},
		"Placeholder": {
			reason: "A parameter without keys gives nothing, and the pod would start.",
			world:  world{parameter: facts.Value{Parameter: graft.Parameter{State: graft.ParameterEmpty}}, configMaps: config}, containers: plain,
			want: map[string]string{"A": "config", "B": "config!", "C": "config"},
		},
		"DefaultContainer": {
			reason: "kubectl's annotation chooses the container.",
			world:  world{parameter: found(map[string]string{"K": "ssm"})}, annotations: `"kubectl.kubernetes.io/default-container":"two"`,
			containers: `[{"name":"one"},{"name":"two","env":[{"name":"N","value":"2"}]}]`,
			want:       map[string]string{"K": "ssm", "N": "2"},
		},

		"Denied": {
			reason: "A parameter that may not be read is no empty one.",
			world:  world{parameter: facts.Value{Parameter: graft.Parameter{State: graft.ParameterAccessDenied, Cause: "not authorized"}}}, containers: plain,
			fails: `cannot read parameter "/shop/cart/stage/app" with your AWS credentials: not authorized`,
		},
		"SecretDenied": {
			reason:     "Nor is a Secret: why is said once.",
			world:      world{parameter: found(map[string]string{"K": "ssm"}), denied: "Secret/db"},
			containers: `[{"name":"app","env":[{"name":"P","valueFrom":{"secretKeyRef":{"name":"db","key":"p"}}}]}]`,
			fails:      "you may not get Secret/db",
		},
		"Missing": {
			reason:     "A required key that is missing is what the container would wait for.",
			world:      world{parameter: found(map[string]string{"K": "ssm"}), secrets: map[string]map[string]string{"db": {"x": "y"}}},
			containers: `[{"name":"app","env":[{"name":"P","valueFrom":{"secretKeyRef":{"name":"db","key":"p"}}}]}]`,
			fails:      `Secret/db has no key "p"`,
		},
		"Container": {
			reason: "A container that is not there is named with those that are.",
			world:  world{parameter: found(map[string]string{"K": "ssm"})}, containers: plain, container: "web",
			fails: "give -c with one of app",
		},
	} {
		t.Run(name, func(t *testing.T) {
			env, err := podOf(&tc.world, tc.annotations, tc.containers).Environment(t.Context(), tc.container, tc.set)
			if tc.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tc.fails) || strings.Count(err.Error(), "\n") > 0 {
					t.Errorf("%s\nthe error is %v, want %q", tc.reason, err, tc.fails)
				}
				return
			}
			if err != nil {
				t.Fatalf("%s\n%v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.want, env.Variables); diff != "" {
				t.Errorf("%s\n-want, +got:\n%s", tc.reason, diff)
			}
			if tc.world.reads > 1 {
				t.Errorf("the parameter was read %d times", tc.world.reads)
			}
		})
	}
}
