package helm

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage/driver"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

var (
	// ErrConflict means that somebody else wrote or removed the record since it was read, or created that revision first.
	// What the caller knows is stale: abandon, and read again.
	ErrConflict = errors.New("release record changed meanwhile")
	// ErrRecordTooLarge means that the record does not fit into a Secret.
	ErrRecordTooLarge = errors.New("release record too large")
	// ErrRecordUnreadable means that a Secret of a release does not hold one.
	ErrRecordUnreadable = errors.New("release record unreadable")
)

const (
	secretType = "helm.sh/release.v1" //nolint:gosec // The type of a Secret, not a secret.
	dataKey    = "release"
	// maxRecordBytes leaves room for the rest of the Secret below Kubernetes' limit of 1 MiB.
	maxRecordBytes = corev1.MaxSecretSize - 16<<10
	// maxDecodedBytes bounds what a hostile record can expand to.
	maxDecodedBytes = 128 << 20
)

// Store keeps records as Secrets. It needs a client that does not cache: a stale record is a broken lock.
type Store struct {
	client client.Client
	now    func() time.Time
	limit  int
}

// NewStore returns a store over a client that must not cache; now stamps the writes.
func NewStore(uncached client.Client, now func() time.Time) *Store {
	return &Store{client: uncached, now: now, limit: maxRecordBytes}
}

// SetLimit makes the store split records of more than so many bytes, instead of those that a Secret cannot hold. It is to
// be called before the store is used.
func (s *Store) SetLimit(bytes int) { s.limit = bytes }

// List returns what is known of the revisions of a release without reading their content, oldest first.
func (s *Store) List(ctx context.Context, namespace, name string) ([]Meta, error) {
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	err := s.client.List(ctx, list, client.InNamespace(namespace), client.MatchingLabels{"owner": "helm", "name": name})
	if err != nil {
		return nil, fmt.Errorf("list the records of release %s/%s: %w", namespace, name, err)
	}
	metas := make([]Meta, 0, len(list.Items))
	for i := range list.Items {
		meta, err := metaOf(&list.Items[i])
		if err != nil {
			return nil, err
		}
		metas = append(metas, meta)
	}
	slices.SortFunc(metas, func(a, b Meta) int { return cmp.Compare(a.Revision, b.Revision) })
	return metas, nil
}

// Get reads one record. One that vanished is ErrConflict.
func (s *Store) Get(ctx context.Context, meta Meta) (*Record, error) {
	secret := &corev1.Secret{}
	err := s.client.Get(ctx, client.ObjectKey{Namespace: meta.Namespace, Name: meta.secretName}, secret)
	if apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("%w: %s is gone", ErrConflict, meta.secretName)
	}
	if err != nil {
		return nil, fmt.Errorf("read release record %s/%s: %w", meta.Namespace, meta.secretName, err)
	}
	current, err := metaOf(secret)
	if err != nil {
		return nil, err
	}
	rel, err := decode(secret.Data[dataKey])
	if err != nil {
		return nil, fmt.Errorf("%w: Secret %s/%s: %w; delete it if it is not needed", ErrRecordUnreadable, secret.Namespace, secret.Name, err)
	}
	record, err := recordFrom(rel, current)
	if err != nil {
		return nil, err
	}
	return record, s.join(ctx, record)
}

// Create stores a new revision. That it exists already is ErrConflict: creating is how a revision is claimed.
func (s *Store) Create(ctx context.Context, record *Record) error {
	record.secretName = fmt.Sprintf("sh.helm.release.v1.%s.v%d", record.Name, record.Revision)
	secret, err := s.secretFor(record)
	if errors.Is(err, ErrRecordTooLarge) {
		if err := record.split(s.limit); err != nil {
			return err
		}
		secret, err = s.secretFor(record)
	}
	if err != nil {
		return err
	}
	secret.Labels["createdAt"] = secret.Labels["modifiedAt"]
	err = s.client.Create(ctx, secret)
	if apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("%w: revision %d of %s exists", ErrConflict, record.Revision, record.Name)
	}
	if err != nil {
		return fmt.Errorf("create release record %s/%s: %w", secret.Namespace, secret.Name, err)
	}
	if err := record.refresh(secret); err != nil {
		return err
	}
	return s.createParts(ctx, record)
}

// Update writes a record that was read or created before, unless it changed meanwhile: then ErrConflict.
func (s *Store) Update(ctx context.Context, record *Record) error {
	secret, err := s.secretFor(record)
	if err != nil {
		return err
	}
	secret.UID, secret.ResourceVersion = record.uid, record.resourceVersion
	err = s.client.Update(ctx, secret)
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return fmt.Errorf("%w: %s", ErrConflict, record.secretName)
	}
	if err != nil {
		return fmt.Errorf("update release record %s/%s: %w", secret.Namespace, secret.Name, err)
	}
	return record.refresh(secret)
}

