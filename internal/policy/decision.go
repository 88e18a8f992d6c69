package policy

import (
	"fmt"
	"strings"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/identity"
)

// The rule: what graft.Engine.Decide tells from labels and annotations, by the
// same keys in the same order.

// The variables that other files refer to.
const (
	varParameter  = "variables.parameter"
	varConfigMap  = "variables.configMap"
	varSecret     = "variables.secret"
	varSecrets    = "variables.secrets"
	varConsidered = "variables.considered"
)

// annotationMirror marks a pod that a kubelet made of a static one.
const annotationMirror = "kubernetes.io/config.mirror"

// decision returns the variables of both policies, the last of them "valid".
func (o Options) decision() []variable {
	variables := []variable{
		{"containers", "object.spec.?containers.orValue([])"},
		{"initContainers", "object.spec.?initContainers.orValue([])"},
		{"podLabels", "object.metadata.?labels.orValue({})"},
		{"podAnnotations", "object.metadata.?annotations.orValue({})"},
		{"namespaceLabels", "namespaceObject.metadata.?labels.orValue({})"},
		{"namespaceAnnotations", "namespaceObject.metadata.?annotations.orValue({})"},
		{"ofNamespace", fmt.Sprintf("!(%s in variables.podLabels)", quote(api.LabelInject))},
		{"inject", fmt.Sprintf("variables.ofNamespace ? variables.namespaceLabels[?%[1]s].orValue(%[2]s) : variables.podLabels[%[1]s]",
			quote(api.LabelInject), quote(api.Disabled))},
		{"app", firstOf(podLabel(api.LabelApp), podLabel(api.LabelName))},
		// What the engine neither injects nor denies.
		{"considered", fmt.Sprintf("variables.inject != %s\n&& variables.namespaceAnnotations[?%s].orValue('') != %s\n"+
			"&& !(variables.inject == %s && (%s || (variables.app == '' && variables.ofNamespace)))",
			quote(api.Disabled), quote(api.AnnotationMode), quote(api.ModeAudit), quote(api.Enabled), annotated(annotationMirror))},
	}
	variables = append(append(variables, o.identity()...), o.prefixes()...)
	oks := []string{varConsidered}
	for _, c := range o.checks() {
		oks = append(oks, "("+c.expression+")")
	}
	return append(variables, variable{"valid", strings.Join(oks, "\n&& ")})
}

// identity returns the variables of who the pod is.
func (o Options) identity() []variable {
	names := o.Engine.Rules.Names
	named := func(key string, t identity.Template) string {
		return fmt.Sprintf("variables.podAnnotations[?%s].orValue(%s)", quote(key), expand(t))
	}
	return append(o.membership(),
		variable{"parameter", named(api.AnnotationParameter, names.Parameter)},
		variable{"configMap", named(api.AnnotationConfigMapName, names.ConfigMap)},
		variable{"secret", named(api.AnnotationSecretName, names.Secret)},
		variable{"externalSecret", expand(names.ExternalSecret)},
		variable{"secrets", fmt.Sprintf("variables.podAnnotations[?%s].orValue(%s) != %s",
			quote(api.AnnotationSecrets), quote(api.Enabled), quote(api.Disabled))},
	)
}

// membership returns the variables of the pod's system and environment.
func (o Options) membership() []variable {
	rules := o.Engine.Rules
	label := namespaceLabel(api.LabelSystem)
	if rules.Tenancy == identity.TenancyOpen {
		label = firstOf(podLabel(api.LabelSystem), firstOf(podLabel(api.LabelPartOf), label))
	}
	own := firstOf(namespaceLabel(api.LabelEnvironment), quote(rules.Environment))
	return []variable{
		{"systemLabel", label},
		{"system", firstOf("variables.systemLabel", "namespaceObject.metadata.name")},
		{"environment", firstOf(podLabel(api.LabelEnvironment), own)},
		{"listedEnvironments", listed(api.AnnotationAllowedEnvironments)},
		{"environments", "[" + own + "] + variables.listedEnvironments"},
	}
}

// expand writes a name's template as CEL. A template that passed validation
// makes valid names, so it holds no quote.
func expand(t identity.Template) string {
	placed := func(variable string) string { return "' + variables." + variable + " + '" }
	text := "'" + t.Expand(placed("system"), placed("app"), placed("environment")) + "'"
	return strings.TrimSuffix(strings.TrimPrefix(text, "'' + "), " + ''")
}

// listed is CEL for the parts of an annotation of the Namespace.
func listed(key string) string {
	return fmt.Sprintf("variables.namespaceAnnotations[?%s].optMap(v, v.split(',').map(p, p.trim())).orValue([])", quote(key))
}
