// Package api holds every label, annotation, path and default name that
// envgraft and its users agree on, each once.
package api

// Group prefixes every key that is envgraft's own.
const Group = "envgraft.dev"

// Labels that people set.
const (
	// LabelInject opts in or out: on a Namespace, a workload or a pod template.
	// The nearest wins: pod, then workload, then Namespace.
	LabelInject = Group + "/inject"
	// LabelApp names the app, over LabelName. envgraft also writes it to the
	// pods it injects, so that its controller can watch them by label.
	LabelApp = Group + "/app"
	// LabelSystem names the system: on a Namespace, or repeated on a pod.
	LabelSystem = Group + "/system"
	// LabelEnvironment names the environment: on a pod, else on a Namespace.
	LabelEnvironment = Group + "/environment"
	// LabelBypass, on a Namespace, with any value, keeps all webhooks from being
	// called for it: to break the glass. The controller goes on.
	LabelBypass = Group + "/bypass"

	// LabelName and LabelPartOf are Kubernetes' recommended labels, see
	// https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/.
	LabelName   = "app.kubernetes.io/name"
	LabelPartOf = "app.kubernetes.io/part-of"
)

// Enabled and Disabled are the values of every key that switches something.
const (
	Enabled  = "enabled"
	Disabled = "disabled"
)

// Annotations that people set on a pod template.
const (
	// AnnotationParameter is an SSM path that replaces the computed one.
	// envgraft writes the path that was used to the pods it injects.
	AnnotationParameter = Group + "/parameter"
	// AnnotationConfigMapName and AnnotationSecretName replace the computed names.
	AnnotationConfigMapName = Group + "/config-map-name"
	AnnotationSecretName    = Group + "/secret-name"
	// AnnotationSecrets switches the parameter tier off for an app.
	AnnotationSecrets = Group + "/secrets"
	// AnnotationSecretOptional lets a pod start without its Secret.
	AnnotationSecretOptional = Group + "/secret-optional"
	// AnnotationConfigMapRequired makes a pod wait for its ConfigMap.
	AnnotationConfigMapRequired = Group + "/config-map-required"
	// AnnotationContainers limits the graft to the containers it lists, comma separated.
	AnnotationContainers = Group + "/containers"
	// AnnotationKeep lists env names whose pod value stays on top, comma separated,
	// 1,000 at most.
	AnnotationKeep = Group + "/keep"
	// AnnotationRefreshInterval, AnnotationDeletionPolicy and
	// AnnotationSecretStore are settings of the ExternalSecret.
	AnnotationRefreshInterval = Group + "/refresh-interval"
	AnnotationDeletionPolicy  = Group + "/deletion-policy"
	AnnotationSecretStore     = Group + "/secret-store"
)

// Annotations on other objects.
const (
	// AnnotationAllowedParameterPrefixes, on a Namespace, widens the parameters that
	// its pods may reach: comma separated, each starting and ending with "/".
	AnnotationAllowedParameterPrefixes = Group + "/allowed-parameter-prefixes"
	// AnnotationAllowedEnvironments, on a Namespace, lists environments that its pods
	// may name besides the Namespace's own, comma separated.
	AnnotationAllowedEnvironments = Group + "/allowed-environments"
	// AnnotationAllowedSecretNames, on a Namespace, lists names outside the configured
	// template of Secrets that ESO may be asked to fill, comma separated.
	AnnotationAllowedSecretNames = Group + "/allowed-secret-names"
	// AnnotationMode, on a Namespace, is ModeAudit where its pods are decided
	// upon and left as they are.
	AnnotationMode = Group + "/mode"
	ModeAudit      = "audit"
	// AnnotationReload, on a workload, switches reload annotations off.
	AnnotationReload = Group + "/reload"
	// AnnotationReleaseRestarts, on a workload that was restarted and whose new
	// pods do not get ready, has others of its parameter restarted all the same.
	// It is what the workload was restarted for, as the Event RestartsBlocked has it.
	AnnotationReleaseRestarts = Group + "/release-restarts"
)

