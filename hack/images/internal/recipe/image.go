package recipe

import (
	"fmt"
	"slices"
	"strings"
)

// Nature says honestly what runs in an image.
type Nature string

// The natures an image can have.
const (
	// RealServer is the upstream server, unchanged.
	RealServer Nature = "real server"
	// LibraryWithLauncher is upstream's libraries, started by a main program of ours.
	LibraryWithLauncher Nature = "library with our launcher"
	// Ours is built from this repository.
	Ours Nature = "ours"
)

// UID is the numeric user and group every image runs as.
const UID = 10001

// Image is the recipe of one image.
type Image struct {
	// Name is the last element of the repository: "dpi/<name>".
	Name string
	// Tag is the tag it is pushed under: upstream's version, or "dev" for programs of this repository.
	Tag string
	// ContentTag asks for a second tag that is made from the image's content.
	ContentTag bool
	// Nature says what runs in it.
	Nature Nature
	// Title, Description, Source and Licenses become the OCI labels of the same names.
	Title, Description, Source, Licenses string
	// Steps make the layers, the lowest first.
	Steps []Step
	// Start is how the image runs.
	Start Start
}

// Start is the part of an image's configuration that says how it runs.
type Start struct {
	Entrypoint, Cmd []string
	// Env holds NAME=value pairs in the order in which they are to appear.
	Env        []string
	WorkingDir string
	Volumes    []string
	Ports      []string
	StopSignal string
}

// Repository is where the image lives in any registry.
func (i Image) Repository() string { return "dpi/" + i.Name }

// Labels are the OCI labels of the image.
func (i Image) Labels() map[string]string {
	return map[string]string{
		"org.opencontainers.image.title":       i.Title,
		"org.opencontainers.image.description": i.Description,
		"org.opencontainers.image.version":     i.Tag,
		"org.opencontainers.image.source":      i.Source,
		"org.opencontainers.image.licenses":    i.Licenses,
		"dpi-operator.io/nature":               string(i.Nature),
	}
}

// Select returns the named images in the order of all, every one when no name is given. An unknown name is an error that
// lists the known ones.
func Select(all []Image, names []string) ([]Image, error) {
	if len(names) == 0 {
		return all, nil
	}
	known := make([]string, 0, len(all))
	for _, image := range all {
		known = append(known, image.Name)
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("no image is called %q: choose from %s", name, strings.Join(known, ", "))
		}
	}
	var chosen []Image
	for _, image := range all {
		if slices.Contains(names, image.Name) {
			chosen = append(chosen, image)
		}
	}
	return chosen, nil
}
