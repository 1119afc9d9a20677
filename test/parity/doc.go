// Package parity holds the release engine to Helm's own actions, on a real API server: each chart of testdata/charts is
// installed, upgraded, tested, broken, rolled back and uninstalled once by Helm and once by the engine, and whatever differs
// in the cluster, in the order of hooks or in what Helm reads of the records must stand in one table, with its reason. That
// table is also in docs/helm-compatibility.md, and an entry that no chart shows any more is an error, too.
//
// It has tests only. They may import the engine, its adapters and the oracle.
package parity
