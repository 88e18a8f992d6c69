//go:build e2e

package e2e

import "testing"

// TestEndToEnd runs everything in one cluster, which takes longest to make.
func TestEndToEnd(t *testing.T) {
	b := newBench(t)
	b.dumpOnFailure(t)
	p := b.startSSM(t)
	b.buildEnvgraft(t)

	t.Run("Webhook", func(t *testing.T) { testWebhook(t, b, p) })
	t.Run("ExternalSecrets", func(t *testing.T) { testExternalSecrets(t, b, p) })
}
