{{/* The name of all objects, and of the lease. */}}
{{- define "pggan.name" -}}
{{- if .Values.nameOverride -}}
{{ .Values.nameOverride }}
{{- else if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- define "pggan.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "pggan.labels" -}}
{{ include "pggan.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* Of the pod of `helm test`. */}}
{{- define "pggan.testLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}-test
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* An image by digest or by tag: (dict "image" .Values.image "root" .) */}}
{{- define "pggan.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- define "pggan.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ .Values.serviceAccount.name | default (include "pggan.name" .) }}
{{- else -}}
{{ .Values.serviceAccount.name | default "default" }}
{{- end -}}
{{- end }}

{{/* To whom a role is bound. */}}
{{- define "pggan.subjects" -}}
subjects:
  - kind: ServiceAccount
    name: {{ include "pggan.serviceAccount" . }}
    namespace: {{ .Release.Namespace }}
{{- end }}

{{/* What the operator may do where trainings run; a test holds that each of these is used and none is missing. */}}
{{- define "pggan.rules" -}}
rules:
  - apiGroups: [pggan.dev]
    resources: [pggantrainings, synthesisjobs]
    verbs: [get, list, watch]
  - apiGroups: [pggan.dev]
    resources: [pggantrainings] # its finalizer
    verbs: [patch]
  - apiGroups: [pggan.dev]
    resources: [pggantrainings/status, synthesisjobs/status]
    verbs: [patch]
  - apiGroups: [pggan.dev]
    resources: [pggantrainings/finalizers, synthesisjobs/finalizers] # Jobs that block their owner's deletion, where OwnerReferencesPermissionEnforcement is on
    verbs: [update]
  - apiGroups: [batch]
    resources: [jobs]
    verbs: [get, list, watch, create, patch, delete]
  - apiGroups: [""]
    resources: [pods]
    verbs: [list, watch]
  - apiGroups: [events.k8s.io]
    resources: [events]
    verbs: [create, patch]
{{- end }}

{{/* A list of ports of a NetworkPolicy over TCP. */}}
{{- define "pggan.tcp" -}}
ports:
  {{- range . }}
  - protocol: TCP
    port: {{ . }}
  {{- end }}
{{- end }}

{{- define "pggan.dns" -}}
ports:
  - protocol: UDP
    port: 53
  - protocol: TCP
    port: 53
{{- end }}
