package identity

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/envgraft/envgraft/internal/api"
)

func stageRules() Rules {
	return Rules{Tenancy: TenancyNamespace, Environment: "stage", KnownEnvironments: []string{"prod"}, Names: DefaultNames()}
}

func TestResolve(t *testing.T) {
	popapps := Namespace{Name: "popapps"}
	myapp := map[string]string{api.LabelName: "myapp"}
	byDefault := Identity{
		App: "myapp", System: "popapps", Environment: "stage", Parameter: "/popapps/myapp/stage/app",
		ConfigMap: "myapp-config", Secret: "myapp-secrets", ExternalSecret: "myapp-external",
		ParameterEnvironment: "stage",
	}
	with := func(change func(*Identity)) Identity {
		id := byDefault
		change(&id)
		return id
	}

	cases := map[string]struct {
		reason string
		rules  func(*Rules)
		ns     Namespace
		pod    Pod
		want   Identity
	}{
		"Defaults": {
			reason: "The recommended name label is the app, the Namespace's name the system.",
			ns:     popapps, pod: Pod{Labels: myapp}, want: byDefault,
		},
		"OwnAppLabel": {
			reason: "envgraft.dev/app stands over app.kubernetes.io/name.",
			ns:     popapps, pod: Pod{Labels: map[string]string{api.LabelName: "chart", api.LabelApp: "myapp"}}, want: byDefault,
		},
		"NamespaceSystem": {
			reason: "The Namespace's system label stands over its name.",
			ns:     Namespace{Name: "popapps-blue", Labels: map[string]string{api.LabelSystem: "popapps"}}, pod: Pod{Labels: myapp}, want: byDefault,
		},
		"RepeatedSystem": {
			reason: "A pod may repeat its Namespace's system.",
			ns:     popapps, pod: Pod{Labels: map[string]string{api.LabelName: "myapp", api.LabelSystem: "popapps"}}, want: byDefault,
		},
		"PartOfIgnored": {
			reason: "part-of is used for other things and has no say by default.",
			ns:     popapps, pod: Pod{Labels: map[string]string{api.LabelName: "myapp", api.LabelPartOf: "billing"}}, want: byDefault,
		},
		"NamespaceEnvironment": {
			reason: "The Namespace's environment stands over the server's.",
			ns:     Namespace{Name: "popapps", Labels: map[string]string{api.LabelEnvironment: "prod"}}, pod: Pod{Labels: myapp},
			want: with(func(id *Identity) {
				id.Environment, id.Parameter, id.ParameterEnvironment = "prod", "/popapps/myapp/prod/app", "prod"
			}),
		},
		"PodEnvironment": {
			reason: "A pod may name an environment that its Namespace lists.",
			ns: Namespace{
				Name: "popapps", Labels: map[string]string{api.LabelEnvironment: "prod"},
				Annotations: map[string]string{api.AnnotationAllowedEnvironments: "dev, qa"},
			},
			pod: Pod{Labels: map[string]string{api.LabelName: "myapp", api.LabelEnvironment: "qa"}},
			want: with(func(id *Identity) {
				id.Environment, id.Parameter, id.ParameterEnvironment = "qa", "/popapps/myapp/qa/app", "qa"
			}),
		},
		"RepeatedEnvironment": {
			reason: "A pod may repeat the server's environment where the Namespace has none.",
			ns:     popapps, pod: Pod{Labels: map[string]string{api.LabelName: "myapp", api.LabelEnvironment: "stage"}}, want: byDefault,
		},
		"PathOfAnotherEnvironment": {
			reason: "The path's environment is the one whose store and deletion policy count.",
			ns:     Namespace{Name: "popapps", Annotations: map[string]string{api.AnnotationAllowedEnvironments: "prod"}},
			pod:    Pod{Labels: myapp, Annotations: map[string]string{api.AnnotationParameter: "/popapps/other/prod/db/main"}},
			want:   with(func(id *Identity) { id.Parameter, id.ParameterEnvironment = "/popapps/other/prod/db/main", "prod" }),
		},
		"PrefixOfOneEnvironment": {
			reason: "An administrator may open one path of another environment, within the system too.",
			ns:     Namespace{Name: "popapps", Annotations: map[string]string{api.AnnotationAllowedParameterPrefixes: "/popapps/web/prod/"}},
			pod:    Pod{Labels: myapp, Annotations: map[string]string{api.AnnotationParameter: "/popapps/web/prod/app"}},
			want:   with(func(id *Identity) { id.Parameter, id.ParameterEnvironment = "/popapps/web/prod/app", "prod" }),
		},
		"AppNamedAsEnvironment": {
			reason: "Where the environment is in its place, other levels are other names.",
			ns:     popapps, pod: Pod{Labels: map[string]string{api.LabelName: "prod"}},
			want: Identity{
				App: "prod", System: "popapps", Environment: "stage", Parameter: "/popapps/prod/stage/app", ParameterEnvironment: "stage",
				ConfigMap: "prod-config", Secret: "prod-secrets", ExternalSecret: "prod-external",
			},
		},
		"EnvironmentFirst": {
			reason: "The environment binds wherever the template has it.",
			rules:  func(r *Rules) { r.Names.Parameter = "/env-{environment}/{system}/{app}" },
			ns:     Namespace{Name: "popapps", Annotations: map[string]string{api.AnnotationAllowedEnvironments: "qa"}},
			pod:    Pod{Labels: myapp, Annotations: map[string]string{api.AnnotationParameter: "/env-qa/popapps/other"}},
			want:   with(func(id *Identity) { id.Parameter, id.ParameterEnvironment = "/env-qa/popapps/other", "qa" }),
		},
		"OpenTenancyEnvironment": {
			reason: "In an open cluster the pod's environment comes first; the path's still counts.",
			rules:  func(r *Rules) { r.Tenancy = TenancyOpen },
			ns:     Namespace{Name: "popapps", Labels: map[string]string{api.LabelEnvironment: "stage"}},
			pod: Pod{
				Labels:      map[string]string{api.LabelName: "myapp", api.LabelEnvironment: "qa"},
				Annotations: map[string]string{api.AnnotationParameter: "/billing/db/prod/app"},
			},
			want: with(func(id *Identity) {
				id.Environment, id.Parameter, id.ParameterEnvironment = "qa", "/billing/db/prod/app", "prod"
			}),
		},
		"Overrides": {
			reason: "Annotations replace computed names.",
			ns:     popapps,
			pod: Pod{Labels: myapp, Annotations: map[string]string{
				api.AnnotationParameter: "/popapps/shared", api.AnnotationConfigMapName: "common", api.AnnotationSecretName: "s.v2",
			}},
			want: with(func(id *Identity) {
				id.Parameter, id.ConfigMap, id.Secret, id.SecretReferenced = "/popapps/shared", "common", "s.v2", true
			}),
		},
		"SecretNames": {
			reason: "A Namespace lists the names that may be filled.",
			ns:     Namespace{Name: "popapps", Annotations: map[string]string{api.AnnotationAllowedSecretNames: "other, s.v2"}},
			pod:    Pod{Labels: myapp, Annotations: map[string]string{api.AnnotationSecretName: "s.v2"}},
			want:   with(func(id *Identity) { id.Secret = "s.v2" }),
		},
		"WidenedPrefix": {
			reason: "A Namespace annotation opens further prefixes.",
			ns:     Namespace{Name: "popapps", Annotations: map[string]string{api.AnnotationAllowedParameterPrefixes: "/shared/, /other/db/"}},
			pod:    Pod{Labels: myapp, Annotations: map[string]string{api.AnnotationParameter: "/other/db/main"}},
			want:   with(func(id *Identity) { id.Parameter = "/other/db/main" }),
		},
		"OpenTenancy": {
			reason: "In an open cluster part-of of the pod names the system.",
			rules:  func(r *Rules) { r.Tenancy = TenancyOpen },
			ns:     Namespace{Name: "default"}, pod: Pod{Labels: map[string]string{api.LabelName: "myapp", api.LabelPartOf: "popapps"}}, want: byDefault,
		},
		"OpenTenancyOwnLabel": {
			reason: "envgraft.dev/system stands over part-of.",
			rules:  func(r *Rules) { r.Tenancy = TenancyOpen },
			ns:     Namespace{Name: "default"},
			pod:    Pod{Labels: map[string]string{api.LabelName: "myapp", api.LabelPartOf: "x", api.LabelSystem: "popapps"}}, want: byDefault,
		},
		"OpenTenancyParameter": {
			reason: "In an open cluster any parameter may be named.",
			rules:  func(r *Rules) { r.Tenancy = TenancyOpen },
			ns:     popapps, pod: Pod{Labels: myapp, Annotations: map[string]string{api.AnnotationParameter: "/billing/db"}},
			want: with(func(id *Identity) { id.Parameter = "/billing/db" }),
		},
		"SystemNotFirst": {
			reason: "Tenancy holds to the template's levels up to the system, wherever it stands.",
			rules:  func(r *Rules) { r.Names.Parameter = "/env/{environment}/{system}/{app}" },
			ns:     popapps, pod: Pod{Labels: myapp, Annotations: map[string]string{api.AnnotationParameter: "/env/stage/popapps/other"}},
			want: with(func(id *Identity) { id.Parameter = "/env/stage/popapps/other" }),
		},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			rules := stageRules()
			if tc.rules != nil {
				tc.rules(&rules)
			}
			got, err := rules.Resolve(tc.ns, tc.pod)
			if err != nil {
				t.Fatalf("%s\nResolve: %v", tc.reason, err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nResolve: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestResolveRefuses(t *testing.T) {
	popapps := Namespace{Name: "popapps"}
	labels := func(kv ...string) map[string]string {
		m := map[string]string{api.LabelName: "myapp"}
		for i := 0; i < len(kv); i += 2 {
			m[kv[i]] = kv[i+1]
		}
		return m
	}
	annotated := func(key, value string) Pod {
		return Pod{Labels: labels(), Annotations: map[string]string{key: value}}
	}
	cases := map[string]struct {
		reason string
		rules  func(*Rules)
		ns     Namespace
		pod    Pod
		want   []string // parts of the message: what lets a person act
	}{
		"NoApp":             {"Nothing names the app.", nil, popapps, Pod{}, []string{api.LabelName, api.LabelApp}},
		"OtherSystem":       {"A pod's author must not reach another team's system.", nil, popapps, Pod{Labels: labels(api.LabelSystem, "billing")}, []string{api.LabelSystem, `"billing"`, `"popapps"`, "kubectl label namespace popapps"}},
		"NoEnvironment":     {"A cluster without a default needs a label.", func(r *Rules) { r.Environment = "" }, popapps, Pod{Labels: labels()}, []string{api.LabelEnvironment, "kubectl label namespace popapps"}},
		"UpperCaseApp":      {"A label may hold what an object's name may not.", nil, popapps, Pod{Labels: labels(api.LabelApp, "My_App")}, []string{`"My_App"`, "My_App-config", "lowercase"}},
		"EmptyConfigMap":    {"An empty annotation is not the same as none.", nil, popapps, annotated(api.AnnotationConfigMapName, ""), []string{"ConfigMap", `""`}},
		"EmptyParameter":    {"An empty annotation is not the same as none.", nil, popapps, annotated(api.AnnotationParameter, ""), []string{`must start with "/"`}},
		"ForeignParameter":  {"An annotation must not reach another team's parameter.", nil, popapps, annotated(api.AnnotationParameter, "/billing/db/prod/app"), []string{api.AnnotationParameter, `"/billing/db/prod/app"`, `"/popapps/"`, api.AnnotationAllowedParameterPrefixes}},
		"PrefixOfName":      {"/popapps2/ is not under /popapps/.", nil, popapps, annotated(api.AnnotationParameter, "/popapps2/x"), []string{`"/popapps/"`}},
		"OpenEndedPrefix":   {"A prefix without its last slash would open more than it says.", nil, Namespace{Name: "popapps", Annotations: map[string]string{api.AnnotationAllowedParameterPrefixes: "/bill"}}, annotated(api.AnnotationParameter, "/billing/x"), []string{api.AnnotationAllowedParameterPrefixes, `"/bill"`}},
		"RootPrefix":        {"The root would open everything.", nil, Namespace{Name: "popapps", Annotations: map[string]string{api.AnnotationAllowedParameterPrefixes: "/"}}, annotated(api.AnnotationParameter, "/billing/x"), []string{`"/"`}},
		"RequiredSystem":    {"A namespace must not take a system by its name where that is asked for.", func(r *Rules) { r.RequireSystemLabel = true }, popapps, Pod{Labels: labels()}, []string{"tenancy.requireSystemLabel", "kubectl label namespace popapps envgraft.dev/system=popapps"}},
		"OtherEnvironment":  {"A label of the pod must not be enough to reach prod.", nil, popapps, Pod{Labels: labels(api.LabelEnvironment, "prod")}, []string{api.LabelEnvironment, `"prod"`, `"stage"`, "kubectl annotate --overwrite namespace popapps envgraft.dev/allowed-environments=prod"}},
		"NotListed":         {"The command keeps what is listed.", nil, Namespace{Name: "popapps", Annotations: map[string]string{api.AnnotationAllowedEnvironments: "qa"}}, Pod{Labels: labels(api.LabelEnvironment, "prod")}, []string{"environments=qa,prod"}},
		"BadEnvironments":   {"A list that cannot be read opens nothing.", nil, Namespace{Name: "popapps", Annotations: map[string]string{api.AnnotationAllowedEnvironments: "qa,"}}, Pod{Labels: labels(api.LabelEnvironment, "qa")}, []string{api.AnnotationAllowedEnvironments, `""`}},
		"OtherPath":         {"Nor is an annotation.", nil, popapps, annotated(api.AnnotationParameter, "/popapps/myapp/prod/app"), []string{`"/popapps/myapp/prod/app"`, `"prod"`, `"stage"`}},
		"OtherPathOwnForm":  {"Nor is a path that is no app's.", nil, popapps, annotated(api.AnnotationParameter, "/popapps/db/qa/x/y"), []string{`"qa"`}},
		"KnownElsewhere":    {"A short path may not name an environment that the configuration knows.", nil, popapps, annotated(api.AnnotationParameter, "/popapps/Prod"), []string{`"Prod"`}},
		"PrefixForm":        {"A prefix opens a system, not its other environments.", nil, Namespace{Name: "popapps", Annotations: map[string]string{api.AnnotationAllowedParameterPrefixes: "/billing/"}}, annotated(api.AnnotationParameter, "/billing/db/qa/app"), []string{`"qa"`}},
		"PrefixKnown":       {"In any form.", nil, Namespace{Name: "popapps", Annotations: map[string]string{api.AnnotationAllowedParameterPrefixes: "/billing/"}}, annotated(api.AnnotationParameter, "/billing/db/x/y/prod"), []string{`"prod"`}},
		"NoEnvironmentForm": {"What is in the place must be an environment.", func(r *Rules) { r.Names.Parameter = "/{system}/{app}/env-{environment}" }, popapps, annotated(api.AnnotationParameter, "/popapps/myapp/stage"), []string{`"stage"`}},
		"Dots":              {"A directory of parameters would be left.", nil, popapps, annotated(api.AnnotationParameter, "/popapps/../billing"), []string{`".."`}},
		"Dot":               {"As would be its file's name.", nil, popapps, annotated(api.AnnotationParameter, "/popapps/./x"), []string{`"."`}},
		"DotsInPrefix":      {"In an administrator's prefix too.", nil, Namespace{Name: "popapps", Annotations: map[string]string{api.AnnotationAllowedParameterPrefixes: "/shared/../"}}, annotated(api.AnnotationParameter, "/shared/x"), []string{api.AnnotationAllowedParameterPrefixes, `".."`}},
		"DotsInLabel":       {"Offline nobody has checked the labels.", nil, popapps, Pod{Labels: labels(api.LabelApp, "..")}, []string{`".."`}},
		"EmptyLevel":        {"SSM knows no empty levels.", nil, popapps, annotated(api.AnnotationParameter, "/popapps//x"), []string{"level"}},
		"BadCharacter":      {"SSM takes few characters.", nil, popapps, annotated(api.AnnotationParameter, "/popapps/a b"), []string{`"a b"`}},
		"TooManyLevels":     {"SSM takes 15 levels.", nil, popapps, annotated(api.AnnotationParameter, "/popapps"+strings.Repeat("/x", 15)), []string{"16 levels", "15"}},
		"TooLong":           {"SSM takes 1011 characters.", nil, popapps, annotated(api.AnnotationParameter, "/popapps/"+strings.Repeat("x", 1003)), []string{"1012", "1011"}},
		"ReservedFirst":     {"SSM reserves aws and ssm.", nil, Namespace{Name: "aws-tools"}, Pod{Labels: labels()}, []string{`"aws-tools"`, "reserves"}},
		"ReservedFirstCase": {"In any case.", func(r *Rules) { r.Names.Parameter = "/SSMx/{system}/{app}" }, popapps, Pod{Labels: labels()}, []string{`"SSMx"`}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			rules := stageRules()
			if tc.rules != nil {
				tc.rules(&rules)
			}
			id, err := rules.Resolve(tc.ns, tc.pod)
			if err == nil {
				t.Fatalf("%s\nResolve: got %+v, want an error", tc.reason, id)
			}
			for _, part := range tc.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%s\nResolve: error lacks %q:\n%v", tc.reason, part, err)
				}
			}
		})
	}
}

func TestResolveOptIn(t *testing.T) {
	ns := func(value string) Namespace {
		return Namespace{Name: "popapps", Labels: map[string]string{api.LabelInject: value}}
	}
	pod := func(value string) map[string]string { return map[string]string{api.LabelInject: value} }
	cases := map[string]struct {
		reason string
		ns     Namespace
		pod    map[string]string
		want   OptIn
		err    string
	}{
		"Nobody":           {"Without a label nothing happens.", Namespace{}, nil, OptIn{false, OriginNone}, ""},
		"Namespace":        {"A namespace opts its pods in.", ns("enabled"), nil, OptIn{true, OriginNamespace}, ""},
		"NamespaceOut":     {"A namespace can say no.", ns("disabled"), nil, OptIn{false, OriginNamespace}, ""},
		"Pod":              {"A pod can opt in by itself.", Namespace{}, pod("enabled"), OptIn{true, OriginPod}, ""},
		"PodOverOut":       {"The nearest wins.", ns("disabled"), pod("enabled"), OptIn{true, OriginPod}, ""},
		"PodOut":           {"The nearest wins.", ns("enabled"), pod("disabled"), OptIn{false, OriginPod}, ""},
		"PodTypo":          {"A value that is not understood is no guess.", ns("enabled"), pod("true"), OptIn{false, OriginPod}, `label envgraft.dev/inject of the pod is "true": use "enabled" or "disabled"`},
		"NamespaceTypo":    {"The message names the namespace.", ns("yes"), nil, OptIn{false, OriginNamespace}, `label envgraft.dev/inject of namespace "popapps" is "yes": use "enabled" or "disabled"`},
		"PodShadowsNsTypo": {"What does not decide is not read.", ns("yes"), pod("disabled"), OptIn{false, OriginPod}, ""},
		"EmptyPodIsATypo":  {"kubectl label pod x envgraft.dev/inject= is no answer.", ns("enabled"), pod(""), OptIn{false, OriginPod}, `label envgraft.dev/inject of the pod is "": use "enabled" or "disabled"`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			got, err := ResolveOptIn(tc.ns, tc.pod)
			message := ""
			if err != nil {
				message = err.Error()
			}
			if diff := cmp.Diff(tc.err, message); diff != "" {
				t.Errorf("%s\nResolveOptIn: error -want, +got:\n%s", tc.reason, diff)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\nResolveOptIn: -want, +got:\n%s", tc.reason, diff)
			}
		})
	}
}

