package layer

import (
	"path"
	"strings"
)

// Filter decides by path which entries of a tree belong to the layer.
type Filter struct {
	// Keep lists path prefixes; when it is not empty, only these paths and what is below them are kept.
	Keep []string
	// Drop lists patterns of paths to leave out together with what is below them. Each element of a pattern is a
	// path.Match pattern. A pattern that starts with "!" puts matching paths back that a pattern before it dropped.
	Drop []string
}

// Contains reports whether the slash-separated relative path belongs to the layer.
func (f Filter) Contains(name string) bool {
	return f.kept(name) && !f.dropped(name)
}

func (f Filter) kept(name string) bool {
	if len(f.Keep) == 0 {
		return true
	}
	for _, prefix := range f.Keep {
		if name == prefix || strings.HasPrefix(name, prefix+"/") {
			return true
		}
	}
	return false
}

func (f Filter) dropped(name string) bool {
	dropped := false
	for _, pattern := range f.Drop {
		if back, found := strings.CutPrefix(pattern, "!"); found {
			dropped = dropped && !matchesSelfOrParent(back, name)
			continue
		}
		dropped = dropped || matchesSelfOrParent(pattern, name)
	}
	return dropped
}

// matchesSelfOrParent reports whether the pattern matches the path or one of the directories it is in.
func matchesSelfOrParent(pattern, name string) bool {
	depth := strings.Count(pattern, "/") + 1
	elements := strings.Split(name, "/")
	if len(elements) < depth {
		return false
	}
	matched, err := path.Match(pattern, strings.Join(elements[:depth], "/"))
	return err == nil && matched
}
