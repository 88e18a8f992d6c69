// Package api defines every label, annotation, path and default name that envgraft
// and its users agree on, each in one place.
package api

// Group prefixes every key that is envgraft's own.
const Group = "envgraft.dev"

// Labels that people set.
const (
	// LabelInject opts in or out: on a Namespace, a workload or a pod template.
	// The nearest wins: pod, then workload, then Namespace.
	// Accepts: `enabled`, `disabled`. Default: not opted in.
	LabelInject = Group + "/inject"
	// LabelApp, on a pod template, names the app. envgraft also writes it to the
	// pods that it injects, so that its controller can watch them by label.
	// Accepts: a label value that is a name in Kubernetes. Default: the label
	// `app.kubernetes.io/name`.
	LabelApp = Group + "/app"
	// LabelSystem, on a Namespace, names the system; a pod may repeat it.
	// Accepts: a label value that is one level of an SSM path. Default: the
	// Namespace's name.
	LabelSystem = Group + "/system"
	// LabelEnvironment, on a Namespace, names the environment. On a pod it may name
	// it again, or one that AnnotationAllowedEnvironments lists.
	// Accepts: a label value that is one level of an SSM path. Default: the
	// configuration's `environment`.
	LabelEnvironment = Group + "/environment"
	// LabelBypass, on a Namespace, bypasses envgraft: API servers call none of its
	// webhooks for the namespace. The controller goes on.
	// Accepts: any value. Default: not set.
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
	// AnnotationParameter replaces the computed SSM parameter. envgraft writes the
	// path that was used to the pods that it injects.
	// Accepts: an SSM path below the Namespace's system, or below one of
	// AnnotationAllowedParameterPrefixes. Default: `names.parameter`.
	AnnotationParameter = Group + "/parameter"
	// AnnotationConfigMapName replaces the computed name of the ConfigMap.
	// Accepts: a ConfigMap's name. Default: `names.configMap`.
	AnnotationConfigMapName = Group + "/config-map-name"
	// AnnotationSecretName replaces the computed name of the Secret. envgraft only
	// refers to such a Secret, unless AnnotationAllowedSecretNames lists it.
	// Accepts: a Secret's name. Default: `names.secret`.
	AnnotationSecretName = Group + "/secret-name"
	// AnnotationSecrets switches the parameter tier off.
	// Accepts: `enabled`, `disabled`. Default: `enabled`.
	AnnotationSecrets = Group + "/secrets"
	// AnnotationSecretOptional lets the pod start without its Secret.
	// Accepts: `true`, `false`. Default: `false`.
	AnnotationSecretOptional = Group + "/secret-optional"
	// AnnotationConfigMapRequired makes the pod wait for its ConfigMap.
	// Accepts: `true`, `false`. Default: `false`.
	AnnotationConfigMapRequired = Group + "/config-map-required"
	// AnnotationContainers limits the injection to these containers.
	// Accepts: up to 1,000 container names, comma separated. Default: all but
	// `skipContainers`.
	AnnotationContainers = Group + "/containers"
	// AnnotationKeep lists the variables whose value in the pod wins.
	// Accepts: up to 1,000 names of variables, comma separated. Default: none.
	AnnotationKeep = Group + "/keep"
	// AnnotationRefreshInterval is the ExternalSecret's refreshInterval.
	// Accepts: a duration as `15m`, at least `externalSecrets.minRefreshInterval`.
	// Default: `externalSecrets.refreshInterval`.
	AnnotationRefreshInterval = Group + "/refresh-interval"
	// AnnotationDeletionPolicy is the ExternalSecret's deletionPolicy.
	// Accepts: `Delete`, `Retain`. Default: `externalSecrets.deletionPolicy`.
	AnnotationDeletionPolicy = Group + "/deletion-policy"
	// AnnotationSecretStore is the ExternalSecret's secretStoreRef.
	// Accepts: `ClusterSecretStore/NAME` where `externalSecrets.allowedStores` lists
	// it, `SecretStore/NAME`. Default: `externalSecrets.secretStore`.
	AnnotationSecretStore = Group + "/secret-store"
)

