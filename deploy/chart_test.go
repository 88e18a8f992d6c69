package deploy_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/envgraft/envgraft/internal/api"
	"github.com/envgraft/envgraft/internal/config"
)

func TestGolden(t *testing.T) {
	var want []string
	eachRelease(t, func(t *testing.T, values string, r release) {
		t.Helper()
		file := "testdata/golden/" + values + ".yaml"
		want = append(want, file)
		golden(t, file, r.text)
	})
	files, err := filepath.Glob("testdata/golden/*")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, files); diff != "" {
		t.Errorf("golden files without values: -want, +got:\n%s", diff)
	}
}

func TestInstallIsCurrent(t *testing.T) {
	got := read(t, "install.yaml")
	_, got, _ = strings.Cut(got, "\n") // the comment that make generate puts first
	if diff := cmp.Diff(template(t, "--values", "install-values.yaml"), got); diff != "" {
		t.Errorf("install.yaml is not what the chart renders (make generate): -chart, +install.yaml:\n%s", diff)
	}
}

// TestConfiguration reads the file that the pod will read, and compares it with
// the objects beside it.
func TestConfiguration(t *testing.T) {
	eachRelease(t, func(t *testing.T, _ string, r release) {
		t.Helper()
		c, err := config.Parse([]byte(r.configMap.Data["config.yaml"]))
		if err == nil {
			err = c.Validate(config.ModeCluster)
		}
		if err != nil {
			t.Fatal(err)
		}
		container := r.deployment.Spec.Template.Spec.Containers[0]
		for name, address := range map[string]string{
			"webhook": c.Server.Listen, "metrics": c.Server.MetricsListen, "health": c.Server.HealthListen,
		} {
			if got := portOf(container, name); address != got {
				t.Errorf("the server listens for %s on %q, the container's port is %q", name, address, got)
			}
		}
		grace := time.Duration(*r.deployment.Spec.Template.Spec.TerminationGracePeriodSeconds) * time.Second
		if grace <= c.Server.DrainDelay {
			t.Errorf("the pod is killed after %s, before it has drained for %s", grace, c.Server.DrainDelay)
		}
		checkCertificates(t, c.Server.Certificates, r)
	})
}

func portOf(container corev1.Container, name string) string {
	for _, port := range container.Ports {
		if port.Name == name {
			return fmt.Sprintf(":%d", port.ContainerPort)
		}
	}
	return ""
}

func checkCertificates(t *testing.T, c config.Certificates, r release) {
	t.Helper()
	if c.CertFile != "" {
		mounted := slices.ContainsFunc(r.deployment.Spec.Template.Spec.Containers[0].VolumeMounts, func(m corev1.VolumeMount) bool {
			return m.MountPath == filepath.Dir(c.CertFile) && m.MountPath == filepath.Dir(c.KeyFile)
		})
		if !mounted {
			t.Errorf("no volume is mounted for %s and %s", c.CertFile, c.KeyFile)
		}
		return
	}
	if c.WebhookConfiguration != r.webhooks.Name {
		t.Errorf("the CA goes to webhook configuration %q, which is called %q", c.WebhookConfiguration, r.webhooks.Name)
	}
	for _, webhook := range r.webhooks.Webhooks {
		if service := webhook.ClientConfig.Service; service.Name != c.ServiceName || service.Namespace != systemNamespace {
			t.Errorf("webhook %s calls %s/%s, the certificate is for %s", webhook.Name, service.Namespace, service.Name, c.ServiceName)
		}
	}
}

// TestDefaults holds the chart to repeating no default, or the same one.
func TestDefaults(t *testing.T) {
	got, err := config.Parse([]byte(render(t, "--values", "testdata/values/minimal.yaml").configMap.Data["config.yaml"]))
	if err != nil {
		t.Fatal(err)
	}
	want := config.Default()
	want.Environment = "stage"
	// The webhook's own namespace is where it cannot do without.
	want.ExcludedNamespaces = append(want.ExcludedNamespaces, systemNamespace)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the chart's configuration differs from the defaults: -want, +got:\n%s", diff)
	}
}

