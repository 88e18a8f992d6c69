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

{{/* The namespaces that are left alone: Kubernetes' own, without which the cluster
does not run, and the webhook's, which must start before it serves. */}}
{{- define "envgraft.excludedNamespaces" -}}
{{- $own := list "kube-system" "kube-public" "kube-node-lease" .Release.Namespace }}
{{- concat $own .Values.webhook.excludedNamespaces (.Values.config.excludedNamespaces | default list) | uniq | toYaml }}
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
