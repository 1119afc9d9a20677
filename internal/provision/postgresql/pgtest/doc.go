// Package pgtest gives tests a real PostgreSQL server of the distribution on a random port of the loopback interface. It is
// for tests only and imports the standard library only.
package pgtest
