package pki_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/dpi-operator/dpi-operator/hack/devcluster/internal/pki"
)

func TestEnsure_makesUsableCertificatesOnce(t *testing.T) {
	store := pki.Store{Dir: t.TempDir()}
	identities := []pki.Identity{{Name: "server", CommonName: "server", DNSNames: []string{"localhost"}, IPs: []net.IP{net.IPv4(127, 0, 0, 1)}}}
	if err := store.Ensure(identities); err != nil {
		t.Fatal(err)
	}
	authority, err := os.ReadFile(store.CertPath("ca"))
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(store.CertPath("server"), store.KeyPath("server"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{DNSName: "localhost", Roots: roots}); err != nil {
		t.Error(err)
	}
	if err := store.Ensure(identities); err != nil {
		t.Fatal(err)
	}
	if again, err := os.ReadFile(store.CertPath("ca")); err != nil || !bytes.Equal(authority, again) {
		t.Errorf("the authority was replaced: %v", err)
	}
}

func TestWriteKubeconfig_isPrivate(t *testing.T) {
	store := pki.Store{Dir: t.TempDir()}
	if err := store.Ensure([]pki.Identity{{Name: "admin", CommonName: "admin"}}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(store.Dir, "kubeconfig")
	if err := store.WriteKubeconfig(path, "https://127.0.0.1:1", "admin"); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("got %v, %v", info.Mode(), err)
	}
}

func TestEnsure_renewsWhatWasSignedByAnotherAuthorityOrForOtherNames(t *testing.T) {
	store := pki.Store{Dir: t.TempDir()}
	identity := pki.Identity{Name: "server", CommonName: "server", DNSNames: []string{"localhost"}}
	read := func() []byte {
		t.Helper()
		if err := store.Ensure([]pki.Identity{identity}); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(store.CertPath("server"))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	first := read()
	if !bytes.Equal(first, read()) {
		t.Error("a good certificate was replaced")
	}
	identity.DNSNames = []string{"elsewhere"}
	second := read()
	if bytes.Equal(first, second) {
		t.Error("a certificate for other names was kept")
	}
	for _, path := range []string{store.CertPath("ca"), store.KeyPath("ca")} {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if bytes.Equal(second, read()) {
		t.Error("a certificate of an authority that is gone was kept")
	}
}

func TestServiceAccountKey_isMadeOnce(t *testing.T) {
	store := pki.Store{Dir: filepath.Join(t.TempDir(), "pki")}
	var keys [2][]byte
	for i := range keys {
		if err := store.ServiceAccountKey(); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(store.KeyPath("sa"))
		if err != nil {
			t.Fatal(err)
		}
		keys[i] = data
	}
	if !bytes.Equal(keys[0], keys[1]) {
		t.Error("the key that signed tokens was replaced")
	}
}
