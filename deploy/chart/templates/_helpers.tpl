{{- define "envgraft.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* The release's name, short enough for the suffixes that follow it. */}}
{{- define "envgraft.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "envgraft.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "envgraft.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "envgraft.selectorLabels" -}}
app.kubernetes.io/name: {{ include "envgraft.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "envgraft.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "envgraft.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "envgraft.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default (include "envgraft.fullname" .) }}
{{- else }}
{{- required "serviceAccount.name is required where serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "envgraft.serviceName" -}}
{{ include "envgraft.fullname" . }}-webhook
{{- end }}

{{/* The Secret that the certificate is in, whoever issues it. */}}
{{- define "envgraft.certificateSecret" -}}
{{- if eq .Values.certificates.mode "provided" }}
{{- required "certificates.provided.secretName is required where certificates.mode is provided" .Values.certificates.provided.secretName }}
{{- else }}
{{- include "envgraft.fullname" . }}-webhook-tls
{{- end }}
{{- end }}

{{- define "envgraft.image" -}}
{{- $unpublished := eq (index (.Chart.Annotations | default dict) "envgraft.dev/image") "unpublished" }}
{{- if and $unpublished (eq .Values.image.repository "ghcr.io/envgraft/envgraft") (not .Values.image.tag) (not .Values.image.digest) }}
{{- fail "image.repository is required: no image of this chart is published. Build one (make image IMAGE=REGISTRY/envgraft:TAG), push it, and set image.repository=REGISTRY/envgraft and image.tag=TAG" }}
{{- end }}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) }}
{{- end }}
{{- end }}

{{/* The configuration file: the user's part, and what only the chart knows. */}}
{{- define "envgraft.configuration" -}}
{{- $config := deepCopy .Values.config }}
{{- if not $config.environment }}
{{- fail "config.environment is required, for example --set config.environment=stage: it is the environment of pods where neither the pod nor its Namespace has the label envgraft.dev/environment" }}
{{- end }}
{{- include "envgraft.checkDrain" . }}
{{- include "envgraft.checkTTLs" . }}
{{- $aws := dict }}
{{- with .Values.aws.region }}{{ $_ := set $aws "region" . }}{{ end }}
{{- with .Values.aws.ssmEndpoint }}{{ $_ := set $aws "ssmEndpoint" . }}{{ end }}
{{- $certificates := dict }}
{{- if eq .Values.certificates.mode "self" }}
{{- $_ := set $certificates "secretName" (include "envgraft.certificateSecret" .) }}
{{- $_ := set $certificates "serviceName" (include "envgraft.serviceName" .) }}
{{- $_ := set $certificates "webhookConfiguration" (include "envgraft.fullname" .) }}
{{- else }}
{{- $_ := set $certificates "certFile" "/etc/envgraft-tls/tls.crt" }}
{{- $_ := set $certificates "keyFile" "/etc/envgraft-tls/tls.key" }}
{{- end }}
{{- $own := dict "apiVersion" "config.envgraft.dev/v1alpha1" "kind" "Configuration" "server" (dict
      "listen" (printf ":%d" (int .Values.ports.webhook))
      "metricsListen" (printf ":%d" (int .Values.ports.metrics))
      "healthListen" (printf ":%d" (int .Values.ports.health))
      "certificates" $certificates) }}
{{- if or .Values.clientCA.configMap .Values.clientCA.secret }}{{ $_ := set $own.server "clientCA" "/etc/envgraft-client-ca/ca.crt" }}{{ end }}
{{- if .Values.ui.enabled }}{{ $_ := set $own.server "uiListen" (printf "127.0.0.1:%d" (int .Values.ports.ui)) }}{{ end }}
{{- if $aws }}{{ $_ := set $own "aws" $aws }}{{ end }}
{{- $_ := set $config "excludedNamespaces" (include "envgraft.excludedNamespaces" . | fromYamlArray) }}
{{- toYaml (mergeOverwrite $own $config) }}
{{- end }}

{{/* The seconds of a duration as Go writes it, such as 1m30s. */}}
{{- define "envgraft.seconds" -}}
{{- $seconds := 0.0 }}
{{- range regexFindAll "[0-9]+([.][0-9]+)?(ns|us|µs|ms|s|m|h)" . -1 }}
{{- $unit := regexFind "[a-zµ]+$" . }}
{{- $scale := get (dict "ns" 0.000000001 "us" 0.000001 "µs" 0.000001 "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0) $unit }}
{{- $seconds = addf $seconds (mulf (trimSuffix $unit . | float64) $scale) }}
{{- end }}
{{- $seconds }}
{{- end }}

{{/* A pod that is killed while it drains breaks the reviews that it still answers. */}}
{{- define "envgraft.checkDrain" -}}
{{- $delay := dig "server" "drainDelay" "5s" .Values.config }}
{{- if le (float64 .Values.terminationGracePeriodSeconds) (include "envgraft.seconds" $delay | float64) }}
{{- fail (printf "terminationGracePeriodSeconds (%v) must be longer than config.server.drainDelay (%s): a pod that is killed while it drains breaks the reviews that it still answers" .Values.terminationGracePeriodSeconds $delay) }}
{{- end }}
{{- end }}

{{/* The program refuses other lengths, and its pods would crash. */}}
{{- define "envgraft.checkTTLs" -}}
{{- range $field := list "parameterTTL" "negativeTTL" "configMapTTL" }}
{{- $ttl := dig "facts" $field "1s" $.Values.config }}
{{- $seconds := include "envgraft.seconds" $ttl | float64 }}
{{- if or (le $seconds 0.0) (gt $seconds 86400.0) }}
{{- fail (printf "config.facts.%s is %s: it must be greater than 0 and at most 24h" $field $ttl) }}
{{- end }}
{{- end }}
{{- end }}

{{/* The namespaces that are left alone: Kubernetes' own, without which the cluster
does not run, the webhook's, which must start before it serves, and those of the
operators that make Secrets and restart workloads. */}}
{{- define "envgraft.excludedNamespaces" -}}
{{- $own := list "kube-system" "kube-public" "kube-node-lease" .Release.Namespace }}
{{- $operators := include "envgraft.operatorNamespaces" . | fromYamlArray }}
{{- concat $own .Values.webhook.excludedNamespaces (.Values.config.excludedNamespaces | default list) $operators | uniq | toYaml }}
{{- end }}

{{/* Where ESO and Reloader run, as the cluster says: ESO's webhook configuration
names its Service's namespace, and Reloader's ClusterRoleBinding its ServiceAccount's. One
that opted in has apps in it. Empty without a cluster (helm template). */}}
{{- define "envgraft.operatorNamespaces" -}}
{{- $found := list }}
{{- if .Values.webhook.excludeOperators }}
{{- $eso := lookup "admissionregistration.k8s.io/v1" "ValidatingWebhookConfiguration" "" "secretstore-validate" }}
{{- range (get ($eso | default dict) "webhooks" | default list) }}
{{- $found = append $found (dig "clientConfig" "service" "namespace" "" .) }}
{{- end }}
{{- range (get (lookup "rbac.authorization.k8s.io/v1" "ClusterRoleBinding" "" "" | default dict) "items" | default list) }}
{{- if hasSuffix "reloader-role-binding" .metadata.name }}
{{- range .subjects }}
{{- $found = append $found (dig "namespace" "" .) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- $excluded := list }}
{{- range ($found | uniq | sortAlpha) }}
{{- if . }}
{{- $labels := dig "metadata" "labels" dict (lookup "v1" "Namespace" "" . | default dict) }}
{{- if not (hasKey $labels "envgraft.dev/inject") }}
{{- $excluded = append $excluded . }}
{{- end }}
{{- end }}
{{- end }}
{{- toYaml $excluded }}
{{- end }}

{{/* The namespaces that no webhook is called for: the excluded ones, and those
that somebody took out by hand, whatever else is labelled in them. */}}
{{- define "envgraft.namespacesNotExcluded" -}}
- key: kubernetes.io/metadata.name
  operator: NotIn
  values:
    {{- include "envgraft.excludedNamespaces" . | nindent 4 }}
- key: envgraft.dev/bypass
  operator: DoesNotExist
{{- end }}

{{- define "envgraft.clientConfig" -}}
service:
  name: {{ include "envgraft.serviceName" .root }}
  namespace: {{ .root.Release.Namespace }}
  path: {{ .path }}
  port: 443
{{- if eq .root.Values.certificates.mode "provided" }}
{{- with .root.Values.certificates.provided.ca }}
caBundle: {{ b64enc . }}
{{- end }}
{{- end }}
{{- end }}
