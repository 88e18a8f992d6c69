//go:build e2e

package e2e

import "testing"

// TestEndToEnd runs everything in one cluster, which takes longest to make.
func TestEndToEnd(t *testing.T) {
	b := newBench(t)
	b.dumpOnFailure(t)
	b.startSSM(t)
	b.buildEnvgraft(t)

	t.Run("Webhook", b.testWebhook)
	b.mustNotTell(t)
	t.Run("ExternalSecrets", b.testExternalSecrets)
	b.mustNotTell(t)
	t.Run("SSMFaults", b.testSSMFaults)
	t.Run("Resilience", b.testResilience)
	b.mustNotTell(t)
}
