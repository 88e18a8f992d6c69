package eso

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/envgraft/envgraft/internal/externalsecret"
)

// scheme knows the ExternalSecrets of one version.
func scheme(version schema.GroupVersion) *runtime.Scheme {
	s := runtime.NewScheme()
	s.AddKnownTypeWithName(version.WithKind(externalsecret.Kind), &externalsecret.ExternalSecret{})
	s.AddKnownTypeWithName(version.WithKind(externalsecret.Kind+"List"), &externalsecret.ExternalSecretList{})
	addStores(s, version)
	metav1.AddToGroupVersion(s, version)
	return s
}
