// Package kctest gives tests a real Keycloak server on the loopback interface, with a database that our own provisioner
// made on a real PostgreSQL. It is for tests only and imports the PostgreSQL provisioner and its test server.
//
// The distribution is where KEYCLOAK_HOME says; home.sh, beside this file, gets and prepares one and prints the place.
package kctest
