package policy

import (
	"fmt"
	"strings"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/graft"
	"github.com/envgraft/envgraft/internal/identity"
)

// The rule: what the engine denies, the policy denies too. A pod that started
// without its environment because an annotation was misspelled would be the
// worse failure, and one that names another team's parameter must not even
// seem to have got it.

// The forms of names, as CEL's matches wants them.
const (
	// subdomain is validation.IsDNS1123Subdomain.
	subdomain = `[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*`
	// labelValue is validation.IsValidLabelValue of what is not empty.
	labelValue = `^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$`
	// goDuration is what time.ParseDuration takes, and CEL's duration with it.
	goDuration = `^[-+]?(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+$`
)

// checks returns all of them. Their expressions never fail.
func (o Options) checks() []check {
	return append(o.identityChecks(), o.settingChecks()...)
}

func (o Options) identityChecks() []check {
	checks := []check{
		{
			"inject", fmt.Sprintf("variables.inject in [%s, %s]", quote(api.Enabled), quote(api.Disabled)),
			fmt.Sprintf("'label %s is \"' + variables.inject + '\": use \"%s\" or \"%s\"'", api.LabelInject, api.Enabled, api.Disabled),
		},
		{
			"mode", fmt.Sprintf("!(%s in variables.namespaceAnnotations)", quote(api.AnnotationMode)),
			quote("annotation " + api.AnnotationMode + " of the namespace must be \"" + api.ModeAudit + "\""),
		},
		{"app", "variables.app != ''", quote("no app label: set label " + api.LabelName + " or " + api.LabelApp + " on the pod template")},
		{
			"parameter", validParameter(varParameter),
			"'SSM parameter \"' + " + varParameter + " + '\" is no name that SSM takes'",
		},
	}
	for _, name := range []string{"configMap", "secret", "externalSecret"} {
		checks = append(checks, check{
			name, fmt.Sprintf("variables.%[1]s.matches(%[2]s) && size(variables.%[1]s) <= 253", name, quote("^"+subdomain+"$")),
			fmt.Sprintf("'%s%s name \"' + variables.%s + '\" is no Kubernetes object name'", strings.ToUpper(name[:1]), name[1:], name),
		})
	}
	if o.Engine.Rules.RequireSystemLabel {
		checks = append(checks, check{"systemLabel", "variables.systemLabel != ''", quote("the namespace has no label " + api.LabelSystem)})
	}
	if o.Engine.Rules.Tenancy == identity.TenancyOpen {
		return checks
	}
	return append(checks, o.tenancyChecks()...)
}

// validParameter is identity.ValidateParameter. What it takes is ASCII, so that
// characters are bytes.
func validParameter(path string) string {
	return fmt.Sprintf("%[1]s.matches('^(/[A-Za-z0-9_.-]+){1,15}$') && size(%[1]s) <= 1011 && "+
		"!%[1]s.lowerAscii().matches('^/(aws|ssm)') && !%[1]s.matches('/[.][.]?(/|$)')", path)
}

// settingChecks are those of parseSettings.
func (o Options) settingChecks() []check {
	values := func(key string) string { return annotation(key) + ".split(',').map(v, v.trim())" }
	bounded := func(key string) string {
		return fmt.Sprintf("%s.split(',').size() <= %d", annotation(key), graft.MaxListEntries)
	}
	setting := func(key, condition, accepted string) check {
		return check{
			key, unless(key, "("+condition+")"),
			fmt.Sprintf("'annotation %s is \"' + %s + '\": %s'", key, annotation(key), strings.ReplaceAll(accepted, "'", `\'`)),
		}
	}
	store := annotation(api.AnnotationSecretStore)
	name := fmt.Sprintf("%s.replace(%s, '', 1)", store, quote(graft.KindClusterSecretStore+"/"))
	return []check{
		setting(api.AnnotationSecrets, annotation(api.AnnotationSecrets)+" in "+list([]string{api.Enabled, api.Disabled}), `use "enabled" or "disabled"`),
		setting(api.AnnotationSecretOptional, annotation(api.AnnotationSecretOptional)+" in ['true', 'false']", `use "true" or "false"`),
		setting(api.AnnotationConfigMapRequired, annotation(api.AnnotationConfigMapRequired)+" in ['true', 'false']", `use "true" or "false"`),
		setting(api.AnnotationContainers, bounded(api.AnnotationContainers)+" && "+values(api.AnnotationContainers)+
			".all(v, (variables.initContainers + variables.containers).exists(c, c.name == v))", "use names of the pod's containers, comma separated"),
		setting(api.AnnotationKeep, bounded(api.AnnotationKeep)+" && "+values(api.AnnotationKeep)+".all(v, v != '')", "use env names, comma separated"),
		setting(api.AnnotationRefreshInterval, fmt.Sprintf("%[1]s.matches(%[2]s) && duration(%[1]s) >= duration(%[3]s)",
			annotation(api.AnnotationRefreshInterval), quote(goDuration), quote(o.Engine.MinRefreshInterval.String())),
			fmt.Sprintf(`use a duration of at least %s, as in "5m"`, o.Engine.MinRefreshInterval)),
		setting(api.AnnotationDeletionPolicy, annotation(api.AnnotationDeletionPolicy)+" in "+
			list([]string{graft.DeletionPolicyDelete, graft.DeletionPolicyRetain}), `use "Delete" or "Retain"`),
		setting(api.AnnotationSecretStore, fmt.Sprintf("size(%[1]s) <= 265 && %[1]s.matches(%[2]s) && (%[1]s.startsWith(%[3]s) || %[4]s in %[5]s)",
			store, quote("^(("+graft.KindClusterSecretStore+"|"+graft.KindSecretStore+")/)?"+subdomain+"$"),
			quote(graft.KindSecretStore+"/"), name, list(o.Engine.ClusterStores)),
			"use a SecretStore of the namespace as SecretStore/NAME, or one of "+strings.Join(o.Engine.ClusterStores, ", ")),
	}
}