func TestTemplates(t *testing.T) {
	object, parameter := Template.ValidateObjectName, Template.ValidateParameter
	cases := map[string]struct {
		reason   string
		validate func(Template) error
		template Template
		err      string // part of the error; empty: accepted
	}{
		"Default":         {"The defaults are valid.", object, api.DefaultSecret, ""},
		"DefaultPath":     {"The defaults are valid.", parameter, api.DefaultParameter, ""},
		"Typo":            {"A typo would end up in names.", object, "{ap}-config", "unknown placeholder"},
		"Shared":          {"All apps would share one object.", object, "config", "lacks {app}"},
		"Empty":           {"An empty name names nothing.", object, "", "empty"},
		"Relative":        {"SSM paths are absolute.", parameter, "{system}/{app}", `does not start with "/"`},
		"NoSystem":        {"Without the system there is no tenancy.", parameter, "/{app}/{environment}", "lacks {system}"},
		"NoApp":           {"Without the app all share one parameter.", parameter, "/{system}/{environment}", "lacks {app}"},
		"TwoEnvironments": {"Which of the two would a path name?", parameter, "/{environment}/{system}/{app}/{environment}", "more than once"},
		"JoinedToOther":   {"b + c-d and b-c + d would be one.", parameter, "/{system}/{app}/{app}-{environment}", "joins {environment}"},
		"SystemJoinedApp": {"a + b-c and a-b + c would be one.", parameter, "/{system}-{app}/app", "lacks {system}"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			err := tc.validate(tc.template)
			if (err == nil) != (tc.err == "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("%s\nvalidate %q: got %v, want %q", tc.reason, tc.template, err, tc.err)
			}
		})
	}
}

