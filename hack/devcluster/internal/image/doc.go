// Package image writes an image archive that holds a single static program.
package image
