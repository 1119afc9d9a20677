{{/*
What the operator may do. config/rbac holds the same rules for installations without Helm; a test compares the two.
*/}}

{{/* Where Catalogs, their entries and CoordinationRegistries are. */}}
{{- define "dpi-operator.catalogRules" -}}
- apiGroups: [dpi-operator.io]
  resources: [digitalpublicgoods, interfacecontracts, stacktemplates]
  verbs: [get, list, watch, create, update, patch, delete]
- apiGroups: [dpi-operator.io]
  resources: [catalogs, coordinationregistries]
  verbs: [get, list, watch, update, patch]
- apiGroups: [dpi-operator.io]
  resources: [catalogs/status, coordinationregistries/status]
  verbs: [get, update, patch]
- apiGroups: [dpi-operator.io]
  resources: [catalogs/finalizers, coordinationregistries/finalizers]
  verbs: [update]
- apiGroups: [""]
  resources: [configmaps, secrets]
  verbs: [get, list, watch]
- apiGroups: ["", events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}

{{/*
Where deployments are. Charts bring any of these kinds. Roles are among them, but never wider ones than this: the
operator has neither `bind` nor `escalate`.
*/}}
{{- define "dpi-operator.deploymentRules" -}}
- apiGroups: [dpi-operator.io]
  resources: [dpideployments, stackrevisions, components, bindings]
  verbs: [get, list, watch, create, update, patch, delete]
- apiGroups: [dpi-operator.io]
  resources: [dpideployments/status, stackrevisions/status, components/status, bindings/status]
  verbs: [get, update, patch]
- apiGroups: [dpi-operator.io]
  resources: [dpideployments/finalizers, stackrevisions/finalizers, components/finalizers, bindings/finalizers]
  verbs: [update]
- apiGroups: [""]
  resources: [configmaps, persistentvolumeclaims, pods, secrets, serviceaccounts, services]
  verbs: [get, list, watch, create, update, patch, delete]
- apiGroups: [""]
  resources: [pods/log, namespaces]
  verbs: [get]
- apiGroups: ["", events.k8s.io]
  resources: [events]
  verbs: [get, list, watch, create, patch]
- apiGroups: [apps]
  resources: [daemonsets, deployments, statefulsets]
  verbs: [get, list, watch, create, update, patch, delete]
- apiGroups: [apps]
  resources: [controllerrevisions, replicasets]
  verbs: [get, list, watch]
- apiGroups: [batch]
  resources: [cronjobs, jobs]
  verbs: [get, list, watch, create, update, patch, delete]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch, create, update, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [ingresses, networkpolicies]
  verbs: [get, list, watch, create, update, patch, delete]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, update, patch, delete]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [rolebindings, roles]
  verbs: [get, list, watch, create, update, patch, delete]
{{- end -}}

{{/*
For scope namespaced, beside the deployments' rules: the manager's watches cover every kind in every namespace it works
in, its own and the catalogue's among them.
*/}}
{{- define "dpi-operator.watchRules" -}}
- apiGroups: [dpi-operator.io]
  resources: [catalogs, coordinationregistries, digitalpublicgoods, interfacecontracts, stacktemplates]
  verbs: [get, list, watch]
{{- end -}}

{{/* Things outside namespaces that say whether a deployment can work. */}}
{{- define "dpi-operator.clusterRules" -}}
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get, list, watch]
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  verbs: [get, list, watch]
- apiGroups: [storage.k8s.io]
  resources: [storageclasses]
  verbs: [get, list, watch]
{{- end -}}

{{/* Where the operator runs. */}}
{{- define "dpi-operator.leaderRules" -}}
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, list, watch, create, update, patch, delete]
- apiGroups: ["", events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end -}}
