// Package manifest reads the kinds of this API from YAML, strictly: an unknown field is an error, not a surprise later.
// It is pure and imports the API types, apimachinery and sigs.k8s.io/yaml.
package manifest
