package recipe

import (
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/dpi-operator/dpi-operator/hack/images/sources"
)

func TestEveryImageSaysWhatItIs(t *testing.T) {
	for _, image := range catalogue(t) {
		for label, value := range image.Labels() {
			if value == "" {
				t.Errorf("%s: the label %s is empty", image.Name, label)
			}
		}
		honest := strings.Contains(image.Title, "with our launcher") && strings.Contains(image.Description, "not upstream's image")
		if image.Nature == LibraryWithLauncher && !honest {
			t.Errorf("%s: the labels hide that this is not upstream's image: %q, %q", image.Name, image.Title, image.Description)
		}
	}
}

func TestEveryImageStartsAProgramByItsFullPath(t *testing.T) {
	for _, image := range catalogue(t) {
		if len(image.Start.Entrypoint) == 0 || !path.IsAbs(image.Start.Entrypoint[0]) {
			t.Errorf("%s: entrypoint %v", image.Name, image.Start.Entrypoint)
		}
	}
}

func TestEveryImageHasAWritableTmpAndItsUser(t *testing.T) {
	for _, image := range catalogue(t) {
		var paths []string
		for _, step := range image.Steps {
			if files, ok := step.(Files); ok {
				for _, entry := range files.Entries {
					paths = append(paths, entry.Path)
				}
			}
		}
		for _, needed := range []string{"tmp", "etc/passwd", "etc/group"} {
			if !slices.Contains(paths, needed) {
				t.Errorf("%s has no %s", image.Name, needed)
			}
		}
	}
}

func TestJavaImagesShareTheirBaseLayers(t *testing.T) {
	images := map[string]Image{}
	for _, image := range catalogue(t) {
		images[image.Name] = image
	}
	base := len(javaBase())
	want := keys(t, images["keycloak"].Steps)[:base]
	for _, name := range []string{"ehrbase", "hapi-fhir"} {
		if got := keys(t, images[name].Steps)[:base]; !slices.Equal(got, want) {
			t.Errorf("%s does not start with the layers of keycloak", name)
		}
	}
}

func TestSelect(t *testing.T) {
	all := catalogue(t)
	chosen, err := Select(all, []string{"registry", "postgresql"})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, image := range chosen {
		names = append(names, image.Name)
	}
	if !slices.Equal(names, []string{"postgresql", "registry"}) {
		t.Errorf("chose %v, in this order", names)
	}
	_, err = Select(all, []string{"postgres"})
	if err == nil || !strings.Contains(err.Error(), `"postgres"`) || !strings.Contains(err.Error(), "keycloak") {
		t.Errorf("an unknown name gave %v, expected the name and the known ones", err)
	}
}

func catalogue(t *testing.T) []Image {
	t.Helper()
	all, err := All(sources.FS)
	if err != nil {
		t.Fatal(err)
	}
	return all
}
