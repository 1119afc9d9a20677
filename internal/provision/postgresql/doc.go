// Package postgresql provisions, proves and revokes edges of the contract postgresql-v1 on a PostgreSQL server, version 12
// or later. It may import pgx and internal/provision.
//
// One binding gets one database. A role that cannot log in owns it and bears its name; the consumer's login is a member of
// that role and acts as it in every session, so that a login can be exchanged without moving what it made. Further logins
// are members of a role per privilege, `<database>__read` or `<database>__write`, which sees what the owner makes, now and
// later. No login has a right beyond its database.
//
// The consumer rules what is inside, its owner's defaults for sessions included, and none of it may run with the admin's
// rights: sessions of the admin look names up among the server's own objects only and name every other schema, and scripts of
// extensions run where the consumer cannot have put anything. A server that no certificate authority vouches for is logged in
// to by SCRAM only.
//
// Each role and the database carry a comment with the binding's UID. What carries another's is never touched; what a
// revocation retained is given back to the binding of the same namespace and name.
//
// Roles change in one transaction, so do the contents of the database; between the two stands CREATE DATABASE, which has
// none, and whose result is recognised by its owner. Passwords are sent as SCRAM verifiers, never in the clear, and only
// where logging in with them fails.
package postgresql
