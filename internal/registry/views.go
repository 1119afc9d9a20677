package registry

import (
	"bytes"
	_ "embed" // the page
	"html/template"
	"net/http"
	"strings"
	"time"

	"github.com/dpi-operator/dpi-operator/internal/wire"
)

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"day": func(moment *time.Time) string {
		if moment == nil {
			return "–"
		}
		return moment.Format("2 January 2006")
	},
	"join": strings.Join,
}).Parse(pageText))

// View is one deployment as the public may see it.
type View struct {
	wire.Deployment
	Freshness Freshness `json:"freshness"`
	FirstSeen time.Time `json:"firstSeenAt"`
	LastSeen  time.Time `json:"lastSeenAt"`
	Sequence  int64     `json:"acceptedSequence"`
	// Withdrawn is the reason of a withdrawal.
	Withdrawn string `json:"withdrawn,omitempty"`
}

// views lists what may be shown to anyone: versions only as disclosed, moments to the day where they tell habits.
func (s *Server) views(request *http.Request) ([]View, error) {
	records, err := s.Store.List(request.Context())
	if err != nil {
		return nil, err
	}
	now := s.Now()
	out := make([]View, 0, len(records))
	for _, record := range records {
		view := View{
			Deployment: record.Deployment, Freshness: freshness(record, now), FirstSeen: record.FirstSeen, LastSeen: record.LastSeen,
			Sequence: record.Sequence, Withdrawn: record.Withdrawn,
		}
		if view.Freshness == Lost || record.Deployment.Disclosure.Tier == "private" {
			continue
		}
		out = append(out, view)
	}
	return out, nil
}

func (s *Server) deployments(w http.ResponseWriter, request *http.Request) {
	views, err := s.views(request)
	if err != nil {
		s.fail(w, err)
		return
	}
	s.answer(w, http.StatusOK, map[string]any{"deployments": views})
}

// page shows the same list for people. It needs no script and loads nothing from elsewhere.
func (s *Server) page(w http.ResponseWriter, request *http.Request) {
	views, err := s.views(request)
	if err != nil {
		s.fail(w, err)
		return
	}
	var out bytes.Buffer
	err = pageTemplate.Execute(&out, map[string]any{"Deployments": views, "Totals": totals(views), "Now": s.Now().UTC().Format("2 January 2006, 15:04 UTC")})
	if err != nil {
		s.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Referrer-Policy", "no-referrer")
	if _, err := w.Write(out.Bytes()); err != nil {
		s.Log.Debug("A page was not taken", "error", err)
	}
}

// sums are the figures above the table.
type sums struct {
	Deployments, Ready, Jurisdictions, Goods int
}

func totals(views []View) sums {
	jurisdictions, goods := map[string]bool{}, map[string]bool{}
	out := sums{}
	for _, view := range views {
		if view.Freshness == Withdrawn {
			continue
		}
		out.Deployments++
		if view.State == wire.StateReady {
			out.Ready++
		}
		for _, each := range view.Jurisdictions {
			jurisdictions[each] = true
		}
		for _, component := range view.Components {
			goods[component.Good.Identifiers["repo"]] = true
		}
	}
	out.Jurisdictions, out.Goods = len(jurisdictions), len(goods)
	return out
}
