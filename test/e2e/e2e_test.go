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
		{"Standby", b.testStandby},
		// These two uninstall.
		{"WaysOut", b.testWaysOut},
		{"Lifecycle", b.testLifecycle},
		// The last: the ways into the cluster are cut by it.
		{"Resilience", b.testResilience},
	} {
		t.Run(part.name, func(t *testing.T) {
			// When the part's own parallel tests have ended, too.
			t.Cleanup(func() {
				if !t.Failed() && !t.Skipped() {
					b.mustNotTell(t)
				}
			})
			part.run(t)
		})
	}
}