// Annotations that people set on other objects.
const (
	// AnnotationAllowedParameterPrefixes, on a Namespace, allows its pods other
	// parameters than those of its system.
	// Accepts: prefixes that start and end with `/`, comma separated. Default: none.
	AnnotationAllowedParameterPrefixes = Group + "/allowed-parameter-prefixes"
	// AnnotationAllowedEnvironments, on a Namespace, lists environments that its pods
	// may name besides the Namespace's own.
	// Accepts: environments, comma separated. Default: none.
	AnnotationAllowedEnvironments = Group + "/allowed-environments"
	// AnnotationAllowedSecretNames, on a Namespace, lists Secrets that ESO may fill
	// although their names do not follow `names.secret`.
	// Accepts: names of Secrets, comma separated. Default: none.
	AnnotationAllowedSecretNames = Group + "/allowed-secret-names"
	// AnnotationMode, on a Namespace, switches audit mode on: envgraft reports what it
	// would do with pods, and changes nothing.
	// Accepts: `audit`. Default: not set.
	AnnotationMode = Group + "/mode"
	ModeAudit      = "audit"
	// AnnotationReload, on a workload, switches Reloader's annotations off.
	// Accepts: `enabled`, `disabled`. Default: `enabled`.
	AnnotationReload = Group + "/reload"
	// AnnotationReleaseRestarts, on a workload whose new pods do not become ready
	// after a restart, lets the other workloads with its parameter be restarted anyway.
	// Accepts: the value in the Event `RestartsBlocked`. Default: not set.
	AnnotationReleaseRestarts = Group + "/release-restarts"
)

// Annotations that envgraft writes.
const (
	// AnnotationInjected, on a pod, lists what was injected:
	// "ConfigMap/myapp-config,Secret/myapp-secrets".
	AnnotationInjected = Group + "/injected"
	// AnnotationInjectedContainers, on a pod, names the containers that were
	// injected. Containers that other webhooks add afterwards are not injected.
	AnnotationInjectedContainers = Group + "/injected-containers"
	// AnnotationAwaitsSecret, on a pod, says that the pod may have started
	// before its Secret existed: the controller restarts its workload once
	// when the Secret first appears, which Reloader would not do.
	AnnotationAwaitsSecret = Group + "/awaits-secret"
	// AnnotationParameterVersion, on a pod, is the version of the parameter whose keys
	// were used. It is absent if the keys were not known.
	AnnotationParameterVersion = Group + "/parameter-version"
	// AnnotationParameterModified, on a pod, is when that version was created, in RFC
	// 3339: a parameter that was deleted and created again starts at version 1.
	AnnotationParameterModified = Group + "/parameter-modified"
	// AnnotationRestartedFor, on a workload's pod template, lists why the controller
	// restarted it, the newest reason first: a version of the parameter
	// ("/popapps/myapp/stage/app@2"), or why its pods were stale. The controller
	// restarts it once per version, and at most once a day for stale pods.
	AnnotationRestartedFor = Group + "/restarted-for"
	// AnnotationRestartedAt, on a workload's pod template, is when the controller
	// last restarted it, in RFC 3339.
	AnnotationRestartedAt = Group + "/restarted-at"
	// AnnotationWritten, on a workload, records what the workload webhook
	// wrote, so that it can revert exactly that.
	AnnotationWritten = Group + "/written"
	// AnnotationForcedVersion, on an ExternalSecret, is the version of the
	// parameter for which ESO was last asked to refresh.
	AnnotationForcedVersion = Group + "/forced-version"
	// AnnotationKeys, on an ExternalSecret, records in JSON which keys which
	// version of the parameter has in which store. It never holds a value.
	AnnotationKeys = Group + "/keys"
	// AnnotationRevoked, on an ExternalSecret, says why its Namespace may not
	// use the parameter any more.
	AnnotationRevoked = Group + "/revoked"
	// AnnotationUnusedSince, on an ExternalSecret that nothing owns, is when the
	// last Job or pod that used it was deleted, in RFC 3339.
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
