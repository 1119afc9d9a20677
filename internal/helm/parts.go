package helm

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	partType = "dpi-operator.io/release-part"
	// partsLabel counts the Secrets that hold the manifest of a record that is too large for one; partsDigestLabel is the
	// digest of what they hold together.
	partsLabel       = "dpi-operator.io/parts"
	partsDigestLabel = "dpi-operator.io/parts-digest"
	partKey          = "part"
	partsDigestSize  = 20
	// maxParts bounds a release to what an API server should be asked to keep.
	maxParts = 8
	// guardKind stands in the record for the manifest. No cluster serves it, so that `helm rollback` and `helm uninstall`
	// stop with an error instead of taking the absence of objects for their removal.
	guardKind = "ManifestTooLargeForHelm"
)

// split moves the manifest of a record out into parts, compressed.
func (r *Record) split(limit int) error {
	var packed bytes.Buffer
	compressor, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return fmt.Errorf("compress the manifest: %w", err)
	}
	if _, err := compressor.Write([]byte(r.release.Manifest)); err != nil {
		return fmt.Errorf("compress the manifest: %w", err)
	}
	if err := compressor.Close(); err != nil {
		return fmt.Errorf("compress the manifest: %w", err)
	}
	r.parts = nil
	for rest := packed.Bytes(); len(rest) > 0; {
		size := min(len(rest), limit)
		r.parts = append(r.parts, rest[:size])
		rest = rest[size:]
	}
	if len(r.parts) > maxParts {
		return fmt.Errorf("%w: its manifest has %d KiB compressed, the limit is %d KiB; split the chart or turn parts of it off",
			ErrRecordTooLarge, packed.Len()>>10, maxParts*limit>>10)
	}
	r.Labels[partsLabel] = strconv.Itoa(len(r.parts))
	r.Labels[partsDigestLabel] = partsDigest(r.parts)
	r.release.Manifest = fmt.Sprintf("---\n%sthe operator keeps this manifest in further Secrets, because it is too large for one\n"+
		"apiVersion: dpi-operator.io/v1alpha1\nkind: %s\nmetadata:\n  name: %s\n", sourcePrefix, guardKind, r.Name)
	return nil
}

func partsDigest(parts [][]byte) string {
	sum := sha256.New()
	for _, part := range parts {
		sum.Write(part)
	}
	return hex.EncodeToString(sum.Sum(nil)[:partsDigestSize])
}

// createParts stores the parts of a record that was just created. They belong to its Secret and go with it.
func (s *Store) createParts(ctx context.Context, record *Record) error {
	for i, part := range record.parts {
		secret := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{
				Namespace: record.Namespace, Name: partName(record.Meta, i),
				OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "Secret", Name: record.secretName, UID: record.uid}},
			},
			Type: partType, Immutable: new(true), Data: map[string][]byte{partKey: part},
		}
		if err := s.client.Create(ctx, secret); err != nil {
			return fmt.Errorf("create release record %s/%s: %w", secret.Namespace, secret.Name, err)
		}
	}
	return nil
}

func partName(meta Meta, index int) string { return fmt.Sprintf("%s.part%d", meta.secretName, index) }

// join puts the manifest of a record together again. Parts that are missing make the record incomplete: whoever created it
// died before it was all written, and so before anything was applied.
func (s *Store) join(ctx context.Context, record *Record) error {
	if len(record.Objects) != 1 || record.Objects[0].Object.GetKind() != guardKind {
		return nil
	}
	record.Objects = nil
	parts, err := s.readParts(ctx, record.Meta)
	if err != nil {
		return err
	}
	if parts == nil || partsDigest(parts) != record.Labels[partsDigestLabel] {
		record.Incomplete = true
		return nil
	}
	record.parts = parts
	reader, err := gzip.NewReader(bytes.NewReader(bytes.Join(parts, nil)))
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrRecordUnreadable, record.secretName, err)
	}
	manifest, err := io.ReadAll(io.LimitReader(reader, maxDecodedBytes))
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrRecordUnreadable, record.secretName, err)
	}
	record.Objects, err = parseManifest("", string(manifest))
	return err
}

func (s *Store) readParts(ctx context.Context, meta Meta) ([][]byte, error) {
	var parts [][]byte
	for i := range partCount(meta) {
		secret := &corev1.Secret{}
		err := s.client.Get(ctx, client.ObjectKey{Namespace: meta.Namespace, Name: partName(meta, i)}, secret)
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read release record %s/%s: %w", meta.Namespace, partName(meta, i), err)
		}
		parts = append(parts, secret.Data[partKey])
	}
	return parts, nil
}

// deleteParts removes the parts of a record before the record itself.
func (s *Store) deleteParts(ctx context.Context, meta Meta) error {
	var failed []error
	for i := range partCount(meta) {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: meta.Namespace, Name: partName(meta, i)}}
		if err := s.client.Delete(ctx, secret); client.IgnoreNotFound(err) != nil {
			failed = append(failed, fmt.Errorf("delete release record %s/%s: %w", meta.Namespace, secret.Name, err))
		}
	}
	return errors.Join(failed...)
}

// partCount is 0 for nearly all records, and bounded: a label is nothing to trust.
func partCount(meta Meta) int {
	count, err := strconv.Atoi(strings.TrimSpace(meta.Labels[partsLabel]))
	if err != nil || count < 0 {
		return 0
	}
	return min(count, maxParts)
}
