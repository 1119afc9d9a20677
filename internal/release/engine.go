package release

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dpi-operator/dpi-operator/internal/apply"
	"github.com/dpi-operator/dpi-operator/internal/helm"
	"github.com/dpi-operator/dpi-operator/internal/render"
)

// Options of an Engine.
type Options struct {
	// Cluster gives shared discovery and the operator's own client, which must not cache.
	Cluster *apply.Cluster
	// Objects applies and deletes the objects of releases; nil means the cluster's client. It must not cache.
	Objects client.Client
	// Holder identifies this process in records: unique per process start.
	Holder string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Logs shows why a hook failed; nil means that no logs are shown.
	Logs LogReader
	// Fence is asked before each write: an error abandons the call. A process that lost its lease must not write. Optional.
	Fence func(context.Context) error
	// RecordBytes is how large a record may be before its manifest is kept in further Secrets; 0 means what a Secret holds.
	RecordBytes int
}

// LogReader reads the end of the log of a hook.
type LogReader interface {
	// Tail returns at most so many lines of the newest pod that belongs to the object, or nothing when there are none.
	Tail(ctx context.Context, object client.Object, lines int) (string, error)
}

// Engine carries out releases. It is safe for concurrent use by different releases; one release must have one call at a
// time in a process. Two processes are kept apart by the records.
type Engine struct {
	options Options
	store   *helm.Store

	mu    sync.Mutex
	known map[client.ObjectKey]knownRelease
}

// knownRelease saves reading the content of a record that has not changed.
type knownRelease struct {
	fingerprint string
	outcome     Outcome
}

