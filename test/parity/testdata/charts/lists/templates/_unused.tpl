{{- define "unused" }}a: b{{ end }}
