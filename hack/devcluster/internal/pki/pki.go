package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

const (
	lifetime = 5 * 365 * 24 * time.Hour
	// renewal is how long before its end a certificate is made anew.
	renewal = 30 * 24 * time.Hour
)

// Identity is a certificate to make.
type Identity struct {
	// Name is that of its files.
	Name string
	// CommonName is the user it stands for, Organizations are the groups.
	CommonName    string
	Organizations []string
	// DNSNames and IPs are those it may serve under; a client has none.
	DNSNames []string
	IPs      []net.IP
}

// Store keeps keys and certificates in a folder.
type Store struct {
	Dir string
}

// CertPath is the certificate of a name.
func (s Store) CertPath(name string) string { return filepath.Join(s.Dir, name+".crt") }

// KeyPath is the private key of a name.
func (s Store) KeyPath(name string) string { return filepath.Join(s.Dir, name+".key") }

// Ensure makes the authority and every identity that is missing, was signed by another authority, ends soon or is for
// other names. What is good is kept.
func (s Store) Ensure(identities []Identity) error {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return err
	}
	if err := s.ensureAuthority(); err != nil {
		return fmt.Errorf("make the certificate authority: %w", err)
	}
	authority, err := s.readCertificate("ca")
	if err != nil {
		return err
	}
	signer, err := s.readKey("ca")
	if err != nil {
		return err
	}
	for _, identity := range identities {
		if err := s.ensureIdentity(identity, authority, signer); err != nil {
			return fmt.Errorf("make the certificate of %s: %w", identity.Name, err)
		}
	}
	return nil
}

func exists(paths ...string) bool {
	for _, path := range paths {
		if info, err := os.Stat(path); err != nil || info.Size() == 0 {
			return false
		}
	}
	return true
}

func (s Store) ensureAuthority() error {
	if exists(s.CertPath("ca"), s.KeyPath("ca")) {
		current, err := s.readCertificate("ca")
		if err != nil {
			return err
		}
		if time.Until(current.NotAfter) > renewal {
			return nil
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := certificate("devcluster-ca", nil)
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	return s.sign("ca", template, template, key, key)
}

// ServiceAccountKey makes the key pair that signs and proves tokens of service accounts, unless there is one. The private
// key is that of the name "sa".
func (s Store) ServiceAccountKey() error {
	if exists(s.KeyPath("sa"), s.ServiceAccountPublicKey()) {
		return nil
	}
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return err
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return fmt.Errorf("make the service account key: %w", err)
	}
	encoded, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return err
	}
	if err := writePEM(s.KeyPath("sa"), "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)); err != nil {
		return err
	}
	return writePEM(s.ServiceAccountPublicKey(), "PUBLIC KEY", encoded)
}

// ServiceAccountPublicKey is the public half of the key pair.
func (s Store) ServiceAccountPublicKey() string { return filepath.Join(s.Dir, "sa.pub") }

func (s Store) ensureIdentity(identity Identity, authority *x509.Certificate, signer *ecdsa.PrivateKey) error {
	if s.isGood(identity, authority) {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := certificate(identity.CommonName, identity.Organizations)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	template.DNSNames, template.IPAddresses = identity.DNSNames, identity.IPs
	return s.sign(identity.Name, template, authority, key, signer)
}

// isGood reports whether the store has a certificate that will do for a while.
func (s Store) isGood(identity Identity, authority *x509.Certificate) bool {
	current, err := s.readCertificate(identity.Name)
	if err != nil {
		return false
	}
	key, err := s.readKey(identity.Name)
	if err != nil || !key.PublicKey.Equal(current.PublicKey) {
		return false
	}
	return current.CheckSignatureFrom(authority) == nil &&
		time.Until(current.NotAfter) > renewal &&
		current.Subject.CommonName == identity.CommonName &&
		slices.Equal(current.Subject.Organization, identity.Organizations) &&
		slices.Equal(current.DNSNames, identity.DNSNames) &&
		slices.EqualFunc(current.IPAddresses, identity.IPs, net.IP.Equal)
}

func certificate(commonName string, organizations []string) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		serial = big.NewInt(time.Now().UnixNano())
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: commonName, Organization: organizations},
		NotBefore:    time.Now().Add(-time.Hour), NotAfter: time.Now().Add(lifetime),
	}
}

func (s Store) sign(name string, template, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) error {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		return err
	}
	encoded, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	if err := writePEM(s.KeyPath(name), "EC PRIVATE KEY", encoded); err != nil {
		return err
	}
	return writePEM(s.CertPath(name), "CERTIFICATE", der)
}

func (s Store) readCertificate(name string) (*x509.Certificate, error) {
	block, err := readPEM(s.CertPath(name))
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(block)
}

func (s Store) readKey(name string) (*ecdsa.PrivateKey, error) {
	block, err := readPEM(s.KeyPath(name))
	if err != nil {
		return nil, err
	}
	return x509.ParseECPrivateKey(block)
}

// WriteKubeconfig writes a kubeconfig, complete in itself, for an identity of the store.
func (s Store) WriteKubeconfig(path, server, identity string) error {
	var encoded [3]string
	for i, file := range []string{s.CertPath("ca"), s.CertPath(identity), s.KeyPath(identity)} {
		data, err := os.ReadFile(filepath.Clean(file))
		if err != nil {
			return err
		}
		encoded[i] = base64.StdEncoding.EncodeToString(data)
	}
	text := fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
  - name: devcluster
    cluster: {server: %s, certificate-authority-data: %s}
users:
  - name: %s
    user: {client-certificate-data: %s, client-key-data: %s}
contexts:
  - name: devcluster
    context: {cluster: devcluster, user: %s}
current-context: devcluster
`, server, encoded[0], identity, encoded[1], encoded[2], identity)
	return writeAtomically(path, []byte(text))
}

func writePEM(path, kind string, der []byte) error {
	return writeAtomically(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func writeAtomically(path string, data []byte) error {
	unfinished := path + ".unfinished"
	if err := os.WriteFile(unfinished, data, 0o600); err != nil {
		return err
	}
	return os.Rename(unfinished, path)
}

func readPEM(path string) ([]byte, error) {
	data, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New(path + " holds no PEM block; take the cluster down and up again")
	}
	return block.Bytes, nil
}
