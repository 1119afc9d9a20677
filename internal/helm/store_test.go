package helm_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/dpi-operator/dpi-operator/internal/helm"
)

var now = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

func newStore() (*helm.Store, client.Client) {
	memory := fake.NewClientBuilder().Build()
	return helm.NewStore(memory, func() time.Time { return now }), memory
}

func newRecord(t *testing.T, files map[string]string, values map[string]any) *helm.Record {
	t.Helper()
	rendered, err := load(t, files).Render(t.Context(), request(values))
	if err != nil {
		t.Fatal(err)
	}
	meta := helm.Meta{Namespace: "shop", Name: "app", Revision: 1, Status: helm.StatusPendingInstall, Labels: map[string]string{"mine": "1"}}
	record, err := helm.NewRecord(meta, rendered, now)
	if err != nil {
		t.Fatal(err)
	}
	return record
}

var small = map[string]string{"templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {n: '{{ .Values.n }}'}\n"}

func TestStore_keepsARecord(t *testing.T) {
	store, _ := newStore()
	record := newRecord(t, small, map[string]any{"n": 1})
	record.State = []byte(`{"step":1}`)
	if err := store.Create(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	record.Status, record.Description, record.State = helm.StatusDeployed, "done", []byte(`{"step":2}`)
	if err := store.Update(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	metas, err := store.List(t.Context(), "shop", "app")
	if err != nil || len(metas) != 1 {
		t.Fatalf("got %v, %v", metas, err)
	}
	if metas[0].Status != helm.StatusDeployed || metas[0].Labels["mine"] != "1" || !metas[0].ModifiedAt.Equal(now) {
		t.Errorf("got %+v", metas[0])
	}
	read, err := store.Get(t.Context(), metas[0])
	if err != nil {
		t.Fatal(err)
	}
	if read.Description != "done" || string(read.State) != `{"step":2}` || read.ChartVersion != "1.2.3" || read.Fingerprint() != record.Fingerprint() {
		t.Errorf("got %+v", read)
	}
	if diff := cmp.Diff(record.Objects, read.Objects); diff != "" || len(read.Objects) != 1 {
		t.Error(diff)
	}
	if err := store.Delete(t.Context(), metas[0]); err != nil {
		t.Fatal(err)
	}
	if err := store.Delete(t.Context(), metas[0]); err != nil {
		t.Errorf("deleting twice: %v", err)
	}
}

func TestStore_keepsLineBreaksAtTheEndOfObjects(t *testing.T) {
	for _, text := range []string{"a", "a\n", "a\n\n", "a\n\n\n"} {
		store, _ := newStore()
		rendered, err := load(t, small).Render(t.Context(), request(nil))
		if err != nil {
			t.Fatal(err)
		}
		widget := map[string]any{"apiVersion": "v1", "kind": "Widget", "metadata": map[string]any{"name": "w"}, "spec": map[string]any{"text": text}}
		rendered.Objects[0].Object.Object = widget
		rendered.Objects = append(rendered.Objects, rendered.Objects[0])
		record, err := helm.NewRecord(helm.Meta{Namespace: "shop", Name: "app", Revision: 1, Labels: map[string]string{}}, rendered, now)
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Create(t.Context(), record); err != nil {
			t.Fatal(err)
		}
		read, err := store.Get(t.Context(), record.Meta)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(rendered.Objects, read.Objects); diff != "" {
			t.Errorf("%q: %s", text, diff)
		}
	}
}

func TestStore_tellsAStaleWriter(t *testing.T) {
	store, _ := newStore()
	record := newRecord(t, small, nil)
	if err := store.Create(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	if err := store.Create(t.Context(), newRecord(t, small, nil)); !errors.Is(err, helm.ErrConflict) {
		t.Errorf("the revision was claimed twice: %v", err)
	}
	stale, err := store.Get(t.Context(), record.Meta)
	if err != nil {
		t.Fatal(err)
	}
	record.Description = "first"
	if err := store.Update(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	stale.Description = "second"
	if err := store.Update(t.Context(), stale); !errors.Is(err, helm.ErrConflict) {
		t.Errorf("a stale writer was obeyed: %v", err)
	}
	if err := store.Delete(t.Context(), record.Meta); err != nil {
		t.Fatal(err)
	}
	if err := store.Update(t.Context(), record); !errors.Is(err, helm.ErrConflict) {
		t.Errorf("a deleted record was written: %v", err)
	}
}

func TestStore_secretsOfTheChartsNotesAreNotKept(t *testing.T) {
	store, memory := newStore()
	record := newRecord(t, map[string]string{"templates/NOTES.txt": "hunter2", "files/dashboard.json": "{}"}, nil)
	if err := store.Create(t.Context(), record); err != nil {
		t.Fatal(err)
	}
	read, err := store.Get(t.Context(), record.Meta)
	if err != nil {
		t.Fatal(err)
	}
	var secrets corev1.SecretList
	if err := memory.List(t.Context(), &secrets); err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%+v", read); strings.Contains(text, "hunter2") || len(secrets.Items) != 1 {
		t.Error("the record holds the notes")
	}
}

// noise returns text that does not compress.
func noise(size int) string {
	source := rand.New(rand.NewPCG(1, 2))
	text := make([]byte, size)
	for i := range text {
		text[i] = byte('!' + source.IntN(90))
	}
	return strings.ReplaceAll(string(text), "'", "_")
}

func TestStore_largeCharts(t *testing.T) {
	t.Run("templates, files and defaults are left out", func(t *testing.T) {
		store, _ := newStore()
		files := map[string]string{"files/a": noise(2 << 20), "templates/_t.tpl": noise(2 << 20)[:1<<20], "values.yaml": "x: '" + noise(1<<20) + "'"}
		files["templates/_t.tpl"] = strings.ReplaceAll(files["templates/_t.tpl"], "{{", "__")
		record := newRecord(t, files, nil)
		if err := store.Create(t.Context(), record); err != nil {
			t.Error(err)
		}
	})
	large := func(size int) string {
		return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {n: '" + strings.ReplaceAll(noise(size), "{{", "__") + "'}\n"
	}
	t.Run("a large manifest is kept in parts", func(t *testing.T) {
		store, memory := newStore()
		store.SetLimit(20 << 10)
		record := newRecord(t, map[string]string{"templates/a.yaml": large(40 << 10)}, nil)
		objects := record.Objects
		if err := store.Create(t.Context(), record); err != nil {
			t.Fatal(err)
		}
		record.Status = helm.StatusDeployed
		if err := store.Update(t.Context(), record); err != nil {
			t.Fatal(err)
		}
		read, err := store.Get(t.Context(), record.Meta)
		if err != nil || read.Incomplete || read.Status != helm.StatusDeployed {
			t.Fatalf("got %v, incomplete %t, %s", err, read.Incomplete, read.Status)
		}
		if !cmp.Equal(objects, read.Objects) {
			t.Error("the objects are not what was stored")
		}
		successor, err := read.Successor(helm.Meta{Namespace: "shop", Name: "app", Revision: 2, Labels: map[string]string{}}, now)
		if err != nil || !cmp.Equal(objects, successor.Objects) {
			t.Errorf("the successor has other objects (%v)", err)
		}
		part := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "sh.helm.release.v1.app.v1.part1"}}
		if err := memory.Delete(t.Context(), part); err != nil {
			t.Fatal(err)
		}
		if read, err = store.Get(t.Context(), record.Meta); err != nil || !read.Incomplete || len(read.Objects) > 0 {
			t.Errorf("a missing part went unnoticed: %v", err)
		}
		if err := store.Delete(t.Context(), record.Meta); err != nil {
			t.Fatal(err)
		}
		var secrets corev1.SecretList
		if err := memory.List(t.Context(), &secrets); err != nil || len(secrets.Items) > 0 {
			t.Errorf("%d Secrets are left, %v", len(secrets.Items), err)
		}
	})
	t.Run("a manifest that is far too large is refused before anything is written", func(t *testing.T) {
		store, memory := newStore()
		store.SetLimit(20 << 10)
		files := map[string]string{"templates/a.yaml": large(400 << 10)}
		err := store.Create(t.Context(), newRecord(t, files, nil))
		if !errors.Is(err, helm.ErrRecordTooLarge) {
			t.Errorf("got %v", err)
		}
		var secrets corev1.SecretList
		if err := memory.List(t.Context(), &secrets); err != nil || len(secrets.Items) > 0 {
			t.Errorf("%d Secrets, %v", len(secrets.Items), err)
		}
	})
}

func TestStore_unreadableRecords(t *testing.T) {
	labels := func(version string) map[string]string {
		return map[string]string{"owner": "helm", "name": "app", "version": version, "status": "deployed"}
	}
	for name, secret := range map[string]*corev1.Secret{
		"no revision": {ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "s", Labels: labels("x")}},
		"no release":  {ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "s", Labels: labels("1")}, Data: map[string][]byte{"release": []byte("%")}},
	} {
		t.Run(name, func(t *testing.T) {
			store, memory := newStore()
			if err := memory.Create(t.Context(), secret); err != nil {
				t.Fatal(err)
			}
			metas, err := store.List(t.Context(), "shop", "app")
			if err == nil {
				_, err = store.Get(t.Context(), metas[0])
			}
			if !errors.Is(err, helm.ErrRecordUnreadable) || !strings.Contains(err.Error(), "shop/s") {
				t.Errorf("got %v", err)
			}
		})
	}
}
