package placeholder

import (
	"encoding/base32"
	"regexp"
	"slices"
	"strings"
)

// The end sign is not in the alphabet, so that text may follow at once.
const (
	begin = "dpisecret1"
	end   = "9"
)

var (
	encoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
	pattern  = regexp.MustCompile(begin + "([a-z2-7]+)" + end)
)

// Reference names one value in a Secret of the namespace that the text is used in.
type Reference struct {
	// Secret and Key of the value.
	Secret, Key string
}

// Text stands for the value.
func (r Reference) Text() string {
	return begin + encoding.EncodeToString([]byte(r.Secret+"/"+r.Key)) + end
}

// Find returns the references in a text, each once, in the order they appear.
func Find(text string) []Reference {
	if !strings.Contains(text, begin) {
		return nil
	}
	var found []Reference
	for _, match := range pattern.FindAllStringSubmatch(text, -1) {
		reference, ok := parse(match[1])
		if ok && !slices.Contains(found, reference) {
			found = append(found, reference)
		}
	}
	return found
}

// FindIn returns the references in the strings of plain data, map keys included, each once, sorted.
func FindIn(data any) []Reference {
	seen := map[Reference]bool{}
	walk(data, func(text string) {
		for _, reference := range Find(text) {
			seen[reference] = true
		}
	})
	return Sorted(seen)
}

// Sorted lists a set in an order that is always the same.
func Sorted(set map[Reference]bool) []Reference {
	var out []Reference
	for reference := range set {
		out = append(out, reference)
	}
	slices.SortFunc(out, func(a, b Reference) int { return strings.Compare(a.Secret+"/"+a.Key, b.Secret+"/"+b.Key) })
	return out
}

func parse(encoded string) (Reference, bool) {
	decoded, err := encoding.DecodeString(encoded)
	if err != nil {
		return Reference{}, false
	}
	secret, key, ok := strings.Cut(string(decoded), "/")
	return Reference{Secret: secret, Key: key}, ok
}

func walk(data any, visit func(string)) {
	switch typed := data.(type) {
	case string:
		visit(typed)
	case map[string]any:
		for key, child := range typed {
			visit(key)
			walk(child, visit)
		}
	case []any:
		for _, child := range typed {
			walk(child, visit)
		}
	}
}
