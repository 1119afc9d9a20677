package registry

import (
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/dpi-operator/dpi-operator/internal/wire"
)

// Server serves the registry. All fields are required.
type Server struct {
	Store     *Store
	Reporters Reporters
	Log       *slog.Logger
	// Now is the registry's clock; freshness is measured by it and by no other.
	Now func() time.Time
}

// Handler returns the routes.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /.well-known/dpi-registry", s.wellKnown)
	mux.HandleFunc("POST /v1/events", s.events)
	mux.HandleFunc("GET /v1/deployments", s.deployments)
	mux.HandleFunc("GET /v1/reporters/self", s.self)
	mux.HandleFunc("GET /healthz", s.healthy)
	return mux
}

func (s *Server) wellKnown(w http.ResponseWriter, _ *http.Request) {
	s.answer(w, http.StatusOK, map[string]any{
		"schemaVersions": []string{wire.SchemaVersion},
		"eventTypes":     []string{wire.TypeReported, wire.TypeWithdrawn, wire.TypeInventory},
		"authentication": []string{"bearer"},
		"maxEventBytes":  wire.MaxBytes, "minIntervalSeconds": 300, "maxIntervalSeconds": 604800, "deletedRecord": "persistent",
	})
}

func (s *Server) healthy(w http.ResponseWriter, request *http.Request) {
	if err := s.Store.Ping(request.Context()); err != nil {
		s.fail(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) self(w http.ResponseWriter, request *http.Request) {
	reporter, ok := s.reporter(w, request)
	if !ok {
		return
	}
	s.answer(w, http.StatusOK, map[string]any{"id": reporter.ID, "organisations": reporter.Organisations, "jurisdictions": reporter.Jurisdictions})
}

// reporter authenticates the request, or answers it.
func (s *Server) reporter(w http.ResponseWriter, request *http.Request) (Reporter, bool) {
	reporter, err := s.Reporters.authenticate(request)
	switch {
	case errors.Is(err, errUnauthorized):
		w.Header().Set("WWW-Authenticate", "Bearer")
		s.refuse(w, wire.Problem{Type: wire.ProblemUnauthorized, Title: "No reporter has this token", Status: http.StatusUnauthorized})
		return reporter, false
	case err != nil:
		s.fail(w, err)
		return reporter, false
	}
	return reporter, true
}

// events takes one event.
func (s *Server) events(w http.ResponseWriter, request *http.Request) {
	reporter, ok := s.reporter(w, request)
	if !ok {
		return
	}
	contentType, _, _ := strings.Cut(request.Header.Get("Content-Type"), ";")
	if contentType != wire.ContentType {
		s.refuse(w, wire.Problem{Type: wire.ProblemMalformed, Title: "Send " + wire.ContentType, Status: http.StatusUnsupportedMediaType})
		return
	}
	data, err := io.ReadAll(io.LimitReader(request.Body, wire.MaxBytes+1))
	switch {
	case err != nil:
		s.refuse(w, wire.Problem{Type: wire.ProblemMalformed, Title: "The body was cut short", Status: http.StatusBadRequest})
		return
	case len(data) > wire.MaxBytes:
		s.refuse(w, wire.Problem{Type: wire.ProblemTooLarge, Title: "The event is too large", Status: http.StatusRequestEntityTooLarge})
		return
	}
	var event wire.Event
	if wire.Decode(data, &event) != nil {
		s.refuse(w, wire.Problem{Type: wire.ProblemMalformed, Title: "The event is not of the expected shape, or has unknown fields", Status: http.StatusBadRequest})
		return
	}
	if broken := event.Validate(); len(broken) > 0 {
		s.refuse(w, wire.Problem{Type: wire.ProblemInvalid, Title: "The event breaks rules", Status: http.StatusUnprocessableEntity, Errors: broken})
		return
	}
	s.accept(w, request, reporter, event)
}

// accept dispatches a valid event by its type.
func (s *Server) accept(w http.ResponseWriter, request *http.Request, reporter Reporter, event wire.Event) {
	if event.Type == wire.TypeInventory {
		s.inventory(w, request, reporter, event)
		return
	}
	in := incoming{event: event, reporter: reporter.ID, now: s.Now()}
	// Validated above.
	in.sequence, _ = event.SequenceNumber()
	problem := s.read(&in, reporter)
	if problem == nil {
		problem = s.owned(request, reporter, event)
	}
	if problem != nil {
		s.refuse(w, *problem)
		return
	}
	outcome, err := s.Store.Accept(request.Context(), in)
	var refused *conflict
	switch {
	case errors.As(err, &refused):
		s.refuse(w, wire.Problem{Type: refused.problem, Title: "The order of events is broken", Status: http.StatusConflict, AcceptedSequence: refused.accepted})
	case err != nil:
		s.fail(w, err)
	case outcome == known:
		s.answer(w, http.StatusOK, map[string]any{"acceptedSequence": in.sequence})
	default:
		s.Log.Info("Accepted", "type", event.Type, "deployment", event.Subject, "sequence", in.sequence, "reporter", reporter.ID)
		s.answer(w, http.StatusAccepted, map[string]any{"acceptedSequence": in.sequence})
	}
}

// read validates the data of an event and its scope.
func (s *Server) read(in *incoming, reporter Reporter) *wire.Problem {
	malformed := &wire.Problem{Type: wire.ProblemMalformed, Title: "The data is not of the expected shape, or has unknown fields", Status: http.StatusBadRequest}
	if in.event.Type == wire.TypeWithdrawn {
		var withdrawal wire.Withdrawal
		if wire.Decode(in.event.Data, &withdrawal) != nil {
			return malformed
		}
		if broken := withdrawal.Validate(); len(broken) > 0 {
			return &wire.Problem{Type: wire.ProblemInvalid, Title: "The withdrawal breaks rules", Status: http.StatusUnprocessableEntity, Errors: broken}
		}
		in.withdrawn, in.digest = withdrawal.Reason, withdrawal.Reason
		return nil
	}
	var deployment wire.Deployment
	if wire.Decode(in.event.Data, &deployment) != nil {
		return malformed
	}
	if broken := deployment.Validate(); len(broken) > 0 || deployment.DeploymentID != in.event.Subject {
		return &wire.Problem{Type: wire.ProblemInvalid, Title: "The deployment breaks rules", Status: http.StatusUnprocessableEntity, Errors: broken}
	}
	if !reporter.mayReport(deployment.Organisation.URI, deployment.Jurisdictions) {
		return &wire.Problem{Type: wire.ProblemOutOfScope, Title: "This reporter may not speak for the organisation or jurisdiction", Status: http.StatusForbidden}
	}
	digest, err := wire.Digest(deployment)
	if err != nil {
		return malformed
	}
	in.digest = digest
	return nil
}

// owned refuses a reporter that speaks about another's deployment.
func (s *Server) owned(request *http.Request, reporter Reporter, event wire.Event) *wire.Problem {
	owner, err := s.Store.Owner(request.Context(), event.Subject)
	if err != nil {
		s.Log.Error("Look for the owner", "error", err)
		return &wire.Problem{Type: wire.ProblemInternal, Title: "The registry failed; try again", Status: http.StatusInternalServerError}
	}
	if owner != "" && owner != reporter.ID {
		return &wire.Problem{Type: wire.ProblemOutOfScope, Title: "The deployment belongs to another reporter", Status: http.StatusForbidden}
	}
	return nil
}

// inventory takes a reporter's list as a sign of life and says what it lacks.
func (s *Server) inventory(w http.ResponseWriter, request *http.Request, reporter Reporter, event wire.Event) {
	var list wire.Inventory
	if wire.Decode(event.Data, &list) != nil {
		s.refuse(w, wire.Problem{Type: wire.ProblemMalformed, Title: "The inventory is not of the expected shape", Status: http.StatusBadRequest})
		return
	}
	needed, listed := []string{}, map[string]bool{}
	for _, entry := range list.Entries {
		listed[entry.DeploymentID] = true
		current, err := s.Store.Touch(request.Context(), reporter.ID, entry, s.Now())
		if err != nil {
			s.fail(w, err)
			return
		}
		if !current {
			needed = append(needed, entry.DeploymentID)
		}
	}
	unexpected := []string{}
	records, err := s.Store.List(request.Context())
	if err != nil {
		s.fail(w, err)
		return
	}
	for _, record := range records {
		if list.Complete && record.Reporter == reporter.ID && record.Withdrawn == "" && !listed[record.Deployment.DeploymentID] {
			unexpected = append(unexpected, record.Deployment.DeploymentID)
		}
	}
	s.answer(w, http.StatusOK, map[string]any{"needed": needed, "unexpected": unexpected})
}

func (s *Server) answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		s.Log.Debug("An answer was not taken", "error", err)
	}
}

func (s *Server) refuse(w http.ResponseWriter, problem wire.Problem) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(problem.Status)
	if err := json.NewEncoder(w).Encode(problem); err != nil {
		s.Log.Debug("An answer was not taken", "error", err)
	}
}

func (s *Server) fail(w http.ResponseWriter, err error) {
	s.Log.Error("The registry failed", "error", err)
	s.refuse(w, wire.Problem{Type: wire.ProblemInternal, Title: "The registry failed; try again", Status: http.StatusInternalServerError})
}