// FuzzTenancy holds the property that tenancy is for: whatever a pod's author
// writes, the parameter stays under the Namespace's system and its environments.
func FuzzTenancy(f *testing.F) {
	f.Add("popapps", "", "", "", "", "myapp", "stage", "", "")
	f.Add("popapps", "stage", "qa", "/shared/", "billing", "a/../b", "..", "/popapps/../billing/x", "/popapps/")
	f.Add("a", "stage", "", "/b/", "", "b-c", "prod", "/b/x/prod/app", "a-b")
	f.Add("a", "", "prod,qa", "/a/x/live/", "", "prod", "prod", "/a/x/live/app", "")
	f.Add("a", "", "", "", "", "x/prod", "", "/a/prod", "")
	f.Fuzz(func(t *testing.T, name, environment, environments, prefixes, system, app, claimed, parameter, partOf string) {
		ns := Namespace{Name: name, Labels: map[string]string{api.LabelEnvironment: environment}, Annotations: map[string]string{}}
		if environments != "" {
			ns.Annotations[api.AnnotationAllowedEnvironments] = environments
		}
		if prefixes != "" {
			ns.Annotations[api.AnnotationAllowedParameterPrefixes] = prefixes
		}
		pod := Pod{Labels: map[string]string{api.LabelSystem: system, api.LabelApp: app, api.LabelEnvironment: claimed, api.LabelPartOf: partOf}}
		if parameter != "" {
			pod.Annotations = map[string]string{api.AnnotationParameter: parameter}
		}
		id, err := stageRules().Resolve(ns, pod)
		if err != nil {
			return
		}
		checkReach(t, ns, id, strings.Split(prefixes, ","))
		if _, err := stageRules().CheckParameter(ns, id.Parameter); err != nil {
			t.Errorf("revoked as soon as it was given: %v", err)
		}
		if err := ValidateParameter(id.Parameter); err != nil {
			t.Error(err)
		}
		for _, name := range []string{id.ConfigMap, id.Secret, id.ExternalSecret} {
			if err := ValidateObjectName("object", name); err != nil {
				t.Error(err)
			}
		}
	})
}

