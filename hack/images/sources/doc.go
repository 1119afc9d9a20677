// Package sources embeds what this repository adds to upstream's software in the images: entrypoints, configuration and
// launchers, one folder per image. It imports nothing but embed.
package sources

import "embed"

// FS holds one folder per image.
//
//go:embed postgresql ehrbase hapi-fhir
var FS embed.FS