// TestExcludedNamespaces has the program leave alone what the API server does
// not ask it about: the controller sees the pods there all the same.
func TestExcludedNamespaces(t *testing.T) {
	eachRelease(t, func(t *testing.T, _ string, r release) {
		t.Helper()
		c, err := config.Parse([]byte(r.configMap.Data["config.yaml"]))
		if err != nil {
			t.Fatal(err)
		}
		for _, webhook := range r.webhooks.Webhooks {
			for _, expression := range webhook.NamespaceSelector.MatchExpressions {
				if expression.Key != corev1.LabelMetadataName {
					continue
				}
				if diff := cmp.Diff(c.ExcludedNamespaces, expression.Values); diff != "" {
					t.Errorf("namespaces that %s is not called for: -configuration, +selector:\n%s", webhook.Name, diff)
				}
			}
		}
	})
}

// TestServices proves that what calls the pods finds them.
func TestServices(t *testing.T) {
	eachRelease(t, func(t *testing.T, _ string, r release) {
		t.Helper()
		labels := r.deployment.Spec.Template.Labels
		for _, service := range r.services {
			for key, value := range service.Spec.Selector {
				if labels[key] != value {
					t.Errorf("Service %s selects %s=%s, the pods have %q", service.Name, key, value, labels[key])
				}
			}
			for _, port := range service.Spec.Ports {
				if portOf(r.deployment.Spec.Template.Spec.Containers[0], port.TargetPort.StrVal) == "" {
					t.Errorf("Service %s sends to port %q, which the pods do not have", service.Name, port.TargetPort.StrVal)
				}
			}
		}
		for _, webhook := range r.webhooks.Webhooks {
			called := webhook.ClientConfig.Service
			if !slices.ContainsFunc(r.services, func(s *corev1.Service) bool {
				return s.Name == called.Name && s.Spec.Ports[0].Port == *called.Port && s.Spec.Ports[0].TargetPort.StrVal == "webhook"
			}) {
				t.Errorf("webhook %s calls Service %s:%d, which is not there", webhook.Name, called.Name, *called.Port)
			}
		}
	})
}

// TestRestricted holds the pod to the Pod Security Standard "restricted", and
// to a root file system that nobody can write to.
func TestRestricted(t *testing.T) {
	eachRelease(t, func(t *testing.T, _ string, r release) {
		t.Helper()
		pod := r.deployment.Spec.Template.Spec
		if s := pod.SecurityContext; s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.RunAsUser == nil || *s.RunAsUser == 0 ||
			s.SeccompProfile == nil || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
			t.Errorf("the pod's security context is %+v", s)
		}
		if len(pod.Containers) != 1 || len(pod.InitContainers) != 0 {
			t.Fatalf("%d containers and %d init containers, want one container", len(pod.Containers), len(pod.InitContainers))
		}
		no, yes := false, true
		want := &corev1.SecurityContext{
			AllowPrivilegeEscalation: &no,
			ReadOnlyRootFilesystem:   &yes,
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		}
		if diff := cmp.Diff(want, pod.Containers[0].SecurityContext); diff != "" {
			t.Errorf("the container's security context: -want, +got:\n%s", diff)
		}
		for _, volume := range pod.Volumes {
			if volume.HostPath != nil {
				t.Errorf("volume %s is a path of the node", volume.Name)
			}
		}
	})
}

// TestKeys finds every key of envgraft's own in the chart and holds it to those
// that the program knows: a typing mistake in a selector selects nothing.
func TestKeys(t *testing.T) {
	known := map[string]bool{
		api.LabelInject: true, api.LabelBypass: true, api.LabelSystem: true, api.LabelEnvironment: true, api.LabelApp: true, api.AnnotationWritten: true, api.AnnotationInjectedContainers: true,
		api.AnnotationReload: true, api.AnnotationSecrets: true, // of helm test
		"config." + api.Group + "/v1alpha1": true,
		api.Group + "/image":                true, // of Chart.yaml, for the chart itself
	}
	key := regexp.MustCompile(`[a-z.]*` + regexp.QuoteMeta(api.Group) + `/[a-z0-9-]+`)
	found := 0
	err := filepath.WalkDir("chart", func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		for _, name := range key.FindAllString(read(t, path), -1) {
			found++
			if !known[name] && !strings.HasSuffix(name, "github.com/envgraft") {
				t.Errorf("%s: %s is no key of internal/api that a manifest has a use for", path, name)
			}
		}
		return nil
	})
	if err != nil || found == 0 {
		t.Errorf("%d keys found: %v", found, err)
	}
	if config.APIVersion != "config."+api.Group+"/v1alpha1" {
		t.Errorf("the configuration's version is %s", config.APIVersion)
	}
}