// checkReach says in other words than the rules what a Namespace may reach.
func checkReach(t *testing.T, ns Namespace, id Identity, prefixes []string) {
	t.Helper()
	allowed := []string{first(ns.Labels[api.LabelEnvironment], "stage")}
	for part := range strings.SplitSeq(ns.Annotations[api.AnnotationAllowedEnvironments], ",") {
		allowed = append(allowed, strings.TrimSpace(part))
	}
	if !slices.Contains(allowed, id.Environment) {
		t.Errorf("a pod is of environment %q, and its namespace of %q", id.Environment, allowed)
	}
	levels := strings.Split(id.Parameter, "/")
	for _, prefix := range prefixes {
		prefix = strings.TrimSpace(prefix)
		if len(prefix) > 2 && strings.HasPrefix(id.Parameter, prefix) {
			if strings.Count(prefix, "/") > 3 || len(levels) != 5 || levels[4] != "app" {
				return // the administrator named the environment, or none is in the path
			}
			if !slices.Contains(allowed, levels[3]) {
				t.Errorf("%q by prefix %q is of an environment beside %q", id.Parameter, prefix, allowed)
			}
			return
		}
	}
	if levels[1] != ns.Name {
		t.Errorf("namespace %q reaches %q", ns.Name, id.Parameter)
	}
	if len(levels) > 3 && !slices.Contains(allowed, levels[3]) {
		t.Errorf("%q is of an environment beside %q", id.Parameter, allowed)
	}
	if len(levels) > 3 && id.ParameterEnvironment != levels[3] {
		t.Errorf("%q counts as of environment %q", id.Parameter, id.ParameterEnvironment)
	}
}

