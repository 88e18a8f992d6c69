//go:build e2e

package e2e

import (
	"strings"
	"testing"

	"github.com/envgraft/envgraft/internal/api"
)

// testChartOfOthers opts a namespace in that holds what somebody's chart made,
// as redis: it knows nothing of envgraft, has neither parameter nor ConfigMap, and
// must start all the same. When the parameter comes, it is restarted once.
func (b *bench) testChartOfOthers(t *testing.T) {
	t.Parallel()
	const namespace, path = "charts", "/charts/redis/stage/app"
	b.optedIn(t, namespace)
	redis := newApp(namespace, "redis")
	b.apply(t, "app.yaml", redis)

	first := b.pod(t, redis)
	expect(t, "the chart without a parameter", b.environmentOf(t, namespace, first.Metadata.Name, 8080), map[string]string{
		"DATABASE_URL": absent, "LOG_LEVEL": "from-the-pod", "DEBUG": "from-the-pod",
	})
	if message := b.event(t, redis, "RunsWithoutParameter"); !strings.Contains(message, api.LabelApp) || !strings.Contains(message, api.LabelInject+"="+api.Disabled) {
		t.Errorf("the Event does not say how to make it wait, and how to leave it out: %s", message)
	}
	p := b.newPlugin(t, namespace)
	const want = "no parameter, running without"
	for _, args := range [][]string{{"status", "-n", namespace}, {"doctor", "deploy/redis", "-n", namespace}} {
		if out, err := p.try(args...); err != nil || !strings.Contains(out, want) {
			t.Errorf("%s does not say %q: %v\n%s", strings.Join(args, " "), want, err, out)
		}
	}

	b.ssm.putJSON(t, path, parameterTier())
	b.podWith(t, redis, "DATABASE_URL", fromParameter)
	b.syncedTwice(t, namespace, "redis-external")
	if got := b.replicaSets(t, redis); got != 2 {
		t.Errorf("%d ReplicaSets, want 2: one restart, and only one", got)
	}
}
