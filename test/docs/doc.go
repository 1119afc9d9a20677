// Package docs holds the documentation to the code: each reason is explained, each kind has a page, each manifest in a
// page is one the operator takes, each test that a page names exists, and each link leads somewhere. It has tests only and
// may import the API and the core.
package docs