func TestNotes(t *testing.T) {
	out, err := helm(t, "install", "envgraft", "chart", "--namespace", systemNamespace, "--dry-run=client", "--values", "testdata/values/minimal.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, notes, _ := strings.Cut(out, "NOTES:\n")
	golden(t, "testdata/notes.txt", notes)
	if want := "kubectl label namespace my-namespace " + api.LabelInject + "=" + api.Enabled; !strings.Contains(notes, want) {
		t.Errorf("the notes do not say %q:\n%s", want, notes)
	}
}

func TestRefusesBadValues(t *testing.T) {
	cases := map[string]struct {
		reason string
		set    string
		want   string
	}{
		"NoEnvironment": {
			"A guess would hand one environment's secrets to another's pods.",
			"config.environment=", "config.environment is required",
		},
		"UnknownValue":      {"A misspelled value would have no effect.", "replicas=3", "additional properties 'replicas' not allowed"},
		"UnknownField":      {"It would crash the pod.", "config.tenacy=open", "additional properties 'tenacy' not allowed"},
		"Enum":              {"It would crash the pod.", "config.tenancy.mode=closed", "/config/tenancy/mode"},
		"Duration":          {"It would crash the pod.", "config.facts.parameterTTL=60", "/config/facts/parameterTTL"},
		"LongTTL":           {"The program refuses it, and the pod would crash.", "config.facts.parameterTTL=23h61m", "config.facts.parameterTTL is 23h61m: it must be greater than 0 and at most 24h"},
		"NoTTL":             {"Likewise.", "config.facts.configMapTTL=0s", "config.facts.configMapTTL is 0s: it must be greater than 0 and at most 24h"},
		"Address":           {"The ports of Service and probes are made of the value ports.", "config.server.listen=:443", "additional properties 'listen' not allowed"},
		"Mode":              {"", "certificates.mode=vault", "/certificates/mode"},
		"NoSecret":          {"", "certificates.mode=provided", "certificates.provided.secretName is required"},
		"NoServiceAccount":  {"", "serviceAccount.create=false", "serviceAccount.name is required"},
		"FailurePolicy":     {"", "webhook.failurePolicy=fail", "/webhook/failurePolicy"},
		"Timeout":           {"The API server takes 30 s at most.", "webhook.timeoutSeconds=31", "/webhook/timeoutSeconds"},
		"RoleArn":           {"EKS ignores one that it cannot read.", "aws.roleArn=envgraft", "/aws/roleArn"},
		"ExcludedNamespace": {"", "webhook.excludedNamespaces={Kube}", "/webhook/excludedNamespaces/0"},
		"NoImage":           {"Nothing is published under the default's name: pods would wait in ImagePullBackOff.", "image.tag=", "image.repository is required"},
		"Grace":             {"The pod would be killed while it drains.", "terminationGracePeriodSeconds=5", "must be longer than config.server.drainDelay (5s)"},
		"DrainDelay":        {"Likewise, of several units.", "config.server.drainDelay=39s1000ms", "must be longer than config.server.drainDelay (39s1000ms)"},
		"NoneAway":          {"No node could be drained.", "podDisruptionBudget.maxUnavailable=0", "/podDisruptionBudget/maxUnavailable"},
		"NoPercentAway":     {"Likewise.", "podDisruptionBudget.maxUnavailable=0%", "/podDisruptionBudget/maxUnavailable"},
		"Region":            {"Every call of SSM would fail.", "aws.region=eu central-1", "/aws/region"},
		"ConfigRegion":      {"Likewise.", "config.aws.region=eu-central", "/config/aws/region"},
		"Environment":       {"No label and no path can have it.", "config.environment=my stage", "/config/environment"},
		"EnvironmentPath":   {"It would be two levels of a path.", "config.environment=a/b", "/config/environment"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := helm(t, "template", "envgraft", "chart", "--values", "testdata/values/minimal.yaml", "--set", tc.set)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s\nhelm template --set %s: %v, want an error with %q", tc.reason, tc.set, err, tc.want)
			}
		})
	}
}

