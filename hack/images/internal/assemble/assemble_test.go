package assemble

import (
	"context"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/dpi-operator/dpi-operator/hack/images/internal/publish"
	"github.com/dpi-operator/dpi-operator/hack/images/internal/recipe"
	"github.com/dpi-operator/dpi-operator/hack/images/internal/store"
)

var small = recipe.Image{
	Name: "small", Tag: "1", ContentTag: true, Nature: recipe.Ours,
	Title: "Small", Description: "One file", Source: "https://example.test", Licenses: "Apache-2.0",
	Steps: []recipe.Step{recipe.Files{Title: "files", Entries: []recipe.File{
		{Path: "etc/motd", Content: "hello", Mode: 0o644},
		{Path: "data", Dir: true, Mode: 0o700, Owner: recipe.UID},
	}}},
	Start: recipe.Start{Entrypoint: []string{"/program"}, Volumes: []string{"/data"}},
}

func TestTheSecondBuildMakesNothing(t *testing.T) {
	assembler, said := newAssembler(t, t.TempDir())
	first := build(t, assembler)
	if len(*said) == 0 {
		t.Error("the first build reported nothing")
	}
	*said = nil
	second := build(t, assembler)
	if len(*said) != 0 {
		t.Errorf("the second build did %q", *said)
	}
	if digest(t, first) != digest(t, second) {
		t.Error("the image is another one the second time")
	}
}

func TestTheSameRecipeGivesTheSameImageInAnotherStore(t *testing.T) {
	here, _ := newAssembler(t, t.TempDir())
	there, _ := newAssembler(t, t.TempDir())
	if digest(t, build(t, here)) != digest(t, build(t, there)) {
		t.Error("the image depends on where it was built")
	}
}

func TestFindSeesOnlyWhatIsBuilt(t *testing.T) {
	assembler, _ := newAssembler(t, t.TempDir())
	if found, err := assembler.Find(small); found != nil || err != nil {
		t.Fatalf("found %v, %v in an empty store", found, err)
	}
	build(t, assembler)
	if found, err := assembler.Find(small); found == nil || err != nil {
		t.Errorf("found %v, %v after the build", found, err)
	}
}

func TestTheImageRunsAsItsNumericUser(t *testing.T) {
	assembler, _ := newAssembler(t, t.TempDir())
	config, err := build(t, assembler).ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.Config.User != "10001:10001" || config.OS != "linux" {
		t.Errorf("user %q, os %q", config.Config.User, config.OS)
	}
	if got := config.Config.Labels["org.opencontainers.image.title"]; got != "Small" {
		t.Errorf("title %q", got)
	}
}

func TestPushingTwicePushesOnce(t *testing.T) {
	server := httptest.NewServer(registry.New())
	t.Cleanup(server.Close)
	target := publish.Registry{Host: strings.TrimPrefix(server.URL, "http://"), Options: []name.Option{name.Insecure}}
	assembler, _ := newAssembler(t, t.TempDir())
	image := build(t, assembler)
	var outcomes []publish.Outcome
	for range 2 {
		outcome, err := target.Push(context.Background(), small.Repository(), image.Tags, image)
		if err != nil {
			t.Fatal(err)
		}
		outcomes = append(outcomes, outcome)
	}
	if !slices.Equal(outcomes, []publish.Outcome{publish.Pushed, publish.Present}) {
		t.Errorf("outcomes %v", outcomes)
	}
	for _, tag := range image.Tags {
		reference, err := name.NewTag(target.Host + "/dpi/small:" + tag)
		if err != nil {
			t.Fatal(err)
		}
		pulled, err := remote.Image(reference)
		if err == nil {
			err = validate.Image(pulled, validate.Fast)
		}
		if err != nil {
			t.Errorf("%s: %v", tag, err)
		}
	}
}

func newAssembler(t *testing.T, root string) (*Assembler, *[]string) {
	t.Helper()
	opened, err := store.Open(context.Background(), root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
	})
	var said []string
	report := func(line string) { said = append(said, line) }
	return &Assembler{Store: opened, WorkDir: ".", Report: report}, &said
}

func build(t *testing.T, assembler *Assembler) *Image {
	t.Helper()
	image, err := assembler.Build(context.Background(), small)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func digest(t *testing.T, image *Image) string {
	t.Helper()
	sum, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return sum.String()
}
