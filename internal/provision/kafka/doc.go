// Package kafka provisions, proves, retires and revokes edges of the contract kafka-topic-v1 on Kafka 2.8 and later. It
// imports internal/provision and a client.
//
// A topic carries whose it is as an access rule for a principal that nobody can be: `DPIBinding:<namespace>/<name>/<uid>`.
// The mark is made before the topic, so that a topic without one was made by somebody else and is left alone. Bindings of
// one namespace share a topic, each with a mark and a login of its own; the topic goes with the last of them, and only by
// DeleteData. On a cluster without access rules there are no marks: topics have the binding's own name there.
//
// A login is a SCRAM credential with rights on the topic and on groups and transactions that are named after it. Rights are
// given before the password and taken before it, so that a kill leaves nobody with a password and no rights to look for.
package kafka
