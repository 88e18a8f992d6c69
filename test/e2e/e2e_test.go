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
	t.Run("ExternalSecrets", b.testExternalSecrets)
	t.Run("SSMFaults", b.testSSMFaults)
	t.Run("Standby", b.testStandby)
	// These two uninstall.
	t.Run("WaysOut", b.testWaysOut)
	t.Run("Lifecycle", b.testLifecycle)
	// The last: the ways into the cluster are cut by it.
	t.Run("Resilience", b.testResilience)
}
