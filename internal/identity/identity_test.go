package identity

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/envgraft/envgraft/internal/api"
)

func stageRules() Rules {
	return Rules{Tenancy: TenancyNamespace, Environment: "stage", Names: DefaultNames()}
}

func TestResolve(t *testing.T) {
	popapps := Namespace{Name: "popapps"}
	myapp := map[string]string{api.LabelName: "myapp"}
	byDefault := Identity{
		App: "myapp", System: "popapps", Environment: "stage", Parameter: "/popapps/myapp/stage/app",
		ConfigMap: "myapp-config", Secret: "myapp-secrets", ExternalSecret: "myapp-external",
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
			want: with(func(id *Identity) { id.Environment, id.Parameter = "prod", "/popapps/myapp/prod/app" }),
		},
		"PodEnvironment": {
			reason: "The pod's environment stands over the Namespace's.",
			ns:     Namespace{Name: "popapps", Labels: map[string]string{api.LabelEnvironment: "prod"}},
			pod:    Pod{Labels: map[string]string{api.LabelName: "myapp", api.LabelEnvironment: "qa"}},
			want:   with(func(id *Identity) { id.Environment, id.Parameter = "qa", "/popapps/myapp/qa/app" }),
		},
		"Overrides": {
			reason: "Annotations replace computed names.",
			ns:     popapps,
			pod: Pod{Labels: myapp, Annotations: map[string]string{
				api.AnnotationParameter: "/popapps/shared", api.AnnotationConfigMap: "common", api.AnnotationSecret: "s.v2",
			}},
			want: with(func(id *Identity) { id.Parameter, id.ConfigMap, id.Secret = "/popapps/shared", "common", "s.v2" }),
		},
		"WidenedPrefix": {
			reason: "A Namespace annotation opens further prefixes.",
			ns:     Namespace{Name: "popapps", Annotations: map[string]string{api.AnnotationParameterPrefixes: "/shared/, /other/db/"}},
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
		"EmptyConfigMap":    {"An empty annotation is not the same as none.", nil, popapps, annotated(api.AnnotationConfigMap, ""), []string{"ConfigMap", `""`}},
		"EmptyParameter":    {"An empty annotation is not the same as none.", nil, popapps, annotated(api.AnnotationParameter, ""), []string{`must start with "/"`}},
		"ForeignParameter":  {"An annotation must not reach another team's parameter.", nil, popapps, annotated(api.AnnotationParameter, "/billing/db/prod/app"), []string{api.AnnotationParameter, `"/billing/db/prod/app"`, `"/popapps/"`, api.AnnotationParameterPrefixes}},
		"PrefixOfName":      {"/popapps2/ is not under /popapps/.", nil, popapps, annotated(api.AnnotationParameter, "/popapps2/x"), []string{`"/popapps/"`}},
		"OpenEndedPrefix":   {"A prefix without its last slash would open more than it says.", nil, Namespace{Name: "popapps", Annotations: map[string]string{api.AnnotationParameterPrefixes: "/bill"}}, annotated(api.AnnotationParameter, "/billing/x"), []string{api.AnnotationParameterPrefixes, `"/bill"`}},
		"RootPrefix":        {"The root would open everything.", nil, Namespace{Name: "popapps", Annotations: map[string]string{api.AnnotationParameterPrefixes: "/"}}, annotated(api.AnnotationParameter, "/billing/x"), []string{`"/"`}},
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
		"Nobody":          {"Without a label nothing happens.", Namespace{}, nil, OptIn{false, OriginNone}, ""},
		"Namespace":       {"A namespace opts its pods in.", ns("enabled"), nil, OptIn{true, OriginNamespace}, ""},
		"NamespaceOut":    {"A namespace can say no.", ns("disabled"), nil, OptIn{false, OriginNamespace}, ""},
		"Pod":             {"A pod can opt in by itself.", Namespace{}, pod("enabled"), OptIn{true, OriginPod}, ""},
		"PodOverOut":      {"The nearest wins.", ns("disabled"), pod("enabled"), OptIn{true, OriginPod}, ""},
		"PodOut":          {"The nearest wins.", ns("enabled"), pod("disabled"), OptIn{false, OriginPod}, ""},
		"PodTypo":         {"A value that is not understood is no guess.", ns("enabled"), pod("true"), OptIn{false, OriginPod}, `label envgraft.dev/inject of the pod is "true": use "enabled" or "disabled"`},
		"NamespaceTypo":   {"The message names the namespace.", ns("yes"), nil, OptIn{false, OriginNamespace}, `label envgraft.dev/inject of namespace "popapps" is "yes": use "enabled" or "disabled"`},
		"PodHidesNsTypo":  {"What does not decide is not read.", ns("yes"), pod("disabled"), OptIn{false, OriginPod}, ""},
		"EmptyPodIsATypo": {"kubectl label pod x envgraft.dev/inject= is no answer.", ns("enabled"), pod(""), OptIn{false, OriginPod}, `label envgraft.dev/inject of the pod is "": use "enabled" or "disabled"`},
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
// writes, the parameter stays under the Namespace's system.
func FuzzTenancy(f *testing.F) {
	f.Add("popapps", "", "myapp", "stage", "", "")
	f.Add("popapps", "billing", "a/../b", "..", "/popapps/../billing/x", "/popapps/")
	f.Add("a", "", "b-c", "x", "/a/b", "a-b")
	f.Fuzz(func(t *testing.T, ns, system, app, environment, parameter, partOf string) {
		pod := Pod{Labels: map[string]string{api.LabelSystem: system, api.LabelApp: app, api.LabelEnvironment: environment, api.LabelPartOf: partOf}}
		if parameter != "" {
			pod.Annotations = map[string]string{api.AnnotationParameter: parameter}
		}
		id, err := stageRules().Resolve(Namespace{Name: ns}, pod)
		if err != nil {
			return
		}
		if !strings.HasPrefix(id.Parameter, "/"+ns+"/") {
			t.Errorf("namespace %q reaches %q", ns, id.Parameter)
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
