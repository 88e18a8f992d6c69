package controller

import (
	"os"
	"testing"
)

// TestNewestESO repeats what writes and reads ExternalSecrets on the CRDs of the
// newest ESO, whose folder is ESO_NEWEST_CRDS: a release may drop a default that the
// operator needs, or refuse a field.
func TestNewestESO(t *testing.T) {
	dir := os.Getenv("ESO_NEWEST_CRDS")
	if dir == "" {
		t.Skip("ESO_NEWEST_CRDS names no folder with the CRDs of the newest ESO")
	}
	installCRDs(t, func(*testing.T) string { return dir }, "v1")
	defer installESO(t, "v1") // for the tests after this one
	for name, test := range map[string]func(*testing.T){
		"Owners": TestOwners, "Settings": TestSettings, "Foreign": TestForeign, "Edits": TestEdits, "SteadyState": TestSteadyState,
		"ForceSync": TestForceSync, "Record": TestRecord, "Revoked": TestRevoked, "SecretNames": TestSecretNames,
	} {
		t.Run(name, test)
	}
}
