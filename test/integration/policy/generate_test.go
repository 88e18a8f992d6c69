package policy

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/envgraft/envgraft/internal/api"
)

type generator struct{ *rand.Rand }

func (g generator) oneOf(values ...string) string { return values[g.IntN(len(values))] }
func (g generator) chance(percent int) bool       { return g.IntN(100) < percent }

// values are by key what a pod may have, good and bad.
func labelValues() map[string][]string {
	return map[string][]string{
		api.LabelInject:      {api.Enabled, api.Enabled, api.Enabled, api.Disabled, "yes", ""},
		api.LabelApp:         {"web", "", "Web", "a_b"},
		api.LabelSystem:      {"shop", "billing", "", "aws-x"},
		api.LabelPartOf:      {"billing", "suite"},
		api.LabelEnvironment: {"stage", "prod", "", "QA"},
	}
}

func annotationValues() map[string][]string {
	return map[string][]string{
		api.AnnotationParameter: {
			"/shop/web/stage/app", "/shop/x", "/billing/web/prod/app", "/shared/x", "/common/base/y", "", "shop/x", "/shop//x", "/shop/a b",
			"/ssm/x", "/shop/../billing/x", "/shop/./x", "/testing/web/prod/app", "/testing/web/production/app", "/testing/prod", "/billing/web/prod/app",
			"/testing/a/b/Prod", "/shared/web/prod/app", "/x/testing/prod/web", "/x/shop/qa/web", "/AWSx/y", "/shop/" + strings.Repeat("a/", 15) + "b", "/shop/" + strings.Repeat("x", 1010),
		},
		api.AnnotationConfigMapName:      {"web-config", "other", "", "Other", "a..b"},
		api.AnnotationSecretName:         {"web-secrets", "other", "-x", strings.Repeat("s", 254)},
		api.AnnotationSecrets:            {api.Enabled, api.Disabled, api.Disabled, "no"},
		api.AnnotationSecretOptional:     {"true", "true", "false", "yes"},
		api.AnnotationConfigMapRequired:  {"true", "true", "false", ""},
		api.AnnotationContainers:         {"app", " app , init", "app,", "worker", "none", ""},
		api.AnnotationKeep:               {"A", "A, B", "A,,B", ""},
		api.AnnotationRefreshInterval:    {"5m", "1h30m", "10s", "9.9s", "1", "0", "-5m", "1m ", "1.5h", ".5h", "99999999999h", "5 m", "1d"},
		api.AnnotationDeletionPolicy:     {"Delete", "Retain", "Merge", "retain"},
		api.AnnotationSecretStore:        {"aws-ssm", "ClusterSecretStore/aws-ssm", "SecretStore/own", "root", "Store/x", "SecretStore/", "SecretStore/a/b", "ClusterSecretStore/ClusterSecretStore/aws-ssm"},
		api.AnnotationAwaitsSecret:       {"true"},
		api.AnnotationInjected:           {"ConfigMap/web-config,Secret/web-secrets", "x"},
		api.AnnotationInjectedContainers: {"app", "app,worker", "app,none", ""},
		"example.com/other":              {"x"},
	}
}

func (g generator) pod() *corev1.Pod {
	pod := app(nil)
	if g.chance(15) {
		pod.Labels = nil
	}
	if g.chance(20) {
		pod.Annotations = nil
	}
	pod.Labels = g.some(pod.Labels, 12, labelValues())
	pod.Annotations = g.some(pod.Annotations, 5, annotationValues())
	pod.Spec.Containers = []corev1.Container{g.container("app"), g.container("istio-proxy"), g.container("worker")}
	if g.chance(50) {
		pod.Spec.InitContainers = []corev1.Container{g.container("init"), g.container("mesh")}
	}
	return pod
}

// some sets each key with a chance.
func (g generator) some(to map[string]string, percent int, values map[string][]string) map[string]string {
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if !g.chance(percent) {
			continue
		}
		if to == nil {
			to = map[string]string{}
		}
		to[key] = g.oneOf(values[key]...)
	}
	return to
}

func (g generator) container(name string) corev1.Container {
	c := corev1.Container{Name: name, Image: "i"}
	for range g.IntN(5) {
		c.EnvFrom = append(c.EnvFrom, g.envFrom())
	}
	if g.chance(50) {
		c.Env = []corev1.EnvVar{{Name: "A", Value: "x"}, {Name: "B", Value: "$(A)"}}
	}
	return c
}

func (g generator) envFrom() corev1.EnvFromSource {
	from := corev1.EnvFromSource{Prefix: g.oneOf("", "", "", "P_")}
	name := corev1.LocalObjectReference{Name: g.oneOf("web-secrets", "web-config", "web-config", "other", "c-web", "web.s")}
	var optional *bool
	if g.chance(60) {
		optional = new(g.chance(50))
	}
	if g.chance(50) {
		from.SecretRef = &corev1.SecretEnvSource{LocalObjectReference: name, Optional: optional}
	} else {
		from.ConfigMapRef = &corev1.ConfigMapEnvSource{LocalObjectReference: name, Optional: optional}
	}
	return from
}
