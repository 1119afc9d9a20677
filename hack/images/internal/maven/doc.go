// Package maven takes libraries, archives and our own launchers from Maven, through the mvn client and the machine's settings.
//
// It may import internal/command and internal/archive.
package maven
