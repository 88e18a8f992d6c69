package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// TestDoctorWithTheRightsOfANamespaceAdmin runs it as people do: what they may
// not see is said, and is no fault.
func TestDoctorWithTheRightsOfANamespaceAdmin(t *testing.T) {
	s := newShop(t)
	s.untilBroken("", "it is healthy to begin with")
	user, err := s.env.AddUser(envtest.User{Name: "jane"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	// The ClusterRole admin is put together of these by a controller that does
	// not run here.
	for _, role := range []string{"system:aggregate-to-admin", "system:aggregate-to-edit", "system:aggregate-to-view"} {
		binding := &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "jane-", Namespace: s.ns},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "jane"}},
		}
		if err := s.client.Create(t.Context(), binding); err != nil {
			t.Fatal(err)
		}
	}
	kubeconfig, err := user.KubeConfig()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, kubeconfig, 0o600); err != nil {
		t.Fatal(err)
	}
	findings, code, text := s.doctor(file)
	if code != 0 {
		t.Errorf("exit code %d, want 0: %s", code, text)
	}
	got := map[string]string{}
	for _, f := range findings {
		got[f.Check] = f.Status
	}
	for check, want := range map[string]string{
		"envgraft": "not seen", "webhook": "not seen", "store": "not seen", "reloader": "not seen",
		"namespace": "ok", "admission": "ok", "secret": "ok", "pods": "ok", "annotations": "ok",
	} {
		if got[check] != want {
			t.Errorf("%s is %q, want %q: %s", check, got[check], want, text)
		}
	}
	if _, code, text := s.doctor(file, "--strict"); code != 3 || !strings.Contains(text, "you may not") {
		t.Errorf("exit code %d with --strict, want 3 and the right that is missing: %s", code, text)
	}
}
