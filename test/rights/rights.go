// Package rights lets tests run envgraft with exactly the permissions that
// deploy/install.yaml grants.
package rights

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	"sigs.k8s.io/yaml"
)

// Namespace is the one that the file installs into.
const Namespace = "envgraft-system"

// User is the ServiceAccount that has them, as the API server knows it.
func User() envtest.User {
	return envtest.User{
		Name:   "system:serviceaccount:" + Namespace + ":envgraft",
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + Namespace},
	}
}

// Grant creates the roles of the file, and their bindings.
func Grant(ctx context.Context, admin client.Client, file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	kinds := []string{"Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}
	for document := range bytes.SplitSeq(data, []byte("\n---\n")) {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(document, &object.Object); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if !slices.Contains(kinds, object.GetKind()) {
			continue
		}
		if err := admin.Create(ctx, object); err != nil {
			return fmt.Errorf("cannot create %s %q: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return nil
}
