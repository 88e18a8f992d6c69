package controller

import (
	"maps"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/envgraft/envgraft/internal/api"
)

// marks are what the webhook writes on an injected pod, and a person before.
type marks struct {
	labels      map[string]string
	annotations map[string]string
}

func annotated(pairs ...string) marks {
	m := marks{annotations: make(map[string]string)}
	for pair := range slices.Chunk(pairs, 2) {
		m.annotations[pair[0]] = pair[1]
	}
	return m
}

func optedIn() map[string]string { return map[string]string{api.LabelInject: api.Enabled} }

func template(app string, m marks) corev1.PodTemplateSpec {
	labels := map[string]string{api.LabelName: app}
	maps.Copy(labels, m.labels)
	return corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels, Annotations: m.annotations},
		Spec: corev1.PodSpec{
			Containers: []corev1.Container{{Name: "app", Image: "app"}},
		},
	}
}

func selector(app string) *metav1.LabelSelector {
	return &metav1.LabelSelector{MatchLabels: map[string]string{api.LabelName: app}}
}

// deployment makes a Deployment, its ReplicaSet and one injected pod.
func deployment(t *testing.T, ns, name, app string, m marks) (*appsv1.Deployment, *corev1.Pod) {
	t.Helper()
	d := idle(t, ns, name, app, m)
	return d, replica1(t, d, app, m)
}

// idle makes a Deployment without pods.
func idle(t *testing.T, ns, name, app string, m marks) *appsv1.Deployment {
	t.Helper()
	return create(t, &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name},
		Spec:       appsv1.DeploymentSpec{Selector: selector(app), Template: template(app, m)},
	})
}

func replica1(t *testing.T, d *appsv1.Deployment, app string, m marks) *corev1.Pod {
	t.Helper()
	return pod(t, revision(t, d, app, m), "ReplicaSet", "apps/v1", app, m)
}

// revision makes a ReplicaSet of a Deployment.
func revision(t *testing.T, d *appsv1.Deployment, app string, m marks) *appsv1.ReplicaSet {
	t.Helper()
	return create(t, &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: d.Namespace, GenerateName: d.Name + "-",
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(d, appsv1.SchemeGroupVersion.WithKind("Deployment"))},
		},
		Spec: appsv1.ReplicaSetSpec{Selector: selector(app), Template: template(app, m)},
	})
}

// pod makes an injected pod of a controller; of nobody where owner is nil.
func pod(t *testing.T, owner client.Object, kind, apiVersion, app string, m marks) *corev1.Pod {
	t.Helper()
	tmpl := template(app, m)
	p := &corev1.Pod{ObjectMeta: tmpl.ObjectMeta, Spec: tmpl.Spec}
	p.Labels[api.LabelApp] = app
	p.Annotations = map[string]string{
		api.AnnotationInjected:  "ConfigMap/" + app + "-config,Secret/" + app + "-secrets",
		api.AnnotationParameter: "/" + owner.GetNamespace() + "/" + app + "/stage/app",
	}
	maps.Copy(p.Annotations, m.annotations)
	return createOwned(t, p, owner, kind, apiVersion)
}

// notInjected makes a pod of a ReplicaSet as it is without the webhook.
func notInjected(t *testing.T, rs *appsv1.ReplicaSet, labels ...string) *corev1.Pod {
	t.Helper()
	p := &corev1.Pod{ObjectMeta: *rs.Spec.Template.ObjectMeta.DeepCopy(), Spec: rs.Spec.Template.Spec}
	for pair := range slices.Chunk(labels, 2) {
		p.Labels[pair[0]] = pair[1]
	}
	return createOwned(t, p, rs, "ReplicaSet", "apps/v1")
}

func createOwned(t *testing.T, p *corev1.Pod, owner client.Object, kind, apiVersion string) *corev1.Pod {
	t.Helper()
	p.Namespace, p.GenerateName = owner.GetNamespace(), "pod-"
	if kind != "" {
		isController := true
		p.OwnerReferences = []metav1.OwnerReference{{
			APIVersion: apiVersion, Kind: kind, Name: owner.GetName(), UID: owner.GetUID(), Controller: &isController,
		}}
	}
	return create(t, p)
}

func barePod(t *testing.T, ns, app string, m marks) *corev1.Pod {
	t.Helper()
	return pod(t, &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: ns}}, "", "", app, m)
}

// cronJob makes a CronJob, a Job of it, and that one's pod.
func cronJob(t *testing.T, ns, name, app string) *batchv1.CronJob {
	t.Helper()
	tmpl := template(app, marks{})
	tmpl.Spec.RestartPolicy = corev1.RestartPolicyNever
	spec := batchv1.JobSpec{Template: tmpl}
	c := create(t, &batchv1.CronJob{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name},
		Spec:       batchv1.CronJobSpec{Schedule: "0 4 * * *", JobTemplate: batchv1.JobTemplateSpec{Spec: spec}},
	})
	job := create(t, &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: ns, GenerateName: name + "-",
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(c, batchv1.SchemeGroupVersion.WithKind("CronJob"))},
		},
		Spec: spec,
	})
	pod(t, job, "Job", "batch/v1", app, marks{})
	return c
}

func statefulSet(t *testing.T, ns, name, app string, m marks) *appsv1.StatefulSet {
	t.Helper()
	s := create(t, &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name},
		Spec:       appsv1.StatefulSetSpec{Selector: selector(app), Template: template(app, m)},
	})
	pod(t, s, "StatefulSet", "apps/v1", app, m)
	return s
}

// rollout makes an Argo Rollout and the ReplicaSet and pod of it.
func rollout(t *testing.T, ns, name, app string, m marks) *unstructured.Unstructured {
	t.Helper()
	r := create(t, newRollout(ns, name, app))
	rs := create(t, &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: ns, GenerateName: name + "-",
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(r, r.GroupVersionKind())},
		},
		Spec: appsv1.ReplicaSetSpec{Selector: selector(app), Template: template(app, m)},
	})
	pod(t, rs, "ReplicaSet", "apps/v1", app, m)
	return r
}

func newRollout(ns, name, app string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout",
		"metadata": map[string]any{"namespace": ns, "name": name},
		"spec":     map[string]any{"template": map[string]any{"metadata": map[string]any{"labels": map[string]any{api.LabelName: app}}}},
	}}
}