// New returns an engine, or an error that names the missing option.
func New(options Options) (*Engine, error) {
	if options.Cluster == nil {
		return nil, errors.New("the release engine needs a cluster")
	}
	if options.Holder == "" {
		return nil, errors.New("the release engine needs a holder: a name for this process that no other has")
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Fence == nil {
		options.Fence = func(context.Context) error { return nil }
	}
	if options.Objects == nil {
		options.Objects = options.Cluster.Client()
	}
	store := helm.NewStore(options.Cluster.Client(), options.Now)
	if options.RecordBytes > 0 {
		store.SetLimit(options.RecordBytes)
	}
	return &Engine{options: options, store: store, known: map[client.ObjectKey]knownRelease{}}, nil
}

// maxSteps of one call. A release needs far fewer; more means that Decide and the cluster disagree for ever.
const maxSteps = 200

// Reconcile brings the release nearer to what is wanted, as far as it goes without waiting. An error is transient, or one
// of Chart.Load: call again with growing delay; the Outcome beside it holds only events. Everything else is in the Outcome.
func (e *Engine) Reconcile(ctx context.Context, request Request) (Outcome, error) {
	digest, err := InputsDigest(request)
	if err != nil {
		return Outcome{}, err
	}
	w := e.work(request.Namespace, request.Name, request.Owner, request.Client)
	w.request, w.digest = request, digest
	if err := w.observe(ctx); err != nil {
		return Outcome{}, err
	}
	if outcome := e.recall(w); outcome != nil {
		return *outcome, nil
	}
	if err := w.load(ctx); err != nil {
		return Outcome{}, err
	}
	for range maxSteps {
		outcome, err := w.step(ctx, Decide(w.input()))
		if err != nil {
			return Outcome{Events: w.events}, err
		}
		if outcome != nil {
			outcome.Events = w.events
			return *outcome, nil
		}
	}
	return Outcome{Events: w.events}, fmt.Errorf("release %s/%s does not settle", request.Namespace, request.Name)
}

// work is one call for one release: what was observed, and what was done since.
type work struct {
	engine  *Engine
	applier *apply.Applier
	client  client.Client
	secrets *apply.Secrets
	owner   apply.Ownership
	who     Owner
	request Request
	digest  string

	metas    []helm.Meta
	latest   *helm.Record
	progress *Progress
	events   []Event
	// Done in this call; repeated in the next one where it is not recorded.
	crdsApplied, applied bool
	crds                 []crd

	// preview is set where nothing will be written: what is not there yet is no obstacle.
	preview bool
	// removal is set for an uninstall.
	removal *UninstallRequest
	kept    map[render.ID]bool
}

func (e *Engine) work(namespace, name string, who Owner, as client.Client) *work {
	if as == nil {
		as = e.options.Objects
	}
	secrets := apply.NewSecrets(e.options.Objects)
	return &work{
		engine: e, client: as, who: who, secrets: secrets,
		applier: apply.NewApplier(as, e.options.Cluster.Mapper(), secrets, e.options.Fence),
		owner:   apply.Ownership{Release: name, Namespace: namespace, Component: who.Component},
	}
}

func (w *work) now() time.Time { return w.engine.options.Now() }

// observe reads which revisions exist.
func (w *work) observe(ctx context.Context) (err error) {
	w.metas, err = w.engine.store.List(ctx, w.owner.Namespace, w.owner.Release)
	return err
}

// load reads the latest revision.
func (w *work) load(ctx context.Context) error {
	if len(w.metas) == 0 {
		return nil
	}
	record, err := w.engine.store.Get(ctx, w.metas[len(w.metas)-1])
	if err != nil {
		return err
	}
	w.metas[len(w.metas)-1] = record.Meta
	w.latest = record
	w.progress, err = readProgress(record)
	return err
}

func (w *work) input() Input {
	in := Input{
		Now: w.now(), Component: w.who.Component, Holder: w.engine.options.Holder, Wanted: labelDigest(w.digest),
		ResetToken: w.request.ResetToken, Policy: w.request.Policy, Progress: w.progress,
		CRDsApplied: w.crdsApplied, Applied: w.applied,
	}
	for _, meta := range w.metas {
		in.Revisions = append(in.Revisions, revisionOf(meta))
	}
	if w.latest != nil {
		in.Hooks, in.Incomplete = w.latest.Hooks, w.latest.Incomplete
	}
	return in
}

// step carries out one decision. It returns an outcome when the call is over.
func (w *work) step(ctx context.Context, d Decision) (*Outcome, error) {
	switch d.Step {
	case StepNothing:
		return w.deployed(), nil
	case StepWait:
		return w.wait(d), nil
	case StepBegin:
		return w.begin(ctx, d)
	case StepTakeOver:
		return nil, w.takeOver(ctx, d)
	case StepAbandon:
		return nil, w.abandon(ctx, d)
	case StepCRDs:
		return w.applyCRDs(ctx)
	case StepHook:
		return w.runHook(ctx, d.Hook, d.Event)
	case StepApply:
		return w.applyObjects(ctx)
	case StepDeploy:
		return nil, w.deploy(ctx)
	case StepFail:
		return nil, w.failByHook(ctx, d)
	case StepTidy:
		return nil, w.tidy(ctx, d)
	case StepMark, StepRemove, StepRetryHook, StepForget:
		// Those belong to a removal.
	}
	return nil, fmt.Errorf("release %s/%s: step %q is unknown", w.owner.Namespace, w.owner.Release, d.Step)
}

// create stores a new revision as the latest one.
func (w *work) create(ctx context.Context, record *helm.Record, progress *Progress) error {
	if err := w.write(ctx, record, progress, w.engine.store.Create); err != nil {
		return err
	}
	w.metas = append(w.metas, record.Meta)
	w.latest, w.progress = record, progress
	w.crdsApplied, w.applied = false, false
	return nil
}

// save writes the latest revision.
func (w *work) save(ctx context.Context) error {
	if err := w.write(ctx, w.latest, w.progress, w.engine.store.Update); err != nil {
		return err
	}
	w.metas[len(w.metas)-1] = w.latest.Meta
	return nil
}

func (w *work) write(ctx context.Context, record *helm.Record, progress *Progress, store func(context.Context, *helm.Record) error) error {
	if err := w.engine.options.Fence(ctx); err != nil {
		return err
	}
	if err := writeProgress(record, progress); err != nil {
		return err
	}
	return store(ctx, record)
}

func (w *work) event(kind EventType, reason, message string) {
	w.events = append(w.events, Event{Type: kind, Reason: reason, Message: message})
}

// outcome starts an outcome about the latest revision.
func (w *work) outcome(state State, reason Reason, message string) *Outcome {
	o := &Outcome{State: state, Reason: reason, Message: message}
	if w.latest == nil {
		return o
	}
	o.Revision, o.ChartName, o.ChartVersion = w.latest.Revision, w.latest.ChartName, w.latest.ChartVersion
	o.ChartDigest, o.InputsDigest = w.progress.ChartDigest, w.progress.InputsDigest
	o.Attempts = revisionOf(w.latest.Meta).Attempt
	o.Inventory = append(append([]render.ID{}, w.progress.CRDs...), w.ids(w.latest.Objects)...)
	for _, object := range w.latest.Objects {
		if vanishesByItself(object.Object) {
			o.Passing = append(o.Passing, w.id(object.Object))
		}
	}
	o.Owned = make([]string, len(o.Inventory))
	if len(w.progress.Owned) == len(w.latest.Objects) {
		copy(o.Owned[len(w.progress.CRDs):], w.progress.Owned)
	}
	return o
}

func (w *work) waitFor(reason Reason, message string, after time.Duration, objects ...render.ID) *Outcome {
	o := w.outcome(StateProgressing, reason, message)
	o.WaitingFor = objects
	o.RetryAt = w.now().Add(after)
	return o
}

func (w *work) wait(d Decision) *Outcome {
	o := w.outcome(d.State, d.Reason, d.Why)
	o.RetryAt = d.RetryAt
	if d.State == StateBlocked {
		o.Inventory, o.RetryAt = nil, w.now().Add(blockedRetry)
	}
	return o
}

// deployed is the outcome of a release that is as wanted; it is remembered until the record changes.
func (w *work) deployed() *Outcome {
	o := w.outcome(StateDeployed, ReasonDeployed, fmt.Sprintf("Revision %d with chart %s %s is deployed",
		w.latest.Revision, w.latest.ChartName, w.latest.ChartVersion))
	w.engine.mu.Lock()
	defer w.engine.mu.Unlock()
	w.engine.known[w.key()] = knownRelease{fingerprint: w.latest.Fingerprint(), outcome: *o}
	return o
}

func (w *work) key() client.ObjectKey {
	return client.ObjectKey{Namespace: w.owner.Namespace, Name: w.owner.Release}
}

// recall answers without reading a record's content if the labels say that nothing is to be done.
func (e *Engine) recall(w *work) *Outcome {
	if len(w.metas) == 0 {
		return nil
	}
	in := w.input()
	latest := in.Revisions[len(in.Revisions)-1]
	settled := latest.Ours && latest.Component == in.Component && latest.Status == helm.StatusDeployed && latest.Inputs == in.Wanted
	if !settled || decideTidy(in, latest) != nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	known, found := e.known[w.key()]
	if !found || known.fingerprint != w.metas[len(w.metas)-1].Fingerprint() {
		return nil
	}
	outcome := known.outcome
	return &outcome
}

func (e *Engine) forget(key client.ObjectKey) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.known, key)
}