// Annotations that envgraft writes.
const (
	// AnnotationInjected, on a pod, says what was injected, for people:
	// "ConfigMap/myapp-config,Secret/myapp-secrets".
	AnnotationInjected = Group + "/injected"
	// AnnotationInjectedContainers, on a pod, names the containers that were
	// injected: those that other webhooks add afterwards are left alone.
	AnnotationInjectedContainers = Group + "/injected-containers"
	// AnnotationAwaitsSecret, on a pod, says that the pod may have started
	// before its Secret existed: the controller restarts its workload once
	// when the Secret first appears, which Reloader would not do.
	AnnotationAwaitsSecret = Group + "/awaits-secret"
	// AnnotationParameterVersion, on a pod, is the version of the parameter by
	// whose keys it was grafted; it is absent where they were not known.
	AnnotationParameterVersion = Group + "/parameter-version"
	// AnnotationParameterModified, on a pod, is when that version was made, in RFC
	// 3339: a parameter that was deleted and created again begins at version 1.
	AnnotationParameterModified = Group + "/parameter-modified"
	// AnnotationRestartedFor, on a workload's pod template, names for what the
	// controller restarted it, the newest first: a version of the parameter
	// ("/popapps/myapp/stage/app@2"), or why its pods were stale. It never does so
	// twice for a version, and once a day for stale pods.
	AnnotationRestartedFor = Group + "/restarted-for"
	// AnnotationRestartedAt, on a workload's pod template, is when the controller
	// last restarted it, in RFC 3339.
	AnnotationRestartedAt = Group + "/restarted-at"
	// AnnotationWritten, on a workload, records what the workload webhook
	// wrote, so that it reverts that and nothing else.
	AnnotationWritten = Group + "/written"
	// AnnotationForcedVersion, on an ExternalSecret, is the version of the
	// parameter for which a refresh was last asked.
	AnnotationForcedVersion = Group + "/forced-version"
	// AnnotationKeys, on an ExternalSecret, records in JSON which keys which
	// version of the parameter has in which store. It never holds a value.
	AnnotationKeys = Group + "/keys"
	// AnnotationRevoked, on an ExternalSecret, says why its Namespace may no
	// longer reach the parameter.
	AnnotationRevoked = Group + "/revoked"
	// AnnotationUnusedSince, on an ExternalSecret that nothing owns, is when the
	// last Job or pod that used it was gone, in RFC 3339.
	AnnotationUnusedSince = Group + "/unused-since"
	// AnnotationSecretRemoved, on an ExternalSecret, is when the controller saw that
	// ESO had removed the Secret, in RFC 3339: pods that are older are restarted
	// once the Secret is there again.
	AnnotationSecretRemoved = Group + "/secret-removed"
)

// Reloader's annotations, see
// https://github.com/stakater/Reloader/blob/master/docs/How-it-works.md.
const (
	ReloaderPrefix    = "reloader.stakater.com/"
	ReloaderAuto      = ReloaderPrefix + "auto"
	ReloaderSecret    = "secret." + ReloaderPrefix + "reload"
	ReloaderConfigMap = "configmap." + ReloaderPrefix + "reload"
	// ReloaderRolloutStrategy says how an Argo Rollout's pods are replaced.
	ReloaderRolloutStrategy = ReloaderPrefix + "rollout-strategy"
)

// Names that the server is known by.
const (
	// FieldManager owns what the controller applies.
	FieldManager = "envgraft"
	// Lease is what the replicas settle by who runs the controller.
	Lease = "envgraft-controller"
	// PodsWebhook and WorkloadsWebhook are the paths of the two handlers.
	PodsWebhook      = "/mutate/pods"
	WorkloadsWebhook = "/mutate/workloads"
	// ForceSync, on an ExternalSecret, is how people ask ESO for a refresh.
	// Any change of an annotation is one to ESO.
	ForceSync = "force-sync"
)

// Default names; the configuration file can replace each.
const (
	DefaultParameter      = "/{system}/{app}/{environment}/app"
	DefaultConfigMap      = "{app}-config"
	DefaultSecret         = "{app}-secrets"
	DefaultExternalSecret = "{app}-external"
	DefaultStoreKind      = "ClusterSecretStore"
	DefaultStoreName      = "aws-ssm"
	DefaultEnvironment    = "stage"
)
