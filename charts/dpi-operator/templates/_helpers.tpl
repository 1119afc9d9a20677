{{- define "dpi-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "dpi-operator.labels" -}}
{{ include "dpi-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* The registry is required: without one a short name would be pulled from whoever owns it on a public registry. */}}
{{- define "dpi-operator.image" -}}
{{- $registry := required "set image.registry to the registry that holds the image" .Values.image.registry -}}
{{- printf "%s/%s:%s" $registry .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- with .Values.image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{- define "dpi-operator.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default .Release.Name -}}
{{- end -}}

{{- define "dpi-operator.catalogNamespace" -}}
{{- .Values.catalogNamespace | default .Release.Namespace -}}
{{- end -}}

{{/* The service account as the subject of a binding. */}}
{{- define "dpi-operator.subjects" -}}
- kind: ServiceAccount
  name: {{ include "dpi-operator.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
{{- end -}}
