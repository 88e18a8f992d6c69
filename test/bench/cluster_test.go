package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	runtimeapi "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/envgraft/envgraft/internal/api"
)

// populate makes the cluster that is measured.
func populate(b *testing.B, restConfig *rest.Config, from, to int) error {
	b.Helper()
	writing := rest.CopyConfig(restConfig)
	writing.ContentType = runtimeapi.ContentTypeProtobuf
	writer, err := client.New(writing, client.Options{})
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(b.Context())
	group.SetLimit(32)
	var once [namespaces]sync.Once
	for n := from; n < to; n++ {
		group.Go(func() error {
			at, name := n%namespaces, fmt.Sprintf("app-%d", n)
			ns := fmt.Sprintf("team-%d", at)
			var err error
			once[at].Do(func() {
				err = writer.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
					Name: ns, Labels: map[string]string{api.LabelInject: api.Enabled},
				}})
			})
			if err != nil && !apierrors.IsAlreadyExists(err) {
				return err
			}
			return app(ctx, writer, ns, name)
		})
	}
	return group.Wait()
}

// app makes a Deployment, its ReplicaSet and an injected pod.
func app(ctx context.Context, writer client.Client, ns, name string) error {
	labels := map[string]string{api.LabelName: name}
	template := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app"}}},
	}
	selector := &metav1.LabelSelector{MatchLabels: labels}
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name},
		Spec:       appsv1.DeploymentSpec{Selector: selector, Template: template},
	}
	if err := writer.Create(ctx, d); err != nil {
		return err
	}
	rs := &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: ns, Name: name + "-1",
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(d, appsv1.SchemeGroupVersion.WithKind("Deployment"))},
		},
		Spec: appsv1.ReplicaSetSpec{Selector: selector, Template: template},
	}
	if err := writer.Create(ctx, rs); err != nil {
		return err
	}
	return writer.Create(ctx, &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: ns, Name: name + "-1-1",
			Labels: map[string]string{api.LabelName: name, api.LabelApp: name, "pod-template-hash": "1"},
			Annotations: map[string]string{
				api.AnnotationInjected:         "ConfigMap/" + name + "-config,Secret/" + name + "-secrets",
				api.AnnotationParameter:        "/" + ns + "/" + name + "/stage/app",
				api.AnnotationParameterVersion: "1",
			},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(rs, appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))},
		},
		Spec: template.Spec,
	})
}

// installESO installs the CRDs that the controller looks at, and the store.
func installESO(b *testing.B, restConfig *rest.Config) error {
	b.Helper()
	writer, err := client.New(restConfig, client.Options{})
	if err != nil {
		return err
	}
	command := exec.CommandContext(b.Context(), "go", "mod", "download", "-json", "github.com/external-secrets/external-secrets@v0.19.2")
	command.Dir = b.TempDir()
	output, err := command.Output()
	if err != nil {
		return fmt.Errorf("cannot download ESO's CRDs: %w", err)
	}
	var module struct{ Dir string }
	if err := yaml.Unmarshal(output, &module); err != nil {
		return err
	}
	for _, plural := range []string{"externalsecrets", "secretstores", "clustersecretstores"} {
		raw, err := os.ReadFile(filepath.Join(module.Dir, "config", "crds", "bases", "external-secrets.io_"+plural+".yaml"))
		if err != nil {
			return err
		}
		crd := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(raw, &crd.Object); err != nil {
			return err
		}
		if err := writer.Create(b.Context(), crd); err != nil {
			return err
		}
	}
	store := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "external-secrets.io/v1", "kind": "ClusterSecretStore",
		"metadata": map[string]any{"name": "aws-ssm"},
		"spec":     map[string]any{"provider": map[string]any{"aws": map[string]any{"service": "ParameterStore", "region": "eu-central-1"}}},
	}}
	deadline := time.Now().Add(time.Minute)
	for {
		err := writer.Create(b.Context(), store)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		<-time.After(100 * time.Millisecond)
	}
}

// synchronize has the apps' ExternalSecrets synced as ESO would: by a first look that
// makes no Secret, and, when the controller has taken note, by one that does.
func synchronize(ctx context.Context, restConfig *rest.Config, from, to int, taken func() error) error {
	writer, err := client.New(restConfig, client.Options{})
	if err != nil {
		return err
	}
	for generation, status := range []map[string]any{
		{"conditions": readyFor("SecretMissing")},
		{"conditions": readyFor("SecretSynced")},
	} {
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(32)
		for n := from; n < to; n++ {
			group.Go(func() error {
				name := fmt.Sprintf("app-%d", n)
				status := maps.Clone(status)
				status["refreshTime"] = time.Now().UTC().Format(time.RFC3339)
				status["syncedResourceVersion"] = fmt.Sprintf("%d-2f1acc6c3f352459f5affc34bb0e9a7d", generation+1)
				if generation > 0 {
					status["binding"] = map[string]any{"name": name + "-secrets"}
				}
				patch, err := json.Marshal(map[string]any{"status": status})
				if err != nil {
					return err
				}
				e := &unstructured.Unstructured{Object: map[string]any{
					"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret",
					"metadata": map[string]any{"namespace": fmt.Sprintf("team-%d", n%namespaces), "name": name + "-external"},
				}}
				return writer.Status().Patch(ctx, e, client.RawPatch(types.MergePatchType, patch))
			})
		}
		if err := group.Wait(); err != nil {
			return err
		}
		if err := taken(); err != nil {
			return err
		}
	}
	return nil
}

func readyFor(reason string) []any {
	return []any{map[string]any{
		"type": "Ready", "status": "True", "reason": reason, "message": "secret synced",
		"lastTransitionTime": time.Now().UTC().Format(time.RFC3339),
	}}
}