// TestSystemByName tells a system taken by name from one that was given.
func TestSystemByName(t *testing.T) {
	claimed := Namespace{Name: "billing", Claimant: "billing-blue"}
	labelled := Namespace{Name: "billing", Claimant: "billing-blue", Labels: map[string]string{api.LabelSystem: "billing"}}
	for _, tc := range []struct {
		reason string
		rules  Rules
		ns     Namespace
		want   bool
	}{
		{"Another namespace has the system by label.", stageRules(), claimed, true},
		{"Both have it by label.", stageRules(), labelled, false},
		{"Nobody claims it.", stageRules(), Namespace{Name: "billing"}, false},
		{"In an open cluster systems are no secret.", Rules{Tenancy: TenancyOpen}, claimed, false},
	} {
		if claimant, got := tc.rules.SystemByName(tc.ns, Identity{System: "billing"}); got != tc.want {
			t.Errorf("%s\nSystemByName: %t by %q, want %t", tc.reason, got, claimant, tc.want)
		}
	}
}

// FuzzExpand holds the expansion of templates to the library's replacer.
func FuzzExpand(f *testing.F) {
	f.Add("/{system}/{app}/{environment}/app", "popapps", "myapp", "stage")
	f.Add("{app}{{app}}{", "{system}", "{app", "}")
	f.Add("{ap{app}p}-{}-{other}", "a", "b", "c")
	f.Add("{app", "a", "b", "c")
	f.Fuzz(func(t *testing.T, template, system, app, environment string) {
		want := strings.NewReplacer("{system}", system, "{app}", app, "{environment}", environment).Replace(template)
		if got := Template(template).Expand(system, app, environment); got != want {
			t.Errorf("template %q: got %q, want %q", template, got, want)
		}
	})
}