// Delete removes a record; one that is gone already is fine.
func (s *Store) Delete(ctx context.Context, meta Meta) error {
	if err := s.deleteParts(ctx, meta); err != nil {
		return err
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: meta.Namespace, Name: meta.secretName}}
	err := s.client.Delete(ctx, secret, client.Preconditions{UID: &meta.uid})
	if apierrors.IsConflict(err) {
		return fmt.Errorf("%w: %s", ErrConflict, meta.secretName)
	}
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete release record %s/%s: %w", meta.Namespace, meta.secretName, err)
	}
	return nil
}

func (s *Store) secretFor(record *Record) (*corev1.Secret, error) {
	data, err := encode(record.toRelease(), s.limit)
	if err != nil {
		return nil, fmt.Errorf("release %s/%s: %w", record.Namespace, record.Name, err)
	}
	labels := maps.Clone(record.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, map[string]string{
		"owner": "helm", "name": record.Name, "status": string(record.Status), "version": strconv.Itoa(record.Revision),
		"modifiedAt": strconv.FormatInt(s.now().Unix(), 10),
	})
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: record.Namespace, Name: record.secretName, Labels: labels},
		Type:       secretType,
		Data:       map[string][]byte{dataKey: data},
	}, nil
}

func (r *Record) refresh(secret *corev1.Secret) error {
	meta, err := metaOf(secret)
	if err != nil {
		return err
	}
	r.Meta = meta
	return nil
}

// writtenAt is when the API server saw the last write. Helm's own stamps count only where the server gives none: what helm
// makes of a release that it read carries the stamps of that one.
func writtenAt(secret client.Object) time.Time {
	at := secret.GetCreationTimestamp().Time
	for _, entry := range secret.GetManagedFields() {
		if entry.Time != nil && entry.Time.After(at) {
			at = entry.Time.Time
		}
	}
	if !at.IsZero() {
		return at
	}
	for _, stamp := range []string{"createdAt", "modifiedAt"} {
		if seconds, err := strconv.ParseInt(secret.GetLabels()[stamp], 10, 64); err == nil {
			at = time.Unix(seconds, 0)
		}
	}
	return at
}

func metaOf(secret client.Object) (Meta, error) {
	labels := secret.GetLabels()
	revision, err := strconv.Atoi(labels["version"])
	if err != nil {
		return Meta{}, fmt.Errorf("%w: Secret %s/%s has no revision in its label version; delete it if it is not needed",
			ErrRecordUnreadable, secret.GetNamespace(), secret.GetName())
	}
	meta := Meta{
		Namespace: secret.GetNamespace(), Name: labels["name"], Revision: revision, Status: Status(labels["status"]),
		Labels: map[string]string{}, secretName: secret.GetName(), uid: secret.GetUID(), resourceVersion: secret.GetResourceVersion(),
	}
	meta.ModifiedAt = writtenAt(secret)
	for key, value := range labels {
		if !slices.Contains(driver.GetSystemLabels(), key) {
			meta.Labels[key] = value
		}
	}
	return meta, nil
}

// encode writes Helm's storage format: JSON, gzip, base64. A record that is too large loses the chart's defaults first:
// only `helm get values --all` shows them. What is still too large after that is ErrRecordTooLarge.
func encode(rel *release.Release, limit int) ([]byte, error) {
	data, err := pack(rel)
	if err != nil || len(data) <= limit {
		return data, err
	}
	slim, bare := *rel, *rel.Chart
	bare.Values = nil
	slim.Chart = &bare
	data, err = pack(&slim)
	if err != nil || len(data) <= limit {
		return data, err
	}
	return nil, fmt.Errorf("%w: %d KiB compressed, the limit is %d KiB; split the chart or turn parts of it off",
		ErrRecordTooLarge, len(data)>>10, limit>>10)
}

func pack(rel *release.Release) ([]byte, error) {
	plain, err := json.Marshal(rel)
	if err != nil {
		return nil, fmt.Errorf("encode the release: %w", err)
	}
	var packed bytes.Buffer
	encoder := base64.NewEncoder(base64.StdEncoding, &packed)
	compressor := gzip.NewWriter(encoder)
	if _, err := compressor.Write(plain); err != nil {
		return nil, fmt.Errorf("compress the release: %w", err)
	}
	if err := errors.Join(compressor.Close(), encoder.Close()); err != nil {
		return nil, fmt.Errorf("compress the release: %w", err)
	}
	return packed.Bytes(), nil
}

func decode(data []byte) (*release.Release, error) {
	plain, err := base64.StdEncoding.DecodeString(string(data))
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(plain, []byte{0x1f, 0x8b}) {
		reader, err := gzip.NewReader(bytes.NewReader(plain))
		if err != nil {
			return nil, err
		}
		if plain, err = io.ReadAll(io.LimitReader(reader, maxDecodedBytes)); err != nil {
			return nil, err
		}
	}
	rel := &release.Release{}
	if err := json.Unmarshal(plain, rel); err != nil {
		return nil, err
	}
	return rel, nil
}
