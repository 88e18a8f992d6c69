//go:build e2e

package e2e

import "testing"

// TestEndToEnd runs everything in one cluster, which takes longest to make.
func TestEndToEnd(t *testing.T) {
	b := newBench(t)
	b.dumpOnFailure(t)
	b.startSSM(t)
	b.buildEnvgraft(t)

	for _, part := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"Webhook", b.testWebhook},
		{"ExternalSecrets", b.testExternalSecrets},
		{"SSMFaults", b.testSSMFaults},
		{"Resilience", b.testResilience},
		{"Standby", b.testStandby},
	} {
		if t.Run(part.name, part.run) {
			b.mustNotTell(t)
		}
	}
	// The last: it uninstalls.
	t.Run("Lifecycle", b.testLifecycle)
}
