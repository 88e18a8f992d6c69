// Package rights has tests run envgraft under exactly the rights that people
// grant it with deploy/install.yaml.
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

// Namespace is the one that the file installs into, and User the name that its
// ServiceAccount has for the API server.
const (
	Namespace = "envgraft-system"
	User      = "system:serviceaccount:" + Namespace + ":envgraft"
)

// Grant creates the roles of the file and their bindings, and returns the user
// that has them.
func Grant(ctx context.Context, env *envtest.Environment, admin client.Client, file string) (*envtest.AuthenticatedUser, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	kinds := []string{"Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}
	for document := range bytes.SplitSeq(data, []byte("\n---\n")) {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(document, &object.Object); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if !slices.Contains(kinds, object.GetKind()) {
			continue
		}
		if err := admin.Create(ctx, object); err != nil {
			return nil, fmt.Errorf("cannot create %s %q: %w", object.GetKind(), object.GetName(), err)
		}
	}
	return env.AddUser(envtest.User{Name: User, Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + Namespace}}, nil)
}
