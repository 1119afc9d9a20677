// Package health tells from live objects whether a component works, and if it does not, what stands in its way.
//
// It is pure: no client, context, clock or log. Whoever calls it gathers the objects (internal/observe does) and states
// the time. It imports kstatus, cel-go, the API machinery's types and internal/render for the identity of objects.
//
// Two things are kept apart on purpose. The state says whether the observed generation of every object works now. The
// blocker names the one obstacle that most likely explains all others: what keeps a pod from being placed or started comes before what
// a running program complains about, since a program often complains about a neighbour that could not start.
//
// Messages hold still while the situation does: they carry no times, no restart counts and no generated pod names.
package health