// TestTakesGoodValues has what is close to a refusal pass.
func TestTakesGoodValues(t *testing.T) {
	for _, set := range []string{
		"terminationGracePeriodSeconds=6", "config.server.drainDelay=39s999ms", "config.server.drainDelay=0s", "podDisruptionBudget.maxUnavailable=1",
		"podDisruptionBudget.maxUnavailable=34%", "aws.region=us-gov-west-1", "aws.region=cn-north-1", "config.environment=Prod_1.x-2",
		"image.repository=registry.example.com/envgraft,image.tag=", "config.facts.negativeTTL=23h60m", "config.facts.negativeTTL=1ns",
	} {
		if _, err := helm(t, "template", "envgraft", "chart", "--values", "testdata/values/minimal.yaml", "--set", set); err != nil {
			t.Errorf("--set %s: %v", set, err)
		}
	}
}

// TestOpenShift takes out what the SCC restricted-v2 assigns, and refuses of others.
func TestOpenShift(t *testing.T) {
	pod := render(t, "--values", "testdata/values/minimal.yaml", "--set",
		"podSecurityContext.runAsUser=null,podSecurityContext.runAsGroup=null,podSecurityContext.fsGroup=null").deployment.Spec.Template.Spec
	yes := true
	want := &corev1.PodSecurityContext{RunAsNonRoot: &yes, SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}}
	if diff := cmp.Diff(want, pod.SecurityContext); diff != "" {
		t.Errorf("the pod's security context: -want, +got:\n%s", diff)
	}
	pod = render(t, "--values", "testdata/values/minimal.yaml", "--set", "podSecurityContext=null,securityContext=null").deployment.Spec.Template.Spec
	if pod.SecurityContext != nil || pod.Containers[0].SecurityContext != nil {
		t.Errorf("security contexts that were taken out: %+v, %+v", pod.SecurityContext, pod.Containers[0].SecurityContext)
	}
}

// TestSchema holds the schema to having every field of the configuration but
// those that are the chart's own.
func TestSchema(t *testing.T) {
	var schema struct {
		Properties struct{ Config property }
	}
	if err := yaml.Unmarshal([]byte(read(t, "chart/values.schema.json")), &schema); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, path := range fieldPaths(reflect.TypeFor[config.Configuration](), "") {
		if !regexp.MustCompile(`^\.server\.(listen|metricsListen|healthListen|uiListen|certificates\..*)$`).MatchString(path) {
			want = append(want, path)
		}
	}
	got := schema.Properties.Config.paths("")
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fields of config in values.schema.json: -internal/config, +schema:\n%s", diff)
	}
}

type property struct {
	Properties map[string]property
	Items      *property
}

func (p property) paths(at string) []string {
	if p.Items != nil {
		return p.Items.paths(at + "[]")
	}
	if p.Properties == nil {
		return []string{strings.TrimSuffix(at, "[]")}
	}
	var all []string
	for name, child := range p.Properties {
		all = append(all, child.paths(at+"."+name)...)
	}
	return all
}

func fieldPaths(t reflect.Type, at string) []string {
	switch t.Kind() {
	case reflect.Pointer:
		return fieldPaths(t.Elem(), at)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Struct {
			return fieldPaths(t.Elem(), at+"[]")
		}
		return []string{at}
	case reflect.Struct:
	default:
		return []string{at}
	}
	var all []string
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		if field.Anonymous {
			all = append(all, fieldPaths(field.Type, at)...)
			continue
		}
		all = append(all, fieldPaths(field.Type, at+"."+name)...)
	}
	return all
}
