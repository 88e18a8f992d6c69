//go:build e2e

package e2e

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/envgraft/envgraft/test/canary"
	"github.com/envgraft/envgraft/test/ssmfake"
)

// byKubelet are variables that the kubelet and the image add to any container, see
// https://kubernetes.io/docs/concepts/containers/container-environment/.
var byKubelet = regexp.MustCompile(`^(PATH|HOME|HOSTNAME|[A-Z0-9_]+_(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\w+)?))$`)

// expectSameByRun compares the environment that envgraft run gives to a command on
// this machine with that of the container's own process, variable by variable.
func (b *bench) expectSameByRun(t *testing.T, namespace, pod string) {
	t.Helper()
	want := b.environmentOf(t, namespace, pod, 8080).Env
	stdout, stderr, err := b.output(commandTimeout, nil, "env", "-i", "PATH=/usr/bin:/bin", "KUBECONFIG="+b.kubeconfig,
		"AWS_REGION="+ssmfake.Region, "AWS_ACCESS_KEY_ID=fake", "AWS_SECRET_ACCESS_KEY=fake", "AWS_ENDPOINT_URL_SSM="+b.ssm.endpoint,
		b.program, "run", "deploy/shop", "-n", namespace, "--", "env", "-0")
	if err != nil {
		t.Fatalf("envgraft run: %v\n%s", err, stderr)
	}
	got := map[string]string{}
	for entry := range strings.SplitSeq(strings.TrimSuffix(stdout, "\x00"), "\x00") {
		name, value, _ := strings.Cut(entry, "=")
		got[name] = value
	}
	for _, all := range []map[string]string{want, got} {
		for name := range all {
			if byKubelet.MatchString(name) {
				delete(all, name)
			}
		}
	}
	if len(want) < 4 {
		t.Errorf("the container has only %v", want)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the environment of envgraft run: -container, +run:\n%s", diff)
	}
	if found := canary.Find(stderr); len(found) > 0 {
		t.Errorf("envgraft run printed secrets: %q", found)
	}
}
