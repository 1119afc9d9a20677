package cluster

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/dpi-operator/dpi-operator/hack/devcluster/internal/build"
)

var update = flag.Bool("update", false, "write the golden files anew")

func example() *Cluster {
	binaries := map[string]string{}
	for _, binary := range allBinaries() {
		binaries[binary.Name] = "/cache/bin/" + binary.Name + "-0123456789ab/" + binary.Name
	}
	return &Cluster{Dir: "/var/lib/dpi-devcluster", Builder: build.Builder{Sources: "../..", Cache: "/cache"}, binaries: binaries}
}

func TestFiles_golden(t *testing.T) {
	rendered, err := example().files()
	if err != nil {
		t.Fatal(err)
	}
	for name, got := range rendered {
		golden := filepath.Join("testdata", "files", name)
		if *update {
			if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s: got\n%s\nwant\n%s\n(-update writes it anew)", name, got, want)
		}
	}
	if !json.Valid([]byte(rendered[networkFile])) {
		t.Error("the network's configuration is no JSON")
	}
}

// Processes whose records were lost are known by a path of the cluster in their arguments.
func TestParts_nameTheClustersFolder(t *testing.T) {
	c := example()
	known := programs()
	for _, each := range c.parts() {
		if !slices.Contains(known, filepath.Base(each.Path)) {
			t.Errorf("%s: down does not know its program %s", each.Name, each.Path)
		}
		if !strings.Contains(strings.Join(each.Args, " "), c.Dir+"/") {
			t.Errorf("%s: down cannot tell it from another's: %v", each.Name, each.Args)
		}
	}
}

func TestParts_restartWhenTheirConfigurationChanges(t *testing.T) {
	c := example()
	files, err := c.files()
	if err != nil {
		t.Fatal(err)
	}
	before := map[string]string{}
	for _, each := range slices.Concat(c.base(files), c.node(files)) {
		before[each.Name] = each.Restart
	}
	for name := range maps.Keys(files) {
		files[name] += "# changed\n"
	}
	changed := 0
	for _, each := range slices.Concat(c.base(files), c.node(files)) {
		if before[each.Name] != each.Restart {
			changed++
		}
	}
	if changed != 5 {
		t.Errorf("%d parts would restart; registry, containerd, kubelet, kube-proxy and coredns read a file", changed)
	}
}

// The manifest cannot refer to the constants.
func TestObjects_useTheClustersAddresses(t *testing.T) {
	for _, want := range []string{"clusterIP: " + DNSService, "addresses: [" + NodeAddress + "]"} {
		if !strings.Contains(objects, want) {
			t.Errorf("no %q in the cluster's own objects", want)
		}
	}
}

func TestBinaries_arePinned(t *testing.T) {
	c := example()
	paths, err := c.Builder.Paths(allBinaries())
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) != len(allBinaries()) {
		t.Errorf("two programs have one name: %v", paths)
	}
	got := kubernetesVersion("v1.36.3")
	if got["k8s.io/component-base/version.gitMajor"] != "1" || got["k8s.io/component-base/version.gitMinor"] != "36" {
		t.Errorf("got %v", got)
	}
}

func TestCheck_refusesFoldersThatCannotWork(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("without root every folder is refused")
	}
	for _, dir := range []string{"", "/", "/var", "var/lib/x", "/var/lib/a b", `/var/lib/a"b`, "/var/../etc", "/var/lib/" + strings.Repeat("x", maxDir)} {
		if err := (&Cluster{Dir: dir}).check(); err == nil {
			t.Errorf("%q was accepted", dir)
		}
	}
}

func TestReadyIn_readsTheNodesCondition(t *testing.T) {
	for text, ready := range map[string]bool{
		`{"status":{"conditions":[{"type":"MemoryPressure","status":"False"},{"type":"Ready","status":"True"}]}}`: true,
		`{"status":{"conditions":[{"type":"Ready","status":"False","message":"no network"}]}}`:                    false,
		`{"status":{}}`: false,
		`not json`:      false,
	} {
		if err := readyIn([]byte(text)); (err == nil) != ready {
			t.Errorf("%s: got %v", text, err)
		}
	}
}
