// Package infer reads from rendered objects what they bring for others and what they use of others, and makes edges between
// components of it: one whose chart uses a StorageClass, a custom kind or a Secret that another's chart brings has to wait
// for that other, although nobody declared it.
//
// It is pure: it may import the API machinery and internal/render for the identity of objects; no client, no context, no clock.
package infer
