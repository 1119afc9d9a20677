package demo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/internal/credentials"
)

// enrol gives the operator a token, once, and the registry the digest of it.
func (d *Demo) enrol(ctx context.Context) error {
	token := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: reporterSecret, Namespace: OperatorNamespace}}
	err := d.Client.Get(ctx, client.ObjectKeyFromObject(token), token)
	if client.IgnoreNotFound(err) != nil {
		return err
	}
	if err != nil {
		generated, err := credentials.Generate(48)
		if err != nil {
			return err
		}
		token.Data = map[string][]byte{"token": []byte(generated)}
		if err := d.Client.Create(ctx, token); err != nil {
			return err
		}
	}
	sum := sha256.Sum256(token.Data["token"])
	reporters := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: enrolment, Namespace: RegistryNamespace}}
	_, err = d.createOrUpdate(ctx, reporters, func() {
		reporters.Data = map[string][]byte{"reporters.yaml": []byte(fmt.Sprintf(
			"reporters:\n- id: %s\n  tokenHash: sha256:%s\n  organisations: [\"https://health.example.org\"]\n  jurisdictions: [\"iso3166:KE\"]\n",
			reporterID, hex.EncodeToString(sum[:])))}
	})
	return err
}
