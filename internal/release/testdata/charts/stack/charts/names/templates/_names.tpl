{{- define "names.full" }}{{ .Release.Name }}{{ end }}
