// Package keypair makes and proves edges of the contract key-pair-v1: a key pair that belongs to the consumer. There is no
// server behind it; the keys are made with Go's cryptography and kept in the binding's Secret only. It imports
// internal/provision and a library for JSON Web Keys.
package keypair
