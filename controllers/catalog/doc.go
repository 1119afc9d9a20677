// Package catalog reconciles Catalogs: it reads a source, judges every entry, and only if all of them are sound makes the
// catalogue's namespace say what the source says.
//
//	source ──parse, check──► goods, contracts, templates ──apply, prune──► status
//
// Entries are checked before any is applied, so that a broken source changes nothing. It may import the pure core,
// conditions, outcome and the API.
package catalog
