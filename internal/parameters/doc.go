// Package parameters checks given parameters against a JSON Schema and fills in its defaults. It is pure; the schema
// work is done by github.com/santhosh-tekuri/jsonschema, which Helm uses for values.schema.json too.
package parameters
