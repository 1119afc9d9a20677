// Package placeholder writes text that stands for a value in a Secret, and finds it again.
//
// Some charts take a secret value as text only. Helm keeps values and manifests, so the value must never be among them: a
// placeholder goes there instead, says by itself where the value is, and is exchanged for it at the last moment. It has
// letters and digits only, so that quoting, URL encoding and YAML leave it as it is. It is pure: standard library only.
package placeholder
