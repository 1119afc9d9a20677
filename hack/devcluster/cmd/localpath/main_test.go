package main

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

func TestProvision_twiceKeepsTheData_deleteRemovesThem(t *testing.T) {
	retain := corev1.PersistentVolumeReclaimRetain
	volumes := &folders{dir: t.TempDir(), node: "here"}
	options := controller.ProvisionOptions{
		PVName: "pvc-1", PVC: &corev1.PersistentVolumeClaim{}, StorageClass: &storagev1.StorageClass{ReclaimPolicy: &retain},
	}
	first, _, err := volumes.Provision(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	if policy := first.Spec.PersistentVolumeReclaimPolicy; policy != retain {
		t.Errorf("the class says %s, the volume %s", retain, policy)
	}
	file := filepath.Join(first.Spec.Local.Path, "data")
	if err := os.WriteFile(file, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := volumes.Provision(t.Context(), options); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err != nil {
		t.Errorf("to provision again lost the data: %v", err)
	}
	if err := volumes.Delete(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(first.Spec.Local.Path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder is left: %v", err)
	}
}

func TestDelete_ignoresPathsThatProvisionDidNotGive(t *testing.T) {
	root := t.TempDir()
	volumes := &folders{dir: filepath.Join(root, "volumes"), node: "here"}
	precious := filepath.Join(root, "precious")
	if err := os.MkdirAll(precious, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{precious, volumes.dir + "/../precious", volumes.dir, volumes.dir + "/other"} {
		volume := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "pvc-1"}}
		volume.Spec.Local = &corev1.LocalVolumeSource{Path: path}
		var ignored *controller.IgnoredError
		if err := volumes.Delete(t.Context(), volume); !errors.As(err, &ignored) {
			t.Errorf("%s: got %v", path, err)
		}
	}
	if _, err := os.Stat(precious); err != nil {
		t.Errorf("a folder of somebody else was removed: %v", err)
	}
}
